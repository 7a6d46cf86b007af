import type * as Ably from 'ably'
import type { Test } from 'tap'
import { cutOff, until } from '../support/ably-clients.ts'
import type { PlainSocket } from '../support/plain-socket.ts'
import { attached, plainAttach } from './support/attach.ts'
import { ruleFile, type Stage } from './support/rule.ts'

const HAS_BACKLOG = 2
const RESUMED = 4
const ATTACH_RESUME = 32
const ATTACH = 10
const ATTACHED = 11
const DETACH = 12
const DETACHED = 13
const MESSAGE = 15
const PRESENCE = 14
const NACK = 2
const ERROR = 9
const SUBSCRIBE = 1 << 18

/** Publishes `count` messages m1, m2 … through node 0. */
async function published(t: Test, on: Stage, name: string, count: number): Promise<void> {
  const channel = on.client(t, 0).channels.get(name)
  for (let no = 1; no <= count; no++) await channel.publish('n', `m${no}`)
}

/** The data that it is told until, and without, `last`. */
async function toldUntil(socket: PlainSocket, channel: string, last: string): Promise<unknown[]> {
  socket.send({ action: MESSAGE, channel, msgSerial: 0, messages: [{ data: last }] })
  const data: unknown[] = []
  for (;;) {
    const { messages = [] } = await socket.next(({ action }) => action === MESSAGE)
    const texts = messages.map((message) => message['data'])
    if (texts.includes(last)) return data
    data.push(...texts)
  }
}

