import t from 'tap'
import { encodeMessages, serialOf } from '../../../src/channel/encoding.ts'
import { lastingCount, Tail, TailPool } from '../../../src/channel/tail.ts'
import { pageRewound } from '../../../src/channel/page.ts'
import { limits } from '../../../src/base/limits.ts'
import type { Attached, OlderPart, Publication } from '../../../src/peer/message.ts'
import type { Message } from '../../../src/wire/protocol-message.ts'
import { errors } from '../../../src/wire/errors.ts'
import { GroupBench, item, Listener } from './group-bench.ts'
import {
  CHANNEL, ClientBench, json, LINEAGE, ofKind, publication, publications, read, standing
} from './parts.ts'

const owner = { incarnation: 'n0#1', worker: 0, generation: 1, claim: 0 }
const ephemeral = { extras: { ephemeral: true } }

/** A publish of these messages. */
function publish(seq: number, messages: readonly Message[]): Publication {
  const ephemeralCount = messages.filter(({ extras }) => extras?.['ephemeral'] === true).length
  const payload = encodeMessages(messages)
  const whole = publication(seq, { payload, messageCount: messages.length })
  return ephemeralCount === 0 ? whole : { ...whole, ephemeralCount }
}

/** A client that is live at `seq`, and an attachment to it that rewinds. */
function rewinding(seq: number, count: number, over: object = {}) {
  const bench = new ClientBench()
  bench.attach()
  bench.join({ standing: standing(seq) })
  bench.said()
  bench.told()
  bench.attach({ rewind: { count }, ...over })
  const answer = (
    told: readonly Publication[], at = seq, isContinuation = true, older?: readonly OlderPart[]
  ): void => {
    const ask = ofKind(bench.said(), 'backfill').at(-1)!
    bench.client.onMasterMessage({
      kind: 'backfilled', channel: CHANNEL, clientId: ask.clientId, requestNo: ask.requestNo,
      epoch: 1, isContinuation, standing: standing(at), publications: told,
      ...(older === undefined ? {} : { older })
    })
  }
  return { bench, answer, attached: () => ofKind(bench.told(), 'attached').at(-1) }
}

/** The data that an attachment is told first, each with its id and channelSerial. */
function told({ backlog }: Attached) {
  return backlog.flatMap(({ frames }) => {
    const { id, messages, channelSerial } = read(frames[0]!)
    return messages!.map((message, at) => ({
      data: message.data, id: message.id ?? `${id}:${at}`, channelSerial
    }))
  })
}

t.test('[C1] a tail knows where its last lasting messages begin', async (t) => {
  const tail = new Tail(0, new TailPool())
  const all = [publish(1, [{ data: 'a' }]), publish(2, [{ data: 'b' }, { data: 'c' }]),
    publication(3, { owner, messageCount: 0 }), publish(4, [{ data: 'd', ...ephemeral }]),
    publish(5, [{ data: 'e' }, { data: 'f', ...ephemeral }])]
  for (const each of all) tail.push(each, 0)
  t.same(all.map(lastingCount), [1, 2, 0, 0, 1])
  t.same([0, 1, 2, 3, 4, 9].map((count) => tail.rewound(count, 0)), [5, 4, 1, 1, 0, 0])
  t.equal(tail.rewound(9, 1_002), 1, 'none that is older than was said')
  t.equal(tail.rewound(9, 2_000), 5)
})

t.test('[C1] a page of a rewind holds what lasts, and leads to where the channel is', async (t) => {
  const tail = new Tail(0, new TailPool())
  const all = [...publications(1, 3), publication(4, { owner, messageCount: 0 })]
  for (const each of all) tail.push(each, 0)
  const here = { standing: standing(4), birth: { seq: 0, entry: 0 }, tail, epoch: 1,
    isKnown: () => true, isForgotten: () => false }
  const page = pageRewound(here, { count: 2 }, 1_010)
  t.match(page, { isContinuation: true, isWhole: true, standing: standing(4) })
  t.same(page.publications.map(({ seq }) => seq), [2, 3])
  const late = pageRewound(here, { count: 9, forMs: 5_000 }, 6_003)
  t.same(late.publications.map(({ seq }) => seq), [3], 'nothing older than was said')
})

t.test('[C1] exactly the last messages, a publish told in part with ids of its own', async (t) => {
  const { answer, attached } = rewinding(6, 3)
  answer([publish(3, [{ data: 'a' }]), publish(4, [{ data: 'b' }, { data: 'c' }, { data: 'd' }]),
    publish(6, [{ data: 'e' }])])
  const answered = attached()!
  t.match(answered, { isResumed: false, standing: standing(6), error: undefined })
  t.same(told(answered).map(({ data, id }) => `${data} ${id}`),
    ['c pub:4:1', 'd pub:4:2', 'e pub:6:0'])
  t.same(told(answered).map(({ channelSerial }) => channelSerial),
    [serialOf(standing(4)), serialOf(standing(4)), serialOf(standing(6))])
})

