/**
 * Links under faults: thousands of short seeded lives, each held against the little that a link
 * promises, and the single faults that once broke it.
 */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { type End, LossyPair } from './lossy-pair.ts'

/** Numbers of what was heard of one life of the other end, in the order of hearing. */
function heardByLife(end: End): Map<number, number[]> {
  const lives = new Map<number, number[]>()
  for (const text of end.heard) {
    const [life, no] = text.split('.').map(Number) as [number, number]
    const numbers = lives.get(life) ?? []
    numbers.push(no)
    lives.set(life, numbers)
  }
  return lives
}

/** What is wrong with what `end` heard, given the resets that allow holes. */
function flawOf(end: End, mayHaveHoles: boolean): string | undefined {
  let lastLife = 0
  for (const text of end.heard) {
    const life = Number(text.split('.')[0])
    if (life < lastLife) return `a former life speaks after a newer one: ${end.heard.join(' ')}`
    lastLife = life
  }
  for (const [life, numbers] of heardByLife(end)) {
    for (const [at, no] of numbers.entries()) {
      const former = numbers[at - 1]
      if (former === undefined) continue
      if (no <= former) return `${life}.${no} after ${life}.${former}`
      if (no !== former + 1 && !mayHaveHoles) return `a hole before ${life}.${no}`
    }
  }
  return undefined
}

/** One storm and then calm; returns what broke, if anything. */
function storm(seed: string): string | undefined {
  const pair = new LossyPair(seed)
  const { random, a, b } = pair
  const isReordering = random.unit() < 0.3
  pair.weather = {
    loss: random.unit() < 0.2 ? 0 : random.unit() * 0.5,
    repeat: random.unit() < 0.5 ? 0 : random.unit() * 0.3,
    delayMs: isReordering ? 1 + random.below(60) : 1
  }
  const restartShare = random.unit() < 0.5 ? 0 : 0.04
  for (let step = 0; step < 40; step++) {
    const [from, to] = random.unit() < 0.6 ? [a, b] : [b, a]
    for (let count = random.below(4); count > 0; count--) from.say(to)
    from.flush()
    if (random.unit() < restartShare) (random.unit() < 0.5 ? a : b).restart()
    pair.run(random.below(60))
  }
  pair.weather = { loss: 0, repeat: 0, delayMs: 1 }
  pair.run(60_000)
  for (const [end, other] of [[a, b], [b, a]] as const) {
    const flaw = flawOf(end, other.resetCount > 0)
    if (flaw !== undefined) return `${end.place.incarnation}: ${flaw}`
    if (other.links.unconfirmedBytes() > 0) return 'something stays unconfirmed in calm weather'
  }
  for (const [from, to] of [[a, b], [b, a]] as const) {
    const last = from.say(to)
    from.flush()
    pair.run(30_000)
    const again = to.heard.at(-1) === last ? last : from.say(to)
    from.flush()
    pair.run(30_000)
    if (to.heard.at(-1) !== again) return `${again} is not heard in calm weather`
  }
  const before = pair.carriedCount
  pair.run(3_600_000)
  return pair.carriedCount === before ? undefined : 'an idle link is not silent'
}

t.test('[13] in any weather: once, in order, no hole inside a stream, whole after', async (t) => {
  let failures = 0
  for (let seed = 0; seed < 3_000 && failures < 3; seed++) {
    const flaw = storm(`storm/${seed}`)
    if (flaw === undefined) continue
    failures++
    t.fail(`storm/${seed}: ${flaw}`)
  }
  t.equal(failures, 0)
})

t.test('[13] one lost batch of many costs each of them once more, not each for each', async (t) => {
  const pair = new LossyPair('burst')
  const { a, b } = pair
  a.say(b)
  a.flush()
  pair.run(1_000)
  let batchCount = 0
  pair.loses = (frame) => frame.kind === 'batch' && ++batchCount === 1
  const before = pair.carried.batch
  for (let count = 0; count < 100; count++) {
    a.say(b)
    a.flush()
  }
  pair.run(10_000)
  t.equal(b.heard.length, 101)
  t.ok(pair.carried.batch - before <= 200, `${pair.carried.batch - before} batches for 100`)
})

