/**
 * What a worker says to all others of a region when it has stored something in the log of
 * revocations: where the log goes to by now. Who has not read so far reads on.
 */
export interface Revoked {
  readonly kind: 'revoked'
  /** Of the record that was stored. */
  readonly seq: number
}
