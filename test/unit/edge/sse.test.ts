import fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { serveSse } from '../../../src/edge/sse.ts'
import { type Point, pointsId, readPoints } from '../../../src/edge/sse-points.ts'
import { Outbox, type Socket, SocketSlot } from '../../../src/node/outbox.ts'
import type { WorkerInput } from '../../../src/node/ports.ts'
import { Action, Flag } from '../../../src/wire/actions.ts'
import { encodeFrame } from '../../../src/wire/frame.ts'
import type { ProtocolMessage } from '../../../src/wire/protocol-message.ts'
import { until } from '../../support/ably-clients.ts'

const { SUBSCRIBE, RESUMED, HAS_BACKLOG, HAS_PRESENCE } = Flag

/** The edge's part alone, with a test in the core's place. */
class Served {
  readonly server: FastifyInstance
  url = ''
  socket: Socket | undefined
  query: ReadonlyMap<string, string> = new Map()
  readonly said: ProtocolMessage[] = []
  isClosed = false
  readonly #outbox = new Outbox()

  constructor() {
    this.server = fastify()
    serveSse(this.server, { input: (input) => this.#onInput(input) })
  }

  static async at(t: Test): Promise<Served> {
    const served = new Served()
    served.url = await served.server.listen({ host: '127.0.0.1', port: 0 })
    t.teardown(() => served.server.server.closeAllConnections())
    t.teardown(() => served.server.close())
    return served
  }

  tell(...messages: ProtocolMessage[]): number {
    const slot = new SocketSlot(this.socket!, this.#outbox)
    for (const message of messages) slot.write(encodeFrame(message, 'json'))
    this.#outbox.drainSockets()
    return slot.socket.queuedBytes
  }

  #onInput(input: WorkerInput): void {
    if (input.kind === 'socketOpened') {
      const { socket, query } = input.opening
      Object.assign(this, { socket, query })
      this.tell({ action: Action.CONNECTED })
    } else if (input.kind === 'socketFrame') {
      this.said.push(JSON.parse(String(input.data)) as ProtocolMessage)
    } else if (input.kind === 'socketClosed') {
      this.isClosed = true
    }
  }
}

/** A stream as its client reads it. */
class Reader {
  text = ''
  isOver = false
  status = 0
  readonly #abort = new AbortController()

  constructor(url: string, headers: Record<string, string> = {}) {
    void this.#read(url, headers)
  }

  close(): void {
    this.#abort.abort()
  }

  get lastId(): string {
    return [...this.text.matchAll(/^id: (.*)$/gm)].at(-1)![1]!
  }

  async #read(url: string, headers: Record<string, string>): Promise<void> {
    try {
      const response = await fetch(url, { headers, signal: this.#abort.signal })
      this.status = response.status
      for await (const chunk of response.body!) this.text += Buffer.from(chunk).toString('utf8')
    } catch {
      // It was closed, here or there.
    }
    this.isOver = true
  }
}

const attached = (channel: string, more: Partial<ProtocolMessage> = {}): ProtocolMessage => (
  { action: Action.ATTACHED, channel, channelSerial: `${channel}@0`, flags: SUBSCRIBE, ...more })

const message = (channel: string, no: number, ...data: string[]): ProtocolMessage => ({
  action: Action.MESSAGE, channel, channelSerial: `${channel}@${no}`, id: `c:${no}`, timestamp: 5,
  connectionId: 'c', messages: data.map((each) => ({ name: 'n', data: each }))
})

t.test('[18] 200 once all channels are attached; events in order, with ids', async (t) => {
  const served = await Served.at(t)
  const reader = new Reader(`${served.url}/sse?v=3&channels=a|b&separator=|&key=k&rewind=2`)
  await until('attaches', () => served.said.length === 2)
  t.same(served.said.map(({ channel, params }) => [channel, params]),
    [['a', { rewind: '2' }], ['b', { rewind: '2' }]])
  t.same([served.query.get('format'), served.query.get('key')], ['json', 'k'])
  served.tell(attached('a'), message('a', 1, 'early'))
  t.equal(reader.status, 0)
  served.tell(attached('b'), message('b', 1, 'late'))
  await until('two events', () => reader.text.includes('late'))
  t.equal(reader.status, 200)
  t.ok(reader.text.indexOf('early') < reader.text.indexOf('late'))
  t.same([...readPoints(reader.lastId)!], [
    ['a', { channelSerial: 'a@1', takenCount: 0 }], ['b', { channelSerial: 'b@1', takenCount: 0 }]
  ])
  t.match(reader.text, /event: message\ndata: \{"id":"c:1:0","connectionId":"c","timestamp":5,/)
  reader.close()
  await until('closed', () => served.isClosed)
  t.equal(served.said.at(-1)!.action, Action.CLOSE)
})

t.test('[24] a plus sign that nobody escaped is one; of two params the first counts', async (t) => {
  const served = await Served.at(t)
  const reader = new Reader(`${served.url}/sse?v=3&channel=a+b&key=a.k:s+t/u&rewind=1&rewind=2`)
  await until('attach', () => served.said.length === 1)
  t.equal(served.query.get('key'), 'a.k:s+t/u')
  t.match(served.said[0], { channel: 'a b', params: { rewind: '1' } })
  reader.close()
})

t.test('[18] who comes back goes on, in the midst of a publish too', async (t) => {
  const served = await Served.at(t)
  const points = new Map<string, Point>([['a', { channelSerial: 'a@7', takenCount: 1 }]])
  const url = `${served.url}/sse?v=3&channels=a,b&key=k&enveloped=false&lastEvent=bad!`
  const reader = new Reader(url, { 'last-event-id': pointsId(points) })
  await until('attaches', () => served.said.length === 2)
  t.same(served.said.map(({ channelSerial }) => channelSerial), ['a@7', undefined])
  served.tell(attached('a', { flags: SUBSCRIBE | RESUMED, channelSerial: 'a@7' }), attached('b'))
  served.tell(message('a', 8, 'told', 'not yet\ntold'))
  await until('an event', () => reader.text.includes('event'))
  t.equal(reader.text.replace(/^id: .*\n/gm, ''),
    ':ok\n\nevent: message\ndata: not yet\ndata: told\n\n')
  reader.close()
})

t.test('[18] every event of a publish says how much of it was taken', async (t) => {
  const served = await Served.at(t)
  const reader = new Reader(`${served.url}/sse?v=3&channel=a&key=k`)
  await until('attach', () => served.said.length === 1)
  served.tell(attached('a'), message('a', 1, 'x', 'y'))
  await until('both', () => reader.text.includes('"y"'))
  const ids = [...reader.text.matchAll(/^id: (.*)$/gm)].map(([, id]) => readPoints(id!)!.get('a'))
  t.same(ids, [{ channelSerial: 'a@0', takenCount: 1 }, { channelSerial: 'a@1', takenCount: 0 }])
  reader.close()
})

/** The place of a publish, and its messages as they are told, each with its serial. */
const placeOf = (no: number): string => `rc1~L~1~${no}~${no}`
const serialOf = (no: number, at: number): string => `0000000000000${no}-000@L:00${at}`
const publish = (no: number, texts: string): ProtocolMessage => ({
  action: Action.MESSAGE, channel: 'a', channelSerial: placeOf(no), id: `c:${no}`,
  messages: [...texts].map((data, at) => ({ data, serial: serialOf(no, at) }))
})

/** What a stream that begins from `lastEvent` is told of these: texts, with their ids. */
async function toldOf(
  t: Test, lastEvent: string, ...messages: ProtocolMessage[]
): Promise<{ from: string | undefined, told: string, ids: string[], isOver: boolean }> {
  const served = await Served.at(t)
  const url = `${served.url}/sse?v=3&channel=a&key=k&rewind=9&lastEvent=${lastEvent}`
  const reader = new Reader(url)
  await until('attach', () => served.said.length === 1)
  const from = served.said[0]!.channelSerial
  served.tell(...messages, publish(9, '$'))
  await until('all', () => /"\$"|event: error/.test(reader.text))
  reader.close()
  const events = [...reader.text.matchAll(/^id: (.*)\nevent: (\w+)\ndata: (.*)$/gm)]
  const told = events.map(([, , name, data]) => {
    return name === 'error' ? '!' : (JSON.parse(data!) as { data: string }).data
  })
  const isOver = told.at(-1) === '!'
  return { from, told: told.join(''), ids: events.map(([, id]) => id!), isOver }
}

const rewound = (more: Partial<ProtocolMessage> = {}): ProtocolMessage =>
  attached('a', { channelSerial: placeOf(8), flags: SUBSCRIBE | HAS_BACKLOG, ...more })
const resumed = (from: string | undefined, more: Partial<ProtocolMessage> = {}): ProtocolMessage =>
  attached('a', { channelSerial: from!, flags: SUBSCRIBE | RESUMED, ...more })
/** 4 is a message that is in no rewind, 8 where a stream that was rewound stands. */
const standing = resumed(placeOf(8))

t.test('[18] who was cut off in a rewind is told the rest, and what came since', async (t) => {
  const first = await toldOf(t, '', rewound(), publish(3, 'ab'), publish(5, 'cd'), standing)
  t.same([first.from, first.told], [undefined, 'abcd$'])
  const froms = [2, 3, 4, 5].map(placeOf)
  for (const [no, from] of froms.entries()) {
    const since = [publish(3, 'ab'), publish(4, 'e'), publish(5, 'cd')].slice(no)
    const again = await toldOf(t, first.ids[no]!, resumed(from), ...since)
    t.equal(again.from, from)
    t.equal(again.told, ['becd$', 'ecd$', 'd$', '$'][no])
  }
  t.same(readPoints(first.ids[4]!)!.get('a'), { channelSerial: placeOf(9), takenCount: 0 })
})

t.test('[18] who cannot go on there is rewound again, and told what it was not told', async (t) => {
  const first = await toldOf(t, '', rewound(), publish(3, 'ab'), publish(5, 'cd'), standing)
  const error = { code: 90003, statusCode: 404, message: 'gone' }
  const lost = rewound({ error })
  const rest = [publish(5, 'cd'), publish(6, 'f')]
  for (const [no, told] of ['bcdf$', 'cdf$', 'df$', 'f$'].entries()) {
    const again = await toldOf(t, first.ids[no]!, lost, publish(3, 'ab'), ...rest, standing)
    t.same([again.told, again.isOver], [told, false])
  }
  const short = await toldOf(t, first.ids[0]!, lost, ...rest)
  t.equal(short.told, '!', 'it does not lead back to what it was told')
  const anew = await toldOf(t, short.ids[0]!, rewound(), ...rest, standing)
  t.same([anew.from, anew.told], [undefined, 'cdf$'], 'and who goes on from there is rewound')
  const nothing = await toldOf(t, first.ids[0]!, attached('a', { error }))
  t.equal(nothing.told, '!')
  const deltas = rewound({ error, params: { delta: 'vcdiff' } })
  const whole = await toldOf(t, first.ids[1]!, deltas, publish(3, 'ab'), ...rest, standing)
  t.equal(whole.told, 'abcdf$', 'what deltas build on is told again')
})

t.test('[18] in a frame of several publishes it is the message that counts', async (t) => {
  const batch = publish(6, 'wxyz')
  Object.assign(batch.messages![0]!, { serial: serialOf(4, 0) })
  Object.assign(batch.messages![1]!, { serial: serialOf(5, 0) })
  const first = await toldOf(t, '', attached('a', { channelSerial: placeOf(3) }), batch)
  t.equal(first.told, 'wxyz$')
  const singly = [publish(4, 'w'), publish(5, 'x'), publish(6, '--yz')]
  for (const [no, told] of ['x--yz$', '--yz$', 'z$', '$'].entries()) {
    const from = placeOf(no === 3 ? 6 : 3)
    const again = await toldOf(t, first.ids[no]!, resumed(from), ...no === 3 ? [] : singly)
    t.same([again.from, again.told], [from, told])
  }
})

t.test('[18] one that is told nothing for long is given the id of where it stands', async (t) => {
  const served = await Served.at(t)
  const reader = new Reader(`${served.url}/sse?v=3&channels=a,b&key=k`)
  await until('attaches', () => served.said.length === 2)
  const flags = SUBSCRIBE | RESUMED
  served.tell(attached('a', { flags: SUBSCRIBE | HAS_PRESENCE }), attached('b'))
  served.tell(attached('a', { flags, channelSerial: 'a@9' }), message('b', 1, 'x'))
  await until('an event', () => reader.text.includes('event'))
  t.match(reader.text, /^:ok\n\nid: \S+\n\nid: \S+\nevent: message\n/)
  t.same([...readPoints(reader.lastId)!], [
    ['a', { channelSerial: 'a@9', takenCount: 0, isSyncing: true }],
    ['b', { channelSerial: 'b@1', takenCount: 0 }]
  ])
  reader.close()
})

t.test('[18] before it is live what goes wrong is a status; after it, an event', async (t) => {
  const served = await Served.at(t)
  const error = { code: 40160, statusCode: 401, message: 'no' }
  const refused = new Reader(`${served.url}/event-stream?v=1.2&channels=a,b&key=k`)
  await until('attaches', () => served.said.length === 2)
  t.equal(served.query.get('v'), '2', 'decimals are of before 2')
  served.tell(attached('a'), { action: Action.ERROR, channel: 'b', error })
  await until('refused', () => refused.isOver)
  t.same([refused.status, JSON.parse(refused.text)], [401, { error }])
  served.said.length = 0
  const live = new Reader(`${served.url}/sse?v=3&channel=a&key=k`)
  await until('attach', () => served.said.some(({ action }) => action === Action.ATTACH))
  served.tell(attached('a'))
  await until('live', () => live.text !== '')
  served.tell(message('a', 1, 'x'), { action: Action.DISCONNECTED, error }, message('a', 2, 'y'))
  await until('ended', () => live.isOver)
  t.equal(live.status, 200)
  t.ok(live.text.endsWith(`event: error\ndata: ${JSON.stringify(error)}\n\n`))
  t.ok(live.text.indexOf('"x"') > 0 && !live.text.includes('"y"'))
})

t.test('[18] lost continuity is told with the id to go on from', async (t) => {
  const served = await Served.at(t)
  const lastEvent = pointsId(new Map([['a', { channelSerial: 'a@1', takenCount: 0 }]]))
  const reader = new Reader(`${served.url}/sse?v=3&channel=a&key=k&lastEvent=${lastEvent}`)
  await until('attach', () => served.said.length === 1)
  const error = { code: 90003, statusCode: 404, message: 'gone' }
  served.tell(attached('a', { error, channelSerial: 'a@9' }))
  await until('ended', () => reader.isOver)
  t.match(reader.text, /event: error\ndata: \{"code":90003/)
  t.same(readPoints(reader.lastId)!.get('a'), { channelSerial: 'a@9', takenCount: 0 })
})

t.test('[18] beats are comments, or events where they are wanted', async (t) => {
  for (const [wanted, beat] of [['false', ':keepalive\n\n'], ['true', 'event: heartbeat\n']]) {
    const served = await Served.at(t)
    const reader = new Reader(`${served.url}/sse?v=3&channel=a&key=k&heartbeats=${wanted}`)
    await until('attach', () => served.said.length === 1)
    served.tell(attached('a'))
    await until('live', () => reader.text !== '')
    served.socket!.ping()
    await until('a beat', () => reader.text.includes(beat!))
    reader.close()
  }
})

t.test('[18] presence is an event of its own', async (t) => {
  const served = await Served.at(t)
  const reader = new Reader(`${served.url}/sse?v=3&channel=a&key=k`)
  await until('attach', () => served.said.length === 1)
  served.tell(attached('a'), {
    action: Action.PRESENCE, channel: 'a', channelSerial: 'a@1', id: 'c:1', timestamp: 5,
    connectionId: 'c', presence: [{ action: 2, clientId: 'ann' }]
  })
  await until('an event', () => reader.text.includes('event: presence'))
  t.match(reader.text, /"action":2,"clientId":"ann","channel":"a"/)
  reader.close()
})

t.test('[18] who is present is told at the beginning, and where that was cut short', async (t) => {
  const page = (cursor: string | undefined, ...names: string[]): ProtocolMessage => ({
    action: Action.SYNC, channel: 'a', channelSerial: cursor,
    presence: names.map((clientId) => (
      { action: 1, clientId, connectionId: 'c', id: `c:${clientId}:0`, timestamp: 5 }))
  })
  const flags = SUBSCRIBE | HAS_PRESENCE
  const read = async (lastEvent: string, isResumed: boolean): Promise<[string[], string[]]> => {
    const served = await Served.at(t)
    const url = `${served.url}/sse?v=3&channel=a&key=k`
    const reader = new Reader(url, lastEvent === '' ? {} : { 'last-event-id': lastEvent })
    await until('attach', () => served.said.length === 1)
    served.tell(attached('a', { flags: isResumed ? flags | RESUMED : flags }))
    served.tell(page('s1:1', 'ann', 'bob'), message('a', 1, 'live'), page('s1:', 'cy'))
    served.tell(message('a', 2, 'last'), page(undefined, 'nobody wants it'))
    await until('events', () => reader.text.includes('last'))
    reader.close()
    const events = [...reader.text.matchAll(/^id: (.*)\nevent: (\w+)\ndata: (.*)$/gm)]
    return [events.map(([, , , data]) => {
      const { action, clientId, data: text } = JSON.parse(data!) as Record<string, unknown>
      return action === 1 ? `present ${clientId}` : String(text)
    }), events.map(([, id]) => id!)]
  }
  const whole = ['present ann', 'present bob', 'live', 'present cy', 'last']
  const [told, ids] = await read('', false)
  t.same(told, whole)
  t.same(ids.map((id) => readPoints(id)!.get('a')!.isSyncing), [true, true, true, undefined,
    undefined])
  for (const [no, again] of [whole, whole, whole, ['live', 'last'], ['live', 'last']].entries()) {
    t.same((await read(ids[no]!, true))[0], again, `after event ${no}`)
  }
  t.same((await read(ids[4]!, false))[0].slice(0, 2), ['present ann', 'present bob'])
})

t.test('who reads nothing is cut off at a bound', async (t) => {
  const served = await Served.at(t)
  Object.assign(limits, { sseQueueBytesMax: 200_000 })
  t.teardown(() => Object.assign(limits, { sseQueueBytesMax: 4 * 1024 * 1024 }))
  const responded = fetch(`${served.url}/sse?v=3&channel=a&key=k`)
  await until('attach', () => served.said.length === 1)
  served.tell(attached('a'))
  t.equal((await responded).status, 200)
  let no = 0
  await until('cut off', () => {
    if (!served.isClosed) served.tell(message('a', ++no, 'x'.repeat(60_000)))
    return served.isClosed
  })
  t.ok(no > 3)
})

t.test('[18] ids that no server of ours gave are none', async (t) => {
  for (const id of ['', '!', 'e30', Buffer.from('[["a"]]').toString('base64url'), 'x'.repeat(9)]) {
    t.equal(readPoints(id), undefined)
  }
  for (const odd of [[1], [0, 4], [0, 0, 5], ['x']]) {
    t.equal(readPoints(Buffer.from(JSON.stringify([['a', 'b', ...odd]])).toString('base64url'))
      === undefined, odd[0] !== 1)
  }
  const odd = new Map([['ü[]"', { channelSerial: 'rc1~a', takenCount: 3, taken: 'x' }]])
  t.same(readPoints(pointsId(odd)), odd)
})
