import t from 'tap'
import { parseCapability } from '../../../src/auth/capability.ts'
import type { Credentials, TokenFacts } from '../../../src/auth/key.ts'
import {
  decodeRevocations, encodeRevocations, endOf, parseTarget, type Revocation, Revocations
} from '../../../src/auth/revocation.ts'
import { judgeRevocation, revokerRefusal } from '../../../src/auth/revocation-request.ts'
import { authenticateToken } from '../../../src/auth/token.ts'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { issueAblyToken } from '../../../src/auth/ably-token.ts'
import { directoryOf, jwt, NOW_MS } from './tokens.ts'

function credentials(facts: Partial<TokenFacts> = {}, lists: object = { '*': ['*'] }): Credentials {
  const parsed = parseCapability(lists)
  if (!parsed.ok) throw new Error('no capability')
  const token = { kind: 'ably' as const, issuedAtMs: NOW_MS, expiresAtMs: NOW_MS + 1, ...facts }
  return { appId: 'app', keyName: 'app.k', capability: parsed.capability, token }
}

function revocation(target: string, over: Partial<Revocation> = {}): Revocation {
  return { keyName: 'app.k', target, issuedBeforeMs: NOW_MS + 1, appliesAtMs: 0, ...over }
}

function known(...all: Revocation[]): Revocations {
  const revocations = new Revocations()
  for (const each of all) revocations.add(each)
  return revocations
}

t.test('a target means the tokens that have it in common, of one key', async t => {
  const rooms = credentials({}, { 'rooms:*': ['subscribe'], '[meta]log': ['subscribe'] })
  const cases: readonly [string, Credentials, boolean][] = [
    ['clientId:ann', credentials({ issuedTo: 'ann' }), true],
    ['clientId:a:b', credentials({ issuedTo: 'a:b' }), true],
    ['clientId:ann', credentials({ issuedTo: 'ann2' }), false],
    ['clientId:ann', credentials({ revocationKey: 'ann' }), false],
    ['clientId:ann', { ...credentials({ issuedTo: '*' }), clientId: 'ann' }, false],
    ['clientId:*', credentials({ issuedTo: '*' }), true],
    ['clientId:ann', { ...credentials(), token: undefined, clientId: 'ann' }, false],
    ['clientId:ann', { ...credentials({ issuedTo: 'ann' }), keyName: 'app.k2' }, false],
    ['revocationKey:r', credentials({ revocationKey: 'r' }), true],
    ['revocationKey:r', credentials({ issuedTo: 'r' }), false],
    ['channel:rooms:*', rooms, true], ['channel:[meta]log', rooms, true],
    ['channel:rooms:a', rooms, false], ['channel:*', credentials(), true]
  ]
  for (const [target, who, isMeant] of cases) {
    t.equal(known(revocation(target)).appliesAtOf(who), isMeant ? 0 : undefined, target)
  }
})

t.test('only tokens that were issued before are meant', async t => {
  const revocations = known(revocation('clientId:ann', { issuedBeforeMs: NOW_MS }))
  const at = (issuedAtMs: number) =>
    revocations.appliesAtOf(credentials({ issuedTo: 'ann', issuedAtMs }))
  t.equal(at(NOW_MS - 1), 0)
  t.equal(at(NOW_MS), undefined)
})

t.test('a JWT can be renewed when the second of its revocation is over', async t => {
  const issuedBeforeMs = 10_000_300
  const revocations = known(revocation('clientId:ann', { issuedBeforeMs }),
    revocation('clientId:bob', { issuedBeforeMs: 10_000_000 }))
  const at = (kind: 'jwt' | 'ably', issuedAtMs: number, issuedTo = 'ann') =>
    revocations.renewableAtOf(credentials({ kind, issuedTo, issuedAtMs }))
  t.equal(at('jwt', 9_999_000), 10_001_000)
  t.equal(at('jwt', 10_000_000), 10_001_000, 'of the same second')
  t.equal(at('jwt', 10_001_000), undefined, 'of the next one')
  t.equal(at('ably', 10_000_299), 10_000_300)
  t.equal(at('ably', 10_000_300), undefined)
  t.equal(at('jwt', 9_999_000, 'bob'), 10_000_000, 'between two seconds: at once')
  t.equal(at('jwt', 10_000_000, 'bob'), undefined)
  revocations.add(revocation('clientId:ann', {
    issuedBeforeMs: 10_004_001, appliesAtMs: 10_034_001
  }))
  t.equal(at('jwt', 9_999_000), 10_005_000, 'by the last of what revokes it')
  t.equal(revocations.appliesAtOf(credentials({ issuedTo: 'ann', issuedAtMs: 9_999_000 })), 0)
})

t.test('of one target no more is kept than it takes to say all of it', async t => {
  const random = new Random('targets')
  for (let round = 0; round < 200; round++) {
    const all = Array.from({ length: 1 + random.below(6) }, () => revocation('clientId:ann', {
      issuedBeforeMs: NOW_MS + random.below(10), appliesAtMs: random.below(3) * random.below(10)
    }))
    const revocations = known(...all)
    for (const each of all) t.ok(revocations.covers(each))
    for (let issuedAtMs = NOW_MS - 1; issuedAtMs < NOW_MS + 10; issuedAtMs++) {
      const expected = Math.min(...all.filter((each) => each.issuedBeforeMs > issuedAtMs)
        .map(({ appliesAtMs }) => appliesAtMs))
      const who = credentials({ issuedTo: 'ann', issuedAtMs })
      t.equal(revocations.appliesAtOf(who) ?? Infinity, expected)
    }
    t.equal(revocations.add(all[0]!), false)
    t.ok(revocations.all(NOW_MS).length <= all.length)
  }
})

