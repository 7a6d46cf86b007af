import t from 'tap'
import { capabilityText } from '../../../src/auth/capability.ts'
import { authenticateKey, type Credentials } from '../../../src/auth/key.ts'
import {
  judgeTokenRequest, type JudgedRequest, tokenOf
} from '../../../src/auth/token-request.ts'
import { authenticateToken } from '../../../src/auth/token.ts'
import { directoryOf, NOW_MS, SECRET, signed } from './tokens.ts'

const directory = directoryOf()

function prover(key: string): Credentials {
  const proven = authenticateKey(key, directory)
  if (!proven.ok) throw new Error(proven.error.info.message)
  return proven.credentials
}

/** Who has a token that was given for this request. */
function held(request: object, keyName = 'AbC123.k1', secret = SECRET): Credentials {
  const judged = judge(signed({ keyName, ...request }, secret), undefined, keyName)
  if (!judged.ok) throw new Error(judged.error.info.message)
  const proven = authenticateToken(tokenOf(judged.granted, directory)!.token, directory, NOW_MS)
  if (!proven.ok) throw new Error(proven.error.info.message)
  return proven.credentials
}

const owner = prover(`AbC123.k1:${SECRET}`)

function judge(
  body: unknown, by?: Credentials, keyName = 'AbC123.k1', nowMs = NOW_MS
): JudgedRequest {
  return judgeTokenRequest(keyName, body, by, directory, nowMs)
}

t.test('with a token one is given for no more than that is good for', async (t) => {
  const capability = '{"a":["publish","subscribe"]}'
  const ann = held({ clientId: 'ann', ttl: 5_000, capability })
  const judged = judge({ capability: '{"*":["publish","history"]}' }, ann)
  if (!judged.ok) return t.fail(judged.error.info.message)
  t.match(tokenOf(judged.granted, directory), {
    expires: NOW_MS + 5_000, clientId: 'ann', capability: '{"a":["publish"]}'
  })
  const shorter = judge({ ttl: 1_000 }, ann)
  t.match(shorter.ok && tokenOf(shorter.granted, directory), {
    expires: NOW_MS + 1_000, clientId: 'ann', capability
  })
  const anybody = judge({ clientId: 'bob' }, held({ clientId: '*' }))
  t.match(anybody.ok && anybody.granted.grant, { clientId: 'bob' })
})

t.test('a signed request is granted what it asks for, as far as its key has it', async (t) => {
  const asked = signed({
    keyName: 'AbC123.k2', ttl: 5_000, clientId: 'me', capability: '{"*":["publish","history"]}'
  }, 'sec-ret_2')
  const judged = judge(asked, undefined, 'AbC123.k2')
  if (!judged.ok) return t.fail(judged.error.info.message)
  const details = tokenOf(judged.granted, directory)!
  t.match(details, {
    keyName: 'AbC123.k2', issued: NOW_MS, expires: NOW_MS + 5_000, clientId: 'me',
    capability: '{"a:*":["publish"]}'
  })
  const proven = authenticateToken(details.token, directory, NOW_MS)
  t.match(proven, { ok: true, credentials: { clientId: 'me', keyName: 'AbC123.k2' } })
  t.equal(proven.ok && capabilityText(proven.credentials.capability), details.capability)
  t.equal(tokenOf(judged.granted, directoryOf((apps) => apps.shift())), undefined)
})

t.test('what is not asked for is the key\'s, and an hour', async (t) => {
  for (const body of [signed({}), signed({ ttl: '', capability: '', clientId: '' })]) {
    const judged = judge(body)
    if (!judged.ok) return t.fail(judged.error.info.message)
    const { grant, nonce } = judged.granted
    t.match(grant, { issuedAtMs: NOW_MS, expiresAtMs: NOW_MS + 3_600_000, clientId: undefined })
    t.equal(capabilityText(grant.capability), '{"*":["*"]}')
    t.match(nonce, { digest: /^[A-Za-z0-9_-]{43}$/, untilMs: NOW_MS + 240_000 })
  }
})

t.test('what came through a form holds its numbers as digits', async (t) => {
  const judged = judge(signed({ timestamp: String(NOW_MS), ttl: '1000' }))
  const grant = { expiresAtMs: NOW_MS + 1_000 }
  t.match(judged, { ok: true, granted: { grant, nonce: { untilMs: NOW_MS + 240_000 } } })
  for (const timestamp of [`${NOW_MS}.5`, ` ${NOW_MS}`, 'now', '0x10']) {
    t.match(judge(signed({ timestamp })), { ok: false, error: { info: { code: 40003 } } })
  }
})

t.test('who comes with the key need not sign, nor say when', async (t) => {
  const judged = judge({ ttl: 1_000, capability: { a: ['publish'] } }, owner)
  t.match(judged, { ok: true, granted: { nonce: undefined } })
  t.match(judge({ keyName: 'AbC123.k1', timestamp: NOW_MS }, owner), { ok: true })
})

