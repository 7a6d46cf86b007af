/**
 * A channel as a socket's client sees it, by what it asked for and what it was told: what of the
 * channel it is to be shown.
 */

import type { Committed } from '../committed.ts'
import type { SimSocket } from '../sockets.ts'
import { nameOf } from '../submissions.ts'
import { Mode, type Point, type Wire } from '../wire.ts'
import type { Rewinding } from './rewinding.ts'

export interface View {
  /** What the client said last: where it wants to go on; null: anywhere. */
  asked: Point | null | undefined
  /** Where it stands by what it was shown; undefined while it is not attached. */
  at: Point | undefined
  /** The flags of the modes that it was granted. */
  modes: number
  /** It is shown those alone that the filter of its name lets through. */
  readonly isDerived: boolean
  /** How many messages it wants to be told first, where it begins anew. */
  readonly rewindCount: number
  /** While it is told them; `doubtful`: nobody can say which they are. */
  rewinding: Rewinding | 'doubtful' | undefined
  /** Its client has shown another token, which may permit more or less. */
  mayChange: boolean
  /** The modes and params that it asked for. */
  wish: string
  /** It asked once more before it was answered: a server that stood still answers twice. */
  isAskedAgain: boolean
  /** It has asked to be detached, and was not told so yet. */
  isOwed: boolean
}

/** How many messages an attach wants to be told first. Time is no bound: it is the tail's. */
export function rewindCountOf(params: Wire['params']): number {
  const { rewind, rewindLimit = '100' } = params ?? {}
  return rewind === undefined ? 0 : Number(rewind.endsWith('m') ? rewindLimit : rewind)
}

export function modesOf(flags: number): number {
  return flags & ~0xffff
}

export function hearsSome({ modes }: View): boolean {
  return (modes & (Mode.SUBSCRIBE | Mode.PRESENCE_SUBSCRIBE | Mode.PRESENCE)) !== 0
}

/** What becomes of its own members a connection hears in any case (protocol 8.3). */
export function isVisible(committed: Committed, { echo, connectionId: own }: SimSocket, view: View)
  : boolean {
  const isOwn = committed.connectionId === own
  if (committed.events === undefined) {
    const hears = (view.modes & Mode.SUBSCRIBE) !== 0 && (echo || !isOwn)
    return hears && textsFor(committed, view).length > 0
  }
  return !view.isDerived && (isOwn || (view.modes & Mode.PRESENCE_SUBSCRIBE) !== 0)
}

/** What of it is shown where a filter may choose. */
export function textsFor({ texts, events }: Committed, { isDerived }: View): readonly string[] {
  const isChosen = isDerived && events === undefined
  return isChosen ? texts.filter((text) => nameOf(text) === 'f') : texts
}
