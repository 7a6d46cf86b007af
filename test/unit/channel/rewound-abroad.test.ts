/* A rewind that goes back to what several regions keep. */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import {
  joinedPasts, type OwnPast, type PastWanted, questionTo
} from '../../../src/channel/rewound-abroad.ts'
import type { OlderPart, Publication } from '../../../src/peer/message.ts'
import type { HistoryAnswer, HistoryQuestion } from '../../../src/peer/question-message.ts'
import { a, MasterBench } from './master-bench.ts'
import { publication, publications, standing } from './parts.ts'

/** Publications whose seqs are their times. */
const at = (...times: readonly number[]): Publication[] =>
  times.map((timestamp) => publication(timestamp, { timestamp, payload: new Uint8Array(10) }))

const wanted: PastWanted = {
  count: 100, bytesMax: 1_000, sinceMs: -Infinity, wantsLast: false
}

function own(parts: readonly OlderPart[], over: Partial<OwnPast> = {}): OwnPast {
  return { parts, isWhole: true, isOfLast: false, ...over }
}

function theirs(times: readonly number[], over: Partial<HistoryAnswer> = {}): HistoryAnswer {
  return {
    kind: 'history', lineage: 'U', publications: at(...times).reverse(), isWhole: true, ...over
  }
}

function joined(
  past: OwnPast, answer: HistoryAnswer, over: Partial<PastWanted> = {}
): (string | number)[][] {
  const parts = joinedPasts(past, [answer], { ...wanted, ...over })
  return parts.map(({ lineage, publications }) => [lineage, ...publications.map(({ seq }) => seq)])
}

const ours = [
  { lineage: 'F', publications: at(1, 2) }, { lineage: 'O', publications: at(5, 7) }
]

t.test('[C1] what regions have is told in one order, as parts of one lineage', async (t) => {
  t.same(joined(own(ours), theirs([3, 6])), [['F', 1, 2], ['U', 3], ['O', 5], ['U', 6], ['O', 7]])
  t.same(joined(own(ours), theirs([3, 6]), { count: 3 }), [['O', 5], ['U', 6], ['O', 7]])
  t.same(joined(own(ours), theirs([3, 6]), { sinceMs: 6 }), [['U', 6], ['O', 7]])
  t.same(joined(own(ours), theirs([3, 6]), { bytesMax: 20 }), [['U', 6], ['O', 7]])
  t.same(joined(own([]), theirs([])), [])
})

t.test('it goes back as far as nobody may have more between', async (t) => {
  t.same(joined(own(ours), theirs([3, 6], { isWhole: false })),
    [['U', 3], ['O', 5], ['U', 6], ['O', 7]])
  t.same(joined(own([ours[1]!], { isWhole: false }), theirs([3, 6])),
    [['O', 5], ['U', 6], ['O', 7]])
  t.same(joined(own([], { isWhole: false }), theirs([3, 6])), [], 'an archive that did not answer')
})

t.test('others are asked for what had come before what is held', async (t) => {
  const bench = new MasterBench()
  bench.join(a)
  const take = (first: number, last: number): void => {
    bench.master.relaying.take('us', {
      isBroken: false, publications: publications(first, last), members: undefined,
      standing: standing(last, { lineage: 'U' })
    })
    bench.commit()
  }
  const question = (region: string): HistoryQuestion =>
    questionTo(region, 7, bench.master.here(), bench.wallMs)
  t.match(question('us'), { until: undefined, endMs: bench.wallMs - limits.tailMs, countMax: 7 },
    'of one that was never heard, what is not on its way')
  take(41, 43)
  t.match(question('us'), { until: { lineage: 'U', seq: 40 }, endMs: undefined })
  bench.monoMs += limits.tailMs
  bench.master.expire(bench.monoMs, 0)
  t.match(question('us'), { until: { lineage: 'U', seq: 43 } }, 'nothing is held any more')
  take(44, 45)
  t.match(question('us'), { until: { lineage: 'U', seq: 43 } })
})

t.test('what was said last is told where nothing is held, and nothing else was said', async (t) => {
  const last = theirs([6], { isOfLast: true })
  const wantsLast = true
  t.same(joined(own([]), last, { wantsLast }), [['U', 6]])
  t.same(joined(own([]), last), [], 'something is held')
  t.same(joined(own(ours), last, { wantsLast }), [['F', 1, 2], ['O', 5, 7]])
  const kept = own([{ lineage: 'O', publications: at(4) }], { isOfLast: true })
  t.same(joined(kept, last, { wantsLast }), [['U', 6]])
  t.same(joined(kept, theirs([2], { isOfLast: true }), { wantsLast }), [['O', 4]])
})
