import type * as Ably from 'ably'
import type { Test } from 'tap'
import { limits } from '../../src/base/limits.ts'
import { errorOf, until } from '../support/ably-clients.ts'
import { attached } from './support/attach.ts'
import { ask, basic, pathOf, refusalOf, valueOf } from './support/rest-kit.ts'
import { ruleFile, type Stage } from './support/rule.ts'

/** Publishes `count` messages on `name`, each by itself; their data are `0`, `1` and so on. */
async function publishMany(t: Test, on: Stage, name: string, count: number): Promise<void> {
  const channel = on.client(t, 0).channels.get(name)
  const published = Array.from({ length: count }, (_, at) => channel.publish('n', String(at)))
  await Promise.all(published)
}

function dataOf(page: { items: { data?: unknown }[] }): unknown[] {
  return page.items.map(({ data }) => data)
}

const upTo = (count: number): string[] => Array.from({ length: count }, (_, at) => String(at))

ruleFile('rest-history', (rule) => {
  rule('R10', 'what is acknowledged is there at once, on every node', async (t, on) => {
    const name = on.name('at-once')
    const channel = on.client(t, 0).channels.get(name)
    for (let at = 0; at < 10; at++) {
      await channel.publish('n', String(at))
      const node = at % 3
      const page = await on.rest(node).channels.get(name).history({ limit: 1 })
      t.same(dataOf(page), [String(at)], `node ${node}`)
    }
    const realtime = on.client(t, 2).channels.get(name)
    t.same(dataOf(await realtime.history({ direction: 'forwards' })), upTo(10))
    t.same(dataOf(await realtime.history()), upTo(10).reverse())
  })

  rule('R10', 'every field of a message', async (t, on) => {
    const name = on.name('fields')
    const heard: Ably.Message[] = []
    const listening = on.client(t, 2).channels.get(name)
    await listening.subscribe((message) => void heard.push(message))
    const ann = on.client(t, 0, { clientId: 'ann' }).channels.get(name)
    const extras = { headers: { k: 'v' } }
    await ann.publish([{ name: 'a', data: { x: 1 }, extras }, { data: Buffer.from([0, 255]) }])
    await on.rest(1).channels.get(name).publish({ id: 'mine', data: '' })
    const { items } = await on.rest(1).channels.get(name).history({ direction: 'forwards' })
    t.equal(items.length, 3)
    const fields = (each: Ably.Message) => {
      const { id, name, data, clientId, connectionId, timestamp, extras } = each
      const { serial, action, version } = each
      const all = { id, name, data, clientId, connectionId, timestamp, extras }
      return { ...all, serial, action, version }
    }
    t.same(items.map(fields), heard.map(fields))
    const plain = await valueOf(await ask(on, pathOf(name, '/history?direction=forwards')))
    t.match(plain[0], {
      id: heard[0]!.id, connectionId: heard[0]!.connectionId, clientId: 'ann', action: 0,
      serial: heard[0]!.serial, timestamp: heard[0]!.timestamp, encoding: 'json', extras
    })
    t.equal(plain[1].encoding, on.format === 'json' ? 'base64' : undefined)
    t.equal(plain[2].data, '')
    t.equal(plain[2].id, 'mine')
    t.notOk('connectionId' in plain[2])
    const { serial, timestamp } = heard[0]!
    t.same(plain[0].version, { serial, timestamp })
    const { version } = await on.rest(2).channels.get(name).getMessage(serial!)
    t.same(version, heard[0]!.version)
    const headers = { 'x-ably-version': '3' }
    const [old] = await valueOf(await ask(on, pathOf(name, '/history'), { headers }))
    t.notOk('version' in old, 'a version was a text then')
    const late = await attached(t, on, 0, name, { rewind: '3' })
    await until('rewound', () => late.heard.length === 3)
    t.same(late.heard.map(fields), heard.map(fields))
  })

  rule('R11', 'times and directions', async (t, on) => {
    const name = on.name('bounds')
    const channel = on.client(t, 0).channels.get(name)
    const times: number[] = []
    for (let at = 0; at < 5; at++) {
      await channel.publish('n', String(at))
      const { items: [last] } = await channel.history({ limit: 1 })
      times.push(last!.timestamp!)
      while (Date.now() <= last!.timestamp!) await new Promise((next) => setTimeout(next, 1))
    }
    const rest = on.rest(1).channels.get(name)
    const [start, end] = [times[1]!, times[3]!]
    t.same(dataOf(await rest.history({ start, end })), ['3', '2', '1'])
    t.same(dataOf(await rest.history({ start, end, direction: 'forwards' })), ['1', '2', '3'])
    t.same(dataOf(await rest.history({ start: times[4]! + 1 })), [])
    t.same(dataOf(await rest.history({ end: times[0]! - 1 })), [])
    t.same(dataOf(await rest.history({ start, limit: 1, direction: 'forwards' })), ['1'])
  })

  rule('R11', 'what makes no sense', async (t, on) => {
    const told = (query: string) => refusalOf(ask(on, pathOf('x', `/messages?${query}`)))
    for (const query of [
      'limit=0', 'limit=1001', 'limit=x', 'limit=-1', 'direction=up', 'start=2&end=1', 'start=now',
      'end=1.5', 'from_serial=nonsense'
    ]) t.same(await told(query), [400, 40003], query)
    t.same(await told('cursor=nonsense'), [400, 40011])
    t.same(await told('limit=1000&unknown=1'), [200, 0])
    t.same(await valueOf(await ask(on, pathOf(on.name('nobody'), '/messages'))), [])
    const { keys } = await on.app({ keys: [{ capability: '{"*":["publish","subscribe"]}' }] })
    const headers = { authorization: basic(keys[0]!) }
    for (const path of ['/messages', '/history', '/messages/1', '/presence/history']) {
      t.same(await refusalOf(ask(on, pathOf('x', path), { headers })), [401, 40160], path)
    }
  })

  rule('R12', 'pages fit together whatever is published meanwhile', async (t, on) => {
    const name = on.name('pages')
    await publishMany(t, on, name, 25)
    const busy = on.client(t, 2).channels.get(name)
    const rest = on.rest(1).channels.get(name)
    const told: unknown[] = []
    let page: Ably.PaginatedResult<Ably.InboundMessage> | null = await rest.history({ limit: 7 })
    t.ok(page.hasNext())
    while (page !== null) {
      told.push(...dataOf(page))
      await busy.publish('n', 'later')
      page = page.isLast() ? null : await page.next()
    }
    t.same(told, upTo(25).reverse())
    const first = await rest.history({ limit: 10, direction: 'forwards' })
    const second = (await first.next())!
    t.same(dataOf(second), upTo(20).slice(10))
    t.same(dataOf(await second.current()), dataOf(second))
    t.same(dataOf(await second.first()), upTo(10))
  })

  rule('R12', 'and so they do where the archive alone has the rest', async (t, on) => {
    const { keys: [key] } = await on.app({
      keys: [{}], namespaces: [{ id: 'kept', persisted: true }]
    })
    const name = `kept:${on.name('border')}`
    const busy = on.rest(2, { key: key! }).channels.get(name)
    const data = 'x'.repeat(12_000)
    let count = 0
    const publishMore = (more: number): Promise<unknown> => busy.publish(
      Array.from({ length: more }, () => ({ name: String(count++), data })))
    while (count * data.length < 1.25 * limits.tailBytesMax) await publishMore(5)
    const atFirst = count
    /** What was there when the last page was asked for. */
    let there = 0
    const namesOf = async (direction: 'forwards' | 'backwards'): Promise<unknown[]> => {
      const names: unknown[] = []
      let page: Ably.PaginatedResult<Ably.InboundMessage> | null =
        await on.rest(1, { key: key! }).channels.get(name).history({ limit: 29, direction })
      while (page !== null) {
        names.push(...page.items.map((item) => item.name))
        if (!page.hasNext()) break
        if (count < atFirst + 200) await publishMore(5)
        there = count
        page = await page.next()
      }
      return names
    }
    t.same(await namesOf('backwards'), upTo(atFirst).reverse())
    t.same(await namesOf('forwards'), upTo(there))
  })

  rule('R12', 'a page may end within a publish', async (t, on) => {
    const name = on.name('within')
    const channel = on.client(t, 0).channels.get(name)
    await channel.publish(upTo(5).map((data) => ({ data })))
    await channel.publish('n', '5')
    for (const direction of ['forwards', 'backwards'] as const) {
      const told: unknown[] = []
      let page: Ably.PaginatedResult<Ably.InboundMessage> | null =
        await on.rest(2).channels.get(name).history({ limit: 2, direction })
      for (; page !== null; page = await page.next()) told.push(...dataOf(page))
      t.same(told, direction === 'forwards' ? upTo(6) : upTo(6).reverse())
    }
  })

  rule('R12', 'a page ends at 4 MiB, and the next goes on', async (t, on) => {
    const { keys } = await on.app({ keys: [{}], namespaces: [{ id: 'kept', persisted: true }] })
    const name = `kept:${on.name('large')}`
    const channel = on.rest(0, { key: keys[0]! }).channels.get(name)
    const [size, each, count] = [20_000, 3, 80]
    for (let at = 0; at < count; at++) {
      await channel.publish(upTo(each).map((index) => ({
        name: `${at * each + Number(index)}`, data: 'x'.repeat(size)
      })))
    }
    const limit = 1_000
    for (const direction of ['forwards', 'backwards'] as const) {
      const names: unknown[] = []
      let page: Ably.PaginatedResult<Ably.InboundMessage> | null =
        await on.rest(2, { key: keys[0]! }).channels.get(name).history({ limit, direction })
      t.ok(page.hasNext() && page.items.length * size > 4_000_000, direction)
      for (; page !== null; page = await page.next()) {
        t.ok(page.items.length * size <= 4 * 1024 * 1024)
        names.push(...page.items.map((item) => item.name))
      }
      const all = upTo(each * count)
      t.same(names, direction === 'forwards' ? all : all.reverse())
    }
  })

  rule('R12', 'the links are what SDKs read, without credentials', async (t, on) => {
    const name = on.name('links, and commas')
    await publishMany(t, on, name, 2)
    const path = pathOf(name, `/messages?limit=1&key=${on.key}&format=${on.format}`)
    const response = await ask(on, path, { headers: { authorization: '', accept: '' } })
    const links = response.headers.get('link')!.split(',')
    t.equal(links.length, 3)
    for (const [at, rel] of ['first', 'current', 'next'].entries()) {
      t.match(links[at], new RegExp(`^ ?<\\./messages\\?[^>]+>; rel="${rel}"$`))
      t.match(links[at], /limit=1&direction=backwards/)
      t.match(links[at], new RegExp(`format=${on.format}`))
      t.notMatch(links[at], /key=/)
    }
    t.match(links[2], /cursor=/)
    const whole = await ask(on, pathOf(name, '/messages'))
    t.notMatch(whole.headers.get('link'), /next/)
  })

  rule('R13', 'up to where one attached', async (t, on) => {
    const name = on.name('until')
    const { channels } = on.client(t, 0)
    await channels.get(name).publish('n', 'before')
    const late = on.client(t, 1).channels.get(name)
    await late.attach()
    await channels.get(name).publish('n', 'after')
    t.same(dataOf(await late.history({ untilAttach: true })), ['before'])
    t.same(dataOf(await late.history()), ['after', 'before'])
    const { properties } = late as unknown as { properties: { attachSerial: string } }
    const { attachSerial } = properties
    const serial = encodeURIComponent(attachSerial)
    const other = await ask(on, pathOf(name, `/messages?fromSerial=${serial}`))
    t.same((await valueOf(other)).map((each: Ably.Message) => each.data), ['before'])
    const foreign = attachSerial.replace(/~[^~]+/, '~another')
    const told = ask(on, pathOf(name, `/messages?from_serial=${encodeURIComponent(foreign)}`))
    t.same(await refusalOf(told), [400, 90008])
  })

  rule('R14', 'what is for those alone who are there', async (t, on) => {
    const name = on.name('ephemeral')
    const channel = on.rest(0).channels.get(name)
    const ephemeral = { data: 'gone', extras: { ephemeral: true } }
    await channel.publish([{ data: 'a' }, ephemeral, { data: 'b' }])
    await channel.publish(ephemeral)
    t.same(dataOf(await channel.history()), ['b', 'a'])
    t.same(dataOf(await channel.history({ limit: 1 })), ['b'])
  })

  rule('R15', 'presence events', async (t, on) => {
    const name = on.name('presence')
    const { presence } = on.client(t, 0, { clientId: 'ann' }).channels.get(name)
    await presence.enter('hello')
    await presence.update({ mood: 1 })
    await presence.leave()
    const rest = on.rest(2).channels.get(name)
    await rest.publish('n', 'no presence')
    const { items } = await rest.presence.history({ direction: 'forwards' })
    t.same(items.map(({ action, data }) => [action, data]),
      [['enter', 'hello'], ['update', { mood: 1 }], ['leave', { mood: 1 }]])
    for (const item of items) {
      t.match(item, { clientId: 'ann', id: /^.+:\d+:0$/, connectionId: /^.+$/ })
      t.ok(item.timestamp)
    }
    const page = await rest.presence.history({ limit: 2 })
    t.same(page.items.map(({ action }) => action), ['leave', 'update'])
    t.same((await page.next())!.items.map(({ action }) => action), ['enter'])
  })

  rule('R16', 'one message by its serial', async (t, on) => {
    const name = on.name('single')
    const channel = on.rest(0).channels.get(name)
    const { serials } = await channel.publish([{ data: 'a' }, { name: 'n', data: { b: 1 } }])
    const message = await on.rest(2).channels.get(name).getMessage(serials[1]!)
    t.match(message, { name: 'n', data: { b: 1 }, serial: serials[1] })
    const made = serials[0]!.replace(/:\d+$/, ':007')
    const elsewhere = serials[0]!.replace(/@[^:]+:/, '@anywhere:')
    for (const serial of [made, elsewhere, 'nonsense']) {
      t.equal((await errorOf(channel.getMessage(serial))).code, 40400)
    }
  })
})
