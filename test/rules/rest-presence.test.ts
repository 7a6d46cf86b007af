import type * as Ably from 'ably'
import type { Test } from 'tap'
import { until } from '../support/ably-clients.ts'
import { ask, basic, pathOf, refusalOf, valueOf } from './support/rest-kit.ts'
import { ruleFile, type Stage } from './support/rule.ts'

/** Members `0`, `1` and so on, entered by one connection of node 0. */
async function enterMany(t: Test, on: Stage, name: string, count: number): Promise<void> {
  const channel = on.client(t, 0).channels.get(name)
  await Promise.all(Array.from({ length: count }, (_, at) =>
    channel.presence.enterClient(String(at), `data ${at}`)))
}

const namesOf = (items: { clientId: string }[]): string[] =>
  items.map(({ clientId }) => clientId).sort()

ruleFile('rest-presence', (rule) => {
  rule('R17', 'who is present, as it was heard', async (t, on) => {
    const name = on.name('present')
    const heard: Ably.PresenceMessage[] = []
    await on.client(t, 2).channels.get(name).presence.subscribe('enter', (each) =>
      void heard.push(each))
    const ann = on.client(t, 0, { clientId: 'ann' })
    await ann.channels.get(name).presence.enter({ x: 1 })
    const bob = on.client(t, 1, { clientId: 'bob' })
    await bob.channels.get(name).presence.enter(Buffer.from([0, 255]))
    await until('both', () => heard.length === 2)
    const fields = ({ id, clientId, connectionId, timestamp, data }: Ably.PresenceMessage) =>
      ({ id, clientId, connectionId, timestamp, data })
    const byName = (a: Ably.PresenceMessage, b: Ably.PresenceMessage) =>
      a.clientId < b.clientId ? -1 : 1
    const { presence } = on.rest(1).channels.get(name)
    const { items } = await presence.get()
    t.same(items.sort(byName).map(fields), heard.sort(byName).map(fields))
    t.same(items.map(({ action }) => action), ['present', 'present'])
    const plain = await valueOf(await ask(on, pathOf(name, '/presence?clientId=bob')))
    t.equal(plain.length, 1)
    t.match(plain[0], { action: 1, clientId: 'bob', connectionId: bob.connection.id })
    t.equal(plain[0].encoding, on.format === 'json' ? 'base64' : undefined)
    const { id: connectionId } = ann.connection
    t.same(namesOf((await presence.get({ connectionId: connectionId! })).items), ['ann'])
    t.same((await presence.get({ clientId: 'nobody' })).items, [])
    await ann.channels.get(name).presence.leave()
    t.same(namesOf((await presence.get()).items), ['bob'])
    t.same((await on.rest(1).channels.get(on.name('unused')).presence.get()).items, [])
  })

  rule('R17', 'who stays is told once, whoever comes and goes between pages', async (t, on) => {
    const name = on.name('moving')
    const { presence } = on.client(t, 0).channels.get(name)
    const staying = Array.from({ length: 12 }, (_, at) => `m${at + 10}`)
    const leaving = ['m0', 'm13a', 'm17a', 'm21a', 'z']
    await Promise.all([...staying, ...leaving].map((each) => presence.enterClient(each)))
    const told: string[] = []
    let page = await on.rest(2).channels.get(name).presence.get({ limit: 3 })
    for (let turn = 0; turn < 20; turn++) {
      told.push(...page.items.map(({ clientId }) => clientId))
      const left = leaving.shift()
      if (left !== undefined) await presence.leaveClient(left)
      await Promise.all(['a', 'm15a', 'zz'].map((each) => presence.enterClient(`${each}${turn}`)))
      const next = page.hasNext() ? await page.next() : null
      if (next === null) break
      page = next
    }
    t.notOk(page.hasNext(), 'it comes to an end')
    t.equal(new Set(told).size, told.length, 'nobody is told twice')
    t.same(told.filter((each) => staying.includes(each)).sort(), staying)
  })

  rule('R17', 'pages, and who may ask', async (t, on) => {
    const name = on.name('pages')
    await enterMany(t, on, name, 12)
    const pages: string[][] = []
    let page = await on.rest(2).channels.get(name).presence.get({ limit: 5 })
    for (let turn = 0; turn < 5; turn++) {
      pages.push(page.items.map(({ clientId }) => clientId))
      const next = page.hasNext() ? await page.next() : null
      if (next === null) break
      page = next
    }
    t.same(pages.map(({ length }) => length), [5, 5, 2])
    t.equal(new Set(pages.flat()).size, 12)
    for (const query of ['limit=1001', 'limit=0', 'limit=x']) {
      t.same(await refusalOf(ask(on, pathOf(name, `/presence?${query}`))), [400, 40003])
    }
    t.same(await refusalOf(ask(on, pathOf(name, '/presence?cursor=%25'))), [400, 40011])
    const { keys } = await on.app({ keys: ['subscribe', 'presence', 'history'].map((operation) =>
      ({ capability: `{"*":["${operation}"]}` })) })
    const told = keys.map(async (key) =>
      (await refusalOf(ask(on, pathOf(name, '/presence'), {
        headers: { authorization: basic(key) }
      })))[1])
    t.same(await Promise.all(told), [0, 0, 40160])
  })
})
