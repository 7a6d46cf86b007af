import * as Ably from 'ably'
import type { Test } from 'tap'
import { ablyClient, type AblyOptions, errorOf, until } from '../support/ably-clients.ts'
import type { Told } from '../support/plain-socket.ts'
import { EventReader } from '../support/event-reader.ts'
import { Service } from '../support/service.ts'
import { callbackOf, jwtOf } from '../support/tokens.ts'
import { ruleFile, type Stage } from './support/rule.ts'

const JSON_ONLY = ['json'] as const
const COMET = { transports: ['comet'] }
const POLLED = { ...COMET, transportParams: { stream: false } }

/** A client whose every request goes to another node. */
async function anywhere(t: Test, on: Stage, options: AblyOptions = POLLED): Promise<{
  client: Ably.Realtime
  service: Service
}> {
  const service = await Service.of(t, [on.url(0), on.url(1), on.url(2)])
  const client = ablyClient(t, service.url, on.key, options)
  await client.connection.once('connected')
  return { client, service }
}

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly messages: readonly Told[]
  readonly code: number | undefined
}

/** One request of comet, by hand. */
async function ask(
  on: Stage, node: number, path: string, params: Record<string, string> = {}, body?: unknown
): Promise<Answer> {
  const query = new URLSearchParams({ key: on.key, ...params })
  const sent = body === undefined ? {} : {
    method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' }
  }
  const response = await fetch(`${on.url(node)}/comet/${path}?${query}`, sent)
  const { status, headers } = response
  const text = await response.text()
  const value = (text === '' ? [] : JSON.parse(text)) as Told[] & { error?: { code: number } }
  return { status, headers, messages: Array.isArray(value) ? value : [], code: value.error?.code }
}

async function connect(on: Stage, node: number, params: Record<string, string> = {}) {
  const answer = await ask(on, node, 'connect', { v: '6', stream: 'false', ...params })
  const [connected] = answer.messages
  const path = encodeURIComponent(String(connected?.connectionDetails?.['connectionKey']))
  return { answer, connected: connected!, path, key: decodeURIComponent(path) }
}

