/**
 * What clients write as text: the query of a connect, the name of a channel with the qualifier
 * before it, and the params of an attach (ably-protocol 2, 7.1, 7.2). Unknown params are dropped,
 * never refused; a known one with a value that makes no sense is refused by name, because a client
 * that asked for something must not believe that it got it.
 *
 * Nothing here decides what is granted: a capability may take modes away. What is asked of
 * annotations and objects, which are not there yet, is granted in name alone, as the capability
 * says; whoever uses it is told (40021).
 */

import { limits } from '../base/limits.ts'
import { DEFAULT_MODE_BITS, MODE_BITS, modesFromNames } from './actions.ts'
import type { ProtocolError } from './errors.ts'
import { errors, inScope } from './errors.ts'
import type { Format } from './protocol-message.ts'

/** Where to look up a param by its name: URLSearchParams, or a Map. */
export interface Query {
  get(name: string): string | null | undefined
}

/** What a client asks for when it connects; empty params count as absent. */
export interface ConnectParams {
  readonly key?: string
  readonly accessToken?: string
  readonly clientId?: string
  readonly format: Format
  /** True: HEARTBEAT messages are wanted, pings of the socket are not enough. */
  readonly heartbeats: boolean
  /** False: what this connection publishes is not delivered to itself. */
  readonly echo: boolean
  /** 2 to 6. */
  readonly version: number
  readonly agent?: string
  readonly resume?: string
  readonly recover?: string
  /** How long presence outlives a lost transport. */
  readonly remainPresentForMs?: number
}

const versionMin = 2
const versionMax = 6

/** A value, or the error that says which param is wrong. */
type Refused = { readonly ok: false; readonly error: ProtocolError }

/**
 * Reads the query of a connect. A missing version is taken for the oldest one that is spoken, so
 * that a client written by hand gets in; any other than 2 to 6 is 40017.
 */
export function parseConnectParams(
  query: Query
): { readonly ok: true; readonly params: ConnectParams } | Refused {
  const format = query.get('format') || 'json'
  if (format !== 'json' && format !== 'msgpack') return refusedParam('format')
  const versionText = query.get('v') || String(versionMin)
  const version = wholeNumber(versionText)
  if (version === undefined || version < versionMin || version > versionMax) {
    return { ok: false, error: errors.unsupportedVersion(versionText) }
  }
  const clientId = query.get('clientId') || undefined
  if (clientId === '*') {
    return { ok: false, error: errors.invalidClientId('A connection must name one client') }
  }
  const remain = query.get('remainPresentFor') || undefined
  const remainPresentForMs = remain === undefined ? undefined : wholeNumber(remain)
  if (remain !== undefined && remainPresentForMs === undefined) {
    return refusedParam('remainPresentFor')
  }
  const params = {
    key: query.get('key') || undefined,
    accessToken: query.get('access_token') || query.get('accessToken') || undefined,
    clientId,
    format,
    heartbeats: query.get('heartbeats') !== 'false',
    echo: query.get('echo') !== 'false',
    version,
    agent: query.get('agent') || undefined,
    resume: query.get('resume') || undefined,
    recover: query.get('recover') || undefined,
    remainPresentForMs
  } as const
  return { ok: true, params }
}