t.test('[C1] the last one that is told carries the place where it begins', async (t) => {
  const { answer, attached } = rewinding(9, 5)
  answer(publications(2, 3))
  t.same(told(attached()!).map(({ channelSerial }) => channelSerial),
    [serialOf(standing(2)), serialOf(standing(9))])
})

t.test('[T10] where its client goes on from any message, each carries its own', async (t) => {
  const { answer, attached } = rewinding(9, 5, { rewind: { count: 5, isPlaced: true } })
  answer(publications(2, 3))
  const answered = attached()!
  t.equal(answered.standing.seq, 9)
  t.same(told(answered).map(({ channelSerial }) => channelSerial),
    [serialOf(standing(2)), serialOf(standing(3))])

  const group = new GroupBench()
  const member = new Listener()
  group.group.attach(member, json, undefined, { count: 1, isPlaced: true })
  group.answer(ofKind(group.said(), 'attach')[0]!, 9, { backlog: [item(8)] })
  t.same(member.take(), ['attached 9 backlog', '8', 'attached 9 resumed'])
  group.group.attach(member, json, standing(7), { count: 1, isPlaced: true })
  group.answer(ofKind(group.said(), 'attach')[0]!, 9, { isResumed: true, backlog: [item(8)] })
  t.same(member.take(), ['attached 7 resumed backlog', '8'], 'not where it goes on')
})

t.test('who comes from another region\'s log is told where it stands in ours', async (t) => {
  const group = new GroupBench()
  const member = new Listener()
  group.group.attach(member, json, standing(7, { lineage: 'T1' }))
  group.answer(ofKind(group.said(), 'attach')[0]!, 9, { isResumed: true, backlog: [item(8)] })
  t.same(member.take(), ['attached 7 resumed backlog', '8', 'attached 9 resumed'],
    'what it was told last may stand before what else it was told')
})

t.test('[C1, H6] what the archive has is told first, with the serials that it had', async (t) => {
  const { answer, attached } = rewinding(5, 5)
  const older = [
    { lineage: 'L0', publications: publications(8, 9) },
    { lineage: LINEAGE, publications: publications(2, 2) }
  ]
  answer(publications(3, 4), 4, true, older)
  t.equal(attached(), undefined, 'the rest is asked for')
  answer(publications(5, 5))
  const answered = attached()!
  t.same(told(answered).map(({ data }) => data), ['m9', 'm2', 'm3', 'm4', 'm5'])
  const serials = answered.backlog.flatMap(({ frames }) =>
    read(frames[0]!).messages!.map(({ serial }) => serial!))
  t.same(serials.map((serial) => serial.includes('L0')), [true, false, false, false, false])
  t.equal(told(answered)[0]!.channelSerial, serialOf(standing(9, { lineage: 'L0' })))
  t.same(answered.backlog.map(({ isCut }) => isCut === true), [true, false, false, false, false],
    'no delta builds on a seq of another lineage')
})

t.test('[C1, H6] where nothing is held, the last of the archive carries the place', async (t) => {
  const { answer, attached } = rewinding(0, 1)
  answer([], 0, true, [{ lineage: 'L0', publications: publications(8, 9) }])
  const answered = attached()!
  t.same(told(answered).map(({ data }) => data), ['m9'])
  t.equal(told(answered)[0]!.channelSerial, serialOf(standing(0)))
})

t.test('[C2] what came after the first page is told, presence and ephemeral not', async (t) => {
  const { bench, answer, attached } = rewinding(5, 100)
  answer(publications(1, 2), 2)
  t.equal(attached(), undefined, 'the rest is asked for')
  answer([publication(3, { owner, messageCount: 0 }), publish(4, [{ data: 'd', ...ephemeral }]),
    publish(5, [{ data: 'e' }, { data: 'f', ...ephemeral }])])
  t.same(told(attached()!).map(({ data }) => data), ['m1', 'm2', 'e'])
  bench.deliver(publications(6, 6))
  t.equal(ofKind(bench.told(), 'broadcast').length, 1, 'then live')
})

t.test('[C2] a word of the master that is ahead of the client waits for it', async (t) => {
  const { bench, answer, attached } = rewinding(5, 2)
  answer(publications(6, 7), 7)
  t.equal(attached(), undefined)
  bench.join({ standing: standing(7), backlog: publications(6, 7) })
  const [ask] = ofKind(bench.said(), 'backfill')
  t.match(ask, { rewind: { count: 2 } }, 'and is asked for anew')
})

t.test('[C2] another lineage meanwhile: it is asked again, never refused', async (t) => {
  const { bench, answer, attached } = rewinding(5, 2)
  answer(publications(1, 2), 2)
  answer([], 5, false)
  t.equal(attached(), undefined)
  const [ask] = ofKind(bench.said(), 'backfill')
  t.match(ask, { from: undefined, rewind: { count: 2 } })
})

