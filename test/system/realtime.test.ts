import * as Ably from 'ably'
import t, { type Test } from 'tap'
import { type DevRegion, startDevRegion } from '../../src/commands/dev.ts'
import { ablyClient, type AblyOptions, errorOf, until } from '../support/ably-clients.ts'

const FORMATS = [
  { name: 'JSON', useBinaryProtocol: false },
  { name: 'MessagePack', useBinaryProtocol: true }
]

t.test('a region of three nodes, through the published SDK', async (t) => {
  const region = await startDevRegion({
    nodes: 3, port: 0, host: '127.0.0.1', workers: 1, logLevel: 'silent'
  })
  t.teardown(() => region.stop())
  for (const { name, useBinaryProtocol } of FORMATS) {
    t.test(name, (t) => formatTests(t, region, useBinaryProtocol))
  }
  t.test('the errors that a client is told', (t) => refusalTests(t, region))
  t.test('an app made on one node is known on all; deleted, its connections end', (t) =>
    sandboxTest(t, region))
})

t.test('one node with two workers: the same through threads', async (t) => {
  const region = await startDevRegion({
    nodes: 1, port: 0, host: '127.0.0.1', workers: 2, logLevel: 'silent'
  })
  t.teardown(() => region.stop())
  const url = region.urls[0]!
  const readers = Array.from({ length: 8 }, (_, at) =>
    ablyClient(t, url, region.key, { useBinaryProtocol: at % 2 === 0 }))
  const received = readers.map((): string[] => [])
  await Promise.all(readers.map((reader, at) =>
    reader.channels.get('threads').subscribe(({ data }) => void received[at]!.push(data))))
  const writer = ablyClient(t, url, region.key)
  const data = Array.from({ length: 200 }, (_, at) => `m${at}`)
  await Promise.all(data.map((each) => writer.channels.get('threads').publish('n', each)))
  await until('all received', () => received.every(({ length }) => length === data.length))
  for (const each of received) t.same(each, data, 'in order, none lost or repeated')
})

