import { request } from 'node:http'
import { limits } from '../../src/base/limits.ts'
import { answerTo } from '../support/raw-request.ts'
import { ask, basic, pathOf, refusalOf, TYPES, valueOf } from './support/rest-kit.ts'
import { ruleFile, type Stage } from './support/rule.ts'

/** What is told to a request that says how large its body will be, and waits with sending it. */
function refusalOfAnnounced(on: Stage, bytes: number): Promise<(number | undefined)[]> {
  const headers = { 'content-type': 'application/json', 'content-length': bytes }
  return new Promise((resolve, reject) => {
    const asked = request(`${on.url(0)}/time`, { method: 'POST', headers }, (told) => {
      resolve([told.statusCode, Number(told.headers['x-ably-errorcode'])])
      asked.destroy()
    })
    asked.once('error', reject)
    asked.flushHeaders()
  })
}

/** What is told to a request that is sent whole, on a connection that is to end with it. */
function refusalOfSent(on: Stage, body: string): Promise<(number | undefined)[]> {
  const options = { method: 'POST', agent: false, headers: { connection: 'close' } }
  return new Promise((resolve, reject) => {
    const asked = request(`${on.url(0)}/time`, options, (told) => {
      resolve([told.statusCode, Number(told.headers['x-ably-errorcode'])])
      asked.destroy()
    })
    asked.once('error', reject)
    asked.end(body)
  })
}

