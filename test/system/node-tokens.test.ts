/*
Real nodes, their log on a real nats-server: tokens that are revoked, and keys that change, on every
node, and on those that start afterwards; token requests that were used; and what is not served.
*/

import { randomBytes } from 'node:crypto'
import type * as Ably from 'ably'
import t, { type Test } from 'tap'
import { digestOf } from '../../src/auth/proof.ts'
import { partitionOf } from '../../src/base/hash.ts'
import { masterOf } from '../../src/ring/view.ts'
import { PlainSocket } from '../support/plain-socket.ts'
import { apiServerTools } from '../support/api-server.ts'
import { missingTools } from '../support/tools.ts'
import { jwtOf } from '../support/tokens.ts'
import { type NodeProcess, NodeRig, until } from './node-rig.ts'

const skip = missingTools(...apiServerTools, 'nats-server')
if (skip !== false) console.log(`# ${skip}`)
const [CONNECTED, DISCONNECTED, ERROR] = [4, 6, 9]
/** The rest of the second of the revocation (docs/decisions/0022), and a second to tell it. */
const REVOKED_MS = 2_000
const KEYS_LIVE_MS = 5_000

const everything = { capability: { '*': ['*'] } }
const main = { id: 'app000', secret: 'secretOfTheRig', ...everything }
const revocable = { id: 'rev000', secret: 'ofRevocable', revocableTokens: true, ...everything }
const KEY = `chat00.${revocable.id}:${revocable.secret}`

interface Region {
  readonly rig: NodeRig
  readonly nodes: NodeProcess[]
}

t.test('tokens and keys', { skip, timeout: 180_000 }, async (t) => {
  const rig = await NodeRig.start(t)
  const nodes: NodeProcess[] = []
  for (const index of [0, 1, 2]) nodes.push(await rig.startReadyNode(index))
  const region: Region = { rig, nodes }
  await t.test('keys are live: added, changed and taken away on every node', (t) =>
    testKeys(t, region))
  await t.test('10,000 keys', (t) => testManyKeys(t, region))
  await t.test('an app that makes no sense is no trouble of the others', (t) =>
    testBrokenApp(t, region))
  await t.test('a revocation reaches every node, and later ones', (t) =>
    testRevocation(t, region))
  await t.test('nothing that was shown is in the logs', (t) => testLogs(t, region))
  await t.test('what dev mode serves is not there', (t) => testDevPaths(t, region))
  await t.test('a token request is good once, whichever node dies', (t) => testNonces(t, region))
  await t.test('no revocation is answered that the log has not', (t) => testLogAway(t, region))
})

/** In a region whose log was made a moment ago, and was not there when its worker asked first. */
t.test('a node that is ready judges every token', { skip, timeout: 60_000 }, async (t) => {
  const rig = await NodeRig.start(t)
  await rig.giveKeys([main, revocable])
  const node = await rig.startReadyNode(0)
  t.equal((await greetingOf(t, node, { access_token: jwtOf(KEY) })).action, CONNECTED)
})

/** What a socket with these credentials is told first by the node. */
async function greetingOf(
  t: Test, node: NodeProcess, params: Record<string, string>
): Promise<{ action: number; code: number | undefined; socket: PlainSocket }> {
  const socket = PlainSocket.open(t, node.url, { params })
  const told = await socket.next(() => true)
  return { action: told.action, code: told.error?.code, socket }
}

async function untilTold(
  t: Test, nodes: readonly NodeProcess[], key: string, code: number | undefined
): Promise<void> {
  const untilMs = performance.now() + KEYS_LIVE_MS
  for (const node of nodes) {
    await until(`${node.name} to know`, async () => {
      const told = await greetingOf(t, node, { key })
      told.socket.cut()
      return told.code === code
    })
  }
  t.ok(performance.now() < untilMs, 'in time')
}

async function testKeys(t: Test, { rig, nodes }: Region): Promise<void> {
  const added = { id: 'new000', secret: 'ofANewOne', ...everything }
  const key = `chat00.${added.id}:${added.secret}`
  await untilTold(t, nodes, key, 40101)
  await rig.giveKeys([main, added])
  await untilTold(t, nodes, key, undefined)
  const [owners, bystanders] = await Promise.all([key, rig.key].map((shown) => Promise.all(
    nodes.map(({ url }) => PlainSocket.connected(t, url, { params: { key: shown } })))))
  await rig.giveKeys([main, { ...added, secret: 'ofAChangedOne' }])
  for (const owner of owners!) {
    t.match(await owner.next(({ action }) => action === ERROR, KEYS_LIVE_MS),
      { error: { code: 40101 } })
    await owner.ended
  }
  await untilTold(t, nodes, key, 40101)
  const holder = await PlainSocket.connected(t, nodes[1]!.url, {
    params: { access_token: jwtOf(`chat00.${added.id}:ofAChangedOne`) }
  })
  await rig.giveKeys([main])
  t.match(await holder.next(({ action }) => action === ERROR, KEYS_LIVE_MS),
    { error: { code: 40143 } })
  await untilTold(t, nodes, `chat00.${added.id}:ofAChangedOne`, 40101)
  for (const bystander of bystanders!) t.notOk(bystander.isEnded)
}

