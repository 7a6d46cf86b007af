import { createHmac } from 'node:crypto'
import t from 'tap'
import { issueAblyToken } from '../../../src/auth/ably-token.ts'
import { DEFAULT_CAPABILITY, capabilityText, parseCapability }
  from '../../../src/auth/capability.ts'
import type { Authenticated } from '../../../src/auth/key.ts'
import { withKey } from '../../../src/auth/key.ts'
import { authenticateToken, bearerToken } from '../../../src/auth/token.ts'
import { limits } from '../../../src/base/limits.ts'
import { directoryOf, jwt, NOW_MS, SECRET } from './tokens.ts'

const directory = directoryOf()
const HOUR_MS = 3_600_000

function ably(keyName = 'AbC123.k1', clientId?: string, capability = DEFAULT_CAPABILITY): string {
  const grant = { issuedAtMs: NOW_MS, expiresAtMs: NOW_MS + HOUR_MS, capability, clientId }
  return issueAblyToken(directory.key(keyName)!, grant)
}

function codeOf(result: Authenticated): number | undefined {
  return result.ok ? undefined : result.error.info.code
}

function prove(text: string, clientId?: string, nowMs = NOW_MS): Authenticated {
  return authenticateToken(text, directory, nowMs, clientId)
}

t.test('an Ably token says who has it and what it grants, to every node', async (t) => {
  const parsed = parseCapability({ 'b:ü': ['publish'], a: ['subscribe'] })
  const token = ably('AbC123.k1', 'Zoë "*"', parsed.ok ? parsed.capability : undefined)
  t.match(token, /^AbC123\.[A-Za-z0-9_-]+$/)
  const result = authenticateToken(token, directoryOf(), NOW_MS)
  t.match(result, {
    ok: true,
    credentials: {
      appId: 'AbC123', keyName: 'AbC123.k1', clientId: 'Zoë "*"',
      token: { kind: 'ably', issuedAtMs: NOW_MS, expiresAtMs: NOW_MS + HOUR_MS }
    }
  })
  t.equal(result.ok && capabilityText(result.credentials.capability),
    '{"a":["subscribe"],"b:ü":["publish"]}')
  t.match(prove(ably()), { credentials: { clientId: undefined } })
})

t.test('an Ably token ends with its time, its key and the secret of its key', async (t) => {
  const token = ably()
  t.equal(codeOf(prove(token, undefined, NOW_MS + HOUR_MS - 1)), undefined)
  t.equal(codeOf(prove(token, undefined, NOW_MS + HOUR_MS)), 40142)
  const changes: Parameters<typeof directoryOf>[0][] = [
    (apps) => apps.shift(),
    (apps) => apps[0]!.keys.shift(),
    (apps) => Object.assign(apps[0]!.keys[0]!, { secret: 'sec-ret_9' })
  ]
  for (const change of changes) {
    t.equal(codeOf(authenticateToken(token, directoryOf(change), NOW_MS)), 40143)
  }
})

t.test('no text but the one that was issued is an Ably token', async (t) => {
  const token = ably('AbC123.k1', 'me')
  for (let at = 0; at < token.length; at++) {
    const letter = token[at] === 'A' ? 'B' : 'A'
    const changed = token.slice(0, at) + letter + token.slice(at + 1)
    if (prove(changed).ok) t.fail(`letter ${at}`)
  }
  for (const length of [token.length - 1, 20, 10, 8]) {
    t.notOk(prove(token.slice(0, length)).ok)
    t.notOk(prove(`${token}${'A'.repeat(length)}`).ok)
  }
  t.equal(codeOf(prove(`Other1.${token.split('.')[1]}`)), 40143, 'an app with the same secret')
  // A proof by the secret itself, which is what signs JWTs and token requests.
  const facts = JSON.stringify([1, 'k1', NOW_MS, HOUR_MS, '{"*":["*"]}', null])
  const mac = createHmac('sha256', SECRET).update(`AbC123.${facts}`).digest()
  const forged = Buffer.concat([mac, Buffer.from(facts)]).toString('base64url')
  t.equal(codeOf(prove(`AbC123.${forged}`)), 40143)
})

t.test('what has not the form of a token is told from one that is not known', async (t) => {
  const cases: readonly [string, number][] = [
    ['', 40145], ['token', 40145], ['AbC123.', 40144], ['.abc', 40144], ['AbC123.a b', 40144],
    ['AbC123.abc', 40143], ['AbC123.W10', 40143], [`AbC123.${'A'.repeat(100)}`, 40143],
    [`AbC123.${'A'.repeat(limits.tokenLengthMax)}`, 40145], ['a.b.c', 40144], ['a.b.c.d', 40144],
    ['..', 40144], ['e30.e30.e30', 40144], ['W10.e30.e30', 40144], ['this.is:wrong', 40144]
  ]
  for (const [text, code] of cases) t.equal(codeOf(prove(text)), code, text.slice(0, 40))
})

