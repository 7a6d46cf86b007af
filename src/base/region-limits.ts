/** What a region's nodes allow themselves in dealing with other regions. */

export const regionLimits = {
  /** The first clients of a channel are let in without those of other regions after this. */
  relayWaitMs: 1_000,
  /** So far ahead of its own wall clock a region follows that of another one. */
  relayLeadMs: 5_000,
  /**
   * So long members of a region stay that is not listened to any more; and after this nobody counts
   * as listening who is not answered, and nothing is said to a place that confirms nothing.
   */
  regionGraceMs: 60_000, relaySilentMs: 60_000,
  /** So long, and so many of a channel, clients wait that come from another region. */
  movingMs: 6_000, movingMax: 1_000,
  /** So often that region's master is looked up anew; and one that is the same asked again. */
  movingLookMs: 500, movingAskMs: 2_000,
  /** They wait so long where none of the regions has been heard that may know of them. */
  movingAwayMs: 1_000,
  /** A region that has not answered by then is left out of what is read in all of them. */
  regionAnswerMs: 1_000,
  /** A client that is sent to another region waits so long for what is owed to it. */
  departureWaitMs: 5_000,
  /**
   * So many publishes of a channel wait for another region at once; after so long another one is
   * asked to take what is born on it; and who was asked does so for this time.
   */
  uncopiedMax: 10_000, holdAgainMs: 1_500, heldAbroadMs: 60_000,
  /**
   * Of so many channels of a partition that were let go it is remembered how far they went, and of
   * as many more to which no other region listened.
   */
  pastsMax: 100,
  /** Their publishers wait so long; after `publishOutcomeMs` their connection would be given up. */
  uncopiedAnswerMs: 6_000,
  /** So often regions compare what is revoked; and so many revocations are one message. */
  revocationSyncMs: 30_000, revocationsPerPage: 500
} as const
