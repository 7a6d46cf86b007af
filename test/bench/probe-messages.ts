/**
 * What the threads of a measured server are told by the one that answers the bench.
 */

export const PROBE_CHANNEL = 'bench-probe'

/** What one thread did since it was told to count anew. */
export interface Counts {
  /** Drains of the outbox that wrote to a socket. */
  readonly turns: number
  /** Calls to write of a client's stream. */
  readonly writes: number
  /** The most writes that one stream was given within one turn. */
  readonly writesPerTurnMax: number
  /** Publications that were fanned out, each counted once. */
  readonly publications: number
  /** Frames that were encoded for them. */
  readonly encodes: number
}

export type ProbeMessage =
  | { readonly kind: 'memory' }
  | { readonly kind: 'countAnew' }
  | { readonly kind: 'counts' }
  | { readonly kind: 'counted'; readonly counts: Counts }
