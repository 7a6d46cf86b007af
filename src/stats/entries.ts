/**
 * Counts by name, and their arithmetic. Names are those of the protocol's flat schema (17), leaves
 * only: what is a sum of others (`…all…`) is made when it is told (stats/report.ts). Zeros are not
 * there.
 *
 * What several workers counted in one minute is added up, and so are means, and what each took down
 * every ten seconds: the highest and the lowest of those sums are the peak and the minimum, and a
 * peak is no less than that of any one of them. What moves to another worker is not there twice.
 * Minutes become hours, hours days and days months: counts are added up, of peaks the highest
 * counts, of minima the lowest, and of means the mean.
 */

import {
  type Batches, type Gauge, MARK_MS, MARKS, type Meter, type Outcomes, type Traffic, type Traffics
} from '../base/meter.ts'

export type Entries = Readonly<Record<string, number>>

const GAUGES = ['connections.all', 'channels'] as const
/** Names of what was taken down, until a minute is told: `….mark0` and so on. */
const MARK = /\.mark\d$/
/** What a worker has taken down is written a while later. */
const MARK_LAG_MS = 6_000

/** What a meter has counted in the running minute; `nowMs` is monotonic. */
export function entriesOf(meter: Meter, nowMs: number): Record<string, number> {
  const entries: Record<string, number> = {}
  addTraffics(entries, 'messages.inbound.realtime', meter.inboundRealtime)
  addTraffics(entries, 'messages.inbound.rest', meter.inboundRest)
  addTraffics(entries, 'messages.outbound.realtime', meter.outboundRealtime)
  addTraffics(entries, 'messages.outbound.rest', meter.outboundRest)
  addTraffics(entries, 'messages.persisted', meter.persisted)
  setIfAny(entries, 'messages.processed.delta.xdelta.succeeded', meter.deltas.succeeded)
  setIfAny(entries, 'messages.processed.delta.xdelta.skipped', meter.deltas.skipped)
  addBatches(entries, 'messages.processed.batching.simple', meter.simpleBatches)
  addBatches(entries, 'messages.processed.batching.conflating', meter.conflatingBatches)
  addGauge(entries, 'connections.all', meter.connections, nowMs)
  addGauge(entries, 'channels', meter.channels, nowMs)
  addOutcomes(entries, 'apiRequests.tokenRequests', meter.tokenRequests)
  addOutcomes(entries, 'apiRequests.other', meter.otherRequests)
  return entries
}

/** A minute begins, or has begun, at this monotonic time. */
export function resetMeter(meter: Meter, beganAtMs: number): void {
  const { inboundRealtime, inboundRest, outboundRealtime, outboundRest, persisted } = meter
  for (const { messages, presence } of
    [inboundRealtime, inboundRest, outboundRealtime, outboundRest, persisted]) {
    messages.reset()
    presence.reset()
  }
  meter.tokenRequests.reset()
  meter.otherRequests.reset()
  meter.deltas.reset()
  meter.simpleBatches.reset()
  meter.conflatingBatches.reset()
  meter.connections.reset(beganAtMs)
  meter.channels.reset(beganAtMs)
}

/** True if both say the same, but for means, which change all the time. */
export function isSameCount(some: Entries, others: Entries): boolean {
  const names = Object.keys(some)
  return names.length === Object.keys(others).length &&
    names.every((name) => name.endsWith('.mean') ? name in others : some[name] === others[name])
}

/** What several counted in the same minute. */
export function added(...parts: readonly Entries[]): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const part of parts) {
    for (const [name, value] of Object.entries(part)) {
      const former = sum[name] ?? 0
      sum[name] = name.endsWith('.peak') ? Math.max(former, value) : former + value
    }
  }
  return sum
}

/** What is in `all` and not in `part`; gauges, which cannot be moved, are left out. */
export function remainderOf(all: Entries, part: Entries): Record<string, number> {
  const rest: Record<string, number> = {}
  for (const [name, value] of Object.entries(all)) {
    const more = value - (part[name] ?? 0)
    if (more > 0 && !isOfTheMoment(name)) rest[name] = more
  }
  return rest
}

