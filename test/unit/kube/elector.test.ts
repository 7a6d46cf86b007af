import t from 'tap'
import { Elector, type Lease, microTime } from '../../../src/kube/elector.ts'
import { KubeError } from '../../../src/kube/kube-error.ts'
import { FakeTimers, settle } from './fake-timers.ts'

/** One Lease, compare-and-swap, and a network that can fail, lose answers or be slow. */
class LeaseStore {
  lease: Lease | undefined
  isDown = false
  /** The next write is done, but its answer is lost. */
  losesAnswer = false
  /** While set, answers wait for it. */
  gate: Promise<void> | undefined
  writeCount = 0
  #version = 1

  async get (): Promise<any> {
    await this.#network()
    return structuredClone(this.lease)
  }

  async create (_resource: unknown, object: any): Promise<any> {
    await this.#network()
    if (this.lease !== undefined) throw refusal(409, 'AlreadyExists')
    return await this.#store(object)
  }

  async replace (_resource: unknown, object: any): Promise<any> {
    await this.#network()
    if (object.metadata.resourceVersion !== this.lease?.metadata.resourceVersion) {
      throw refusal(409, 'Conflict')
    }
    return await this.#store(object)
  }

  seize (holderIdentity: string): void {
    void this.#store({ ...this.lease, spec: { ...this.lease?.spec, holderIdentity } } as Lease)
  }

  async #store (object: Lease): Promise<Lease> {
    this.writeCount++
    this.lease = structuredClone(object)
    this.lease.metadata = {
      ...object.metadata, uid: 'lease', resourceVersion: String(this.#version++)
    }
    const stored = structuredClone(this.lease)
    if (this.losesAnswer) {
      this.losesAnswer = false
      throw refusal(0, 'Timeout')
    }
    await this.gate
    return stored
  }

  async #network (): Promise<void> {
    await Promise.resolve()
    if (this.isDown) throw refusal(0, 'Unreachable')
  }
}

function refusal (status: number, reason: string): KubeError {
  return new KubeError({ status, reason, message: reason })
}

function candidate (identity: string, store: LeaseStore, timers: FakeTimers) {
  const told: string[] = []
  const problems: unknown[] = []
  const elector = new Elector({
    client: store,
    namespace: 'ns',
    name: 'operator',
    identity,
    onElected: () => { told.push('elected') },
    onLost: reason => { told.push(`lost: ${reason}`) },
    onProblem: error => { problems.push(error) },
    timers,
    random: () => 0
  })
  return { elector, told, problems }
}

t.test('times have six fractional digits', async t => {
  t.equal(microTime(1_700_000_000_000), '2023-11-14T22:13:20.000000Z')
  t.equal(microTime(1_700_000_000_123), '2023-11-14T22:13:20.123000Z')
})

t.test('the first candidate makes the Lease and renews it every two seconds', async t => {
  const store = new LeaseStore()
  const timers = new FakeTimers()
  const a = candidate('a', store, timers)
  a.elector.start()
  await settle()
  t.equal(a.elector.isLeader(), true)
  t.match(store.lease?.spec, {
    holderIdentity: 'a',
    leaseDurationSeconds: 15,
    leaseTransitions: 0,
    renewTime: '2023-11-14T22:13:20.000000Z'
  })
  await timers.advance(60_000)
  t.equal(store.writeCount, 31)
  t.match(store.lease?.spec, {
    acquireTime: '2023-11-14T22:13:20.000000Z', renewTime: '2023-11-14T22:14:20.000000Z'
  })
  t.same(a.told, ['elected'], 'and is told once')
})

t.test('of two candidates one is elected; the other takes over 15 s after the last renewal',
  async t => {
    const store = new LeaseStore()
    const ours = new FakeTimers()
    const theirs = new FakeTimers()
    const a = candidate('a', store, ours)
    const b = candidate('b', store, theirs)
    a.elector.start()
    await settle()
    b.elector.start()
    for (let second = 0; second < 60; second++) {
      await ours.advance(1000)
      await theirs.advance(1000)
    }
    t.same([a.elector.isLeader(), b.elector.isLeader()], [true, false])
    t.equal(b.elector.holder(), 'a')
    // The process of a is paused: its time goes on, but nothing runs.
    ours.stall(10_000)
    await theirs.advance(10_000)
    t.same([a.elector.isLeader(), b.elector.isLeader()], [false, false],
      'a stops believing before b can take over')
    await theirs.advance(8_000)
    t.equal(b.elector.isLeader(), true)
    t.equal(store.lease?.spec?.leaseTransitions, 1)
    await ours.advance(8_000)
    t.match(a.told, ['elected', /^lost: the lease/])
    t.equal(a.elector.isLeader(), false)
  })

