import type * as Ably from 'ably'
import type { Test } from 'tap'
import { ruleFile, type Stage } from './support/rule.ts'

const EVERYTHING = JSON.stringify({ '[*]*': ['*'] })

/** Key of an app whose namespace `kept` is persisted. */
async function keyOf(on: Stage): Promise<string> {
  const namespaces = [{ id: 'kept', persisted: true }]
  const { keys } = await on.app({ keys: [{ capability: EVERYTHING }], namespaces })
  return keys[0]!
}

async function dataOf(
  channel: Ably.RealtimeChannel | Ably.Channel, params: Ably.RealtimeHistoryParams
): Promise<unknown[]> {
  const data: unknown[] = []
  let page: Ably.PaginatedResult<Ably.Message> | null =
    await (channel as Ably.Channel).history(params)
  while (page !== null) {
    data.push(...page.items.map((item) => item.data))
    page = page.hasNext() ? await page.next() : null
  }
  return data
}

const upTo = (count: number): string[] => Array.from({ length: count }, (_, at) => String(at))

async function publishMany(t: Test, on: Stage, key: string, name: string, count: number) {
  const channel = on.client(t, 0, {}, key).channels.get(name)
  await Promise.all(upTo(count).map((data) => channel.publish('n', data)))
}

ruleFile('persisted', (rule) => {
  rule('H1', 'what a persisted channel was told is read by pages both ways', async (t, on) => {
    const key = await keyOf(on)
    const name = `kept:${on.name('pages')}`
    const heard: string[] = []
    const listening = on.client(t, 2, {}, key).channels.get(name)
    await listening.subscribe(({ serial }) => void heard.push(serial!))
    await publishMany(t, on, key, name, 320)
    for (const node of [1, 2]) {
      const channel = on.rest(node, { key }).channels.get(name)
      t.same(await dataOf(channel, { limit: 50, direction: 'forwards' }), upTo(320))
      t.same(await dataOf(channel, { limit: 100 }), upTo(320).reverse())
    }
    const { items } = await on.rest(1, { key }).channels.get(name).history({ limit: 1_000 })
    t.same(items.map(({ serial }) => serial).reverse(), heard, 'as it was heard')
  })

  rule('H1', 'presence events too', async (t, on) => {
    const key = await keyOf(on)
    const name = `kept:${on.name('presence')}`
    const ann = on.client(t, 0, { clientId: 'ann' }, key).channels.get(name)
    await ann.presence.enter('here')
    await ann.presence.update('there')
    await ann.presence.leave('gone')
    const { items } = await on.rest(1, { key }).channels.get(name).presence.history()
    t.same(items.map(({ action, data }) => `${action} ${data}`),
      ['leave gone', 'update there', 'enter here'])
  })

  rule('H2', 'before an attachment, and between two times', async (t, on) => {
    const key = await keyOf(on)
    const name = `kept:${on.name('bounds')}`
    await publishMany(t, on, key, name, 30)
    const late = on.client(t, 2, {}, key).channels.get(name)
    await late.attach()
    await on.rest(1, { key }).channels.get(name).publish('n', 'after')
    const before = await late.history({ untilAttach: true, limit: 1_000 })
    t.same(before.items.map(({ data }) => data).reverse(), upTo(30))
    const all = await on.rest(0, { key }).channels.get(name).history({ direction: 'forwards' })
    const [start, end] = [all.items[5]!.timestamp, all.items[20]!.timestamp]
    const wanted = all.items.filter(({ timestamp }) => timestamp >= start && timestamp <= end)
    const between = await on.rest(1, { key }).channels.get(name)
      .history({ start, end, direction: 'forwards' })
    t.same(between.items.map(({ data }) => data), wanted.map(({ data }) => data))
  })

  rule('H2', 'a cursor that is none is refused', async (t, on) => {
    const key = await keyOf(on)
    const path = `/channels/kept:${on.name('cursor')}/messages`
    const page = await on.rest(1, { key }).request('GET', path, 3, { cursor: 'x!y' })
    t.match(page, { statusCode: 400, errorCode: 40011 })
  })
})
