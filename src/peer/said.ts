/** What statistics want to know of an op. */

/** What a client has said: messages, or presence items; with the bytes that they count as. */
export interface Said {
  readonly count: number
  readonly bytes: number
  /** True: by request. */
  readonly isRest: boolean
}
