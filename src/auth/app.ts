/**
 * The applications that a region serves: their keys, the rules of their namespaces, their limits.
 * They are written by the operator (or by dev mode) as one JSON document. Each app of it is read
 * whole or not at all, since one that is half there would turn away clients whose keys are good;
 * and one that cannot be read is no trouble of the others. Problems name paths, never values: the
 * document is full of secrets.
 *
 * An AppDirectory never changes; a change of apps is a new directory with the next version, so
 * that whoever holds one sees a consistent state for as long as a turn lasts.
 */

import { limits } from '../base/limits.ts'
import { DEFAULT_CAPABILITY, parseCapability } from './capability.ts'
import type { Capability } from './capability.ts'
import { isMap } from '../wire/fields.ts'
import type { Fields } from '../wire/fields.ts'

/** One API key; its whole text is `<appId>.<id>:<secret>`. */
export interface KeyConfig {
  readonly id: string
  readonly name?: string
  readonly secret: string
  readonly capability: Capability
  readonly revocableTokens: boolean
}

/** Rules for the channels of one namespace (ably-protocol 7.11). */
export interface NamespaceConfig {
  readonly id: string
  readonly persisted: boolean
  /** How long persisted messages are kept; undefined: as long as they are by default. */
  readonly retentionMs?: number
  readonly persistLast: boolean
  readonly identified: boolean
  readonly tlsOnly: boolean
  readonly pushEnabled: boolean
  readonly mutableMessages: boolean
  readonly exposeTimeserial: boolean
  /** Global: a publish is acknowledged once a second region has it; absent: its own is enough. */
  readonly acknowledge?: Acknowledge
  /** How the messages of a channel are put together before they are delivered, if they are. */
  readonly batching?: BatchingConfig
}

export type Acknowledge = 'region' | 'global'

export interface BatchingConfig {
  readonly intervalMs: number
  /** Simple: all are delivered; conflating: the last one of each key. */
  readonly policy: 'simple' | 'conflating'
}

/** Bounds of one app; where one is absent, that of the node holds. */
export interface AppLimits {
  readonly connectionCountMax?: number
  readonly channelCountMax?: number
  readonly messageBytesMax?: number
  readonly publishRateMax?: number
  readonly channelPublishRateMax?: number
  readonly presenceMemberCountMax?: number
}

export interface AppConfig {
  readonly appId: string
  readonly name?: string
  /** Clients are let in on TLS alone. */
  readonly tlsOnly?: boolean
  readonly keys: readonly KeyConfig[]
  readonly namespaces: readonly NamespaceConfig[]
  readonly limits: AppLimits
}

export type ParsedApps =
  | { readonly ok: true; readonly apps: readonly AppConfig[] }
  | { readonly ok: false; readonly problems: readonly string[] }

const ID = /^[A-Za-z0-9_-]{1,64}$/
const SECRET = /^[^\s:.]+$/
const DURATION = /^([1-9][0-9]{0,8})([smhd])$/
const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000
}
/** The names of `AppLimits`. */
export const appLimitNames = [
  'connectionCountMax', 'channelCountMax', 'messageBytesMax', 'publishRateMax',
  'channelPublishRateMax', 'presenceMemberCountMax'
] as const

/** Reads the value of `apps.json`, `{apps: [{appId, keys, namespaces, limits}]}`, or nothing. */
export function parseApps(value: unknown): ParsedApps {
  const read = wholeAppsOf(value, [])
  if (read === undefined) return { ok: false, problems: ['apps: must be a list'] }
  const { apps, problems } = read
  return problems.length === 0 ? { ok: true, apps } : { ok: false, problems }
}

/**
 * The apps of the document that are whole, with the problems of the others; in the place of one
 * that is not whole the one of its id that was `known` before. Undefined for what has no list of
 * apps at all.
 */
export function wholeAppsOf(
  value: unknown, known: readonly AppConfig[]
): { readonly apps: readonly AppConfig[]; readonly problems: readonly string[] } | undefined {
  const list = isMap(value) ? value['apps'] : undefined
  if (!Array.isArray(list)) return undefined
  const problems: string[] = []
  const apps = new Map<string, AppConfig>()
  for (const [at, each] of list.entries()) {
    const its: string[] = []
    const read = readApp(each, `apps[${at}]`, its)
    if (apps.has(read.appId)) its.push(`apps[${at}].appId: is there twice`)
    const app = its.length === 0 ? read : known.find(({ appId }) => appId === read.appId)
    problems.push(...its)
    if (app !== undefined && !apps.has(app.appId)) apps.set(app.appId, app)
  }
  return { apps: [...apps.values()], problems }
}