t.test('a clientId is asked for by those alone who may be that one', async (t) => {
  const cases: readonly [string | undefined, string | undefined, string | number | undefined][] = [
    [undefined, undefined, undefined], [undefined, 'me', 40102], ['me', undefined, 'me'],
    ['me', 'me', 'me'], ['me', 'you', 40102], ['*', undefined, '*'], ['*', 'me', 'me']
  ]
  for (const [given, asked, expected] of cases) {
    for (const token of [ably('AbC123.k1', given), jwt({ 'x-ably-clientId': given })]) {
      const result = prove(token, asked)
      t.equal(result.ok ? result.credentials.clientId : codeOf(result), expected)
    }
  }
})

t.test('a JWT is proven by the key that it names', async (t) => {
  const token = jwt({
    'x-ably-capability': '{"a:b":["publish"]}',
    'x-ably-clientId': 'me',
    'x-ably-revocation-key': 'group',
    'ably.channel.*': 'some',
    'ably.channel.a:*': 'narrower',
    'ably.channel.a:b': 'narrowest',
    'ably.limits.publish.perAttachment.maxRate.a:*': 0.5
  })
  const result = prove(token)
  t.match(result, {
    ok: true,
    credentials: {
      appId: 'AbC123', keyName: 'AbC123.k1', clientId: 'me',
      token: {
        kind: 'jwt', issuedAtMs: NOW_MS, expiresAtMs: NOW_MS + HOUR_MS, revocationKey: 'group',
        publishRates: [{ value: 0.5 }]
      }
    }
  })
  t.strictSame(result.ok && result.credentials.token?.userClaims?.map(({ value }) => value),
    ['narrowest', 'narrower', 'some'])
  t.equal(result.ok && capabilityText(result.credentials.capability), '{"a:b":["publish"]}')
})

t.test('a JWT may no more than its key may at the moment', async (t) => {
  const claims = { 'x-ably-capability': '{"*":["publish"]}' }
  const token = jwt(claims, { kid: 'AbC123.k2' }, 'sec-ret_2')
  const all = jwt({}, { kid: 'AbC123.k2' }, 'sec-ret_2')
  const shrunk = directoryOf((apps) =>
    Object.assign(apps[0]!.keys[1]!, { capability: { 'a:b': ['publish', 'history'] } }))
  const cases = [
    [token, directory, '{"a:*":["publish"]}'], [all, directory, '{"a:*":["publish","subscribe"]}'],
    [token, shrunk, '{"a:b":["publish"]}'], [all, shrunk, '{"a:b":["history","publish"]}']
  ] as const
  for (const [text, keys, expected] of cases) {
    const before = authenticateToken(text, directory, NOW_MS)
    if (!before.ok) return t.fail('it is proven')
    const now = withKey(before.credentials, keys.key('AbC123.k2')!.key)
    t.equal(capabilityText(now.capability), expected)
    const anew = authenticateToken(text, keys, NOW_MS)
    t.equal(anew.ok && capabilityText(anew.credentials.capability), expected)
  }
  const granted = prove(ably())
  if (!granted.ok) return t.fail('it is proven')
  t.equal(withKey(granted.credentials, shrunk.key('AbC123.k2')!.key), granted.credentials)
})