t.test('the clocks written in the Lease decide nothing', async t => {
  const store = new LeaseStore()
  const timers = new FakeTimers()
  store.lease = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { namespace: 'ns', name: 'operator', uid: 'lease', resourceVersion: '0' },
    spec: {
      holderIdentity: 'gone', leaseDurationSeconds: 15, renewTime: '1999-01-01T00:00:00.000000Z'
    }
  }
  const a = candidate('a', store, timers)
  a.elector.start()
  await timers.advance(14_000)
  t.equal(a.elector.isLeader(), false, 'old as it looks, it was watched for 14 s only')
  await timers.advance(2_000)
  t.equal(a.elector.isLeader(), true)
})

t.test('a Lease that asks for more patience gets it', async t => {
  const store = new LeaseStore()
  const timers = new FakeTimers()
  store.seize('slow')
  Object.assign(store.lease?.spec ?? {}, { leaseDurationSeconds: 60 })
  const a = candidate('a', store, timers)
  a.elector.start()
  await timers.advance(59_000)
  t.equal(a.elector.isLeader(), false)
  await timers.advance(2_000)
  t.equal(a.elector.isLeader(), true)
})

t.test('a leader that cannot renew is lost 10 s after its last renewal was sent', async t => {
  const store = new LeaseStore()
  const timers = new FakeTimers()
  const a = candidate('a', store, timers)
  a.elector.start()
  await timers.advance(4_000)
  store.isDown = true
  await timers.advance(9_999)
  t.equal(a.elector.isLeader(), true, 'it goes on trying')
  t.ok(a.problems.length >= 4)
  await timers.advance(1)
  t.match(a.told, ['elected', /^lost: the lease could not be renewed for 10000 ms$/])
  store.isDown = false
  await timers.advance(60_000)
  t.equal(a.elector.isLeader(), false, 'for good')
  t.same(timers.delays(), [])
})

t.test('a leader that is answered again in time stays', async t => {
  const store = new LeaseStore()
  const timers = new FakeTimers()
  const a = candidate('a', store, timers)
  a.elector.start()
  await timers.advance(4_000)
  store.isDown = true
  await timers.advance(7_000)
  store.isDown = false
  await timers.advance(60_000)
  t.same(a.told, ['elected'])
  t.equal(a.elector.isLeader(), true)
})

t.test('a renewal whose answer was lost is found in the record', async t => {
  const store = new LeaseStore()
  const timers = new FakeTimers()
  const a = candidate('a', store, timers)
  a.elector.start()
  await settle()
  store.losesAnswer = true
  await timers.advance(30_000)
  t.same(a.told, ['elected'])
  t.equal(a.elector.isLeader(), true)
})

t.test('a Lease taken by another is lost at the next renewal', async t => {
  const store = new LeaseStore()
  const timers = new FakeTimers()
  const a = candidate('a', store, timers)
  a.elector.start()
  await settle()
  store.seize('b')
  await timers.advance(2_000)
  t.same(a.told, ['elected', 'lost: the lease was taken by b'])
})

t.test('an answer that comes after the time is up does not bring leadership back', async t => {
  const store = new LeaseStore()
  const timers = new FakeTimers()
  const a = candidate('a', store, timers)
  a.elector.start()
  await settle()
  const gate = Promise.withResolvers<void>()
  store.gate = gate.promise
  await timers.advance(2_000)
  // The event loop stands still until after the deadline; then the answer is handled first.
  timers.stall(20_000)
  t.equal(a.elector.isLeader(), false, 'known at once, before any timer')
  gate.resolve()
  await settle()
  t.same(a.told, ['elected', 'lost: the lease was renewed too late'])
  t.equal(a.elector.isLeader(), false)
})