function readApp(value: unknown, path: string, problems: string[]): AppConfig {
  const fields = mapAt(value, path, problems)
  const keys = listAt(fields, 'keys', path, problems).map((key, at) =>
    readKey(key, `${path}.keys[${at}]`, problems))
  const namespaces = listAt(fields, 'namespaces', path, problems).map((namespace, at) =>
    readNamespace(namespace, `${path}.namespaces[${at}]`, problems))
  tellRepeats(keys.map((key) => key.id), (at) => `${path}.keys[${at}].id`, problems)
  tellRepeats(namespaces.map(({ id }) => id), (at) => `${path}.namespaces[${at}].id`, problems)
  return {
    appId: textAt(fields, 'appId', ID, path, problems),
    name: nameAt(fields, path, problems),
    tlsOnly: flagAt(fields, 'tlsOnly', path, problems),
    keys,
    namespaces,
    limits: readLimits(fields['limits'], `${path}.limits`, problems)
  }
}

function readKey(value: unknown, path: string, problems: string[]): KeyConfig {
  const fields = mapAt(value, path, problems)
  return {
    id: textAt(fields, 'id', ID, path, problems),
    name: nameAt(fields, path, problems),
    secret: textAt(fields, 'secret', SECRET, path, problems),
    capability: capabilityAt(fields['capability'], `${path}.capability`, problems),
    revocableTokens: flagAt(fields, 'revocableTokens', path, problems)
  }
}

function readNamespace(value: unknown, path: string, problems: string[]): NamespaceConfig {
  const fields = mapAt(value, path, problems)
  const flag = (key: string): boolean => flagAt(fields, key, path, problems)
  return {
    id: textAt(fields, 'id', /^[^:[\]*]+$/, path, problems),
    persisted: flag('persisted'),
    retentionMs: retentionAt(fields, path, problems),
    persistLast: flag('persistLast'),
    identified: flag('identified'),
    tlsOnly: flag('tlsOnly'),
    pushEnabled: flag('pushEnabled'),
    mutableMessages: flag('mutableMessages'),
    exposeTimeserial: flag('exposeTimeserial'),
    acknowledge: acknowledgeAt(fields, path, problems),
    batching: batchingAt(fields, path, problems)
  }
}

function acknowledgeAt(
  { acknowledge }: Fields, path: string, problems: string[]
): Acknowledge | undefined {
  if (acknowledge === undefined || acknowledge === null) return undefined
  if (acknowledge === 'region' || acknowledge === 'global') return acknowledge
  problems.push(`${path}.acknowledge: must be region or global`)
  return undefined
}

/** `retention`: a count of seconds, minutes, hours or days, such as `72h`. */
function retentionAt(fields: Fields, path: string, problems: string[]): number | undefined {
  const { retention } = fields
  if (retention === undefined || retention === null) return undefined
  const [, count, unit] = typeof retention === 'string' ? DURATION.exec(retention) ?? [] : []
  const retentionMs = Number(count) * (UNIT_MS[unit ?? ''] ?? NaN)
  const { retentionMinMs, retentionMaxMs } = limits
  if (retentionMs >= retentionMinMs && retentionMs <= retentionMaxMs) return retentionMs
  problems.push(`${path}.retention: must be a duration of 2m to 365d, such as 72h`)
  return undefined
}

/** The protocol's own fields: `batchingEnabled`, `batchingInterval` in ms, `batchingPolicy`. */
function batchingAt(
  fields: Fields, path: string, problems: string[]
): BatchingConfig | undefined {
  if (!flagAt(fields, 'batchingEnabled', path, problems)) return undefined
  const intervalMs = fields['batchingInterval'] ?? limits.batchingIntervalMs
  const policy = fields['batchingPolicy'] ?? 'simple'
  const { batchingIntervalMinMs, batchingIntervalMaxMs } = limits
  const isInterval = typeof intervalMs === 'number' && Number.isSafeInteger(intervalMs) &&
    intervalMs >= batchingIntervalMinMs && intervalMs <= batchingIntervalMaxMs
  if (!isInterval) problems.push(`${path}.batchingInterval: must be 20 to 60000 milliseconds`)
  if (policy !== 'simple' && policy !== 'conflating') {
    problems.push(`${path}.batchingPolicy: must be simple or conflating`)
    return undefined
  }
  return isInterval ? { intervalMs, policy } : undefined
}

