/**
 * Every bound of the core, with its unit last, and what happens at it. They are checked against
 * each other at the end, since a bound that contradicts another is a bug of this file.
 */

import { assert } from './assert.ts'
import { cometLimits } from './comet-limits.ts'
import { regionLimits } from './region-limits.ts'
import { statsLimits } from './stats-limits.ts'
import { worldLimits } from './world-limits.ts'

export const limits = {
  ...cometLimits,
  ...statsLimits,
  ...regionLimits,
  ...worldLimits,

  // -- what a client may send, and what it is told (protocol sections 4.1 and 20) --------------
  /** Sum of a publish's sizes; above: NACK 40009. */
  messageBytesMax: 65_536,
  /** One frame of a client; above: the socket is closed with 40009. */
  frameBytesMax: 524_288,
  /** One that is larger, but not than this, is read, so that its client can be told. */
  frameBytesReadMax: 4 * 524_288,
  /** Messages of one publish; above: NACK 40034. */
  messagesPerPublishMax: 1_000,
  /** Attachments of one session; above: channel ERROR 90010. */
  attachmentsPerSessionMax: 200,
  /** The id of a message or a presence item, which is free of the sizes above; above: 40031. */
  messageIdLengthMax: 1_024,
  /** Its encoding, which is free, too; above: 40013. */
  encodingLengthMax: 1_024,
  /** What is said at once as it stands in logs and on the mesh, with all that is implied or claimed
   * of each item; above: 40009. */
  submissionBytesMax: 524_288,
  /** Publishes of one session that wait for their answers; above: NACK 42911. No fewer than it may
   * say in a second: a client that was offline says all that it has at once. */
  unansweredPerSessionMax: 10_000,
  /** The bytes of their frames; above: the same. */
  unansweredPerSessionBytesMax: 64 * 1024 * 1024,
  /** Frames of one session that wait for their answers, refused ones behind a publish without
   * outcome too; above: DISCONNECTED. Far above what a client has pending, for it sends all of
   * that again at once. */
  owedPerSessionMax: 50_000,
  /** Messages of one session in a second, unless its app says otherwise; presence items and
   * requests for SYNC count as such. Above: NACK 42911. */
  messagesPerSecondMax: 10_000,
  /** Attaches of one session in a second; above: DETACHED 90021, retriable. */
  attachesPerSecondMax: 1_000,
  /** Seconds in a row with refusals for one of these; then: DISCONNECTED 42921. */
  excessSecondsMax: 10,
  /** Frames of one session in a second, pings included; above: DISCONNECTED 42924. Above what a
   * client may have pending, which it sends again at once when it comes back. */
  framesPerSecondMax: 60_000,
  /** What a failed connection may expect to find again, told in connectionDetails. */
  connectionStateTtlMs: 120_000,
  /** The longest silence of the server; half of it is how often idle sockets are sent a beat. */
  maxIdleIntervalMs: 15_000,
  /** A socket that was silent this long, pings unanswered, is dropped. */
  socketSilenceMs: 40_000,
  /** Bytes waiting in one socket; what would exceed it is not written: DISCONNECTED 80003. */
  socketQueueBytesMax: 16 * 1024 * 1024,
  /** Above so many a socket is not given what can wait: missed messages, sets of members. */
  socketRoomBytes: 1024 * 1024,
  /** How often it is looked whether a socket has room for what waits. */
  socketLookMs: 50,
  /** Sockets of one worker; above: refused with 50004. */
  socketsPerWorkerMax: 1_000_000,
  /** What one worker says for the log in a second; above: left out, and counted. */
  notesPerSecondMax: 50,
  /** Files that a process may open and clients' connections leave to others: mesh, log, probes. */
  filesKeptFree: 128,
  /** URL and headers of a request; above: 431. An event stream's id names all of its channels. */
  requestHeadBytesMax: 128 * 1024,
  /** A connection whose request has no whole head after this is closed, before it is a WebSocket
   * too; and one whose request has no whole body after the second. */
  requestHeadMs: 10_000,
  requestBodyMs: 30_000,
  /** A client that does not answer the end of its socket is cut off after this. */
  closingMs: 10_000,
  /** Fragments of one frame of a client, and pieces in which it arrives; above: closed. */
  fragmentsPerFrameMax: 1_024,
  piecesPerFrameMax: 16_384,

  // -- overload -------------------------------------------------------------------------------
  /** So many sockets are let in at a time; the others wait, new ones behind those that resume. */
  admissionsPerStep: 100,
  admissionStepMs: 50,
  /** Sockets of one worker that wait to be let in; above: DISCONNECTED 50004, new ones first. */
  admissionsWaitingMax: 10_000,
  /** A socket that waits this long: DISCONNECTED 50004. */
  admissionWaitMs: 5_000,
  /** An event loop as late as this, so many looks in a row: new connections are refused, 50004. */
  strainedLagMs: 400,
  strainedLooks: 3,
  /** Until it is not even as late as this, so many looks in a row. */
  calmLagMs: 50,
  calmLooks: 8,
  /** How often it is looked. */
  strainLookMs: 250,
  /** Of the memory that may be used: from here on new connections are refused, until the second. */
  strainedMemoryShare: 0.85,
  calmMemoryShare: 0.75,
  /** From here on nobody is let in, and sockets with more than so many bytes waiting are ended. */
  direMemoryShare: 0.92,
  direQueueBytesMax: 128 * 1024,

  // -- HTTP requests ---------------------------------------------------------------------------
  /** Requests of one worker that have no answer yet; above: 50004, at once. */
  requestsPerWorkerMax: 10_000,
  /** The bytes of their bodies; above: 50004. */
  requestBytesPerWorkerMax: 256 * 1024 * 1024,
  /** One body; above: 40009. */
  requestBodyBytesMax: 4 * 1024 * 1024,
  /** A request without answer this long is answered with 50003; clients wait 10 s. */
  requestAnswerMs: 8_000,
  /** How soon a master that has not answered a question is asked again, at first; doubles. */
  askRetryMs: 250,
  askRetryMaxMs: 2_000,
  /** A home that does not say for so long whether it holds a connection: a publish on behalf of
   * that is refused with 50005, and may be tried again. */
  behalfAnswerMs: 3_000,
  /** Questions that one request has under way; others of it wait for their turn. */
  questionsPerRequestMax: 16,
  /** Items of one page that a client may ask for; above: 40003. */
  pageItemsMax: 1_000,
  /** Names of channels that one worker tells at a time; of more, those behind are asked for. */
  enumeratedMax: 250,
  /** Enumerations of one app that a worker has under way; above: 42912. */
  enumerationsPerAppMax: 4,
  /** The body of a batch; above: 40009. */
  batchBodyBytesMax: 2 * 1024 * 1024,
  /** Channels of one spec of a batch, and of all its specs; above: 40001 (GET: 40003). */
  batchChannelsMax: 100,
  batchTargetsMax: 1_000,
  /** What one batch tells of members, about; channels that do not fit: 40009. */
  batchAnswerBytesMax: 16 * 1024 * 1024,
  /** What of a batch has no outcome by then has 50003, so that the rest can be told. */
  batchAnswerMs: 7_000,

  // -- tokens (protocol section 11) ------------------------------------------------------------
  /** The text of a token; above: 40144 or 40145. */
  tokenLengthMax: 65_536,
  /** How long a token may live, unless its key may revoke tokens; above: 40003, or 40144. */
  tokenLifeMs: 24 * 3_600_000,
  /** The same where tokens can be revoked: revocations are kept that long. */
  revocableTokenLifeMs: 3_600_000,
  /** The life of a token that asks for none. */
  tokenDefaultLifeMs: 3_600_000,
  /** So long before a token's end a connected client is asked for another one. */
  renewalLeadMs: 30_000,
  /** Targets of one request to revoke tokens; above: 40000. */
  revokeTargetsMax: 100,
  /** The bytes of one of them, as JSON; above: it is no target, 40000. */
  revocationTargetBytesMax: 4_096,
  /** Targets of one key whose tokens are revoked; above: 42911 until old ones have ended. */
  revocationsPerKeyMax: 10_000,
  /** What is kept of one target; above: the last two apply together, at the earlier time. */
  revocationStepsMax: 8,
  /** The bytes of the region's revocations in the log; above: 42911 until old ones have ended. */
  revocationLogBytesMax: 32 * 1024 * 1024,
  /** What is waiting to be stored; above: 42911. */
  revocationsWaitingMax: 10_000,
  /** How long clients have to get other tokens, where they are given time (`allowReauthMargin`). */
  reauthMarginMs: 30_000,
  /** How often it is looked for revocations that nobody told us of, where keys allow any. */
  revocationLookMs: 500,
  /** How soon the log is asked again for what it did not tell; doubles to the next. */
  revocationRetryMs: 20,
  revocationRetryMaxMs: 1_000,
  /** Records that mean nothing any more before the log is trimmed. */
  revocationsDeadMax: 64,
  /** How far the clock of who signs may be from ours. */
  clockSkewMs: 120_000,
  /** Shorter nonces can be guessed, longer ones only cost. */
  nonceLengthMin: 16,
  nonceLengthMax: 512,
  /** Nonces that one partition knows as used; above: token requests are refused with 50004. */
  noncesPerPartitionMax: 10_000,

  // -- publishing -----------------------------------------------------------------------------
  /** A publish without outcome this long: the socket is ended, retriable (rule 18). */
  publishOutcomeMs: 8_000,
  /** An attach without answer this long: DETACHED with 90007, retriable; clients wait 10 s. */
  attachAnswerMs: 8_000,
  /** DETACHED waits so long for members to leave; clients wait 10 s. */
  detachAnswerMs: 4_000,
  /** Publishes of one ChannelClient without answer; above: refused with 42911. */
  unansweredPerClientMax: 20_000,
  /** Their bytes; above: refused with 42911. */
  unansweredPerClientBytesMax: 64 * 1024 * 1024,
  /** Entries waiting for the append under way, per partition, in bytes; above: refused 50005. */
  waitingEntriesBytesMax: 16 * 1024 * 1024,
  /** One append to a log; more waits for the next. */
  appendBytesMax: 512 * 1024,
  /** One chunk of a snapshot: an entry like others, so it shares appends with them. */
  snapshotChunkBytesMax: 128 * 1024,
  /** A snapshot is written when this much was appended since the last one, or twice its size. */
  snapshotEveryBytes: 1024 * 1024,
  /** What a partition's log holds besides its last snapshot; above it the tail is cut, and above
   * twice as much publishes are refused with 50005. */
  partitionLogBytesMax: 32 * 1024 * 1024,
  /** The same bound as a share of the stream that the log is in, where that is less. */
  partitionLogShare: 1 / 8,
  /** Share of the bytes of a stream or account; above: publishes are refused with 50005, the rest
   * is for Epochs, claims and snapshots (rule 6). They are taken again below the second. */
  logAdmissionShare: 0.8,
  logResumeShare: 0.75,
  /** Partitions that nobody needed, taken over at once by a worker to trim what is full. */
  tidiedAtOnceMax: 8,
  /** Epochs whose ends a log remembers, to prove a rollback by; of older ones channels decide. */
  epochEndsMax: 64,
  /** A master's word counts this long after its last accepted append began (rule 11). */
  confirmedMs: 1_500,
  /** Joins and backfills of one partition that wait for its master's claim or Confirm. */
  confirmingMax: 100_000,

  /** Partitions that one view announces to move as planned; the others wait (rule 12). */
  handoversPerView: 64,
  /** What a master has under way when it hands over may take this long to be written. */
  handOverMs: 250,
  /** What a worker keeps of logs read ahead; above: read when the partition is taken over. */
  readAheadBytesMax: 64 * 1024 * 1024,
  /** What was read ahead is kept this long for who may want it. */
  readAheadMs: 5_000,

  // -- sessions without a socket --------------------------------------------------------------
  /** Parked sessions of one worker; above: the oldest goes, its resume fails with 80008. */
  parkedPerWorkerMax: 250_000,
  /** Ended connections of one worker that are told apart from those that were never there. */
  endedKnownMax: 10_000,
  /** A resume that is undecided this long: DISCONNECTED, its client comes again (rule 20). */
  claimAnswerMs: 8_000,
  /** Connections that a worker claimed without hearing the outcome; above: the oldest goes, and
   * if its claim was granted its next resume fails with 80008. */
  unheardClaimsMax: 250_000,
  /** A home that is asked whether it still holds a session, and is silent, is taken to hold it. */
  holderAnswerMs: 1_500,
  /** Claims that one partition's register keeps; at the bound a resume fails with 80008. As many
   * may be under way, above they are asked for again; as many answers are kept for repeats. */
  claimsPerPartitionMax: 10_000,
  /** Requests for one connection that wait for the one under way; above: asked again later. */
  claimsWaitingMax: 8,
  /** Former holders that a claim names: who held it before that has been told often enough. */
  claimFormersMax: 4,
  /** What a client sends before it is connected; above: DISCONNECTED. */
  earlyBytesMax: 524_288,

  // -- hot state ------------------------------------------------------------------------------
  /** Messages that an attachment rewinds to; of more that it asks for, the last ones (20). */
  rewindCountMax: 100,
  /** How long committed messages stay readable for those who were away. */
  tailMs: 120_000,
  /** The bytes of one channel's tail; above: the oldest go, `trimmedThrough` rises. */
  tailBytesMax: 4 * 1024 * 1024,
  /** The bytes of all tails of a worker; above: the tail that grows is cut instead. */
  tailBytesPerWorkerMax: 512 * 1024 * 1024,
  /** De-duplication outlives what any client can still re-send: ttl + 60 s (rule 17). */
  idKeptMs: 180_000,
  /** Who is told nothing of a channel that moves is told where it stands, about as often. */
  quietMs: 30_000,
  /** So many of them at a time; the others a moment later. */
  quietToldAtOnce: 200,
  /** Known ids of one channel; above: publishes are refused with 42911, never forgotten early. */
  idsPerChannelMax: 1_000_000,

  /** A body of more than this is never a delta, nor what one builds on (protocol 7.6). */
  deltaBytesMax: 256 * 1024,
  /** The characters of a filter expression; above: channel ERROR 40010 (protocol 7.8). */
  filterLengthMax: 1_024,
  /** What it is made of; above: the same. */
  filterPartsMax: 100,

  /** What a namespace may say of how long its persisted messages are kept, and what holds where
   * it says nothing. */
  retentionMinMs: 120_000,
  retentionMaxMs: 365 * 24 * 3_600_000,
  retentionMs: 72 * 3_600_000,
  /** The same of the time over which messages are put together. */
  batchingIntervalMinMs: 20,
  batchingIntervalMaxMs: 60_000,
  batchingIntervalMs: 100,
  /** Messages of a channel that wait on a node to be told together; above: told at once. */
  togetherBytesMax: 256 * 1024,

  // -- presence -------------------------------------------------------------------------------
  /** Members of one channel, unless the app says otherwise; above: NACK 91003. */
  presenceMembersMax: 1_000,
  /** The bytes of one channel's members; above: NACK 91006. */
  presenceBytesMax: 4 * 1024 * 1024,
  /** How long members outlive a lost socket, or the node that spoke for them (rule 21). */
  presenceGraceMs: 15_000,
  /** Items of one PRESENCE frame; above: NACK 40034. */
  presenceItemsMax: 1_000,
  /** Members of one SYNC frame, and of one part of a set between places. */
  presencePageMax: 100,
  /** Their bytes. */
  presencePageBytesMax: 128 * 1024,
  /** How many encodings of such a page are kept: formats and names that it is told under. */
  syncVariantsMax: 8,
  /** How long SYNC is held after a new lineage for nodes that have not declared (rule 21). */
  rollMs: 5_000,
  /** How often a node that has not answered a roll is asked again, and a refused leave tried. */
  rollRetryMs: 1_000,

  // -- channels -------------------------------------------------------------------------------
  /** A ChannelClient or LocalGroup that nobody uses any more stays this long. */
  lingerMs: 15_000,
  /** A master's channel without clients stays as long as a client may come back to it. */
  idleChannelMs: 180_000,
  /** How soon a Join that was not answered is sent again, at first; doubles to the next. */
  joinRetryMs: 250,
  joinRetryMaxMs: 4_000,

  /** Joins of clients that know a newer view than their master does; others ask again. */
  earlyJoinsMax: 10_000,
  /** Backfills that one ChannelClient has under way; others wait for their turn. */
  backfillsPerClientMax: 32,

  /** A group or ChannelClient whose attachments change says how many it has this often at most. */
  headcountMs: 250,
  /** Who wants to know how many are attached is told changes this often at most; below 15 s. */
  occupancyMs: 1_000,
  /** A question for the occupancy is answered after this long by what is known, if not before. */
  censusMs: 1_000,

  /** How long it holds that somebody listens to an app's events, or nobody; then it is asked. */
  metaAskMs: 5_000,
  /** Events of a worker in a second; above: they are dropped. */
  metaEventsPerSecondMax: 200,
  /** Events of one metachannel that wait to know whether anybody listens; above: dropped. */
  metaEventsHeldMax: 100,
  /** Metachannels of which a worker knows whether anybody listens; above: the oldest goes. */
  metaWatchesMax: 10_000,

  // -- links between places -------------------------------------------------------------------
  /** One page of a backlog; a Join or backfill that is behind by more asks again. */
  backlogPageBytesMax: 256 * 1024,
  /** Unconfirmed bytes of one link; above: the link rests, is reset, its clients Join again. */
  linkBytesMax: 64 * 1024 * 1024,
  /** How long a link that was full takes nothing, so that what is said again finds room. */
  linkRestMs: 1_000,
  /** One batch; below NATS's max_payload of 1 MiB with room for one largest message. */
  batchBytesMax: 256 * 1024,
  /** How long an acknowledgement may wait for a batch of the other direction. */
  linkAckMs: 40,
  /**
   * An unconfirmed last batch is asked about after this long; doubles to the next. A place that no
   * view lists is asked so often, for 40 s about; then its link is let go.
   */
  linkAskMs: 250, linkAskMaxMs: 5_000, linkStrangerAsks: 12
} as const

