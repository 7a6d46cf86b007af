import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import type { Standing } from '../../../src/peer/message.ts'
import { parseMessageSerial } from '../../../src/wire/serial.ts'
import { a, b, MasterBench } from './master-bench.ts'
import { CHANNEL, ofKind, op, publication, standing } from './parts.ts'

/** A master that both nodes joined, with nothing said that was not taken. */
function joined(): MasterBench {
  const bench = new MasterBench()
  for (const place of [a, b]) {
    bench.join(place)
    bench.sent(place)
  }
  return bench
}

t.test('[16, B1] only the client\'s next op is taken; one that comes early waits for its turn',
  async (t) => {
    const bench = joined()
    bench.publish(a, 2, 'x:2')
    bench.publish(a, 3, 'x:3')
    t.equal(bench.waiting.length, 0)
    for (const no of [1, 2, 3]) bench.publish(a, no, `x:${no}`)
    t.same(bench.waiting.map(({ id, seq }) => `${seq} ${id}`), ['1 x:1', '2 x:2', '3 x:3'])
  })

t.test('[16, B2] a repeat waits for the outcome of the first, whichever way it came', async (t) => {
  const bench = joined()
  bench.publish(a, 1, 'x:1')
  bench.publish(a, 1, 'x:1')
  bench.publish(b, 1, 'x:1')
  t.equal(bench.waiting.length, 1)
  t.same([bench.outcomes(a), bench.outcomes(b)], [[], []], 'it may still be lost')
  bench.commit()
  const [first, second, ...more] = bench.outcomes(a)
  t.same([second, more], [first, []])
  t.same(bench.outcomes(b), [first])
  bench.publish(b, 2, 'x:1')
  t.same(bench.outcomes(b), [first!.replace('1:', '2:')], 'and after the commit at once')
  t.equal(bench.waiting.length, 0)
})

t.test('[3, A8] nothing is shown before it is committed', async (t) => {
  const bench = joined()
  bench.publish(a, 1, 'x:1')
  bench.publish(a, 2, 'x:2')
  bench.commit(1)
  t.equal(ofKind(bench.sent(b), 'deliver').flatMap((each) => each.publications).length, 1)
  bench.join(b, { joinNo: 2, from: standing(0) })
  const [answer] = ofKind(bench.sent(b), 'joined')
  t.match(answer, { standing: { seq: 1 }, isContinuation: true })
  t.same(answer!.backlog.map(({ seq }) => seq), [1])
  const page = bench.master.pageFor({
    kind: 'backfill', channel: CHANNEL, clientId: 'of b', requestNo: 1, epoch: 7,
    from: standing(2)
  }, bench.now())
  t.notOk(page.isContinuation, 'nobody can have seen what is not committed')
})

t.test('a refusal stays one when it is asked again, though there is room now', async (t) => {
  const bench = joined()
  bench.hasRoom = false
  bench.publish(a, 1, 'x:1')
  bench.hasRoom = true
  bench.publish(a, 2, 'x:2')
  bench.publish(a, 1, 'x:1')
  bench.commit()
  t.match(bench.outcomes(a), ['1: 50005', '1: 50005', /^2: \d{14}-/])
})

t.test('[B4, 18] an op that was answered is never taken by a late repeat of it', async (t) => {
  const bench = joined()
  bench.hasRoom = false
  bench.publish(a, 1, 'x:1')
  bench.hasRoom = true
  bench.publish(a, 2, 'x:2', { answeredThrough: 1 })
  bench.publish(a, 1, 'x:1')
  t.same(bench.waiting.map(({ id }) => id), ['x:2'], 'its publisher was told that it is refused')
  t.same(bench.outcomes(a), ['1: 50005', '1: 50003'], 'a refusal that was heard is not kept')
})

t.test('[17] another publish under a known id is refused, for it is not there', async (t) => {
  const bench = joined()
  bench.publish(a, 1, 'x:1')
  bench.publish(a, 2, op('x:1', { messageCount: 2 }))
  bench.commit()
  bench.publish(a, 3, op('x:1', { messageCount: 2 }))
  t.equal(bench.waiting.length, 0)
  t.same(bench.outcomes(a).slice(1), ['2: 40031', '3: 40031'])
})

t.test('[16, 17] a repeat that outlives its id is not published a second time', async (t) => {
  const bench = joined()
  bench.publish(a, 1, 'x:1')
  bench.commit()
  bench.sent(a)
  bench.monoMs += limits.idKeptMs
  bench.master.expire(bench.monoMs, 0)
  bench.publish(a, 1, 'x:1')
  t.equal(bench.waiting.length, 0)
  t.same(bench.outcomes(a), ['1: 50003'], 'all that can be said is that the outcome is unknown')
  bench.publish(a, 2, 'x:1')
  t.equal(bench.waiting.length, 1, 'as a new op it is a new publish')
})

