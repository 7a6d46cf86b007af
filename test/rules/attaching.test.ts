import type * as Ably from 'ably'
import { until } from '../support/ably-clients.ts'
import { attached, plainAttach, settled } from './support/attach.ts'
import { ruleFile } from './support/rule.ts'

const RESUMED = 4
const ATTACH = 10
const DETACH = 12
const DETACHED = 13
const MESSAGE = 15
const NACK = 2
const ERROR = 9
const ACK = 1
const OBJECT = 19
const OBJECT_SYNC = 20
const TRANSIENT = 1 << 4
const HAS_OBJECTS = 1 << 7
const PUBLISH = 1 << 17
const SUBSCRIBE = 1 << 18
const PRESENCE_SUBSCRIBE = 1 << 19
/** With PRESENCE and ANNOTATION_PUBLISH. */
const DEFAULT_MODES = (1 << 16) | PUBLISH | SUBSCRIBE | PRESENCE_SUBSCRIBE | (1 << 21)

/** The modes among the flags of ATTACHED. */
function modesOf(flags = 0): number {
  return flags & ~0xffff
}

ruleFile('attaching', (rule) => {
  rule('C11', 'modes: asked for and allowed; by flags or by name', async (t, on) => {
    const limited = { capability: JSON.stringify({ 'r*': ['subscribe'], '*': ['*'] }) }
    const app = await on.app({ keys: [limited, { capability: '{"r":["subscribe"]}' }] })
    const socket = await on.socket(t, 1, { params: { key: app.keys[1]! } })
    const { flags, params } = await plainAttach(socket, 'r')
    t.equal(modesOf(flags), SUBSCRIBE | PRESENCE_SUBSCRIBE, 'what is allowed of what is asked for')
    t.equal(params, undefined)
    socket.send({ action: ATTACH, channel: 'r', flags: 1 << 17 })
    t.match(await socket.next(({ action }) => action === ERROR),
      { channel: 'r', error: { code: 40160, statusCode: 401 } })
    const all = await on.socket(t, 2, { params: { key: app.keys[0]! } })
    const name = on.name('modes')
    const plain = await plainAttach(all, name)
    t.equal(modesOf(plain.flags), DEFAULT_MODES)
    const named = { modes: 'SUBSCRIBE,publish', agent: 'x/1', mystery: '1' }
    const asked = await plainAttach(all, name, { params: named, flags: 1 << 16 })
    t.equal(modesOf(asked.flags), SUBSCRIBE | PUBLISH, 'names outdo flags')
    t.same(asked.params, { modes: 'SUBSCRIBE,publish' }, 'verbatim; others are dropped')
  })

  rule('C11', 'known params come back; wrong values are 40003', async (t, on) => {
    const socket = await on.socket(t, 1)
    const params = { rewind: '1', rewindLimit: '5', delta: 'vcdiff', echo: 'false',
      appendMode: 'whatever', objects: 'objects', occupancy: 'metrics' }
    const told = await plainAttach(socket, on.name('all'), { params })
    t.same(told.params, params)
    const wrong = { rewindLimit: '0', delta: 'xdelta', echo: 'no', objects: 'x', modes: 'shout' }
    for (const [name, value] of Object.entries(wrong)) {
      socket.send({ action: ATTACH, channel: on.name(name), params: { [name]: value } })
      t.match(await socket.next(({ action }) => action === ERROR),
        { channel: on.name(name), error: { code: 40003 } }, name)
    }
  })

  rule('C11', 'modes of annotations and objects, in name alone', async (t, on) => {
    const rights = ['annotation-subscribe', 'object-subscribe', 'object-publish']
    const { keys } = await on.app({ keys: [{ capability: JSON.stringify({ '*': rights }) }] })
    const socket = await on.socket(t, 1, { params: { key: keys[0]! } })
    const channel = on.name('nominal')
    const modes = 'annotation_publish,annotation_subscribe,object_subscribe,object_publish'
    const params = { modes, objects: 'objects' }
    const told = await plainAttach(socket, channel, { params })
    t.equal(modesOf(told.flags), (1 << 22) | (1 << 24) | (1 << 25), 'what is allowed of them')
    t.same(told.params, params)
    t.equal(told.flags! & HAS_OBJECTS, 0)
    const state = [{ operation: { action: 4, objectId: 'counter:x@1' } }]
    socket.send({ action: OBJECT, channel, msgSerial: 0, state })
    t.match(await socket.next(({ action }) => action === NACK), { error: { code: 40021 } })
    t.notOk(socket.all.some(({ action }) => action === OBJECT_SYNC))
  })

  rule('C12', 'attached again: new modes and params, nothing missed', async (t, on) => {
    const name = on.name('options')
    const publisher = on.client(t, 0).channels.get(name)
    const channel = on.client(t, 1).channels.get(name)
    const heard: unknown[] = []
    await channel.subscribe(({ data }) => void heard.push(data))
    for (const [no, options] of [
      { params: { rewind: '3' } }, { modes: ['SUBSCRIBE'] }, { params: { delta: 'vcdiff' } },
      { params: { occupancy: 'metrics.subscribers' } }, { params: { echo: 'false' } }, {}
    ].entries()) {
      const publishing = publisher.publish('n', `during ${no}`)
      await channel.setOptions(options as Ably.ChannelOptions)
      t.match(channel.params, options.params ?? {})
      await publishing
    }
    await publisher.publish('n', 'end')
    await until('the end', () => heard.includes('end'))
    const told = heard.filter((data) => typeof data === 'string')
    t.same(told, [0, 1, 2, 3, 4, 5].map((no) => `during ${no}`).concat('end'))
    await settled(t, on, name)
    const socket = await on.socket(t, 2)
    t.equal((await plainAttach(socket, name)).flags! & RESUMED, 0)
    const again = await plainAttach(socket, name, { flags: SUBSCRIBE })
    t.equal(again.flags, SUBSCRIBE | RESUMED, 'what it asks for now')
  })

  rule('C12', 'so it is where only what is not echoed is another', async (t, on) => {
    const name = on.name('unechoed')
    const socket = await on.socket(t, 2)
    const publisher = on.client(t, 0).channels.get(name)
    const { channelSerial } = await plainAttach(socket, name)
    const hears = async (data: string, because: string) => {
      const { messages } = await socket.next(({ action }) => action === MESSAGE)
      t.match(messages, [{ data }], because)
    }
    await publisher.publish('n', 'first')
    await hears('first', 'live')
    const changes = [
      { params: { mystery: '1' } }, { params: { mystery: '2' } },
      { params: { mystery: 'x'.repeat(500) } }, { params: { mystery: 'y'.repeat(500) } },
      { params: { remainPresentFor: '5000' } }, { params: { remainPresentFor: '6000' } },
      { params: { remainPresentFor: '6000' }, flags: DEFAULT_MODES }, { flags: DEFAULT_MODES }, {}
    ]
    for (const [no, change] of changes.entries()) {
      const { flags } = await plainAttach(socket, name, { ...change, channelSerial })
      t.equal(flags! & RESUMED, RESUMED)
      await publisher.publish('n', `after ${no}`)
      await hears(`after ${no}`, `nothing again: ${JSON.stringify(change).slice(0, 60)}`)
    }
    for (const same of [{}, { params: { agent: 'x/2' } }]) {
      await plainAttach(socket, name, { ...same, channelSerial })
      await hears('first', 'who asks for the same goes on from where it says')
      for (const no of changes.keys()) await hears(`after ${no}`, 'and is told all of it')
    }
  })

  rule('C13', 'a DETACH has its answer, whatever it is of', async (t, on) => {
    const socket = await on.socket(t, 1)
    const names = [on.name('known'), on.name('never'), ':wrong', '']
    await plainAttach(socket, names[0]!)
    for (const channel of names) {
      socket.send({ action: DETACH, channel })
      t.match(await socket.next(({ action }) => action === DETACHED), { channel })
    }
  })

  rule('C14', 'names: every character; the same bytes come back',
    async (t, on) => {
      const socket = await on.socket(t, 1)
      const publisher = on.client(t, 0)
      const odd = ['a b', 'ü☃😀', 'a/b?c=d&e#f', '"quoted"', 'a[b]c', 'a::b', 'x:', '%41',
        '\u0001',
        'a\nb', '+plus', 'x'.repeat(2_000)]
      for (const [no, each] of odd.entries()) {
        const channel = `${on.name('odd')}${each}`.slice(0, 2_048)
        t.equal((await plainAttach(socket, channel)).channel, channel)
        await publisher.channels.get(channel).publish('n', String(no))
        const told = await socket.next(({ action }) => action === MESSAGE)
        t.match(told, { channel, messages: [{ name: 'n' }] }, JSON.stringify(each))
        socket.send({ action: DETACH, channel })
        await socket.next(({ action }) => action === DETACHED)
      }
      for (const channel of ['', ':a', '[unknown]a', '[a', 'x'.repeat(2_049)]) {
        socket.send({ action: ATTACH, channel })
        t.match(await socket.next(({ action }) => action === ERROR),
          { channel, error: { code: 40010, statusCode: 400 } })
        socket.send({ action: MESSAGE, channel, msgSerial: 0, messages: [{ data: 'a' }] })
        t.match(await socket.next(({ action }) => action === NACK), { error: { code: 40010 } })
      }
    })

  rule('C15', 'channels of a connection, messages of a channel', async (t, on) => {
    const limits = { channelCountMax: 2, channelPublishRateMax: 10 }
    const app = await on.app({ keys: [{}], limits })
    const socket = await on.socket(t, 1, { params: { key: app.keys[0]! } })
    await plainAttach(socket, 'a')
    await plainAttach(socket, 'b')
    await plainAttach(socket, 'a')
    socket.send({ action: ATTACH, channel: 'c' })
    t.match(await socket.next(({ action }) => action === ERROR),
      { channel: 'c', error: { code: 90010, statusCode: 400 } })
    const codes: number[] = []
    const publishers = [0, 1, 2].map((node) => on.client(t, node, {}, app.keys[0]))
    await Promise.all(Array.from({ length: 30 }, async (_, no) => {
      const channel = publishers[no % 3]!.channels.get('rated')
      await channel.publish('n', 'x').catch(({ code }) => codes.push(code as number))
    }))
    t.ok(codes.length >= 15 && codes.length <= 20, `${codes.length} of 30 are refused`)
    t.same(new Set(codes), new Set([42913]))
  })

  rule('C16', 'TRANSIENT: it may publish, and is told nothing', async (t, on) => {
    const name = on.name('transient')
    await settled(t, on, name)
    const socket = await on.socket(t, 1)
    const { flags } = await plainAttach(socket, name, { flags: TRANSIENT })
    t.equal(flags, TRANSIENT | PUBLISH)
    const { data } = await attached(t, on, 2, name)
    socket.send({ action: MESSAGE, channel: name, msgSerial: 0, messages: [{ data: 'x' }] })
    await socket.next(({ action }) => action === ACK)
    await until('heard', () => data().includes('x'))
    t.notOk(socket.all.some(({ action }) => action === MESSAGE))
  })

  rule('C18', 'who hears nothing goes on, whatever has passed', async (t, on) => {
    const name = on.name('nothing')
    const modes = { publisher: PUBLISH, listener: SUBSCRIBE }
    const socket = await on.socket(t, 1)
    const { channelSerial } = await plainAttach(socket, name, { flags: PUBLISH })
    const filler = on.client(t, 0).channels.get(name)
    // More than a channel keeps for those who were away.
    const data = 'x'.repeat(60_000)
    for (let no = 0; no < 80; no++) await filler.publish('n', data)
    const told = async (flags: number) => {
      const back = await on.socket(t, 2)
      const { flags: now = 0, error } = await plainAttach(back, name, { flags, channelSerial })
      return [(now & RESUMED) !== 0, error?.code]
    }
    t.same(await told(modes.publisher), [true, undefined])
    t.same(await told(modes.listener), [false, 90003], 'others are told what is not there')
  })

  rule('C17', 'versions 2 to 6 are told the same of a message', async (t, on) => {
    const name = on.name('versions')
    const sockets = await Promise.all(['2', '3', '4', '5', '6'].map((v) =>
      on.socket(t, 1, { params: { v } })))
    for (const socket of sockets) await plainAttach(socket, name)
    const publisher = on.client(t, 0, { clientId: 'me' }).channels.get(name)
    await publisher.publish({ name: 'n', data: 'x', extras: { headers: { a: 1 } } })
    const told = await Promise.all(sockets.map((socket) =>
      socket.next(({ action }) => action === MESSAGE)))
    for (const each of told) t.same(each, told[0])
    t.match(told[0], { id: /:0$/, connectionId: /./, timestamp: Number, channelSerial: /./,
      messages: [{ name: 'n', data: 'x', clientId: 'me', action: 0, serial: /./ }] })
  })
})
