import type * as Ably from 'ably'
import { until } from '../support/ably-clients.ts'
import vcdiff from '@ably/vcdiff-decoder'
import { jwtOf } from '../support/tokens.ts'
import { ask, basic, pathOf, refusalOf, valueOf } from './support/rest-kit.ts'
import { ruleFile, type Stage, type TestApp } from './support/rule.ts'

/** What was counted is told after this, at the latest. */
const TOLD_MS = 12_000
const POLL_MS = 300
const REALTIME_IN = 'messages.inbound.realtime.messages.count'

const everything = { keys: [{}] }

/** What an app did this month, whatever the minute. */
async function counted(on: Stage, app: TestApp, node = 2): Promise<Record<string, number>> {
  const { items } = await on.rest(node, { key: app.keys[0]! }).stats({ unit: 'month', limit: 1 })
  return (items[0]?.entries ?? {}) as Record<string, number>
}

/** Resolves with what was counted once all of `wanted` is in it; what else is there may differ. */
async function become(
  on: Stage, app: TestApp, wanted: Record<string, number>
): Promise<Record<string, number>> {
  let entries: Record<string, number> = {}
  let isAsking = false
  const isSo = (): boolean => {
    if (!isAsking) {
      isAsking = true
      void counted(on, app).then((now) => {
        entries = now
        setTimeout(() => {
          isAsking = false
        }, POLL_MS)
      })
    }
    return Object.entries(wanted).every(([name, value]) => entries[name] === value)
  }
  await until(JSON.stringify(wanted), isSo, TOLD_MS).catch((error: Error) => {
    throw new Error(`${error.message}, not ${JSON.stringify(entries)}`)
  })
  return entries
}

const FIXTURES = [
  {
    intervalId: '2025-02-03:15:03',
    inbound: { realtime: { messages: { count: 50, data: 5000 } } },
    outbound: { realtime: { messages: { count: 20, data: 2000 } } }
  },
  {
    intervalId: '2025-02-03:15:04',
    inbound: { realtime: { messages: { count: 60, data: 6000 } } },
    outbound: { realtime: { messages: { count: 10, data: 1000 } } }
  },
  {
    intervalId: '2025-02-03:15:05',
    inbound: { realtime: { messages: { count: 70, data: 7000 } } },
    outbound: { realtime: { messages: { count: 40, data: 4000 } } },
    persisted: { presence: { count: 20, data: 2000 } },
    connections: { tls: { peak: 20, opened: 10 } },
    channels: { peak: 50, opened: 30 },
    apiRequests: { succeeded: 50, failed: 10 },
    tokenRequests: { succeeded: 60, failed: 20 }
  }
]

/** Reads by ids of intervals, too, which the SDK's types do not know. */
function read(rest: Ably.Rest, params: object): Promise<Ably.PaginatedResult<Ably.Stats>> {
  return rest.stats(params as Ably.StatsParams)
}

/** Gives statistics to an app. */
function give(on: Stage, app: TestApp, fixtures: readonly unknown[]): Promise<Response> {
  return ask(on, '/stats', { headers: { authorization: basic(app.keys[0]!) }, value: fixtures })
}