ruleFile('rest', (rule) => {
  rule('R1', 'answers and errors are in the format that was asked for', async (t, on) => {
    const type = TYPES[on.format]
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
    t.ok(Math.abs((await on.rest(0).time()) - Date.now()) < 60_000, 'as the SDK reads it')
  })

  rule('R1', 'of several formats the one that is wanted most', async (t, on) => {
    const other = on.format === 'json' ? 'application/x-msgpack' : 'application/json'
    const wanted = TYPES[on.format]
    const cases = [
      `${other};q=0, ${wanted}`, `${other}; q=0.5, ${wanted.toUpperCase()};q=0.7`,
      `${wanted}, ${other}`, `text/html, ${other};q=0.1, ${wanted};Q=0.2`
    ]
    for (const accept of cases) {
      const { headers } = await fetch(`${on.url(1)}/time`, { headers: { accept } })
      t.equal(headers.get('content-type'), wanted, accept)
    }
  })

  rule('R1', 'what is no request at all', async (t, on) => {
    const head = 'x'.repeat(limits.requestHeadBytesMax + 1)
    const cases = [
      [`GET /time HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${head}\r\n\r\n`, 431],
      ['nonsense\r\n\r\n', 400]
    ] as const
    for (const [text, statusCode] of cases) {
      const answer = await answerTo(on.url(0), text)
      const [head = '', body = ''] = answer.split('\r\n\r\n')
      t.match(head, new RegExp(`^HTTP/1.1 ${statusCode} `))
      t.match(head, /x-ably-errorcode: 40000/i)
      t.match(head, /access-control-allow-origin: \*/i)
      t.match(JSON.parse(body), { error: { code: 40000, statusCode, message: String } })
    }
  }, ['json'])

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
    t.same(await refusalOf(ask(on, '/')), [404, 40400])
    t.same(await refusalOf(ask(on, '/chann%zzels')), [400, 40000])
    t.same(await refusalOf(ask(on, '/time', { method: 'PUT' })), [405, 40500])
    t.same(await refusalOf(ask(on, '/keys/no.key/requestToken')), [404, 40400])
    t.same(await refusalOf(ask(on, '/time', { headers: { 'x-ably-version': '99' } })), [400, 40017])
    const large = await refusalOfAnnounced(on, limits.requestBodyBytesMax + 1)
    t.same(large, [413, 40009])
    const head = await ask(on, '/time', { method: 'HEAD' })
    t.equal(head.status, 200)
    t.equal(await head.text(), '')
  })

  rule('R2', 'who sends a body that is too large hears so, and is heard out', async (t, on) => {
    const length = limits.requestBodyBytesMax + 1
    const head = 'POST /channels/x/messages HTTP/1.1\r\nhost: a\r\n'
    const body = 'x'.repeat(length)
    const chunk = `${length.toString(16)}\r\n${body}\r\n`
    const next = 'GET /time HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'
    const cases = [
      [`${head}content-length: ${length}\r\n\r\n`, `${body}${next}`],
      [`${head}transfer-encoding: chunked\r\n\r\n${chunk}`, `${chunk}0\r\n\r\n${next}`]
    ] as const
    for (const [text, then] of cases) {
      const answer = await answerTo(on.url(0), text, then)
      t.match(answer, /^HTTP\/1.1 413 .*"code":40009.*HTTP\/1.1 200 .*\[\d+\]$/s)
    }
    t.same(await refusalOfSent(on, body.repeat(4)), [413, 40009], 'also who wants to end with it')
  }, ['json'])

  rule('R2', 'an offer to go on in HTTP/2 is nothing to a request', async (t, on) => {
    const offer = 'connection: Upgrade, HTTP2-Settings, close\r\nupgrade: h2c\r\n'
    for (const [path, told] of [['/time', /^HTTP\/1.1 200 /], ['/', /"code":40400/]] as const) {
      t.match(await answerTo(on.url(0), `GET ${path} HTTP/1.1\r\nhost: a\r\n${offer}\r\n`), told)
    }
  }, ['json'])

  rule('R21', 'a region that is in no world tells of none', async (t, on) => {
    const path = '/.well-known/ringcast/regions'
    t.same(await refusalOf(ask(on, path)), [404, 40400])
    t.same(await refusalOf(fetch(`${on.url(2)}${path}`)), [404, 40400], 'whoever asks')
  })

  rule('R2', 'browsers may read all of it', async (t, on) => {
    const preflight = await fetch(`${on.url(0)}/channels/x/messages`, { method: 'OPTIONS' })
    t.equal(preflight.status, 204)
    t.equal(preflight.headers.get('access-control-allow-origin'), '*')
    t.match(preflight.headers.get('access-control-allow-headers'), /Authorization/)
    const time = await ask(on, '/time')
    t.match(time.headers.get('access-control-expose-headers'), /Link.*X-Ably-Errorcode/)
    const headers = {
      origin: 'http://else.where', 'access-control-request-headers': 'authorization,x-own'
    }
    const asked = await fetch(`${on.url(0)}/time`, { method: 'OPTIONS', headers })
    t.equal(asked.headers.get('access-control-allow-headers'), 'authorization,x-own')
    for (const answer of [asked, await ask(on, '/time', { headers })]) {
      // With credentials a browser wants its own origin named.
      t.equal(answer.headers.get('access-control-allow-origin'), 'http://else.where')
      t.equal(answer.headers.get('access-control-allow-credentials'), 'true')
      t.match(answer.headers.get('vary'), /Origin/)
    }
  }, ['json'])

  rule('R3', 'who asks', async (t, on) => {
    const { keys: [all, limited] } = await on.app({
      keys: [{}, { capability: '{"in:*":["subscribe"]}' }]
    })
    const value = { data: 'x' }
    const put = (authorization: string, node = 0) =>
      refusalOf(ask(on, pathOf('c', '/messages'), { node, value, headers: { authorization } }))
    t.same(await put(basic(all!)), [201, 0])
    t.same(await put(basic(all!), 2), [201, 0], 'on every node')
    t.same(await put(basic(`${all}x`)), [401, 40101])
    t.same(await put(basic('nobody.k:s')), [401, 40101])
    t.same(await put('Basic %%%'), [401, 40101])
    t.same(await put(basic(limited!)), [401, 40160])
    const none = await fetch(`${on.url(0)}/channels/c/messages`, { method: 'POST' })
    t.equal(none.status, 401)
    const byQuery = await fetch(`${on.url(0)}/channels/c/messages?key=${all}`, {
      method: 'POST', body: '{"data":"x"}', headers: { 'content-type': 'application/json' }
    })
    t.equal(byQuery.status, 201)
  })

  rule('R3', 'names of channels', async (t, on) => {
    const names = [
      'slash/es//and:colons', 'per%2Fcent 100%', 'plus+and space', '"quotes\'', '?#[x]', '你好 🎈'
    ]
    for (const base of names) {
      const name = `${base}${on.name('')}`
      const heard = new Promise<unknown>((resolve) => {
        void on.client(t, 2).channels.get(name).subscribe(({ data }) => resolve(data))
          .then(() => on.rest(0).channels.get(name).publish('n', base))
      })
      t.equal(await heard, base)
    }
    const value = { data: 'x' }
    for (const bad of ['', ':x', '[x]y', '[meta]x', '[filter=bmFtZQ==]x', 'x'.repeat(3_000)]) {
      const told = await refusalOf(ask(on, pathOf(bad, '/messages'), { value }))
      t.same(told, [400, 40010], bad.slice(0, 30))
    }
    for (const kind of ['[meta]', '[filter=bmFtZQ==]']) {
      for (const rest of ['', '/messages', '/messages/x', '/presence', '/presence/history']) {
        const told = await refusalOf(ask(on, pathOf(`${kind}x`, rest)))
        t.same(told, [400, 40010], `${kind}${rest}`)
      }
    }
  })
})
