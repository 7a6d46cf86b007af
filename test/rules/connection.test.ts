import * as Ably from 'ably'
import type { Test } from 'tap'
import { ablyClient, type AblyOptions, errorOf, until } from '../support/ably-clients.ts'
import { Cable } from '../support/cable.ts'
import { PlainSocket } from '../support/plain-socket.ts'
import { callbackOf, jwtOf } from '../support/tokens.ts'
import { ruleFile, type Stage } from './support/rule.ts'

const ROUNDS = 3
/** Messages a second, said at a pace that is below that, and many more of them at once. */
const RATE = 6
const RATE_PACE_MS = 250
const RATED = 20

/** A client behind a cable, connected, which hears its own channel. */
async function plugged(
  t: Test, on: Stage, name: string, options: AblyOptions = {}, key = on.key
) {
  const cable = await Cable.to(t, on.url(0))
  const useBinaryProtocol = on.format === 'msgpack'
  const client = ablyClient(t, cable.url, key, { useBinaryProtocol, ...options })
  await client.connection.once('connected')
  const channel = client.channels.get(name)
  const received: string[] = []
  await channel.subscribe(({ data }) => void received.push(data))
  return { cable, client, channel, received, connectionId: client.connection.id! }
}

ruleFile('connections', (rule) => {
  rule('N1', 'CONNECTED tells the connection, a ping is answered, CLOSE closes', async (t, on) => {
    const client = on.client(t, 0, { clientId: 'ann' })
    await client.connection.once('connected')
    t.match(client.connection.id, /^[A-Za-z0-9]{10}$/)
    t.match(client.connection.key, new RegExp(`^${client.connection.id}!`))
    t.equal(client.auth.clientId, 'ann')
    t.ok((await client.connection.ping()) >= 0)
    client.close()
    await client.connection.once('closed')
  })

  rule('N1', 'connectionDetails has what SDKs read', async (t, on) => {
    const socket = await on.socket(t, 1)
    const [connected] = socket.all
    t.match(connected!.connectionDetails, {
      connectionStateTtl: 120_000, maxIdleInterval: 15_000, maxMessageSize: 65_536,
      objectsGCGracePeriod: 86_400_000, serverId: String, siteCode: String, maxFrameSize: Number,
      maxInboundRate: Number, connectionKey: /^[A-Za-z0-9]{10}!/, clientId: '*'
    })
    t.equal(connected!.connectionKey, connected!.connectionDetails!['connectionKey'])
  })

  rule('N2', 'credentials that are none', async (t, on) => {
    const [keyName] = on.key.split(':') as [string]
    const [appId] = keyName.split('.') as [string]
    for (const key of [`${keyName}:wrong`, `${appId}.nokey1:secret`, 'noapp1.nokey1:secret']) {
      const { reason } = await on.client(t, 0, {}, key).connection.once('failed')
      t.equal(reason?.code, 40101, key)
    }
  })

  for (const [where, to] of [['the same node', 0], ['another node', 1]] as const) {
    rule('N3', `a socket is cut, and resumed on ${where}`, async (t, on) => {
      const { cable, client, channel, received, connectionId } =
        await plugged(t, on, on.name('cut'))
      const publisher = on.client(t, 2).channels.get(on.name('cut'))
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
        cable.lead(on.url(to))
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

  rule('N4', 'acknowledgements are lost with the socket', async (t, on) => {
    const { cable, client, channel, connectionId } = await plugged(t, on, on.name('acks'))
    const other = on.client(t, 2).channels.get(on.name('acks'))
    const heard: string[] = []
    await other.subscribe(({ data }) => void heard.push(data))
    cable.deafen()
    const outcomes = Promise.all(Array.from({ length: 10 }, (_, no) => {
      return channel.publish('n', `m${no}`)
    }))
    await until('they were taken', () => heard.length === 10)
    const connected = client.connection.once('connected')
    cable.lead(on.url(1))
    cable.cut()
    await connected
    t.equal(client.connection.id, connectionId)
    await outcomes
    await channel.publish('n', 'after')
    await until('the last', () => heard.includes('after'))
    t.same(heard, [...Array.from({ length: 10 }, (_, no) => `m${no}`), 'after'])
  })

  rule('N4', 'more of them than its app may say in a second', async (t, on) => {
    const { keys: [key] } = await on.app({ keys: [{}], limits: { publishRateMax: RATE } })
    const name = on.name('rated')
    const { cable, client, channel, connectionId } = await plugged(t, on, name, {}, key)
    const heard: string[] = []
    await on.client(t, 2, {}, key).channels.get(name)
      .subscribe(({ data }) => void heard.push(data))
    cable.deafen()
    const sent: string[] = []
    const outcomes: Promise<unknown>[] = []
    const pace = setInterval(() => {
      if (heard.length < sent.length || sent.length === RATED) return
      sent.push(`m${sent.length}`)
      outcomes.push(channel.publish('n', sent.at(-1)))
    }, RATE_PACE_MS)
    t.teardown(() => clearInterval(pace))
    await until('they were taken', () => heard.length === RATED, 60_000)
    const connected = client.connection.once('connected')
    cable.lead(on.url(1))
    cable.cut()
    await connected
    t.equal(client.connection.id, connectionId)
    await Promise.all(outcomes)
    await channel.publish('n', 'after')
    await until('the last', () => heard.includes('after'))
    t.same(heard, [...sent, 'after'])
  })

  rule('N4', 'they were taken by rights that the client has no more', async (t, on) => {
    const name = on.name('fewer')
    const rights = (...operations: string[]) =>
      jwtOf(on.key, { clientId: 'ann', capability: { [name]: operations } })
    const tokens = [rights('publish', 'subscribe')]
    const authCallback = callbackOf(() => tokens.at(-1)!)
    const cable = await Cable.to(t, on.url(0))
    const useBinaryProtocol = on.format === 'msgpack'
    const client = ablyClient(t, cable.url, on.key, { useBinaryProtocol, authCallback })
    await client.connection.once('connected')
    const heard: string[] = []
    await on.client(t, 2).channels.get(name).subscribe(({ data }) => void heard.push(data))
    cable.deafen()
    const taken = client.channels.get(name).publish('n', 'taken')
    await until('it was taken', () => heard.length === 1)
    tokens.push(rights('subscribe'))
    await client.auth.authorize().catch(() => undefined)
    cable.lead(on.url(1))
    cable.cut()
    t.ok(await taken, 'it is acknowledged')
    const later = client.channels.get(name).publish('n', 'refused')
    t.equal((await errorOf(later)).code, 40160)
    t.same(heard, ['taken'])
  })

  rule('N5', 'another process goes on; the key is good once', async (t, on) => {
    const name = on.name('recover')
    const { cable, client, connectionId, received } = await plugged(t, on, name)
    const other = on.client(t, 2).channels.get(name)
    await client.channels.get(name).publish('n', 'of the first process')
    // Its ACK may come first; the key is to say that this was heard.
    await until('its echo', () => received.length === 1)
    const recover = client.connection.createRecoveryKey()!
    cable.unplug()
    await other.publish('n', 'meanwhile')
    const second = on.client(t, 1, { recover })
    await second.connection.once('connected')
    t.equal(second.connection.id, connectionId)
    t.equal(second.connection.errorReason, null)
    const heard: string[] = []
    await second.channels.get(name).subscribe(({ data }) => void heard.push(data))
    await second.channels.get(name).publish('n', 'of the second process')
    await until('both', () => heard.length === 2)
    t.same(received, ['of the first process'])
    t.same(heard, ['meanwhile', 'of the second process'])
    const third = on.client(t, 0, { recover })
    await third.connection.once('connected')
    t.not(third.connection.id, connectionId, 'the key is retired')
    t.equal(third.connection.errorReason?.code, 80018)
    await third.channels.get(name).publish('n', 'of the third process')
    await until('the third', () => heard.length === 3)
    t.equal(second.connection.state, 'connected', 'and nobody was disturbed')
  })

  rule('N6', 'what cannot go on begins anew, and says why', async (t, on) => {
    const recovering = async (connectionKey: string, options: AblyOptions = {}, key = on.key) => {
      const recover = JSON.stringify({ connectionKey, msgSerial: 3, channelSerials: {} })
      const client = on.client(t, 1, { recover, ...options }, key)
      const { reason } = await client.connection.once('connected')
      return { code: reason?.code, client }
    }
    const none = await recovering('_____!ablyjs_test_fake-key____')
    t.equal(none.code, 80018)
    await none.client.channels.get(on.name('refused')).publish('n', 'x')
    const { client } = await plugged(t, on, on.name('others'), { clientId: 'ann' })
    const { keys } = await on.app({ keys: [{}] })
    const { key, id } = client.connection
    t.equal((await recovering(key!, { clientId: 'ann' }, keys[0]!)).code, 80011)
    t.equal((await recovering(key!, { clientId: 'bob' })).code, 40102)
    t.equal(client.connection.state, 'connected')
    client.close()
    await client.connection.once('closed')
    const closed = await recovering(key!, { clientId: 'ann' })
    t.equal(closed.code, 80017)
    t.not(closed.client.connection.id, id)
  })

  rule('N7', 'two live sockets with one key', async (t, on) => {
    const { client, connectionId } = await plugged(t, on, on.name('two'))
    const changes: Ably.ConnectionStateChange[] = []
    client.connection.on((change) => void changes.push(change))
    const second = on.client(t, 2, { recover: client.connection.createRecoveryKey()! })
    await second.connection.once('connected')
    t.equal(second.connection.id, connectionId)
    await until('told', () => changes.some(({ reason }) => reason?.code === 80016))
    client.close()
  })

  rule('N8', 'frames that are no protocol messages', async (t, on) => {
    const bystander = await on.socket(t, 0)
    const bad = on.format === 'json'
      ? ['{', '[]', 'null', '{"action":"x"}', '['.repeat(5_000)]
      : [Buffer.from([0x81, 0xa6, 0x61]), Buffer.from([0xc1]), Buffer.from([0x90])]
    const large = { action: 15, msgSerial: 0, messages: [{ data: 'x'.repeat(600_000) }] }
    for (const [data, code] of [...bad.map((each) => [each, 80013] as const), [large, 40009]]) {
      const socket = await on.socket(t, 0)
      socket.send(data as object | string)
      t.equal((await socket.next(({ error }) => error !== undefined)).error?.code, code)
      await socket.ended
    }
    bystander.send({ action: 0, id: 'still here' })
    await bystander.next(({ id }) => id === 'still here')
    t.notOk(bystander.isEnded)
  })

  rule('N8', 'a wrong field of an ATTACH; fields that only servers fill', async (t, on) => {
    const socket = await on.socket(t, 1)
    const channel = on.name('wrong')
    const wrong = [{ params: { rewind: {} } }, { flags: 'x' }, { flags: -1, msgSerial: 0 }]
    for (const fields of wrong) {
      socket.send({ action: 10, channel, ...fields })
      const told = await socket.next(({ error }) => error !== undefined)
      t.match(told, { action: 9, channel, error: { statusCode: 400 } })
    }
    socket.send({ action: 0, id: 'lives', timestamp: 1.5, connectionId: 7, error: 'x', res: [1] })
    await socket.next(({ id }) => id === 'lives')
    socket.send({ action: 10, channel })
    await socket.next(({ action }) => action === 11)
  })

  rule('N8', 'dialects of other clients', async (t, on) => {
    const channel = on.name('dialect')
    const socket = await on.socket(t, 2)
    const text = (message: object) => Buffer.from(JSON.stringify(message))
    socket.send(text({ id: 'ping' }) as never)
    t.match(await socket.next(({ action }) => action === 0), { id: 'ping' })
    const messages = [{ data: 'x', clientId: '', extras: [] }]
    socket.send(text({ action: 15, channel, messages }) as never)
    t.match(await socket.next(({ action }) => action === 1), { msgSerial: 0, count: 1 })
    socket.send({ action: 15, channel, msgSerial: 1, messages })
    t.match(await socket.next(({ action }) => action === 1), { msgSerial: 1, count: 1 })
    socket.send({ action: 10, channel, channelSerial: '' })
    const attached = await socket.next(({ action }) => action === 11)
    t.equal(attached.error, undefined, 'who stood nowhere lost nothing')
  })

  rule('N8', 'what is left out where it is zero, or empty', async (t, on) => {
    const channel = on.name('zero')
    const socket = await on.socket(t, 1)
    socket.send({ action: 15, channel, messages: 'none' })
    t.match(await socket.next(({ error }) => error !== undefined),
      { action: 2, msgSerial: 0, count: 1, error: { statusCode: 400 } })
    const other = await on.socket(t, 1)
    for (const action of [21, 19]) {
      const fresh = await on.socket(t, 0)
      fresh.send({ action, channel })
      t.match(await fresh.next(({ error }) => error !== undefined),
        { action: 2, msgSerial: 0, count: 1 })
    }
    other.send({ action: 10, channel, params: [] })
    await other.next(({ action }) => action === 11)
    other.send({ action: 15, channel, params: [], messages: [{ data: 'x', version: [] }] })
    t.match(await other.next(({ action }) => action <= 2 && action > 0),
      { action: 1, msgSerial: 0, count: 1 })
  })

  rule('N10', 'who says nothing hears that the server lives', async (t, on) => {
    const queries = [{}, { heartbeats: 'true' }, { heartbeats: 'false' }] as const
    const open = (format: 'json' | 'msgpack') => Promise.all(queries.map((query) =>
      PlainSocket.connected(t, on.url(1), { format, params: { key: on.key, ...query } })))
    const sockets = (await Promise.all([open('json'), open('msgpack')])).flat()
    const beatCount = ({ all }: PlainSocket): number =>
      all.filter(({ action }) => action === 0).length
    const { maxIdleInterval } = sockets[0]!.all[0]!.connectionDetails as { maxIdleInterval: number }
    await until('all hear it', () => sockets.every((each) =>
      each.pingCount > 0 || beatCount(each) > 0), maxIdleInterval)
    for (const [at, socket] of sockets.entries()) {
      const wantsFrames = at % queries.length < 2
      t.equal(beatCount(socket) > 0, wantsFrames, wantsFrames ? 'HEARTBEAT' : 'pings alone')
    }
  }, ['json'])

  rule('N11', 'DISCONNECT: the socket ends, and its state is kept', async (t, on) => {
    const channel = on.name('disconnect')
    const watcher = on.client(t, 0).channels.get(channel)
    const left: string[] = []
    await watcher.presence.subscribe('leave', ({ clientId }) => void left.push(clientId))
    const params = { key: on.key, clientId: 'ann' }
    const socket = await on.socket(t, 1, { params })
    socket.send({ action: 10, channel })
    await socket.next(({ action }) => action === 11)
    socket.send({ action: 14, channel, msgSerial: 0, presence: [{ action: 2 }] })
    await socket.next(({ action }) => action === 1)
    socket.send({ action: 5 })
    await socket.ended
    const [connected] = socket.all
    const resume = connected!.connectionDetails!['connectionKey'] as string
    const back = await on.socket(t, 2, { params: { ...params, resume } })
    t.equal(back.all[0]!.connectionId, connected!.connectionId)
    t.equal(back.all[0]!.error, undefined)
    t.match(await watcher.presence.get(), [{ clientId: 'ann' }])
    t.same(left, [], 'nobody has left')
  })

  rule('N12', 'what is unknown in the query, and versions', async (t, on) => {
    const { format, key } = on
    const unknown = { mystery: '1', agent: 'x/1 y/2', heartbeats: 'maybe', echo: 'maybe', v: '' }
    const connected = await on.socket(t, 1, { params: unknown })
    t.equal(connected.all[0]!.error, undefined)
    const channel = on.name('echoed')
    connected.send({ action: 10, channel })
    await connected.next(({ action }) => action === 11)
    connected.send({ action: 15, channel, msgSerial: 0, messages: [{ data: 'own' }] })
    t.match(await connected.next(({ action }) => action === 15), { messages: [{ data: 'own' }] })
    const wrong: readonly [string, readonly string[], number][] = [
      ['v', ['1', '7', '1.2', 'x'], 40017], ['format', ['xml'], 40003],
      ['remainPresentFor', ['x', '-1'], 40003], ['clientId', ['*'], 40012]
    ]
    for (const [name, values, code] of wrong) {
      for (const value of values) {
        const asked = { key, [name]: value }
        const socket = PlainSocket.open(t, on.url(1), { format, params: asked })
        const { action, error } = await socket.next(() => true)
        t.match({ action, error }, { action: 9, error: { code, statusCode: 400 } },
          `${name}=${value}`)
        await socket.ended
      }
    }
  })

  rule('N9', 'an unknown action', async (t, on) => {
    const socket = await on.socket(t, 2)
    socket.send({ action: 99 })
    socket.send({ action: 99, msgSerial: 0 })
    const told = await socket.next(({ action }) => action === 2)
    t.equal(told.error?.code, 40000)
    t.equal(told.msgSerial, 0)
    t.same(socket.all.map(({ action }) => action), [4, 2])
  })
})
