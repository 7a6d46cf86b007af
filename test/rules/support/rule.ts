/**
 * Tests by rule. Each shows one rule of docs/rules.md on a region of three nodes, once for JSON
 * and once for MessagePack, through the published SDK where that can show it:
 *
 *   ruleFile('presence', (rule) => {
 *     rule('M1', 'an enter is heard on another node', async (t, on) => {
 *       const watcher = on.client(t, 2)
 *       const ann = on.client(t, 0, { clientId: 'ann' })
 *       …
 *     })
 *   })
 *
 * The file's region is started once and shared by its rules, so channel names come from `on.name`,
 * which gives every test its own. Publishers and subscribers belong on different nodes. A rule may
 * have several tests; `complete.test.ts` fails for a rule without any, and for a test without its
 * rule.
 */

import * as Ably from 'ably'
import t, { type Test } from 'tap'
import { type DevRegion, startDevRegion } from '../../../src/commands/dev.ts'
import { ablyClient, type AblyOptions } from '../../support/ably-clients.ts'
import { realRegionObstacle, startRealRegion } from './real-region.ts'
import { PlainSocket, type PlainSocketOptions } from '../../support/plain-socket.ts'

const NODE_COUNT = 3

export type WireFormat = 'json' | 'msgpack'

/** An app of a test's own. */
export interface TestApp {
  readonly appId: string
  readonly keys: readonly string[]
}

/** What a rule's test runs on. */
export interface Stage {
  /** Its nodes are known where it is of this process. */
  readonly region: DevRegion
  readonly format: WireFormat
  /** The region's own key, which may do everything. */
  readonly key: string
  /** A channel name that no other test has. */
  name(base: string): string
  /** Where `node` (0 to 2) listens. */
  url(node: number): string
  /** Where its operators ask it. */
  privateUrl(node: number): string
  /** A realtime client of `node`, in this run's format. */
  client(t: Test, node: number, options?: AblyOptions, key?: string): Ably.Realtime
  /** A REST client of `node`, in this run's format. */
  rest(node: number, options?: Partial<Ably.ClientOptions>): Ably.Rest
  /** A plain socket to `node`, connected with the region's key unless `params` name credentials. */
  socket(t: Test, node: number, options?: PlainSocketOptions): Promise<PlainSocket>
  /** Makes an app (protocol 23.1), known on all nodes. */
  app(body: object): Promise<TestApp>
}

type Run = (t: Test, on: Stage) => Promise<unknown>

/**
 * Declares a test of rule `id`; `formats` where a rule has but one. `devOnly`: it needs what only
 * dev mode has (the sandbox, a region within this process), and is not run on real nodes.
 */
export type Rule = (
  id: string, title: string, run: Run, formats?: readonly WireFormat[], devOnly?: 'devOnly'
) => void

interface Declared {
  readonly id: string
  readonly title: string
  readonly run: Run
  readonly formats: readonly WireFormat[]
}

/** What rules run on. */
export type RuleRegion = Pick<DevRegion, 'urls' | 'key' | 'stop'> & Partial<DevRegion> & {
  /** Absent where the region has a sandbox. */
  makeApp?(body: object): Promise<TestApp>
  /** Absent where its nodes are in this process. */
  readonly privateUrls?: readonly string[]
}

/** True: rules run on real nodes, those that are not of dev mode alone. */
const IS_REAL = process.env['RULES_ON'] === 'nodes'

const startRegion = (): Promise<RuleRegion> => startDevRegion({
  nodes: NODE_COUNT, port: 0, host: '127.0.0.1', workers: 1, logLevel: 'silent'
})

/** Runs the rules that `declare` names, each format after the other, on what `start` starts. */
export function ruleFile(
  area: string, declare: (rule: Rule) => void, start = startRegion
): void {
  const rules: Declared[] = []
  declare((id, title, run, formats = ['json', 'msgpack'], devOnly) => {
    if (!IS_REAL || devOnly === undefined) rules.push({ id, title, run, formats })
  })
  const skip = IS_REAL && realRegionObstacle()
  void t.test(area, { skip }, async (t) => {
    const region = await (IS_REAL ? startRealRegion() : start())
    t.teardown(() => region.stop())
    for (const format of ['json', 'msgpack'] as const) {
      for (const [no, { id, title, run, formats }] of rules.entries()) {
        if (!formats.includes(format)) continue
        const on = stage(region, format, `${id}-${no}`)
        await t.test(`[${id}] ${title} (${format})`, (t) => run(t, on))
      }
    }
  })
}

function stage(region: RuleRegion, format: WireFormat, mark: string): Stage {
  const useBinaryProtocol = format === 'msgpack'
  const url = (node: number): string => region.urls[node]!
  return {
    region: region as DevRegion,
    format,
    key: region.key,
    name: (base) => `${base}-${mark}-${format}`,
    url,
    privateUrl: (node) => region.privateUrls?.[node] ??
      `http://127.0.0.1:${region.nodes![node]!.privatePort}`,
    client: (t, node, options = {}, key = region.key) =>
      ablyClient(t, url(node), key, { useBinaryProtocol, ...options }),
    rest: (node, options = {}) => {
      const { hostname, port } = new URL(url(node))
      const where = { endpoint: hostname, port: Number(port), tls: false, logLevel: 0 as const }
      const credentials = hasCredentials(options) ? {} : { key: region.key }
      return new Ably.Rest({ ...where, useBinaryProtocol, ...credentials, ...options })
    },
    socket: (t, node, { params = {}, headers } = {}) => {
      const isGiven = 'key' in params || 'access_token' in params || 'accessToken' in params
      const credentials: Record<string, string> = isGiven ? {} : { key: region.key }
      return PlainSocket.connected(t, url(node), {
        format, headers, params: { ...credentials, ...params }
      })
    },
    app: async (body) => {
      if (region.makeApp !== undefined) return region.makeApp(body)
      const made = await fetch(`${url(0)}/apps`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body)
      })
      if (made.status !== 201) throw new Error(`the app was not made: ${await made.text()}`)
      const { appId, keys } = (await made.json()) as { appId: string; keys: { keyStr: string }[] }
      return { appId, keys: keys.map(({ keyStr }) => keyStr) }
    }
  }
}

function hasCredentials(options: Partial<Ably.ClientOptions>): boolean {
  const { key, token, tokenDetails, authUrl, authCallback } = options
  return [key, token, tokenDetails, authUrl, authCallback].some((each) => each !== undefined)
}
