import t from 'tap'
import { Random } from '../../../src/base/random.ts'
import { TokenBucket } from '../../../src/base/rate.ts'

/** How many of `asked` are given at one moment. */
function take(bucket: TokenBucket, nowMs: number, asked: number): number {
  let given = 0
  for (let count = 0; count < asked; count++) if (bucket.take(nowMs)) given++
  return given
}

t.test('a full second at once, then nothing until time passes', async (t) => {
  const bucket = new TokenBucket(50, 1_000)
  t.equal(take(bucket, 1_000, 80), 50)
  t.equal(take(bucket, 1_000, 80), 0, 'asking makes no tokens')
  t.equal(take(bucket, 1_019, 1), 0)
  t.equal(take(bucket, 1_020, 80), 1)
  t.equal(take(bucket, 1_520, 80), 25)
})

t.test('what is unused is saved for one second, not longer', async (t) => {
  const bucket = new TokenBucket(50, 0)
  take(bucket, 0, 50)
  t.equal(take(bucket, 3_600_000, 500), 50)
  const idle = new TokenBucket(50, 0)
  t.equal(take(idle, 3_600_000, 500), 50)
})

t.test('one who was refused is not punished: it goes on as soon as there is a token', async (t) => {
  const bucket = new TokenBucket(10, 0)
  take(bucket, 0, 10)
  let given = 0
  for (let nowMs = 1; nowMs <= 1_000; nowMs++) given += take(bucket, nowMs, 3)
  t.ok(given === 10 || given === 9, `${given} of 10 in a second of asking`)
})

t.test('in any stretch of time at most the rate of it and one second\'s burst', async (t) => {
  for (let seed = 0; seed < 100; seed++) {
    const random = new Random(`rate/${seed}`)
    const perSecond = 1 + random.below(100)
    const bucket = new TokenBucket(perSecond, 0)
    const given: { atMs: number; count: number }[] = []
    let nowMs = 0
    for (let step = 0; step < 60; step++) {
      nowMs += random.below(500)
      given.push({ atMs: nowMs, count: take(bucket, nowMs, random.below(80)) })
    }
    let worst = 0
    for (const [from, { atMs }] of given.entries()) {
      let sum = 0
      for (const each of given.slice(from)) {
        sum += each.count
        const allowed = perSecond * (1 + (each.atMs - atMs) / 1_000)
        worst = Math.max(worst, sum - allowed)
      }
    }
    t.ok(worst < 1e-6, `seed ${seed}: ${worst} too many`)
  }
})
