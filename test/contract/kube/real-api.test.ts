import t from 'tap'
import { KubeClient } from '../../../src/kube/client.ts'
import { kubeconfigCredentials } from '../../../src/kube/credentials.ts'
import { Elector, type Lease, leases } from '../../../src/kube/elector.ts'
import { EventRecorder, type KubeEvent, events } from '../../../src/kube/events.ts'
import {
  isAlreadyExists, isConflict, isInvalid, isNotFound
} from '../../../src/kube/kube-error.ts'
import { ListWatch } from '../../../src/kube/list-watch.ts'
import type { KubeObject, Resource } from '../../../src/kube/resource.ts'
import { apiServerTools, startApiServer } from '../../support/api-server.ts'
import { missingTools } from '../../support/tools.ts'
import { until } from '../../unit/kube/fake-timers.ts'

interface ConfigMap extends KubeObject { data?: Record<string, string> }

const maps: Resource = {
  group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true
}
const namespace = 'default'

function map (name: string, data: Record<string, string> = {}): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name }, data }
}

t.test('against a real API server', { skip: missingTools(...apiServerTools) }, async t => {
  const server = await startApiServer()
  t.teardown(() => server.stop())
  const requests: string[] = []
  const warnings: string[] = []
  const client = new KubeClient({
    credentials: await kubeconfigCredentials({ path: server.kubeconfigPath }),
    userAgent: 'ringcast-test/1.0',
    onRequest: ({ verb, resource, code }) => { requests.push(`${verb} ${resource} ${code}`) },
    onWarning: warning => { warnings.push(warning) }
  })
  t.teardown(() => client.close())

  t.test('objects: create, read, compare-and-swap, patch, remove', async t => {
    const created = await client.create(maps, map('crud', { a: '1' }))
    t.match(created.metadata, { name: 'crud', uid: /.+/, resourceVersion: /^\d+$/ })
    await client.replace(maps, { ...created, data: { a: '2' } })
    const stale = await client.replace(maps, { ...created, data: { a: '3' } }).catch(e => e)
    t.ok(isConflict(stale), stale.message)
    const again = await client.create(maps, map('crud')).catch(e => e)
    t.ok(isAlreadyExists(again) && !isConflict(again))
    const target = { namespace, name: 'crud' }
    await client.mergePatch(maps, target, { data: { a: null, b: '4' } })
    t.same((await client.get<ConfigMap>(maps, target))?.data, { b: '4' })
    const wrongUid = await client.remove(maps, target, { preconditions: { uid: 'no' } })
      .catch(e => e)
    t.ok(isConflict(wrongUid), wrongUid.message)
    t.equal(await client.remove(maps, target), true)
    t.equal(await client.remove(maps, target), false)
    t.equal(await client.get(maps, target), undefined)
    t.ok(requests.includes('get configmaps 404'))
    const absent = await client.replace(maps, map('absent')).catch(e => e)
    t.ok(isNotFound(absent), absent.message)
  })

  t.test('server-side apply owns its fields; force takes others\' over; dry run writes nothing',
    async t => {
      const ours = { fieldManager: 'ours' }
      await client.apply(maps, map('ssa', { a: 'ours' }), { ...ours, dryRun: true })
      t.equal(await client.get(maps, { namespace, name: 'ssa' }), undefined)
      const first = await client.apply(maps, map('ssa', { a: 'ours' }), ours)
      const same = await client.apply(maps, map('ssa', { a: 'ours' }), ours)
      t.equal(same.metadata.resourceVersion, first.metadata.resourceVersion, 'no write')
      const theirs = { fieldManager: 'theirs' }
      const conflict = await client.apply(maps, map('ssa', { a: 'theirs' }), theirs)
        .catch(e => e)
      t.ok(isConflict(conflict), conflict.message)
      await client.apply(maps, map('ssa', { b: 'theirs' }), theirs)
      await client.apply(maps, map('ssa', { a: 'theirs', b: 'x' }), { ...theirs, force: true })
      const stored = await client.get<ConfigMap>(maps, { namespace, name: 'ssa' })
      t.same(stored?.data, { a: 'theirs', b: 'x' })
    })

  t.test('bad objects are refused in words, unknown fields when asked', async t => {
    const bad = await client.create(maps, map('NOT a name')).catch(e => e)
    t.ok(isInvalid(bad))
    t.match(bad.message, /NOT a name/)
    const odd = { ...map('odd'), surprise: 1 }
    const strict = await client.create(maps, odd, { fieldValidation: 'Strict' }).catch(e => e)
    t.match(strict.message, /unknown field "surprise"/)
    await client.create(maps, odd, { fieldValidation: 'Warn' })
    t.match(warnings, [/unknown field/])
  })

  t.test('optional extensions can be asked for', async t => {
    t.equal(await client.has(maps), true)
    t.equal(await client.has(leases), true)
    t.equal(await client.has({ ...maps, plural: 'nothings' }), false)
    t.equal(await client.has({ ...maps, group: 'monitoring.coreos.com' }), false)
  })

  t.test('a list-watch follows the server: pages, changes, labels', async t => {
    const labelled = (name: string, data = {}): ConfigMap => {
      const object = map(name, data)
      object.metadata.labels = { 'test/list-watch': 'yes' }
      return object
    }
    for (let index = 0; index < 12; index++) await client.create(maps, labelled(`lw-${index}`))
    const told: string[] = []
    const listWatch = new ListWatch<ConfigMap>({
      client,
      resource: maps,
      namespace,
      labelSelector: 'test/list-watch=yes',
      pageLimit: 5,
      onChange: ({ type, object }) => { told.push(`${type} ${object.metadata.name}`) },
      onProblem: ({ error }) => { t.error(error) }
    })
    t.teardown(() => listWatch.stop())
    listWatch.start()
    await listWatch.synced
    t.equal(told.length, 12)
    await client.apply(maps, labelled('lw-0', { a: '1' }), { fieldManager: 'ours', force: true })
    await client.mergePatch(maps, { namespace, name: 'lw-1' }, {
      metadata: { labels: { 'test/list-watch': 'no' } }
    })
    await client.remove(maps, { namespace, name: 'lw-2' })
    await client.create(maps, labelled('lw-2'))
    await until(() => told.length === 16)
    t.same(told.slice(12), ['MODIFIED lw-0', 'DELETED lw-1', 'DELETED lw-2', 'ADDED lw-2'])
    t.equal(listWatch.list().length, 11)
    t.notOk(listWatch.list().some(({ metadata }) => 'managedFields' in metadata))
  })

  t.test('one of two is elected, and the other follows when it steps down', async t => {
    const candidate = (identity: string) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const elector = new Elector({
        client,
        namespace,
        name: 'election',
        identity,
        onElected: resolve,
        onLost: reason => { t.fail(reason) },
        onProblem: error => { t.error(error) },
        leaseDurationMs: 3000,
        renewDeadlineMs: 2000,
        retryPeriodMs: 100
      })
      return { elector, elected: promise }
    }
    const a = candidate('a')
    const b = candidate('b')
    a.elector.start()
    await a.elected
    b.elector.start()
    await until(() => b.elector.holder() === 'a')
    const lease = await client.get<Lease>(leases, { namespace, name: 'election' })
    t.match(lease?.spec?.renewTime, /\.\d{6}Z$/)
    await a.elector.stop()
    await b.elected
    t.same([a.elector.isLeader(), b.elector.isLeader()], [false, true])
    await b.elector.stop()
    const released = await client.get<Lease>(leases, { namespace, name: 'election' })
    t.match(released?.spec, { holderIdentity: '', leaseTransitions: 1 })
  })

  t.test('events are accepted, and their repeats counted', async t => {
    const regarding = await client.create(maps, map('eventful'))
    const recorder = new EventRecorder({
      client,
      reportingController: 'ringcast.dev/test',
      reportingInstance: 'test-0',
      onProblem: error => { t.error(error) }
    })
    const note = {
      regarding, type: 'Warning', reason: 'Tested', action: 'Test', note: 'a note'
    } as const
    const stored = async () => (await client.list<KubeEvent>(events, { namespace })).items
      .filter(event => event.regarding.uid === regarding.metadata.uid)
    recorder.record(note)
    while ((await stored()).length === 0) t.comment('the event is on its way')
    recorder.record(note)
    recorder.record(note)
    await recorder.stop()
    t.match(await stored(), [{
      reason: 'Tested', action: 'Test', note: 'a note', type: 'Warning', series: { count: 3 }
    }])
  })
})
