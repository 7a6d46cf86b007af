/**
 * The apps of dev mode: one that is there from the start, and those that the sandbox API makes
 * (protocol 23). They live in the memory of the process.
 */

import { randomBytes, randomInt } from 'node:crypto'
import { type AppConfig, type KeyConfig, parseApps } from '../auth/app.ts'
import { capabilityText, DEFAULT_CAPABILITY } from '../auth/capability.ts'
import type { ProvisionAnswer, ProvisionRequest } from '../ops/thread-messages.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'

const APPS_MAX = 10_000
const ID_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

export class DevApps {
  readonly #apps = new Map<string, AppConfig>()
  readonly #spread: (apps: readonly AppConfig[]) => Promise<void>

  /** `spread` resolves once every worker of every node knows the apps. */
  constructor(spread: (apps: readonly AppConfig[]) => Promise<void>) {
    this.#spread = spread
  }

  list(): readonly AppConfig[] {
    return [...this.#apps.values()]
  }

  /** Adds an app with one key that may do everything; returns the key, `appId.keyId:secret`. */
  addFirst(): string {
    const appId = randomId()
    const key = makeKey({ capability: DEFAULT_CAPABILITY, revocableTokens: false })
    this.#apps.set(appId, { appId, name: 'dev', keys: [key], namespaces: [], limits: {} })
    return `${appId}.${key.id}:${key.secret}`
  }

  async provision(request: ProvisionRequest): Promise<ProvisionAnswer> {
    if (request.kind === 'deleteApp') {
      const existed = this.#apps.delete(request.appId)
      if (existed) await this.#spread(this.list())
      return { kind: 'deleted', existed }
    }
    if (this.#apps.size >= APPS_MAX) {
      return { kind: 'refused', error: errors.capacity(`At most ${APPS_MAX} apps`).info }
    }
    const asked = readAsked(request.body)
    if ('error' in asked) return { kind: 'refused', error: asked.error }
    const { app } = asked
    this.#apps.set(app.appId, app)
    await this.#spread(this.list())
    return { kind: 'created', app: answerOf(app) }
  }
}

/** What `POST /apps` asked for, as an app with ids and secrets of its own. */
function readAsked(body: unknown): { app: AppConfig } | { error: ErrorInfo } {
  const asked = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  const keys = Array.isArray(asked.keys) ? asked.keys : [{}]
  const completed = keys.map((key: Record<string, unknown> | null) => ({
    id: randomId(),
    secret: randomSecret(),
    capability: key?.capability ?? capabilityText(DEFAULT_CAPABILITY),
    revocableTokens: key?.revocableTokens === true
  }))
  const namespaces = Array.isArray(asked.namespaces) ? asked.namespaces : []
  // Those of the fixtures, and others by the names that they have here.
  const { presence, ...others } = (asked.limits ?? {}) as { presence?: { maxMembers?: unknown } }
  const limits = { presenceMemberCountMax: presence?.maxMembers, ...others }
  const parsed = parseApps({ apps: [{ appId: randomId(), keys: completed, namespaces, limits }] })
  if (parsed.ok) return { app: parsed.apps[0]! }
  return { error: errors.badRequest(`The app cannot be made: ${parsed.problems.join('; ')}`).info }
}

function answerOf(app: AppConfig): object {
  const { appId } = app
  const accountId = 'dev'
  const keys = app.keys.map((key) => ({
    id: key.id,
    value: key.secret,
    keyName: `${appId}.${key.id}`,
    keySecret: key.secret,
    keyStr: `${appId}.${key.id}:${key.secret}`,
    capability: capabilityText(key.capability),
    revocableTokens: key.revocableTokens,
    status: 0
  }))
  const namespaces = app.namespaces.map((namespace) => ({ ...namespace }))
  return { status: 0, id: `${accountId}:${appId}`, appId, accountId, tlsOnly: false, keys,
    namespaces, connections: [], channels: [] }
}

function makeKey(rest: Pick<KeyConfig, 'capability' | 'revocableTokens'>): KeyConfig {
  return { id: randomId(), name: 'default', secret: randomSecret(), ...rest }
}

function randomId(): string {
  let id = ''
  for (let at = 0; at < 6; at++) id += ID_LETTERS[randomInt(ID_LETTERS.length)]
  return id
}

function randomSecret(): string {
  return randomBytes(24).toString('base64url')
}
