import { randomBytes } from 'node:crypto'
import t from 'tap'
import { wholeAppsOf } from '../../../src/auth/app.ts'
import {
  appIdOf, appsData, appsExcess, appsJsonIn, appsJsonOf, compileApp,
  entriesOfCompiled, identifierOf, keyEntries, keyPartsOf, keyProblems, ownsAppId, appsIn
} from '../../../src/operator/apps.ts'
import { parseApp } from '../../../src/operator/spec.ts'
import type { AppSpec } from '../../../src/operator/spec.ts'

function specOf (spec: object = {}): AppSpec {
  const parsed = parseApp({
    apiVersion: '',
    kind: '',
    metadata: { name: 'chat' },
    spec: { regionRef: { name: 'eu' }, keys: [{ name: 'a' }, { name: 'b' }], ...spec }
  })
  if (!parsed.isValid) throw new Error('a bad spec')
  return parsed.spec
}

function counter (): () => string {
  let count = 0
  return () => `secretsecret${count++}`
}

t.test('a key is told from what only looks like one', async t => {
  t.same(keyPartsOf('AbC123.k1y2z3:secretsecret'),
    { appId: 'AbC123', keyId: 'k1y2z3', secret: 'secretsecret' })
  for (const text of [
    '', 'AbC123', 'AbC123.k1y2z3', 'AbC12.k1y2z3:secretsecret', 'AbC123.k1y2z3:sec ret12',
    'AbC123.k1y2z3:se.cret12', 'AbC123.k1y2z3:short', 'AbC123.k1y2z3:secretsecret\n'
  ]) t.equal(keyPartsOf(text), undefined, text)
})

t.test('the id of an app: the spec, else its keys, else its name', async t => {
  const entries = { b: 'FromKy.k1y2z3:secretsecret' }
  t.equal(appIdOf(specOf({ appId: 'Pinned' }), 'ns', 'chat', entries), 'Pinned')
  t.equal(appIdOf(specOf(), 'ns', 'chat', entries), 'FromKy')
  const derived = appIdOf(specOf(), 'ns', 'chat', {})
  t.match(derived, /^[A-Za-z0-9]{6}$/)
  t.equal(derived, appIdOf(specOf(), 'ns', 'chat', {}), 'the same in every region')
  t.not(derived, appIdOf(specOf(), 'other', 'chat', {}))
  t.not(identifierOf('a', 'bc'), identifierOf('ab', 'c'))
})

t.test('keys that exist stay, lost ones come back, the rest is made', async t => {
  const whole = 'AbC123.k1y2z3:secretsecret'
  t.equal(keyEntries(specOf(), 'AbC123', { a: whole }, {}, counter()).a, whole)
  t.equal(keyEntries(specOf(), 'AbC123', {}, { a: whole }, counter()).a, whole)
  t.equal(keyEntries(specOf(), 'AbC123', { a: whole }, { a: 'x' }, counter()).a, whole)
  const made = keyEntries(specOf(), 'AbC123', { a: 'broken', c: whole }, {}, counter())
  t.same(Object.keys(made), ['a', 'b'], 'a key the spec does not name goes')
  t.match(made.a, /^AbC123\.[A-Za-z0-9]{6}:secretsecret0$/)
  t.not(keyPartsOf(made.a ?? '')?.keyId, keyPartsOf(made.b ?? '')?.keyId)
})

t.test('no two keys of an app have one id, whoever wrote the Secret', async t => {
  const [one, other] = ['AbC123.k1y2z3:secretsecret', 'AbC123.k1y2z3:anothersecret']
  const entries = keyEntries(specOf(), 'AbC123', { a: one, b: other }, {}, counter())
  t.equal(entries.a, one)
  const ids = Object.values(entries).map(entry => keyPartsOf(entry)?.keyId)
  t.equal(new Set(ids).size, 2)
  const derived = identifierOf('key', 'AbC123', 'b')
  const taken = keyEntries(specOf(), 'AbC123', { a: `AbC123.${derived}:secretsecret` }, {},
    counter())
  t.not(keyPartsOf(taken.b ?? '')?.keyId, derived)
  t.same(keyProblems(specOf(), 'AbC123', { a: one, b: other }),
    ['entries a and b have the same key id'])
})

