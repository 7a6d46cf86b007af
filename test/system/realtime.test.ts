import * as Ably from 'ably'
import t, { type Test } from 'tap'
import { type DevRegion, startDevRegion } from '../../src/commands/dev.ts'
import { ablyClient, type AblyOptions, cutOff, errorOf, until } from '../support/ably-clients.ts'

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
    cutOff(client)
    await publisher.publish('n', 'meanwhile')
    await until('attached again', () => changes.length === 1)
    await publisher.publish('n', 'after')
    await until('the rest', () => received.length === 3)
    t.same(received, ['before', 'meanwhile', 'after'])
    t.equal(changes[0]!.resumed, true)
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