assert(limits.frameBytesMax > limits.messageBytesMax, 'a frame holds a largest publish')
assert(
  limits.batchBytesMax + Math.max(limits.frameBytesMax, limits.submissionBytesMax) < 1024 * 1024,
  'a batch that one more message overfills stays below NATS max_payload'
)
assert(
  limits.batchBytesMax + limits.appendBytesMax < 1024 * 1024 &&
    limits.backlogPageBytesMax <= limits.appendBytesMax,
  'so does one that ends with a whole append, or a page of backlog'
)
assert(
  limits.revocableTokenLifeMs <= limits.tokenLifeMs &&
    limits.tokenDefaultLifeMs <= limits.revocableTokenLifeMs,
  'every key may issue tokens of the default life'
)
assert(
  limits.revokeTargetsMax * (limits.revocationTargetBytesMax + 256) < limits.appendBytesMax,
  'what one request revokes fits in one append'
)
assert(limits.cometResponseBytesMax <= limits.frameBytesMax,
  'so does one that ends with the answer to a comet request, or with a part of a send')
assert(limits.uncopiedAnswerMs < limits.publishOutcomeMs, 'a master answers before it is given up')
assert(limits.cometIdleMs <= limits.maxIdleIntervalMs, 'a comet client hears us as often')
assert(limits.cometIdleMs < limits.cometRecvAnswerMs, 'a home that is there answers in time')
assert(limits.framesPerSecondMax > limits.owedPerSessionMax, 'what is sent again is no flood')
assert(limits.owedPerSessionMax > limits.unansweredPerSessionMax, 'refusals can be told, too')
assert(limits.unansweredPerSessionMax >= limits.messagesPerSecondMax &&
  limits.unansweredPerClientMax >= limits.unansweredPerSessionMax,
'what may be said in a second may be said at once')
assert(limits.idKeptMs >= limits.connectionStateTtlMs + 60_000, 'ids outlive re-sends (rule 17)')
assert(limits.admissionWaitMs < 10_000, 'who waits is answered before the client gives up')
assert(limits.calmLagMs < limits.strainedLagMs && limits.calmMemoryShare <
  limits.strainedMemoryShare && limits.strainedMemoryShare < limits.direMemoryShare, 'no flutter')
assert(3 * limits.quietMs < limits.tailMs, 'who is told nothing stands within the tail')
assert(limits.claimAnswerMs < 10_000, 'a resume is answered before the client gives up')
assert(2 * limits.holderAnswerMs < limits.claimAnswerMs, 'a silent home leaves time to answer')
assert(limits.attachAnswerMs < 10_000, 'an attach is answered before the client gives up')
assert(limits.relayWaitMs + limits.movingMs < limits.attachAnswerMs, 'who moves is told in time')
assert(limits.detachAnswerMs < 10_000, 'a detach is answered before the client gives up')
assert(limits.behalfAnswerMs < limits.batchAnswerMs, 'there is time to publish, too')
assert(limits.batchAnswerMs < limits.requestAnswerMs, 'a batch tells what it has')
assert(limits.requestAnswerMs < 10_000, 'a request is answered before the client gives up')
assert(2 * limits.headcountMs + limits.occupancyMs < 15_000, 'changes are told in time')
assert(limits.appendBytesMax < 1024 * 1024, 'an append stays below NATS max_payload')
assert(limits.logResumeShare < limits.logAdmissionShare && limits.logAdmissionShare < 1,
  'admission stops while there is room for what trims')