function readLimits(value: unknown, path: string, problems: string[]): AppLimits {
  const read: Record<string, number> = {}
  const fields = value === undefined ? {} : mapAt(value, path, problems)
  for (const name of appLimitNames) {
    const limit = fields[name]
    if (limit === undefined) continue
    if (typeof limit === 'number' && Number.isSafeInteger(limit) && limit > 0) read[name] = limit
    else problems.push(`${path}.${name}: must be a positive integer`)
  }
  return read
}

function capabilityAt(value: unknown, path: string, problems: string[]): Capability {
  if (value === undefined || value === null) return DEFAULT_CAPABILITY
  const parsed = parseCapability(value)
  if (parsed.ok) return parsed.capability
  problems.push(`${path}: ${parsed.error.info.message}`)
  return new Map()
}

function mapAt(value: unknown, path: string, problems: string[]): Fields {
  if (isMap(value)) return value
  problems.push(`${path}: must be a map`)
  return {}
}

function listAt(fields: Fields, key: string, path: string, problems: string[]): unknown[] {
  const value = fields[key]
  if (value === undefined || value === null) return []
  if (Array.isArray(value)) return value
  problems.push(`${path}.${key}: must be a list`)
  return []
}

function textAt(
  fields: Fields, key: string, form: RegExp, path: string, problems: string[]
): string {
  const value = fields[key]
  if (typeof value === 'string' && form.test(value)) return value
  problems.push(`${path}.${key}: must be a string that matches ${form.source}`)
  return ''
}

function nameAt(fields: Fields, path: string, problems: string[]): string | undefined {
  const name = fields['name']
  if (name === undefined || name === null) return undefined
  if (typeof name === 'string') return name
  problems.push(`${path}.name: must be a string`)
  return undefined
}

function flagAt(fields: Fields, key: string, path: string, problems: string[]): boolean {
  const value = fields[key]
  if (value === undefined || value === null) return false
  if (typeof value === 'boolean') return value
  problems.push(`${path}.${key}: must be true or false`)
  return false
}

function tellRepeats(
  ids: readonly string[], pathOf: (at: number) => string, problems: string[]
): void {
  const seen = new Set<string>()
  for (const [at, id] of ids.entries()) {
    if (id !== '' && seen.has(id)) problems.push(`${pathOf(at)}: is there twice`)
    seen.add(id)
  }
}

/** A key with the app that it belongs to. */
export interface FoundKey {
  readonly app: AppConfig
  readonly key: KeyConfig
}

/** All apps of a region at one moment, by id and by key name. */
export class AppDirectory {
  /** Counts the changes since the first directory of this process. */
  readonly version: number
  readonly apps: readonly AppConfig[]
  readonly #byId: ReadonlyMap<string, AppConfig>
  readonly #keys: ReadonlyMap<string, FoundKey>

  constructor(apps: readonly AppConfig[] = [], version = 0) {
    this.version = version
    this.apps = Object.freeze([...apps])
    this.#byId = new Map(apps.map((app) => [app.appId, app]))
    this.#keys = new Map(apps.flatMap((app) => app.keys.map(
      (key): [string, FoundKey] => [`${app.appId}.${key.id}`, { app, key }])))
  }

  /** The directory that holds `apps` and nothing else, one version on. */
  replace(apps: readonly AppConfig[]): AppDirectory {
    return new AppDirectory(apps, this.version + 1)
  }

  app(appId: string): AppConfig | undefined {
    return this.#byId.get(appId)
  }

  /** `keyName` is `<appId>.<keyId>`. */
  key(keyName: string): FoundKey | undefined {
    return this.#keys.get(keyName)
  }
}

/** The rules for a channel: those of the namespace before the first colon of its base name. */
export function namespaceOf(app: AppConfig, base: string): NamespaceConfig | undefined {
  const colon = base.indexOf(':')
  const id = colon === -1 ? base : base.slice(0, colon)
  return app.namespaces.find((namespace) => namespace.id === id)
}
