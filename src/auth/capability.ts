/**
 * What a key or token may do, and where: patterns of channel names, each with operations
 * (ably-protocol 11.4).
 *
 * A pattern is `[qualifier]a:b:c`. A segment `*` stands for one whole segment; as the last one it
 * stands for one or more. That makes the meeting of two patterns a single pattern again, so that
 * the intersection of two capabilities is a capability: what a token may do can be written down.
 * A pattern without qualifier never reaches metachannels or derived channels; `[*]` reaches all,
 * plain ones included.
 *
 * Everything is decided by what is written; there is no order, no exception, no denial.
 */

import type { ProtocolError } from '../wire/errors.ts'
import { errors, quoted } from '../wire/errors.ts'
import { isMap } from '../wire/fields.ts'

/** What can be allowed, besides `*`, which is all of it. */
export const OPERATIONS = [
  'subscribe', 'publish', 'presence', 'history', 'stats', 'channel-metadata', 'push-subscribe',
  'push-admin', 'object-subscribe', 'object-publish', 'annotation-subscribe',
  'annotation-publish', 'message-update-own', 'message-update-any', 'message-delete-own',
  'message-delete-any', 'privileged-headers'
] as const

export type Operation = (typeof OPERATIONS)[number]

/** A channel as a capability sees it; a ChannelName is one. */
export interface Resource {
  readonly base: string
  readonly qualifier?: { readonly filter?: string; readonly meta?: boolean }
}

/** One pattern with what is allowed there. */
export interface Grant {
  readonly pattern: Pattern
  /** In order of the alphabet; `*` stands alone. */
  readonly operations: readonly (Operation | '*')[]
}

/** Which channels a grant is about. */
export interface Pattern {
  /** Without brackets; undefined for plain channels, `*` for every kind. */
  readonly qualifier: string | undefined
  readonly segments: readonly string[]
}

/** Grants by the text of their resource, which is in order of the alphabet. */
export type Capability = ReadonlyMap<string, Grant>

export type ParsedCapability =
  | { readonly ok: true; readonly capability: Capability }
  | { readonly ok: false; readonly error: ProtocolError }

/** Intersection costs the product of two counts, so a capability has a bound. */
export const grantCountMax = 1000

const KNOWN: ReadonlySet<string> = new Set<string>([...OPERATIONS, '*'])

/** `{"*":["*"]}`: what a key may do unless something else is said. */
export const DEFAULT_CAPABILITY: Capability = new Map([['*', grantOf('*', ['*'])!]])

/** Reads a capability from its JSON text, or from the map in it; wrong ones are 40000. */
export function parseCapability(source: unknown): ParsedCapability {
  const value = typeof source === 'string' ? mapOfText(source) : source
  if (!isMap(value)) return refused('it must be a JSON map of resources')
  const entries = Object.entries(value).filter(([, list]) => list !== undefined && list !== null)
  if (entries.length > grantCountMax) return refused(`it has more than ${grantCountMax} resources`)
  const grants: [string, Grant][] = []
  for (const [resource, list] of entries) {
    const problem = operationsProblem(list)
    if (problem !== undefined) return refused(`${quoted(resource)}: ${problem}`)
    const grant = grantOf(resource, list as (Operation | '*')[])
    if (grant === undefined) return refused(`${quoted(resource)} is no resource`)
    grants.push([resource, grant])
  }
  return { ok: true, capability: inOrder(grants) }
}

function refused(detail: string): ParsedCapability {
  return { ok: false, error: errors.badRequest(`Invalid capability: ${detail}`) }
}

function mapOfText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function operationsProblem(list: unknown): string | undefined {
  if (!Array.isArray(list) || list.length === 0) return 'operations must be a list, not empty'
  for (const operation of list) {
    if (KNOWN.has(operation)) continue
    return typeof operation === 'string' ? `unknown operation ${quoted(operation)}`
      : 'operations must be texts'
  }
  if (list.length > 1 && list.includes('*')) return '"*" cannot stand beside other operations'
  return undefined
}

function grantOf(resource: string, operations: readonly (Operation | '*')[]): Grant | undefined {
  const pattern = patternOf(resource)
  return pattern && { pattern, operations: [...new Set(operations)].sort() }
}

/** The pattern that a resource is written as; undefined for what is no resource. */
export function patternOf(resource: string): Pattern | undefined {
  if (!resource.startsWith('[')) {
    return resource === '' ? undefined : { qualifier: undefined, segments: resource.split(':') }
  }
  const end = resource.indexOf(']')
  const name = resource.slice(end + 1)
  if (end < 2 || name === '') return undefined
  return { qualifier: resource.slice(1, end), segments: name.split(':') }
}

function textOf({ qualifier, segments }: Pattern): string {
  const name = segments.join(':')
  return qualifier === undefined ? name : `[${qualifier}]${name}`
}

