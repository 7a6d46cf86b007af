import t from 'tap'
import { ObjectCache } from '../../../src/kube/object-cache.ts'
import type { KubeObject } from '../../../src/kube/resource.ts'

function pod (name: string, uid: string, resourceVersion: string): KubeObject {
  const metadata = { namespace: 'ns', name, uid, resourceVersion }
  return { apiVersion: 'v1', kind: 'Pod', metadata }
}

const told = (events: Array<{ type: string, object: KubeObject }>) =>
  events.map(({ type, object: { metadata } }) =>
    `${type} ${metadata.uid}@${metadata.resourceVersion}`)

t.test('the same version twice is told once', async t => {
  const cache = new ObjectCache()
  t.same(told(cache.put(pod('a', 'u1', '1'))), ['ADDED u1@1'])
  t.same(told(cache.put(pod('a', 'u1', '1'))), [])
  const [event] = cache.put(pod('a', 'u1', '2'))
  t.match(event, { type: 'MODIFIED', previous: { metadata: { resourceVersion: '1' } } })
})

t.test('a name given again is the end of one object and the birth of another', async t => {
  const cache = new ObjectCache()
  cache.put(pod('a', 'u1', '1'))
  t.same(told(cache.put(pod('a', 'u2', '5'))), ['DELETED u1@1', 'ADDED u2@5'])
  t.equal(cache.get({ namespace: 'ns', name: 'a' })?.metadata.uid, 'u2')
  t.equal(cache.size, 1)
})

t.test('a late end of the former namesake does not touch the present one', async t => {
  const cache = new ObjectCache()
  cache.put(pod('a', 'u1', '1'))
  cache.put(pod('a', 'u2', '5'))
  t.same(told(cache.delete(pod('a', 'u1', '4'))), [], 'its end was told already')
  t.equal(cache.get({ namespace: 'ns', name: 'a' })?.metadata.uid, 'u2')
})

t.test('a list tells the ends that were not seen, first, then what is new or changed', async t => {
  const cache = new ObjectCache()
  cache.replaceAll([pod('a', 'u1', '1'), pod('b', 'u2', '2'), pod('c', 'u3', '3')])
  const events = cache.replaceAll([pod('b', 'u2', '2'), pod('c', 'u3', '7'), pod('d', 'u4', '8')])
  t.same(told(events), ['DELETED u1@1', 'MODIFIED u3@7', 'ADDED u4@8'])
  t.same(cache.objects().map(({ metadata }) => metadata.name), ['b', 'c', 'd'])
})

t.test('managedFields are not kept', async t => {
  const cache = new ObjectCache()
  const object = pod('a', 'u1', '1')
  object.metadata.managedFields = [{ manager: 'kubectl' }]
  cache.put(object)
  t.notOk('managedFields' in (cache.getByUid('u1')?.metadata ?? {}))
})
