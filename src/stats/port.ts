/**
 * The port to where statistics are kept: records by key, each replaced as a whole by who knows what
 * it replaces. What the core asks are values in its outbox, and what it is answered are inputs,
 * like with a log (log/port.ts).
 *
 * A key is a path, `appId/kind/…`. Every record has a time to live, counted from when it was
 * written; nothing else is ever let go of itself.
 */

export interface StatsRecord {
  readonly key: string
  /** Grows with every record that is written. */
  readonly seq: number
  readonly bytes: Uint8Array
}

export type StatsQuestion =
  | {
      /** Writes a record if its last writing has this `seq`; 0: if it is not there. */
      readonly kind: 'put'
      readonly key: string
      readonly expectedSeq: number
      readonly bytes: Uint8Array
      readonly ttlMs: number
    }
  | {
      /** The records below a path (`a/b/`), or the one of this key, in order of `seq`. */
      readonly kind: 'list'
      readonly path: string
      /** Only with at least this `seq`. */
      readonly from: number
    }
  /** The keys of the records below a path. */
  | { readonly kind: 'names'; readonly path: string }
  /** Lets a record go. */
  | { readonly kind: 'remove'; readonly key: string }

export type StatsRequest = StatsQuestion & { readonly ticket: number }

/** *Unknown* alone may be written, or be written later; *refused* and *busy* surely are not. */
export type PutOutcome =
  | { readonly kind: 'written'; readonly seq: number }
  /** The last writing of the key is another one; 0: it is not there. */
  | { readonly kind: 'conflict'; readonly lastSeq: number }
  | { readonly kind: 'refused' | 'busy' | 'unknown' }

export type StatsAnswer = { readonly ticket: number } & (
  | { readonly kind: 'put'; readonly outcome: PutOutcome }
  /** Undefined: it could not be read. By a copy that may lag behind. */
  | {
      readonly kind: 'list'
      readonly page: { readonly records: readonly StatsRecord[]; readonly isEnd: boolean } |
        undefined
    }
  | { readonly kind: 'names'; readonly names: readonly string[] | undefined }
  /** True: it is gone, or was not there. */
  | { readonly kind: 'removed'; readonly isDone: boolean }
)

/** Where core parts leave their questions; each is answered at most once. */
export interface StatsOutbox {
  askStats(question: StatsQuestion, onAnswer: (answer: StatsAnswer) => void): void
}