/** A minute with what its marks say, `lengthMs` of it having passed. */
export function finished(minute: Entries, lengthMs: number): Entries {
  const entries: Record<string, number> = {}
  for (const [name, value] of Object.entries(minute)) {
    if (!MARK.test(name)) entries[name] = name.endsWith('.mean') ? rounded(value) : value
  }
  const isOver = lengthMs >= MARKS * MARK_MS
  const count = isOver ? MARKS : Math.ceil(Math.max(0, lengthMs - MARK_LAG_MS) / MARK_MS)
  for (const gauge of GAUGES) {
    const marks = Array.from({ length: count }, (_, at) => minute[`${gauge}.mark${at}`] ?? 0)
    setIfAny(entries, `${gauge}.peak`, Math.max(...marks, entries[`${gauge}.peak`] ?? 0))
    setIfAny(entries, `${gauge}.min`, Math.max(Math.min(...marks), entries[`${gauge}.min`] ?? 0))
  }
  return entries
}

/** Intervals that follow each other, as one wider one. */
export function merged(intervals: readonly Entries[]): Entries {
  const whole: Record<string, number> = {}
  for (const interval of intervals) {
    for (const [name, value] of Object.entries(interval)) {
      const former = whole[name] ?? 0
      whole[name] = name.endsWith('.peak') ? Math.max(former, value) : former + value
    }
  }
  for (const gauge of GAUGES) {
    const mean = rounded((whole[`${gauge}.mean`] ?? 0) / intervals.length)
    const min = Math.min(...intervals.map((each) => each[`${gauge}.min`] ?? 0))
    setIfAny(whole, `${gauge}.mean`, mean)
    setIfAny(whole, `${gauge}.min`, min)
  }
  return whole
}

function isOfTheMoment(name: string): boolean {
  return /\.(peak|mean|min|mark\d)$/.test(name)
}

function rounded(mean: number): number {
  return Math.round(mean * 100) / 100
}

function setIfAny(entries: Record<string, number>, name: string, value: number): void {
  if (value > 0 && Number.isFinite(value)) entries[name] = value
  else delete entries[name]
}

function addTraffics(
  entries: Record<string, number>, prefix: string, { messages, presence }: Traffics
): void {
  addTraffic(entries, `${prefix}.messages`, messages)
  addTraffic(entries, `${prefix}.presence`, presence)
}

function addTraffic(
  entries: Record<string, number>, prefix: string,
  { count, bytes, wholeBytes, failed, refused }: Traffic
): void {
  setIfAny(entries, `${prefix}.count`, count)
  setIfAny(entries, `${prefix}.data`, bytes)
  setIfAny(entries, `${prefix}.uncompressedData`, wholeBytes)
  setIfAny(entries, `${prefix}.failed`, failed)
  setIfAny(entries, `${prefix}.refused`, refused)
}

function addGauge(
  entries: Record<string, number>, prefix: string, gauge: Gauge, nowMs: number
): void {
  const mean = gauge.meanAt(nowMs)
  if (gauge.peak > 0) entries[`${prefix}.peak`] = gauge.peak
  if (gauge.opened > 0) entries[`${prefix}.opened`] = gauge.opened
  if (gauge.refused > 0) entries[`${prefix}.refused`] = gauge.refused
  if (mean > 0) entries[`${prefix}.mean`] = mean
  for (const [at, value] of gauge.marks.entries()) {
    if (value > 0) entries[`${prefix}.mark${at}`] = value
  }
}

function addBatches(
  entries: Record<string, number>, prefix: string, { inbound, generated, discarded }: Batches
): void {
  setIfAny(entries, `${prefix}.inboundMessages`, inbound)
  setIfAny(entries, `${prefix}.generatedBatches`, generated)
  setIfAny(entries, `${prefix}.discardedMessages`, discarded)
}

function addOutcomes(
  entries: Record<string, number>, prefix: string, { succeeded, failed, refused }: Outcomes
): void {
  if (succeeded > 0) entries[`${prefix}.succeeded`] = succeeded
  if (failed > 0) entries[`${prefix}.failed`] = failed
  if (refused > 0) entries[`${prefix}.refused`] = refused
}
