import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { EMPTY } from '../../../src/channel/occupancy.ts'
import type { Headcount, Occupancy } from '../../../src/peer/census-message.ts'
import type { PeerMessage } from '../../../src/peer/message.ts'
import { Flag } from '../../../src/wire/actions.ts'
import { frameOf, GroupBench, Listener } from './group-bench.ts'
import { a, b, MasterBench } from './master-bench.ts'
import { CHANNEL, ClientBench, json, liveAt5, msgpack, ofKind, read, standing } from './parts.ts'

const { SUBSCRIBE, PUBLISH, PRESENCE } = Flag
const all = { ...json, occupancy: '' }
const some = { ...msgpack, occupancy: 'publishers,subscribers' }

function count(connections: number): Headcount {
  return { ...EMPTY, connections, subscribers: connections }
}

// -- a group --------------------------------------------------------------------------------------

t.test('[O1] a group counts when it is wanted, then after changes, seldom', async (t) => {
  const bench = new GroupBench()
  const one = new Listener()
  one.modeBits = SUBSCRIBE | PUBLISH
  const seat = bench.seat(one)
  bench.pass(60_000)
  t.same(bench.saidKinds(), [], 'nobody wants to know')
  bench.group.onClientMessage({ kind: 'countWanted', channel: CHANNEL, isWanted: true })
  t.same(ofKind(bench.said(), 'counted').map((each) => each.count),
    [{ ...count(1), publishers: 1 }])
  for (let at = 0; at < 5; at++) {
    const other = new Listener()
    other.modeBits = PRESENCE
    bench.seat(other)
  }
  bench.group.detach(seat)
  bench.said()
  bench.pass(limits.headcountMs)
  t.same(ofKind(bench.said(), 'counted').map((each) => each.count),
    [{ ...EMPTY, connections: 5, presenceConnections: 5 }])
  bench.seat(new Listener())
  bench.group.onClientMessage({ kind: 'countWanted', channel: CHANNEL, isWanted: false })
  bench.pass(60_000)
  t.same(bench.saidKinds(), [])
  t.equal(bench.deadlines.nextMs(), Infinity, 'nothing goes on')
})

t.test('[O3, O4] the occupancy is given to rows that want it, and to who subscribes', async (t) => {
  const bench = new GroupBench()
  const [plain, wants, deaf] = [new Listener(), new Listener(), new Listener()]
  deaf.subscribes = false
  bench.seat(plain, 3)
  bench.seat(wants, 3, all)
  bench.seat(deaf, 3, all)
  for (const each of [plain, wants, deaf]) each.take()
  const frames = [undefined, frameOf(9, 1)]
  bench.group.onClientMessage({ kind: 'occupied', channel: CHANNEL, frames })
  t.same([plain, wants, deaf].map((each) => each.take().length), [0, 1, 0])
  const late = new Listener()
  bench.group.attach(late, all, undefined)
  bench.answer(ofKind(bench.said(), 'attach').at(-1)!, 3, { occupancy: frameOf(9, 1) })
  t.same(late.take(), ['attached 3', '9'])
})

t.test('[O1] after its home is lost a group says again how many it has', async (t) => {
  const bench = new GroupBench()
  bench.seat(new Listener(), 3)
  bench.group.onClientMessage({ kind: 'countWanted', channel: CHANNEL, isWanted: true })
  bench.said()
  bench.group.onHomeLost()
  bench.answer(ofKind(bench.said(), 'attach')[0]!, 3, { isResumed: true })
  bench.pass(limits.headcountMs)
  t.match(ofKind(bench.said(), 'counted'), [{ count: { connections: 1 }, goesOn: true }])
  const other = new GroupBench()
  other.seat(new Listener(), 3)
  other.group.onHomeLost()
  other.pass(limits.headcountMs)
  t.match(ofKind(other.said(), 'counted'), [{ goesOn: false }])
})

// -- a client -------------------------------------------------------------------------------------

/** A live client with a watching group, asked for a census. */
function asked(): ClientBench {
  const bench = liveAt5()
  bench.attach({ variantId: 1, variant: all })
  bench.client.onMasterMessage(censusWanted(true))
  return bench
}

function censusWanted(isWanted: boolean, epoch = 1) {
  return { kind: 'censusWanted', channel: CHANNEL, epoch, isWanted } as const
}

function counted(bench: ClientBench, connections: number, worker = 0, goesOn = true): void {
  const message = { kind: 'counted', channel: CHANNEL, count: count(connections) } as const
  bench.client.onGroupMessage(worker, { ...message, goesOn })
}

function told(occupancy: Occupancy, epoch = 1) {
  return { kind: 'occupancy', channel: CHANNEL, epoch, occupancy, timestamp: 7 } as const
}

