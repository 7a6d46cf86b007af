import * as Ably from 'ably'
import t, { type Test } from 'tap'
import { type DevRegion, startDevRegion } from '../../src/commands/dev.ts'
import { ablyClient, type AblyOptions, errorOf, until } from '../support/ably-clients.ts'

const FORMATS = [
  { name: 'JSON', useBinaryProtocol: false },
  { name: 'MessagePack', useBinaryProtocol: true }
]

/** What watchers hear: `action clientId data`. */
function story(member: Ably.PresenceMessage): string {
  return [member.action, member.clientId, member.data].filter((part) => part != null).join(' ')
}

/** What a network does: the transport goes without a word. */
function cutOff(client: Ably.Realtime): void {
  const { connectionManager } = client.connection as unknown as {
    connectionManager: { disconnectAllTransports(): void }
  }
  connectionManager.disconnectAllTransports()
}

/** A process that dies: its socket goes, and nobody comes back. */
function die(client: Ably.Realtime): void {
  const { connectionManager } = client.connection as unknown as {
    connectionManager: { startConnect(): void; disconnectAllTransports(): void }
  }
  connectionManager.startConnect = () => undefined
  connectionManager.disconnectAllTransports()
}

/** Who is present as soon as that is right; rejects when it takes too long. */
async function presentWhen(
  { presence }: Ably.RealtimeChannel,
  isRight: (members: Ably.PresenceMessage[]) => boolean
): Promise<Ably.PresenceMessage[]> {
  let members = await presence.get()
  const look = async (): Promise<void> => {
    members = await presence.get()
  }
  await until('the right members', () => {
    void look()
    return isRight(members)
  })
  return members
}

t.test('presence in a region of three nodes, through the published SDK', async (t) => {
  const region = await startDevRegion({
    nodes: 3, port: 0, host: '127.0.0.1', workers: 1, logLevel: 'silent'
  })
  t.teardown(() => region.stop())
  for (const { name, useBinaryProtocol } of FORMATS) {
    t.test(name, (t) => formatTests(t, region, useBinaryProtocol))
  }
  t.test('what is refused', (t) => refusalTests(t, region))
  t.test('who leaves, and when', (t) => leavingTests(t, region))
})

t.test('one node with two workers: members of either are one set', async (t) => {
  const region = await startDevRegion({
    nodes: 1, port: 0, host: '127.0.0.1', workers: 2, logLevel: 'silent'
  })
  t.teardown(() => region.stop())
  const clients = Array.from({ length: 8 }, (_, no) =>
    ablyClient(t, region.urls[0]!, region.key, { clientId: `c${no}` }))
  await Promise.all(clients.map((client) => client.channels.get('threads').presence.enter()))
  const wanted = clients.map((_, no) => `c${no}`)
  for (const client of clients) {
    const channel = client.channels.get('threads')
    const members = await presentWhen(channel, ({ length }) => length === wanted.length)
    t.same(members.map(({ clientId }) => clientId).sort(), wanted)
  }
})

