/**
 * The View: one agreed, numbered membership with the table of who should master what (rule 7).
 * A view is a value: nobody changes one, a change makes another with a higher version. The table
 * has a row per partition: the master, then the successors in the order in which they take over,
 * each as an index into `members`. It travels whole, so that two releases never compute it
 * differently; only a proposer makes a new one (ring/assignment.ts).
 *
 * In the RealtimeRing object a view is the status, beside the partition count in the spec. What
 * is read from there was possibly written by a person, so it is checked and refused with a reason.
 */

import { assert } from '../base/assert.ts'
import { hash32 } from '../base/hash.ts'
import type { Handover, LogPlan, Member, Tombstone, ViewRecord } from '../peer/membership.ts'

export type { Handover, LogPlan, Member, Tombstone, ViewRecord } from '../peer/membership.ts'

/** The cell of a table that names nobody. */
export const NOBODY = 0xffff

const LOG_STREAMS_MAX = 64
const LOG_COPIES_MAX = 5

/** One agreed membership; frozen, but for the table, which nobody writes to by convention. */
export interface View {
  readonly version: number
  readonly partitionCount: number
  /** Owners of a partition besides its master. */
  readonly successorCount: number
  readonly members: readonly Member[]
  readonly tombstones: readonly Tombstone[]
  /** partitionCount × (1 + successorCount) indexes into `members`, or NOBODY. */
  readonly table: Uint16Array
  /** Absent until a proposer planned the partitions' logs. */
  readonly log?: LogPlan
  /** What moves with the next view, as planned; absent for nothing. */
  readonly handovers?: readonly Handover[]
}

/** The status of a RealtimeRing as the nodes write it. */
export interface RingStatus {
  readonly version: number
  /** For people: columns of kubectl cannot count. */
  readonly memberCount: number
  readonly members: readonly Member[]
  readonly tombstones: readonly Tombstone[]
  readonly assignment: string
  readonly successorCount: number
  readonly log?: LogPlan
  readonly handovers?: readonly Handover[]
  readonly updatedBy: string
  /** RFC 3339. */
  readonly updatedAt: string
}

/** What a read of untrusted data gave: a view, or why there is none. */
export type ViewReading =
  | { readonly outcome: 'view'; readonly view: View }
  | { readonly outcome: 'malformed'; readonly reason: string }

/** Makes a view of its parts and freezes it; asserts that it is a whole one (`flawOf`). */
export function makeView(parts: View): View {
  const view = Object.freeze({
    version: parts.version,
    partitionCount: parts.partitionCount,
    successorCount: parts.successorCount,
    members: Object.freeze(parts.members.map((member) => Object.freeze({ ...member }))),
    tombstones: Object.freeze(parts.tombstones.map((stone) => Object.freeze({ ...stone }))),
    table: parts.table,
    ...(parts.log === undefined ? {} : { log: Object.freeze({ ...parts.log }) }),
    ...(isNone(parts.handovers) ? {} : { handovers: Object.freeze([...parts.handovers!]) })
  })
  const flaw = flawOf(view)
  assert(flaw === undefined, `a view is whole: ${flaw}`)
  return view
}

function isNone(handovers: readonly Handover[] | undefined): boolean {
  return handovers === undefined || handovers.length === 0
}

/** The view before the first: version 0, nobody in it. */
export function emptyView(partitionCount: number, successorCount: number): View {
  const table = new Uint16Array(partitionCount * (1 + successorCount)).fill(NOBODY)
  return makeView({
    version: 0, partitionCount, successorCount, members: [], tombstones: [], table
  })
}

/** The partition's master first, then its successors in order; empty while nobody owns it. */
export function ownersOf(partition: number, view: View): Member[] {
  assert(partition >= 0 && partition < view.partitionCount, `partition ${partition} exists`)
  const width = 1 + view.successorCount
  const owners: Member[] = []
  for (let at = partition * width; at < (partition + 1) * width; at++) {
    const member = view.members[view.table[at]!]
    if (member !== undefined) owners.push(member)
  }
  return owners
}

/** Who should master the partition; undefined while nobody serves. */
export function masterOf(partition: number, view: View): Member | undefined {
  assert(partition >= 0 && partition < view.partitionCount, `partition ${partition} exists`)
  return view.members[view.table[partition * (1 + view.successorCount)]!]
}

/** The index of the worker on which `member` has its parts of this partition's channels. */
export function homeWorkerOf(partition: number, member: Member): number {
  return partition % member.workers
}

/** The member of this incarnation, if the view lists it. */
export function memberOf(incarnation: string, view: View): Member | undefined {
  return view.members.find((member) => member.incarnation === incarnation)
}

