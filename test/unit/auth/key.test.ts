import t from 'tap'
import type { AppConfig } from '../../../src/auth/app.ts'
import { AppDirectory, namespaceOf, parseApps, wholeAppsOf } from '../../../src/auth/app.ts'
import { capabilityText } from '../../../src/auth/capability.ts'
import { authenticateKey, parseApiKey } from '../../../src/auth/key.ts'

const document = {
  apps: [{
    appId: 'AbC123',
    name: 'shop',
    keys: [
      { id: 'k1y2z3', name: 'default', secret: 'sec-ret_1', revocableTokens: true },
      { id: 'other1', secret: 'sec-ret_2', capability: { 'a:*': ['subscribe'] } }
    ],
    namespaces: [{ id: 'persisted', persisted: true, unknownSetting: 1 }],
    limits: { messageBytesMax: 1000 }
  }, { appId: 'Other1' }]
}

function apps(value: unknown): readonly AppConfig[] {
  const parsed = parseApps(value)
  if (!parsed.ok) throw new Error(parsed.problems.join('; '))
  return parsed.apps
}

function problems(value: unknown): readonly string[] {
  const parsed = parseApps(value)
  return parsed.ok ? [] : parsed.problems
}

const directory = new AppDirectory(apps(document))

t.test('an app that cannot be read is no trouble of the others', async t => {
  const known = apps(document)
  const [first, second] = document.apps
  const broken = { ...first!, keys: [{ id: 'k1y2z3', secret: 'new', capability: { '[x': ['*'] } }] }
  const changed = { ...second, name: 'renamed' }
  const read = wholeAppsOf({ apps: [broken, changed, changed] }, known)!
  t.same(read.apps, [known[0], apps({ apps: [changed] })[0]])
  t.match(read.problems, [/^apps\[0\].keys\[0\].capability: /, /^apps\[2\].appId: is there twice/])
  t.notOk(read.problems.join().includes('new'), 'no secret is told')
  t.same(wholeAppsOf({ apps: [broken, changed] }, [])!.apps.map(({ appId }) => appId), ['Other1'])
  for (const nothing of [undefined, {}, { apps: {} }, []]) {
    t.equal(wholeAppsOf(nothing, known), undefined)
  }
})

t.test('a key has two names and a secret', async t => {
  t.strictSame(parseApiKey('AbC123.k1y2z3:sec-ret_1'), {
    appId: 'AbC123', keyId: 'k1y2z3', keyName: 'AbC123.k1y2z3', secret: 'sec-ret_1'
  })
  const wrong = ['', 'AbC123', 'AbC123.k1y2z3', 'AbC123.k1y2z3:', '.k:s', 'a.:s', 'a.k:s.t',
    'a.k:s:t', 'a.k:s t', 'a.b.k:s', ' a.k:s', 'a.k:s\n', 'this.is:wrong!.'] // as SDKs test it
  for (const text of wrong) t.equal(parseApiKey(text), undefined, JSON.stringify(text))
})

t.test('a good key proves its capability, and any identity', async t => {
  const first = authenticateKey('AbC123.k1y2z3:sec-ret_1', directory)
  t.match(first, {
    ok: true, credentials: { appId: 'AbC123', keyName: 'AbC123.k1y2z3', clientId: '*' }
  })
  t.equal(first.ok && capabilityText(first.credentials.capability), '{"*":["*"]}')
  const second = authenticateKey('AbC123.other1:sec-ret_2', directory, 'me')
  t.match(second, { ok: true, credentials: { clientId: 'me' } })
  t.equal(second.ok && capabilityText(second.credentials.capability), '{"a:*":["subscribe"]}')
})

t.test('a bad key is refused with 40101 and its cause, without its secret', async t => {
  const cases: readonly [string, RegExp][] = [
    ['nonsense', /Malformed/], ['wrong1.k1y2z3:sec-ret_1', /application.*wrong1/],
    ['AbC123.absent:sec-ret_1', /AbC123\.absent/], ['AbC123.k1y2z3:sec-ret_2', /secret/],
    ['AbC123.k1y2z3:sec-ret_', /secret/], ['Other1.k1y2z3:sec-ret_1', /Other1\.k1y2z3/]
  ]
  for (const [key, message] of cases) {
    const result = authenticateKey(key, directory)
    t.match(result, {
      ok: false, error: { scope: 'connection', info: { code: 40101, statusCode: 401, message } }
    }, key)
    t.notOk(JSON.stringify(result).includes('sec-ret'))
  }
})