function refusedParam(name: string): Refused {
  return { ok: false, error: inScope(errors.invalidParam(name), 'connection') }
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** What stands in brackets before a name. */
export interface Qualifier {
  readonly params: ReadonlyMap<string, string>
  /** The base64 of a filter expression: a derived channel (7.8). */
  readonly filter?: string
  /** True for a metachannel (7.9), which is not the plain channel of the same base. */
  readonly meta?: boolean
}

/** The name of a channel. */
export interface ChannelName {
  /** Exactly as the client wrote it, which is the only name it knows the channel by. */
  readonly wire: string
  /** Without its qualifier: what storage, namespaces and capabilities go by. */
  readonly base: string
  readonly qualifier?: Qualifier
}

/** How the names of metachannels begin where channels are told apart by one text. */
export const META_PREFIX = '[meta]'

/** The key of a channel of the app: a metachannel is another one than the plain one (7.9). */
export function channelKey(appId: string, { base, qualifier }: ChannelName): string {
  return `${appId}/${qualifier?.meta === true ? META_PREFIX : ''}${base}`
}

const nameLengthMax = 2048
/** What URLs take for a way up, or for nothing: over HTTP such a channel would be another one. */
const DOT_SEGMENT = /(?:^|[/\\])\.\.?(?:[/\\]|$)/

/**
 * Reads a channel name: not empty, at most 2048 characters, its first segment not empty; `[…]`
 * before it must be a qualifier that is known, and no part between slashes is `.` or `..`. Anything
 * else is 40010 (7.1).
 */
export function parseChannelName(
  wire: string
): { readonly ok: true; readonly name: ChannelName } | Refused {
  const refused = (detail: string): Refused =>
    ({ ok: false, error: errors.invalidChannelName(wire, detail) })
  if (wire.length > nameLengthMax) return refused(`longer than ${nameLengthMax} characters`)
  if (!wire.isWellFormed()) return refused('not valid Unicode')
  const end = wire.startsWith('[') ? wire.indexOf(']') : -1
  const base = wire.slice(end + 1)
  if (base === '') return refused('it is empty')
  if (base.startsWith(':')) return refused('it starts with a colon')
  if (base.startsWith('[')) return refused('it starts with a bracket that is no qualifier')
  if (base.includes('.') && DOT_SEGMENT.test(base)) return refused('a part of it is only dots')
  if (end === -1) return { ok: true, name: { wire, base } }
  const qualifier = parseQualifier(wire.slice(1, end))
  if (qualifier === undefined) return refused('its qualifier is unknown')
  return { ok: true, name: { wire, base, qualifier } }
}

/** `?params`, `meta`, `filter=<base64>`, or one of the last two with params. */
function parseQualifier(text: string): Qualifier | undefined {
  const at = text.indexOf('?')
  const kind = at === -1 ? text : text.slice(0, at)
  const params = new Map(new URLSearchParams(at === -1 ? '' : text.slice(at + 1)))
  if (kind === '') return at === -1 ? undefined : { params }
  if (kind === 'meta') return { params, meta: true }
  if (/^filter=[A-Za-z0-9+/_-]+={0,2}$/.test(kind)) return { params, filter: kind.slice(7) }
  return undefined
}

/** The last `count` messages at most; with `forMs` none that is older than that (7.5). */
export interface Rewind {
  readonly count: number
  readonly forMs?: number
  /** Each of its frames says its own place; where the attachment begins is said after them. */
  readonly isPlaced?: true
}

/** What an ATTACH asks for. */
export interface ChannelParams {
  /** The asked-for modes, or those of one who asks for none; what is granted may be less. */
  readonly modeBits: number
  /** Those params that are known, as they were written: echoed in ATTACHED. */
  readonly params: Readonly<Record<string, string>>
  readonly rewind?: Rewind
  readonly delta?: 'vcdiff'
  /** Categories of metrics; none named: all of them. */
  readonly occupancy?: readonly string[]
  /** False: this attachment does not hear its own connection. */
  readonly echo: boolean
  /** How long its members outlive a lost transport, if not as long as the connection's. */
  readonly remainPresentForMs?: number
}

/** Known params, each with the test that its value must pass. */
const CHANNEL_PARAMS: Readonly<Record<string, (value: string) => boolean>> = {
  modes: (value) => modesFromNames(value.split(',')) !== undefined,
  rewind: (value) => rewindOf(value) !== undefined,
  rewindLimit: (value) => (wholeNumber(value) ?? 0) > 0,
  delta: (value) => value === 'vcdiff',
  occupancy: (value) => categoriesOf(value) !== undefined,
  objects: (value) => value === 'objects' || value === 'notification',
  echo: (value) => value === 'true' || value === 'false',
  appendMode: () => true
}

/**
 * Reads the params of an ATTACH with those in the name's qualifier, which give way to the former.
 * `flags` are the frame's; the param `modes` has precedence over them. A value that makes no sense
 * is 40003 (7.2, 7.5).
 */
export function parseChannelParams(
  params: Readonly<Record<string, string>> | undefined,
  qualifierParams: ReadonlyMap<string, string> | undefined,
  flags: number
): ({ readonly ok: true } & ChannelParams) | Refused {
  const all: Record<string, string> = { ...Object.fromEntries(qualifierParams ?? []), ...params }
  const known: Record<string, string> = {}
  for (const [name, isValid] of Object.entries(CHANNEL_PARAMS)) {
    const value = Object.hasOwn(all, name) ? all[name] : undefined
    if (value === undefined) continue
    if (!isValid(value)) {
      return { ok: false, error: inScope(errors.invalidParam(name), 'channel') }
    }
    known[name] = value
  }
  const remain = Object.hasOwn(all, 'remainPresentFor') ? all['remainPresentFor'] : undefined
  const remainPresentForMs = remain === undefined ? undefined : wholeNumber(remain)
  if (remain !== undefined && remainPresentForMs === undefined) {
    return { ok: false, error: inScope(errors.invalidParam('remainPresentFor'), 'channel') }
  }
  const { modes, rewind, rewindLimit, delta, occupancy, echo } = known
  const flagged = flags & MODE_BITS
  const named = modes === undefined ? undefined : modesFromNames(modes.split(','))
  return {
    ok: true,
    modeBits: named ?? (flagged === 0 ? DEFAULT_MODE_BITS : flagged),
    params: known,
    rewind: rewind === undefined ? undefined : rewindOf(rewind, wholeNumber(rewindLimit ?? '')),
    delta: delta === undefined ? undefined : 'vcdiff',
    occupancy: occupancy === undefined ? undefined : categoriesOf(occupancy),
    echo: echo !== 'false',
    remainPresentForMs
  }
}

/** `<n>`, `<n>s` or `<n>m`: at most a hundred messages; of a time, what `rewindLimit` says. */
function rewindOf(text: string, rewindLimit: number = limits.rewindCountMax): Rewind | undefined {
  const match = /^(\d{1,9})([sm]?)$/.exec(text)
  if (match === null) return undefined
  const amount = Number(match[1])
  if (match[2] === '') return { count: Math.min(amount, limits.rewindCountMax) }
  const countMax = Math.min(rewindLimit, limits.rewindCountMax)
  return { count: countMax, forMs: amount * (match[2] === 's' ? 1000 : 60_000) }
}

/** What occupancy is told by (7.10). */
const METRICS: ReadonlySet<string> = new Set([
  'connections', 'publishers', 'subscribers', 'presenceConnections', 'presenceMembers',
  'presenceSubscribers', 'objectPublishers', 'objectSubscribers'
])

/** `metrics`, or `metrics.<category>` once or several times; each category once, in order. */
function categoriesOf(text: string): readonly string[] | undefined {
  const categories = new Set<string>()
  const parts = text.split(',')
  for (const part of parts) {
    if (part === 'metrics') continue
    const category = part.startsWith('metrics.') ? part.slice(8) : ''
    if (!METRICS.has(category)) return undefined
    categories.add(category)
  }
  return parts.includes('metrics') ? [] : [...categories].sort()
}
