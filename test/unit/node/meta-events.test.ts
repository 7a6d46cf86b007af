import t from 'tap'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { ClientEvents } from '../../../src/node/client-events.ts'
import { tellActivity } from '../../../src/node/channel-events.ts'
import { MetaEvents } from '../../../src/node/meta-events.ts'
import { nothingSaid } from '../../../src/session/past.ts'
import { oneMeter } from '../../support/meters.ts'

const CHANNEL = 'app/[meta]log'

class Bench {
  readonly deadlines = new Deadlines()
  readonly events: MetaEvents
  /** The channels that were asked about, without answer. */
  readonly asked: string[] = []
  readonly published: string[] = []
  readonly data: unknown[] = []
  madeCount = 0
  nowMs = 1_000

  constructor() {
    this.events = new MetaEvents({
      deadlines: this.deadlines,
      nowMs: () => this.nowMs,
      ask: (channel) => void this.asked.push(channel),
      publish: (channel, { name, data }) => {
        this.published.push(`${channel} ${name}`)
        this.data.push(data)
      }
    })
  }

  tell(name: string): void {
    this.events.tell('app', 'log', () => {
      this.madeCount++
      return { name, data: {} }
    })
  }

  pass(ms: number): void {
    this.nowMs += ms
    this.deadlines.fire(this.nowMs)
  }

  answer(isWatched: boolean): void {
    const channel = this.asked.shift()!
    this.events.onListenersTold({ kind: 'listenersTold', channel, isWatched })
  }

  take(): string[] {
    return this.published.splice(0).map((each) => each.replace(`${CHANNEL} `, ''))
  }
}

t.test('[O6] the first events wait until it is known whether anybody listens', async (t) => {
  const bench = new Bench()
  bench.tell('a')
  bench.tell('b')
  t.same(bench.asked, [CHANNEL], 'it is asked once')
  t.same(bench.take(), [])
  bench.answer(true)
  bench.tell('c')
  t.same(bench.take(), ['a', 'b', 'c'])
  t.equal(bench.deadlines.nextMs(), Infinity)
})

t.test('[O6] what nobody listens to is not made, and seldom asked about', async (t) => {
  const bench = new Bench()
  bench.tell('a')
  bench.answer(false)
  for (let no = 0; no < 100; no++) bench.tell('b')
  t.same([bench.madeCount, bench.asked], [0, []])
  bench.pass(limits.metaAskMs)
  bench.tell('c')
  bench.answer(true)
  t.same(bench.take(), ['c'])
})

t.test('[O6] while it was watched lately, events do not wait for the next answer', async (t) => {
  const bench = new Bench()
  bench.tell('a')
  bench.answer(true)
  bench.pass(limits.metaAskMs)
  bench.tell('b')
  t.same([bench.take(), bench.asked.length], [['a', 'b'], 1])
  bench.answer(false)
  bench.tell('c')
  t.same(bench.take(), [])
})

t.test('[O6] what was known long ago holds no more', async (t) => {
  const bench = new Bench()
  bench.tell('a')
  bench.answer(true)
  bench.take()
  bench.pass(2 * limits.metaAskMs)
  bench.tell('b')
  t.same(bench.take(), [])
  bench.answer(false)
  t.same(bench.take(), [])
})

t.test('[O6, 25] a question without answer ends, and what waited for it is dropped', async (t) => {
  const bench = new Bench()
  for (let no = 0; no < limits.metaEventsHeldMax + 5; no++) bench.tell(`${no}`)
  bench.pass(limits.metaAskMs)
  t.same(bench.take(), [])
  t.equal(bench.deadlines.nextMs(), Infinity)
  bench.pass(limits.metaAskMs)
  bench.tell('later')
  bench.asked.shift()
  bench.answer(true)
  t.same(bench.take(), ['later'])
})