async function formatTests(t: Test, region: DevRegion, useBinaryProtocol: boolean) {
  const suffix = useBinaryProtocol ? 'b' : 'j'
  const on = (t: Test, node: number, options: AblyOptions = {}): Ably.Realtime =>
    ablyClient(t, region.urls[node]!, region.key, { useBinaryProtocol, ...options })

  t.test('enter, update and leave are heard on another node, and by oneself', async (t) => {
    const name = `story-${suffix}`
    const watcher = on(t, 2).channels.get(name)
    const ann = on(t, 0, { clientId: 'ann' }).channels.get(name)
    const heard: Ably.PresenceMessage[] = []
    const own: string[] = []
    await watcher.presence.subscribe((each) => void heard.push(each))
    await ann.presence.subscribe((each) => void own.push(story(each)))
    await ann.presence.enter('hello')
    await ann.presence.update({ mood: 'fine' })
    await until('the update', () => heard.length === 2)
    const [now, ...more] = await watcher.presence.get()
    t.same(more, [])
    t.match(now, { action: 'present', clientId: 'ann', data: { mood: 'fine' } })
    for (const field of ['id', 'connectionId', 'timestamp', 'data'] as const) {
      t.same(now![field], heard[1]![field], `${field} is that of the event`)
    }
    t.match(heard[1]!.id, new RegExp(`^${now!.connectionId}:[0-9]+:0$`))
    await ann.presence.leave()
    await until('the leave', () => heard.length === 3)
    t.same(heard.map(({ action }) => action), ['enter', 'update', 'leave'])
    t.same(heard[2]!.data, { mood: 'fine' }, 'a leave that says nothing tells what was said last')
    await until('own events', () => own.length === 3)
    t.same(await presentWhen(watcher, ({ length }) => length === 0), [])
  })

  t.test('text, JSON, binary and absent data in either format', async (t) => {
    const name = `kinds-${suffix}`
    const other = ablyClient(t, region.urls[1]!, region.key, {
      useBinaryProtocol: !useBinaryProtocol
    })
    const watcher = other.channels.get(name)
    await watcher.attach()
    const { presence } = on(t, 0).channels.get(name)
    await presence.enterClient('text', 'héllo')
    await presence.enterClient('json', { a: [1] })
    await presence.enterClient('binary', Buffer.from([0, 1, 254]))
    await presence.enterClient('none')
    const members = await presentWhen(watcher, ({ length }) => length === 4)
    const dataOf = (wanted: string) =>
      members.find(({ clientId }) => clientId === wanted)!.data
    t.equal(dataOf('text'), 'héllo')
    t.same(dataOf('json'), { a: [1] })
    t.same(Buffer.from(dataOf('binary')), Buffer.from([0, 1, 254]))
    t.equal(dataOf('none'), undefined)
  })

  t.test('1,000 members are synced to who comes later, on every node', async (t) => {
    const name = `many-${suffix}`
    const { presence } = on(t, 0).channels.get(name)
    const wanted = Array.from({ length: 1_000 }, (_, no) => `m${String(no).padStart(3, '0')}`)
    await Promise.all(wanted.map((clientId) => presence.enterClient(clientId, `of ${clientId}`)))
    for (const node of [0, 1, 2]) {
      const members = await on(t, node).channels.get(name).presence.get()
      t.same(members.map(({ clientId }) => clientId).sort(), wanted, `node ${node}`)
      t.ok(members.every(({ clientId, data }) => data === `of ${clientId}`))
    }
    t.equal((await errorOf(presence.enterClient('one more'))).code, 91003)
    await presence.updateClient('m000', 'still welcome')
  })

  t.test('one connection for many, two connections of one clientId', async (t) => {
    const name = `many-of-one-${suffix}`
    const [one, two] = [on(t, 0, { clientId: 'ann' }), on(t, 1, { clientId: 'ann' })]
    await one.channels.get(name).presence.enter('first')
    await two.channels.get(name).presence.enter('second')
    const watcher = on(t, 2).channels.get(name)
    const both = await watcher.presence.get({ clientId: 'ann' })
    t.same(both.map(({ data }) => data).sort(), ['first', 'second'])
    await one.channels.get(name).presence.leave()
    const still = await presentWhen(watcher, ({ length }) => length === 1)
    t.same(still.map(({ data }) => data), ['second'])
  })

  t.test('a cut transport: who comes back stays, and nobody hears of it', async (t) => {
    const name = `flicker-${suffix}`
    const watcher = on(t, 2).channels.get(name)
    const heard: string[] = []
    await watcher.presence.subscribe((each) => void heard.push(story(each)))
    const client = on(t, 0, { clientId: 'ann' })
    const ann = client.channels.get(name)
    await ann.presence.enter('x')
    await until('the enter', () => heard.length === 1)
    const { id } = client.connection
    cutOff(client)
    await ann.once('attached')
    t.equal(client.connection.id, id, 'it is resumed')
    await ann.presence.update('y')
    await until('the update', () => heard.length > 1)
    t.same(heard, ['enter ann x', 'update ann y'])
    t.same((await watcher.presence.get()).map(({ data }) => data), ['y'])
  })
}