async function formatTests(t: Test, region: DevRegion, useBinaryProtocol: boolean) {
  const on = (t: Test, node: number, options: AblyOptions = {}): Ably.Realtime =>
    ablyClient(t, region.urls[node]!, region.key, { useBinaryProtocol, ...options })

  t.test('CONNECTED tells the connection, a ping is answered, CLOSE closes', async (t) => {
    const client = on(t, 0, { clientId: 'ann' })
    await client.connection.once('connected')
    t.match(client.connection.id, /^[A-Za-z0-9]{10}$/)
    t.match(client.connection.key, new RegExp(`^${client.connection.id}!`))
    t.equal(client.auth.clientId, 'ann')
    t.ok((await client.connection.ping()) >= 0)
    client.close()
    await client.connection.once('closed')
  })

  t.test('1,000 messages from node 0 to node 2: in order, none lost or repeated', async (t) => {
    const received: string[] = []
    const channel = on(t, 2).channels.get('order')
    await channel.subscribe(({ data }) => void received.push(data))
    const publisher = on(t, 0).channels.get('order')
    const sent = Array.from({ length: 1_000 }, (_, at) => `m${at}`)
    await Promise.all(sent.map((data) => publisher.publish('n', data)))
    await until('all are there', () => received.length >= sent.length)
    t.same(received, sent)
  })

  t.test('text, JSON, binary, empty and absent data arrive as they were sent', async (t) => {
    const other = ablyClient(t, region.urls[1]!, region.key, {
      useBinaryProtocol: !useBinaryProtocol
    })
    const received: Ably.Message[] = []
    await other.channels.get('kinds').subscribe((message) => void received.push(message))
    const extras = { headers: { a: 'b' } }
    await on(t, 0).channels.get('kinds').publish([
      { name: 'text', data: 'héllo ☃' },
      { name: 'json', data: { a: [1, { b: null }] }, extras },
      { name: 'binary', data: Buffer.from([0, 1, 254, 255]) },
      { name: 'empty', data: '' },
      { name: 'none' }
    ])
    await until('five messages', () => received.length === 5)
    t.same(received.map(({ name }) => name), ['text', 'json', 'binary', 'empty', 'none'])
    t.equal(received[0]!.data, 'héllo ☃')
    t.same(received[1]!.data, { a: [1, { b: null }] })
    t.same(received[1]!.extras, extras)
    t.same(Buffer.from(received[2]!.data as ArrayBuffer), Buffer.from([0, 1, 254, 255]))
    t.equal(received[3]!.data, '')
    t.equal(received[4]!.data, undefined)
    const ids = received.map(({ id }) => id!)
    t.match(ids[0], /^[A-Za-z0-9]{10}:0:0$/)
    t.match(ids[4], /:0:4$/)
    const serials = received.map(({ serial }) => serial!)
    t.same(serials, [...serials].sort(), 'serials sort in channel order')
    t.ok(Math.abs(received[0]!.timestamp! - Date.now()) < 60_000)
  })

  t.test('echo: on by default, off by the connection or by the channel', async (t) => {
    const loud = on(t, 0)
    const quiet = on(t, 1, { echoMessages: false })
    const heard = { loud: 0, quiet: 0 }
    await loud.channels.get('echo').subscribe(() => void heard.loud++)
    await quiet.channels.get('echo').subscribe(() => void heard.quiet++)
    await quiet.channels.get('echo').publish('from quiet', 'x')
    await loud.channels.get('echo').publish('from loud', 'x')
    await until('heard', () => heard.loud === 2 && heard.quiet === 1)
    t.same(heard, { loud: 2, quiet: 1 })
  })

  t.test('detached channels hear nothing; attached again they do', async (t) => {
    const client = on(t, 0)
    const channel = client.channels.get('again')
    const received: string[] = []
    await channel.subscribe(({ data }) => void received.push(data))
    await channel.detach()
    // Its node is behind the acknowledgement for a moment: who attaches then is, too.
    let isThere = false
    await on(t, 0).channels.get('again').subscribe(() => {
      isThere = true
    })
    const other = on(t, 2).channels.get('again')
    await other.publish('n', 'unheard')
    await until('the node is there', () => isThere)
    await channel.attach()
    await other.publish('n', 'heard')
    await until('heard', () => received.length > 0)
    t.same(received, ['heard'])
  })

  t.test('a dropped socket: the channel continues where it was, nothing is missed', async (t) => {
    const client = on(t, 2)
    const channel = client.channels.get('continue')
    const received: string[] = []
    await channel.subscribe(({ data }) => void received.push(data))
    const publisher = on(t, 0).channels.get('continue')
    await publisher.publish('n', 'before')
    await until('the first', () => received.length === 1)
    const changes: Ably.ChannelStateChange[] = []
    channel.on('attached', (change) => void changes.push(change))
    // What a network does: the transport goes without a word.
    const { connectionManager } = client.connection as unknown as {
      connectionManager: { disconnectAllTransports(): void }
    }
    connectionManager.disconnectAllTransports()
    await publisher.publish('n', 'meanwhile')
    await until('attached again', () => changes.length === 1)
    await publisher.publish('n', 'after')
    await until('the rest', () => received.length === 3)
    t.same(received, ['before', 'meanwhile', 'after'])
    t.equal(changes[0]!.resumed, true)
  })

  t.test('a message with a known id is acknowledged and not delivered again', async (t) => {
    const ids = `ids-${useBinaryProtocol}`
    const received: string[] = []
    await on(t, 1).channels.get(ids).subscribe(({ data }) => void received.push(data))
    const publisher = on(t, 0).channels.get(ids)
    await publisher.publish({ id: 'mine', name: 'n', data: 'once' })
    await publisher.publish({ id: 'mine', name: 'n', data: 'again' })
    await publisher.publish('n', 'last')
    await until('the last', () => received.includes('last'))
    t.same(received, ['once', 'last'])
  })

  t.test('modes: without SUBSCRIBE nothing comes, without PUBLISH it is NACKed', async (t) => {
    const client = on(t, 0)
    const mute = client.channels.get('modes', { modes: ['SUBSCRIBE'] })
    await mute.attach()
    t.same(mute.modes, ['subscribe'])
    t.equal((await errorOf(mute.publish('n', 'x'))).code, 40165)
    const deaf = on(t, 1).channels.get('modes', { modes: ['PUBLISH'] })
    let heard = 0
    await deaf.subscribe(() => void heard++)
    await deaf.publish('n', 'x')
    t.equal(heard, 0)
  })

  t.test('clientId: implied, allowed for who may be anybody, refused otherwise', async (t) => {
    const received: Ably.Message[] = []
    await on(t, 2).channels.get('who').subscribe((message) => void received.push(message))
    const ann = on(t, 0, { clientId: 'ann' }).channels.get('who')
    await ann.publish('n', 'x')
    await on(t, 0).channels.get('who').publish({ name: 'n', data: 'x', clientId: 'bob' })
    await until('both', () => received.length === 2)
    t.same(received.map(({ clientId }) => clientId), ['ann', 'bob'])
    t.equal((await errorOf(ann.publish({ name: 'n', clientId: 'eve' }))).code, 40012)
  })
}