/** True for an incarnation that was removed and must never be listed again. */
export function isTombstoned(incarnation: string, view: View): boolean {
  return view.tombstones.some((stone) => stone.incarnation === incarnation)
}

/** 32 bits that differ, surely enough, between two views of one version; never 0. */
export function digestOf(view: View): number {
  const members = view.members.map((member) => [
    member.node, member.uid, member.incarnation, member.startedAt, member.workers, member.zone,
    member.meshVersion, member.state, member.host, member.privatePort
  ])
  const stones = view.tombstones.map((stone) => stone.incarnation)
  const { generation, streamCount, redundancy, maker } = view.log ?? {}
  let hash = hash32(JSON.stringify([
    view.version, view.partitionCount, view.successorCount, members, stones,
    generation, streamCount, redundancy, maker,
    view.handovers?.map(({ to, partitions }) => [to, partitions])
  ]))
  for (const cell of view.table) hash = Math.imul(hash ^ cell, 0x01000193)
  return (hash >>> 0) || 1
}

/** The table as it travels: base64 of its cells, two bytes each, the lower one first. */
export function encodeTable(table: Uint16Array): string {
  const bytes = new Uint8Array(table.length * 2)
  for (let at = 0; at < table.length; at++) {
    bytes[at * 2] = table[at]! & 0xff
    bytes[at * 2 + 1] = table[at]! >>> 8
  }
  return bytes.toBase64()
}

/** The table out of its base64, or undefined if that is none of `cellCount` cells. */
export function decodeTable(text: string, cellCount: number): Uint16Array | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return undefined
  const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
  if (bytes.length !== cellCount * 2) return undefined
  const table = new Uint16Array(cellCount)
  for (let at = 0; at < cellCount; at++) table[at] = bytes[at * 2]! | (bytes[at * 2 + 1]! << 8)
  return table
}

/** The view as plain data, to be sent to a peer. */
export function recordOf(view: View): ViewRecord {
  const { version, partitionCount, successorCount, members, tombstones, table } = view
  const { log, handovers } = view
  return {
    version, partitionCount, successorCount, members, tombstones, assignment: encodeTable(table),
    ...(log === undefined ? {} : { log }), ...(isNone(handovers) ? {} : { handovers })
  }
}

/** The view that `record` stands for, or why it stands for none. */
export function viewFromRecord(record: ViewRecord): ViewReading {
  return viewFromStatus(record, { partitionCount: record.partitionCount })
}

/** The status that stores `view`; `updatedBy` names the writing node, `updatedAt` is RFC 3339. */
export function statusFromView(view: View, updatedBy: string, updatedAt: string): RingStatus {
  const { partitionCount: _, ...record } = recordOf(view)
  return { ...record, memberCount: view.members.length, updatedBy, updatedAt }
}

/**
 * The view that a RealtimeRing's status holds (`spec` gives its partition count), or why it holds
 * none. An object that nobody wrote a status to yet has none to read: that is the caller's case.
 */
export function viewFromStatus(status: unknown, spec: { partitionCount: number }): ViewReading {
  if (!isRecord(status)) return malformed('the status is not an object')
  const { version, members, tombstones = [], assignment, successorCount, log } = status
  const { handovers = [] } = status
  const { partitionCount } = spec
  if (!isCount(partitionCount)) return malformed('spec.partitionCount is not a count')
  if (!isCount(version)) return malformed('version is not a count')
  if (!isCount(successorCount) || successorCount > 16) {
    return malformed('successorCount is not a count of at most 16')
  }
  if (!Array.isArray(members)) return malformed('members is not a list')
  if (!Array.isArray(tombstones)) return malformed('tombstones is not a list')
  for (const [at, member] of members.entries()) {
    const flaw = memberFlaw(member)
    if (flaw !== undefined) return malformed(`members[${at}]: ${flaw}`)
  }
  for (const [at, stone] of tombstones.entries()) {
    if (!isRecord(stone) || !isName(stone['node']) || !isName(stone['incarnation']) ||
      !isCount(stone['removedAtMs'])) return malformed(`tombstones[${at}] is incomplete`)
  }
  const logProblem = log === undefined ? undefined : logFlaw(log)
  if (logProblem !== undefined) return malformed(`log: ${logProblem}`)
  if (!areHandovers(handovers)) return malformed('handovers is not a list of such')
  const cellCount = partitionCount * (1 + successorCount)
  const table = typeof assignment === 'string' ? decodeTable(assignment, cellCount) : undefined
  if (table === undefined) return malformed(`assignment is not base64 of ${cellCount} cells`)
  const parts = {
    version, partitionCount, successorCount, members: members.map(pickMember),
    tombstones: tombstones.map(pickTombstone), table,
    ...(log === undefined ? {} : { log: pickLog(log as LogPlan) }),
    handovers: handovers.map(({ to, partitions }) => ({ to, partitions }))
  }
  const flaw = flawOf(parts)
  return flaw === undefined ? { outcome: 'view', view: makeView(parts) } : malformed(flaw)
}

