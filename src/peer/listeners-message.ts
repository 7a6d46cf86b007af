/**
 * Whether anybody listens to a channel: asked of its master by workers that have something to tell
 * on it (protocol 7.9). The answer is a hint, and so is the question: either may be lost, nobody
 * waits for it long, and nothing is taken over or confirmed for it.
 */

/** Worker → master. */
export interface ListenersAsked {
  readonly kind: 'listenersAsked'
  readonly channel: string
}

/** Master → worker. */
export interface ListenersTold {
  readonly kind: 'listenersTold'
  readonly channel: string
  /** True if some node has, or lately had, attachments. */
  readonly isWatched: boolean
}

export type ListenersMessage = ListenersAsked | ListenersTold

export const LISTENERS_KINDS = [
  'listenersAsked',
  'listenersTold'
] as const satisfies readonly ListenersMessage['kind'][]