t.test('the nonce of another key is another one', async (t) => {
  const digests = ['AbC123.k1', 'Other1.k1'].map((keyName) => {
    const judged = judge(signed({ keyName }), undefined, keyName)
    return judged.ok ? judged.granted.nonce?.digest : undefined
  })
  t.ok(digests[0] !== undefined && digests[0] !== digests[1])
  const later = judge(signed({ timestamp: NOW_MS + 1 }))
  t.equal(later.ok && later.granted.nonce?.digest, digests[0], 'whatever else is asked for')
})

t.test('a request that is not as it should be is refused', async (t) => {
  const { mac: _, ...bare } = signed({}) as Record<string, unknown>
  const cases: readonly [string, number, unknown, Credentials?, string?][] = [
    ['no map', 40000, [], owner],
    ['nothing', 40000, undefined, owner],
    ['an unknown key', 40400, signed({ keyName: 'AbC123.k9' }), undefined, 'AbC123.k9'],
    ['another key than the path', 40102, signed({ keyName: 'Other1.k1' })],
    ['a proof of another key', 40102, {}, prover('AbC123.k2:sec-ret_2')],
    ['neither signed nor proven', 40101, bare],
    ['no key name', 40102, signed({ keyName: undefined })],
    ['another secret', 40101, signed({}, 'sec-ret_2')],
    ['a mac that is no text', 40101, { ...bare, mac: 5 }],
    ['a mac of more', 40101, { ...signed({}), clientId: 'me' }],
    ['a mac of less', 40101, { ...signed({ clientId: 'me' }), clientId: undefined }],
    ['a wrong mac, though it has the key', 40101, { ...bare, mac: 'x' }, owner],
    ['no time', 40003, signed({ timestamp: undefined })],
    ['a time that is no number', 40003, signed({ timestamp: `${NOW_MS} ms` })],
    ['too early', 40104, signed({ timestamp: NOW_MS - 120_001 })],
    ['too late', 40104, signed({ timestamp: NOW_MS + 120_001 })],
    ['too early, though it has the key', 40104, { timestamp: NOW_MS - 120_001 }, owner],
    ['no nonce', 40003, signed({ nonce: undefined })],
    ['a short nonce', 40003, signed({ nonce: '0123456789abcde' })],
    ['a nonce that is no text', 40003, signed({ nonce: 12_345_678_901_234_567 })],
    ['a long nonce', 40003, signed({ nonce: 'x'.repeat(1_000) })],
    ['no life', 40003, signed({ ttl: 0 })],
    ['a negative life', 40003, signed({ ttl: -1 })],
    ['a life that is no number', 40003, signed({ ttl: 'abc' })],
    ['a life that is text', 40003, signed({ ttl: '1e3' })],
    ['half a millisecond', 40003, signed({ ttl: 0.5 })],
    ['more than a day', 40003, signed({ ttl: 86_400_001 })],
    ['a capability that is none', 40000, signed({ capability: '{"a":["shout"]}' })],
    ['a star with others', 40000, signed({ capability: '{"a":["*","publish"]}' })],
    ['a list of nothing', 40000, signed({ capability: '{"a":[]}' })],
    ['no JSON', 40000, signed({ capability: '{' })],
    ['a map that is signed', 40003, { ...signed({}), capability: { a: ['publish'] } }],
    ['nothing that the key has', 40160,
      signed({ keyName: 'AbC123.k2', capability: '{"b":["*"]}' }, 'sec-ret_2'), undefined,
      'AbC123.k2'],
    ['a clientId that is no text', 40012, signed({ clientId: 5 })],
    ['with a token, another client', 40102, { clientId: 'bob' }, held({ clientId: 'ann' })],
    ['with a token of nobody, somebody', 40102, { clientId: 'bob' }, held({})],
    ['with a token, what it has not', 40160, { capability: '{"b":["*"]}' },
      held({ capability: '{"a":["publish"]}' })],
    ['with a token of a key whose tokens are revoked', 40162, {},
      held({}, 'AbC123.kr', 'sec-ret_3'), 'AbC123.kr'],
    ['with a token of another key', 40102, {}, held({}, 'AbC123.k2', 'sec-ret_2')]
  ]
  for (const [what, code, body, by, keyName] of cases) {
    const judged = judge(body, by, keyName)
    t.match(judged, { ok: false, error: { scope: 'request', info: { code } } }, what)
    t.notOk(JSON.stringify(judged).includes('sec-ret'), 'no secret is told')
  }
  const hour = { keyName: 'AbC123.kr', ttl: 3_600_000 }
  t.ok(judge(signed(hour, 'sec-ret_3'), undefined, 'AbC123.kr').ok)
  const longer = judge(signed({ ...hour, ttl: 3_600_001 }, 'sec-ret_3'), undefined, 'AbC123.kr')
  t.match(longer, { error: { info: { code: 40003, statusCode: 400 } } })
  t.ok(judge(signed({ ttl: 86_400_000 })).ok)
  t.ok(judge(signed({ timestamp: NOW_MS - 120_000 })).ok)
})
