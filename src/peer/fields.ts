/**
 * The parts of messages that stand in more than one kind of bytes (mesh, logs, snapshots), as
 * arrays in a fixed order, so that names cost nothing. Fields are added at the end, never moved.
 */

import type {
  IdSpace,
  ListedMember,
  PresenceMember,
  MemberOwner,
  OlderPart,
  Origin,
  Publication,
  PublishOp,
  PublishOutcome,
  Standing
} from './message.ts'

export type Fields = readonly unknown[]

export const ID_SPACES = [
  'connection',
  'client',
  'node',
  'master'
] as const satisfies readonly IdSpace[]

/** A standing's fields; null for none. */
export function standingFields(standing: Standing | undefined): Fields | null {
  if (standing === undefined) return null
  return [standing.lineage, standing.seq, standing.epoch, standing.entry]
}

/** The inverse of `standingFields`, for one that is there. */
export function standingFrom(value: unknown): Standing {
  const [lineage, seq, epoch, entry] = value as [string, number, number, number]
  return { lineage, seq, epoch, entry }
}

const NO_SAID = [null, null, null] as const

/** An op's fields. */
export function opFields(op: PublishOp): Fields {
  const { ephemeralCount, rateMax, owner, membersMax, said, ifNew } = op
  if ((rateMax ?? said ?? ifNew) === undefined) return storedFields(op)
  const { id, idSpace, messageCount, payload } = op
  return [
    id, ID_SPACES.indexOf(idSpace), sayerField(op), messageCount, payload,
    owner === undefined ? null : ownerFields(owner), membersMax ?? null,
    ephemeralCount ?? null, rateMax ?? null,
    ...(said === undefined ? [] : [said.count, said.bytes, said.isRest]),
    ...(ifNew === undefined ? [] : [...(said === undefined ? NO_SAID : []), ifNew])
  ]
}

/** Those of them that logs hold. */
function storedFields(op: Omit<PublishOp, 'rateMax' | 'said' | 'ifNew'>): Fields {
  const { id, idSpace, messageCount, payload, ephemeralCount } = op
  const fields = [id, ID_SPACES.indexOf(idSpace), sayerField(op), messageCount, payload]
  if (op.owner !== undefined) return [...fields, ownerFields(op.owner), op.membersMax ?? null]
  return ephemeralCount === undefined ? fields : [...fields, null, null, ephemeralCount]
}

/** On which connection it was said, and in which frame where the id does not tell. */
function sayerField({ connectionId, msgSerial }: Pick<PublishOp, 'connectionId' | 'msgSerial'>):
string | null | readonly [string, number] {
  if (connectionId === undefined) return null
  return msgSerial === undefined ? connectionId : [connectionId, msgSerial]
}

/** The inverse of `opFields`. */
export function opFrom(value: unknown): PublishOp {
  const [id, idSpace, sayer, messageCount, payload, ...more] = value as [
    string,
    number,
    string | null | readonly [string, number],
    number,
    Uint8Array,
    unknown?,
    (number | null)?,
    (number | null)?,
    (number | null)?,
    (number | null)?,
    (number | null)?,
    (boolean | null)?,
    PublishOp['ifNew']?
  ]
  const [owner, membersMax, ephemeralCount, rateMax, count, bytes, isRest, ifNew] = more
  const op = {
    id,
    idSpace: ID_SPACES[idSpace]!,
    ...(sayer instanceof Array ? { connectionId: sayer[0], msgSerial: sayer[1] }
      : { connectionId: sayer ?? undefined }),
    messageCount,
    payload,
    ...(typeof count === 'number' && { said: { count, bytes: bytes!, isRest: isRest! } }),
    ...(ifNew !== undefined && { ifNew })
  }
  if (owner !== undefined && owner !== null) {
    return { ...op, owner: ownerFrom(owner), membersMax: membersMax ?? undefined }
  }
  if (rateMax !== undefined && rateMax !== null) {
    return { ...op, ephemeralCount: ephemeralCount ?? undefined, rateMax }
  }
  return typeof ephemeralCount === 'number' ? { ...op, ephemeralCount } : op
}

/** An owner's fields, as they stand on the mesh, in logs and in snapshots. */
export function ownerFields({ incarnation, worker, generation, claim }: MemberOwner): Fields {
  return [incarnation, worker, generation, claim]
}

/** The inverse of `ownerFields`. */
export function ownerFrom(value: unknown): MemberOwner {
  const [incarnation, worker, generation, claim] = value as [string, number, number, number]
  return { incarnation, worker, generation, claim }
}

/** A member's fields, as they stand on the mesh and in snapshots. */
export function memberFields(member: ListedMember): Fields {
  const { connectionId, clientId, id, timestamp, data, encoding, extras, owner } = member
  return [connectionId, clientId, id, timestamp, data ?? null, encoding ?? null, extras ?? null,
    ...ownerFields(owner), ...doubtFields(member)]
}

const OVERRULED = 2

