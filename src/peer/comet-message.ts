/**
 * What workers say to each other about requests of comet connections (protocol 16). Such a request
 * may reach any worker of any node; the connection lives on its home, which its key names. So the
 * worker that was reached *asks* the home, which answers when it has something to say.
 *
 *   reached → home   cometAsked         once, or in parts where a send is large
 *   home → reached   cometAnswered      once
 *   reached → home   cometLeft          the client hung up, before the answer or after
 *
 * Nothing is asked twice: who hears nothing in time, or loses the link, ends the request with an
 * error on which the client resumes. And an answer that was not delivered ends the transport at
 * home, for the client would miss what was in it.
 */

/** What a request wants of a comet connection. */
export type CometWish = 'recv' | 'send' | 'close' | 'disconnect'

/** Reached → home: a client wants this of a connection of yours. */
export interface CometAsked {
  readonly kind: 'cometAsked'
  /** Counted by the asking worker. */
  readonly askId: number
  readonly connectionId: string
  /** The claim that its key was issued for. */
  readonly claim: number
  readonly wish: CometWish
  /** Of a send: frames of the client, as JSON, in order. */
  readonly frames: readonly string[]
  /** True: this send goes on with the next of the same askId, and is answered at its end. */
  readonly hasMore: boolean
}

/** Home → reached: what the request is answered with. */
export interface CometAnswered {
  readonly kind: 'cometAnswered'
  readonly askId: number
  readonly statusCode: number
  /** JSON; absent where there is nothing to say. */
  readonly body: Uint8Array | undefined
}

/** Reached → home: the client of this request does not wait any more. */
export interface CometLeft {
  readonly kind: 'cometLeft'
  readonly askId: number
  readonly connectionId: string
  readonly claim: number
  /** True: it was answered, and the answer did not arrive. */
  readonly hasMissed: boolean
}

export type CometMessage = CometAsked | CometAnswered | CometLeft

export const COMET_KINDS = [
  'cometAsked',
  'cometAnswered',
  'cometLeft'
] as const satisfies readonly CometMessage['kind'][]

const cometKinds: ReadonlySet<string | undefined> = new Set(COMET_KINDS)

/** True for the name of one of these messages. */
export function isCometKind(kind: string | undefined): kind is CometMessage['kind'] {
  return cometKinds.has(kind)
}

/** True for one of these messages among all others. */
export function isCometMessage<T extends { readonly kind: string }>(
  message: T | CometMessage
): message is CometMessage {
  return cometKinds.has(message.kind)
}

/** About how many bytes it takes on a link. */
export function cometWeight(message: CometMessage): number {
  if (message.kind === 'cometAnswered') return 60 + (message.body?.byteLength ?? 0)
  if (message.kind === 'cometLeft') return 60
  let bytes = 100
  for (const frame of message.frames) bytes += 8 + Buffer.byteLength(frame, 'utf8')
  return bytes
}