async function refusalTests(t: Test, region: DevRegion) {
  const url = region.urls[0]!
  const [appId, rest] = region.key.split('.') as [string, string]
  const keyId = rest.split(':')[0]!
  for (const [what, key, code] of [
    ['a wrong secret', `${appId}.${keyId}:wrong`, 40101],
    ['an unknown key', `${appId}.nokey1:secret`, 40101],
    ['an unknown app', 'noapp1.nokey1:secret', 40101]
  ] as const) {
    t.test(what, async (t) => {
      const client = ablyClient(t, url, key)
      const { reason } = await client.connection.once('failed')
      t.equal(reason?.code, code)
    })
  }
  t.test('publishes that are too large, too many, or not allowed', async (t) => {
    const channel = ablyClient(t, url, region.key).channels.get('refusals')
    const large = await errorOf(channel.publish('n', 'x'.repeat(70_000)))
    t.equal(large.code, 40009)
    const ids = await errorOf(channel.publish([{ id: 'a:0' }, { id: 'b:1' }]))
    t.equal(ids.code, 40031)
    await channel.publish('n', 'fine')
  })
  t.test('bad channel names fail the channel alone', async (t) => {
    const client = ablyClient(t, url, region.key)
    t.equal((await errorOf(client.channels.get(':bad').attach())).code, 40010)
    await client.channels.get('good').attach()
    t.equal(client.connection.state, 'connected')
  })
  t.test('what is not there yet is refused, never ignored', async (t) => {
    const client = ablyClient(t, url, region.key, { clientId: 'ann' })
    const rewound = client.channels.get('later', { params: { rewind: '1' } })
    t.ok((await errorOf(rewound.attach())).code)
    t.equal(client.connection.state, 'connected')
  })
}

async function sandboxTest(t: Test, region: DevRegion) {
  const made = await fetch(`${region.urls[0]}/apps`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ keys: [{}, { capability: '{"in:*":["subscribe"]}' }] })
  })
  t.equal(made.status, 201)
  const app = (await made.json()) as { appId: string; keys: { keyStr: string }[] }
  t.equal(app.keys.length, 2)
  const client = ablyClient(t, region.urls[2]!, app.keys[0]!.keyStr)
  await client.channels.get('c').publish('n', 'x')
  const limited = ablyClient(t, region.urls[1]!, app.keys[1]!.keyStr)
  await limited.channels.get('in:x').attach()
  t.equal((await errorOf(limited.channels.get('in:x').publish('n', 'x'))).code, 40160)
  t.equal((await errorOf(limited.channels.get('out').attach())).code, 40160)
  const failed = client.connection.once('failed')
  const gone = await fetch(`${region.urls[1]}/apps/${app.appId}`, { method: 'DELETE' })
  t.equal(gone.status, 204)
  await failed
  const after = await fetch(`${region.urls[1]}/apps/${app.appId}`, { method: 'DELETE' })
  t.equal(after.status, 404)
}
