import t from 'tap'
import { EventRecorder, type KubeEvent } from '../../../src/kube/events.ts'
import { KubeError } from '../../../src/kube/kube-error.ts'
import type { KubeObject } from '../../../src/kube/resource.ts'
import { FakeTimers } from './fake-timers.ts'

function region (name: string): KubeObject {
  return {
    apiVersion: 'ringcast.dev/v1alpha1',
    kind: 'RealtimeRegion',
    metadata: { namespace: 'ns', name, uid: `uid-${name}`, resourceVersion: '7' }
  }
}

/** Stores events by name; `failure` is thrown by the next writes. */
class EventStore {
  readonly stored = new Map<string, any>()
  requestCount = 0
  failure: KubeError | undefined
  losesAnswer = false

  async create (_resource: unknown, object: any): Promise<any> {
    this.requestCount++
    if (this.failure !== undefined) throw this.failure
    if (this.stored.has(object.metadata.name)) throw refusal(409, 'AlreadyExists')
    this.stored.set(object.metadata.name, structuredClone(object))
    if (this.losesAnswer) {
      this.losesAnswer = false
      throw refusal(0, 'Timeout')
    }
    return object
  }

  async mergePatch (_resource: unknown, { name }: { name: string }, patch: any): Promise<any> {
    this.requestCount++
    if (this.failure !== undefined) throw this.failure
    const event = this.stored.get(name)
    if (event === undefined) throw refusal(404, 'NotFound')
    Object.assign(event, patch)
    return event
  }

  events (): KubeEvent[] { return [...this.stored.values()] }
}

function refusal (status: number, reason: string): KubeError {
  return new KubeError({ status, reason, message: reason })
}

function setup () {
  const store = new EventStore()
  const timers = new FakeTimers()
  const problems: unknown[] = []
  const recorder = new EventRecorder({
    client: store,
    reportingController: 'ringcast.dev/operator',
    reportingInstance: 'operator-0',
    onProblem: error => { problems.push(error) },
    timers,
    random: () => 0.5
  })
  const record = (name: string, note = 'Node web-0 was restarted', related?: KubeObject) => {
    recorder.record({
      regarding: region(name), related, type: 'Normal', reason: 'Restarted', action: 'Restart', note
    })
  }
  return { store, timers, problems, recorder, record }
}

t.test('an event says what it is about, why, and who says so', async t => {
  const { store, timers, record } = setup()
  record('eu', 'x'.repeat(3000), region('us'))
  await timers.advance(0)
  const [event] = store.events()
  t.match(event, {
    apiVersion: 'events.k8s.io/v1',
    metadata: { namespace: 'ns', name: /^eu\.[0-9a-f]+$/ },
    eventTime: '2023-11-14T22:13:20.000000Z',
    reportingController: 'ringcast.dev/operator',
    reportingInstance: 'operator-0',
    type: 'Normal',
    reason: 'Restarted',
    action: 'Restart',
    regarding: { kind: 'RealtimeRegion', namespace: 'ns', name: 'eu', uid: 'uid-eu' },
    related: { name: 'us' }
  })
  t.equal(event?.note.length, 1024)
})

t.test('repeats are counted in one event, written at most every ten seconds', async t => {
  const { store, timers, record } = setup()
  record('eu')
  await timers.advance(0)
  for (let second = 0; second < 60; second++) {
    record('eu')
    await timers.advance(1000)
  }
  t.equal(store.events().length, 1)
  t.ok(store.requestCount <= 8, `${store.requestCount} requests`)
  await timers.advance(10_000)
  t.match(store.events(), [{ series: { count: 61, lastObservedTime: /000Z$/ } }])
})

t.test('another note, object or reason is another event', async t => {
  const { store, timers, record } = setup()
  record('eu')
  record('us')
  record('eu', 'Node web-1 was restarted')
  await timers.advance(0)
  t.equal(store.events().length, 3)
  t.equal(new Set(store.events().map(({ metadata }) => metadata.name)).size, 3)
})

t.test('after six quiet minutes the same is news again', async t => {
  const { store, timers, record } = setup()
  record('eu')
  await timers.advance(361_000)
  record('eu')
  await timers.advance(0)
  t.equal(store.events().length, 2)
})

t.test('one object cannot flood: 25 events at once, then one every five minutes', async t => {
  const { store, timers, recorder, record } = setup()
  for (let index = 0; index < 100; index++) record('eu', `note ${index}`)
  record('us')
  await timers.advance(0)
  t.equal(store.events().length, 26)
  t.equal(recorder.droppedCount(), 75)
  await timers.advance(300_000)
  record('eu', 'later')
  record('eu', 'later still')
  await timers.advance(0)
  t.equal(store.events().length, 27)
})

t.test('with the API away, memory stays bounded and nothing is thrown', async t => {
  const { store, timers, recorder, record } = setup()
  store.failure = refusal(0, 'Unreachable')
  for (let index = 0; index < 5000; index++) record(`region-${index}`)
  t.equal(recorder.droppedCount(), 4000)
  store.failure = undefined
  await timers.advance(60_000)
  t.equal(store.events().length, 1000)
})

t.test('a write that fails is tried again; one whose answer was lost is not doubled', async t => {
  const { store, timers, problems, record } = setup()
  store.failure = refusal(503, 'ServiceUnavailable')
  record('eu')
  await timers.advance(0)
  store.failure = undefined
  await timers.advance(1000)
  t.equal(store.events().length, 1)
  store.losesAnswer = true
  record('us')
  await timers.advance(0)
  await timers.advance(10_000)
  t.equal(store.events().length, 2)
  t.same(problems, [])
})

t.test('an event the server refuses is given up and told', async t => {
  const { store, timers, problems, recorder, record } = setup()
  store.failure = refusal(403, 'Forbidden')
  record('eu')
  await timers.advance(100_000)
  t.equal(store.requestCount, 1)
  t.match(problems, [{ status: 403 }])
  t.equal(recorder.droppedCount(), 1)
  t.same(timers.delays(), [])
})

t.test('a series whose event has expired on the server goes on in a new one', async t => {
  const { store, timers, record } = setup()
  record('eu')
  await timers.advance(0)
  store.stored.clear()
  record('eu')
  await timers.advance(10_000)
  record('eu')
  await timers.advance(0)
  t.equal(store.events().length, 1)
})

t.test('stop writes the pending counts, and gives up at the first failure', async t => {
  const first = setup()
  first.record('eu')
  await first.timers.advance(0)
  first.record('eu')
  await first.recorder.stop()
  t.match(first.store.events(), [{ series: { count: 2 } }])
  first.record('eu')
  t.same(first.timers.delays(), [])
  const second = setup()
  second.store.failure = refusal(0, 'Timeout')
  for (let index = 0; index < 20; index++) second.record(`r${index}`)
  await second.recorder.stop()
  t.equal(second.store.requestCount, 1)
})
