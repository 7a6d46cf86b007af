/**
 * The apps of dev mode: one that is there from the start, and those that the sandbox API makes
 * (protocol 23). They live in the memory of the process, and in a file where one is given; who is
 * present by their fixtures leaves with the process.
 */

import { randomBytes, randomInt } from 'node:crypto'
import { type AppConfig, AppDirectory, type KeyConfig, parseApps } from '../auth/app.ts'
import { capabilityText, DEFAULT_CAPABILITY } from '../auth/capability.ts'
import { authenticateKey } from '../auth/key.ts'
import type { ProvisionAnswer, ProvisionRequest } from '../ops/thread-messages.ts'
import type { AppsFile } from './apps-file.ts'
import type { EmbeddedStats } from '../store/embedded-stats.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import type { DevStores } from './dev-stores.ts'
import { keepFixtures, statsFixturesOf } from './dev-stats.ts'
import { type StagedChannel, stagedChannelsOf, StagedMembers } from './dev-members.ts'

const APPS_MAX = 10_000
const ID_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

export class DevApps {
  readonly #apps = new Map<string, AppConfig>()
  readonly #members = new Map<string, StagedMembers>()
  readonly #spread: (apps: readonly AppConfig[]) => Promise<void>
  readonly #url: () => string
  readonly #stats: EmbeddedStats
  readonly #file: AppsFile | undefined

  /**
   * `spread` resolves once every worker of every node knows the apps; `url` is where clients
   * connect; the stores keep statistics, and apps of former times.
   */
  constructor(
    spread: (apps: readonly AppConfig[]) => Promise<void>, url: () => string,
    { stats, appsFile }: DevStores
  ) {
    this.#spread = spread
    this.#url = url
    this.#stats = stats
    this.#file = appsFile
    for (const app of appsFile?.apps() ?? []) this.#apps.set(app.appId, app)
  }

  list(): readonly AppConfig[] {
    return [...this.#apps.values()]
  }

  /**
   * The key of the first app, `appId.keyId:secret`, that may do everything; the app is made unless
   * it is there from a former time.
   */
  first(): string {
    const [known] = this.#apps.values()
    const { appId, keys: [key] } = known ?? this.#addFirst()
    return `${appId}.${key!.id}:${key!.secret}`
  }

  /** The app becomes what `change` makes of it; resolves once every worker knows. */
  async change(appId: string, change: (app: AppConfig) => AppConfig): Promise<void> {
    const app = this.#apps.get(appId)
    if (app === undefined) throw new Error(`there is no app ${appId}`)
    this.#put({ ...change(app), appId })
    await this.#spread(this.list())
  }

  async provision(request: ProvisionRequest): Promise<ProvisionAnswer> {
    if (request.kind === 'deleteApp') {
      return { kind: 'deleted', existed: await this.#remove(request.appId) }
    }
    if (request.kind === 'addStats') return this.#addStats(request.key, request.body)
    if (this.#apps.size >= APPS_MAX) {
      return { kind: 'refused', error: errors.capacity(`At most ${APPS_MAX} apps`).info }
    }
    const asked = readAsked(request.body)
    if ('error' in asked) return { kind: 'refused', error: asked.error }
    const { app } = asked
    const { appId } = app
    // The others need nothing to be there.
    const channels = asked.channels.filter(({ presence }) => presence.length > 0)
    // Members are entered with a key that nobody is told.
    const stage = makeKey({ capability: DEFAULT_CAPABILITY, revocableTokens: false })
    const keys = channels.length === 0 ? app.keys : [...app.keys, stage]
    this.#put({ ...app, keys })
    await this.#spread(this.list())
    const error = channels.length === 0 ? undefined
      : await this.#enter(appId, `${appId}.${stage.id}:${stage.secret}`, channels)
    if (error === undefined) return { kind: 'created', app: answerOf(asked, Date.now()) }
    await this.#remove(appId)
    return { kind: 'refused', error }
  }

  /** Nobody is present any more. */
  stop(): void {
    for (const members of this.#members.values()) members.leave()
    this.#members.clear()
  }

  #addFirst(): AppConfig {
    const keys = [makeKey({ capability: DEFAULT_CAPABILITY, revocableTokens: false })]
    return this.#put({ appId: randomId(), name: 'dev', keys, namespaces: [], limits: {} })
  }

  #put(app: AppConfig): AppConfig {
    this.#apps.set(app.appId, app)
    this.#file?.put(app)
    return app
  }

  #enter(
    appId: string, key: string, channels: readonly StagedChannel[]
  ): Promise<ErrorInfo | undefined> {
    return new Promise((resolve) => {
      this.#members.set(appId, new StagedMembers(this.#url(), key, channels, resolve))
    })
  }

  async #addStats(key: string, body: unknown): Promise<ProvisionAnswer> {
    const proven = authenticateKey(key, new AppDirectory(this.list()))
    if (!proven.ok) return { kind: 'refused', error: proven.error.info }
    const fixtures = statsFixturesOf(body)
    if ('code' in fixtures) return { kind: 'refused', error: fixtures }
    const { appId } = proven.credentials
    const isKept = await keepFixtures(appId, fixtures, randomId(), this.#stats)
    return isKept ? { kind: 'added' } : { kind: 'refused', error: errors.capacity().info }
  }

  async #remove(appId: string): Promise<boolean> {
    this.#stats.forget(appId)
    this.#members.get(appId)?.leave()
    this.#members.delete(appId)
    const existed = this.#apps.delete(appId)
    this.#file?.drop(appId)
    if (existed) await this.#spread(this.list())
    return existed
  }
}

/** What `POST /apps` asked for. */
interface Asked {
  /** With ids and secrets of its own. */
  readonly app: AppConfig
  readonly channels: readonly StagedChannel[]
  /** Which of the keys were asked for as privileged: it is said of them, and no more. */
  readonly privileged: readonly boolean[]
}

function readAsked(body: unknown): Asked | { readonly error: ErrorInfo } {
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
  const app = {
    appId: randomId(), tlsOnly: asked.tlsOnly === true, keys: completed, namespaces, limits
  }
  const parsed = parseApps({ apps: [app] })
  const channels = stagedChannelsOf(asked.channels)
  if ('code' in channels) return { error: channels }
  const privileged = keys.map((key: Record<string, unknown> | null) => key?.privileged === true)
  if (parsed.ok) return { app: parsed.apps[0]!, channels, privileged }
  return { error: errors.badRequest(`The app cannot be made: ${parsed.problems.join('; ')}`).info }
}

/** The app as whoever asked is told it (protocol 23.1); it was made at `atMs`. */
function answerOf({ app, channels, privileged }: Asked, atMs: number): object {
  const { appId } = app
  const accountId = 'dev'
  const times = { created: atMs, modified: atMs }
  const keys = app.keys.map((key, no) => ({
    id: key.id,
    value: key.secret,
    keyName: `${appId}.${key.id}`,
    keySecret: key.secret,
    keyStr: `${appId}.${key.id}:${key.secret}`,
    capability: capabilityText(key.capability),
    ...times,
    status: 0,
    type: 0,
    privileged: privileged[no]!,
    revocableTokens: key.revocableTokens
  }))
  const namespaces = app.namespaces.map((namespace) => ({ ...namespace, ...times, status: 0 }))
  return {
    status: 0, id: `${accountId}:${appId}`, appId, accountId, ...times,
    tlsOnly: app.tlsOnly === true, labels: null, keys, namespaces, connections: [],
    channels: channels.map(({ name }) => ({ name }))
  }
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