t.test('[C2, H6] asked again, nothing that the archive said before counts', async (t) => {
  const { answer, attached } = rewinding(5, 9)
  answer(publications(3, 4), 4, true, [{ lineage: LINEAGE, publications: publications(1, 2) }])
  answer([], 5, false)
  answer(publications(4, 5))
  t.same(told(attached()!).map(({ data }) => data), ['m4', 'm5'])
})

t.test('[C3] who goes on is not rewound', async (t) => {
  const { answer, attached } = rewinding(5, 9, { from: standing(3) })
  answer(publications(4, 5))
  const answered = attached()!
  t.match(answered, { isResumed: true, error: undefined })
  t.same(told(answered).map(({ data }) => data), ['m4', 'm5'])
})

t.test('[C3] who cannot go on from where it stood is told so, and rewound', async (t) => {
  const { bench, answer, attached } = rewinding(5, 2, { from: standing(3, { lineage: 'L0' }) })
  answer([], 5, false)
  t.equal(attached(), undefined, 'first it is asked what there is to be told')
  const [ask] = ofKind(bench.said(), 'backfill')
  t.match(ask, { from: undefined, rewind: { count: 2 } })
  bench.client.onMasterMessage({
    kind: 'backfilled', channel: CHANNEL, clientId: ask!.clientId, requestNo: ask!.requestNo,
    epoch: 1, isContinuation: true, standing: standing(5), publications: publications(4, 5)
  })
  const answered = attached()!
  t.match(answered, { isResumed: false, error: { code: 90003 }, standing: standing(5) })
  t.same(told(answered).map(({ data }) => data), ['m4', 'm5'])
})

t.test('[C3] who goes on in pages was told so: a refusal after that is no rewind', async (t) => {
  const group = new GroupBench()
  const member = new Listener()
  group.group.attach(member, json, standing(2), { count: 1 })
  const [first] = ofKind(group.said(), 'attach')
  t.match(first, { from: { seq: 2 }, rewind: { count: 1 } })
  group.answer(first!, 3, { isResumed: true, hasMore: true, backlog: [item(3)] })
  const [second] = ofKind(group.said(), 'attach')
  t.match(second, { from: { seq: 3 }, rewind: undefined })
  group.answer(second!, 9, { error: errors.continuityLost().info })
  t.same(member.take(), ['attached 2 resumed backlog', '3', 'lost 9 90003'])
})

t.test('[C3] rewound after a loss it begins where the channel is', async (t) => {
  const group = new GroupBench()
  const member = new Listener()
  member.hasRoom = false
  group.group.attach(member, json, standing(2), { count: 1 })
  const [first] = ofKind(group.said(), 'attach')
  const answer = { error: errors.continuityLost().info, backlog: [item(8)] }
  group.answer(first!, 9, answer)
  t.same(member.take(), [], 'it is not attached before there is room')
  member.hasRoom = true
  group.pass(limits.socketLookMs)
  const [again] = ofKind(group.said(), 'attach')
  t.match(again, { from: { seq: 2 }, rewind: { count: 1 } })
  group.answer(again!, 9, answer)
  t.same(member.take(), ['attached 9 backlog 90003', '8'])
})

t.test('[C2] nothing to tell: attached, without a backlog', async (t) => {
  const { answer, attached } = rewinding(0, 2)
  answer([])
  t.match(attached(), { isResumed: false, backlog: [] })
})

t.test('[25] a crowd that rewinds alike costs one question when it waits its turn', async (t) => {
  const bench = new ClientBench()
  bench.attach()
  bench.join({ standing: standing(2) })
  bench.told()
  const crowd = limits.backfillsPerClientMax + 500
  for (let no = 0; no < crowd; no++) bench.attach({ rewind: { count: no % 500 === 0 ? 2 : 1 } })
  const asked = ofKind(bench.said(), 'backfill')
  t.equal(asked.length, limits.backfillsPerClientMax)
  let count = asked.length
  for (const ask of asked) {
    bench.client.onMasterMessage({
      kind: 'backfilled', channel: CHANNEL, clientId: ask.clientId, requestNo: ask.requestNo,
      epoch: 1, isContinuation: true, standing: standing(2),
      publications: publications(3 - ask.rewind!.count, 2)
    })
    const more = ofKind(bench.said(), 'backfill')
    count += more.length
    asked.push(...more)
  }
  t.ok(count <= limits.backfillsPerClientMax + 2, `${count} questions`)
  const answered = ofKind(bench.told(), 'attached')
  t.equal(answered.length, crowd)
  t.same(new Set(answered.map(({ backlog }) => backlog.length)), new Set([1, 2]))
})
