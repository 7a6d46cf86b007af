import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import type { Seat } from '../../../src/channel/group.ts'
import { encodeItems } from '../../../src/channel/presence.ts'
import { PresenceAction } from '../../../src/wire/actions.ts'
import { errors } from '../../../src/wire/errors.ts'
import { frameOf, GroupBench, item, Listener } from './group-bench.ts'
import { CHANNEL, json, msgpack, ofKind, op, standing } from './parts.ts'

const lost = errors.continuityLost().info

t.test('nothing before ATTACHED; then what was missed, then live, once each', async (t) => {
  const bench = new GroupBench()
  const member = new Listener()
  bench.group.attach(member, json, standing(3))
  const [attach] = ofKind(bench.said(), 'attach')
  t.match(attach, { from: { seq: 3 }, variant: json })
  bench.broadcast(item(5))
  t.same(member.take(), [])
  bench.answer(attach!, 5, { isResumed: true, backlog: [item(4), item(5)] })
  bench.broadcast(item(6))
  t.same(member.take(), ['attached 3 resumed backlog', '4', '5', '6'],
    'ATTACHED says where the attachment starts, its backlog leads on')
  t.equal(bench.deadlines.nextMs(), limits.quietMs, 'nothing waits for an answer any more')
})

t.test('without a backlog ATTACHED says where the channel stands', async (t) => {
  const bench = new GroupBench()
  const fresh = new Listener()
  bench.seat(fresh, 7)
  t.same(fresh.take(), ['attached 7'])
  const stranger = new Listener()
  bench.group.attach(stranger, json, standing(3))
  bench.answer(ofKind(bench.said(), 'attach')[0]!, 7, { error: lost })
  t.same(stranger.take(), ['attached 7 90003'])
})

t.test('echo and modes decide, in live messages and in a backlog', async (t) => {
  const bench = new GroupBench()
  const make = (over: Partial<Listener>): Listener => Object.assign(new Listener(), over)
  const members = [
    make({}),
    make({ hearsItself: false }),
    make({ subscribes: false })
  ]
  const items = [item(1, [0], 'me'), item(2, [0], 'other')]
  for (const member of members) {
    bench.group.attach(member, json, standing(0))
    bench.answer(ofKind(bench.said(), 'attach')[0]!, 2, { isResumed: true, backlog: items })
  }
  const heard = members.map((member) => member.take().slice(1))
  t.same(heard, [['1', '2'], ['2'], []])
  bench.broadcast(item(3, [0], 'me'), item(4, [0], 'other'))
  t.same(members.map((member) => member.take()), [['3', '4'], ['4'], []])
  bench.broadcast({ ...item(5), connectionId: undefined })
  t.same(members.map((member) => member.take()), [['5'], ['5'], []],
    'a publish of no connection is nobody\'s own')
})

t.test('who hears more or less is told where it stands, and who is present', async (t) => {
  const bench = new GroupBench()
  const member = Object.assign(new Listener(), { hearsPresence: false })
  const seat = bench.seat(member, 3)
  bench.broadcast(item(4))
  member.take()
  bench.said()
  bench.group.announce(seat)
  t.same(member.take(), ['attached 4 resumed'])
  t.same(bench.saidKinds(), [])
  member.hearsPresence = true
  bench.group.announce(seat)
  t.same(member.take(), ['attached 4 resumed presence'])
  t.same(bench.saidKinds(), ['syncWanted'])
  bench.group.detach(seat)
  bench.said()
  bench.group.announce(seat)
  t.same([...member.take(), ...bench.saidKinds()], [], 'who has left is told nothing')
})

t.test('who is on its way in asks again, for what it wants to hear by now', async (t) => {
  const bench = new GroupBench()
  const member = Object.assign(new Listener(), { hearsPresence: false })
  const seat = bench.group.attach(member, json, standing(2))
  const [first] = ofKind(bench.said(), 'attach')
  member.hearsPresence = true
  bench.group.announce(seat)
  const said = bench.said()
  t.match(said, [
    { kind: 'attachGone', attachId: first!.attachId },
    { kind: 'attach', from: { seq: 2 }, hearsPresence: true }
  ])
  bench.answer(first!, 3)
  t.same(member.take(), [], 'the answer to the first comes too late')
  bench.answer(ofKind(said, 'attach')[0]!, 3, { isResumed: true, sync: [frameOf(9)] })
  t.same(member.take(), ['attached 3 resumed presence', '9'])
})

