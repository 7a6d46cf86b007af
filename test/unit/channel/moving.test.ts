/* Clients that come from another region, as the masters of both see them. */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import type { Backfilled, Publication, Standing } from '../../../src/peer/message.ts'
import type { RelayTold } from '../../../src/peer/relay-message.ts'
import { a, b, MasterBench } from './master-bench.ts'
import { CHANNEL, LINEAGE, ofKind, publication, publications, standing } from './parts.ts'

const THERE = 'T1'

function there(seq: number): Standing {
  return standing(seq, { lineage: THERE })
}

/** A master that has what was born there up to a seq, and one message of its own before it. */
function benchAt(seq: number): MasterBench {
  const bench = new MasterBench()
  bench.join(a)
  bench.publish(a, 1, 'mine:0')
  relay(bench, 1, seq)
  bench.commit()
  bench.sent(a)
  return bench
}

function relay(bench: MasterBench, from: number, to: number): void {
  bench.master.relaying.take('there', {
    isBroken: false, publications: publications(from, to), standing: there(to), members: undefined
  })
  bench.master.moving.onProgress()
}

function find(bench: MasterBench, seq: number): (Partial<Backfilled> | undefined)[] {
  const answers: (Partial<Backfilled> | undefined)[] = []
  bench.master.moving.find(there(seq), (moved) => void answers.push(moved))
  return answers
}

function tell(bench: MasterBench, over: Partial<RelayTold> = {}): void {
  bench.master.moving.onTold({
    kind: 'relayTold', channel: CHANNEL, region: 'there', askId: bench.asked.at(-1)!.askId,
    isContinuation: true, publications: [], standing: there(3), isWhole: true,
    origins: [{ region: 'here', ...standing(1) }], bornThrough: 3, ...over
  })
}

function idsOf(answer: Partial<Backfilled> | undefined): string[] {
  const older = answer?.older?.flatMap((part) => part.publications) ?? []
  return [...older, ...answer?.publications ?? []].map(({ id }) => id)
}

t.test('what it missed is what came after its place there', async (t) => {
  const bench = benchAt(3)
  const answers = find(bench, 2)
  t.match(bench.asked, [{ kind: 'relayAsk', region: 'here', from: there(2) }])
  tell(bench, { publications: publications(3, 3) })
  t.match(answers, [{ isContinuation: true, standing: { lineage: LINEAGE, seq: 4 } }])
  t.match(answers[0]?.older, [{ lineage: THERE }], 'in that region\'s words')
  t.same(idsOf(answers[0]), ['pub:3'])
})

t.test('with what that region does not know of yet', async (t) => {
  const bench = benchAt(3)
  bench.publish(a, 2, 'mine:1')
  bench.commit()
  const answers = find(bench, 2)
  tell(bench, { publications: publications(3, 3) })
  t.same(idsOf(answers[0]), ['pub:3', 'mine:1'])
})

t.test('it waits until we have what it was told there', async (t) => {
  const bench = benchAt(1)
  const answers = find(bench, 3)
  tell(bench)
  t.same(answers, [])
  relay(bench, 2, 3)
  t.same(answers, [], 'it is not in the log yet')
  bench.commit()
  t.equal(answers.length, 1)
  t.same(idsOf(answers[0]), [], 'and is told none of it again')
})

t.test('what a third region said is told once', async (t) => {
  const bench = benchAt(3)
  const third = (seq: number): Publication => publication(seq, {
    id: `third:${seq}`, origin: { region: 'third', ...standing(seq, { lineage: 'X' }) }
  })
  bench.master.relaying.take('third', {
    isBroken: false, publications: [publication(7, { id: 'third:7' })],
    standing: standing(7, { lineage: 'X' }), members: undefined
  })
  bench.commit()
  const origins = [{ region: 'here', ...standing(1) },
    { region: 'third', ...standing(8, { lineage: 'X' }) }]
  const answers = find(bench, 2)
  tell(bench, { publications: [third(7), third(8)], origins })
  t.same(idsOf(answers[0]), ['third:7'], 'the other one is still on its way here')
})

t.test('what a third region brings while our log is waited for is told behind it', async (t) => {
  const bench = benchAt(2)
  third(bench, 7, 7)
  const answers = find(bench, 1)
  const said = [7, 8].map((seq) => publication(seq, {
    id: `third:${seq}`, origin: { region: 'third', ...standing(seq, { lineage: 'X' }) }
  }))
  tell(bench, { publications: [publication(2), publication(3), ...said], origins: through(8) })
  relay(bench, 3, 3)
  t.same(answers, [], 'the third is not in the log yet')
  take(bench, 8, 8)
  bench.commit(1)
  bench.master.moving.onProgress()
  t.same(idsOf(answers[0]), ['pub:2', 'pub:3', 'third:7'], 'the eighth is not either')
})

