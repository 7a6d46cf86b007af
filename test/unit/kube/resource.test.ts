import t from 'tap'
import { backoffMs } from '../../../src/kube/backoff.ts'
import { apiVersionOf, keyOf, nameOfKey, resourcePath } from '../../../src/kube/resource.ts'

const pods = { group: '', version: 'v1', plural: 'pods', kind: 'Pod', namespaced: true }
const sets = {
  group: 'apps', version: 'v1', plural: 'statefulsets', kind: 'StatefulSet', namespaced: true
}
const nodes = { group: '', version: 'v1', plural: 'nodes', kind: 'Node', namespaced: false }

t.test('paths of collections, objects and subresources', async t => {
  t.equal(resourcePath(pods), '/api/v1/pods')
  t.equal(resourcePath(pods, 'ns'), '/api/v1/namespaces/ns/pods')
  t.equal(resourcePath(sets, 'ns', 'web', 'status'),
    '/apis/apps/v1/namespaces/ns/statefulsets/web/status')
  t.equal(resourcePath(nodes, undefined, 'n1'), '/api/v1/nodes/n1')
  t.equal(resourcePath(nodes, 'ignored', 'n1'), '/api/v1/nodes/n1')
  t.equal(resourcePath(pods, 'ns', '../x'), '/api/v1/namespaces/ns/pods/..%2Fx')
  t.throws(() => resourcePath(pods, undefined, 'web-0'), /web-0 came without/)
})

t.test('keys and names are each other\'s opposite', async t => {
  for (const name of [{ name: 'a' }, { namespace: 'ns', name: 'a' }]) {
    t.same(nameOfKey(keyOf({ metadata: name })), name)
  }
  t.equal(apiVersionOf(pods), 'v1')
  t.equal(apiVersionOf(sets), 'apps/v1')
})

t.test('backoff doubles to its cap and never overflows; jitter takes off up to half', async t => {
  const options = { baseMs: 200, maxMs: 30_000 }
  t.same([1, 2, 3, 8, 9, 10_000].map(count => backoffMs(options, count, 0)),
    [200, 400, 800, 25_600, 30_000, 30_000])
  t.equal(backoffMs(options, 1, 0.5), 150)
})