/** More than fit into the Secret as they are. */
async function testManyKeys(t: Test, { rig, nodes }: Region): Promise<void> {
  const many = Array.from({ length: 10_000 }, (_, no) => ({
    id: `k${no}`, name: `key-${no}`, secret: randomBytes(24).toString('base64url'), ...everything
  }))
  const last = many.at(-1)!
  await rig.giveKeys([main, ...many])
  await untilTold(t, nodes, `chat00.${last.id}:${last.secret}`, undefined)
  await rig.giveKeys([main])
  await untilTold(t, nodes, `chat00.${last.id}:${last.secret}`, 40101)
  await untilTold(t, nodes, rig.key, undefined)
}

async function testBrokenApp(t: Test, { rig, nodes }: Region): Promise<void> {
  const broken = { id: 'key000', secret: 'ofTheBrokenOne', capability: { '[x': ['*'] } }
  const good = { id: 'key000', secret: 'ofTheGoodOne', ...everything }
  await rig.giveApps([{ appId: 'broken', keys: [broken] }, { appId: 'good00', keys: [good] }])
  await untilTold(t, nodes, `good00.${good.id}:${good.secret}`, undefined)
  await untilTold(t, nodes, rig.key, undefined)
  await nodes[2]!.process.kill()
  nodes[2] = await rig.startReadyNode(2)
  await untilTold(t, nodes, rig.key, undefined)
  await untilTold(t, nodes, `broken.${broken.id}:${broken.secret}`, 40101)
  await rig.giveApps([])
}