/** Why this is no whole view, or undefined: what every view keeps, whoever made it. */
export function flawOf(view: View): string | undefined {
  if (view.table.length !== view.partitionCount * (1 + view.successorCount)) {
    return 'the table has not a row per partition'
  }
  const nodes = new Set(view.members.map((member) => member.node))
  if (nodes.size !== view.members.length) return 'a node is listed twice'
  const incarnations = new Set(view.members.map((member) => member.incarnation))
  if (incarnations.size !== view.members.length) return 'an incarnation is listed twice'
  if (view.tombstones.some((stone) => incarnations.has(stone.incarnation))) {
    return 'a removed incarnation is listed'
  }
  for (const { to, partitions } of view.handovers ?? []) {
    if (!incarnations.has(to)) return 'somebody not listed is to be given partitions'
    if (partitions.some((partition) => partition >= view.partitionCount)) {
      return 'a partition that is not there is to be handed over'
    }
  }
  const width = 1 + view.successorCount
  for (let row = 0; row < view.partitionCount; row++) {
    const flaw = rowFlaw(view, row * width, width)
    if (flaw !== undefined) return `partition ${row}: ${flaw}`
  }
  return undefined
}

function rowFlaw(view: View, from: number, width: number): string | undefined {
  for (let at = from; at < from + width; at++) {
    const cell = view.table[at]!
    if (cell === NOBODY) continue
    const owner = view.members[cell]
    if (owner === undefined) return 'an owner is not listed'
    if (owner.state === 'joining') return 'a joining node owns'
    if (at > from && view.table[at - 1] === NOBODY) return 'an owner follows a gap'
    for (let before = from; before < at; before++) {
      if (view.table[before] === cell) return 'an owner stands twice'
    }
  }
  return undefined
}

function memberFlaw(member: unknown): string | undefined {
  if (!isRecord(member)) return 'not an object'
  for (const field of ['node', 'uid', 'incarnation', 'host']) {
    if (!isName(member[field])) return `${field} is missing`
  }
  for (const field of ['startedAt', 'meshVersion']) {
    if (!isCount(member[field])) return `${field} is not a count`
  }
  for (const field of ['workers', 'privatePort']) {
    if (!isCount(member[field]) || member[field] === 0) return `${field} is not positive`
  }
  if (typeof member['zone'] !== 'string') return 'zone is not text'
  const state = member['state']
  const isState = state === 'joining' || state === 'serving' || state === 'leaving'
  return isState ? undefined : 'state is none of joining, serving, leaving'
}

function pickMember(member: Member): Member {
  const { node, uid, incarnation, startedAt, workers } = member
  const { zone, meshVersion, state, host, privatePort } = member
  return {
    node, uid, incarnation, startedAt, workers, zone, meshVersion, state, host, privatePort
  }
}

function pickTombstone({ node, incarnation, removedAtMs }: Tombstone): Tombstone {
  return { node, incarnation, removedAtMs }
}

/** The generation becomes a part of subjects, and the count a number of streams to make. */
function logFlaw(log: unknown): string | undefined {
  if (!isRecord(log)) return 'not an object'
  const { generation, streamCount, redundancy, maker } = log
  if (!isName(generation) || !/^[A-Za-z0-9]+$/.test(generation)) {
    return 'generation is none of letters and digits'
  }
  if (!isCount(streamCount) || streamCount < 1 || streamCount > LOG_STREAMS_MAX) {
    return `streamCount is not from 1 to ${LOG_STREAMS_MAX}`
  }
  if (!isCount(redundancy) || redundancy < 1 || redundancy > LOG_COPIES_MAX) {
    return `redundancy is not from 1 to ${LOG_COPIES_MAX}`
  }
  return maker === undefined || isName(maker) ? undefined : 'maker is not a name'
}

function pickLog({ generation, streamCount, redundancy, maker }: LogPlan): LogPlan {
  const plan = { generation, streamCount, redundancy }
  return maker === undefined ? plan : { ...plan, maker }
}

function areHandovers(value: unknown): value is Handover[] {
  return Array.isArray(value) && value.every((each) => isRecord(each) && isName(each['to']) &&
    Array.isArray(each['partitions']) && each['partitions'].every(isCount))
}

function malformed(reason: string): ViewReading {
  return { outcome: 'malformed', reason }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
