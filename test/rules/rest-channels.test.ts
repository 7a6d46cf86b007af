import { ask, basic, pathOf, refusalOf, valueOf } from './support/rest-kit.ts'
import { ruleFile } from './support/rule.ts'

const WITHIN_MS = 10_000
const NOBODY = {
  connections: 0, publishers: 0, subscribers: 0, presenceConnections: 0, presenceMembers: 0,
  presenceSubscribers: 0, objectPublishers: 0, objectSubscribers: 0
}

async function eventually(isTrue: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + WITHIN_MS
  while (!(await isTrue())) {
    if (performance.now() > endMs) throw new Error(`not within ${WITHIN_MS} ms`)
  }
}

ruleFile('rest-channels', (rule) => {
  rule('O5', 'how a channel is used, over all nodes', async (t, on) => {
    const name = on.name('used')
    const told = async (node: number) => {
      const { channelId, status } = await on.rest(node).channels.get(name).status()
      t.equal(channelId, name)
      return status
    }
    const unused = { isActive: false, occupancy: { metrics: NOBODY } }
    t.same(await told(1), unused)
    const ann = on.client(t, 0, { clientId: 'ann' }).channels.get(name)
    await ann.presence.enter()
    const listening = on.client(t, 2).channels.get(name, { modes: ['SUBSCRIBE'] })
    await listening.attach()
    for (const node of [0, 1, 2]) {
      t.match(await told(node), { isActive: true, occupancy: { metrics: {
        connections: 2, publishers: 1, subscribers: 2, presenceConnections: 1,
        presenceMembers: 1, presenceSubscribers: 1
      } } }, `node ${node}`)
    }
    await listening.detach()
    await ann.detach()
    // The leave that a detach is has to be written first.
    await eventually(async () => (await told(1)).occupancy.metrics.presenceMembers === 0)
    t.same(await told(1), unused)
  })

  rule('O5', 'the plain answer, and who may ask', async (t, on) => {
    const name = on.name('plain')
    const { keys } = await on.app({ keys: [
      { capability: '{"plain-*":["*"]}' }, { capability: '{"*":["subscribe"]}' },
      { capability: '{"*":["channel-metadata"]}' }
    ] })
    const asked = keys.map((key) =>
      refusalOf(ask(on, pathOf(name), { headers: { authorization: basic(key) } })))
    t.same(await Promise.all(asked), [[401, 40160], [401, 40160], [200, 0]])
    t.same(await valueOf(await ask(on, pathOf(name))), {
      channelId: name, name, status: { isActive: false, occupancy: { metrics: NOBODY } }
    })
    t.same(await refusalOf(ask(on, pathOf(`[meta]${name}`))), [400, 40010])
  })

  rule('R18', 'not of who has left, and not to who asks too often at once', async (t, on) => {
    const { keys: [key] } = await on.app({ keys: [{}] })
    const headers = { authorization: basic(key!) }
    const channel = on.client(t, 0, {}, key).channels.get('used')
    await channel.attach()
    t.same(await valueOf(await ask(on, '/channels', { node: 2, headers })), ['used'])
    await channel.detach()
    t.same(await valueOf(await ask(on, '/channels', { node: 2, headers })), [])
    const all = await Promise.all(Array.from({ length: 100 }, () =>
      refusalOf(ask(on, '/channels', { headers }))))
    t.same([...new Set(all.map(String))].sort(), ['200,0', '429,42912'])
    t.same(await refusalOf(ask(on, '/channels', { headers })), [200, 0], 'and later it may')
  })

  rule('R18', 'pages fit together whatever is used meanwhile', async (t, on) => {
    const { keys: [key] } = await on.app({ keys: [{}] })
    const headers = { authorization: basic(key!) }
    const { channels } = on.client(t, 0, {}, key)
    const staying = Array.from({ length: 8 }, (_, at) => `c${at + 1}`)
    const leaving = ['b', 'c2a', 'c4a', 'd']
    await Promise.all([...staying, ...leaving].map((each) => channels.get(each).attach()))
    const told: string[] = []
    let path: string | undefined = '/channels?limit=2'
    for (let turn = 0; path !== undefined && turn < 20; turn++) {
      const answer = await ask(on, path, { node: turn % 3, headers })
      told.push(...await valueOf(answer))
      const left = leaving.shift()
      if (left !== undefined) await channels.get(left).detach()
      if (turn < 4) {
        await Promise.all(['a', 'c3a', 'e'].map((each) => channels.get(`${each}${turn}`).attach()))
      }
      path = /<\.(\/channels\?[^>]*)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1]
    }
    t.equal(path, undefined, 'it comes to an end')
    t.same(told, [...new Set(told)].sort(), 'once, in order')
    t.same(told.filter((each) => staying.includes(each)), staying)
  })

  rule('R18', 'names of channels in use, by pages', async (t, on) => {
    const { keys: [all, limited] } = await on.app({
      keys: [{ capability: '{"[*]*":["*"]}' }, { capability: '{"a*":["channel-metadata"]}' }]
    })
    const names = ['a:1', 'a:2', 'b/ü:1', 'b:2', 'c'].map((each) => on.name(each)).sort()
    for (const [at, name] of names.entries()) {
      await on.client(t, at % 3, {}, all).channels.get(name).attach()
    }
    await on.client(t, 0, {}, all).channels.get('[meta]connection.lifecycle').attach()
    const headers = { authorization: basic(all!) }
    const told = async (query: string, more = {}) =>
      valueOf(await ask(on, `/channels${query}`, { headers: { ...headers, ...more } }))
    t.same(await told(''), names)
    t.same(await told('?prefix=a'), names.filter((each) => each.startsWith('a')))
    t.same(await told('?prefix=%5Bmeta%5D'), [])
    const first = await ask(on, '/channels?limit=3', { headers })
    t.same(await valueOf(first), names.slice(0, 3))
    const next = /<\.(\/channels\?[^>]*)>; rel="next"/.exec(first.headers.get('link')!)![1]!
    const second = await ask(on, next, { node: 2, headers })
    t.same(await valueOf(second), names.slice(3))
    t.notMatch(second.headers.get('link'), /rel="next"/)
    const values = await told('?by=value&prefix=c')
    t.match(values, [{
      channelId: names.at(-1), status: { occupancy: { metrics: { connections: 1 } } }
    }])
    t.equal(values.length, 1)
    t.same(await told('?prefix=c', { 'x-ably-version': '2' }), values, 'to older versions')
    t.same(await told('?prefix=c&by=id', { 'x-ably-version': '2' }), names.slice(-1))
    for (const query of ['?by=x', '?limit=1001']) {
      t.same(await refusalOf(ask(on, `/channels${query}`, { headers })), [400, 40003])
    }
    t.same(await refusalOf(ask(on, '/channels?cursor=!', { headers })), [400, 40011])
    const narrow = { headers: { authorization: basic(limited!) } }
    t.same(await refusalOf(ask(on, '/channels', narrow)), [401, 40160])
  })
})