t.test('stop gives the Lease back, and a successor need not wait', async t => {
  const store = new LeaseStore()
  const timers = new FakeTimers()
  const a = candidate('a', store, timers)
  const b = candidate('b', store, timers)
  a.elector.start()
  await settle()
  b.elector.start()
  await timers.advance(3_000)
  await a.elector.stop()
  t.equal(a.elector.isLeader(), false)
  t.equal(store.lease?.spec?.holderIdentity, '')
  await timers.advance(2_000)
  t.equal(b.elector.isLeader(), true)
  t.same(a.told, ['elected'], 'a planned end is no loss')
})

t.test('a Lease that somebody made is taken, and the term grows with its holders', async t => {
  const store = new LeaseStore()
  await store.create(undefined, { metadata: { name: 'operator', namespace: 'ns' } })
  const timers = new FakeTimers()
  const [a, b] = [candidate('a', store, timers), candidate('b', store, timers)]
  a.elector.start()
  await settle()
  t.ok(a.elector.isLeader())
  const { elector } = a
  const term = elector.term()
  b.elector.start()
  await timers.advance(6_000)
  t.equal(elector.term(), term, 'renewals change nothing in it')
  await elector.stop()
  await timers.advance(2_000)
  t.ok(b.elector.isLeader())
  t.ok(b.elector.term() > term)
  await b.elector.stop()
})

t.test('stop during the acquisition gives back what it brought', async t => {
  const store = new LeaseStore()
  const timers = new FakeTimers()
  const gate = Promise.withResolvers<void>()
  store.gate = gate.promise
  const a = candidate('a', store, timers)
  a.elector.start()
  await settle()
  const stopped = a.elector.stop()
  gate.resolve()
  await stopped
  t.same(a.told, [])
  t.equal(store.lease?.spec?.holderIdentity, '')
})

t.test('a candidate that is stopped leaves another\'s Lease alone', async t => {
  const store = new LeaseStore()
  const timers = new FakeTimers()
  store.seize('b')
  const a = candidate('a', store, timers)
  a.elector.start()
  await timers.advance(5_000)
  await a.elector.stop()
  t.equal(store.lease?.spec?.holderIdentity, 'b')
  t.same(timers.delays(), [])
})

t.test('durations that contradict each other are refused', async t => {
  const store = new LeaseStore()
  t.throws(() => new Elector({
    client: store,
    namespace: 'ns',
    name: 'operator',
    identity: 'a',
    onElected: () => {},
    onLost: () => {},
    onProblem: () => {},
    renewDeadlineMs: 15_000
  }), /leaseDuration > renewDeadline/)
})

t.test('random pauses and outages: never two leaders at the same moment', async t => {
  let seed = 4711
  const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648
  const store = new LeaseStore()
  // Each candidate has a clock of its own, which stands still, for its callbacks, when paused.
  const clocks = [0, 1, 2].map(() => new FakeTimers())
  const candidates = clocks.map((timers, index) => candidate(`c${index}`, store, timers))
  const pausedUntil = [0, 0, 0]
  let electedCount = 0
  let overlapCount = 0
  for (const { elector } of candidates) elector.start()
  for (let second = 0; second < 3600; second++) {
    if (random() < 0.02) store.isDown = !store.isDown
    for (const [index, timers] of clocks.entries()) {
      if (random() < 0.005) pausedUntil[index] = second + Math.floor(random() * 40)
      if ((pausedUntil[index] ?? 0) > second) timers.stall(1000)
      else await timers.advance(1000)
    }
    const leaders = candidates.filter(({ elector }) => elector.isLeader())
    if (leaders.length > 1) overlapCount++
    for (const [index, { told }] of candidates.entries()) {
      const timers = clocks[index]
      if (!told.some(line => line.startsWith('lost')) || timers === undefined) continue
      // As the operator would: the process exits, and comes back as another candidate.
      electedCount++
      candidates[index] = candidate(`c${index}-${second}`, store, timers)
      candidates[index]?.elector.start()
    }
  }
  t.equal(overlapCount, 0)
  t.ok(electedCount > 20, `${electedCount} leaders came and went`)
})
