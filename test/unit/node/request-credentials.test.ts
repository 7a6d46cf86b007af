import t from 'tap'
import { issueAblyToken } from '../../../src/auth/ably-token.ts'
import { DEFAULT_CAPABILITY } from '../../../src/auth/capability.ts'
import type { Request } from '../../../src/node/request.ts'
import { authenticateRequest, showsCredentials } from '../../../src/node/request-credentials.ts'
import { directoryOf, jwt, NOW_MS, SECRET } from '../auth/tokens.ts'

const directory = directoryOf()
const KEY = `AbC123.k1:${SECRET}`

const base64 = (text: string): string => Buffer.from(text).toString('base64')

function request(
  headers: Record<string, string> = {}, query: Record<string, string> = {}
): Request {
  return {
    method: 'GET', path: ['x'], headers, query: new Map(Object.entries(query)), body: undefined,
    isTls: false
  }
}

function ably(clientId?: string): string {
  const expiresAtMs = NOW_MS + 60_000
  const grant = { issuedAtMs: NOW_MS, expiresAtMs, capability: DEFAULT_CAPABILITY, clientId }
  return issueAblyToken(directory.key('AbC123.k1')!, grant)
}

/** Who it is, or the code of its error. */
function judge(asked: Request, nowMs = NOW_MS): unknown {
  const proven = authenticateRequest(asked, directory, nowMs)
  if (!proven.ok) return proven.error.info.code
  const { clientId, token } = proven.credentials
  return [clientId, token?.kind ?? 'key']
}

t.test('a key or a token is taken from the header or the query, in all their forms', async (t) => {
  const named = (clientId: string): string => jwt({ 'x-ably-clientId': clientId })
  const cases: readonly [Request, unknown][] = [
    [request(), 40101],
    [request({ authorization: `Basic ${base64(KEY)}` }), ['*', 'key']],
    [request({ authorization: `basic  ${base64(KEY)} ` }), ['*', 'key']],
    [request({ authorization: `Basic ${base64('AbC123.k1:other')}` }), 40101],
    [request({ authorization: 'Basic !' }), 40101],
    [request({}, { access_token: jwt({}, { kid: 'AbC123.k9' }) }), 40400],
    [request({}, { access_token: jwt({}, { kid: 'Nobody.k9' }) }), 40400],
    [request({ authorization: base64(KEY) }), 40101],
    [request({}, { key: KEY }), ['*', 'key']],
    [request({ authorization: `Bearer ${ably()}` }), [undefined, 'ably']],
    [request({ authorization: `Bearer ${base64(ably())}` }), [undefined, 'ably']],
    [request({ authorization: `bearer ${named('me')}` }), ['me', 'jwt']],
    [request({ authorization: `Bearer ${base64(named('me'))}` }), ['me', 'jwt']],
    [request({}, { access_token: ably('me') }), ['me', 'ably']],
    [request({}, { accessToken: named('*') }), ['*', 'jwt']],
    [request({}, { key: '', access_token: ably() }), [undefined, 'ably']],
    [request({ authorization: 'Bearer nonsense' }), 40145],
    [request({ authorization: `Bearer ${base64('a.b.c')}` }), 40144],
    [request({ authorization: `Bearer ${ably()}` }, { key: KEY }), [undefined, 'ably']],
    [request({}, { access_token: `${ably()}A` }), 40143]
  ]
  for (const [asked, expected] of cases) {
    t.same(judge(asked), expected, JSON.stringify(asked.headers))
  }
  t.equal(judge(request({}, { access_token: ably() }), NOW_MS + 60_000), 40142)
})

t.test('X-Ably-ClientId says who a key is, and must be whom a token is for', async (t) => {
  const asked = { 'x-ably-clientid': base64('me') }
  const cases: readonly [Request, unknown][] = [
    [request(asked, { key: KEY }), ['me', 'key']],
    [request(asked, { access_token: ably('me') }), ['me', 'ably']],
    [request(asked, { access_token: ably('*') }), ['me', 'ably']],
    [request(asked, { access_token: ably('you') }), 40102],
    [request(asked, { access_token: ably() }), 40102],
    [request({ 'x-ably-clientid': base64('*') }, { key: KEY }), 40012],
    [request({ 'x-ably-clientid': 'm!' }, { key: KEY }), 40012],
    [request({ 'x-ably-clientid': base64('Zoë') }, { key: KEY }), ['Zoë', 'key']]
  ]
  for (const [one, expected] of cases) t.same(judge(one), expected)
})

t.test('who shows nothing at all is told from who shows something wrong', async (t) => {
  t.notOk(showsCredentials(request()))
  t.notOk(showsCredentials(request({ authorization: 'nonsense' })))
  t.ok(showsCredentials(request({ authorization: 'Basic !' })))
  t.ok(showsCredentials(request({ authorization: 'Bearer x' })))
  t.ok(showsCredentials(request({}, { key: 'x' })))
})