t.test('who hears more or less while its home is lost is told so afterwards', async (t) => {
  const bench = new GroupBench()
  const member = new Listener()
  const seat = bench.seat(member, 3)
  bench.group.onHomeLost()
  bench.said()
  member.take()
  bench.group.announce(seat)
  const [attach] = ofKind(bench.said(), 'attach')
  t.same(member.take(), [])
  bench.answer(attach!, 5, { isResumed: true, backlog: [item(4), item(5)] })
  t.same(member.take(), ['4', '5', 'attached 5 resumed presence'])
  t.same(bench.saidKinds(), ['syncWanted'], 'though nobody is present, as it seems')
  bench.broadcast(item(6))
  t.same(member.take(), ['6'])
})

t.test('[21] whose connection is back does not leave while it is being attached', async (t) => {
  const owner = { incarnation: 'me', worker: 0, generation: 1, claim: 0 }
  const payload = encodeItems([{ action: PresenceAction.ENTER, clientId: 'ann', id: 'me:0:0' }])
  const leavesOf = (filter?: string): number => {
    const bench = new GroupBench()
    bench.group.submit(op('me:0', { owner, payload, messageCount: 0 }), () => undefined)
    bench.group.own.leave({
      connectionId: 'me', claim: 0, afterMs: limits.presenceGraceMs
    })
    bench.pass(limits.presenceGraceMs - 1_000)
    bench.said()
    bench.group.attach(new Listener('me'), { ...json, filter }, standing(3))
    bench.pass(1_000)
    return ofKind(bench.said(), 'submit').length
  }
  t.equal(leavesOf(), 0)
  t.equal(leavesOf('name == "f"'), 1, 'by a derived channel nobody is there')
})

t.test('each row gets its own bytes, and a publication without them is let pass', async (t) => {
  const bench = new GroupBench()
  const [text, binary, other] = [new Listener(), new Listener(), new Listener()]
  bench.seat(text, 0, json)
  bench.seat(binary, 0, msgpack)
  bench.seat(other, 0, { format: 'json', wireName: '[?rewind=1]c' })
  for (const member of [text, binary, other]) member.take()
  const frames = [frameOf(11), frameOf(12, 1)]
  bench.broadcast({ seq: 1, connectionId: 'pub', frames })
  t.same([text.take(), binary.take(), other.take()], [['11'], ['12'], []])
})

t.test('a detach while attaching: nothing is called on the member any more', async (t) => {
  const bench = new GroupBench()
  const member = new Listener()
  const seat = bench.group.attach(member, json, undefined)
  const [attach] = ofKind(bench.said(), 'attach')
  bench.group.detach(seat)
  t.same(bench.saidKinds(), ['attachGone', 'variantUnused', 'groupEmpty'])
  bench.answer(attach!, 5, { backlog: [item(5)] })
  bench.broadcast(item(6))
  bench.pass(limits.attachAnswerMs)
  bench.group.detach(seat)
  t.same(member.take(), [])
  t.same(bench.said(), [], 'a second detach does nothing')
  t.equal(bench.group.liveCount, 0)
})

t.test('attach twice: two seats, and the one that leaves takes nothing with it', async (t) => {
  const bench = new GroupBench()
  const [former, latter] = [new Listener(), new Listener()]
  const first = bench.seat(former, 1)
  bench.group.attach(latter, json, standing(1))
  bench.group.detach(first)
  const said = bench.said()
  t.same(said.map(({ kind }) => kind), ['attach'], 'the row is still wanted')
  bench.answer(ofKind(said, 'attach')[0]!, 1, { isResumed: true })
  bench.broadcast(item(2))
  t.same(former.take(), ['attached 1'])
  t.same(latter.take(), ['attached 1 resumed', '2'])
})

t.test('[19] no answer in time: refused, retriable, and a late answer is nobody\'s', async (t) => {
  const bench = new GroupBench()
  const member = new Listener()
  bench.group.attach(member, json, undefined)
  const [attach] = ofKind(bench.said(), 'attach')
  bench.pass(limits.attachAnswerMs - 1)
  t.same(member.take(), [])
  bench.pass(1)
  t.same(member.take(), ['refused 90007'])
  t.same(bench.saidKinds(), ['attachGone', 'variantUnused', 'groupEmpty'],
    'the ChannelClient is told, or it would feed nobody for ever')
  bench.answer(attach!, 5)
  bench.broadcast(item(6))
  t.same(member.take(), [])
})

