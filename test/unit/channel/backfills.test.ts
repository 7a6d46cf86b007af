import assert from 'node:assert/strict'
import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import type { Attached, Publication } from '../../../src/peer/message.ts'
import {
  CHANNEL, ClientBench, liveAt5, ofKind, publication, publications, seqsOf, standing
} from './parts.ts'

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

t.test('[19] who cannot go on begins where the client was when it came', async (t) => {
  const bench = liveAt5()
  t.match(refuse(bench, publications(6, 7)), { standing: { seq: 5 }, hasMore: true })
  bench.attach({ worker: 1, from: standing(5) })
  const [next] = ofKind(bench.said(), 'backfill')
  bench.client.onMasterMessage({
    kind: 'backfilled', channel: CHANNEL, clientId: next!.clientId, epoch: 1, isContinuation: true,
    requestNo: next!.requestNo, standing: standing(7), publications: publications(6, 7)
  })
  const [rest] = ofKind(bench.told(1), 'attached')
  t.match(rest, { isResumed: true, standing: { seq: 7 } })
  t.same(seqsOf(rest!.backlog), [6, 7], 'what came meanwhile is missed like anything else')
})

t.test('[19, 21] it is told at the end who is present then, be it nobody', async (t) => {
  t.match(refuse(liveAt5(), publications(6, 7), true), { hasMore: true, sync: 'held' })
  t.match(refuse(liveAt5(), publications(6, 7)), { hasMore: true, sync: undefined })
})

t.test('[19] who comes from another region may know what was brought from there', async (t) => {
  const origin = { region: 'us', lineage: 'L9', seq: 1, epoch: 1, entry: 1 }
  const brought = publication(7, { origin })
  const passed = [publication(6), brought, publication(8)]
  t.match(refuse(liveAt5(), passed), { standing: { seq: 7 }, hasMore: true })
  t.match(refuse(liveAt5(), passed.slice(0, 2)), { standing: { seq: 7 }, hasMore: undefined })
})

/** One attaches from where nobody can go on, and is refused once these have passed. */
function refuse(
  bench: ClientBench, passed: readonly Publication[], hearsPresence = false
): Attached {
  bench.attach({ worker: 1, from: standing(3, { lineage: 'L0' }), hearsPresence })
  const [ask] = ofKind(bench.said(), 'backfill')
  bench.deliver(passed)
  bench.told(1)
  bench.client.onMasterMessage({
    kind: 'backfilled', channel: CHANNEL, clientId: ask!.clientId, requestNo: ask!.requestNo,
    epoch: 1, isContinuation: false, standing: standing(passed.at(-1)!.seq), publications: []
  })
  const [attached] = ofKind(bench.told(1), 'attached')
  assert.partialDeepStrictEqual(attached, {
    isResumed: false, error: { code: 90003 }, backlog: []
  })
  return attached!
}
