import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { CHANNEL, ClientBench, ofKind, publications, standing } from './parts.ts'

/** A client that stands at 5, and more attachments that missed something than may ask at once. */
function crowded(moreCount: number) {
  const bench = new ClientBench()
  bench.attach()
  bench.join({ standing: standing(5) })
  bench.said()
  bench.told()
  const attachIds: number[] = []
  for (let no = 0; no < limits.backfillsPerClientMax + moreCount; no++) {
    attachIds.push(bench.attach({ from: standing(0) }))
  }
  const asked = ofKind(bench.said(), 'backfill')
  const answer = (ask: (typeof asked)[number], isContinuation = true): void => {
    bench.client.onMasterMessage({
      kind: 'backfilled', channel: CHANNEL, clientId: ask.clientId, requestNo: ask.requestNo,
      epoch: 1, isContinuation, standing: standing(5), publications: publications(1, 5)
    })
  }
  return { bench, attachIds, asked, answer }
}

t.test('[25] so many backfills are under way, the others wait for their turn', async (t) => {
  const { bench, attachIds, asked, answer } = crowded(3)
  t.equal(asked.length, limits.backfillsPerClientMax)
  const told: number[] = []
  const turn = [...asked]
  for (let ask = turn.shift(); ask !== undefined; ask = turn.shift()) {
    answer(ask)
    turn.push(...ofKind(bench.said(), 'backfill'))
    told.push(...ofKind(bench.told(), 'attached').map(({ attachId }) => attachId))
  }
  t.same(told.sort((x, y) => x - y), attachIds, 'and each has its answer')
})

t.test('[25] a refusal, or a seat that left, makes room too', async (t) => {
  const { bench, attachIds, asked, answer } = crowded(2)
  answer(asked[0]!, false)
  t.equal(ofKind(bench.said(), 'backfill').length, 1)
  const attachId = attachIds[asked.length - 1]!
  bench.client.onGroupMessage(0, { kind: 'attachGone', channel: CHANNEL, attachId })
  answer(asked.at(-1)!)
  t.equal(ofKind(bench.said(), 'backfill').length, 1)
})

t.test('[14, 25] those who wait are asked for of the next master', async (t) => {
  const { bench, attachIds, asked } = crowded(3)
  bench.client.onMasterUncertain()
  bench.join({ epoch: 2, standing: standing(5, { epoch: 2 }) })
  const again = ofKind(bench.said(), 'backfill')
  t.equal(again.length, asked.length)
  t.equal(attachIds.length, asked.length + 3)
})
