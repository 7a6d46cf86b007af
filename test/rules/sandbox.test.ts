import type * as Ably from 'ably'
import { ruleFile, type Stage } from './support/rule.ts'

const NAME = 'staged:members'
const MEMBERS = [
  { clientId: 'ann', data: 'true' },
  { clientId: 'bob', data: '{"a":1}', encoding: 'json' },
  { clientId: 'cid', data: 'AP8=', encoding: 'base64' }
]

async function make(on: Stage, body: object): Promise<{ status: number; value: any }> {
  const made = await fetch(`${on.url(1)}/apps`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body)
  })
  return { status: made.status, value: await made.json() }
}

const byName = (a: Ably.PresenceMessage, b: Ably.PresenceMessage): number =>
  a.clientId < b.clientId ? -1 : 1

ruleFile('sandbox', (rule) => {
  rule('D1', 'an app is made, and taken away', async (t, on) => {
    const capability = '{"a":["publish"]}'
    const { status, value } = await make(on, {
      keys: [{}, { capability }, { revocableTokens: true }],
      namespaces: [{ id: 'kept', persisted: true }]
    })
    t.equal(status, 201)
    const { port } = new URL(on.url(1))
    t.match(value, { endpoint: '127.0.0.1', port: Number(port), tls: false, tlsOnly: false })
    t.match(value.keys, [{ capability: '{"*":["*"]}' }, { capability }, { revocableTokens: true }])
    t.equal(value.keys[0].keyStr, `${value.keys[0].keyName}:${value.keys[0].keySecret}`)
    t.match(value.namespaces, [{ id: 'kept', persisted: true }])
    const client = on.client(t, 2, {}, value.keys[0].keyStr)
    await client.connection.once('connected')
    const failed = client.connection.once('failed')
    t.equal((await fetch(`${on.url(0)}/apps/${value.appId}`, { method: 'DELETE' })).status, 204)
    t.equal((await failed).reason?.code, 40101)
  })

  rule('D1', 'the answer says all of the app, its keys and namespaces', async (t, on) => {
    const beforeMs = Date.now()
    const { value } = await make(on, {
      keys: [{ privileged: true }, {}], namespaces: [{ id: 'kept', pushEnabled: true }]
    })
    t.equal(value.id, `${value.accountId}:${value.appId}`)
    t.match(value, { status: 0, connections: [], channels: [] })
    t.ok('labels' in value)
    const kept = { id: 'kept', persisted: false, pushEnabled: true, mutableMessages: false }
    t.match(value.namespaces, [kept])
    t.same(value.keys.map(({ type }: { type: number }) => type), [0, 0])
    t.same(value.keys.map(({ privileged }: { privileged: boolean }) => privileged), [true, false])
    for (const each of [value, ...value.keys, ...value.namespaces]) {
      t.equal(each.status, 0)
      t.ok(each.created >= beforeMs && each.created <= Date.now())
      t.equal(each.modified, each.created)
    }
    for (const { id, value: secret, keyName, keySecret, keyStr } of value.keys) {
      t.same([keyName, keySecret], [`${value.appId}.${id}`, secret])
      t.equal(keyStr, `${keyName}:${secret}`)
    }
    await fetch(`${on.url(0)}/apps/${value.appId}`, { method: 'DELETE' })
  }, ['json'])

  rule('D2', 'members are present from the start, on all nodes', async (t, on) => {
    const { status, value } = await make(on, { channels: [{ name: NAME, presence: MEMBERS }] })
    t.equal(status, 201)
    t.match(value.channels, [{ name: NAME }])
    t.equal(value.keys.length, 1, 'nobody is told of another key')
    const [{ keyStr }] = value.keys
    const rest = on.rest(2, { key: keyStr }).channels.get(NAME).presence
    const { items } = await rest.get()
    const datas: unknown[] = items.sort(byName).map(({ data }) => data)
    t.same(datas, ['true', { a: 1 }, Buffer.from([0, 255])])
    t.equal(new Set(items.map(({ connectionId }) => connectionId)).size, 1)
    const history = (await rest.history()).items
    t.same(history.map(({ action }) => action), ['enter', 'enter', 'enter'])
    const { presence } = on.client(t, 0, {}, keyStr).channels.get(NAME)
    const ids = (list: Ably.PresenceMessage[]): string[] => list.sort(byName).map(({ id }) => id)
    t.same(ids(await presence.get()), ids(items))
    await fetch(`${on.url(0)}/apps/${value.appId}`, { method: 'DELETE' })
  })

  rule('D2', 'what makes no sense is refused', async (t, on) => {
    const tooLarge = { name: 'x', presence: [{ clientId: 'ann', data: 'x'.repeat(100_000) }] }
    for (const channels of [[{}], [{ name: 'x', presence: ['ann'] }], [tooLarge],
      [{ name: ':x', presence: MEMBERS }]]) {
      const { status, value } = await make(on, { channels })
      t.ok(status >= 400 && status < 500, `${status}`)
      t.ok(value.error.code >= 40000 && value.error.code < 50000, `${value.error.code}`)
    }
  }, ['json'])
})
