import { createHmac } from 'node:crypto'
import t from 'tap'
import { issueAblyToken } from '../../../src/auth/ably-token.ts'
import { AppDirectory } from '../../../src/auth/app.ts'
import { type Capability, DEFAULT_CAPABILITY, parseCapability }
  from '../../../src/auth/capability.ts'
import { Action, Flag } from '../../../src/wire/actions.ts'
import type { WorldClient } from './world-client.ts'
import { APPS, EPOCH_MS, WorkerWorld } from './worker-world.ts'

const [app] = APPS.apps
const [key] = app!.keys
const MINUTE_MS = 60_000

function capability(lists: object): Capability {
  const parsed = parseCapability(lists)
  if (!parsed.ok) throw new Error(parsed.error.info.message)
  return parsed.capability
}

/** A token that ends so long after the world's beginning. */
function token(over: { lifeMs?: number, rights?: Capability, clientId?: string } = {}): string {
  const { lifeMs = 60 * MINUTE_MS, rights = DEFAULT_CAPABILITY, clientId } = over
  const [issuedAtMs, expiresAtMs] = [EPOCH_MS, EPOCH_MS + lifeMs]
  const grant = { issuedAtMs, expiresAtMs, capability: rights, clientId }
  return issueAblyToken(APPS.key('app.k')!, grant)
}

