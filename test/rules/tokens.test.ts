import type * as Ably from 'ably'
import { decode } from '@msgpack/msgpack'
import { createHmac } from 'node:crypto'
import { errorOf } from '../support/ably-clients.ts'
import { ruleFile, type Stage } from './support/rule.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

let nonceCount = 0

/** A token request as an SDK signs it. */
function signed(key: string, request: Record<string, unknown> = {}): Record<string, unknown> {
  const [keyName, secret] = key.split(':') as [string, string]
  const all: Record<string, unknown> = {
    keyName, timestamp: Date.now(), nonce: `of the rules ${process.pid} ${++nonceCount}`, ...request
  }
  const text = ['keyName', 'ttl', 'capability', 'clientId', 'timestamp', 'nonce']
    .map((name) => `${all[name] ?? ''}\n`).join('')
  return { ...all, mac: createHmac('sha256', secret).update(text).digest('base64') }
}

/** Asks a node; answers with the status and what it says, as it came. */
async function ask(
  on: Stage, node: number, keyName: string, body: object | undefined,
  headers: Record<string, string> = {}
): Promise<{ status: number; type: string | null; value: any }> {
  const response = await fetch(`${on.url(node)}/keys/${keyName}/requestToken`, {
    method: 'POST', headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body)
  })
  const type = response.headers.get('content-type')
  const bytes = Buffer.from(await response.arrayBuffer())
  const value = type === 'application/x-msgpack' ? decode(bytes) : JSON.parse(bytes.toString())
  return { status: response.status, type, value }
}

