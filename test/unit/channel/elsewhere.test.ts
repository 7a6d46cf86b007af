/* How far what was born in other regions was here, when somebody attached. */

import t from 'tap'
import type { Relayed } from '../../../src/peer/relay-message.ts'
import type { HistoryAnswer, HistoryQuestion } from '../../../src/peer/question-message.ts'
import { limits } from '../../../src/base/limits.ts'
import { emptyHistory, historyPage } from '../../../src/channel/history.ts'
import { withNext } from '../../../src/channel/elsewhere.ts'
import { a, MasterBench } from './master-bench.ts'
import { publications, standing } from './parts.ts'

const THERE = 'T1'

const question: HistoryQuestion = {
  kind: 'history', of: 'messages', isBackwards: true, startMs: undefined, endMs: undefined,
  from: undefined, until: undefined, countMax: 100, isOfWorld: true
}

function relayed(from: number, to: number, over: Partial<Relayed> = {}): Relayed {
  return {
    isBroken: false, publications: publications(from, to),
    standing: standing(to, { lineage: THERE }), members: undefined, ...over
  }
}

/** Seqs: 1 ours, 2 and 3 theirs (41, 42), 4 ours, 5 theirs (43). */
function bench(): MasterBench {
  const bench = new MasterBench()
  bench.join(a)
  bench.publish(a, 1, 'mine:0')
  bench.master.relaying.take('there', relayed(41, 42))
  bench.publish(a, 2, 'mine:1')
  bench.master.relaying.take('there', relayed(43, 43))
  bench.commit()
  return bench
}

function answerUntil(bench: MasterBench, seq: number): HistoryAnswer {
  const here = bench.master.here()
  const until = { ...here.standing, seq, entry: seq }
  return historyPage({ ...here, isKnown: () => true }, { ...question, until })
}

t.test('each region tells what was born in it, and nothing else', async (t) => {
  const here = bench().master.here()
  const { publications } = historyPage(here, { ...question, isBackwards: false })
  t.same(publications!.map(({ seq }) => seq), [1, 4])
})

t.test('where the place is held it is known exactly', async (t) => {
  const rig = bench()
  const seqs = [1, 2, 3, 4, 5].map((seq) => {
    const { publications, elsewhere } = answerUntil(rig, seq)
    const [origin] = elsewhere!.origins
    t.equal(elsewhere!.isExact, true)
    t.match(origin, { region: 'there', lineage: THERE })
    return [publications!.map((each) => each.seq), origin!.seq]
  })
  t.same(seqs, [[[1], 40], [[1], 41], [[1], 42], [[4, 1], 42], [[4, 1], 43]])
})

t.test('of an older place, no less than was there', async (t) => {
  const rig = bench()
  rig.monoMs += limits.tailMs
  rig.wallMs += limits.tailMs
  rig.master.expire(rig.monoMs, 0)
  rig.publish(a, 3, 'mine:2')
  rig.master.relaying.take('there', relayed(44, 44))
  rig.commit()
  const { elsewhere } = answerUntil(rig, 1)
  t.match(elsewhere, { isExact: false, origins: [{ seq: 43 }] }, 'before what is held')
  t.equal(elsewhere!.nextMs, rig.wallMs, 'and when the next one was born here')
})

t.test('nobody says it who is not asked for a world, or for a place', async (t) => {
  const here = bench().master.here()
  const { standing: until } = here
  t.notOk('elsewhere' in historyPage(here, question))
  t.notOk('elsewhere' in historyPage(here, { ...question, until, isOfWorld: undefined as never }))
  t.match(emptyHistory({ ...question, until }, until.lineage), { elsewhere: { origins: [] } })
  t.equal(emptyHistory({ ...question, until }, 'another').publications, undefined)
})

t.test('the next one may be in the archive', async (t) => {
  const elsewhere = { origins: [], isExact: false, nextMs: 9 }
  t.same(withNext(elsewhere, 5), { ...elsewhere, nextMs: 5 })
  t.same(withNext(elsewhere, 12), elsewhere)
  t.same(withNext({ ...elsewhere, nextMs: undefined }, 5), { ...elsewhere, nextMs: 5 })
  t.equal(withNext(undefined, 5), undefined)
})

t.test('what is decided here of their members says nothing of how far they were', async (t) => {
  const rig = bench()
  const here = rig.master.here()
  const held = here.tail.after(0)!
  const decided = { ...held[1]!, seq: 6, id: `${here.standing.lineage}:6`,
    idSpace: 'master' as const, origin: held[4]!.origin! }
  here.tail.push(decided, rig.monoMs)
  t.match(answerUntil(rig, 5).elsewhere, { origins: [{ seq: 43 }] })
})
