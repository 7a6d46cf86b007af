/**
 * What one worker has done since it started, as plain counters: the core counts, the shell shows.
 */
export class Tally {
  /** Publishes that were admitted, and messages in them. */
  publishCount = 0
  messageCount = 0
  /** Publishes that were answered with an error. */
  refusedCount = 0
  /** Frames given to sockets by fan-out. */
  deliveryCount = 0
  /** Sockets that were opened, and that were turned away. */
  openedCount = 0
  turnedAwayCount = 0
  /** Of those turned away: because the worker had too much to do, or the app too many already. */
  busyCount = 0
  appFullCount = 0
  /** Connections that were ended because they took too slowly what they were told. */
  slowCount = 0
  /** Connections that were ended because the region sends its clients to others. */
  sentAwayCount = 0
}