/** A third region, which has brought its publications from one seq to another. */
function third(bench: MasterBench, from: number, to: number): void {
  bench.regions = ['there', 'third']
  take(bench, from, to)
  bench.commit()
  bench.master.moving.onProgress()
}

function take(bench: MasterBench, from: number, to: number): void {
  bench.master.relaying.take('third', {
    isBroken: false, publications: publications(from, to),
    standing: standing(to, { lineage: 'X' }), members: undefined
  })
}

function through(seq: number): RelayTold['origins'] {
  return [{ region: 'here', ...standing(1) },
    { region: 'third', ...standing(seq, { lineage: 'X' }) }]
}

t.test('it waits until we have what it was told there of a third region', async (t) => {
  const bench = benchAt(3)
  third(bench, 6, 7)
  const answers = find(bench, 3)
  tell(bench, { origins: through(8) })
  t.same(answers, [], 'or it would be told of the eighth again')
  third(bench, 8, 8)
  t.equal(answers.length, 1)
  t.same(idsOf(answers[0]), [])
})

t.test('it is refused where ours has begun after what it was told of a third region', async (t) => {
  const bench = benchAt(3)
  third(bench, 9, 9)
  const answers = find(bench, 3)
  tell(bench, { origins: through(7) })
  t.same(answers, [undefined], 'nobody tells it of the eighth')
})

t.test('it goes on where nobody uses the channel in a third region', async (t) => {
  const bench = benchAt(3)
  bench.regions = ['there', 'third']
  const waiting = find(bench, 3)
  tell(bench, { origins: through(7) })
  t.same(waiting, [], 'which that region has not said yet')
  bench.master.relaying.takeNobody('third')
  bench.master.moving.onProgress()
  t.equal(waiting.length, 1)
  bench.regions = ['there']
  const answers = find(bench, 3)
  tell(bench, { origins: [...through(7), { region: 'gone', ...standing(5, { lineage: 'Y' }) }] })
  t.equal(answers.length, 1, 'nor does it wait for one that is not in the world')
  third(bench, 6, 6)
  bench.regions = ['there']
  const behind = find(bench, 3)
  tell(bench, { origins: through(7) })
  t.same(behind, [undefined], 'which may bring it the seventh again, if it returns')
})

t.test('a third region that had nothing to tell before is asked once more', async (t) => {
  const bench = benchAt(3)
  bench.regions = ['there', 'third']
  bench.master.relaying.takeNobody('third')
  const answers = find(bench, 3)
  tell(bench, { origins: through(7) })
  t.same(bench.woken, ['third'])
  t.same(answers, [], 'it may bring the seventh yet')
  third(bench, 6, 7)
  bench.commit()
  bench.master.moving.onProgress()
  t.equal(answers.length, 1)
  t.same(idsOf(answers[0]), [], 'which was told there')
})

t.test('a page of more is told, and the rest is asked for from there', async (t) => {
  const bench = benchAt(3)
  const answers = find(bench, 0)
  tell(bench, { publications: publications(1, 1), standing: there(1), isWhole: false })
  t.match(answers, [{ isElsewhere: true, standing: there(1) }])
  t.same(idsOf(answers[0]), ['pub:1'])
})

t.test('it is refused where nobody knows of its place, or not in time', async (t) => {
  const bench = benchAt(3)
  const unknown = find(bench, 2)
  tell(bench, { isContinuation: false })
  t.same(unknown, [undefined])
  const late = find(bench, 2)
  bench.pass(limits.movingMs - 1)
  t.same(late, [])
  bench.pass(1)
  t.same(late, [undefined])
  tell(bench)
  t.equal(late.length, 1, 'a late answer is none')
  const askedCount = bench.asked.length
  bench.pass(limits.movingMs)
  t.equal(bench.asked.length, askedCount, 'and nobody is asked any more')
})

/** Passes so many of the times at which the other master is looked up. */
function look(bench: MasterBench, count = 1): void {
  for (let no = 0; no < count; no++) bench.pass(limits.movingLookMs)
}