ruleFile('token requests', (rule) => {
  rule('A12', 'the SDK asks for a token with its key, and connects with it', async (t, on) => {
    const name = on.name('sdk')
    const rest = on.rest(0)
    const capability = { [name]: ['publish', 'subscribe'] }
    const details = await rest.auth.requestToken({
      ttl: 60_000, clientId: 'ann', capability: JSON.stringify(capability)
    })
    t.match(details, {
      clientId: 'ann', capability: JSON.stringify(capability), token: /^[^.]+\.[A-Za-z0-9_-]+$/
    })
    t.equal(details.expires - details.issued, 60_000)
    t.ok(Math.abs(details.issued - Date.now()) < 5_000)
    const client = on.client(t, 1, { token: details.token })
    await client.connection.once('connected')
    t.equal(client.auth.clientId, 'ann')
    await client.channels.get(name).publish('n', 'x')
    t.equal((await errorOf(client.channels.get(`${name}-other`).attach())).code, 40160)
  })

  rule('A12', 'the SDK of a server signs, that of a client sends it', async (t, on) => {
    const server = on.rest(0)
    const authCallback: Ably.AuthOptions['authCallback'] = (params, callback) => {
      server.auth.createTokenRequest(params).then(
        (request) => callback(null, request), (error) => callback(error, null))
    }
    const client = on.client(t, 2, { authCallback, clientId: 'bob' })
    await client.connection.once('connected')
    t.equal(client.auth.clientId, 'bob')
    const { id } = client.connection
    await client.auth.authorize()
    t.equal(client.connection.id, id)
    const renewed = await client.auth.authorize({ ttl: 5_000, clientId: 'bob' })
    t.equal(renewed.expires - renewed.issued, 5_000)
  })

  rule('A12', 'what is granted is what both the key and the request have', async (t, on) => {
    const { keys } = await on.app({
      keys: [{ capability: '{"a:*":["publish","subscribe"],"b":["*"]}' }, { revocableTokens: true }]
    })
    const [key, revocable] = keys as [string, string]
    const [keyName] = key.split(':') as [string]
    const cases: readonly [Record<string, unknown>, string][] = [
      [{}, '{"a:*":["publish","subscribe"],"b":["*"]}'],
      [{ capability: '{"*":["publish"]}' }, '{"a:*":["publish"],"b":["publish"]}'],
      [{ capability: '{ "b": ["*"], "a:x": ["history", "subscribe"] }' },
        '{"a:x":["subscribe"],"b":["*"]}']
    ]
    for (const [request, capability] of cases) {
      const { status, value } = await ask(on, 1, keyName, signed(key, request))
      t.equal(status, 201)
      t.match(value, { keyName, capability, clientId: undefined })
      t.equal(value.expires - value.issued, 3_600_000)
    }
    const [other] = revocable.split(':') as [string]
    const tooLong = await ask(on, 1, other, signed(revocable, { ttl: 3_600_001 }))
    t.match(tooLong, { status: 400, value: { error: { code: 40003 } } })
  }, ['json'])

  rule('A12', 'a token that nobody would take is not given', async (t, on) => {
    const resource = (no: number): string => `${'x'.repeat(60)}${no}`
    const mapOf = (count: number): string => JSON.stringify(Object.fromEntries(
      Array.from({ length: count }, (_, no) => [resource(no), ['subscribe', 'publish']])))
    const crossing = (left: string, right: string): string => JSON.stringify(Object.fromEntries(
      Array.from({ length: 40 }, (_, no) => [`${left}${no}${right}`, ['subscribe']])))
    const { keys: [key] } = await on.app({ keys: [{ capability: crossing('*:x', '') }] })
    const [keyName] = key!.split(':') as [string]
    const [everything] = on.key.split(':') as [string]
    const refused = { status: 400, value: { error: { code: 40000 } } }
    t.match(await ask(on, 1, everything, signed(on.key, { capability: mapOf(600) })), refused)
    t.match(await ask(on, 1, everything, signed(on.key, { clientId: 'x'.repeat(60_000) })), refused)
    t.match(await ask(on, 1, keyName, signed(key!, { capability: crossing('y', ':*') })), refused)
    const { value } = await ask(on, 1, everything, signed(on.key, { capability: mapOf(400) }))
    const client = on.client(t, 2, { token: value.token })
    await client.connection.once('connected')
  }, ['json'])

  rule('A12', 'unsigned, with the key; in the format that is asked for', async (t, on) => {
    const [keyName] = on.key.split(':') as [string]
    const accept = on.format === 'msgpack' ? 'application/x-msgpack' : 'application/json'
    const headers = { authorization: `Basic ${base64(on.key)}`, accept }
    const request = { ttl: 1_000, clientId: '*' }
    const { status, type, value } = await ask(on, 2, keyName, request, headers)
    t.equal(status, 201)
    t.equal(type, accept)
    t.match(value, { keyName, clientId: '*', capability: '{"*":["*"]}' })
    const bearer = { authorization: `Bearer ${base64(value.token)}`, accept }
    const shorter = await ask(on, 1, keyName, { clientId: 'ann' }, bearer)
    t.match(shorter, { status: 201, type: accept, value: { clientId: 'ann' } })
    t.ok(shorter.value.expires <= value.expires, 'a token gives no more than it has')
    for (const body of [undefined, { mac: null, nonce: null }]) {
      const told = await ask(on, 1, keyName, body, headers)
      t.match(told, { status: 201, value: { keyName } }, 'nothing need be said')
    }
    const { keys } = await on.app({ keys: [{ revocableTokens: true }] })
    const [revocable] = keys as [string]
    const [name] = revocable.split(':') as [string]
    const own = await ask(on, 1, name, {}, { authorization: `Basic ${base64(revocable)}`, accept })
    const refused = await ask(on, 2, name, {}, { ...bearer,
      authorization: `Bearer ${base64(own.value.token)}` })
    t.match(refused, { status: 401, type: accept, value: { error: { code: 40162 } } })
  })

  rule('A13', 'once, whichever node is asked', async (t, on) => {
    const [keyName] = on.key.split(':') as [string]
    const request = signed(on.key)
    const answers = await Promise.all([0, 1, 2, 0, 1, 2].map((node) =>
      ask(on, node, keyName, request)))
    t.same(answers.map(({ status }) => status).sort(), [201, 401, 401, 401, 401, 401])
    t.same(new Set(answers.map(({ value }) => value.error?.code)), new Set([undefined, 40105]))
    const later = await ask(on, 2, keyName, signed(on.key, { nonce: request.nonce, ttl: 1 }))
    t.match(later, { status: 401, value: { error: { code: 40105 } } })
  })

  rule('A13', 'and only as it should be', async (t, on) => {
    const [keyName, secret] = on.key.split(':') as [string, string]
    const { keys } = await on.app({ keys: [{ capability: '{"a":["publish"]}' }] })
    const [small] = keys as [string]
    const [smallName] = small.split(':') as [string]
    const cases: readonly [string, object, number, number][] = [
      [keyName, { ...signed(on.key), clientId: 'ann' }, 401, 40101],
      [keyName, { keyName, timestamp: Date.now() }, 401, 40101],
      [keyName, signed(`${keyName}:${secret}x`), 401, 40101],
      [keyName, signed(on.key, { timestamp: Date.now() - 180_000 }), 401, 40104],
      [keyName, signed(small), 401, 40102],
      [`${keyName}x`, signed(`${keyName}x:s`), 404, 40400],
      ['nobody.k', signed('nobody.k:s'), 404, 40400],
      [keyName, signed(on.key, { ttl: -1 }), 400, 40003],
      [keyName, signed(on.key, { ttl: 'abc' }), 400, 40003],
      [keyName, signed(on.key, { nonce: 'short' }), 400, 40003],
      [keyName, signed(on.key, { capability: '{"a":["*","publish"]}' }), 400, 40000],
      [smallName, signed(small, { capability: '{"b":["*"]}' }), 401, 40160]
    ]
    for (const [path, body, status, code] of cases) {
      const answer = await ask(on, 1, path, body)
      t.match(answer, { status, value: { error: { code, statusCode: status } } },
        JSON.stringify(body).slice(0, 80))
    }
    const wrong = on.rest(0, { key: `${keyName}:wrong` })
    t.match(await errorOf(wrong.auth.requestToken()), { code: 40101, statusCode: 401 })
  }, ['json'])
})
