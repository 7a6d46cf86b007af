/**
 * What one worker counts of one app, as plain numbers that grow: whoever lets something happen adds
 * to them in the same turn, and what becomes of them (stats/) is none of its business. Adding costs
 * a few increments and allocates nothing; of fan-out it is done once per row of attachments.
 *
 * Counts are those of the running minute. What there is at a time (connections, channels) is a
 * gauge, whose callers say what time it is.
 */

/** Whoever was answered so had no right to it, or asked too often. */
export const REFUSED_STATUSES: ReadonlySet<number> = new Set([401, 403, 429])

/** Messages or presence events that went one way. */
export class Traffic {
  count = 0
  /** The bytes of their names, data and extras (protocol 6.5). */
  bytes = 0
  /** The same, had none been told as a delta. */
  wholeBytes = 0
  /** Those that went no further, for what they are. */
  failed = 0
  /** The same, for want of a right or for their number. */
  refused = 0

  add(count: number, bytes: number, wholeBytes = bytes): void {
    this.count += count
    this.bytes += bytes
    this.wholeBytes += wholeBytes
  }

  /** They were refused, with this HTTP status. */
  turnAway(count: number, statusCode: number): void {
    if (REFUSED_STATUSES.has(statusCode)) this.refused += count
    else this.failed += count
  }

  reset(): void {
    this.count = this.bytes = this.wholeBytes = this.failed = this.refused = 0
  }
}

/** Both kinds of what goes over channels. */
export class Traffics {
  readonly messages = new Traffic()
  readonly presence = new Traffic()
}

/** Requests, by what became of them. */
export class Outcomes {
  succeeded = 0
  failed = 0
  refused = 0

  /** One was answered with this HTTP status. */
  add(statusCode: number): void {
    if (statusCode < 400) this.succeeded++
    else if (REFUSED_STATUSES.has(statusCode)) this.refused++
    else this.failed++
  }

  reset(): void {
    this.succeeded = this.failed = this.refused = 0
  }
}

/** Messages of which somebody wants deltas, on each node for itself (protocol 7.6). */
export class Deltas {
  succeeded = 0
  /** Told whole: there was nothing to build on, or nothing to gain. */
  skipped = 0

  reset(): void {
    this.succeeded = this.skipped = 0
  }
}

/** Messages that were told together, on each node for itself (protocol 7.11). */
export class Batches {
  /** The messages that went into them. */
  inbound = 0
  generated = 0
  /** The messages that were conflated away. */
  discarded = 0

  /** One of `messages` messages was told, of which so many were not. */
  add(messages: number, discarded: number): void {
    this.inbound += messages
    this.generated++
    this.discarded += discarded
  }

  reset(): void {
    this.inbound = this.generated = this.discarded = 0
  }
}

/** So often in a minute it is taken down how many there are. */
export const MARKS = 6
export const MARK_MS = 10_000

/** How many there are at a time. */
export class Gauge {
  opened = 0
  refused = 0
  peak = 0
  /** How many there were at the minute's beginning, ten seconds later, and so on. */
  readonly marks: number[] = []
  #value = 0
  #beganAtMs = 0
  #sinceMs = 0
  #area = 0

  get value(): number {
    return this.#value
  }

  /** One more at `nowMs` (monotonic); `isNew`: it has begun, and was not somewhere else before. */
  enter(nowMs: number, isNew: boolean): void {
    this.#pass(nowMs)
    this.#value++
    if (isNew) this.opened++
    if (this.#value > this.peak) this.peak = this.#value
  }

  leave(nowMs: number): void {
    this.#pass(nowMs)
    this.#value--
  }

  /** How many there were in the minute so far, on average. */
  meanAt(nowMs: number): number {
    this.#pass(nowMs)
    return this.#area / Math.max(1, nowMs - this.#beganAtMs)
  }

  /** A minute that began then begins with what there is. */
  reset(beganAtMs: number): void {
    this.#pass(beganAtMs)
    this.#area = this.opened = this.refused = 0
    this.#beganAtMs = this.#sinceMs = beganAtMs
    this.peak = this.#value
    this.marks.splice(0)
  }

  #pass(nowMs: number): void {
    this.#area += this.#value * Math.max(0, nowMs - this.#sinceMs)
    this.#sinceMs = Math.max(nowMs, this.#sinceMs)
    const dueCount = Math.min(MARKS, Math.floor((nowMs - this.#beganAtMs) / MARK_MS) + 1)
    while (this.marks.length < dueCount) this.marks.push(this.#value)
  }
}

export class Meter {
  readonly appId: string
  readonly inboundRealtime = new Traffics()
  readonly inboundRest = new Traffics()
  readonly outboundRealtime = new Traffics()
  readonly outboundRest = new Traffics()
  readonly persisted = new Traffics()
  readonly deltas = new Deltas()
  readonly simpleBatches = new Batches()
  readonly conflatingBatches = new Batches()
  readonly connections = new Gauge()
  readonly channels = new Gauge()
  readonly tokenRequests = new Outcomes()
  readonly otherRequests = new Outcomes()

  constructor(appId: string) {
    this.appId = appId
  }
}

/** Where there are meters: by an app, or by the key of a channel (`appId/name`). */
export interface MeterSource {
  of(appId: string): Meter
  ofChannel(channel: string): Meter
}