t.test('[13] a receiver is told when the sender gave up what it had said', async (t) => {
  const pair = new LossyPair('bound')
  const { a, b } = pair
  a.say(b)
  a.flush()
  pair.run(1_000)
  pair.loses = () => true
  const share = limits.linkBytesMax / 4
  for (let count = 0; count < 6; count++) {
    a.say(b, share)
    a.flush()
  }
  t.equal(a.links.unconfirmedBytes(), 0, 'at the bound all of it is given up')
  t.equal(a.resetCount, 0, 'the owner, who would say it all again, is not told in the same turn')
  pair.run(limits.linkRestMs + 1)
  t.equal(a.resetCount, 1, 'but after a rest')
  pair.loses = () => false
  pair.run(20_000)
  t.equal(b.resetCount, 1, 'and the receiver, who waits for what will never come')
  a.say(b)
  a.flush()
  pair.run(1_000)
  t.same(b.heard, ['1.0', '1.7'], 'what was given up is never said')
})

t.test('[13] an owner that says too much again and again comes to an end', async (t) => {
  const pair = new LossyPair('too much')
  const { a, b } = pair
  pair.loses = () => true
  const share = limits.linkBytesMax / 4
  const sayAll = (): void => {
    for (let count = 0; count < 6; count++) a.say(b, share)
  }
  a.onReset = sayAll
  sayAll()
  a.flush()
  pair.run(10 * limits.linkRestMs)
  t.ok(a.resetCount > 2, `told ${a.resetCount} times`)
  t.ok(a.links.unconfirmedBytes() <= limits.linkBytesMax)
  pair.loses = () => false
  a.onReset = () => {
    a.say(b)
    a.flush()
  }
  pair.run(20_000)
  t.match(b.heard.at(-1), /^1\./, 'and goes on when there is less to say')
})

t.test('[13, C1] a receiver is told of a loss though nothing more is said', async (t) => {
  const pair = new LossyPair('last words')
  const { a, b } = pair
  a.say(b)
  a.flush()
  pair.run(1_000)
  pair.loses = () => true
  for (let count = 0; count < 6; count++) {
    a.say(b, limits.linkBytesMax / 4)
    a.flush()
  }
  pair.run(5_000)
  pair.loses = () => false
  pair.run(20_000)
  t.equal(b.resetCount, 1)
  t.equal(a.links.unconfirmedBytes(), 0)
})

t.test('[13] a raised stream is never that of a link which begins again', async (t) => {
  const pair = new LossyPair('raised and dropped')
  const { a, b } = pair
  pair.loses = (frame) => frame.kind === 'batch'
  a.say(b)
  a.flush()
  pair.loses = () => false
  pair.run(5_000)
  t.equal(a.resetCount, 1, 'the stream was raised')
  a.links.drop(b.place)
  for (const no of [1, 2, 3]) {
    a.say(b)
    a.flush()
    pair.run(no * 1_000)
  }
  t.same(b.heard, ['1.1', '1.2', '1.3'])
})

t.test('[13] a receiver that was told nothing yet is told of a loss too', async (t) => {
  const pair = new LossyPair('first')
  const { a, b } = pair
  pair.loses = (frame) => frame.kind === 'batch'
  a.say(b)
  a.flush()
  pair.loses = () => false
  pair.run(5_000)
  t.equal(a.resetCount, 1)
  a.say(b)
  a.flush()
  pair.run(1_000)
  t.same(b.heard, ['1.1'])
  t.equal(b.resetCount, 1)
})

t.test('[13] a link that was dropped and is used again is a new stream', async (t) => {
  const pair = new LossyPair('dropped')
  const { a, b } = pair
  for (let count = 0; count < 3; count++) {
    a.say(b)
    a.flush()
  }
  pair.run(1_000)
  a.links.drop(b.place)
  const said = a.say(b)
  a.flush()
  pair.run(1_000)
  t.equal(b.heard.at(-1), said)
})

t.test('[13] a stream whose missing batch nobody holds any more is begun anew', async (t) => {
  const pair = new LossyPair('nobody')
  const { a, b } = pair
  for (let count = 0; count < 3; count++) {
    a.say(b)
    a.flush()
    pair.run(500)
  }
  // A copy of the first batch, long under way, makes the heir follow a stream in its middle.
  b.restart()
  b.links.onFrame({
    formatVersion: 1, from: a.place, to: b.place, viewVersion: 1, kind: 'batch',
    stream: { generation: 1, number: 1 }, batchNo: 1, confirms: undefined, messages: []
  }, pair.nowMs)
  a.say(b)
  a.flush()
  pair.run(30_000)
  t.equal(a.resetCount, 1)
  t.equal(a.links.unconfirmedBytes(), 0)
  t.ok(pair.carriedCount < 40, `${pair.carriedCount} frames`)
})

