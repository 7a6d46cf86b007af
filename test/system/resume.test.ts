import * as Ably from 'ably'
import t, { type Test } from 'tap'
import { type DevRegion, startDevRegion } from '../../src/commands/dev.ts'
import { ablyClient, type AblyOptions, until } from '../support/ably-clients.ts'
import { Cable } from '../support/cable.ts'

const ROUNDS = 3

t.test('connections that go on, through the published SDK', async (t) => {
  const region = await startDevRegion({
    nodes: 3, port: 0, host: '127.0.0.1', workers: 1, logLevel: 'silent'
  })
  t.teardown(() => region.stop())
  for (const useBinaryProtocol of [false, true]) {
    const name = useBinaryProtocol ? 'MessagePack' : 'JSON'
    t.test(name, (t) => resumeTests(t, region, { useBinaryProtocol }))
  }
  t.test('recover: another process goes on', (t) => recoverTests(t, region))
  t.test('what cannot go on begins anew, and says why', (t) => refusalTests(t, region))
})

t.test('[D8] a node leaves: its clients go on elsewhere, as the same connections', async (t) => {
  const region = await startDevRegion({
    nodes: 2, port: 0, host: '127.0.0.1', workers: 2, logLevel: 'silent'
  })
  t.teardown(() => region.stop())
  const [home, other] = region.urls as [string, string]
  const cable = await Cable.to(t, home)
  const clients = Array.from({ length: 5 }, () => ablyClient(t, cable.url, region.key))
  await Promise.all(clients.map((client) => client.connection.once('connected')))
  const ids = clients.map(({ connection }) => connection.id)
  const publisher = ablyClient(t, other, region.key).channels.get('leaving')
  const received: string[][] = clients.map(() => [])
  await Promise.all(clients.map((client, at) => {
    return client.channels.get('leaving').subscribe(({ data }) => void received[at]!.push(data))
  }))
  await publisher.publish('n', 'before')
  await until('the first', () => received.every(({ length }) => length === 1))
  const codes: unknown[] = []
  const back = clients.map(async ({ connection }) => {
    codes.push((await connection.once('disconnected')).reason?.statusCode)
    await connection.once('connected')
  })
  cable.lead(other)
  await Promise.all([region.nodes[0]!.drain(), ...back])
  t.same(codes, clients.map(() => 503))
  t.same(clients.map(({ connection }) => connection.id), ids)
  await until('all are attached', () => clients.every((client) => {
    return client.channels.get('leaving').state === 'attached'
  }))
  await publisher.publish('n', 'after')
  await until('the rest', () => received.every((each) => each.includes('after')))
  for (const each of received) t.same(each, ['before', 'after'])
})

/** A client behind a cable, connected, which hears its own channel. */
async function plugged(t: Test, region: DevRegion, name: string, options: AblyOptions) {
  const cable = await Cable.to(t, region.urls[0]!)
  const client = ablyClient(t, cable.url, region.key, options)
  await client.connection.once('connected')
  const channel = client.channels.get(name)
  const received: string[] = []
  await channel.subscribe(({ data }) => void received.push(data))
  return { cable, client, channel, received, connectionId: client.connection.id! }
}

async function resumeTests(t: Test, region: DevRegion, options: AblyOptions) {
  for (const [where, to] of [['the same node', 0], ['another node', 1]] as const) {
    t.test(`a socket is cut, and resumed on ${where}`, async (t) => {
      const name = `cut-${to}-${options.useBinaryProtocol}`
      const { cable, client, channel, received, connectionId } =
        await plugged(t, region, name, options)
      const publisher = ablyClient(t, region.urls[2]!, region.key).channels.get(name)
      const heardByOther: string[] = []
      await publisher.subscribe(({ data }) => void heardByOther.push(data))
      const firstKey = client.connection.key
      const outcomes: Promise<unknown>[] = []
      const sent: string[] = []
      const publish = (data: string): void => {
        sent.push(data)
        outcomes.push(channel.publish('n', data))
      }
      for (let round = 0; round < ROUNDS; round++) {
        for (let no = 0; no < 20; no++) publish(`${round}:${no}`)
        const connected = client.connection.once('connected')
        cable.lead(region.urls[to]!)
        cable.cut()
        await publisher.publish('n', `other ${round}`)
        const { reason } = await connected
        t.equal(reason, undefined)
        t.equal(client.connection.id, connectionId)
      }
      t.not(client.connection.key, firstKey)
      await Promise.all(outcomes)
      publish('last')
      await until('all are here', () => {
        return received.includes('last') && heardByOther.includes('last')
      })
      t.same(received, heardByOther, 'both heard the same, in the same order')
      t.same(received.filter((data) => !data.startsWith('other')), sent)
      t.equal(received.length, sent.length + ROUNDS)
    })
  }

  t.test('acknowledgements are lost with the socket: each publish is taken once', async (t) => {
    const name = `acks-${options.useBinaryProtocol}`
    const { cable, client, channel, connectionId } = await plugged(t, region, name, options)
    const other = ablyClient(t, region.urls[2]!, region.key).channels.get(name)
    const heard: string[] = []
    await other.subscribe(({ data }) => void heard.push(data))
    cable.deafen()
    const outcomes = Promise.all(Array.from({ length: 10 }, (_, no) => {
      return channel.publish('n', `m${no}`)
    }))
    await until('they were taken', () => heard.length === 10)
    const connected = client.connection.once('connected')
    cable.lead(region.urls[1]!)
    cable.cut()
    await connected
    t.equal(client.connection.id, connectionId)
    await outcomes
    await channel.publish('n', 'after')
    await until('the last', () => heard.includes('after'))
    t.same(heard, [...Array.from({ length: 10 }, (_, no) => `m${no}`), 'after'])
  })
}

