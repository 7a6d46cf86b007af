/**
 * What the bench and a load process say to each other: each request has one answer, in order.
 */

export interface OpenRequest {
  readonly kind: 'open'
  readonly port: number
  readonly sockets: readonly SocketPlan[]
  /** How many may be on their way at once. */
  readonly concurrency: number
}

/** One socket: where it goes, what it says first, when it is ready. */
export interface SocketPlan {
  readonly path: string
  readonly hello: string | undefined
  /** It is ready once so many messages have come. */
  readonly readyAfter: number
}

export type LoadRequest =
  | OpenRequest
  /** Forgets what was counted. */
  | { readonly kind: 'watch' }
  /** What came since: counts, latencies, a message as an example. */
  | { readonly kind: 'seen' }
  /** Sends messages at an even pace, one socket after the other; answered when all are sent. */
  | { readonly kind: 'publish'; readonly plan: PublishPlan }
  | { readonly kind: 'close' }

export interface PublishPlan {
  readonly perSecond: number
  readonly count: number
  /**
   * By socket; its parts are joined by the stamp, and in the first part `#` stands for the number
   * of the message on its socket.
   */
  readonly templates: readonly { readonly before: string; readonly after: string }[]
}

export interface Seen {
  readonly messages: number
  readonly bytes: number
  /** When a sampled socket had its last message, by the machine's monotonic clock. */
  readonly lastAtMicros: number
  /** Of a sample of the sockets; see latencies.ts. */
  readonly latencyCounts: readonly number[]
  readonly sample: string
  /** Why sockets were lost, the first few. */
  readonly lost: readonly string[]
  readonly lostCount: number
}

export type LoadAnswer =
  | { readonly kind: 'done'; readonly startedAtMicros: number }
  | { readonly kind: 'seen'; readonly seen: Seen }
  | { readonly kind: 'failed'; readonly reason: string }