t.test('a refused attach leaves like one that detached', async (t) => {
  const bench = new GroupBench()
  const [member, other] = [new Listener(), new Listener()]
  const otherSeat = bench.seat(other)
  const refuse = (): Seat => {
    const seat = bench.group.attach(member, msgpack, undefined)
    const { attachId } = ofKind(bench.said(), 'attach')[0]!
    const refused = { kind: 'attachRefused', channel: CHANNEL, attachId, error: lost } as const
    bench.group.onClientMessage(refused)
    bench.group.onClientMessage(refused)
    t.same(member.take(), ['refused 90003'], 'once')
    return seat
  }
  const seat = refuse()
  t.same(bench.saidKinds(), ['attachGone', 'variantUnused'])
  bench.group.detach(seat)
  bench.group.detach(otherSeat)
  t.same(bench.saidKinds(), ['variantUnused', 'groupEmpty'])
  refuse()
  t.same(bench.saidKinds(), ['attachGone', 'variantUnused', 'groupEmpty'])
  t.equal(bench.deadlines.nextMs(), Infinity, 'no deadline is left behind')
})

t.test('an empty row serves another variant, and none of its former frames', async (t) => {
  const bench = new GroupBench()
  const [former, latter] = [new Listener(), new Listener()]
  const seat = bench.seat(former, 0, json)
  bench.seat(new Listener(), 0, { format: 'json', wireName: 'd' })
  bench.group.detach(seat)
  bench.group.attach(latter, msgpack, undefined)
  const said = bench.said()
  t.same(said.map(({ kind }) => kind), ['variantUnused', 'attach'])
  t.match(said[1], { variantId: 0, variant: msgpack })
  bench.broadcast(item(1))
  t.same(latter.take(), [], 'those bytes were JSON')
  bench.answer(ofKind(said, 'attach')[0]!, 1)
  bench.broadcast(item(2))
  t.same(latter.take(), ['attached 1', '2'])
})

t.test('each way to be told has a row of its own', async (t) => {
  const bench = new GroupBench()
  const ways = [json, msgpack, { ...json, occupancy: '' }, { ...json, delta: true as const },
    { ...json, isWithoutEcho: true as const }]
  for (const way of [...ways, ...ways]) bench.group.attach(new Listener(), way, undefined)
  const ids = ofKind(bench.said(), 'attach').map(({ variantId }) => variantId)
  t.same(ids, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4])
})

t.test('continuity lost is told to those who are live, each with the new place', async (t) => {
  const bench = new GroupBench()
  const [live, joining] = [new Listener(), new Listener()]
  bench.seat(live, 5)
  bench.group.attach(joining, json, standing(5))
  const [attach] = ofKind(bench.said(), 'attach')
  const there = standing(9)
  bench.group.onClientMessage({
    kind: 'continuityLost', channel: CHANNEL, standing: there, error: lost
  })
  bench.answer(attach!, 9, { error: lost })
  t.same(live.take(), ['attached 5', 'lost 9 90003'])
  t.same(joining.take(), ['attached 9 90003'], 'told once, by its ATTACHED')
})

t.test('[11] home lost: everybody asks again from where the group stands', async (t) => {
  const bench = new GroupBench()
  const [live, joining] = [new Listener(), new Listener()]
  bench.seat(live, 5)
  bench.broadcast(item(6))
  bench.group.attach(joining, json, standing(2))
  bench.said()
  bench.group.onHomeLost()
  const asks = ofKind(bench.said(), 'attach')
  const seqs = asks.map(({ from }) => from?.seq).sort()
  t.same(seqs, [2, 6])
  bench.broadcast(item(7), item(8))
  t.same(live.take(), ['attached 5', '6'], 'what comes meanwhile comes with the answer')
  for (const ask of asks) {
    const backlog = [item(7), item(8)]
    bench.answer(ask, 8, { isResumed: true, backlog })
  }
  bench.broadcast(item(9))
  t.same(live.take(), ['7', '8', '9'], 'it never noticed')
  t.same(joining.take(), ['attached 2 resumed backlog', '7', '8', '9'])
})

t.test('[11] home lost and what was missed is gone: lost, once, and then on', async (t) => {
  const bench = new GroupBench()
  const member = new Listener()
  bench.seat(member, 5)
  bench.group.onHomeLost()
  const [first] = ofKind(bench.said(), 'attach')
  bench.group.onHomeLost()
  const [second] = ofKind(bench.said(), 'attach')
  t.equal(second!.from!.seq, 5)
  for (const ask of [first!, second!]) bench.answer(ask, 20, { error: lost })
  bench.broadcast(item(21))
  t.same(member.take(), ['attached 5', 'lost 20 90003', '21'])
  t.equal(bench.group.liveCount, 1)
})