async function refusalTests(t: Test, region: DevRegion) {
  const made = await fetch(`${region.urls[0]}/apps`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      keys: [{}, { capability: '{"*":["subscribe","publish"]}' }],
      limits: { presence: { maxMembers: 2 } }
    })
  })
  const { keys } = (await made.json()) as { keys: { keyStr: string }[] }
  const url = region.urls[1]!
  t.test('without the capability', async (t) => {
    const { presence } = ablyClient(t, url, keys[1]!.keyStr, { clientId: 'ann' }).channels.get('c')
    t.equal((await errorOf(presence.enter())).code, 40160)
    t.same(await presence.get(), [], 'but who may subscribe may look')
  })
  t.test('without the mode', async (t) => {
    const client = ablyClient(t, url, region.key, { clientId: 'ann' })
    const { presence } = client.channels.get('modes', { modes: ['PRESENCE_SUBSCRIBE'] })
    t.equal((await errorOf(presence.enter())).code, 40160)
  })
  t.test('for somebody else, as somebody', async (t) => {
    const { presence } = ablyClient(t, url, region.key, { clientId: 'ann' }).channels.get('others')
    t.equal((await errorOf(presence.enterClient('bob'))).code, 40012)
    await presence.enterClient('ann')
  })
  t.test('above the limit of the app', async (t) => {
    const { presence } = ablyClient(t, url, keys[0]!.keyStr).channels.get('limit')
    await presence.enterClient('one')
    await presence.enterClient('two')
    t.equal((await errorOf(presence.enterClient('three'))).code, 91003)
    await presence.leaveClient('one')
    await presence.enterClient('three')
  })
  t.test('too large', async (t) => {
    const { presence } = ablyClient(t, url, region.key).channels.get('large')
    t.equal((await errorOf(presence.enterClient('ann', 'x'.repeat(70_000)))).code, 40009)
  })
  t.test('PRESENCE without PRESENCE_SUBSCRIBE: one hears of oneself alone', async (t) => {
    const client = ablyClient(t, url, region.key, { clientId: 'ann' })
    const deaf = client.channels.get('deaf', { modes: ['PRESENCE'] })
    const heard: string[] = []
    await deaf.attach()
    await deaf.presence.subscribe((each) => void heard.push(story(each)))
    const other = ablyClient(t, region.urls[2]!, region.key, { clientId: 'bob' })
    await other.channels.get('deaf').presence.enter()
    await deaf.presence.enter()
    await until('oneself', () => heard.length > 0)
    t.same(heard, ['enter ann'])
  })
}

async function leavingTests(t: Test, region: DevRegion) {
  const on = (t: Test, node: number, clientId: string, params = {}): Ably.Realtime =>
    ablyClient(t, region.urls[node]!, region.key, { clientId, transportParams: params })
  const watch = async (t: Test, name: string) => {
    const heard: string[] = []
    const channel = ablyClient(t, region.urls[2]!, region.key).channels.get(name)
    await channel.presence.subscribe((each) => void heard.push(story(each)))
    return heard
  }

  t.test('at once by DETACH and by CLOSE', async (t) => {
    const heard = await watch(t, 'at-once')
    const [ann, bob] = [on(t, 0, 'ann'), on(t, 1, 'bob')]
    await ann.channels.get('at-once').presence.enter()
    await bob.channels.get('at-once').presence.enter('data')
    await ann.channels.get('at-once').detach()
    bob.close()
    await until('both left', () => heard.length === 4, 5_000)
    t.same(heard.slice(2).sort(), ['leave ann', 'leave bob data'])
  })

  t.test('as soon as the client has said, when its socket is lost', async (t) => {
    const heard = await watch(t, 'said')
    const ann = on(t, 0, 'ann', { remainPresentFor: 500 })
    await ann.channels.get('said').presence.enter()
    die(ann)
    await until('left', () => heard.includes('leave ann'), 5_000)
  })

  t.test('after a grace of 15 seconds, when its socket is lost', async (t) => {
    const heard = await watch(t, 'grace')
    const ann = on(t, 0, 'ann')
    await ann.channels.get('grace').presence.enter()
    await until('entered', () => heard.length === 1)
    const fromMs = performance.now()
    die(ann)
    await until('left', () => heard.includes('leave ann'), 25_000)
    t.ok(performance.now() - fromMs > 14_000, 'not before')
  })
}
