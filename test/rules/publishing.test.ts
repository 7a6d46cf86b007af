import * as Ably from 'ably'
import { errorOf, until } from '../support/ably-clients.ts'
import { attached } from './support/attach.ts'
import { ruleFile } from './support/rule.ts'

ruleFile('publishing', (rule) => {
  rule('P1', '1,000 messages from node 0 to node 2', async (t, on) => {
    const received: string[] = []
    const name = on.name('order')
    await on.client(t, 2).channels.get(name).subscribe(({ data }) => void received.push(data))
    const publisher = on.client(t, 0).channels.get(name)
    const sent = Array.from({ length: 1_000 }, (_, at) => `m${at}`)
    await Promise.all(sent.map((data) => publisher.publish('n', data)))
    await until('all are there', () => received.length >= sent.length)
    t.same(received, sent)
  })

  rule('P2', 'serial and version are the server\'s', async (t, on) => {
    const name = on.name('version')
    const { heard } = await attached(t, on, 1, name)
    const socket = await on.socket(t, 2)
    const version = { clientId: 'forged', description: 'forged', serial: 'forged' }
    const messages = [{ data: 'x', serial: 'forged', action: 0, version }]
    socket.send({ action: 15, channel: name, msgSerial: 0, messages })
    await until('heard', () => heard.length === 1)
    const { serial, timestamp } = heard[0]!
    t.not(serial, 'forged')
    t.same(heard[0]!.version, { serial, timestamp })
  })

  rule('P2', 'data of every kind, to a subscriber of the other format', async (t, on) => {
    const name = on.name('kinds')
    const other = on.client(t, 1, { useBinaryProtocol: on.format === 'json' })
    const received: Ably.Message[] = []
    await other.channels.get(name).subscribe((message) => void received.push(message))
    const extras = { headers: { a: 'b' } }
    await on.client(t, 0).channels.get(name).publish([
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

  rule('P3', 'echo: on by default, off by the connection or by the channel', async (t, on) => {
    const name = on.name('echo')
    const loud = on.client(t, 0)
    const quiet = on.client(t, 1, { echoMessages: false })
    const shy = on.client(t, 2)
    const heard = { loud: 0, quiet: 0, shy: 0 }
    await loud.channels.get(name).subscribe(() => void heard.loud++)
    await quiet.channels.get(name).subscribe(() => void heard.quiet++)
    const deaf = shy.channels.get(name, { params: { echo: 'false' } })
    await deaf.subscribe(() => void heard.shy++)
    await quiet.channels.get(name).publish('from quiet', 'x')
    await deaf.publish('from shy', 'x')
    await loud.channels.get(name).publish('from loud', 'x')
    await until('heard', () => heard.loud === 3 && heard.quiet === 2 && heard.shy === 2)
    t.same(heard, { loud: 3, quiet: 2, shy: 2 })
  })

  rule('P4', 'a known id is acknowledged and not delivered again', async (t, on) => {
    const name = on.name('ids')
    const received: string[] = []
    await on.client(t, 1).channels.get(name).subscribe(({ data }) => void received.push(data))
    const publisher = on.client(t, 0).channels.get(name)
    const first = await publisher.publish({ id: 'mine', name: 'n', data: 'once' })
    const second = await publisher.publish({ id: 'mine', name: 'n', data: 'again' })
    t.same(second, first, 'with the serials of the first')
    await publisher.publish('n', 'last')
    await until('the last', () => received.includes('last'))
    t.same(received, ['once', 'last'])
  })

  rule('P5', 'clientId: implied, allowed for who may be anybody, refused otherwise',
    async (t, on) => {
      const name = on.name('who')
      const received: Ably.Message[] = []
      await on.client(t, 2).channels.get(name).subscribe((message) => void received.push(message))
      const ann = on.client(t, 0, { clientId: 'ann' }).channels.get(name)
      await ann.publish('n', 'x')
      const anybody = on.client(t, 0).channels.get(name)
      await anybody.publish({ name: 'n', data: 'x', clientId: 'bob' })
      await until('both', () => received.length === 2)
      t.same(received.map(({ clientId }) => clientId), ['ann', 'bob'])
      t.equal((await errorOf(ann.publish({ name: 'n', clientId: 'eve' }))).code, 40012)
    })

  rule('P6', 'publishes that are too large, too many, or not allowed', async (t, on) => {
    const { keys } = await on.app({ keys: [{}, { capability: '{"in:*":["subscribe"]}' }] })
    const channel = on.client(t, 0, {}, keys[0]).channels.get(on.name('refusals'))
    t.equal((await errorOf(channel.publish('n', 'x'.repeat(70_000)))).code, 40009)
    t.equal((await errorOf(channel.publish([{ id: 'a:0' }, { id: 'b:1' }]))).code, 40031)
    await channel.publish('n', 'fine')
    const limited = on.client(t, 1, {}, keys[1])
    await limited.channels.get('in:x').attach()
    t.equal((await errorOf(limited.channels.get('in:x').publish('n', 'x'))).code, 40160)
    t.equal((await errorOf(limited.channels.get('out').attach())).code, 40160)
    t.equal(limited.connection.state, 'connected')
  })

  rule('P6', 'privileged extras are for those who may', async (t, on) => {
    const capability = '{"a:*":["publish"],"b:*":["publish","privileged-headers"]}'
    const { keys: [key] } = await on.app({ keys: [{ capability }] })
    const [a, b] = [on.name('a:x'), on.name('b:x')]
    const message = { name: 'n', data: 'x', extras: { privileged: { skipRule: '*' } } }
    const client = on.client(t, 0, {}, key)
    t.equal((await errorOf(client.channels.get(a).publish(message))).code, 40160)
    await client.channels.get(b).publish(message)
    await client.channels.get(a).publish({ ...message, extras: { headers: { a: 1 } } })
    const rest = on.rest(1, { key })
    t.equal((await errorOf(rest.channels.get(a).publish(message))).code, 40160)
    await rest.channels.get(b).publish(message)
  })

  rule('P6', 'the server says it too, where the SDK would not send', async (t, on) => {
    const socket = await on.socket(t, 1)
    const channel = on.name('large')
    socket.send({ action: 15, channel, msgSerial: 0, messages: [{ data: 'x'.repeat(70_000) }] })
    const refused = await socket.next(({ action }) => action === 2)
    t.match(refused, { msgSerial: 0, count: 1, error: { code: 40009, statusCode: 413 } })
    socket.send({ action: 15, channel, msgSerial: 1, messages: [{ data: 'x' }] })
    t.equal((await socket.next(({ action }) => action === 1)).msgSerial, 1)
  })

  rule('P7', 'a publish without an attachment', async (t, on) => {
    const name = on.name('transient')
    const received: string[] = []
    await on.client(t, 2).channels.get(name).subscribe(({ data }) => void received.push(data))
    const channel = on.client(t, 0).channels.get(name)
    await channel.publish('n', 'x')
    t.equal(channel.state, 'initialized')
    await until('delivered', () => received.length === 1)
  })
})
