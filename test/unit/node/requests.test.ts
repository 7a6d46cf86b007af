import { decode, encode } from '@msgpack/msgpack'
import t from 'tap'
import { AppDirectory } from '../../../src/auth/app.ts'
import { DEFAULT_CAPABILITY } from '../../../src/auth/capability.ts'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import type { Call } from '../../../src/node/call.ts'
import { Outbox } from '../../../src/node/outbox.ts'
import type { RawRequest, Response } from '../../../src/node/request.ts'
import { Gatekeeper, type GatekeeperPorts } from '../../../src/node/gatekeeper.ts'
import type { RequestPorts } from '../../../src/node/request-ports.ts'
import { Requests } from '../../../src/node/requests.ts'
import type { Route } from '../../../src/node/routes.ts'

const basic = (key: string): string => `Basic ${Buffer.from(key).toString('base64')}`
const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** Requests to routes of the test's own, answered in virtual time. */
class Bench {
  readonly outbox = new Outbox()
  readonly deadlines = new Deadlines()
  readonly calls: Call[] = []
  readonly responses: Response[] = []
  readonly events: unknown[] = []
  readonly unproven: unknown[] = []
  readonly requests: Requests
  nowMs = 0

  constructor(others: Route[] = []) {
    const routes: Route[] = [
      { method: 'GET', pattern: '/things/*', handle: (call) => void this.calls.push(call) },
      { method: 'POST', pattern: '/things/*', handle: (call) => void this.calls.push(call) },
      { method: 'GET', pattern: '/open', isOpen: true, handle: (call) => call.answer(200, [1]) },
      ...others
    ]
    const { outbox, deadlines } = this
    const now = () => ({ monoMs: this.nowMs, wallMs: this.nowMs })
    const judge = <T>(proven: T): T => proven
    const gate = new Gatekeeper({ now, judge } as GatekeeperPorts)
    const events = {
      onRequest: (_: unknown, told: unknown) => void this.events.push(told),
      onUnproven: (...told: unknown[]) => void this.unproven.push(told)
    }
    const ports = { outbox, deadlines, now, gate, events } as unknown as RequestPorts
    this.requests = new Requests('server', ports, routes)
    const key = { id: 'k', secret: 's', capability: DEFAULT_CAPABILITY, revocableTokens: false }
    gate.onApps(
      new AppDirectory([{ appId: 'app', keys: [key], namespaces: [], limits: {} }]))
  }

  ask(target: string, options: Partial<RawRequest> = {}): void {
    const authorization = basic('app.k:s')
    const request = { method: 'GET', target, headers: { authorization }, body: undefined,
      isTls: false, ...options }
    const respond = (response: Response): void => void this.responses.push(response)
    this.requests.onRequest(request, { respond })
  }

  /** The answers since the last call. */
  told(): { status: number; headers: Response['headers']; value: any }[] {
    for (const { responder, response } of this.outbox.takeResponses()) responder.respond(response)
    return this.responses.splice(0).map(({ statusCode: status, headers, body }) => {
      const isPacked = headers['content-type'] === 'application/x-msgpack'
      const value = body === undefined ? undefined
        : isPacked ? decode(body) : JSON.parse(Buffer.from(body).toString())
      return { status, headers, value }
    })
  }
}

t.test('unknown paths are 404, known ones with another method 405', async (t) => {
  const bench = new Bench()
  bench.ask('/nothing')
  bench.ask('/things')
  bench.ask('/things/1', { method: 'DELETE' })
  const [nothing, short, wrong] = bench.told()
  t.match(nothing, { status: 404, value: { error: { code: 40400, statusCode: 404 } } })
  t.equal(nothing!.headers['content-type'], 'application/json')
  t.equal(nothing!.headers['x-ably-errorcode'], '40400')
  t.equal(short!.status, 404)
  t.match(wrong, { status: 405, value: { error: { code: 40500 } } })
  t.equal(wrong!.headers['allow'], 'GET, POST')
})

t.test('what a path names and is not there is 404, whatever the method', async (t) => {
  const isThere = ([id]: readonly string[]): boolean => id === '1'
  const bench = new Bench([{ method: 'POST', pattern: '/keys/*', isThere, handle: () => {} }])
  bench.ask('/keys/1')
  bench.ask('/keys/2')
  t.same(bench.told().map(({ status }) => status), [405, 404])
})

t.test('versions 2 to 6 are spoken, by header or query', async (t) => {
  const bench = new Bench()
  const authorization = basic('app.k:s')
  const version = (v: string) => ({ headers: { authorization, 'x-ably-version': v } })
  for (const v of ['1.2', '1', '7', 'x']) {
    bench.ask('/things/1', version(v))
    t.match(bench.told(), [{ status: 400, value: { error: { code: 40017 } } }], v)
  }
  bench.ask('/things/1')
  bench.ask('/things/1?v=3')
  bench.ask('/things/1', version('6'))
  t.same(bench.calls.map((call) => call.version), [2, 3, 6])
  for (const call of bench.calls) call.answer(204)
  t.match(bench.told().map(({ headers }) => headers['x-ably-version']), [undefined, '3', '6'])
})

