/**
 * A region of three real nodes, each a process, on a real API server and a real NATS: what rules
 * run on with `RULES_ON=nodes`. Apps are given to it as the operator gives them, and no sandbox is
 * there to make them.
 */

import { capabilityText, DEFAULT_CAPABILITY } from '../../../src/auth/capability.ts'
import { apiServerTools } from '../../support/api-server.ts'
import { missingTools } from '../../support/tools.ts'
import { type NodeProcess, NodeRig, type NodeState, until } from '../../system/node-rig.ts'
import type { RuleRegion, TestApp } from './rule.ts'

const NODES = [0, 1, 2]
/** For three processes that start at once, beside other tests. */
const START_MS = 90_000
const EVERYTHING = capabilityText(DEFAULT_CAPABILITY)
/** What a node says of a key that it does not know (yet). */
const UNKNOWN = new Set(['40101', '40400', '40005'])

/** Why it cannot be started here; false: it can. */
export function realRegionObstacle(): false | string {
  return missingTools(...apiServerTools, 'nats-server')
}

/** What a test may ask of an app: the sandbox's shape, as far as production has it. */
interface AskedApp {
  readonly keys?: readonly AskedKey[]
  readonly namespaces?: readonly object[]
  readonly limits?: { readonly presence?: { readonly maxMembers?: number } }
  readonly tlsOnly?: boolean
}

interface AskedKey {
  readonly capability?: string
  readonly revocableTokens?: boolean
}

/** Resolves when all three nodes serve. */
export async function startRealRegion(): Promise<RuleRegion> {
  const ends: (() => unknown)[] = []
  const stop = async (): Promise<void> => {
    for (const end of ends.splice(0).reverse()) await end()
  }
  try {
    const rig = await NodeRig.start({ teardown: (end) => void ends.push(end) })
    const nodes = await Promise.all(NODES.map((index) => rig.startNode(index)))
    const states = await Promise.all(nodes.map(ready))
    await rig.untilServing(states.map(({ incarnation }) => incarnation))
    const urls = nodes.map(({ url }) => url)
    const apps: object[] = []
    const makeApp = async (body: object): Promise<TestApp> => {
      const { app, made } = appOf(`app${apps.length}`, body)
      apps.push(app)
      await rig.giveApps(apps)
      await Promise.all(urls.map((url) => known(url, made)))
      return made
    }
    const privateUrls = nodes.map(({ privateUrl }) => privateUrl)
    return { urls, privateUrls, key: rig.key, stop, makeApp }
  } catch (error) {
    await stop()
    throw error
  }
}

/** What the node says once it is ready, or why it ended. */
function ready({ name, state, process: { ending, logTail } }: NodeProcess): Promise<NodeState> {
  return until(`${name} ready`, async () => {
    const end = ending()
    if (end !== undefined) throw new Error(`${name} ${end}\n${logTail()}`)
    const now = await state().catch(() => undefined)
    return now !== undefined && now.unreadyBecause === undefined && now
  }, START_MS)
}

function appOf(appId: string, asked: AskedApp): { app: object; made: TestApp } {
  const keys = (asked.keys ?? [{}]).map(({ capability = EVERYTHING, ...rest }, no) => {
    return { ...rest, id: `key${no}`, secret: `secret${no}of${appId}`,
      capability: JSON.parse(capability) as object }
  })
  const { namespaces = [], limits: { presence, ...others } = {}, tlsOnly = false } = asked
  const limits = { presenceMemberCountMax: presence?.maxMembers, ...others }
  return {
    app: { appId, keys, namespaces, limits, tlsOnly },
    made: { appId, keys: keys.map(({ id, secret }) => `${appId}.${id}:${secret}`) }
  }
}

/** Resolves once the node knows the app's keys. */
async function known(url: string, { appId, keys }: TestApp): Promise<void> {
  const [key = ''] = keys
  const authorization = `Basic ${Buffer.from(key).toString('base64')}`
  await until(`${appId} known at ${url}`, async () => {
    const answer = await fetch(`${url}/channels/known/messages`, { headers: { authorization } })
    return !UNKNOWN.has(answer.headers.get('x-ably-errorcode') ?? '')
  })
}