async function revoke(node: NodeProcess, target: string): Promise<Response> {
  const [keyName] = KEY.split(':')
  return await fetch(`${node.url}/keys/${keyName}/revokeTokens`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(KEY).toString('base64')}`,
      'content-type': 'application/json'
    },
    body: JSON.stringify({ targets: [target] })
  })
}

async function testRevocation(t: Test, { rig, nodes }: Region): Promise<void> {
  await rig.giveKeys([main, revocable])
  await untilTold(t, nodes, KEY, undefined)
  const token = jwtOf(KEY, { clientId: 'ann', ageS: 1 })
  const params = { access_token: token }
  for (const [no, node] of nodes.entries()) {
    const holders = await Promise.all(nodes.map(({ url }) => PlainSocket.connected(t, url, {
      params: { access_token: jwtOf(KEY, { clientId: `c${no}` }) }
    })))
    const sinceMs = performance.now()
    t.equal((await revoke(node, `clientId:c${no}`)).status, 201)
    await Promise.all(holders.map(async (holder) => {
      const told = await holder.next(({ action }) => action === DISCONNECTED)
      const tookMs = performance.now() - sinceMs
      t.equal(told.error?.code, 40141)
      t.ok(tookMs < REVOKED_MS, `${Math.round(tookMs)} ms`)
    }))
  }
  t.equal((await revoke(nodes[0]!, 'clientId:ann')).status, 201)
  await nodes[2]!.process.kill()
  nodes[2] = await rig.startReadyNode(2)
  for (const node of nodes) {
    const told = await greetingOf(t, node, params)
    t.match(told, { action: ERROR, code: 40141 }, node.name)
  }
  const later = await greetingOf(t, nodes[2]!, {
    access_token: jwtOf(KEY, { clientId: 'ann', ageS: -1 })
  })
  t.equal(later.action, CONNECTED)
}

async function testLogs(t: Test, { rig, nodes }: Region): Promise<void> {
  const [keyName, secret] = rig.key.split(':') as [string, string]
  const good = jwtOf(rig.key, { clientId: 'ann' })
  const shown: Record<string, string>[] = [
    { key: `${keyName}:${secret}x` }, { key: `nobody.k:${secret}` }, { key: secret },
    { access_token: good.slice(0, -5) }, { access_token: `${secret}.${secret}` },
    { access_token: jwtOf(rig.key, { ageS: 60, lifeS: 30 }) }, { access_token: good, resume: good },
    { access_token: good }, { key: rig.key, resume: secret }
  ]
  for (const node of nodes) {
    for (const params of shown) {
      const { socket } = await greetingOf(t, node, params)
      socket.send({ action: 17, auth: { accessToken: good.slice(0, -5) } })
      socket.send(`{"action":17,"auth":{"accessToken":"${secret}"`)
      const query = new URLSearchParams({ ...params, v: '6', channels: 'c' })
      const headers = { authorization: `Bearer ${Object.values(params)[0]}` }
      const paths = ['channels/c/messages', 'comet/connect', 'sse', `keys/${secret}/requestToken`]
      for (const path of paths) {
        const signal = AbortSignal.timeout(500)
        const asked = fetch(`${node.url}/${path}?${query}`, { headers, signal })
        await asked.then((answer) => answer.body?.cancel(), () => undefined)
      }
      socket.cut()
    }
    const log = node.log()
    t.ok(log.length > 0)
    const parts = shown.flatMap((params) => Object.values(params).flatMap((value) =>
      value.split(/[.:]/).filter((part) => part.length > 12 && part !== keyName)))
    for (const part of new Set([secret, ...parts])) t.notOk(log.includes(part), 'not in the log')
  }
}

async function testDevPaths(t: Test, { rig, nodes }: Region): Promise<void> {
  const authorization = `Basic ${Buffer.from(rig.key).toString('base64')}`
  const headers = { authorization, 'content-type': 'application/json' }
  for (const { url } of nodes) {
    const told = async (method: string, path: string, body?: object): Promise<unknown[]> => {
      const answer = await fetch(`${url}/${path}`, {
        method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
      const { error } = (await answer.json()) as { error?: { code: number } }
      return [answer.status, error?.code]
    }
    t.same(await told('POST', 'apps', { keys: [{}] }), [404, 40400])
    t.same(await told('DELETE', 'apps/chat00'), [404, 40400])
    t.same(await told('POST', 'stats', [{ intervalId: '2026-01-01:00:00' }]), [405, 40500])
    t.equal((await fetch(`${url}/stats`, { headers })).status, 200, 'the app is there')
  }
}

/** Requests whose nonces the third node keeps are used, and shown again after it has died. */
async function testNonces(t: Test, { rig, nodes }: Region): Promise<void> {
  const states = await Promise.all(nodes.map((node) => node.state()))
  const view = await rig.untilServing(states.map(({ incarnation }) => incarnation))
  const [keyName] = rig.key.split(':') as [string]
  const { auth } = rig.client(t, 0)
  const signed = async (from: number): Promise<Ably.TokenRequest> => {
    for (let no = from; ; no++) {
      const nonce = `a nonce of ours, ${no}`
      const digest = Buffer.from(digestOf(`${keyName}\n${nonce}`)).toString('base64url')
      const master = masterOf(partitionOf(digest, view.partitionCount), view)
      if (master?.incarnation !== states[2]!.incarnation) continue
      return await auth.createTokenRequest({ nonce, timestamp: Date.now() } as Ably.TokenParams)
    }
  }
  const show = async ({ url }: NodeProcess, request: Ably.TokenRequest): Promise<unknown[]> => {
    const answer = await fetch(`${url}/keys/${keyName}/requestToken`, {
      method: 'POST', body: JSON.stringify(request),
      headers: { 'content-type': 'application/json' }
    })
    const { error } = (await answer.json()) as { error?: { code: number } }
    return [answer.status, error?.code]
  }
  const used = [await signed(0), await signed(1_000), await signed(2_000)]
  for (const [at, request] of used.entries()) {
    t.same(await show(nodes[at]!, request), [201, undefined])
  }
  await nodes[2]!.process.kill()
  nodes[2] = await rig.startReadyNode(2)
  for (const node of nodes) {
    for (const request of used) t.same(await show(node, request), [401, 40105], node.name)
  }
  t.same(await show(nodes[2]!, await signed(3_000)), [201, undefined], 'another one is good')
}

async function testLogAway(t: Test, { rig, nodes }: Region): Promise<void> {
  await rig.stopNats()
  const refused = await revoke(nodes[0]!, 'clientId:bob')
  t.equal(refused.status, 503)
  t.match(await refused.json(), { error: { code: 50003 } })
  await rig.startNats()
  await until('it is stored', async () => (await revoke(nodes[1]!, 'clientId:bob')).status === 201)
  const token = jwtOf(KEY, { clientId: 'bob', ageS: 2 })
  await until('nodes to know', async () => {
    const params = { access_token: token }
    const told = await Promise.all(nodes.map((node) => greetingOf(t, node, params)))
    return told.every(({ code }) => code === 40141)
  })
}