t.test('[11] a member that leaves while its seat rejoins is left in peace', async (t) => {
  const bench = new GroupBench()
  const member = new Listener()
  const seat = bench.seat(member, 5)
  member.take()
  bench.group.onHomeLost()
  t.ok(bench.group.isAttached, 'its client does not know')
  const [ask] = ofKind(bench.said(), 'attach')
  bench.group.detach(seat)
  t.notOk(bench.group.isAttached)
  t.same(bench.saidKinds(), ['attachGone', 'variantUnused', 'groupEmpty'])
  bench.answer(ask!, 9, { error: lost })
  t.same(member.take(), [])
  t.equal(bench.group.liveCount, 0)
})

t.test('[11] home lost after the last one left: that it is empty is said again', async (t) => {
  const bench = new GroupBench()
  bench.group.detach(bench.seat(new Listener()))
  bench.said()
  bench.group.onHomeLost()
  t.same(bench.saidKinds(), ['groupEmpty'])
})

t.test('[16] publishes without outcome are submitted again, in order, answered once', async (t) => {
  const bench = new GroupBench()
  const outcomes: string[] = []
  for (const id of ['a:1', 'a:2', 'a:3']) {
    bench.group.submit(op(id), ({ kind }) => void outcomes.push(`${id} ${kind}`))
  }
  const first = ofKind(bench.said(), 'submit')
  const committed = { kind: 'committed', serials: [] } as const
  const answer = ({ submitId }: { submitId: number }): void =>
    bench.group.onClientMessage({ kind: 'submitted', channel: CHANNEL, submitId,
      outcome: committed })
  answer(first[1]!)
  bench.group.onHomeLost()
  const again = ofKind(bench.said(), 'submit')
  t.ok(first.every(({ isAgain }) => isAgain !== true) && again.every(({ isAgain }) => isAgain))
  t.same(again.map((each) => each.op.id), ['a:1', 'a:3'])
  for (const each of [...again, ...again, ...first]) answer(each)
  t.same(outcomes, ['a:2 committed', 'a:1 committed', 'a:3 committed'])
})

t.test('spent after its linger time, unless somebody is seated or waits', async (t) => {
  const bench = new GroupBench()
  const later = (): number => bench.nowMs + limits.lingerMs + 1
  t.ok(bench.group.isSpent(later()))
  const seat = bench.group.attach(new Listener(), json, undefined)
  t.notOk(bench.group.isSpent(later()))
  bench.answer(ofKind(bench.said(), 'attach')[0]!, 0)
  t.notOk(bench.group.isSpent(later()))
  bench.nowMs += 100_000
  bench.group.detach(seat)
  t.notOk(bench.group.isSpent(bench.nowMs + limits.lingerMs))
  t.ok(bench.group.isSpent(later()))
  bench.group.submit(op('a:1'), () => {})
  t.notOk(bench.group.isSpent(later()))
})

t.test('whoever comes and goes: each live seat hears each publication once', async (t) => {
  for (let seed = 0; seed < 100; seed++) {
    const random = new Random(`group/${seed}`)
    const bench = new GroupBench()
    const seated: { seat: Seat; member: Listener; wanted: string[] }[] = []
    for (let seq = 1; seq < 80; seq++) {
      const draw = random.unit()
      if (draw < 0.4) {
        const member = new Listener()
        const seat = bench.seat(member, seq - 1, random.unit() < 0.5 ? json : msgpack)
        seated.push({ seat, member, wanted: [`attached ${seq - 1}`] })
      } else if (draw < 0.7 && seated.length > 0) {
        const [gone] = seated.splice(random.below(seated.length), 1)
        bench.group.detach(gone!.seat)
        if (`${gone!.member.heard}` !== `${gone!.wanted}`) t.fail(`seed ${seed}: ${gone!.wanted}`)
        gone!.member.onFrame = () => t.fail(`seed ${seed}: a frame for one who left`)
      }
      bench.broadcast(item(seq, [0, 1]))
      for (const { wanted } of seated) wanted.push(`${seq}`)
    }
    for (const { member, wanted } of seated) t.same(member.heard, wanted, `seed ${seed}`)
    t.equal(bench.group.liveCount, seated.length)
    t.equal(ofKind(bench.said(), 'groupEmpty').length > 0, bench.group.liveCount === 0)
  }
})
