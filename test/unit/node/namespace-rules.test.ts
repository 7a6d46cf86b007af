import t from 'tap'
import { AppDirectory, parseApps } from '../../../src/auth/app.ts'
import { batchingOf, type ChannelRules, NamespaceRules, noRules } from
  '../../../src/node/namespace-rules.ts'

function rulesOf(version: number, namespaces: object[]): NamespaceRules {
  const parsed = parseApps({ apps: [{ appId: 'app', keys: [], namespaces, limits: {} }] })
  if (!parsed.ok) throw new Error(parsed.problems.join())
  return new NamespaceRules(new AppDirectory(parsed.apps, version))
}

t.test('a channel is told together as its namespace says now', async (t) => {
  const one = { id: 'put', batchingEnabled: true, batchingInterval: 50 }
  let rules: ChannelRules = noRules
  const [put, other] = ['app/put:c', 'app/c'].map((name) => batchingOf(name, () => rules))
  t.same([put!(), other!()], [undefined, undefined])
  rules = rulesOf(1, [one])
  t.same([put!(), other!()], [{ intervalMs: 50, isConflating: false }, undefined])
  t.equal(put!(), put!(), 'looked up once')
  rules = rulesOf(2, [{ ...one, batchingPolicy: 'conflating' }])
  t.same(put!(), { intervalMs: 50, isConflating: true })
  rules = rulesOf(3, [])
  t.equal(put!(), undefined)
})
