import t from 'tap'
import { KubeError } from '../../../src/kube/kube-error.ts'
import { WorkQueue, type WorkQueueOptions } from '../../../src/kube/work-queue.ts'
import { FakeTimers, settle } from './fake-timers.ts'

/** A queue whose handlers end when the test says so. */
function manual (options: Partial<WorkQueueOptions> = {}) {
  const timers = new FakeTimers()
  const started: string[] = []
  const errors: unknown[] = []
  const ends = new Map<string, PromiseWithResolvers<{ afterMs: number } | void>>()
  const queue = new WorkQueue({
    handle: async key => {
      started.push(key)
      const end = Promise.withResolvers<{ afterMs: number } | void>()
      ends.set(key, end)
      return await end.promise
    },
    onError: (_key, error) => { errors.push(error) },
    timers,
    random: () => 0,
    ...options
  })
  const end = async (key: string, result?: { afterMs: number }) => {
    ends.get(key)?.resolve(result)
    await settle()
  }
  const fail = async (key: string, error: unknown = new Error('failed')) => {
    ends.get(key)?.reject(error)
    await settle()
  }
  return { queue, timers, started, errors, end, fail }
}

t.test('a key added many times while it waits is handled once', async t => {
  const { queue, started, end } = manual()
  queue.add('a')
  queue.add('a')
  queue.add('b')
  queue.add('a')
  t.equal(queue.depth(), 2)
  queue.start()
  await end('a')
  await end('b')
  t.same(started, ['a', 'b'])
  t.equal(queue.depth(), 0)
})

t.test('a key added while it is handled is handled once more afterwards, not beside', async t => {
  const { queue, started, end } = manual({ workerCount: 4 })
  queue.start()
  queue.add('a')
  queue.add('a')
  queue.add('a')
  await settle()
  t.same(started, ['a'], 'one worker per key, though three are free')
  await end('a')
  t.same(started, ['a', 'a'])
  await end('a')
  t.same(started, ['a', 'a'], 'and no third time')
})

t.test('different keys are handled side by side, up to the count of workers', async t => {
  const { queue, started, end } = manual({ workerCount: 2 })
  queue.start()
  for (const key of ['a', 'b', 'c']) queue.add(key)
  t.same(started, ['a', 'b'])
  await end('b')
  t.same(started, ['a', 'b', 'c'])
})

t.test('a failing key is retried after a doubling backoff, and success forgets it', async t => {
  const { queue, timers, started, errors, end, fail } = manual({
    backoff: { baseMs: 100, maxMs: 350 }
  })
  queue.start()
  queue.add('a')
  for (const waitMs of [100, 200, 350, 350]) {
    await fail('a')
    const count = started.length
    await timers.advance(waitMs - 1)
    t.equal(started.length, count, `not before ${waitMs} ms`)
    await timers.advance(1)
    t.equal(started.length, count + 1, `after ${waitMs} ms`)
  }
  t.equal(queue.failureCount('a'), 4)
  t.equal(errors.length, 4)
  await end('a')
  t.equal(queue.failureCount('a'), 0)
})

t.test('jitter only shortens the backoff, by up to half', async t => {
  const { queue, timers, started, fail } = manual({
    backoff: { baseMs: 100, maxMs: 1000 }, random: () => 0.999
  })
  queue.start()
  queue.add('a')
  await fail('a')
  await timers.advance(50)
  t.equal(started.length, 1)
  await timers.advance(1)
  t.equal(started.length, 2)
})

t.test('a busy server\'s Retry-After is a floor for the backoff', async t => {
  const { queue, timers, started, fail } = manual()
  queue.start()
  queue.add('a')
  await fail('a', new KubeError({
    status: 429, reason: 'TooManyRequests', message: 'busy', retryAfterMs: 7000
  }))
  await timers.advance(6999)
  t.equal(started.length, 1)
  await timers.advance(1)
  t.equal(started.length, 2)
})

t.test('a handler that throws at once is a failure like any other', async t => {
  const errors: unknown[] = []
  const timers = new FakeTimers()
  const queue = new WorkQueue({
    handle: () => { throw new Error('at once') },
    onError: (_key, error) => { errors.push(error) },
    timers,
    random: () => 0
  })
  queue.start()
  queue.add('a')
  await settle()
  t.equal(errors.length, 1)
  await timers.advance(5)
  t.equal(errors.length, 2, 'and it is tried again')
})