t.test('what is said to a bus that is full of it is cut into batches', async (t) => {
  const pair = new LossyPair('batches')
  const { a, b } = pair
  const each = limits.batchBytesMax / 4
  for (let count = 0; count < 10; count++) a.say(b, each)
  a.flush()
  t.equal(pair.carried.batch, 3)
  pair.run(1_000)
  t.equal(b.heard.length, 10)
})

t.test('an answer takes its confirmation with it', async (t) => {
  const pair = new LossyPair('piggyback')
  const { a, b } = pair
  a.say(b)
  a.flush()
  pair.run(5)
  b.say(a)
  b.flush()
  pair.run(10)
  t.equal(a.links.unconfirmedBytes(), 0)
  t.equal(pair.carried.confirm, 0)
  pair.run(1_000)
  t.equal(pair.carried.confirm, 1, 'and the answer is confirmed by itself')
})

/** The way from one end to the other leads nowhere, or is good again. */
function cut(pair: LossyPair, ...from: End[]): void {
  const names = from.map(({ place }) => place.incarnation)
  pair.loses = (frame) => names.includes(frame.from.incarnation)
}

t.test('[13] a way to another region that leads nowhere keeps nothing for long', async (t) => {
  const pair = new LossyPair('one way')
  const { a, b } = pair
  const bytes = 1_000
  const talk = (seconds: number): number => {
    let most = 0
    for (let second = 0; second < seconds; second++) {
      a.say(b, bytes)
      b.say(a)
      for (const end of [a, b]) end.flush()
      pair.run(1_000)
      most = Math.max(most, a.links.unconfirmedBytes())
    }
    return most
  }
  pair.isForeign = true
  talk(5)
  cut(pair, a)
  const seconds = limits.relaySilentMs / 1_000
  t.ok(talk(600) <= (seconds + 10) * bytes, 'a minute of it, whatever its bytes')
  t.equal(a.links.unconfirmedBytes(), 0)
  t.equal(a.resetCount, 0)
  t.ok(a.isMute, 'what is said is let go, and that is told')
  cut(pair)
  pair.run(2_000)
  t.notOk(a.isMute || b.isMute)
  t.same([a.resetCount, b.resetCount], [2, 2], 'both are told of both ways once it is good again')
  const last = a.say(b)
  a.flush()
  pair.run(1_000)
  t.equal(b.heard.at(-1), last)
  t.equal(flawOf(b, true), undefined)
  const before = pair.carriedCount
  pair.run(3_600_000)
  t.equal(pair.carriedCount, before, 'then it is silent')
  pair.isForeign = false
  cut(pair, a)
  t.equal(talk(seconds * 2), seconds * 2 * bytes, 'of the own region the view decides')
  cut(pair)
  pair.run(20_000)
  t.equal(b.resetCount, 2, 'and nothing is given up')
  t.equal(b.heard.at(-1), `1.${a.saidCount - 1}`)
})

t.test('[13] ways to another region that come and go: once, in order, whole after', async (t) => {
  for (let seed = 0; seed < 300; seed++) {
    const pair = new LossyPair(`ways/${seed}`)
    const { random, a, b } = pair
    pair.isForeign = true
    for (let step = 0; step < 12; step++) {
      cut(pair, ...[a, b].filter(() => random.unit() < 0.5))
      for (let count = random.below(4); count > 0; count--) {
        for (const [from, to] of [[a, b], [b, a]] as const) {
          from.say(to)
          from.flush()
          pair.run(random.below(2 * limits.relaySilentMs))
        }
      }
      if (random.unit() < 0.1) (random.unit() < 0.5 ? a : b).restart()
    }
    cut(pair)
    pair.run(30_000)
    for (const [from, to] of [[a, b], [b, a]] as const) {
      t.equal(flawOf(to, from.resetCount > 0), undefined, `ways/${seed}`)
      const last = from.say(to)
      from.flush()
      pair.run(30_000)
      if (to.heard.at(-1) === last) continue
      const again = from.say(to)
      from.flush()
      pair.run(30_000)
      t.equal(to.heard.at(-1), again, `ways/${seed}: what is said in the end is heard`)
    }
    t.equal(a.links.unconfirmedBytes() + b.links.unconfirmedBytes(), 0)
  }
})