t.test('above its bound a target applies earlier, never later or to fewer', async t => {
  const all = Array.from({ length: 3 * limits.revocationStepsMax }, (_, no) =>
    revocation('clientId:ann', { issuedBeforeMs: NOW_MS + no, appliesAtMs: NOW_MS + no }))
  const revocations = known(...all)
  t.equal(revocations.all(NOW_MS).length, limits.revocationStepsMax)
  for (const { issuedBeforeMs, appliesAtMs } of all) {
    const who = credentials({ issuedTo: 'ann', issuedAtMs: issuedBeforeMs - 1 })
    t.ok(revocations.appliesAtOf(who)! <= appliesAtMs)
  }
  const late = credentials({ issuedTo: 'ann', issuedAtMs: NOW_MS + all.length })
  t.equal(revocations.appliesAtOf(late), undefined)
})

t.test('they are kept until no token that they mean can live', async t => {
  const each = revocation('clientId:ann', { issuedBeforeMs: NOW_MS })
  const revocations = known(each)
  const endMs = endOf(each)
  t.ok(endMs > NOW_MS + limits.revocableTokenLifeMs)
  revocations.prune(endMs - 120_000)
  t.equal(revocations.countOf('app.k'), 1)
  t.same(revocations.all(endMs), [])
  revocations.prune(endMs)
  t.equal(revocations.countOf('app.k'), 0)
  const lifeMs = 24 * 3_600_000
  const parsed = parseCapability({ '*': ['*'] })
  const found = directoryOf().key('AbC123.kr')!
  const token = issueAblyToken(found, {
    issuedAtMs: NOW_MS, expiresAtMs: NOW_MS + lifeMs, clientId: 'ann',
    capability: (parsed as { ok: true; capability: never }).capability
  })
  t.ok(authenticateToken(token, directoryOf(), NOW_MS + 3_599_999).ok)
  t.match(authenticateToken(token, directoryOf(), NOW_MS + 3_600_000),
    { ok: false, error: { info: { code: 40142 } } }, 'also those of before it was revocable')
})

t.test('tokens say what they can be revoked by', async t => {
  const claims = { 'x-ably-clientId': '*', 'x-ably-revocation-key': 'r' }
  const proven = authenticateToken(jwt(claims), directoryOf(), NOW_MS, 'ann')
  t.match(proven, {
    ok: true, credentials: { clientId: 'ann', token: { issuedTo: '*', revocationKey: 'r' } }
  })
})

t.test('they come out of the log as they went in', async t => {
  const record = {
    id: 'x', revocations: [revocation('clientId:"ä\u0001'), revocation('channel:a', {
      appliesAtMs: NOW_MS
    })]
  }
  t.same(decodeRevocations(encodeRevocations(record)), record)
  t.equal(decodeRevocations(Buffer.from('[2,"x",{}]')), undefined)
})

t.test('what is no target', async t => {
  const long = `clientId:${'x'.repeat(limits.revocationTargetBytesMax)}`
  const controls = `clientId:${'\u0001'.repeat(1_000)}`
  const wrong = ['', 'clientId', 'clientId:', ':x', 'ClientId:x', 'key:x', long, controls]
  for (const text of [...wrong, 'clientId:\ud800']) {
    t.equal(parseTarget(text), undefined, text.slice(0, 30))
  }
  for (const text of ['clientId:x', 'clientId:*', 'channel:[meta]a:b', 'revocationKey: ']) {
    t.equal(parseTarget(text), text)
  }
})

t.test('who may revoke, and what is asked', async t => {
  const key = directoryOf().key('AbC123.kr')!.key
  const own = { appId: 'AbC123', keyName: 'AbC123.kr', capability: new Map() }
  const codeOf = (refused: ReturnType<typeof revokerRefusal>) => refused?.info.code
  t.equal(codeOf(revokerRefusal('AbC123.kr', own, key)), undefined)
  t.equal(codeOf(revokerRefusal('AbC123.k1', own, key)), 40133)
  t.equal(codeOf(revokerRefusal('AbC123.kr', own, { ...key, revocableTokens: false })), 40163)
  t.equal(codeOf(revokerRefusal('AbC123.kr', own, undefined)), 40163)
  t.equal(codeOf(revokerRefusal('AbC123.kr', { ...own, ...credentials() }, key)), 40162)
  const asked = judgeRevocation('app.k', { targets: ['clientId:a', 'x'] }, NOW_MS + 0.7)
  t.match(asked, { ok: true, asked: {
    revocations: [{ keyName: 'app.k', target: 'clientId:a', issuedBeforeMs: NOW_MS }],
    results: [{ target: 'clientId:a', issuedBefore: NOW_MS, appliesAt: NOW_MS }, { target: 'x' }]
  } })
  const margin = { targets: ['clientId:a'], allowReauthMargin: true, issuedBefore: NOW_MS - 5 }
  t.match(judgeRevocation('app.k', margin, NOW_MS), { ok: true, asked: {
    revocations: [{ issuedBeforeMs: NOW_MS - 5, appliesAtMs: NOW_MS + 30_000 }],
    results: [{ issuedBefore: NOW_MS - 5, appliesAt: NOW_MS + 30_000 }]
  } })
})