t.test('who asks is proven by header or query', async (t) => {
  const bench = new Bench()
  const rows: [string, Record<string, string>, number | string][] = [
    ['/things/1', {}, 40101],
    ['/things/1', { authorization: basic('app.k:wrong') }, 40101],
    ['/things/1', { authorization: 'Basic ???' }, 40101],
    ['/things/1', { authorization: basic('other.k:s') }, 40101],
    ['/things/1?key=app.k:s', {}, '*'],
    ['/things/1', { authorization: basic('app.k:s').replace('Basic', 'basic') }, '*'],
    ['/things/1', { authorization: basic('app.k:s'), 'x-ably-clientid': base64('bøb') }, 'bøb'],
    ['/things/1', { authorization: basic('app.k:s'), 'x-ably-clientid': base64('*') }, 40012],
    ['/things/1', { authorization: basic('app.k:s'), 'x-ably-clientid': '???' }, 40012]
  ]
  for (const [target, headers, outcome] of rows) {
    bench.ask(target, { headers })
    const call = bench.calls.pop()
    call?.answer(204)
    const [told] = bench.told()
    t.equal(call?.caller.credentials.clientId ?? told?.value.error.code, outcome, `${outcome}`)
  }
  bench.ask('/open', { headers: {} })
  t.match(bench.told(), [{ status: 200, value: [1] }], 'what is open asks nobody')
})

t.test('answers are in the format that was asked for, errors too', async (t) => {
  const bench = new Bench()
  const headers = { accept: 'application/x-msgpack' }
  bench.ask('/open', { headers })
  bench.ask('/nothing', { headers })
  const [ok, missing] = bench.told()
  t.match(ok, { status: 200, value: [1], headers: { 'content-type': 'application/x-msgpack' } })
  t.match(missing, { status: 404, value: { error: { code: 40400 } } })
  t.equal(missing!.headers['content-type'], 'application/x-msgpack')
})

t.test('an envelope holds status, headers and answer; MessagePack has none', async (t) => {
  const bench = new Bench()
  bench.ask('/nothing?envelope=json')
  bench.ask('/open?envelope=json&format=msgpack')
  const [wrapped, plain] = bench.told()
  t.match(wrapped, { status: 200, value: {
    statusCode: 404, response: { error: { code: 40400 } }, headers: { 'x-ably-errorcode': '40400' }
  } })
  t.same(plain!.value, [1])
})

t.test('bodies are JSON, MessagePack or a form by their Content-Type', async (t) => {
  const bench = new Bench()
  const authorization = basic('app.k:s')
  const post = (type: string, body: Uint8Array): unknown => {
    const headers = { authorization, 'content-type': type }
    bench.ask('/things/1', { method: 'POST', body, headers })
    const read = bench.calls.pop()!.body()
    return read.ok ? read.value : read.error.info.code
  }
  t.same(post('application/json; charset=utf-8', Buffer.from('{"a":1}')), { a: 1 })
  t.same(post('application/x-msgpack', encode({ a: 1 })), { a: 1 })
  t.same(post('application/x-www-form-urlencoded', Buffer.from('name=a+b&data=%2B')),
    { name: 'a b', data: '+' })
  t.equal(post('application/json', Buffer.from('{')), 40001)
  t.equal(post('application/json', Buffer.from('')), 40001)
})

t.test('a request without answer ends at its deadline, once', async (t) => {
  const bench = new Bench()
  bench.ask('/things/1')
  bench.deadlines.fire(limits.requestAnswerMs - 1)
  t.same(bench.told(), [])
  bench.deadlines.fire(limits.requestAnswerMs)
  t.match(bench.told(), [{ status: 503, value: { error: { code: 50003 } } }])
  bench.calls[0]!.answer(200, [])
  t.same(bench.told(), [], 'what comes later is nobody\'s')
  t.equal(bench.requests.count, 0)
  t.equal(bench.deadlines.size, 0)
})

t.test('requests under way are bounded, in number and in bytes', async (t) => {
  const bench = new Bench()
  const bytes = Math.ceil(limits.requestBytesPerWorkerMax / 4)
  const body = new Uint8Array(bytes)
  for (let at = 0; at < 4; at++) bench.ask('/things/1', { method: 'POST', body })
  bench.ask('/things/1', { method: 'POST', body: new Uint8Array(1) })
  t.match(bench.told(), [{ status: 503, value: { error: { code: 50004 } } }])
  for (const call of bench.calls.splice(0)) call.answer(204)
  bench.told()
  for (let at = 0; at < limits.requestsPerWorkerMax; at++) bench.ask('/things/1')
  t.equal(bench.requests.count, limits.requestsPerWorkerMax)
  bench.ask('/open')
  t.match(bench.told(), [{ status: 503, value: { error: { code: 50004 } } }])
})