t.test('a directory finds apps, keys and the rules of namespaces, and never changes', async t => {
  const app = directory.app('AbC123')!
  t.equal(app.limits.messageBytesMax, 1000)
  t.equal(directory.key('AbC123.k1y2z3')?.app, app)
  t.equal(directory.key('AbC123.k1y2z3')?.key.revocableTokens, true)
  t.equal(directory.key('Other1.k1y2z3'), undefined)
  t.match(namespaceOf(app, 'persisted:x'), { persisted: true, mutableMessages: false })
  t.match(namespaceOf(app, 'persisted'), { id: 'persisted' })
  t.equal(namespaceOf(app, 'persistedx:y'), undefined)
  const next = directory.replace([])
  t.equal(next.version, directory.version + 1)
  t.equal(next.key('AbC123.k1y2z3'), undefined)
  t.ok(directory.key('AbC123.k1y2z3'))
})

t.test('a document with a fault is refused whole, naming the path, not the secret', async t => {
  const secret = 'se.cr et'
  const [app] = document.apps
  const key = app!.keys![0]!
  const cases: readonly [unknown, string][] = [
    [undefined, 'apps'], [[], 'apps'], [{ apps: {} }, 'apps'], [{ apps: [5] }, 'apps[0]'],
    [{ apps: [{ appId: 'a:b' }] }, 'apps[0].appId'],
    [{ apps: [{ appId: 'a', keys: 'x' }] }, 'apps[0].keys'],
    [{ apps: [{ appId: 'a', keys: [{ ...key, secret }] }] }, 'apps[0].keys[0].secret'],
    [{ apps: [{ appId: 'a', keys: [{ ...key, id: '' }] }] }, 'apps[0].keys[0].id'],
    [{ apps: [{ appId: 'a', keys: [key, key] }] }, 'apps[0].keys[1].id'],
    [{ apps: [{ appId: 'a', keys: [{ ...key, capability: { a: ['x'] } }] }] },
      'apps[0].keys[0].capability'],
    [{ apps: [{ appId: 'a', keys: [{ ...key, revocableTokens: 'yes' }] }] },
      'apps[0].keys[0].revocableTokens'],
    [{ apps: [{ appId: 'a' }, { appId: 'a' }] }, 'apps[1].appId'],
    [{ apps: [{ appId: 'a', tlsOnly: 'yes' }] }, 'apps[0].tlsOnly'],
    [{ apps: [{ appId: 'a', namespaces: [{ id: 'a:b' }] }] }, 'apps[0].namespaces[0].id'],
    [{ apps: [{ appId: 'a', namespaces: [{ id: 'n', persisted: 1 }] }] },
      'apps[0].namespaces[0].persisted'],
    [{ apps: [{ appId: 'a', limits: { messageBytesMax: -1 } }] },
      'apps[0].limits.messageBytesMax']
  ]
  for (const [value, path] of cases) {
    const found = problems(value)
    t.ok(found.some((problem) => problem.startsWith(`${path}:`)), `${path}: ${found}`)
    t.notOk(found.join().includes(secret), 'the secret is not told')
  }
})

t.test('a namespace says how long messages are kept, and how they are put together', async t => {
  const rulesOf = (rules: object) => {
    const [app] = apps({ apps: [{ appId: 'a', namespaces: [{ id: 'n', ...rules }] }] })
    return app!.namespaces[0]!
  }
  t.equal(rulesOf({ persisted: true }).retentionMs, undefined)
  const durations: readonly [string, number][] = [
    ['2m', 120_000], ['120s', 120_000], ['72h', 259_200_000], ['365d', 31_536_000_000]
  ]
  for (const [retention, retentionMs] of durations) {
    t.match(rulesOf({ persisted: true, retention }), { retentionMs }, retention)
  }
  t.equal(rulesOf({}).batching, undefined)
  t.same(rulesOf({ batchingEnabled: true }).batching, { intervalMs: 100, policy: 'simple' })
  const conflating = { batchingEnabled: true, batchingInterval: 20, batchingPolicy: 'conflating' }
  t.same(rulesOf(conflating).batching, { intervalMs: 20, policy: 'conflating' })
  const wrong = [
    { retention: '119s' }, { retention: '366d' }, { retention: '0s' }, { retention: 72 },
    { retention: '72 h' }, { retention: '1w' }, { batchingEnabled: true, batchingInterval: 19 },
    { batchingEnabled: true, batchingInterval: '20' }, { batchingEnabled: true, batchingPolicy: 1 }
  ]
  for (const rules of wrong) {
    const told = problems({ apps: [{ appId: 'a', namespaces: [{ id: 'n', ...rules }] }] })
    t.match(told, [/apps\[0\]\.namespaces\[0\]\.(retention|batching)/], JSON.stringify(rules))
  }
})
