/** Bounds of connections over HTTP: comet and server-sent events (protocol 16, 18). */

export const cometLimits = {
  /** A connection key in a path; longer ones lead nowhere, 40400. */
  connectionKeyLengthMax: 8_192,
  /** Bytes kept for a client between its requests; above: DISCONNECTED 80003. */
  cometQueueBytesMax: 4 * 1024 * 1024,
  /** Frames of one answer, unless a single one is larger; the rest waits for the next request. */
  cometResponseBytesMax: 256 * 1024,
  /** A response that goes on ends above this; the client asks for the next. */
  cometStreamBytesMax: 4 * 1024 * 1024,
  /** The body of one send; above: refused with 413. */
  cometSendBytesMax: 16 * 1024 * 1024,
  /** Its frames; above: refused with 40034. */
  cometSendFramesMax: 50_000,
  /** A request that nothing is said to is answered with a beat. */
  cometIdleMs: 15_000,
  /** Nobody asked for what there is to say: the transport is lost, the session parked. */
  cometAbsentMs: 15_000,
  /** The same after an answer that did not arrive: its client comes again, or closes. */
  cometTornMs: 2_000,
  /** What another worker was asked for a client, without answer: refused with 80003, retriable. */
  cometAnswerMs: 8_000,
  cometRecvAnswerMs: 20_000,
  /** Requests of one worker that others have to answer; above: refused with 50004. */
  cometAsksMax: 100_000,
  /** What a reader of server-sent events has not taken; above: cut off, it comes again. */
  sseQueueBytesMax: 4 * 1024 * 1024
} as const