t.test('a JWT that is not as it should be is refused', async (t) => {
  const iat = NOW_MS / 1000
  const cases: readonly [string, string, number][] = [
    ['another secret', jwt({}, {}, 'sec-ret_2'), 40144],
    ['no signature', jwt({}, {}, SECRET, ''), 40144],
    ['a short signature', jwt().slice(0, -8), 40144],
    ['no algorithm', jwt({}, { alg: 'none' }, SECRET, ''), 40144],
    ['no algorithm, signed', jwt({}, { alg: 'none' }), 40144],
    ['an algorithm of key pairs', jwt({}, { alg: 'RS256' }), 40144],
    ['a longer hash', jwt({}, { alg: 'HS512' }), 40144],
    ['an algorithm in other letters', jwt({}, { alg: 'hs256' }), 40144],
    ['a list of algorithms', jwt({}, { alg: ['HS256'] }), 40144],
    ['what we do not know', jwt({}, { crit: ['exp'] }), 40144],
    ['no key', jwt({}, { kid: undefined }), 40144],
    ['a key as a list', jwt({}, { kid: ['AbC123.k1'] }), 40144],
    ['a path as key', jwt({}, { kid: '../../dev/null' }), 40144],
    ['a prototype as key', jwt({}, { kid: '__proto__' }), 40144],
    ['a key with its secret', jwt({}, { kid: `AbC123.k1:${SECRET}` }), 40144],
    ['a key of its own', jwt({}, { kid: undefined, jwk: { k: 'eA' } }, 'x'), 40144],
    ['another key', jwt({}, { kid: 'AbC123.k2' }), 40144],
    ['a key that is not there', jwt({}, { kid: 'AbC123.k9' }), 40101],
    ['an app that is not there', jwt({}, { kid: 'AbC999.k1' }), 40101],
    ['no end', jwt({ exp: undefined }), 40144],
    ['no beginning', jwt({ iat: undefined }), 40144],
    ['an end that is no number', jwt({ exp: `${iat + 60}` }), 40144],
    ['an end without end', jwt({ exp: 1e999 }), 40144],
    ['over', jwt({ iat: iat - 60, exp: iat }), 40142],
    ['over before it begins', jwt({ exp: iat - 1 }), 40144],
    ['more than a day', jwt({ exp: iat + 86_401 }), 40144],
    ['not yet', jwt({ iat: iat + 600, exp: iat + 700 }), 40144],
    ['valid later', jwt({ nbf: iat + 600 }), 40144],
    ['a clientId that is no text', jwt({ 'x-ably-clientId': 5 }), 40144],
    ['a revocation key that is none', jwt({ 'x-ably-revocation-key': {} }), 40144],
    ['a capability that is none', jwt({ 'x-ably-capability': '{"a":["shout"]}' }), 40144],
    ['a claim that is no text', jwt({ 'ably.channel.a': 5 }), 40144],
    ['a claim about nothing', jwt({ 'ably.channel.': 'x' }), 40144],
    ['a claim too long', jwt({ 'ably.channel.a': 'x'.repeat(2_000) }), 40144],
    ['a rate that is none', jwt({ 'ably.limits.publish.perAttachment.maxRate.a': -1 }), 40144],
    ['too long', jwt({ x: 'x'.repeat(limits.tokenLengthMax) }), 40144]
  ]
  for (const [what, token, code] of cases) {
    const result = prove(token)
    t.equal(codeOf(result), code, what)
    t.notOk(JSON.stringify(result).includes('sec-ret'), 'no secret is told')
  }
  t.ok(prove(jwt({ iat: iat + 60, exp: iat + 120 })).ok, 'clocks differ a little')
  t.ok(prove(jwt({ exp: iat + 86_400 })).ok, 'a day')
  const revocable = (exp: number): Authenticated =>
    prove(jwt({ exp }, { kid: 'AbC123.kr' }, 'sec-ret_3'))
  t.ok(revocable(iat + 3_600).ok, 'an hour where tokens can be revoked')
  t.equal(codeOf(revocable(iat + 3_601)), 40144)
})

t.test('an envelope carries a token, and says nothing itself', async (t) => {
  const inner = ably('AbC123.k1', 'me')
  const foreign = { alg: 'RS256', kid: 'of somebody else' }
  const encrypted = (header: object): string => {
    const head = Buffer.from(JSON.stringify(header)).toString('base64url')
    return `${head}.a2V5.aXY.dGV4dA.dGFn`
  }
  const carried = [
    jwt({ 'x-ably-token': inner }, foreign, 'x'), jwt({}, { ...foreign, 'x-ably-token': inner }),
    jwt({ 'x-ably-token': jwt({ 'x-ably-clientId': 'me' }) }, foreign),
    encrypted({ alg: 'dir', enc: 'A256GCM', 'x-ably-token': inner })
  ]
  for (const token of carried) t.match(prove(token), { credentials: { clientId: 'me' } })
  const wrong: readonly [string, number][] = [
    [jwt({ 'x-ably-token': 5 }), 40144], [encrypted({ alg: 'dir' }), 40144],
    [jwt({ 'x-ably-token': jwt({ 'x-ably-token': inner }) }), 40144],
    [jwt({ 'x-ably-token': `${inner}A` }), 40143],
    [jwt({ 'x-ably-token': jwt({}, {}, 'x') }), 40144]
  ]
  for (const [token, code] of wrong) t.equal(codeOf(prove(token)), code)
})

t.test('a bearer is base64 or raw; the dot tells', async (t) => {
  for (const token of [ably(), jwt()]) {
    t.equal(bearerToken(token), token)
    t.equal(bearerToken(Buffer.from(token).toString('base64')), token)
  }
})