/** Texts are compared by their code units, in no language, so that everybody sorts alike. */
function inOrder(grants: [string, Grant][]): Capability {
  return new Map(grants.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}

/** The canonical JSON text: resources and operations sorted, no spaces. */
export function capabilityText(capability: Capability): string {
  const entries = [...capability].map(([resource, { operations }]) => [resource, operations])
  // Names that look like numbers would be moved to the front of an object, so it is written here.
  const members = entries.map(([resource, operations]) =>
    `${JSON.stringify(resource)}:${JSON.stringify(operations)}`)
  return `{${members.join(',')}}`
}

/** Whether the capability allows `operation` on a channel. */
export function allows(
  capability: Capability, operation: Operation, resource: Resource
): boolean {
  const segments = resource.base.split(':')
  const kind = kindOf(resource)
  for (const { pattern, operations } of capability.values()) {
    if (!operations.includes('*') && !operations.includes(operation)) continue
    if (covers(pattern, kind, segments)) return true
  }
  return false
}

/** Every operation that the capability allows on a channel, `*` spelled out. */
export function operationsOn(capability: Capability, resource: Resource): Set<Operation> {
  const segments = resource.base.split(':')
  const kind = kindOf(resource)
  const found = new Set<Operation>()
  for (const { pattern, operations } of capability.values()) {
    if (!covers(pattern, kind, segments)) continue
    for (const operation of operations) {
      if (operation === '*') return new Set(OPERATIONS)
      found.add(operation)
    }
  }
  return found
}

/** Whether it allows something that is about no channel, such as statistics: only `*` does. */
export function allowsEverywhere(capability: Capability, operation: Operation): boolean {
  return ['*', '[*]*'].some((resource) => {
    const operations = capability.get(resource)?.operations ?? []
    return operations.includes('*') || operations.includes(operation)
  })
}

function kindOf({ qualifier }: Resource): string | undefined {
  if (qualifier?.meta === true) return 'meta'
  return qualifier?.filter === undefined ? undefined : 'filter'
}

/** Whether the pattern reaches a channel. */
export function reaches(pattern: Pattern, resource: Resource): boolean {
  return covers(pattern, kindOf(resource), resource.base.split(':'))
}

function covers(
  pattern: Pattern, kind: string | undefined, segments: readonly string[]
): boolean {
  if (pattern.qualifier !== '*' && pattern.qualifier !== kind) return false
  const { length } = pattern.segments
  const isOpen = pattern.segments[length - 1] === '*'
  if (segments.length < length || (segments.length > length && !isOpen)) return false
  return pattern.segments.every((segment, at) => segment === '*' || segment === segments[at])
}

/** What both allow; of two patterns that meet, where they meet. May be empty. */
export function intersect(one: Capability, other: Capability): Capability {
  const met = new Map<string, Grant>()
  for (const { pattern, operations } of one.values()) {
    for (const candidate of other.values()) {
      const both = meet(pattern, candidate.pattern)
      if (both === undefined) continue
      const allowed = shared(operations, candidate.operations)
      if (allowed.length === 0) continue
      const resource = textOf(both)
      const merged = union(met.get(resource)?.operations ?? [], allowed)
      met.set(resource, { pattern: both, operations: merged })
    }
  }
  return inOrder([...met])
}

/** The pattern of exactly those channels that both cover, if there are any. */
function meet(one: Pattern, other: Pattern): Pattern | undefined {
  if (one.qualifier !== other.qualifier && one.qualifier !== '*' && other.qualifier !== '*') {
    return undefined
  }
  const qualifier = one.qualifier === '*' ? other.qualifier : one.qualifier
  const [short, long] =
    one.segments.length <= other.segments.length ? [one, other] : [other, one]
  const isShortOpen = short.segments[short.segments.length - 1] === '*'
  if (!isShortOpen && short.segments.length < long.segments.length) {
    return undefined
  }
  const segments: string[] = []
  for (const [at, segment] of long.segments.entries()) {
    // Behind the end of an open pattern everything goes, as if it went on with stars.
    const counterpart = at < short.segments.length ? short.segments[at]! : '*'
    if (segment !== counterpart && segment !== '*' && counterpart !== '*') return undefined
    segments.push(segment === '*' ? counterpart : segment)
  }
  return { qualifier, segments }
}

type Operations = readonly (Operation | '*')[]

function shared(one: Operations, other: Operations): Operations {
  if (one.includes('*')) return other
  if (other.includes('*')) return one
  return one.filter((operation) => other.includes(operation))
}

function union(one: Operations, other: Operations): Operations {
  if (one.includes('*') || other.includes('*')) return ['*']
  return [...new Set([...one, ...other])].sort()
}