t.test('[25] so many in a second, so many that wait, so many metachannels', async (t) => {
  const bench = new Bench()
  for (let no = 0; no < limits.metaEventsHeldMax + 5; no++) bench.tell(`${no}`)
  bench.answer(true)
  t.equal(bench.take().length, limits.metaEventsHeldMax)
  for (let no = 0; no < limits.metaEventsPerSecondMax; no++) bench.tell(`${no}`)
  t.equal(bench.take().length, limits.metaEventsPerSecondMax - limits.metaEventsHeldMax)
  bench.events.tell('first', 'log', () => ({ name: 'x', data: {} }))
  for (let no = 0; no < limits.metaWatchesMax; no++) {
    bench.events.tell(`app${no}`, 'log', () => ({ name: 'x', data: {} }))
  }
  bench.answer(true)
  t.same(bench.take(), [], 'the oldest is let go')
})

t.test('[O7] channels, but not metachannels, are told of', async (t) => {
  const bench = new Bench()
  tellActivity(bench.events, 'app/[meta]log', true, 'here')
  t.same(bench.asked, [])
  tellActivity(bench.events, 'app/a/b', true, 'here')
  bench.answer(true)
  tellActivity(bench.events, 'app/a/b', false, 'here')
  t.same(bench.take(), ['channel.opened', 'channel.region.active', 'channel.closed',
    'channel.region.inactive'].map((name) => `app/[meta]channel.lifecycle ${name}`))
  t.same(bench.data[3],
    { channelId: 'a/b', name: 'a/b', status: { isActive: false }, region: 'here' })
})

t.test('[O8, O9] events of clients tell no secret', async (t) => {
  const bench = new Bench()
  const events = new ClientEvents(bench.events, 'here', oneMeter())
  const token = { expiresAtMs: 1, text: 'hidden' } as never
  const capability = new Map()
  const client = {
    connectionId: 'c', credentials: { appId: 'app', keyName: 'app.k', token, capability }
  }
  const error = { code: 40160, statusCode: 401, message: 'no' }
  events.onConnection(client, 'failed', error)
  for (const statusCode of [200, 401, 500]) {
    events.onRequest(client, { method: 'GET', path: '/x', statusCode, durationMs: 3, error })
  }
  while (bench.asked.length > 0) bench.answer(true)
  t.same(bench.published.map((each) => each.replace('app/[meta]', '')).sort(), [
    'clientEvents:apiRequests request.failed', 'clientEvents:apiRequests request.refused',
    'clientEvents:apiRequests request.succeeded', 'clientEvents:connections connection.failed',
    'connection.lifecycle connection.failed', 'log error'
  ])
  t.notMatch(JSON.stringify(bench.data), 'hidden')
  t.match(bench.data[0], { connectionId: 'c', credential: { type: 'token', keyName: 'app.k' } })
})

t.test('[O8] who is refused is told of only to an app that there is', async (t) => {
  const bench = new Bench()
  const events = new ClientEvents(bench.events, 'here', oneMeter())
  const directory = { app: (id: string) => (id === 'app' ? {} : undefined), key: () => undefined }
  const error = { code: 40101, statusCode: 401, message: 'no' }
  for (const key of [undefined, 'other.k:s', 'nonsense']) {
    events.onRefused({ key }, directory as never, error)
  }
  t.same(bench.asked, [])
  events.onRefused({ key: 'app.k:wrong' }, directory as never, error)
  while (bench.asked.length > 0) bench.answer(true)
  t.equal(bench.published.length, 3)
  t.notMatch(JSON.stringify(bench.data), 'wrong')
  const lost = { connectionId: 'c', claim: 0, isProven: true, past: nothingSaid }
  events.onLetGo(lost)
  t.equal(bench.published.length, 3, 'nobody knows whose it was')
  const credentials = { appId: 'app', keyName: 'app.k', capability: new Map() }
  const account = { transport: 'comet', duration: 7, channels: 2, messages: 3 }
  events.onLetGo({ ...lost, credentials, account })
  t.equal(bench.published.length, 5)
  t.match(bench.data.at(-1), { connectionId: 'c', ...account }, 'what it did before')
})
