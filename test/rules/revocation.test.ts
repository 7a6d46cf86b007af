import { decode, encode } from '@msgpack/msgpack'
import type * as Ably from 'ably'
import type { Test } from 'tap'
import { until } from '../support/ably-clients.ts'
import { EventReader } from '../support/event-reader.ts'
import { PlainSocket, type Told } from '../support/plain-socket.ts'
import { callbackOf, jwtOf } from '../support/tokens.ts'
import { ruleFile, type Stage } from './support/rule.ts'

const [HEARTBEAT, CONNECTED, DISCONNECTED, ERROR, AUTH] = [0, 4, 6, 9, 17]
const SECOND_MS = 1_000
/** The rest of the second of the revocation, and what it takes to tell. */
const TOLD_MS = 2 * SECOND_MS

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** Keys of an app of the test's own: tokens of the first can be revoked. */
async function keysOf(on: Stage): Promise<readonly [string, string, string]> {
  const { keys } = await on.app({
    keys: [{ revocableTokens: true }, {}, { revocableTokens: true }]
  })
  return keys as [string, string, string]
}

interface Answer {
  readonly status: number
  readonly value: any
}

/** Revokes with `key`, at `node`; `headers` may show something else. */
async function revoke(
  on: Stage, node: number, key: string, body: object | string, headers: Record<string, string> = {}
): Promise<Answer> {
  const isPacked = on.format === 'msgpack' && typeof body !== 'string'
  const type = isPacked ? 'application/x-msgpack' : 'application/json'
  const [keyName] = key.split(':') as [string]
  const response = await fetch(`${on.url(node)}/keys/${keyName}/revokeTokens`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${base64(key)}`, 'content-type': type, accept: type,
      'x-ably-version': '3', ...headers
    },
    body: isPacked ? encode(body) : typeof body === 'string' ? body : JSON.stringify(body)
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  return { status: response.status, value: isPacked ? decode(bytes) : JSON.parse(`${bytes}`) }
}

/** A socket with the token; resolves once it is connected. */
function holder(t: Test, on: Stage, node: number, token: string): Promise<PlainSocket> {
  return on.socket(t, node, { params: { access_token: token } })
}

/** When it was told that its token is revoked, after `sinceMs`. */
async function toldAfter(socket: PlainSocket, sinceMs: number): Promise<number> {
  const told = await socket.next(({ action }) => action === DISCONNECTED)
  if (told.error?.code !== 40141) throw new Error(`told ${JSON.stringify(told)}`)
  return performance.now() - sinceMs
}

/** What a GET with this token is answered with, by `node`. */
async function codeOf(on: Stage, node: number, token: string): Promise<unknown> {
  const response = await fetch(`${on.url(node)}/channels/c/messages`, {
    headers: { authorization: `Bearer ${base64(token)}` }
  })
  await response.arrayBuffer()
  return response.status === 200 ? 200 : Number(response.headers.get('x-ably-errorcode'))
}

/** A client at `node` that makes a JWT for ann each time it is asked to, and those it made. */
function signedFor(
  t: Test, on: Stage, node: number, key: string
): { readonly client: Ably.Realtime; readonly given: readonly string[] } {
  const given: string[] = []
  const authCallback = callbackOf(() => {
    given.push(jwtOf(key, { clientId: 'ann' }))
    return given.at(-1)!
  })
  return { client: on.client(t, node, { authCallback }), given }
}

/** Waits for the first half of a second, so that there is time left in it. */
function earlyInSecond(): Promise<void> {
  return until('a second is young', () => Date.now() % SECOND_MS < SECOND_MS / 2)
}

/** A client at node 2 that has `server` give it a token for ann, anew when it is asked to. */
function asksAgain(
  t: Test, on: Stage, server: Ably.Rest
): { readonly client: Ably.Realtime; readonly asked: () => number } {
  let count = 0
  const client = on.client(t, 2, {
    authCallback: (_params, callback) => {
      count++
      server.auth.requestToken({ clientId: 'ann' }).then(
        (token) => callback(null, token), (error) => callback(error, null))
    }
  })
  return { client, asked: () => count }
}

ruleFile('revocation', (rule) => {
  rule('A14', 'every connection of the region is told within a second', async (t, on) => {
    const [key] = await keysOf(on)
    const tokens = {
      clientId: jwtOf(key, { clientId: 'ann' }),
      revocationKey: jwtOf(key, { claims: { 'x-ably-revocation-key': 'batch 7' } }),
      channel: jwtOf(key, { clientId: 'cid', capability: { 'rooms:*': ['subscribe'] } })
    }
    const targets = { clientId: 'ann', revocationKey: 'batch 7', channel: 'rooms:*' }
    const others = [
      jwtOf(key, { clientId: 'bob' }), jwtOf(key, { clientId: 'bob:ann' }), jwtOf(key),
      jwtOf(key, { clientId: '*' }), jwtOf(key, { capability: { 'rooms:a': ['subscribe'] } })
    ]
    const bystanders = await Promise.all([key, ...others].flatMap((shown, at) => [
      on.socket(t, at % 3, { params: at === 0 ? { key } : { access_token: shown } })
    ]))
    for (const type of ['clientId', 'revocationKey', 'channel'] as const) {
      const sockets = await Promise.all([0, 1, 2].map((node) => holder(t, on, node, tokens[type])))
      const given = type !== 'clientId' ? [] : await Promise.all([0, 1, 2].map(async (node) => {
        const { token } = await on.rest(node, { key }).auth.requestToken({ clientId: 'ann' })
        return holder(t, on, node, token)
      }))
      const sinceMs = performance.now()
      const answered = await revoke(on, 1, key, { targets: [`${type}:${targets[type]}`] })
      t.match(answered, { status: 201, value: { successCount: 1, failureCount: 0 } })
      for (const took of await Promise.all(given.map((socket) => toldAfter(socket, sinceMs)))) {
        t.ok(took < SECOND_MS, `an Ably token: ${Math.round(took)} ms`)
      }
      const tookMs = await Promise.all(sockets.map((socket) => toldAfter(socket, sinceMs)))
      for (const took of tookMs) t.ok(took < TOLD_MS, `${type}: ${Math.round(took)} ms`)
      await Promise.all(sockets.map(({ ended }) => ended))
    }
    for (const socket of bystanders) {
      t.notOk(socket.isEnded)
      const told = socket.all.map(({ action }) => action)
      t.same(told.filter((action) => action !== HEARTBEAT), [CONNECTED])
    }
  })

  rule('A14', 'over comet, and streams of events', async (t, on) => {
    const [key] = await keysOf(on)
    const name = on.name('transports')
    const query = (clientId: string) => `v=6&access_token=${jwtOf(key, { clientId })}`
    const asAnn = query('ann')
    const reader = await EventReader.open(t, on.url(0), `/sse?${asAnn}&channel=${name}`)
    const other = await EventReader.open(t, on.url(1), `/sse?${query('bob')}&channel=${name}`)
    const streamed = await fetch(`${on.url(2)}/comet/connect?${asAnn}&stream=true`)
    t.equal(streamed.status, 200)
    const polled = await fetch(`${on.url(1)}/comet/connect?${asAnn}&stream=false`)
    const [connected] = await polled.json() as [Told]
    const path = encodeURIComponent(String(connected.connectionDetails!['connectionKey']))
    const recv = fetch(`${on.url(2)}/comet/${path}/recv?${asAnn}`)
    t.equal((await revoke(on, 1, key, { targets: ['clientId:ann'] })).status, 201)
    await until('the end', () => reader.isOver)
    t.match(JSON.parse(reader.dataOf('error')[0]!), { code: 40141, statusCode: 401 })
    t.match(await streamed.text(), /"action":6,.*40141/)
    t.match(await (await recv).text(), /40141/)
    const send = { method: 'POST', body: '[]' }
    const later = await fetch(`${on.url(0)}/comet/${path}/send?${asAnn}`, send)
    t.match(await later.json(), { error: { code: 40141 } })
    t.same([other.isOver, other.dataOf('error')], [false, []])
  })

  rule('A14', 'the SDK comes back with another token, and misses nothing', async (t, on) => {
    const [key] = await keysOf(on)
    const name = on.name('goes-on')
    const server = on.rest(0, { key })
    const { client, asked } = asksAgain(t, on, server)
    const heard: unknown[] = []
    await client.channels.get(name).subscribe(({ data }) => void heard.push(data))
    const { id } = client.connection
    const publisher = on.client(t, 1, {}, key).channels.get(name)
    await publisher.publish('n', 'before')
    const isOver = client.connection.once('disconnected')
    const result = await server.auth.revokeTokens([{ type: 'clientId', value: 'ann' }])
    t.match(result, { successCount: 1, results: [{ target: 'clientId:ann' }] })
    t.equal((await isOver).reason?.code, 40141)
    await publisher.publish('n', 'meanwhile')
    await until('it is back', () => client.connection.state === 'connected')
    await publisher.publish('n', 'after')
    await until('it hears', () => heard.includes('after'))
    t.same(heard, ['before', 'meanwhile', 'after'])
    t.equal(client.connection.id, id)
    t.equal(asked(), 2)
  })

  rule('A14', 'the SDK comes back at once with another JWT', async (t, on) => {
    const [key] = await keysOf(on)
    const { client, given } = signedFor(t, on, 2, key)
    const states: string[] = []
    await client.connection.once('connected')
    client.connection.on(({ current, reason }) => {
      states.push(reason === undefined ? current : `${current} ${reason.code}`)
    })
    const { id } = client.connection
    await earlyInSecond()
    const { status } = await revoke(on, 0, key, { targets: ['clientId:ann'] })
    t.equal(status, 201)
    t.equal(await codeOf(on, 0, given[0]!), 40141, 'it proves nothing while its second runs')
    await until('it was told', () => states.includes('connected'))
    t.same(states, ['disconnected 40141', 'connecting', 'connected'])
    t.equal(client.connection.id, id)
    t.equal(given.length, 2)
    t.equal(await codeOf(on, 0, given[1]!), 200)
  })

  rule('A15', 'a revoked token proves nothing, anywhere', async (t, on) => {
    const [key, , other] = await keysOf(on)
    const token = jwtOf(key, { clientId: 'ann', ageS: 60 })
    const socket = await holder(t, on, 0, token)
    const { connectionId, connectionDetails } = socket.all[0]!
    const resume = (connectionDetails as { connectionKey: string }).connectionKey
    socket.cut()
    const bob = await holder(t, on, 1, jwtOf(key, { clientId: 'ann' }))
    await revoke(on, 0, key, {
      targets: ['clientId:ann'], issuedBefore: Date.now() - 30_000
    })
    const refused = async (node: number, params: Record<string, string>): Promise<void> => {
      const again = PlainSocket.open(t, on.url(node), { format: on.format, params })
      t.match(await again.next(() => true), { action: ERROR, error: { code: 40141 } })
      await again.ended
    }
    for (const node of [0, 1, 2]) {
      const untilMs = Date.now() + SECOND_MS
      while (await codeOf(on, node, token) !== 40141) t.ok(Date.now() < untilMs, 'within a second')
    }
    for (const node of [0, 1, 2]) {
      await refused(node, { access_token: token })
      await refused(node, { access_token: token, resume })
      for (const [path, init] of [['comet/connect', {}], ['sse', {}]] as const) {
        const query = `access_token=${token}&v=3&channels=c&channel=c`
        const response = await fetch(`${on.url(node)}/${path}?${query}`, init)
        const text = await response.text()
        t.match(text, /40141/, `${path} at ${node}: ${response.status}`)
      }
    }
    const [keyName] = key.split(':') as [string]
    for (const node of [0, 1, 2]) {
      const asked = await fetch(`${on.url(node)}/keys/${keyName}/requestToken`, {
        method: 'POST', headers: { authorization: `Bearer ${token}` }
      })
      t.match(await asked.json(), { error: { code: 40141 } }, 'nor does it buy another one')
    }
    bob.send({ action: AUTH, auth: { accessToken: token } })
    t.match(await bob.next(({ error }) => error !== undefined), {
      action: DISCONNECTED, error: { code: 40141 }
    })
    const renewed = await on.socket(t, 2, {
      params: { access_token: jwtOf(key, { clientId: 'ann' }), resume }
    })
    t.match(renewed.all[0], { connectionId, error: undefined })
    t.equal(await codeOf(on, 0, jwtOf(other, { clientId: 'ann', ageS: 60 })), 200)
  })

  rule('A16', 'with a margin clients are asked first', async (t, on) => {
    const [key] = await keysOf(on)
    const server = on.rest(0, { key })
    const { client, asked } = asksAgain(t, on, server)
    await client.connection.once('connected')
    const { client: signed, given } = signedFor(t, on, 0, key)
    await signed.connection.once('connected')
    const token = jwtOf(key, { clientId: 'ann' })
    const idle = await holder(t, on, 1, token)
    await earlyInSecond()
    const sinceMs = Date.now()
    const isUpdated = client.connection.once('update')
    let lossCount = 0
    signed.connection.on('disconnected', () => void lossCount++)
    const { value } = await revoke(on, 0, key, {
      targets: ['clientId:ann'], allowReauthMargin: true
    })
    const [{ appliesAt, issuedBefore }] = value.results
    t.equal(appliesAt - issuedBefore, 30_000)
    await isUpdated
    t.equal(asked(), 2)
    await idle.next(({ action }) => action === AUTH)
    t.ok(Date.now() - sinceMs < 2 * SECOND_MS)
    t.equal(await codeOf(on, 2, token), 200, 'until then it is good')
    const late = await holder(t, on, 0, token)
    for (const socket of [idle, late]) {
      const told = await socket.next(({ action }) => action === DISCONNECTED, 40_000)
      t.equal(told.error?.code, 40141)
      t.ok(Math.abs(Date.now() - appliesAt) < SECOND_MS)
    }
    t.equal(await codeOf(on, 2, token), 40141)
    t.equal(client.connection.state, 'connected')
    t.equal(await codeOf(on, 0, given.at(-1)!), 200, 'the JWT that took its place is good')
    t.same([signed.connection.state, lossCount, given.length], ['connected', 0, 2])
  })

  rule('A17', 'who may revoke, and how it is asked', async (t, on) => {
    const [key, fixed, another] = await keysOf(on)
    const body = { targets: ['clientId:nobody'] }
    const token = { authorization: `Bearer ${base64(jwtOf(key))}` }
    const withKey = (shown: string): Record<string, string> =>
      ({ authorization: `Basic ${base64(shown)}` })
    const nowMs = Date.now()
    const cases: readonly [string, object | string, Record<string, string>, number, number][] = [
      [key, body, { authorization: '' }, 401, 40101], [key, body, token, 401, 40162],
      [key, body, withKey(another), 401, 40133], [key, body, withKey(on.key), 401, 40133],
      [key, body, withKey(`${key}x`), 401, 40101], [fixed, body, {}, 401, 40163],
      [`${key.split(':')[0]}x:y`, body, withKey(key), 401, 40133],
      [key, {}, {}, 400, 40000], [key, [], {}, 400, 40000], [key, '', {}, 400, 40001],
      [key, { targets: [] }, {}, 400, 40000], [key, { targets: 'clientId:a' }, {}, 400, 40000],
      [key, { targets: Array(101).fill('clientId:a') }, {}, 400, 40000],
      [key, { ...body, issuedBefore: nowMs + 60_000 }, {}, 400, 40003],
      [key, { ...body, issuedBefore: nowMs - 3_700_000 }, {}, 400, 40003],
      [key, { ...body, issuedBefore: '1' }, {}, 400, 40003],
      [key, { ...body, allowReauthMargin: 'yes' }, {}, 400, 40003]
    ]
    for (const [shown, asked, headers, status, code] of cases) {
      const answer = await revoke(on, 2, shown, asked, headers)
      const hint = `${code} ${JSON.stringify(asked).slice(0, 60)}`
      t.match(answer, { status, value: { error: { code, statusCode: status } } }, hint)
    }
  })

  rule('A17', 'each target has its result', async (t, on) => {
    const [key] = await keysOf(on)
    const good = ['clientId:a:b', 'revocationKey: ', 'channel:[meta]log']
    const bad = ['clientId:', 'clientid:a', 'nonsense', 7, `channel:${'x'.repeat(5_000)}`]
    const { status, value } = await revoke(on, 0, key, { targets: [...good, ...bad] })
    t.equal(status, 201)
    t.match(value, { successCount: 3, failureCount: 5 })
    t.same(value.results.slice(0, 3).map(({ target }: { target: string }) => target), good)
    for (const result of value.results.slice(3)) {
      t.match(result, { error: { code: 40000, statusCode: 400 } })
    }
    const old = { 'x-ably-version': '2' }
    const whole = await revoke(on, 1, key, { targets: good }, old)
    t.match(whole, { status: 201, value: good.map((target) => ({ target })) })
    const partly = await revoke(on, 1, key, { targets: ['clientId:a', 'x'] }, old)
    t.match(partly, {
      status: 400,
      value: { error: { code: 40020 }, batchResponse: [{ target: 'clientId:a' }, { error: {} }] }
    })
  })
})