async function recoverTests(t: Test, region: DevRegion) {
  const { cable, client, connectionId, received } = await plugged(t, region, 'recover', {})
  const other = ablyClient(t, region.urls[2]!, region.key).channels.get('recover')
  await client.channels.get('recover').publish('n', 'of the first process')
  // Its ACK may come first; the key is to say that this was heard.
  await until('its echo', () => received.length === 1)
  const recoveryKey = client.connection.createRecoveryKey()!
  cable.unplug()
  await other.publish('n', 'meanwhile')
  const second = ablyClient(t, region.urls[1]!, region.key, { recover: recoveryKey })
  await second.connection.once('connected')
  t.equal(second.connection.id, connectionId)
  t.equal(second.connection.errorReason, null)
  const heard: string[] = []
  await second.channels.get('recover').subscribe(({ data }) => void heard.push(data))
  await second.channels.get('recover').publish('n', 'of the second process')
  await until('both', () => heard.length === 2)
  t.same(received, ['of the first process'])
  t.same(heard, ['meanwhile', 'of the second process'])

  const third = ablyClient(t, region.urls[0]!, region.key, { recover: recoveryKey })
  await third.connection.once('connected')
  t.not(third.connection.id, connectionId, 'the key is retired')
  t.equal(third.connection.errorReason?.code, 80018)
  await third.channels.get('recover').publish('n', 'of the third process')
  await until('the third', () => heard.length === 3)
  t.equal(second.connection.state, 'connected', 'and nobody was disturbed')
}

async function refusalTests(t: Test, region: DevRegion) {
  const recovering = async (connectionKey: string, options: AblyOptions = {}, key = region.key) => {
    const recover = JSON.stringify({ connectionKey, msgSerial: 3, channelSerials: {} })
    const client = ablyClient(t, region.urls[1]!, key, { recover, ...options })
    const { reason } = await client.connection.once('connected')
    return { code: reason?.code, client }
  }
  t.test('a key that is none: 80018, and a connection that works', async () => {
    const { code, client } = await recovering('_____!ablyjs_test_fake-key____')
    t.equal(code, 80018)
    await client.channels.get('refused').publish('n', 'x')
  })
  t.test('a connection that was closed: 80017', async (t) => {
    const { client, connectionId } = await plugged(t, region, 'closed', {})
    const { key } = client.connection
    client.close()
    await client.connection.once('closed')
    const again = await recovering(key!)
    t.equal(again.code, 80017)
    t.not(again.client.connection.id, connectionId)
  })
  t.test('another app: 80011; another clientId: 40102', async (t) => {
    const { client } = await plugged(t, region, 'others', { clientId: 'ann' })
    const made = await fetch(`${region.urls[0]}/apps`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"keys":[{}]}'
    })
    const app = (await made.json()) as { keys: { keyStr: string }[] }
    const { key } = client.connection
    t.equal((await recovering(key!, { clientId: 'ann' }, app.keys[0]!.keyStr)).code, 80011)
    t.equal((await recovering(key!, { clientId: 'bob' })).code, 40102)
    t.equal(client.connection.state, 'connected')
  })
  t.test('two live sockets with one key: the first is told that it is replaced', async (t) => {
    const { client, connectionId } = await plugged(t, region, 'two', {})
    const changes: Ably.ConnectionStateChange[] = []
    client.connection.on((change) => void changes.push(change))
    const second = ablyClient(t, region.urls[2]!, region.key, {
      recover: client.connection.createRecoveryKey()!
    })
    await second.connection.once('connected')
    t.equal(second.connection.id, connectionId)
    await until('told', () => changes.some(({ reason }) => reason?.code === 80016))
    client.close()
  })
}