function doubtFields({ isUndecided, isOverruled }: ListedMember): Fields {
  if (isUndecided === true) return [true]
  return isOverruled === true ? [OVERRULED] : []
}

/** The inverse of `memberFields`. */
export function memberFrom(value: unknown): ListedMember {
  const [connectionId, clientId, id, timestamp, data, encoding, extras, ...rest] = value as [
    string,
    string,
    string,
    number,
    string | Uint8Array | null,
    string | null,
    PresenceMember['extras'] | null
  ]
  const [, , , , doubt] = rest as unknown[]
  return {
    connectionId,
    clientId,
    id,
    timestamp,
    data: data ?? undefined,
    encoding: encoding ?? undefined,
    extras: extras ?? undefined,
    owner: ownerFrom(rest),
    ...(doubt === true ? { isUndecided: true } : {}),
    ...(doubt === OVERRULED ? { isOverruled: true } : {})
  }
}

const KEPT_AT = 13
const ORIGIN_AT = 15
/** Where it says whether it is the last one that is kept: what former releases do not read. */
const GLOBAL = 2
const GLOBAL_AND_LAST = 3

/** A publication's fields in the order that logs and meshes keep. */
export function publicationFields(publication: Publication): Fields {
  const { seq, entry, timestamp, counter, keptMs, isLastKept, origin } = publication
  const fields: unknown[] = [seq, entry, timestamp, counter, ...storedFields(publication)]
  if (origin !== undefined) {
    while (fields.length < ORIGIN_AT) fields.push(null)
    return [...fields, originFields(origin), ...(publication.isBreak === true ? [true] : [])]
  }
  if (publication.isGlobal === true) {
    while (fields.length < KEPT_AT) fields.push(null)
    return [...fields, keptMs ?? null, isLastKept === true ? GLOBAL_AND_LAST : GLOBAL]
  }
  if (keptMs === undefined && isLastKept !== true) return fields
  while (fields.length < KEPT_AT) fields.push(null)
  return isLastKept === true ? [...fields, keptMs ?? null, true] : [...fields, keptMs]
}

/** The fields of a region and a place in its log. */
export function originFields(origin: Origin): Fields {
  return [origin.region, ...standingFields(origin)!]
}

/** The inverse of `originFields`. */
export function originFrom(value: unknown): Origin {
  const [region, ...standing] = value as [string, ...unknown[]]
  return { region, ...standingFrom(standing) }
}

/** The inverse of `publicationFields`; throws a TypeError for what is not that. */
export function publicationFrom(value: unknown): Publication {
  const [seq, entry, timestamp, counter, ...op] = value as [number, number, number, number]
  const [keptMs, last, origin, isBreak] = (value as unknown[]).slice(KEPT_AT) as
    [(number | null)?, (true | number | null)?, unknown?, true?]
  if (keptMs !== undefined) withoutPadding(op)
  const { membersMax, rateMax, said, ifNew, ...rest } = opFrom(op)
  const global = last === GLOBAL || last === GLOBAL_AND_LAST ? { isGlobal: true as const } : {}
  const publication = { seq, entry, timestamp, counter, ...rest, ...global }
  if (origin !== undefined && origin !== null) {
    return { ...publication, origin: originFrom(origin), ...(isBreak === true && { isBreak }) }
  }
  if (keptMs === undefined) return publication
  const kept = keptMs === null ? publication : { ...publication, keptMs }
  return last === true || last === GLOBAL_AND_LAST ? { ...kept, isLastKept: true } : kept
}

/** The fields of what a rewind is told first. */
export function olderFields(older: readonly OlderPart[]): Fields {
  return older.map(({ lineage, publications }) => [lineage, publications.map(publicationFields)])
}

/** The inverse of `olderFields`. */
export function olderFrom(
  value: readonly [string, unknown[]][] | undefined
): { older?: OlderPart[] } {
  if (value === undefined) return {}
  return {
    older: value.map(([lineage, rows]) => {
      return { lineage, publications: rows.map(publicationFrom) }
    })
  }
}

/** Takes away what stands behind the last field of an op. */
function withoutPadding(op: unknown[]): void {
  op.length = Math.min(op.length, KEPT_AT - 4)
  while (op.length > 5 && op.at(-1) === null) op.pop()
}

/** The fields of what became of a publish. */
export function outcomeFields(outcome: PublishOutcome): Fields {
  if (outcome.kind === 'refused') return [null, outcome.error]
  const { serials, timestamp } = outcome
  return timestamp === undefined ? [serials, null] : [serials, null, timestamp]
}

/** The inverse of `outcomeFields`. */
export function outcomeFrom(value: unknown): PublishOutcome {
  const [serials, error, timestamp] = value as [
    string[] | null,
    Record<string, unknown> | null,
    number | undefined
  ]
  if (serials === null) return { kind: 'refused', error: error as never }
  if (timestamp === undefined) return { kind: 'committed', serials }
  return { kind: 'committed', serials, timestamp }
}