ruleFile('transports', (rule) => {
  for (const [how, options] of [['streamed', COMET], ['polled', POLLED]] as const) {
    rule('T1', `the SDK over comet, ${how}`, async (t, on) => {
      const name = on.name(how)
      const client = on.client(t, 0, { ...options, clientId: 'ann' })
      const other = on.client(t, 2).channels.get(name)
      const channel = client.channels.get(name)
      const heard: string[] = []
      const heardByOther: string[] = []
      await channel.subscribe(({ data }) => void heard.push(data))
      await other.subscribe(({ data }) => void heardByOther.push(data))
      const sent = Array.from({ length: 60 }, (_, no) => `m${no}`)
      await Promise.all(sent.map((data, no) => (no % 2 ? other : channel).publish('n', data)))
      await until('all', () => heard.length >= 60 && heardByOther.length >= 60)
      t.same(heard, heardByOther, 'one order')
      t.same(heard.toSorted(), sent.toSorted())
      const entered = new Promise((resolve) => other.presence.subscribe('enter', resolve))
      await channel.presence.enter('here')
      await entered
      t.same((await other.presence.get()).map(({ clientId }) => clientId), ['ann'])
      t.ok((await client.connection.ping()) >= 0)
      const left = new Promise((resolve) => other.presence.subscribe('leave', resolve))
      client.close()
      await client.connection.once('closed')
      await left
    }, JSON_ONLY)
  }

  rule('T2', 'each request of a connection goes to another node', async (t, on) => {
    const { client, service } = await anywhere(t, on)
    const name = on.name('anywhere')
    const channel = client.channels.get(name)
    const heard: string[] = []
    await channel.subscribe(({ data }) => void heard.push(data))
    const publisher = on.client(t, 1).channels.get(name)
    const sent = Array.from({ length: 100 }, (_, no) => `m${no}`)
    for (const data of sent) await publisher.publish('n', data)
    await until('all', () => heard.length >= sent.length)
    t.same(heard, sent, 'in order, none lost or repeated')
    await Promise.all(sent.map((data) => channel.publish('n', `own-${data}`)))
    await until('its own', () => heard.length >= 200)
    t.same(heard.slice(100), sent.map((data) => `own-${data}`))
    t.ok(service.requestCount > 20)
    t.equal(client.connection.state, 'connected')
  }, JSON_ONLY)

  rule('T2', 'of several recvs the newest counts', async (t, on) => {
    const name = on.name('recvs')
    const { path } = await connect(on, 0)
    const recv = async (node: number) => ({ node, ...await ask(on, node, `${path}/recv`) })
    const SUBSCRIBE = 1 << 18
    await ask(on, 0, `${path}/send`, {}, [{ action: 10, channel: name, flags: SUBSCRIBE }])
    t.match(await recv(1), { messages: [{ action: 11, channel: name }] })
    const recvs = [recv(1), recv(2)]
    const replaced = await Promise.race(recvs)
    t.match(replaced, { status: 410, code: 80016 })
    const newest = recv(0)
    t.match(await recvs[2 - replaced.node], { status: 410, code: 80016 }, 'by the third')
    await on.client(t, 1).channels.get(name).publish('n', 'x')
    t.match(await newest, { status: 200, messages: [{ action: 15, messages: [{ data: 'x' }] }] })
  }, JSON_ONLY)

  rule('T3', 'a connection goes on from a socket to comet and back', async (t, on) => {
    const name = on.name('both')
    const socket = await on.socket(t, 0)
    const [{ connectionId, connectionDetails }] = socket.all as [Told]
    socket.send({ action: 10, channel: name })
    const { channelSerial } = await socket.next(({ action }) => action === 11)
    socket.cut()
    await on.client(t, 2).channels.get(name).publish('n', 'meanwhile')
    const resume = String(connectionDetails!['connectionKey'])
    const { connected, path, key } = await connect(on, 1, { resume })
    t.same([connected.connectionId, connected.error], [connectionId, undefined])
    await ask(on, 2, `${path}/send`, {}, [{ action: 10, channel: name, channelSerial }])
    const told: Told[] = []
    while (!told.some(({ action }) => action === 15)) {
      told.push(...(await ask(on, 0, `${path}/recv`)).messages)
    }
    const attached = told.find(({ action }) => action === 11)!
    t.ok((attached.flags! & 4) !== 0, 'RESUMED')
    t.equal(told.find(({ action }) => action === 15)!.messages![0]!['data'], 'meanwhile')
    const back = await on.socket(t, 2, { params: { resume: key } })
    t.same([back.all[0]!.connectionId, back.all[0]!.error], [connectionId, undefined])
    const last = await ask(on, 0, `${path}/recv`)
    t.ok(last.code === 80022 || last.messages.some(({ error }) => error?.code === 80016))
  }, JSON_ONLY)

  rule('T3', 'an SDK that hangs up and comes again has missed nothing', async (t, on) => {
    const name = on.name('gap')
    const { client } = await anywhere(t, on, COMET)
    const heard: string[] = []
    const channel = client.channels.get(name)
    await channel.subscribe(({ data }) => void heard.push(data))
    const { id } = client.connection
    const publisher = on.client(t, 2).channels.get(name)
    const sent = Array.from({ length: 60 }, (_, no) => `m${no}`)
    for (const [no, data] of sent.entries()) {
      await publisher.publish('n', data)
      if (no % 20 !== 10) continue
      await until('connected', () => client.connection.state === 'connected')
      const { connectionManager } = client.connection as unknown as {
        connectionManager: { activeProtocol: { transport: { disconnect(): void } } }
      }
      connectionManager.activeProtocol.transport.disconnect()
    }
    await until('all', () => heard.length >= sent.length)
    t.same(heard, sent)
    t.equal(client.connection.id, id)
  }, JSON_ONLY)

  rule('T4', 'who may not connect, by the SDK and by hand', async (t, on) => {
    const wrong = `${on.key.split(':')[0]}:wrong`
    const { reason } = await on.client(t, 0, COMET, wrong).connection.once('failed')
    t.equal(reason?.code, 40101)
    const { answer } = await connect(on, 1, { key: wrong })
    t.same([answer.status, answer.messages[0]!.action, answer.messages[0]!.error?.code],
      [401, 9, 40101])
    const old = await connect(on, 1, { v: '1' })
    t.same([old.answer.status, old.answer.messages[0]!.error?.code], [400, 40017])
    const failed = await connect(on, 1, { resume: '_____!ablyjs_test_fake-key____' })
    t.same([failed.answer.status, failed.connected.error?.code], [200, 80018])
  }, JSON_ONLY)

  rule('T4', 'what a later request shows is looked at', async (t, on) => {
    const { path, key } = await connect(on, 0, { clientId: 'ann' })
    const other = (await on.app({ keys: [{}] })).keys[0]!
    const forged = key.endsWith('-') ? '_' : '-'
    const cases: [string, Record<string, string>, number, number][] = [
      [`${path}/recv`, { key: `${on.key.split(':')[0]}:wrong` }, 401, 40101],
      [`${path}/recv`, { key: other }, 401, 40102],
      [`${path}/recv`, { clientId: 'bob' }, 401, 40102],
      [`${encodeURIComponent(`${key.slice(0, -1)}${forged}`)}/recv`, {}, 400, 80018],
      ['nobody/recv', {}, 400, 80018]
    ]
    for (const [where, params, status, code] of cases) {
      const answer = await ask(on, 1, where, params)
      t.same([answer.status, answer.code], [status, code], where.slice(-20))
    }
    const bad = await fetch(`${on.url(2)}/comet/${path}/send?key=${on.key}`, {
      method: 'POST', body: '{'
    })
    t.same([bad.status, (await bad.json() as { error: { code: number } }).error.code], [400, 40001])
    const post = await ask(on, 1, `${path}/recv`, {}, [])
    t.equal(post.status, 405)
  }, JSON_ONLY)

  rule('T5', 'a recv that nothing is said to is answered with a beat', async (t, on) => {
    const { path } = await connect(on, 0)
    const startMs = performance.now()
    const { status, messages } = await ask(on, 1, `${path}/recv`)
    const tookMs = performance.now() - startMs
    t.same([status, messages], [200, [{ action: 0 }]])
    t.ok(tookMs > 13_000 && tookMs < 17_000, `${tookMs} ms`)
  }, JSON_ONLY)

  rule('T6', 'close ends a connection, disconnect keeps it', async (t, on) => {
    for (const [wish, code] of [['close', 80017], ['disconnect', undefined]] as const) {
      const { path, key, connected } = await connect(on, 0)
      const recv = ask(on, 1, `${path}/recv`)
      t.equal((await ask(on, 2, `${path}/${wish}`)).status, 204)
      const told = await recv
      if (wish === 'close') t.same(told.messages.map(({ action }) => action), [8])
      const again = await connect(on, 1, { resume: key })
      t.equal(again.connected.error?.code, code)
      t.equal(again.connected.connectionId === connected.connectionId, code === undefined)
    }
  }, JSON_ONLY)

  rule('T7', 'pages of other origins may use it; nothing on the way keeps it', async (t, on) => {
    const asked = { origin: 'http://else.where', 'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type' }
    const preflight = await fetch(`${on.url(0)}/comet/x/send`, {
      method: 'OPTIONS', headers: asked
    })
    t.equal(preflight.status, 204)
    t.equal(preflight.headers.get('access-control-allow-origin'), 'http://else.where')
    t.match(preflight.headers.get('access-control-allow-methods'), /POST/)
    t.equal(preflight.headers.get('access-control-allow-headers'), 'content-type')
    const whole = await fetch(`${on.url(0)}/comet/x/send`, { method: 'OPTIONS' })
    const allowed = whole.headers.get('access-control-allow-headers')!.toLowerCase()
    for (const header of ['content-type', 'authorization', 'last-event-id', 'cache-control']) {
      t.ok(allowed.split(', ').includes(header), header)
    }
    for (const { headers } of [(await connect(on, 0)).answer, await ask(on, 0, 'nobody/recv')]) {
      t.equal(headers.get('access-control-allow-origin'), '*')
      t.equal(headers.get('content-type'), 'application/json')
      t.equal(headers.get('cache-control'), 'no-store')
      t.equal(headers.get('x-accel-buffering'), 'no')
    }
  }, JSON_ONLY)

  rule('T8', 'another token in place, through any node', async (t, on) => {
    const name = on.name('token')
    const rights = (...operations: string[]) => ({ capability: { [name]: operations } })
    const tokens = [rights('subscribe'), rights('subscribe', 'publish')]
      .map((options) => jwtOf(on.key, { clientId: 'ann', ...options }))
    const authCallback = callbackOf(() => tokens.shift()!)
    const { client } = await anywhere(t, on, { ...POLLED, authCallback })
    const channel = client.channels.get(name)
    const heard: string[] = []
    await channel.subscribe(({ data }) => void heard.push(data))
    t.equal((await errorOf(channel.publish('n', 'no'))).code, 40160)
    const { id } = client.connection
    await client.auth.authorize()
    await client.channels.get(name).publish('n', 'yes')
    await until('heard', () => heard.length > 0)
    t.same([heard, client.connection.id], [['yes'], id])
  }, JSON_ONLY)

  rule('T8', 'who had no name is given one', async (t, on) => {
    const name = on.name('named')
    const tokens = [undefined, 'ann'].map((clientId) => jwtOf(on.key, { clientId }))
    const authCallback = callbackOf(() => tokens.shift()!)
    const { client } = await anywhere(t, on, { ...POLLED, authCallback })
    const { id } = client.connection
    await client.auth.authorize()
    t.equal(client.auth.clientId, 'ann')
    const channel = client.channels.get(name)
    const heard: (string | undefined)[] = []
    await channel.subscribe(({ clientId }) => void heard.push(clientId))
    await channel.publish('n', 'x')
    await until('heard', () => heard.length > 0)
    t.same([heard, client.connection.id], [['ann'], id])
  }, JSON_ONLY)

  rule('T12', 'headers count more than the query, and say who the client is', async (t, on) => {
    const base64 = (text: string) => Buffer.from(text).toString('base64')
    const ask = (path: string, headers: Record<string, string>) =>
      fetch(`${on.url(1)}/${path}`, { headers }).then(async (response) => {
        const value = response.status === 200 && path.startsWith('sse') ? {}
          : await response.json() as any
        await response.body?.cancel().catch(() => undefined)
        return { status: response.status, value }
      })
    const key = { authorization: `Basic ${base64(on.key).replaceAll('=', '')}` }
    const ann = { 'x-ably-clientid': base64('ann') }
    const path = 'comet/connect?v=6&stream=false'
    const named = await ask(`${path}&key=a.b:c`, { ...key, ...ann })
    t.match(named.value, [{ action: 4, connectionDetails: { clientId: 'ann' } }])
    const bob = { authorization: `Bearer ${jwtOf(on.key, { clientId: 'bob' })}` }
    t.match(await ask(`${path}&key=${on.key}`, { ...bob, ...ann }),
      { value: [{ error: { code: 40102 } }] })
    const stream = `sse?v=3&channel=${on.name('named')}&key=${on.key}`
    t.match(await ask(stream, { ...bob, ...ann }), { value: { error: { code: 40102 } } })
    t.match(await ask(stream, { ...key, 'x-ably-clientid': '%' }),
      { value: { error: { code: 40012 } } })
    t.match(await ask(stream, { authorization: 'Basic %' }), { value: { error: { code: 40101 } } })
  }, JSON_ONLY)

  rule('R2', 'who asks for the head of a stream begins nothing', async (t, on) => {
    const connected = await fetch(`${on.url(0)}/comet/connect?v=6&stream=false&key=${on.key}`)
    const [{ connectionKey }] = await connected.json() as [{ connectionKey: string }]
    const own = `comet/${encodeURIComponent(connectionKey)}`
    for (const path of [`sse?v=3&channel=c&key=${on.key}`, `${own}/recv`, `${own}/close`]) {
      const { status } = await fetch(`${on.url(0)}/${path}`, { method: 'HEAD' })
      t.equal(status, 405, path)
    }
    const sent = await fetch(`${on.url(0)}/${own}/send?key=${on.key}`, {
      method: 'POST', body: JSON.stringify([{ action: 0, id: 'lives' }])
    })
    t.equal(sent.status, 204, 'the connection is there')
  }, JSON_ONLY)

  rule('T17', 'the check of the internet, by anybody', async (t, on) => {
    for (const node of [0, 1, 2]) {
      const url = `${on.url(node)}/is-the-internet-up.txt`
      const response = await fetch(url, { headers: { origin: 'http://other.example' } })
      t.equal(response.status, 200)
      t.match(response.headers.get('content-type'), /^text\/plain/)
      t.match(response.headers.get('access-control-allow-origin'), /^(\*|http:..other.example)$/)
      t.equal((await response.text()).trim(), 'yes')
    }
  }, JSON_ONLY)

  rule('T15', 'a stream of 200 channels with long names', async (t, on) => {
    const names = Array.from({ length: 200 }, (_, no) => `${on.name('x'.repeat(50))}-${no}`)
    const path = `/sse?v=3&key=${on.key}&enveloped=false&channels=${names.join(',')}`
    const publish = async (no: number) =>
      on.rest(0).channels.get(names[no]!).publish('n', `told ${no}`)
    const reader = await EventReader.open(t, on.url(1), path)
    await publish(199)
    await until('the first', () => reader.dataOf('message').length === 1)
    const { lastId } = reader
    t.ok(path.length + lastId.length > 32_000)
    reader.close()
    await publish(0)
    const back = await EventReader.open(t, on.url(2), path, { 'last-event-id': lastId })
    await until('what was missed', () => back.dataOf('message').length === 1)
    t.same(back.dataOf('message'), ['told 0'])
    const tooLong = await fetch(`${on.url(1)}/time?x=${'a'.repeat(130 * 1024)}`)
    t.equal(tooLong.status, 431)
  }, JSON_ONLY)

})