t.test('the next master of a region is asked the same', async (t) => {
  const bench = benchAt(3)
  const answers = find(bench, 2)
  look(bench)
  t.equal(bench.asked.length, 1, 'one that lives has the question')
  bench.masterAbroad = 'second'
  look(bench)
  t.equal(bench.asked.length, 2)
  t.equal(bench.asked[1]?.askId, bench.asked[0]?.askId)
  tell(bench, { publications: publications(3, 3) })
  t.same(answers.map(idsOf), [['pub:3']])
  tell(bench, { publications: publications(3, 3) })
  t.equal(answers.length, 1, 'the answer to the first question comes late')
  bench.masterAbroad = 'third'
  look(bench)
  t.equal(bench.asked.length, 2, 'nobody is asked any more')
})

t.test('a master that says nothing is asked again now and then', async (t) => {
  const bench = benchAt(3)
  find(bench, 2)
  const lookCount = limits.movingMs / limits.movingLookMs - 1
  look(bench, lookCount)
  const askCount = Math.ceil(limits.movingMs / limits.movingAskMs)
  t.equal(bench.asked.length, askCount, 'not each time')
  t.equal(new Set(bench.asked.map(({ askId }) => askId)).size, 1)
})

t.test('nobody is asked any more once it has told something', async (t) => {
  const bench = benchAt(1)
  const answers = find(bench, 3)
  tell(bench)
  bench.masterAbroad = 'second'
  look(bench, 4)
  t.equal(bench.asked.length, 1)
  t.same(answers, [], 'what it was told there is on its way here')
})

t.test('a region that denies twice is one that does', async (t) => {
  const bench = benchAt(3)
  bench.regions = ['there', 'third']
  const answers = find(bench, 2)
  tell(bench, { region: 'third', isContinuation: false })
  tell(bench, { region: 'third', isContinuation: false })
  t.same(answers, [], 'the other one may know')
  tell(bench, { publications: publications(3, 3) })
  t.same(answers.map(idsOf), [['pub:3']])
})

t.test('a region that goes out of the world is not waited for', async (t) => {
  const bench = benchAt(3)
  bench.regions = ['there', 'third']
  const answers = find(bench, 2)
  tell(bench, { region: 'third', isContinuation: false })
  bench.regions = ['third']
  look(bench)
  t.same(answers, [undefined])
  bench.regions = []
  t.same(find(bench, 2), [undefined])
})

t.test('where regions have said nothing for long it waits a little', async (t) => {
  const bench = benchAt(3)
  bench.isAllAway = true
  const answers = find(bench, 2)
  look(bench)
  tell(bench, { publications: publications(3, 3) })
  t.same(answers.map(idsOf), [['pub:3']], 'one is back')
  const refused = find(bench, 2)
  const lookCount = limits.movingAwayMs / limits.movingLookMs
  look(bench, lookCount - 1)
  t.same(refused, [])
  look(bench)
  t.same(refused, [undefined])
})

t.test('so many at once ask', async (t) => {
  const bench = benchAt(3)
  const usual = limits.movingMax
  Object.assign(limits, { movingMax: 1 })
  t.teardown(() => Object.assign(limits, { movingMax: usual }))
  const first = find(bench, 2)
  t.same(find(bench, 2), [undefined])
  t.same([first, bench.asked.length], [[], 1])
})

t.test('it is refused where something may be gone', async (t) => {
  const bench = benchAt(3)
  const unheard = find(bench, 2)
  tell(bench, { origins: [] })
  t.same(unheard, [undefined], 'that region has never heard of what was said here')
  const broken = find(bench, 2)
  bench.master.relaying.take('third', {
    isBroken: true, publications: [], standing: standing(7, { lineage: 'X' }), members: undefined
  })
  bench.commit()
  tell(bench, { origins: [{ region: 'here', ...standing(1) },
    { region: 'third', ...standing(5, { lineage: 'X' }) }] })
  t.same(broken, [undefined], 'something of a third region is missing here')
})

t.test('a master tells another region\'s what came after a place in its log', async (t) => {
  const bench = benchAt(2)
  const ask = { kind: 'relayAsk' as const, channel: CHANNEL, region: 'there', askId: 'x' }
  bench.master.moving.answer(b, { ...ask, from: standing(1) })
  const [told] = ofKind(bench.sent(b), 'relayTold')
  t.match(told, { askId: 'x', isContinuation: true, isWhole: true, bornThrough: 1 })
  t.same(told!.publications.map(({ id }) => id), ['pub:1', 'pub:2'])
  t.match(told!.origins, [{ region: 'there', seq: 2 }])
  bench.master.moving.answer(b, { ...ask, from: there(1) })
  t.match(ofKind(bench.sent(b), 'relayTold'), [{ isContinuation: false }])
})