t.test('[O1] a client says that some want it, and again to every new master', async (t) => {
  const bench = liveAt5()
  bench.said()
  bench.attach({ variantId: 1, variant: all })
  bench.attach({ variantId: 1, variant: all })
  t.match(ofKind(bench.said(), 'occupancyWanted'), [{ isWanted: true, epoch: 1 }], 'once')
  bench.client.onMasterUncertain()
  bench.join({ standing: standing(5), epoch: 2 })
  t.match(ofKind(bench.said(), 'occupancyWanted'), [{ isWanted: true, epoch: 2 }])
  bench.client.onGroupMessage(0, { kind: 'variantUnused', channel: CHANNEL, variantId: 1 })
  t.match(ofKind(bench.said(), 'occupancyWanted'), [{ isWanted: false, epoch: 2 }])
})

t.test('[O1] a census is the sum of all groups, once all have counted', async (t) => {
  const bench = asked()
  bench.attach({ worker: 1 })
  t.same(ofKind(bench.told(0), 'countWanted').length, 1)
  t.same(ofKind(bench.told(1), 'countWanted').length, 1)
  bench.said()
  counted(bench, 2, 0)
  t.same(bench.said(), [], 'one has not counted')
  counted(bench, 3, 1)
  t.match(bench.said(), [{ kind: 'census', count: { connections: 5 } }])
  counted(bench, 4, 1)
  counted(bench, 6, 1)
  bench.client.onGroupMessage(0, { kind: 'groupEmpty', channel: CHANNEL })
  bench.pass(limits.headcountMs)
  t.match(ofKind(bench.said(), 'census').map((each) => each.count.connections), [6])
})

t.test('[O1] what nobody wants is not counted', async (t) => {
  const bench = asked()
  counted(bench, 2)
  bench.told()
  bench.said()
  bench.client.onMasterMessage(censusWanted(false))
  t.match(bench.told(), [{ kind: 'countWanted', isWanted: false }])
  counted(bench, 3)
  t.match(bench.told(), [{ kind: 'countWanted', isWanted: false }], 'it had not heard')
  counted(bench, 3, 0, false)
  t.same(bench.told(), [])
  bench.client.onMasterMessage(censusWanted(true, 9))
  t.same([bench.told(), bench.said()], [[], []], 'a mastership that was not joined wants nothing')
})

t.test('[O1, O2] the occupancy is encoded once for all that want the same', async (t) => {
  const bench = asked()
  bench.attach({ worker: 1, variant: all })
  bench.attach({ worker: 1, variantId: 1, variant: some })
  bench.told()
  bench.allocatedCount = 0
  bench.client.onMasterMessage(told({ ...count(3), presenceMembers: 2 }))
  t.equal(bench.allocatedCount, 2)
  const [first] = ofKind(bench.told(0), 'occupied')
  const [second] = ofKind(bench.told(1), 'occupied')
  t.equal(first!.frames[1], second!.frames[0])
  const { messages, channelSerial } = read(first!.frames[1]!)
  t.match(channelSerial, /~5$/)
  t.match(messages, [{ name: '[meta]occupancy', action: 3, encoding: 'json' }])
  t.same(JSON.parse(messages![0]!.data as string),
    { metrics: { ...count(3), presenceMembers: 2 } })
  const metrics = JSON.parse(read(second!.frames[1]!).messages![0]!.data as string)
  t.same(metrics, { metrics: { publishers: 0, subscribers: 3 } })
  bench.client.onMasterMessage(told({ ...count(3), presenceMembers: 2 }))
  bench.client.onMasterMessage(told({ ...count(4), presenceMembers: 2 }, 9))
  t.same(bench.told(), [], 'nothing new; and of another mastership')
})

t.test('[O1] who comes later is told with its ATTACHED, from where the node stands', async (t) => {
  const bench = asked()
  bench.client.onMasterMessage(told({ ...count(3), presenceMembers: 2 }))
  bench.told()
  bench.attach({ variantId: 1, variant: all })
  bench.attach()
  const [late, plain] = ofKind(bench.told(), 'attached')
  t.match(read(late!.occupancy!).channelSerial, /~5$/)
  t.equal(plain!.occupancy, undefined)
  for (const variantId of [0, 1]) {
    bench.client.onGroupMessage(0, { kind: 'variantUnused', channel: CHANNEL, variantId })
  }
  bench.attach({ variantId: 1, variant: all })
  t.equal(ofKind(bench.told(), 'attached')[0]!.occupancy, undefined, 'it may be old by now')
})

t.test('[O1] a group that was asked in vain is asked again', async (t) => {
  const bench = asked()
  bench.told()
  counted(bench, 2, 0, false)
  t.match(bench.told(), [{ kind: 'countWanted', isWanted: true }])
})

t.test('[O1] a group that counts once more when all have left is asked when some come again',
  async (t) => {
    const bench = asked()
    counted(bench, 1)
    bench.client.onGroupMessage(0, { kind: 'groupEmpty', channel: CHANNEL })
    counted(bench, 0)
    bench.told()
    bench.attach({ variantId: 1, variant: all })
    t.match(ofKind(bench.told(), 'countWanted'), [{ isWanted: true }])
  })

// -- the master -----------------------------------------------------------------------------------

function census(bench: MasterBench, place: typeof a, connections: number): void {
  bench.master.census.onMessage(place, {
    kind: 'census', channel: CHANNEL, epoch: 7, clientId: `of ${place.incarnation}`,
    count: count(connections)
  })
}