function jwt(claims: object = {}): string {
  const parts = [
    { alg: 'HS256', kid: 'app.k' },
    { iat: EPOCH_MS / 1000, exp: EPOCH_MS / 1000 + 3_600, ...claims }
  ]
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${text}.${createHmac('sha256', key!.secret).update(text).digest('base64url')}`
}

const query = (accessToken: string, over = {}): { query: Record<string, string> } =>
  ({ query: { key: '', access_token: accessToken, ...over } })

const last = (client: WorldClient): unknown[] =>
  client.received.slice(-1).map(({ action, error }) => [action, error?.code])

function begin(seed: string, nodes = 1): WorkerWorld {
  const world = new WorkerWorld(seed, { nodes })
  world.run(10)
  return world
}

t.test('tokens connect as keys do, under either name', async (t) => {
  const world = begin('tokens')
  const knocks: [Record<string, string>, unknown, string?][] = [
    [query(token()).query, undefined],
    [{ key: '', accessToken: token({ clientId: 'me' }) }, undefined, 'me'],
    [query(token({ clientId: '*' }), { clientId: 'me' }).query, undefined, 'me'],
    [query(jwt({ 'x-ably-clientId': 'you' })).query, undefined, 'you'],
    [query(token({ clientId: 'me' }), { clientId: 'you' }).query, 40102],
    [query(token({ lifeMs: 1 })).query, 40142],
    [query(`${token()}A`).query, 40143],
    [query(jwt().slice(0, -4)).query, 40144],
    [query('nonsense').query, 40145]
  ]
  for (const [asked, code, clientId] of knocks) {
    const client = world.client(world.nodes[0]!, { query: asked })
    world.run(10)
    t.same(last(client), [[code === undefined ? Action.CONNECTED : Action.ERROR, code]])
    t.equal(client.received.at(-1)?.connectionDetails?.clientId, clientId)
  }
})

t.test('a token ends its socket, and another one resumes the connection', async (t) => {
  const world = begin('expiry', 2)
  const client = world.client(world.nodes[0]!, query(token({ lifeMs: 2 * MINUTE_MS }))).attach('c')
  world.run(100)
  const { connectionId } = client
  world.run(MINUTE_MS + 31_000)
  t.ok(client.received.some(({ action }) => action === Action.AUTH), 'it was asked for another')
  world.run(MINUTE_MS)
  t.same(last(client), [[Action.DISCONNECTED, 40142]])
  client.changeQuery(query(token()).query)
  client.resume(world.nodes[1]!.workers[0]!)
  world.run(1_000)
  t.equal(client.connectionId, connectionId)
  t.ok(client.isOpen)
})

t.test('a token of another client does not resume the connection', async (t) => {
  const world = begin('others')
  const client = world.client(world.nodes[0]!, query(token({ clientId: 'me' })))
  world.run(100)
  const { connectionId } = client
  client.drop()
  client.changeQuery(query(token({ clientId: 'you' })).query)
  client.resume(world.nodes[0]!.workers[0]!)
  world.run(1_000)
  t.not(client.connectionId, connectionId)
  t.same(last(client), [[Action.CONNECTED, 40102]])
})

t.test('a client that was nobody resumes as who it has become', async (t) => {
  const world = begin('named')
  const client = world.client(world.nodes[0]!, query(token()))
  world.run(100)
  const { connectionId } = client
  client.send({ action: Action.AUTH, auth: { accessToken: token({ clientId: 'me' }) } })
  world.run(100)
  client.drop()
  client.changeQuery(query(token({ clientId: 'me' })).query)
  client.resume(world.nodes[0]!.workers[0]!)
  world.run(1_000)
  t.equal(client.connectionId, connectionId)
})

t.test('what a token loses and gains is in force at once', async (t) => {
  const world = begin('rights', 2)
  const reader = world.client(world.nodes[0]!, query(token())).attach('c').attach('d')
  const writer = world.client(world.nodes[1]!)
  world.run(100)
  reader.present('c', [{ action: 2, clientId: undefined, data: 'x' }])
  writer.publish('c', 'one')
  world.run(100)
  const rights = capability({ c: ['publish'] })
  reader.send({ action: Action.AUTH, auth: { accessToken: token({ rights }) } })
  world.run(100)
  const told = reader.received.filter(({ channel }) => channel !== undefined)
  t.match(told.filter(({ action }) => action === Action.ERROR), [
    { channel: 'd', error: { code: 40160 } }
  ])
  t.match(told.findLast(({ action }) => action === Action.ATTACHED), {
    channel: 'c', flags: Flag.PUBLISH | Flag.RESUMED
  })
  writer.publish('c', 'unheard')
  world.run(100)
  reader.send({ action: Action.AUTH, auth: { accessToken: token() } })
  world.run(100)
  writer.publish('c', 'three')
  world.run(100)
  t.same(reader.messages('c'), ['one', 'three'])
})

t.test('tokens end with their key, and with its secret', async (t) => {
  const world = begin('keys')
  const { workers: [worker] } = world.nodes[0]!
  for (const keys of [[], [{ ...key!, secret: 'another' }]]) {
    const holder = world.client(world.nodes[0]!, query(token()))
    const owner = world.client(world.nodes[0]!)
    world.run(100)
    world.input(worker!, { kind: 'apps', directory: new AppDirectory([{ ...app!, keys }], 2) })
    world.run(100)
    t.same(last(holder), [[Action.ERROR, 40143]])
    t.same(last(owner), [[Action.ERROR, 40101]])
    const late = world.client(world.nodes[0]!, query(token()))
    world.run(100)
    t.same(last(late), [[Action.ERROR, 40143]])
    world.input(worker!, { kind: 'apps', directory: APPS })
  }
})

t.test('who comes back while its key ends is turned away, and its connection kept', async (t) => {
  const world = begin('meanwhile')
  const { workers: [worker] } = world.nodes[0]!
  const client = world.client(world.nodes[0]!)
  world.run(100)
  const { connectionId } = client
  client.drop()
  client.resume(worker!)
  world.input(worker!, { kind: 'apps', directory: new AppDirectory([{ ...app!, keys: [] }], 2) })
  world.run(1_000)
  t.same(last(client), [[Action.ERROR, 40101]])
  world.input(worker!, { kind: 'apps', directory: APPS })
  client.resume(worker!)
  world.run(1_000)
  t.equal(client.connectionId, connectionId)
})

t.test('a key that may less takes it from those who are connected', async (t) => {
  const world = begin('less')
  const { workers: [worker] } = world.nodes[0]!
  const owner = world.client(world.nodes[0]!).attach('a').attach('b')
  const claimer = world.client(world.nodes[0]!, query(jwt())).attach('b')
  const granted = world.client(world.nodes[0]!, query(token())).attach('b')
  world.run(100)
  const keys = [{ ...key!, capability: capability({ a: ['*'] }) }]
  world.input(worker!, { kind: 'apps', directory: new AppDirectory([{ ...app!, keys }], 2) })
  world.run(100)
  for (const client of [owner, claimer]) t.same(last(client), [[Action.ERROR, 40160]])
  const isRefused = granted.received.some(({ error }) => error !== undefined)
  t.notOk(isRefused, 'an Ably token has what it was granted')
  t.ok(owner.isOpen && claimer.isOpen)
})