t.test('what is wrong with a Secret is told without its contents', async t => {
  const problems = keyProblems(specOf({ keys: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] }),
    'AbC123', { a: 'hunter2', b: 'Other1.k1y2z3:secretsecret' })
  t.same(problems, [
    'entry a is not an API key (appId.keyId:secret)',
    'entry b belongs to another app than AbC123',
    'has no entry c'
  ])
})

t.test('apps.json is the same whatever the order, and read back', async t => {
  const entries = keyEntries(specOf(), 'AbC123', {}, {}, counter())
  const chat = compileApp('chat', specOf(), 'AbC123', entries)
  const other = compileApp('another', specOf(), 'AbC124',
    keyEntries(specOf(), 'AbC124', {}, {}, counter()))
  t.equal(appsJsonOf([chat, other]), appsJsonOf([other, chat]))
  t.same(appsIn(appsJsonOf([chat, other])), [other, chat])
  t.same(entriesOfCompiled(chat), entries)
  t.same(appsIn('{"apps":'), undefined)
  t.same(appsIn('{"apps":1}'), undefined)
  t.same(appsIn(undefined), undefined)
})

t.test('10,000 keys fit in one Secret, and are read back', async t => {
  const keys = Array.from({ length: 100 }, (_, no) => ({ name: `key-${no}` }))
  const spec = specOf({ keys })
  const random = () => `k${randomBytes(24).toString('base64url')}`
  const apps = Array.from({ length: 100 }, (_, no) => {
    const appId = `App${String(no).padStart(3, '0')}`
    return compileApp(`app-${no}`, spec, appId, keyEntries(spec, appId, {}, {}, random))
  })
  const text = appsJsonOf(apps)
  t.same(Object.keys(appsData(text)), ['apps.json.gz'])
  t.equal(appsExcess(text), undefined)
  t.equal(appsJsonIn(appsData(text)), text)
  t.same(appsIn(appsJsonIn({ 'apps.json.gz': 'eyJhcHBzIjpbXX0=' })), undefined, 'what is no gzip')
  const few = appsJsonOf(apps.slice(0, 1))
  t.same(appsData(few), { 'apps.json': Buffer.from(few).toString('base64') })
  t.equal(appsJsonIn(appsData(few)), few)
  t.equal(appsJsonIn(undefined), undefined)
  t.match(appsExcess(randomBytes(1024 * 1024).toString('base64')), / of 716800 bytes$/)
  t.match(appsExcess('x'.repeat(12 * 1024 * 1024)), '12582912 of 11468800 bytes')
})

t.test('what is compiled is what nodes can read', async t => {
  const spec = specOf({
    tlsOnly: true,
    keys: [
      { name: 'a', revocableTokens: true },
      { name: 'b', capability: { '[meta]*': ['subscribe'], '[*]*': ['*'], 'x:*:y': ['publish'] } }
    ],
    namespaces: [
      { id: 'kept', persisted: true, retention: '72h' },
      { id: 'put', batchingEnabled: true, batchingInterval: 20, batchingPolicy: 'conflating' }
    ],
    limits: { messageBytesMax: 1024, publishRateMax: 1 }
  })
  const app = compileApp('chat', spec, 'AbC123', keyEntries(spec, 'AbC123', {}, {}, counter()))
  t.match(wholeAppsOf(JSON.parse(appsJsonOf([app])), []), {
    problems: [],
    apps: [{ appId: 'AbC123', tlsOnly: true, namespaces: [{ retentionMs: 72 * 3_600_000 }] }]
  })
})

t.test('of apps that claim one id the oldest has it', async t => {
  const first = { appId: 'AbC123', name: 'z', createdAt: '2030-01-01T00:00:00Z' }
  const later = { ...first, name: 'a', createdAt: '2030-01-02T00:00:00Z' }
  const twin = { ...first, name: 'y' }
  t.ok(ownsAppId(first, [first, later]))
  t.notOk(ownsAppId(later, [first, later]))
  t.ok(ownsAppId(twin, [first, twin]), 'of equals the first by name')
  t.notOk(ownsAppId(first, [first, twin]))
  t.ok(ownsAppId(later, [later, { ...first, appId: 'Other1' }]))
})