ruleFile('statistics', (rule) => {
  rule('S1', 'messages and presence, in and out, by connection and by request', async (t, on) => {
    const app = await on.app(everything)
    const [key] = app.keys
    const name = on.name('counted')
    const heard: unknown[] = []
    for (const node of [1, 2]) {
      await on.client(t, node, {}, key).channels.get(name).subscribe((each) =>
        void heard.push(each))
    }
    const ann = on.client(t, 0, { clientId: 'ann', echoMessages: false }, key)
    const channel = ann.channels.get(name)
    for (let count = 0; count < 20; count++) await channel.publish('name', 'some data')
    await channel.presence.enter('here')
    const rest = on.rest(0, { key: key! })
    await rest.channels.get(name).publish([{ data: 'a' }, { data: 'bc' }])
    await until('all', () => heard.length === 2 * 22)
    await rest.channels.get(name).history({ limit: 5 })
    const entries = await become(on, app, {
      [REALTIME_IN]: 20,
      'messages.inbound.realtime.messages.data': 20 * ('name'.length + 'some data'.length + 3),
      'messages.inbound.realtime.presence.count': 1,
      'messages.inbound.rest.messages.count': 2,
      'messages.inbound.rest.messages.data': 3,
      'messages.inbound.all.all.count': 23,
      'messages.outbound.realtime.messages.count': 2 * 20 + 3 * 2,
      'messages.outbound.realtime.presence.count': 3,
      'messages.outbound.rest.messages.count': 5
    })
    t.equal(entries['messages.all.all.count'], 23 + 46 + 3 + 5)
  })

  rule('S1', 'a publish that is sent again counts once, a refused one as that', async (t, on) => {
    const app = await on.app({ keys: [{}, { capability: '{"none":["subscribe"]}' }] })
    const rest = on.rest(1, { key: app.keys[0]! })
    const channel = rest.channels.get(on.name('again'))
    for (let count = 0; count < 3; count++) await channel.publish({ id: 'same', data: 'x' })
    const path = pathOf(on.name('again'), '/messages')
    const headers = { authorization: basic(app.keys[0]!) }
    const large = { data: 'x'.repeat(70_000) }
    t.same(await refusalOf(ask(on, path, { headers, value: large })), [413, 40009])
    t.same(await refusalOf(ask(on, path, { headers, value: 7 })), [400, 40001])
    const poor = { authorization: basic(app.keys[1]!) }
    const two = [{ data: 'a' }, { data: 'b' }]
    t.same(await refusalOf(ask(on, path, { headers: poor, value: two })), [401, 40160])
    await ask(on, '/messages', {
      headers: poor, value: { channels: [on.name('again'), on.name('other')], messages: two }
    })
    await become(on, app, {
      'messages.inbound.rest.messages.count': 1, 'messages.inbound.rest.messages.failed': 2,
      'messages.inbound.rest.messages.refused': 6
    })
  })

  rule('S1', 'what is persisted is counted as that too', async (t, on) => {
    const app = await on.app({ ...everything, namespaces: [{ id: 'kept', persisted: true }] })
    const ann = on.client(t, 1, { clientId: 'ann' }, app.keys[0]!)
    const channel = ann.channels.get(`kept:${on.name('counted')}`)
    for (const data of ['a', 'bc']) await channel.publish({ data })
    await channel.presence.enter('here')
    await ann.channels.get(on.name('plain')).publish({ data: 'not kept' })
    await become(on, app, {
      [REALTIME_IN]: 3,
      'messages.persisted.messages.count': 2,
      'messages.persisted.messages.data': 'a'.length + 'bc'.length + 2 * 'ann'.length,
      'messages.persisted.presence.count': 1,
      'messages.persisted.all.count': 3
    })
  })

  rule('S10', 'deltas, and what is told together', async (t, on) => {
    const batching = { batchingEnabled: true, batchingInterval: 2_000 }
    const app = await on.app({
      ...everything,
      namespaces: [
        { id: 'put', ...batching }, { id: 'last', ...batching, batchingPolicy: 'conflating' }
      ]
    })
    const [key] = app.keys
    const [plain, put, last] = ['', 'put:', 'last:'].map((prefix) => prefix + on.name('told'))
    let heardCount = 0
    const subscriber = on.client(t, 1, { plugins: { vcdiff } }, key)
    const ann = on.client(t, 0, { echoMessages: false }, key)
    for (const name of [plain, put, last] as string[]) {
      const params: Record<string, string> = name === plain ? { delta: 'vcdiff' } : {}
      await subscriber.channels.get(name, { params }).subscribe(() => void heardCount++)
    }
    const text = 'the same words over and over again '.repeat(50)
    for (const no of [1, 2, 3]) await ann.channels.get(plain!).publish('n', `${text}${no}`)
    for (const name of [put, last]) {
      await Promise.all([1, 2, 3].map((no) => ann.channels.get(name!).publish('n', `${no}`)))
    }
    await until('all', () => heardCount === 3 + 3 + 1)
    const entries = await become(on, app, {
      'messages.outbound.realtime.messages.count': 7,
      'messages.processed.delta.xdelta.succeeded': 2,
      'messages.processed.delta.xdelta.skipped': 1,
      'messages.processed.batching.simple.inboundMessages': 3,
      'messages.processed.batching.simple.generatedBatches': 1,
      'messages.processed.batching.conflating.inboundMessages': 3,
      'messages.processed.batching.conflating.generatedBatches': 1,
      'messages.processed.batching.conflating.discardedMessages': 2
    })
    const out = 'messages.outbound.realtime.messages'
    t.ok(entries[`${out}.data`]! < entries[`${out}.uncompressedData`]!)
    t.equal(entries['messages.inbound.all.all.uncompressedData'],
      entries['messages.inbound.all.all.data'])
  })

  rule('S2', 'connections and channels', async (t, on) => {
    const app = await on.app(everything)
    const [key] = app.keys
    const clients = [0, 1, 2].map((node) => on.client(t, node, {}, key))
    for (const client of clients) await client.channels.get(on.name('one')).attach()
    await clients[0]!.channels.get(on.name('two')).attach()
    const wrong = on.client(t, 1, {}, `${key}x`)
    await until('refused', () => wrong.connection.state === 'failed')
    const forged = on.client(t, 2, { token: `${jwtOf(key!).slice(0, -4)}AAAA` }, key)
    await until('refused', () => forged.connection.errorReason !== null)
    const illegal = clients[0]!.channels.get('[meta]nothing')
    await t.rejects(illegal.attach())
    const entries = await become(on, app, {
      'connections.all.opened': 3, 'connections.all.refused': 2, 'channels.opened': 2,
      'channels.refused': 1
    })
    const { 'connections.all.peak': peak = 0, 'connections.all.mean': mean = 0 } = entries
    t.ok(peak >= 1 && peak <= 3, `a peak of ${peak}`)
    t.ok(mean > 0 && mean <= 3, `a mean of ${mean}`)
  })

  rule('S3', 'requests, by what became of them', async (t, on) => {
    const app = await on.app({ keys: [{}, { capability: '{"a":["subscribe"]}' }] })
    const [key, poor] = app.keys as [string, string]
    const rest = on.rest(0, { key })
    await rest.channels.get('a').publish('b', 'c')
    await rest.auth.requestToken()
    const headers = { authorization: basic(poor) }
    t.same(await refusalOf(ask(on, '/channels/a/messages', { headers, value: {} })), [401, 40160])
    t.same(await refusalOf(ask(on, '/nowhere', { headers: { authorization: basic(key) } })),
      [404, 40400])
    t.same(await refusalOf(ask(on, '/channels/a/messages?limit=0', {
      headers: { authorization: basic(key) }
    })), [400, 40003])
    t.same(await refusalOf(ask(on, '/stats', { headers: { authorization: basic(`${key}x`) } })),
      [401, 40101])
    await become(on, app, {
      'apiRequests.tokenRequests.succeeded': 1,
      'apiRequests.other.refused': 2
    })
  })

  rule('S4', 'by minute, hour, day and month', async (t, on) => {
    const app = await on.app(everything)
    const rest = on.rest(0, { key: app.keys[0]! })
    await rest.channels.get('a').publish('b', 'c')
    await become(on, app, { 'messages.inbound.rest.messages.count': 1 })
    const lengths = { minute: 16, hour: 13, day: 10, month: 7 }
    for (const [unit, length] of Object.entries(lengths)) {
      const { items } = await rest.stats({ unit: unit as 'hour' })
      const item = items.find(({ entries }) => entries!['messages.all.all.count'] === 1)!
      const now = new Date().toISOString().replace('T', ':').slice(0, length)
      t.match(item, { unit, appId: app.appId, schema: /app-stats/ })
      t.equal(item.intervalId!.length, length)
      if (unit !== 'minute') t.equal(item.intervalId, now, 'but at the turn of the hour')
      if (unit !== 'minute') t.match(item.inProgress, /^\d{4}-\d\d-\d\d:\d\d:\d\d$/)
    }
  })

  rule('S5', 'start and end, order, pages', async (t, on) => {
    const app = await on.app(everything)
    t.equal((await give(on, app, FIXTURES)).status, 201)
    const rest = on.rest(2, { key: app.keys[0]! })
    const between = { start: '2025-02-03:15:03', end: '2025-02-03:15:05' }
    const sums = (items: Ably.Stats[]) => items.map(({ entries }) =>
      entries!['messages.inbound.all.messages.count'])
    t.same(sums((await read(rest, { ...between, direction: 'forwards' })).items), [50, 60, 70])
    t.same(sums((await read(rest, between)).items), [70, 60, 50])
    const ms = { start: Date.UTC(2025, 1, 3, 15, 3), end: Date.UTC(2025, 1, 3, 15, 4, 59) }
    t.same(sums((await read(rest, { ...ms, direction: 'forwards' })).items), [50, 60])
    const hour = await read(rest, { start: '2025-02-03:15', end: '2025-02-03:18', unit: 'hour' })
    t.same(sums(hour.items), [180])
    t.same(sums((await read(rest, { end: '2025-02', unit: 'day' })).items), [180])
    const pages: unknown[] = []
    for (let page = await read(rest, { ...between, limit: 1 }); ;) {
      pages.push(...sums(page.items))
      if (!page.hasNext()) break
      page = (await page.next())!
    }
    t.same(pages, [70, 60, 50])
    t.same((await read(rest, { start: Date.now() + 60_000 })).items, [], 'clocks differ')
    for (const query of ['unit=year', 'limit=1001', 'direction=up', 'start=x',
      'start=2025-03&end=2025-02']) {
      const headers = { authorization: basic(app.keys[0]!) }
      t.same(await refusalOf(ask(on, `/stats?${query}`, { headers })), [400, 40003], query)
    }
  }, undefined, 'devOnly')

  rule('S7', 'version 2 is told a tree', async (t, on) => {
    const app = await on.app(everything)
    await give(on, app, FIXTURES)
    const headers = { authorization: basic(app.keys[0]!), 'x-ably-version': '2' }
    const told = await ask(on, '/stats?end=2025-02-03:15:05&limit=1', { headers })
    t.match((await valueOf(told))[0], {
      intervalId: '2025-02-03:15:05', unit: 'minute',
      inbound: { realtime: { messages: { count: 70, data: 7000 } }, all: { all: { count: 70 } } },
      outbound: { all: { messages: { count: 40 } } },
      persisted: { presence: { count: 20, data: 2000 } },
      connections: { tls: { peak: 20, opened: 10 }, all: { peak: 20 } },
      channels: { peak: 50, opened: 30 },
      apiRequests: { succeeded: 50, failed: 10 },
      tokenRequests: { succeeded: 60, failed: 20 }
    })
  }, undefined, 'devOnly')

  rule('S9', 'statistics are given to an app, with a key of it', async (t, on) => {
    const app = await on.app(everything)
    t.equal((await give(on, app, FIXTURES)).status, 201)
    t.equal((await give(on, app, [FIXTURES[0]!])).status, 201)
    const rest = on.rest(0, { key: app.keys[0]! })
    const { items } = await read(rest, { unit: 'month', start: '2025-02', end: '2025-02' })
    t.match(items[0]!.entries, { 'messages.all.messages.count': 180 + 70 + 70,
      'connections.all.peak': 20, 'apiRequests.all.succeeded': 110 })
    const wrong = { appId: app.appId, keys: [`${app.keys[0]}x`] }
    t.equal((await give(on, wrong, FIXTURES)).status, 401)
    for (const body of [[{}], ['x'], [{ intervalId: '2025-13' }],
      [{ intervalId: '2025-02', channels: { peak: 'many' } }]]) {
      t.equal((await give(on, app, body)).status, 400)
    }
  }, undefined, 'devOnly')

  rule('S6', 'who may ask', async (t, on) => {
    const capabilities = ['{"*":["stats"]}', '{"[*]*":["*"]}', '{"*":["history"]}', '{"a":["*"]}']
    const app = await on.app({ keys: capabilities.map((capability) => ({ capability })) })
    const told = await Promise.all(app.keys.map((key) => {
      return refusalOf(ask(on, '/stats', { headers: { authorization: basic(key) } }))
    }))
    t.same(told, [[200, 0], [200, 0], [401, 40160], [401, 40160]])
  })

  rule('S8', 'each minute is told on a metachannel', async (t, on) => {
    const app = await on.app({ keys: [{ capability: '{"[*]*":["*"]}' }] })
    const [key] = app.keys
    const heard: Ably.Message[] = []
    const listener = on.client(t, 2, {}, key)
    await listener.channels.get('[meta]stats:minute').subscribe('update', (each) =>
      void heard.push(each))
    await on.rest(0, { key: key! }).channels.get('a').publish('b', 'c')
    await until('the minute', () => heard.length > 0, 90_000)
    t.match(heard[0]!.data, {
      unit: 'minute', intervalId: /^\d{4}-\d\d-\d\d:\d\d:\d\d$/, appId: app.appId,
      entries: { 'messages.inbound.rest.messages.count': 1 }
    })
    const late = on.client(t, 1, {}, key)
    const again: Ably.Message[] = []
    await late.channels.get('[meta]stats:minute', { params: { rewind: '1' } })
      .subscribe((each) => void again.push(each))
    await until('the last one', () => again.length > 0)
    t.same(again[0]!.data, heard.at(-1)!.data)
  }, ['json'])
})
