import t from 'tap'
import { compileApp } from '../../../src/operator/apps.ts'
import type { CompiledApp } from '../../../src/operator/apps.ts'
import { parseApp } from '../../../src/operator/spec.ts'
import { appDigestsOf } from '../../../src/operator/world.ts'

function app (spec: object, name = 'chat'): CompiledApp {
  const parsed = parseApp({
    apiVersion: '',
    kind: '',
    metadata: { name },
    spec: { regionRef: { name: 'eu' }, keys: [{ name: 'a' }, { name: 'b' }], ...spec }
  })
  if (!parsed.isValid) throw new Error('a bad spec')
  return compileApp(name, parsed.spec, 'AbC123', {
    a: 'AbC123.k1y2z3:secretsecret', b: 'AbC123.k9y9z9:othersecret'
  })
}

const digestOf = (compiled: CompiledApp, password = 'password') =>
  appDigestsOf([compiled], password).AbC123

t.test('what clients cannot notice is no drift', async t => {
  const plain = digestOf(app({}))
  t.match(plain, /^[0-9a-f]{16}$/)
  t.equal(digestOf(app({}, 'another-name')), plain)
  t.equal(digestOf(app({ keys: [{ name: 'b' }, { name: 'a' }] })), plain, 'the order of keys')
  const namespaces = [{ id: 'x', persisted: true }, { id: 'y' }]
  t.equal(digestOf(app({ namespaces: namespaces.toReversed() })), digestOf(app({ namespaces })))
})

t.test('what they can notice is', async t => {
  const plain = digestOf(app({}))
  const others = [
    app({ keys: [{ name: 'a' }] }),
    app({ keys: [{ name: 'a' }, { name: 'b', capability: { x: ['publish'] } }] }),
    app({ keys: [{ name: 'a' }, { name: 'b', revocableTokens: true }] }),
    app({ namespaces: [{ id: 'x' }] }),
    app({ limits: { publishRateMax: 7 } }),
    app({ tlsOnly: true })
  ]
  for (const other of others) t.not(digestOf(other), plain)
  const [key, ...rest] = app({}).keys
  t.not(digestOf({ ...app({}), keys: [{ ...key!, secret: 'thirdsecret' }, ...rest] }), plain,
    'keys of one region are no keys of the other')
})

t.test('without the password of the world nobody can try what a secret is', async t => {
  t.not(digestOf(app({}), 'another'), digestOf(app({})))
})
