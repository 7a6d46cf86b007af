/*
Apps and their keys. A key is made once and then never changes: what is in the Secret stays, and
what got lost with the Secret is taken back from what the nodes were last given.
*/

import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { AppSpec, KeySpec } from './spec.ts'

/** One key as the nodes read it in `apps.json`. */
export interface CompiledKey {
  id: string
  name: string
  secret: string
  capability: Record<string, string[]>
  revocableTokens: boolean
}

/** One app as the nodes read it in `apps.json`. */
export interface CompiledApp {
  appId: string
  name: string
  tlsOnly?: boolean
  keys: CompiledKey[]
  namespaces: object[]
  limits: Record<string, number>
}

export interface AppsFile { apps: CompiledApp[] }

/** The parts of an API key, `appId.keyId:secret`. */
export interface KeyParts { appId: string, keyId: string, secret: string }

/** Undefined when the text is not an API key. */
export function keyPartsOf (key: string): KeyParts | undefined {
  const parts = /^([A-Za-z0-9]{6})\.([A-Za-z0-9]{6}):([^.:\s]{8,})$/.exec(key)
  if (parts === null) return undefined
  const [, appId = '', keyId = '', secret = ''] = parts
  return { appId, keyId, secret }
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** Six characters that follow from the parts: the same app gets the same id in every region. */
export function identifierOf (...parts: string[]): string {
  const digest = createHash('sha256').update(parts.join('\n')).digest()
  let rest = digest.readBigUInt64BE()
  let id = ''
  for (let at = 0; at < 6; at++) {
    id += alphabet[Number(rest % 62n)]
    rest /= 62n
  }
  return id
}

/**
 * The app's identifier: what the spec says, else what its keys already say, else one that follows
 * from its name.
 */
export function appIdOf (
  spec: AppSpec, namespace: string, name: string, entries: Record<string, string>
): string {
  if (spec.appId !== undefined) return spec.appId
  for (const key of spec.keys) {
    const parts = keyPartsOf(entries[key.name] ?? '')
    if (parts !== undefined) return parts.appId
  }
  return identifierOf('app', namespace, name)
}

/**
 * Entries of the Secret that the operator keeps: those of the spec's keys that exist and are whole
 * stay, the rest is made.
 *
 * @param lost keys to take back before making new ones, by name, because the Secret is gone
 */
export function keyEntries (
  spec: AppSpec, appId: string, entries: Record<string, string>,
  lost: Record<string, string>, random: () => string
): Record<string, string> {
  const ids = new Set<string>()
  return Object.fromEntries(spec.keys.map(({ name }) => {
    const candidates = [entries[name], lost[name]]
    const kept = candidates.find(key => {
      const parts = keyPartsOf(key ?? '')
      return parts?.appId === appId && !ids.has(parts.keyId)
    })
    const key = kept ?? `${appId}.${freeKeyId(appId, name, ids)}:${random()}`
    ids.add(keyPartsOf(key)?.keyId ?? '')
    return [name, key]
  }))
}

/** The id that follows from the key's name, unless another key was given it by hand. */
function freeKeyId (appId: string, name: string, taken: ReadonlySet<string>): string {
  for (let no = 0; ; no++) {
    const id = identifierOf('key', appId, name, ...(no === 0 ? [] : [String(no)]))
    if (!taken.has(id)) return id
  }
}

/** Of several apps that claim one identifier, the oldest has it. */
export function ownsAppId (
  app: Claim, others: Claim[]
): boolean {
  return !others.some(other =>
    other.appId === app.appId && other.name !== app.name && isBefore(other, app))
}

export interface Claim { appId: string, name: string, createdAt: string }

function isBefore (a: Claim, b: Claim): boolean {
  return a.createdAt === b.createdAt ? a.name < b.name : a.createdAt < b.createdAt
}

/** What stands between an app and its being served: names of keys, with what is wrong. */
export function keyProblems (
  spec: AppSpec, appId: string, entries: Record<string, string>
): string[] {
  const names = new Map<string, string>()
  return spec.keys.flatMap(({ name }) => {
    const entry = entries[name]
    if (entry === undefined) return [`has no entry ${name}`]
    const parts = keyPartsOf(entry)
    if (parts === undefined) return [`entry ${name} is not an API key (appId.keyId:secret)`]
    if (parts.appId !== appId) return [`entry ${name} belongs to another app than ${appId}`]
    const other = names.get(parts.keyId)
    names.set(parts.keyId, name)
    return other === undefined ? [] : [`entries ${other} and ${name} have the same key id`]
  })
}

/** The app as the nodes read it. Every key must be whole (`keyProblems`). */
export function compileApp (
  name: string, spec: AppSpec, appId: string, entries: Record<string, string>
): CompiledApp {
  return {
    appId,
    name,
    ...(spec.tlsOnly === true ? { tlsOnly: true } : {}),
    keys: spec.keys.map(key => compileKey(key, entries[key.name] ?? '')),
    namespaces: spec.namespaces ?? [],
    limits: spec.limits ?? {}
  }
}

function compileKey (key: KeySpec, entry: string): CompiledKey {
  const parts = keyPartsOf(entry)
  if (parts === undefined) throw new Error(`the key ${key.name} was not checked`)
  return {
    id: parts.keyId,
    name: key.name,
    secret: parts.secret,
    capability: key.capability,
    revocableTokens: key.revocableTokens
  }
}

/** The text of `apps.json`, in an order that does not depend on the order of events. */
export function appsJsonOf (apps: CompiledApp[]): string {
  const sorted = apps.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return JSON.stringify({ apps: sorted } satisfies AppsFile)
}

/** A Secret may hold 1 MiB; base64 and the rest of the object need their share. */
const secretBytesMax = 700 * 1024
/** What is compressed has no more in it. */
const appsJsonBytesMax = 16 * secretBytesMax

/**
 * How a Secret holds the text, for nodes to read: as it is, or compressed where it is too long for
 * that; its values are base64.
 */
export function appsData (appsJson: string): Record<string, string> {
  const text = Buffer.from(appsJson)
  return text.byteLength <= secretBytesMax
    ? { 'apps.json': text.toString('base64') }
    : { 'apps.json.gz': gzipSync(text).toString('base64') }
}

/** How much the text has beyond what a Secret can hold; undefined: it fits. */
export function appsExcess (appsJson: string): string | undefined {
  const length = Buffer.byteLength(appsJson)
  if (length > appsJsonBytesMax) return `${length} of ${appsJsonBytesMax} bytes`
  const taken = Buffer.byteLength(Object.values(appsData(appsJson)).join(''), 'base64')
  return taken > secretBytesMax ? `${taken} of ${secretBytesMax} bytes` : undefined
}

/** The text that a Secret holds; empty where it cannot be read, undefined where there is none. */
export function appsJsonIn (data: Record<string, string> = {}): string | undefined {
  const { 'apps.json': plain, 'apps.json.gz': compressed } = data
  if (plain !== undefined) return Buffer.from(plain, 'base64').toString('utf8')
  if (compressed === undefined) return undefined
  try {
    const bytes = Buffer.from(compressed, 'base64')
    return gunzipSync(bytes, { maxOutputLength: appsJsonBytesMax }).toString('utf8')
  } catch {
    // Somebody has edited the Secret by hand, as below.
    return ''
  }
}

/** What the nodes were last given; undefined when the text is not ours. */
export function appsIn (text: string | undefined): CompiledApp[] | undefined {
  if (text === undefined) return undefined
  try {
    const { apps } = (JSON.parse(text) ?? {}) as Partial<AppsFile>
    return Array.isArray(apps) ? apps : undefined
  } catch (error) {
    // Somebody has edited the Secret by hand; it is about to be written anew.
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** The keys of a compiled app as entries of a Secret. */
export function entriesOfCompiled (app: CompiledApp | undefined): Record<string, string> {
  return Object.fromEntries((app?.keys ?? []).map(
    key => [key.name, `${app?.appId}.${key.id}:${key.secret}`]
  ))
}