t.test('[B3, 17] a frame that comes again and again is one publish, however long', async (t) => {
  const bench = joined()
  bench.publish(a, 1, 'x:1')
  bench.commit()
  const [first] = bench.outcomes(a).map((outcome) => outcome.slice(3))
  for (const opNo of [2, 3, 4]) {
    bench.monoMs += limits.idKeptMs - 1
    bench.master.expire(bench.monoMs, 0)
    bench.publish(a, opNo, 'x:1')
    t.same(bench.outcomes(a), [`${opNo}: ${first}`])
  }
  t.equal(bench.waiting.length, 0)
})

t.test('[17, B5] nobody swallows another connection\'s publish by choosing its id', async (t) => {
  const bench = joined()
  bench.publish(a, 1, op('victim:7', { idSpace: 'client', connectionId: 'attacker' }))
  bench.publish(b, 1, op('victim:7'))
  t.equal(bench.commit().length, 2)
  const [forged, real] = [bench.outcomes(a), bench.outcomes(b)]
  t.not(forged[0], real[0])
})

t.test('[17] an id that a client chose is one publish, from wherever it comes again', async (t) => {
  const bench = joined()
  bench.publish(a, 1, op('order-1', { idSpace: 'client', connectionId: 'one', messageCount: 2 }))
  bench.commit()
  bench.publish(b, 1, op('order-1', { idSpace: 'client', connectionId: 'two', messageCount: 2 }))
  t.equal(bench.waiting.length, 0)
  const [first] = bench.outcomes(a)
  t.same(bench.outcomes(b), [first])
  t.equal(first!.split(',').length, 2, 'a serial for each message of the first')
})

t.test('[25] at the bound of ids new publishes are refused, known ones answered', async (t) => {
  const max = limits.idsPerChannelMax
  Object.assign(limits, { idsPerChannelMax: 3 })
  t.teardown(() => Object.assign(limits, { idsPerChannelMax: max }))
  const bench = joined()
  for (const no of [1, 2, 3, 4]) bench.publish(a, no, `x:${no}`)
  t.same(bench.outcomes(a), ['4: 42911'])
  bench.commit()
  t.equal(bench.outcomes(a).length, 3)
  bench.publish(a, 5, 'x:2')
  t.match(bench.outcomes(a), [/^5: \d{14}/], 'nothing was forgotten early')
  bench.monoMs += limits.idKeptMs
  bench.master.expire(bench.monoMs, 0)
  bench.publish(a, 6, 'x:6')
  bench.commit()
  t.match(bench.outcomes(a), [/^6: \d{14}/], 'time makes room')
})

t.test('[12] interest is what clients said: only those who want them are given deliveries',
  async (t) => {
    const bench = new MasterBench()
    bench.join(a, { wantsDeliveries: false })
    bench.publish(a, 1, 'x:1')
    bench.publish(b, 1, 'y:1')
    t.equal(bench.commit().length, 1, 'who did not join has no say')
    t.same(ofKind(bench.sent(a), 'deliver'), [])
    t.same(bench.sent(b), [])
    bench.join(a, { joinNo: 2, wantsDeliveries: true })
    bench.join(b)
    for (const place of [a, b]) bench.sent(place)
    bench.publish(a, 2, 'x:2')
    bench.commit()
    const [forA, forB] = [ofKind(bench.sent(a), 'deliver'), ofKind(bench.sent(b), 'deliver')]
    t.equal(forA.length, 1)
    t.equal(forA[0], forB[0], 'the same object to all')
  })

t.test('a client born anew is another one: its ops begin at 1, the former\'s end', async (t) => {
  const bench = joined()
  for (const no of [1, 2, 3]) bench.publish(a, no, `x:${no}`)
  bench.join(a, { clientId: 'second life' })
  bench.publish(a, 4, 'x:4')
  bench.publish(a, 1, 'y:1', { clientId: 'second life' })
  t.same(bench.commit().map(({ id }) => id), ['x:1', 'x:2', 'x:3', 'y:1'])
  const results = ofKind(bench.sent(a), 'result')
  t.ok(results.every(({ clientId }) => clientId === 'second life'))
  bench.master.onPart(a, 'of a')
  bench.publish(a, 2, 'y:2', { clientId: 'second life' })
  t.equal(bench.waiting.length, 1, 'a late goodbye of the former life is not the second\'s')
  bench.master.onPart(a, 'second life')
  bench.publish(a, 3, 'y:3', { clientId: 'second life' })
  t.equal(bench.waiting.length, 1)
})

t.test('the same client joining again keeps its numbers, and what it is owed', async (t) => {
  const bench = joined()
  bench.publish(a, 1, 'x:1')
  bench.join(a, { joinNo: 2 })
  bench.publish(a, 1, 'x:1')
  bench.publish(a, 2, 'x:2')
  t.equal(bench.waiting.length, 2)
  bench.commit()
  t.equal(new Set(bench.outcomes(a)).size, 2)
})

t.test('[11] nothing is said to a place that is gone, not even what it is owed', async (t) => {
  const bench = joined()
  bench.publish(a, 1, 'x:1')
  bench.master.onPlaceGone((place) => place.incarnation === 'a')
  bench.commit()
  t.same(bench.sent(a), [])
  t.equal(ofKind(bench.sent(b), 'deliver').length, 1, 'the publish itself goes on')
})