ruleFile('channels', (rule) => {
  rule('C1', 'a count, a time, a limit; as params or in the name', async (t, on) => {
    const name = on.name('many')
    await published(t, on, name, 5)
    const all = ['m1', 'm2', 'm3', 'm4', 'm5']
    const cases: readonly [string, Record<string, string>, readonly string[]][] = [
      [name, { rewind: '2' }, ['m4', 'm5']],
      [`[?rewind=3]${name}`, {}, ['m3', 'm4', 'm5']],
      [`[?rewind=3]${name}`, { rewind: '1' }, ['m5']],
      [name, { rewind: '100' }, all],
      [name, { rewind: '10m', rewindLimit: '1' }, ['m5']],
      [name, { rewind: '90s' }, all],
      [name, { rewind: '0s' }, []],
      [name, {}, []]
    ]
    for (const [wire, params, expected] of cases) {
      const { channel, data, changes } = await attached(t, on, 2, wire, params)
      const what = `${wire} ${JSON.stringify(params)}`
      await until(what, () => data().length >= expected.length)
      await channel.presence.get()
      t.same(data(), expected, what)
      t.match(changes, [{ resumed: false, hasBacklog: expected.length > 0 }])
    }
  })

  rule('C1', 'of a publish of several messages as many as are wanted', async (t, on) => {
    const name = on.name('part')
    const publisher = on.client(t, 0).channels.get(name)
    const first = await publisher.publish([{ data: 'a' }, { data: 'b' }, { data: 'c' }])
    await publisher.publish('n', 'd')
    const { heard, data } = await attached(t, on, 1, name, { rewind: '3' })
    await until('three', () => heard.length === 3)
    t.same(data(), ['b', 'c', 'd'])
    t.same(heard.map(({ serial }) => serial).slice(0, 2), first.serials.slice(1))
    const ids = heard.map(({ id }) => id!.split(':').slice(1).join(':'))
    t.same(ids, ['0:1', '0:2', '1:0'])
  })

  rule('C1', 'an unknown form fails the channel with 40003', async (t, on) => {
    const socket = await on.socket(t, 1)
    for (const rewind of ['often', '-1', '1h', '']) {
      socket.send({ action: ATTACH, channel: on.name('wrong'), params: { rewind } })
      t.match(await socket.next(({ action }) => action === 9),
        { channel: on.name('wrong'), error: { code: 40003 } })
    }
  })

  rule('C2', 'nothing missing, repeated or out of order while it is published', async (t, on) => {
    const name = on.name('busy')
    const publisher = on.client(t, 0).channels.get(name)
    let isOver = false
    let count = 0
    const publishing = (async () => {
      while (!isOver) await publisher.publish('n', String(++count))
    })()
    await until('some', () => count > 20)
    const crowd = await Promise.all([1, 2, 1, 2, 0].map((node) =>
      attached(t, on, node, name, { rewind: '10' })))
    await until('more', () => crowd.every(({ heard }) => heard.length > 40))
    isOver = true
    await publishing
    await until('all', () => crowd.every(({ data }) => data().includes(String(count))))
    for (const { data } of crowd) {
      const numbers = data().map(Number)
      t.same(numbers, numbers.map((_, at) => numbers[0]! + at))
    }
  })

  rule('C3', 'not when it goes on: attached again, or with ATTACH_RESUME', async (t, on) => {
    const name = on.name('again')
    await published(t, on, name, 3)
    const params = { rewind: '2' }
    const socket = await on.socket(t, 1)
    const first = await plainAttach(socket, name, { params })
    t.equal(first.flags! & (HAS_BACKLOG | RESUMED), HAS_BACKLOG)
    const again = await plainAttach(socket, name, { params })
    t.equal(again.flags! & (HAS_BACKLOG | RESUMED), RESUMED, 'a change of options')
    t.same(await toldUntil(socket, name, 'end'), ['m2', 'm3'])
    socket.send({ action: DETACH, channel: name })
    await socket.next(({ action }) => action === DETACHED)
    const { flags } = await plainAttach(socket, name, { params, flags: ATTACH_RESUME })
    t.equal(flags! & (HAS_BACKLOG | RESUMED), 0)
    socket.send({ action: DETACH, channel: name })
    await socket.next(({ action }) => action === DETACHED)
    const foreign = await plainAttach(socket, name, { params, channelSerial: 'of somebody else' })
    t.equal(foreign.flags! & HAS_BACKLOG, HAS_BACKLOG, 'a serial of nobody is no continuation')
    t.equal(foreign.error?.code, 90003)
  })

  rule('C3', 'not after a lost socket; again after a detach', async (t, on) => {
    const name = on.name('sdk')
    await published(t, on, name, 3)
    const client = on.client(t, 2)
    const channel = client.channels.get(name, { params: { rewind: '2' } })
    const heard: unknown[] = []
    await channel.subscribe(({ data }) => void heard.push(data))
    await until('rewound', () => heard.length === 2)
    const back = channel.whenState('attaching').then(() => channel.whenState('attached'))
    cutOff(client)
    t.match(await back, { resumed: true, hasBacklog: false })
    await channel.setOptions({ params: { rewind: '3' } })
    await channel.publish('n', 'live')
    await until('live', () => heard.includes('live'))
    t.same(heard, ['m2', 'm3', 'live'])
    await channel.detach()
    await channel.attach()
    await until('rewound', () => heard.length === 6)
    t.same(heard, ['m2', 'm3', 'live', 'm2', 'm3', 'live'])
  })

  rule('C3', 'when it cannot go on, with its 90003', async (t, on) => {
    const name = on.name('lost')
    const socket = await on.socket(t, 1)
    const { channelSerial } = await plainAttach(socket, name)
    const filler = on.client(t, 0).channels.get(name)
    // More than a channel keeps for those who were away.
    const data = 'x'.repeat(60_000)
    for (let no = 0; no < 80; no++) await filler.publish('n', data)
    await published(t, on, name, 3)
    const back = await on.socket(t, 2)
    const asked = { params: { rewind: '2' }, channelSerial }
    const { flags, error, channelSerial: now } = await plainAttach(back, name, asked)
    t.equal(flags! & (HAS_BACKLOG | RESUMED), HAS_BACKLOG)
    t.match(error, { code: 90003, statusCode: 404 })
    t.same(await toldUntil(back, name, 'end'), ['m2', 'm3'])
    const again = await on.socket(t, 0)
    const { flags: then } = await plainAttach(again, name, { ...asked, channelSerial: now })
    t.equal(then! & (HAS_BACKLOG | RESUMED), HAS_BACKLOG | RESUMED, 'from there it goes on')
    t.same(await toldUntil(again, name, 'the end'), ['end'])
  })

  rule('C4', 'ephemeral: heard live, and no part of a rewind', async (t, on) => {
    const name = on.name('ephemeral')
    const live = await attached(t, on, 2, name)
    const publisher = on.client(t, 0).channels.get(name)
    await publisher.publish('n', 'kept')
    const extras = { ephemeral: true }
    await publisher.publish({ name: 'n', data: 'gone', extras })
    await publisher.publish([{ data: 'half kept' }, { data: 'half gone', extras }])
    await until('all', () => live.heard.length === 4)
    t.same(live.data(), ['kept', 'gone', 'half kept', 'half gone'])
    t.same(live.heard[1]!.extras, extras)
    const late = await attached(t, on, 1, name, { rewind: '10' })
    await until('two', () => late.heard.length === 2)
    await late.channel.publish('n', 'end')
    await until('the end', () => late.data().includes('end'))
    t.same(late.data(), ['kept', 'half kept', 'end'])
  })

  rule('C9', 'only what the expression is true of; ids and rewind as ever', async (t, on) => {
    const app = await on.app({ keys: [{ capability: JSON.stringify({ '[*]*': ['*'] }) }] })
    const [key] = app.keys
    const name = on.name('derived')
    const plain = on.client(t, 2, {}, key).channels.get(name)
    const whole: Ably.Message[] = []
    await plain.subscribe((message) => void whole.push(message))
    const client = on.client(t, 1, {}, key)
    const filter = 'name == `"event"` && headers."number" == `26095`'
    const derived = client.channels.getDerived(name, { filter })
    const heard: Ably.Message[] = []
    await derived.subscribe((message) => void heard.push(message))
    const yes = { headers: { number: 26095 } }
    const publisher = on.client(t, 0, {}, key).channels.get(name)
    await publisher.publish({ name: 'event', data: 'a', extras: yes })
    await publisher.publish({ name: 'event', data: 'b', extras: { headers: { number: 1 } } })
    await publisher.publish([
      { name: 'event', data: 'c' }, { name: 'event', data: 'd', extras: yes },
      { name: 'else', data: 'e', extras: yes }, { name: 'event', data: 'f', extras: yes }
    ])
    await publisher.publish('n', 'g')
    await until('all', () => whole.length === 7 && heard.length === 3)
    t.same(heard.map(({ data }) => data), ['a', 'd', 'f'])
    const isTold = ({ data }: Ably.Message): boolean => 'adf'.includes(data as string)
    t.same(heard.map(({ id, serial }) => [id, serial]),
      whole.filter(isTold).map(({ id, serial }) => [id, serial]))
    const params = { rewind: '2' }
    const late = on.client(t, 2, {}, key).channels.getDerived(name, { filter }, { params })
    const rewound: unknown[] = []
    await late.subscribe(({ data }) => void rewound.push(data))
    await until('two', () => rewound.length === 2)
    t.same(rewound, ['d', 'f'])
    cutOff(client)
    await publisher.publish({ name: 'event', data: 'h', extras: yes })
    await until('resumed', () => heard.length === 4)
  })

  rule('C9', 'wrong expressions fail the channel with 40010', async (t, on) => {
    const app = await on.app({ keys: [{ capability: JSON.stringify({ '[*]*': ['*'] }) }] })
    const socket = await on.socket(t, 1, { params: { key: app.keys[0]! } })
    for (const filter of ['name ==', 'nothing(name)', '[a, b]', 'x'.repeat(3_000)]) {
      const channel = `[filter=${Buffer.from(filter).toString('base64')}]${on.name('x')}`
      const isCut = channel.length > 2048
      socket.send({ action: ATTACH, channel })
      const { error, channel: told } = await socket.next(({ action }) => action === ERROR)
      t.match(error, { code: 40010, statusCode: 400 }, isCut ? 'too long' : filter)
      t.equal(told, channel)
    }
  })

  rule('C10', 'to be listened to, by who may: publish, presence and plain resources are 40160',
    async (t, on) => {
      const resources = { '[filter]f*': ['subscribe'], '[*]*': ['publish', 'presence'] }
      const plainKey = { capability: JSON.stringify({ '*': ['*'] }) }
      const app = await on.app({ keys: [{ capability: JSON.stringify(resources) }, plainKey] })
      const wire = `[filter=${Buffer.from('name').toString('base64')}]`
      const socket = await on.socket(t, 1, { params: { key: app.keys[0]! } })
      for (const name of ['f*', 'f*:deeper']) {
        socket.send({ action: ATTACH, channel: wire + name })
        const isOpen = name === 'f*'
        const { flags, error } = await socket.next(({ action }) =>
          action === (isOpen ? ATTACHED : ERROR))
        t.equal(isOpen ? flags : error?.code, isOpen ? SUBSCRIBE : 40160, name)
      }
      const messages = [{ data: 'x' }]
      socket.send({ action: MESSAGE, channel: `${wire}f*`, msgSerial: 0, messages })
      t.match(await socket.next(({ action }) => action === NACK), { error: { code: 40160 } })
      socket.send({ action: PRESENCE, channel: `${wire}f*`, msgSerial: 1,
        presence: [{ action: 2, clientId: 'x' }] })
      t.match(await socket.next(({ action }) => action === NACK), { error: { code: 40160 } })
      const plain = await on.socket(t, 2, { params: { key: app.keys[1]! } })
      plain.send({ action: ATTACH, channel: `${wire}f` })
      t.match(await plain.next(({ action }) => action === ERROR), { error: { code: 40160 } })
    })
})
