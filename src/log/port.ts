/**
 * The port to a partition's log (rule 1): what the core asks, as values in its outbox, and what
 * it is answered, as inputs. A question carries a ticket, unique within its worker; the shell
 * answers each ticket once, in any order, however long it takes.
 *
 * A log is a sequence of records numbered by the engine. Only compare-and-append writes: the
 * caller says which record it believes to be the partition's last, and the engine refuses when it
 * is not. That refusal is what fences a deposed master; nothing else does.
 */

/** One stored append. `seq` grows along a partition's records, not by one (streams are shared). */
export interface LogRecord {
  readonly seq: number
  readonly bytes: Uint8Array
}

export type LogRequest =
  | {
      readonly kind: 'read'
      readonly ticket: number
      readonly partition: number
      /** Records with `seq` at least this. */
      readonly from: number
    }
  | {
      readonly kind: 'append'
      readonly ticket: number
      readonly partition: number
      /** The partition's last record as the caller knows it; 0 for none. */
      readonly expectedSeq: number
      readonly bytes: Uint8Array
    }
  | {
      readonly kind: 'trim'
      readonly ticket: number
      readonly partition: number
      /** Records below this may go. */
      readonly below: number
    }
  | {
      /** This worker no longer masters the partition; a replicated log need not care. */
      readonly kind: 'release'
      readonly ticket: number
      readonly partition: number
    }

/** The answer to a read. No read proves an end (rule 2); `isEnd` says only that this one ended. */
export type ReadOutcome =
  | ReadPage
  | { readonly kind: 'unreadable'; readonly reason: string }

export interface ReadPage {
  readonly kind: 'page'
  readonly records: readonly LogRecord[]
  readonly isEnd: boolean
}

/** The answer to an append: rule 1's four, and *busy* (an append of this partition in process). */
export type AppendOutcome =
  | { readonly kind: 'appended'; readonly seq: number }
  | { readonly kind: 'conflict'; readonly lastSeq: number }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'busy' }
  | { readonly kind: 'unknown'; readonly reason: string }

export type LogAnswer =
  | { readonly kind: 'read'; readonly ticket: number; readonly outcome: ReadOutcome }
  | { readonly kind: 'append'; readonly ticket: number; readonly outcome: AppendOutcome }

/** Where core parts leave their questions to the log. */
export interface LogOutbox {
  /** Asks; `onAnswer` is called in the turn that brings the answer, at most once. */
  ask(
    request:
      | { kind: 'read'; partition: number; from: number }
      | { kind: 'append'; partition: number; expectedSeq: number; bytes: Uint8Array }
      | { kind: 'trim'; partition: number; below: number }
      | { kind: 'release'; partition: number },
    onAnswer?: (answer: LogAnswer) => void
  ): void
}
