import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { frameOf, GroupBench, item, Listener } from './group-bench.ts'
import { json, ofKind, standing } from './parts.ts'

/** A SYNC that a Listener hears as this number. */
const sync = (no: number) => [frameOf(no, 0)]

t.test('[25] what was missed comes in pages, each when there is room for it', async (t) => {
  const bench = new GroupBench()
  const member = new Listener()
  bench.group.attach(member, json, standing(2))
  const [first] = ofKind(bench.said(), 'attach')
  const page = { isResumed: true, hasMore: true } as const
  bench.answer(first!, 4, { ...page, backlog: [item(3), item(4)] })
  t.same(member.take(), ['attached 2 resumed backlog', '3', '4'])
  const [second] = ofKind(bench.said(), 'attach')
  t.equal(second!.from!.seq, 4, 'there is room, so the next page is asked for at once')
  bench.broadcast(item(9))
  t.same(member.take(), [], 'it is not live yet')
  member.hasRoom = false
  bench.answer(second!, 6, { ...page, backlog: [item(5), item(6)] })
  t.same(member.take(), [], 'what there is no room for is let go')
  bench.pass(20 * limits.socketLookMs)
  t.same(bench.said(), [])
  member.hasRoom = true
  bench.pass(limits.socketLookMs)
  const [again] = ofKind(bench.said(), 'attach')
  t.equal(again!.from!.seq, 4, 'and asked for again')
  bench.answer(again!, 9, { isResumed: true, backlog: [5, 6, 7, 8, 9].map((seq) => item(seq)) })
  bench.broadcast(item(10))
  t.same(member.take(), ['5', '6', '7', '8', '9', '10'])
  t.equal(bench.group.liveCount, 1)
  bench.pass(limits.quietMs)
  t.equal(bench.deadlines.size, 0, 'it is looked no more')
})

t.test('[25] it is attached at once, whatever there is no room for', async (t) => {
  const bench = new GroupBench()
  const member = new Listener()
  member.hasRoom = false
  bench.group.attach(member, json, standing(2))
  const [asked] = ofKind(bench.said(), 'attach')
  bench.answer(asked!, 3, { isResumed: true, backlog: [item(3)] })
  t.same(member.take(), ['attached 2 resumed backlog'])
  bench.pass(2 * limits.attachAnswerMs)
  t.same(member.take(), [], 'nor is it refused for taking its time')
  member.hasRoom = true
  bench.pass(limits.socketLookMs)
  const [again] = ofKind(bench.said(), 'attach')
  bench.answer(again!, 3, { isResumed: true, backlog: [item(3)] })
  t.same(member.take(), ['3'])
})

t.test('[25] one that rewinds waits for room before it is attached', async (t) => {
  const bench = new GroupBench()
  const member = new Listener()
  member.hasRoom = false
  bench.group.attach(member, json, undefined, { count: 1 })
  const [asked] = ofKind(bench.said(), 'attach')
  bench.answer(asked!, 3, { backlog: [item(3)] })
  t.same(member.take(), [])
  member.hasRoom = true
  bench.pass(limits.socketLookMs)
  const [again] = ofKind(bench.said(), 'attach')
  t.same(again!.rewind, { count: 1 })
  bench.answer(again!, 4, { backlog: [item(4)] })
  t.same(member.take(), ['attached 4 backlog', '4'])
})

t.test('[25] who is present is told when there is room, and asked for once', async (t) => {
  const bench = new GroupBench()
  const member = new Listener()
  member.hasRoom = false
  const seat = bench.group.attach(member, json, undefined)
  const [asked] = ofKind(bench.said(), 'attach')
  bench.answer(asked!, 3, { sync: sync(100) })
  bench.broadcast(item(4))
  t.same(member.take(), ['attached 3 presence', '4'], 'messages are not held up')
  for (let times = 0; times < 100; times++) bench.group.sync(seat)
  t.same(bench.saidKinds(), [], 'a flood of requests is one request')
  member.hasRoom = true
  bench.pass(limits.socketLookMs)
  t.same(bench.saidKinds(), ['syncWanted'])
  bench.group.onClientMessage({ kind: 'synced', channel: bench.group.channel, frames: [sync(101)] })
  t.same(member.take(), ['101'])
  bench.group.sync(seat)
  t.same(bench.saidKinds(), ['syncWanted'], 'and the next one is the next')
})