t.test('retries of all keys together keep to the bucket', async t => {
  const { queue, timers, started, fail } = manual({
    workerCount: 100, backoff: { baseMs: 1, maxMs: 1 }, bucket: { perSecond: 10, burst: 5 }
  })
  queue.start()
  const keys = Array.from({ length: 20 }, (_, index) => `key-${index}`)
  for (const key of keys) queue.add(key)
  for (const key of keys) await fail(key)
  await timers.advance(1)
  t.equal(started.length, 25, 'the burst at once')
  await timers.advance(999)
  t.equal(started.length, 35, 'ten in the first second')
  await timers.advance(500)
  t.equal(started.length, 40, 'the rest by then')
})

t.test('of several delays of one key the earliest counts, and only once', async t => {
  const { queue, timers, started, end } = manual()
  queue.start()
  queue.addAfter('a', 500)
  queue.addAfter('a', 200)
  queue.addAfter('a', 300)
  await timers.advance(199)
  t.same(started, [])
  await timers.advance(1)
  t.same(started, ['a'])
  await end('a')
  await timers.advance(1000)
  t.same(started, ['a'])
})

t.test('a delayed key does not hinder an add now', async t => {
  const { queue, started } = manual()
  queue.start()
  queue.addAfter('a', 60_000)
  queue.add('a')
  t.same(started, ['a'])
})

t.test('a handler may ask to look again', async t => {
  const { queue, timers, started, end } = manual()
  queue.start()
  queue.add('a')
  await end('a', { afterMs: 10_000 })
  await timers.advance(9_999)
  t.equal(started.length, 1)
  await timers.advance(1)
  t.equal(started.length, 2)
  t.equal(queue.failureCount('a'), 0, 'which is no failure')
})

t.test('stop waits for the handlers under way and starts none after', async t => {
  const { queue, timers, started, end } = manual()
  queue.start()
  queue.add('a')
  queue.add('a')
  queue.add('b')
  queue.addAfter('c', 10)
  let isStopped = false
  const stopped = queue.stop().then(() => { isStopped = true })
  await timers.advance(100)
  t.equal(isStopped, false)
  await end('a')
  await stopped
  queue.add('d')
  await timers.advance(100)
  t.same(started, ['a'])
  t.same(timers.delays(), [], 'no timer is left')
})

t.test('the metrics tell depth, wait, work, retries and the slowest handler', async t => {
  const told: unknown[] = []
  const { queue, timers, end, fail } = manual({
    metrics: {
      onDepth: depth => { told.push({ depth }) },
      onStart: waitedMs => { told.push({ waitedMs }) },
      onDone: (workMs, isFailed) => { told.push({ workMs, isFailed }) },
      onRetry: () => { told.push('retry') }
    }
  })
  queue.add('a')
  timers.stall(30)
  queue.start()
  timers.stall(70)
  t.equal(queue.longestRunningMs(), 70)
  await fail('a')
  t.same(told, [
    { depth: 1 }, { depth: 0 }, { waitedMs: 30 }, 'retry', { workMs: 70, isFailed: true }
  ])
  t.equal(queue.longestRunningMs(), 0)
  await timers.advance(10)
  await end('a')
  t.match(told.at(-1), { isFailed: false })
})

t.test('random work: one worker per key, and every add is followed by a whole run', async t => {
  // The dumb second opinion: a log of adds and runs, checked afterwards.
  let seed = 12345
  const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648
  const timers = new FakeTimers()
  const running = new Set<string>()
  const lastAdd = new Map<string, number>()
  const lastRun = new Map<string, number>()
  const violations: string[] = []
  let step = 0
  const queue = new WorkQueue({
    workerCount: 3,
    handle: async key => {
      if (running.has(key)) violations.push(`two workers for ${key}`)
      if (running.size >= 3) violations.push('more keys under way than workers')
      running.add(key)
      lastRun.set(key, step)
      await new Promise<void>(resolve => timers.after(random() * 50, resolve))
      running.delete(key)
      if (random() < 0.2) throw new Error('now and then')
    },
    onError: () => {},
    timers,
    random
  })
  queue.start()
  for (step = 1; step <= 2000; step++) {
    const key = `key-${Math.floor(random() * 8)}`
    lastAdd.set(key, step)
    queue.add(key)
    if (random() < 0.1) await timers.advance(random() * 100)
  }
  step = 3000
  await timers.advance(3_600_000)
  t.equal(queue.depth(), 0)
  t.equal(running.size, 0)
  t.same(violations, [])
  for (const [key, addedAt] of lastAdd) {
    t.ok((lastRun.get(key) ?? 0) >= addedAt, `${key} was looked at after its last add`)
  }
})