t.test('[19] a Join continues if the lineage is the same and nothing after it was let go',
  async (t) => {
    const bench = new MasterBench(standing(10))
    bench.join(a)
    bench.publish(a, 1, 'x:1')
    bench.publish(a, 2, 'x:2')
    bench.commit()
    bench.monoMs += limits.tailMs * 90
    bench.master.expire(bench.monoMs, 0)
    bench.publish(a, 3, 'x:3')
    bench.commit()
    bench.sent(a)
    const ask = (from: Standing | undefined): (boolean | number)[] => {
      bench.join(a, { from })
      const { isContinuation, backlog } = ofKind(bench.sent(a), 'joined')[0]!
      return [isContinuation, ...backlog.map(({ seq }) => seq)]
    }
    t.same(ask(undefined), [true])
    t.same(ask(standing(13)), [true])
    t.same(ask(standing(12)), [true, 13], '[C5] however old it is')
    t.same(ask(standing(11)), [false], 'seq 12 was let go')
    t.same(ask(standing(10)), [false])
    t.same(ask(standing(14)), [false], 'nobody ever got that far')
    t.same(ask(standing(13, { lineage: 'L0' })), [false])
  })

t.test('[A6] seq goes on and serials rise, whatever the clock of this master says', async (t) => {
  const bench = new MasterBench(standing(0))
  const restored = publication(1, { timestamp: 1_000_400, counter: 5 })
  bench.master.restore(restored, 3, false, 0)
  bench.join(a)
  bench.wallMs = 1_000_000
  bench.publish(a, 1, 'x:1')
  bench.wallMs = 900_000
  bench.publish(a, 2, op('x:2', { messageCount: 3 }))
  bench.wallMs = 1_000_500
  bench.publish(a, 3, 'x:3')
  t.same(bench.commit().map(({ seq }) => seq), [2, 3, 4])
  const serials = bench.outcomes(a).flatMap((text) => text.slice(3).split(','))
  t.same(serials, [...serials].sort())
  t.equal(new Set(serials).size, 5)
  t.ok(serials[0]! > '00000001000400-005')
  t.equal(parseMessageSerial(serials[4]!)!.ms, 1_000_500)
})

t.test('[A8] what is found in the log keeps its place, and its publisher\'s repeat is known',
  async (t) => {
    const bench = new MasterBench(standing(4), 9)
    for (const seq of [5, 6]) bench.master.restore(publication(seq), 7, false, 0)
    bench.join(a, { from: standing(4) })
    const [answer] = ofKind(bench.sent(a), 'joined')
    t.match(answer, { epoch: 9, isContinuation: true, standing: { seq: 6, epoch: 7, entry: 6 } })
    t.same(answer!.backlog.map(({ seq }) => seq), [5, 6])
    bench.publish(a, 1, 'pub:6')
    t.match(bench.outcomes(a), [/^1: 00000000001006-000@L1:000$/], 'the serial of the first')
    bench.publish(a, 2, 'pub:7')
    t.match(bench.waiting, [{ seq: 7 }], 'a seq that nobody saw is given again')
  })

t.test('let go only when nobody can ask for anything any more', async (t) => {
  const bench = new MasterBench()
  const later = (ms: number): boolean => bench.master.expire(bench.monoMs += ms, 0)
  bench.join(a, { wantsDeliveries: false })
  t.notOk(later(limits.idleChannelMs * 3), 'a client is there')
  bench.publish(a, 1, 'x:1')
  bench.master.onPart(a, 'of a')
  t.notOk(later(limits.idleChannelMs * 3), 'something waits for the log')
  bench.commit()
  t.notOk(later(limits.tailMs), 'a repeat of it would be known')
  t.notOk(later(limits.idKeptMs - limits.tailMs - 1))
  t.ok(later(1))
  t.equal(bench.master.lastSeq, 1)
})

t.test('[B1] shuffled, repeated and early ops: published once each, in the client\'s order',
  async (t) => {
    for (let seed = 0; seed < 200; seed++) {
      const random = new Random(`master/${seed}`)
      const bench = joined()
      const told = new Set<string>()
      const log: string[] = []
      let next = 1
      while (next <= 20) {
        const opNo = Math.max(1, next - 2 + random.below(5))
        const before = bench.waiting.length
        bench.publish(a, opNo, `x:${opNo}`)
        if (bench.waiting.length > before) next++
        if (random.unit() < 0.3) log.push(...bench.commit(random.below(3)).map(({ id }) => id))
        for (const outcome of bench.outcomes(a)) told.add(outcome)
      }
      log.push(...bench.commit().map(({ id }) => id))
      for (const outcome of bench.outcomes(a)) told.add(outcome)
      t.same(log, Array.from({ length: 20 }, (_, at) => `x:${at + 1}`), `seed ${seed}`)
      t.equal(told.size, 20, `seed ${seed}: each op has one outcome`)
    }
  })
