import vcdiff from '@ably/vcdiff-decoder'
import type * as Ably from 'ably'
import { until } from '../support/ably-clients.ts'
import { EventReader } from '../support/event-reader.ts'
import { jwtOf } from '../support/tokens.ts'
import { ruleFile, type Stage } from './support/rule.ts'

const JSON_ONLY = ['json'] as const
const WORDS = 'the same words over and over again, so that there is something to gain, '

function pathOf(on: Stage, params: Record<string, string>, isBare = false): string {
  const credentials: Record<string, string> = isBare ? {} : { key: on.key }
  return `/sse?${new URLSearchParams({ v: '3', ...credentials, ...params })}`
}

const textsOf = (data: readonly string[]): unknown[] =>
  data.map((each) => (JSON.parse(each) as { data: unknown }).data)

interface ToldMessage {
  readonly id: string
  readonly data: string
  readonly encoding?: string
  readonly extras?: { readonly delta?: { readonly from: string } }
}

/** Reads deltas as a client without an SDK does it: each is applied to the message before. */
class DeltaReader {
  #last: { readonly id: string; readonly bytes: Uint8Array } | undefined
  deltaCount = 0

  textOf(told: string): string {
    const { id, data, encoding, extras } = JSON.parse(told) as ToldMessage
    const { delta } = extras ?? {}
    let bytes: Uint8Array = Buffer.from(data)
    if (delta !== undefined) {
      if (encoding !== 'utf-8/vcdiff/base64') throw new Error(`a delta as ${encoding}`)
      if (delta.from !== this.#last?.id) throw new Error('of another message')
      this.deltaCount++
      bytes = vcdiff.decode(Buffer.from(data, 'base64'), this.#last.bytes)
    }
    this.#last = { id, bytes }
    return Buffer.from(bytes).toString()
  }
}

ruleFile('server-sent events', (rule) => {
  rule('T9', 'messages of several channels and nodes, in order', async (t, on) => {
    const [a, b] = [on.name('a'), on.name('b')]
    const reader = await EventReader.open(t, on.url(0), pathOf(on, { channels: `${a},${b}` }))
    const publisher = on.client(t, 2, { clientId: 'ann' })
    const sent = Array.from({ length: 40 }, (_, no) => `m${no}`)
    for (const [no, data] of sent.entries()) {
      await publisher.channels.get(no % 4 === 0 ? b : a).publish('n', data)
    }
    await until('all', () => reader.dataOf('message').length === sent.length)
    const read = reader.dataOf('message').map((data) => JSON.parse(data) as {
      channel: string
      data: string
    })
    for (const name of [a, b]) {
      const wanted = sent.filter((_, no) => (no % 4 === 0 ? b : a) === name)
      t.same(read.filter(({ channel }) => channel === name).map(({ data }) => data), wanted)
    }
    t.match(read[0], {
      id: /:0:0$/, name: 'n', clientId: 'ann', connectionId: publisher.connection.id!,
      timestamp: Number, channel: b
    })
    const { items: [first] } = await publisher.channels.get(b).history({ direction: 'forwards' })
    t.same((read[0] as unknown as Ably.Message).version, first!.version)
  }, JSON_ONLY)

  rule('T9', 'the payload alone, each line of it; an own separator; one channel', async (t, on) => {
    const name = on.name('plain,comma')
    const params = { channels: name, separator: ';', enveloped: 'false' }
    const plain = await EventReader.open(t, on.url(0), pathOf(on, params))
    const single = await EventReader.open(t, on.url(1),
      pathOf(on, { channel: name }).replace('/sse', '/event-stream'))
    const channel = on.client(t, 2).channels.get(name)
    await channel.publish([
      { name: 'n', data: 'two\nlines' }, { name: 'n', data: { a: [1] } },
      { name: 'n', data: Buffer.from('bytes') }, { name: 'n' }
    ])
    await until('all', () => plain.events.length === 4 && single.events.length === 4)
    t.same(plain.dataOf('message'),
      ['two\nlines', '{"a":[1]}', Buffer.from('bytes').toString('base64'), ''])
    const encodings = single.dataOf('message').map((data) =>
      (JSON.parse(data) as { encoding?: string }).encoding)
    t.same(encodings, [undefined, 'json', 'base64', undefined])
  }, JSON_ONLY)

  rule('T10', 'a reader that comes back has missed nothing, on any node', async (t, on) => {
    const [a, b] = [on.name('a'), on.name('b')]
    const path = pathOf(on, { channels: `${a},${b}` })
    const publisher = on.client(t, 2)
    const texts: unknown[] = []
    let reader = await EventReader.open(t, on.url(0), path)
    let sentCount = 0
    const publish = async (name: string, count: number): Promise<void> => {
      const messages = Array.from({ length: count }, () => ({ name: 'n', data: `m${sentCount++}` }))
      await publisher.channels.get(name).publish(messages)
    }
    for (const node of [1, 2, 0]) {
      await publish(a, 1)
      await publish(b, 2)
      await until('heard', () => texts.length + reader.events.length === sentCount)
      texts.push(...textsOf(reader.dataOf('message')))
      const id = reader.lastId
      reader.close()
      await publish(b, 2)
      await publish(a, 1)
      const isHeader = node === 1
      reader = await EventReader.open(t, on.url(node),
        isHeader ? path : `${path}&lastEvent=${encodeURIComponent(id)}`,
        isHeader ? { 'last-event-id': id } : {})
      await until('what was missed', () => texts.length + reader.events.length === sentCount)
      texts.push(...textsOf(reader.dataOf('message')))
      reader.events.length = 0
    }
    const sorted = (texts as string[]).toSorted((one, other) =>
      Number(one.slice(1)) - Number(other.slice(1)))
    t.same(sorted, Array.from({ length: sentCount }, (_, no) => `m${no}`), 'each once')
  }, JSON_ONLY)

  rule('T10', 'in the midst of a publish', async (t, on) => {
    const name = on.name('midst')
    const path = pathOf(on, { channel: name })
    const first = await EventReader.open(t, on.url(0), path)
    const channel = on.client(t, 2).channels.get(name)
    await channel.publish(['a', 'b', 'c'].map((data) => ({ name: 'n', data })))
    await until('all', () => first.events.length === 3)
    const lastEvent = encodeURIComponent(first.events[0]!.id!)
    const again = await EventReader.open(t, on.url(1), `${path}&lastEvent=${lastEvent}`)
    await until('the rest', () => again.events.length >= 2)
    t.same(textsOf(again.dataOf('message')), ['b', 'c'])
  }, JSON_ONLY)

  rule('T10', 'in the midst of a rewind, whatever was said in between', async (t, on) => {
    const name = on.name('rewound')
    const channel = on.client(t, 2, { clientId: 'ann' }).channels.get(name)
    const publish = (...texts: string[]) =>
      channel.publish(texts.map((data) => ({ name: 'n', data })))
    await publish('a', 'b')
    await channel.presence.enter()
    await publish('c', 'd')
    await channel.presence.update()
    const asked = ['4', '3', '2'].map((rewind) => pathOf(on, { channel: name, rewind }))
    const firsts = await Promise.all(asked.map((path) => EventReader.open(t, on.url(0), path)))
    await until('all', () => firsts.every(({ events }) => events.at(-1)?.name === 'presence'))
    await publish('e', 'f', 'g')
    for (const [no, first] of firsts.entries()) {
      const rewound = ['a', 'b', 'c', 'd'].slice(no)
      const ids = first.events.filter((event) => event.name === 'message').map(({ id }) => id!)
      t.same(textsOf(first.dataOf('message')).slice(0, rewound.length), rewound)
      for (const [at, text] of rewound.entries()) {
        const headers = { 'last-event-id': ids[at]! }
        const again = await EventReader.open(t, on.url(1), asked[no]!, headers)
        const told = () => textsOf(again.dataOf('message'))
        await until('the last', () => told().includes('g'))
        t.same(told(), [...rewound.slice(at + 1), 'e', 'f', 'g'], `after ${text} of ${rewound}`)
        again.close()
      }
    }
  }, JSON_ONLY)

  rule('T10', 'in the midst of what was told in one frame', async (t, on) => {
    const rules = { id: 'simple', batchingEnabled: true, batchingInterval: 2_000 }
    const { keys: [key] } = await on.app({ keys: [{}], namespaces: [rules] })
    const name = `simple:${on.name('together')}`
    const path = pathOf(on, { channel: name, key: key! })
    const first = await EventReader.open(t, on.url(0), path)
    const channel = on.client(t, 2, {}, key).channels.get(name)
    for (const texts of [['a'], ['b', 'c'], ['d']]) {
      await channel.publish(texts.map((data) => ({ name: 'n', data })))
    }
    await until('all', () => first.events.length === 4)
    for (const each of first.dataOf('message')) {
      const { timestamp, version } = JSON.parse(each) as Ably.Message
      t.equal(version?.timestamp, timestamp)
    }
    await channel.publish('n', 'e')
    for (const [no, { id }] of first.events.slice(0, 4).entries()) {
      const again = await EventReader.open(t, on.url(1), path, { 'last-event-id': id! })
      const told = () => textsOf(again.dataOf('message'))
      await until('the last', () => told().includes('e'))
      t.same(told(), ['b', 'c', 'd', 'e'].slice(no), 'each once')
    }
  }, JSON_ONLY)

  rule('T10', 'where that is gone, an error says so, with where to go on', async (t, on) => {
    const name = on.name('gone')
    const path = pathOf(on, { channel: name })
    const point = [[name, 'rc1~otherLineage~1~1~1', 0]]
    const foreign = Buffer.from(JSON.stringify(point)).toString('base64url')
    const reader = await EventReader.open(t, on.url(0), path, { 'last-event-id': foreign })
    await until('the end', () => reader.isOver)
    t.match(JSON.parse(reader.dataOf('error')[0]!), { code: 90003 })
    const next = await EventReader.open(t, on.url(1), path, { 'last-event-id': reader.lastId })
    await on.client(t, 2).channels.get(name).publish('n', 'x')
    await until('a message', () => next.dataOf('message').length === 1)
    t.same(next.dataOf('error'), [])
  }, JSON_ONLY)

  rule('T11', 'rewind, by a param and by a qualifier', async (t, on) => {
    const name = on.name('rewind')
    const channel = on.client(t, 2).channels.get(name)
    for (const data of ['a', 'b', 'c']) await channel.publish('n', data)
    const asked: Record<string, string>[] = [
      { channel: name, rewind: '2' }, { channel: `[?rewind=2]${name}` }
    ]
    for (const params of asked) {
      const reader = await EventReader.open(t, on.url(0), pathOf(on, params))
      await until('two', () => reader.events.length === 2)
      t.same(textsOf(reader.dataOf('message')), ['b', 'c'])
    }
  }, JSON_ONLY)

  rule('T11', 'presence is told to who may subscribe', async (t, on) => {
    const name = on.name('presence')
    const reader = await EventReader.open(t, on.url(0), pathOf(on, { channel: name }))
    const member = on.client(t, 2, { clientId: 'ann' }).channels.get(name)
    await member.presence.enter('here')
    await member.presence.leave('gone')
    await until('both', () => reader.dataOf('presence').length === 2)
    const told = reader.dataOf('presence').map((data) => JSON.parse(data) as object)
    t.match(told, [{ action: 2, clientId: 'ann', data: 'here', channel: name },
      { action: 3, clientId: 'ann', data: 'gone' }])
  }, JSON_ONLY)

  rule('T11', 'of a time, no more than rewindLimit', async (t, on) => {
    const name = on.name('limited')
    const channel = on.client(t, 2).channels.get(name)
    for (const data of ['a', 'b', 'c']) await channel.publish('n', data)
    const params = { channel: name, rewind: '2m', rewindLimit: '1' }
    const reader = await EventReader.open(t, on.url(0), pathOf(on, params))
    await channel.publish('n', 'd')
    await until('the live one', () => textsOf(reader.dataOf('message')).includes('d'))
    t.same(textsOf(reader.dataOf('message')), ['c', 'd'])
  }, JSON_ONLY)

  rule('T11', 'occupancy', async (t, on) => {
    const name = on.name('occupancy')
    const params = { channel: name, occupancy: 'metrics.subscribers' }
    const reader = await EventReader.open(t, on.url(0), pathOf(on, params))
    const last = () => reader.dataOf('message').at(-1) ?? '{}'
    await until('itself', () => last().includes('"subscribers\\":1'))
    t.match(JSON.parse(last()), { name: '[meta]occupancy', action: 3, encoding: 'json' })
    await on.client(t, 2).channels.get(name).attach()
    await until('both', () => last().includes('"subscribers\\":2'))
  }, JSON_ONLY)

  rule('T11', 'deltas, the first message whole, and again to who comes back', async (t, on) => {
    const name = on.name('deltas')
    const path = pathOf(on, { channel: name, delta: 'vcdiff' })
    const channel = on.client(t, 2).channels.get(name)
    const sent = Array.from({ length: 8 }, (_, no) => `${WORDS}${no}`)
    const first = await EventReader.open(t, on.url(0), path)
    for (const data of sent.slice(0, 4)) await channel.publish('n', data)
    await until('four', () => first.events.length === 4)
    const before = new DeltaReader()
    t.same(first.dataOf('message').map((data) => before.textOf(data)), sent.slice(0, 4))
    t.equal(before.deltaCount, 3)
    first.close()
    await channel.publish('n', sent[4])
    const again = await EventReader.open(t, on.url(1), path, { 'last-event-id': first.lastId })
    await channel.publish('n', sent[5])
    await channel.publish(sent.slice(6).map((data) => ({ name: 'n', data })))
    await until('four more', () => again.events.length === 4)
    const after = new DeltaReader()
    t.same(again.dataOf('message').map((data) => after.textOf(data)), sent.slice(4))
    t.ok(after.deltaCount > 1, 'and then deltas again')
    const { id } = again.events[2]!
    const midst = await EventReader.open(t, on.url(2), path, { 'last-event-id': id! })
    await until('the last', () => midst.events.length === 1)
    t.equal(new DeltaReader().textOf(midst.dataOf('message')[0]!), sent[7], 'whole, too')
  }, JSON_ONLY)

  rule('T11', 'no deltas where the payload is told alone', async (t, on) => {
    const name = on.name('payloads')
    const channel = on.client(t, 2).channels.get(name)
    const sent = Array.from({ length: 3 }, (_, no) => `${WORDS}${no}`)
    const asked: Record<string, string>[] = [
      { channel: name, delta: 'vcdiff' }, { channel: `[?delta=vcdiff&rewind=1]${name}` }
    ]
    await channel.publish('n', 'before')
    const readers: EventReader[] = []
    for (const params of asked) {
      const path = pathOf(on, { enveloped: 'false', ...params })
      readers.push(await EventReader.open(t, on.url(0), path))
    }
    for (const data of sent) await channel.publish('n', data)
    await until('all', () => readers.every(({ events }) => events.at(-1)?.data === sent[2]))
    t.same(readers.map((reader) => reader.dataOf('message')), [sent, ['before', ...sent]])
  }, JSON_ONLY)

  rule('T14', 'who is present is told first, and not again to who goes on', async (t, on) => {
    const name = on.name('present')
    const anns = on.client(t, 2).channels.get(name)
    await Promise.all(Array.from({ length: 250 }, (_, no) =>
      anns.presence.enterClient(`m${no}`, `d${no}`)))
    const path = pathOf(on, { channel: name })
    const reader = await EventReader.open(t, on.url(0), path)
    await until('all', () => reader.events.length >= 250)
    const told = reader.dataOf('presence').map((data) => JSON.parse(data) as Ably.PresenceMessage)
    t.same(new Set(told.map(({ clientId }) => clientId)).size, 250)
    t.ok(told.every(({ action }) => Number(action) === 1))
    const seven = told.find(({ clientId }) => clientId === 'm7')
    t.match(seven, { data: 'd7', channel: name, id: /:\d+:\d+$/, timestamp: Number })
    const { lastId, events } = reader
    reader.close()
    await anns.presence.leaveClient('m7')
    const next = await EventReader.open(t, on.url(1), path, { 'last-event-id': lastId })
    await until('what was missed', () => next.events.length > 0)
    await anns.publish('n', 'x')
    await until('a message', () => next.dataOf('message').length === 1)
    t.match(next.dataOf('presence').map((data) => JSON.parse(data) as object),
      [{ action: 3, clientId: 'm7' }])
    const cut = await EventReader.open(t, on.url(1), path, { 'last-event-id': events[99]!.id! })
    await until('all again', () => cut.dataOf('presence').length >= 250)
    t.match(JSON.parse(cut.dataOf('presence')[0]!), { action: 3, clientId: 'm7' })
    t.equal(cut.dataOf('presence').length, 250, '249 are present, one has left')
  }, JSON_ONLY)

  rule('T12', 'who may not: a status and an error', async (t, on) => {
    const name = on.name('refused')
    const statusOf = async (path: string, headers: Record<string, string> = {}) => {
      const response = await fetch(`${on.url(1)}${path}`, { headers })
      const { error } = (await response.json()) as { error: { code: number } }
      return [response.status, error.code]
    }
    const wrong = `${on.key.split(':')[0]}:wrong`
    const publishes = jwtOf(on.key, { capability: { [name]: ['publish'] } })
    const spent = jwtOf(on.key, { ageS: 60, lifeS: 30 })
    const cases: [string, number, number][] = [
      [pathOf(on, { channel: name, v: '' }), 400, 40017],
      [pathOf(on, { channel: name, v: '9' }), 400, 40017],
      [pathOf(on, {}), 400, 40000],
      [pathOf(on, { channel: name }, true), 401, 40101],
      [pathOf(on, { channel: name, key: wrong }), 401, 40101],
      [pathOf(on, { channel: name, accessToken: spent }, true), 401, 40142],
      [pathOf(on, { channel: name, accessToken: publishes }, true), 401, 40160],
      [pathOf(on, { channels: `${name},:bad` }), 400, 40010],
      [pathOf(on, { channel: name, rewind: 'much' }), 400, 40003],
      [pathOf(on, { channel: name, lastEvent: 'nothing' }), 400, 40003]
    ]
    for (const [path, status, code] of cases) {
      t.same(await statusOf(path), [status, code], path.slice(0, 60))
    }
    const post = await fetch(`${on.url(1)}${pathOf(on, { channel: name })}`, { method: 'POST' })
    t.equal(post.status, 405)
  }, JSON_ONLY)

  rule('T12', 'credentials by header, and old versions', async (t, on) => {
    const name = on.name('header')
    const token = jwtOf(on.key)
    const headers = [
      `Basic ${Buffer.from(on.key).toString('base64')}`, `Bearer ${token}`,
      `Bearer ${Buffer.from(token).toString('base64')}`
    ]
    for (const authorization of headers) {
      const path = pathOf(on, { channel: name, v: '1.2' }, true)
      const reader = await EventReader.open(t, on.url(0), path, { authorization })
      await on.client(t, 1).channels.get(name).publish('n', 'x')
      await until('a message', () => reader.events.length > 0)
      reader.close()
    }
  }, JSON_ONLY)

  rule('T12', 'a token that ends ends the stream', async (t, on) => {
    const name = on.name('ends')
    const accessToken = jwtOf(on.key, { lifeS: 3 })
    const reader = await EventReader.open(t, on.url(0),
      pathOf(on, { channel: name, accessToken }, true))
    await until('the end', () => reader.isOver)
    t.match(JSON.parse(reader.dataOf('error')[0]!), { code: 40142, statusCode: 401 })
  }, JSON_ONLY)

  rule('T13', 'a silent stream is kept alive', async (t, on) => {
    const name = on.name('silent')
    const comments = await EventReader.open(t, on.url(0), pathOf(on, { channel: name }))
    const events = await EventReader.open(t, on.url(1),
      pathOf(on, { channel: name, heartbeats: 'true' }))
    await until('both', () => comments.text.includes(':keepalive\n\n') &&
      events.events.some((event) => event.name === 'heartbeat'), 20_000)
    t.notOk(comments.isOver || events.isOver)
  }, JSON_ONLY)
})