t.test('[25] SYNC that was announced comes, though everybody has left when there is room',
  async (t) => {
    const bench = new GroupBench()
    const member = new Listener()
    member.hasRoom = false
    bench.group.attach(member, json, standing(2))
    const [asked] = ofKind(bench.said(), 'attach')
    bench.answer(asked!, 3, { isResumed: true, backlog: [item(3)], sync: sync(100) })
    t.same(member.take(), ['attached 2 resumed backlog presence'])
    member.hasRoom = true
    bench.pass(limits.socketLookMs)
    const [again] = ofKind(bench.said(), 'attach')
    bench.answer(again!, 4, { isResumed: true, backlog: [item(3), item(4)] })
    t.same(member.take(), ['3', '4'])
    t.same(bench.saidKinds(), ['syncWanted'], 'its client waits for it, and shows nobody before')
    const { channel } = bench.group
    bench.group.onClientMessage({ kind: 'synced', channel, frames: [sync(101)] })
    bench.group.onClientMessage({ kind: 'synced', channel, frames: [sync(102)] })
    t.same(member.take(), ['101'])
  })

/** A member that was told of SYNC which there was no room for, and asks for something else. */
function changing(hearsPresence: boolean) {
  const bench = new GroupBench()
  const former = new Listener()
  former.hasRoom = false
  const seat = bench.group.attach(former, json, undefined)
  bench.answer(ofKind(bench.said(), 'attach')[0]!, 3, { sync: sync(100) })
  bench.group.detach(seat)
  bench.said()
  const member = Object.assign(new Listener(), { hearsPresence })
  bench.group.attach(member, json, standing(3), undefined, seat)
  return { bench, member, attach: ofKind(bench.said(), 'attach')[0]! }
}

t.test('[25] SYNC that was announced comes, though something else was asked for meanwhile',
  async (t) => {
    const { bench, member, attach } = changing(true)
    bench.answer(attach, 4, { isResumed: true, backlog: [item(4)] })
    t.same(member.take(), ['attached 3 resumed backlog presence', '4'])
    t.same(bench.saidKinds(), ['syncWanted'])
    const { channel } = bench.group
    bench.group.onClientMessage({ kind: 'synced', channel, frames: [sync(101)] })
    t.same(member.take(), ['101'])
  })

t.test('[25] SYNC is owed no more to who has lost its place, nor to who does not want to know',
  async (t) => {
    const anew = changing(true)
    anew.bench.answer(anew.attach, 4)
    t.same(anew.member.take(), ['attached 4'], 'which says that nobody is present')
    t.same(anew.bench.saidKinds(), [])
    const deaf = changing(false)
    deaf.bench.answer(deaf.attach, 3, { isResumed: true })
    t.same(deaf.member.take(), ['attached 3 resumed'])
    t.same(deaf.bench.saidKinds(), [])
  })

t.test('[25] who no longer wants to know who is present is not told when there is room',
  async (t) => {
    const bench = new GroupBench()
    const member = new Listener()
    member.hasRoom = false
    const seat = bench.group.attach(member, json, undefined)
    bench.answer(ofKind(bench.said(), 'attach')[0]!, 3, { sync: sync(100) })
    member.hearsPresence = false
    bench.group.announce(seat)
    member.hasRoom = true
    bench.pass(limits.socketLookMs)
    t.same(member.take(), ['attached 3 presence', 'attached 3 resumed'])
    t.same(bench.saidKinds(), [])
  })

t.test('[25] who leaves while it waits for room is looked after no more', async (t) => {
  const bench = new GroupBench()
  const member = new Listener()
  member.hasRoom = false
  const seat = bench.group.attach(member, json, standing(2))
  const [asked] = ofKind(bench.said(), 'attach')
  bench.answer(asked!, 3, { isResumed: true, backlog: [item(3)] })
  bench.group.detach(seat)
  t.equal(bench.deadlines.size, 0)
  t.match(bench.saidKinds(), ['attachGone', 'variantUnused', 'groupEmpty'])
  bench.pass(limits.lingerMs + 1)
  t.ok(bench.group.isSpent(bench.nowMs))
})

t.test('[25, 11] home lost while it waits for room: asked again, and given once', async (t) => {
  const bench = new GroupBench()
  const member = new Listener()
  member.hasRoom = false
  bench.group.attach(member, json, standing(2))
  bench.answer(ofKind(bench.said(), 'attach')[0]!, 3, { isResumed: true, backlog: [item(3)] })
  member.take()
  bench.group.onHomeLost()
  const [again] = ofKind(bench.said(), 'attach')
  member.hasRoom = true
  bench.answer(again!, 3, { isResumed: true, backlog: [item(3)] })
  bench.pass(10 * limits.socketLookMs)
  t.same(member.take(), ['3'])
  t.same(ofKind(bench.said(), 'attach'), [])
})