function want(bench: MasterBench, place: typeof a, isWanted = true): void {
  const clientId = `of ${place.incarnation}`
  const message = { kind: 'occupancyWanted', channel: CHANNEL, epoch: 7, clientId, isWanted }
  bench.master.census.onMessage(place, message as never)
}

function toldTo(messages: readonly PeerMessage[]): number[] {
  return ofKind(messages, 'occupancy').map(({ occupancy }) => occupancy.connections)
}

/** A master that both nodes joined for the first time. */
function joined(): MasterBench {
  const bench = new MasterBench()
  for (const place of [a, b]) {
    bench.join(place)
    bench.sent(place)
  }
  return bench
}

t.test('[O1] a master tells the sum when all have reported, then changes, seldom', async (t) => {
  const bench = joined()
  want(bench, a)
  for (const place of [a, b]) t.match(bench.sent(place), [{ kind: 'censusWanted', isWanted: true }])
  census(bench, a, 2)
  t.same(toldTo(bench.sent(a)), [])
  census(bench, b, 3)
  t.same(toldTo(bench.sent(a)), [5])
  for (const more of [4, 5, 6]) census(bench, b, more)
  t.same(toldTo(bench.sent(a)), [])
  bench.pass(limits.occupancyMs)
  t.same(toldTo(bench.sent(a)), [8])
  want(bench, b)
  t.same(toldTo(bench.sent(b)), [8], 'who comes to want it is told at once')
  bench.master.onPlaceGone(({ incarnation }) => incarnation === b.incarnation)
  bench.pass(limits.occupancyMs)
  t.same(toldTo(bench.sent(a)), [2], 'who is gone counts for nothing')
})

t.test('[O1] nothing is counted any more when nobody wants it', async (t) => {
  const bench = joined()
  want(bench, a)
  for (const place of [a, b]) census(bench, place, 1)
  for (const place of [a, b]) bench.sent(place)
  want(bench, a, false)
  t.match(bench.sent(b), [{ kind: 'censusWanted', isWanted: false }])
  census(bench, b, 9)
  t.match(bench.sent(b), [{ kind: 'censusWanted', isWanted: false }], 'it had not heard')
  bench.pass(60_000)
  t.same(toldTo(bench.sent(a)), [])
})

t.test('[O1] after a takeover nothing is told before all had time to come back', async (t) => {
  const bench = new MasterBench()
  bench.join(a, { from: standing(0) })
  bench.sent(a)
  want(bench, a)
  census(bench, a, 1)
  t.same(toldTo(bench.sent(a)), [])
  bench.join(b, { from: standing(0) })
  t.match(ofKind(bench.sent(b), 'censusWanted'), [{ isWanted: true }])
  census(bench, b, 1)
  bench.pass(limits.occupancyMs)
  t.same(toldTo(bench.sent(a)), [2])
})

t.test('[O5] a question is answered when all have reported, or by what is known', async (t) => {
  const bench = joined()
  const answers: number[] = []
  const ask = (): void => bench.master.census.ask((each) => void answers.push(each.connections))
  ask()
  for (const place of [a, b]) census(bench, place, 2)
  t.same(answers, [4])
  t.match(bench.sent(a).at(-1), { kind: 'censusWanted', isWanted: false }, 'once')
  ask()
  census(bench, a, 7)
  bench.pass(limits.censusMs)
  t.same(answers, [4, 7])
})

t.test('[O5] who asks later has a time of its own', async (t) => {
  const bench = joined()
  const answers: number[] = []
  const ask = (): void => bench.master.census.ask((each) => void answers.push(each.connections))
  ask()
  for (const place of [a, b]) census(bench, place, 2)
  bench.pass(limits.censusMs - 10)
  ask()
  bench.pass(10)
  t.same(answers, [4], 'the first one is long over')
  for (const place of [a, b]) census(bench, place, 3)
  t.same(answers, [4, 6])
})

t.test('[W15] where others count for themselves, nobody waits for them here', async (t) => {
  const bench = joined()
  const { census: counter } = bench.master
  counter.onRegion('us', true)
  const told: unknown[] = []
  const tell = (mark: string) => ({ connections }: { connections: number }): void =>
    void told.push([mark, connections])
  counter.ask(tell('ours'), true)
  counter.ask(tell('all'))
  for (const place of [a, b]) census(bench, place, 2)
  t.same(told, [['ours', 4]])
  counter.onAbroad('us', count(3))
  t.same(told, [['ours', 4], ['all', 7]])
  counter.ask(tell('ours'), true)
  census(bench, a, 5)
  bench.pass(limits.censusMs)
  t.same(told.at(-1), ['ours', 5], 'of those that count in time')
})

t.test('[O1] a stranger at a place reports nothing', async (t) => {
  const bench = joined()
  want(bench, a)
  for (const place of [a, b]) census(bench, place, 1)
  bench.sent(a)
  const message = { kind: 'census', channel: CHANNEL, epoch: 7, clientId: 'former' }
  bench.master.census.onMessage(b, { ...message, count: count(9) } as never)
  bench.pass(limits.occupancyMs)
  t.same(toldTo(bench.sent(a)), [])
})
