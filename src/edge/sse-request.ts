/**
 * What a request for server-sent events asks for (protocol 18): channels, where to go on, and how
 * events are to look. Errors are values; whoever serves the request answers with them.
 */

import type { FastifyRequest } from 'fastify'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import { openingParams } from './opening.ts'
import { type Point, readPoints } from './sse-points.ts'

/** Versions before 2 were decimals; what such a client asks for here is what one of 2 does. */
const FORMER_VERSION = /^[01](\.\d{1,3})?$/

export interface SseRequest {
  /** What a socket would say when it is opened. */
  readonly query: ReadonlyMap<string, string>
  readonly channels: readonly string[]
  /** Where each channel goes on, where that is known. */
  readonly points: ReadonlyMap<string, Point>
  /** Params of every ATTACH. */
  readonly params: Readonly<Record<string, string>>
  /** True: the data of an event is the whole message, as JSON. */
  readonly isEnveloped: boolean
  /** True: beats are events, not comments. */
  readonly hasBeats: boolean
}

/** The qualifier of a channel's name, where it has params. */
const QUALIFIER = /^\[([^\]?]*)\?([^\]]*)\]/

/** Reads the request: no version is 40017, no channel 40000, a lastEvent not of ours 40003. */
export function sseRequestOf(
  request: FastifyRequest
): { readonly ok: true; readonly asked: SseRequest } | {
  readonly ok: false; readonly error: ErrorInfo
} {
  const given = openingParams(request)
  const version = given.get('v') ?? ''
  if (version === '') return { ok: false, error: errors.unsupportedVersion('').info }
  const isEnveloped = given.get('enveloped') !== 'false'
  const channels = channelsOf(given, isEnveloped)
  if (channels.length === 0) {
    return { ok: false, error: errors.badRequest('Name the channel, or channels').info }
  }
  const header = request.headers['last-event-id']
  // A browser that comes back says in the header where it is, by the URL that it began with.
  const lastEvent = (typeof header === 'string' && header) || given.get('lastEvent') || ''
  const points = lastEvent === '' ? new Map<string, Point>() : readPoints(lastEvent)
  if (points === undefined) return { ok: false, error: errors.invalidParam('lastEvent').info }
  const query = new Map(given)
  query.set('v', FORMER_VERSION.test(version) ? '2' : version)
  query.set('format', 'json')
  query.set('heartbeats', 'false')
  query.delete('resume')
  query.delete('recover')
  const asked = {
    query,
    channels,
    points,
    params: paramsOf(given, isEnveloped),
    isEnveloped,
    hasBeats: given.get('heartbeats') === 'true'
  }
  return { ok: true, asked }
}

function channelsOf(given: ReadonlyMap<string, string>, isEnveloped: boolean): string[] {
  const single = given.get('channel')
  const separator = given.get('separator') || ','
  const several = given.get('channels')?.split(separator) ?? []
  const all = (single === undefined ? several : [...several, single]).filter((name) => name !== '')
  return [...new Set(isEnveloped ? all : all.map(withoutDelta))]
}

/** The params of every ATTACH; what is sent of a delta without its envelope nobody could read. */
function paramsOf(
  given: ReadonlyMap<string, string>, isEnveloped: boolean
): Record<string, string> {
  const params: Record<string, string> = {}
  for (const name of ['rewind', 'rewindLimit', 'occupancy', ...(isEnveloped ? ['delta'] : [])]) {
    const value = given.get(name)
    if (value !== undefined) params[name] = value
  }
  return params
}

/** The same name, asking for no deltas. */
function withoutDelta(name: string): string {
  return name.replace(QUALIFIER, (whole, kind: string, text: string) => {
    const params = new URLSearchParams(text)
    if (!params.has('delta')) return whole
    params.delete('delta')
    return `[${kind}?${params}]`
  })
}
