import { decode } from '@msgpack/msgpack'
import { limits } from '../../src/base/limits.ts'
import { ruleFile, type Stage } from './support/rule.ts'

const basic = (key: string): string => `Basic ${Buffer.from(key).toString('base64')}`

/** The region's time, and what else holds for every answer. */
async function ask(on: Stage, path: string, init: RequestInit = {}): Promise<Response> {
  const accept = on.format === 'msgpack' ? 'application/x-msgpack' : 'application/json'
  const headers = { accept, authorization: basic(on.key), ...init.headers as object }
  return fetch(`${on.url(1)}${path}`, { ...init, headers })
}

async function valueOf(response: Response): Promise<any> {
  const isPacked = response.headers.get('content-type') === 'application/x-msgpack'
  return isPacked ? decode(new Uint8Array(await response.arrayBuffer())) : response.json()
}

ruleFile('rest', (rule) => {
  rule('R1', 'answers and errors are in the format that was asked for', async (t, on) => {
    const type = on.format === 'msgpack' ? 'application/x-msgpack' : 'application/json'
    const time = await ask(on, '/time')
    t.equal(time.headers.get('content-type'), type)
    t.ok(Math.abs((await valueOf(time))[0] - Date.now()) < 60_000)
    const missing = await ask(on, '/nowhere')
    t.equal(missing.headers.get('content-type'), type)
    t.equal(missing.headers.get('x-ably-errorcode'), '40400')
    t.ok(missing.headers.get('x-ably-errormessage'))
    t.match(await valueOf(missing), { error: { code: 40400, statusCode: 404 } })
    const byQuery = await fetch(`${on.url(0)}/time?format=${on.format}`)
    t.equal(byQuery.headers.get('content-type'), type)
  })
  rule('R1', 'an envelope', async (t, on) => {
    const wrapped = await fetch(`${on.url(0)}/nowhere?envelope=json`)
    t.equal(wrapped.status, 200)
    t.match(await wrapped.json(), {
      statusCode: 404,
      response: { error: { code: 40400 } },
      headers: { 'x-ably-errorcode': '40400' }
    })
  }, ['json'])
  rule('R2', 'paths, methods, versions, sizes', async (t, on) => {
    const told = async (path: string, init: RequestInit = {}): Promise<[number, number]> => {
      const response = await ask(on, path, init)
      return [response.status, (await valueOf(response)).error.code]
    }
    t.same(await told('/'), [404, 40400])
    t.same(await told('/chann%zzels'), [400, 40000])
    t.same(await told('/time', { method: 'PUT' }), [405, 40500])
    t.same(await told('/time', { headers: { 'x-ably-version': '99' } }), [400, 40017])
    const body = new Uint8Array(limits.requestBodyBytesMax + 1)
    const headers = { 'content-type': 'application/json' }
    t.same(await told('/time', { method: 'POST', body, headers }), [413, 40009])
    const head = await ask(on, '/time', { method: 'HEAD' })
    t.equal(head.status, 200)
    t.equal(await head.text(), '')
  })
  rule('R2', 'browsers may read all of it', async (t, on) => {
    const preflight = await fetch(`${on.url(0)}/channels/x/messages`, { method: 'OPTIONS' })
    t.equal(preflight.status, 204)
    t.equal(preflight.headers.get('access-control-allow-origin'), '*')
    t.match(preflight.headers.get('access-control-allow-headers'), /Authorization/)
    const time = await ask(on, '/time')
    t.match(time.headers.get('access-control-expose-headers'), /Link.*X-Ably-Errorcode/)
  }, ['json'])
})
