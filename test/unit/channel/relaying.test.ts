/* Other regions in a channel's mastership: what is born there and here. */

import t from 'tap'
import type { Relayed, RelayJoin } from '../../../src/peer/relay-message.ts'
import { limits } from '../../../src/base/limits.ts'
import { EMPTY } from '../../../src/channel/occupancy.ts'
import { encodeItems } from '../../../src/channel/presence.ts'
import { a, b, MasterBench } from './master-bench.ts'
import { CHANNEL, ofKind, publication, publications, standing } from './parts.ts'
import { ENTER, LEAVE, member, ownerOf } from './presence-world.ts'

const THERE = 'T1'

function relayed(from: number, to: number, over: Partial<Relayed> = {}): Relayed {
  return {
    isBroken: false, publications: publications(from, to),
    standing: standing(to, { lineage: THERE }), members: undefined, ...over
  }
}

function relayJoin(bench: MasterBench, over: Partial<RelayJoin> = {}): void {
  bench.master.onRelayJoin(b, {
    kind: 'relayJoin', channel: CHANNEL, region: 'there', relayId: 'r', joinNo: 1, viewVersion: 1,
    from: undefined, sinceMs: bench.wallMs, wantsMembers: true, wantsCount: false,
    ...over
  }, bench.now())
}

t.test('what is born elsewhere keeps its id and serial, and stands in our order', async (t) => {
  const bench = new MasterBench()
  bench.join(a)
  bench.publish(a, 1, 'mine:0')
  t.ok(bench.master.relaying.take('there', relayed(41, 42)))
  bench.commit()
  const [first, second, third] = ofKind(bench.sent(a), 'deliver')
    .flatMap((deliver) => deliver.publications)
  t.match(first, { seq: 1, id: 'mine:0', origin: undefined })
  t.match(second, { seq: 2, id: 'pub:41', timestamp: 1_041, counter: 0 })
  t.match(second, { origin: { region: 'there', lineage: THERE, seq: 41, entry: 41 } })
  t.match(third, { seq: 3, id: 'pub:42' })
})

t.test('it is taken once, whatever a relay says again', async (t) => {
  const bench = new MasterBench()
  bench.master.relaying.take('there', relayed(41, 42))
  bench.master.relaying.take('there', relayed(41, 43))
  t.same(bench.commit().map(({ id }) => id), ['pub:41', 'pub:42', 'pub:43'])
  t.match(bench.master.relaying.origins, [{ region: 'there', seq: 43 }])
  const heir = new MasterBench()
  heir.master.restoreState(bench.master.state(), 0)
  heir.master.relaying.take('there', relayed(42, 44))
  t.same(heir.commit().map(({ id }) => id), ['pub:44'], 'the next master knows it')
})

t.test('a log that was made anew there begins anew', async (t) => {
  const bench = new MasterBench()
  bench.master.relaying.take('there', relayed(41, 42))
  bench.master.relaying.take('there', relayed(1, 1, { standing: standing(1, { lineage: 'T2' }) }))
  t.same(bench.commit().map(({ id }) => id), ['pub:41', 'pub:42', 'pub:1'])
})

t.test('what a client said in both regions is there once', async (t) => {
  const bench = new MasterBench()
  const said = { id: 'chosen', idSpace: 'client' as const, connectionId: 'x' }
  bench.join(a)
  bench.publish(a, 1, { ...said, messageCount: 1, payload: publication(1).payload, msgSerial: 0 })
  bench.commit()
  const theirs = relayed(7, 7, { publications: [publication(7, said)] })
  bench.master.relaying.take('there', theirs)
  t.same(bench.commit(), [])
  t.test('and the other way round', async (t) => {
    const bench = new MasterBench()
    bench.master.relaying.take('there', theirs)
    bench.commit()
    bench.join(a)
    bench.publish(a, 1, { ...said, messageCount: 1, payload: publication(1).payload, msgSerial: 0 })
    t.same(bench.waiting, [])
    t.match(bench.outcomes(a), [new RegExp(`@${THERE}:`)], 'with the serial that it has')
  })
})

t.test('nothing is taken while the log takes nothing', async (t) => {
  const bench = new MasterBench()
  bench.hasRoom = false
  t.notOk(bench.master.relaying.take('there', relayed(1, 2)))
  bench.hasRoom = true
  t.ok(bench.master.relaying.take('there', relayed(1, 2)))
  t.equal(bench.waiting.length, 2)
})

t.test('relays are told what was born here, and nothing that came from elsewhere', async (t) => {
  const bench = new MasterBench()
  bench.join(a)
  relayJoin(bench)
  t.match(bench.sent(b).at(-1), {
    kind: 'relayJoined', region: 'here', standing: standing(0), isWhole: true, members: 'told'
  })
  bench.publish(a, 1, 'mine:0')
  bench.master.relaying.take('elsewhere', relayed(41, 42))
  bench.publish(a, 2, 'mine:1')
  bench.commit()
  const [deliver] = ofKind(bench.sent(b), 'relayDeliver')
  t.match(deliver, { region: 'here', after: 0, epoch: 7 })
  t.same(deliver!.publications.map(({ seq, id }) => [seq, id]), [[1, 'mine:0'], [4, 'mine:1']])
  bench.publish(a, 3, 'mine:2')
  bench.commit()
  t.match(ofKind(bench.sent(b), 'relayDeliver'), [{ after: 4 }])
})

t.test('a relay goes on from where it stands, or hears that it cannot', async (t) => {
  const bench = new MasterBench()
  bench.join(a)
  for (const opNo of [1, 2, 3]) bench.publish(a, opNo, `mine:${opNo}`)
  bench.master.relaying.take('elsewhere', relayed(41, 41))
  bench.commit()
  relayJoin(bench, { from: standing(1), wantsMembers: false })
  const [joined] = ofKind(bench.sent(b), 'relayJoined')
  t.match(joined, { isContinuation: true, members: 'kept', standing: { seq: 4 } })
  t.same(joined!.publications.map(({ seq }) => seq), [2, 3])
  relayJoin(bench, { from: standing(2, { lineage: 'L0' }), wantsMembers: false })
  t.match(ofKind(bench.sent(b), 'relayJoined'), [{ isContinuation: false, members: 'told' }])
})

t.test('how long ago a channel was first used there goes by our clock alone', async (t) => {
  const bench = new MasterBench()
  bench.join(a)
  for (const opNo of [1, 2, 3]) {
    bench.publish(a, opNo, `mine:${opNo}`)
    bench.commit()
    bench.wallMs += 1_000
  }
  const since = (over: Partial<RelayJoin>): number[] => {
    relayJoin(bench, over)
    const [joined] = ofKind(bench.sent(b), 'relayJoined')
    t.ok(joined!.isContinuation)
    return joined!.publications.map(({ seq }) => seq)
  }
  for (const aheadMs of [-20_000, 0, 20_000]) {
    t.same(since({ sinceMs: bench.wallMs + aheadMs, ageMs: 1_500 }), [3])
  }
  t.same(since({ ageMs: 2_500 }), [2, 3])
  t.same(since({ ageMs: Infinity }), [1, 2, 3])
  t.same(since({ sinceMs: bench.wallMs - 1_500 }), [3], 'a former release says when that was')
})

t.test('a relay that parts is told nothing more', async (t) => {
  const bench = new MasterBench()
  bench.join(a)
  relayJoin(bench)
  bench.sent(b)
  const part = { kind: 'relayPart' as const, channel: CHANNEL, region: 'there' }
  bench.master.relaying.listeners.onPart(b, { ...part, relayId: 'an earlier one' })
  bench.publish(a, 1, 'mine:0')
  bench.commit()
  t.equal(bench.sent(b).length, 1)
  bench.master.relaying.listeners.onPart(b, { ...part, relayId: 'r' })
  bench.publish(a, 2, 'mine:1')
  bench.commit()
  t.same(bench.sent(b), [])
})

t.test('a relay that knows of no relay any more is told nothing, whichever it was', async (t) => {
  const bench = new MasterBench()
  bench.join(a)
  relayJoin(bench)
  const part = { kind: 'relayPart' as const, channel: CHANNEL, region: 'there', relayId: '' }
  bench.master.relaying.listeners.onPart(a, part)
  t.ok(bench.master.relaying.listeners.isHeard, 'that was another place')
  bench.master.relaying.listeners.onPart(b, part)
  t.notOk(bench.master.relaying.listeners.isHeard)
})

t.test('of two relays of one region the later one is told, and the other is to ask', async (t) => {
  const bench = new MasterBench()
  bench.join(a)
  relayJoin(bench)
  bench.sent(b)
  const from = { kind: 'relayJoin' as const, channel: CHANNEL, region: 'there', relayId: 'late',
    joinNo: 1, viewVersion: 1, from: undefined, sinceMs: 0, wantsMembers: false, wantsCount: false }
  bench.master.onRelayJoin(a, from, bench.now())
  t.match(ofKind(bench.sent(b), 'relayAgain'), [{ region: 'here' }])
})

t.test('a relay goes on where only what came from elsewhere is gone', async (t) => {
  const bench = new MasterBench()
  bench.join(a)
  bench.publish(a, 1, 'mine:0')
  bench.commit()
  bench.master.relaying.take('elsewhere', relayed(41, 42))
  bench.commit()
  bench.monoMs += limits.tailMs
  bench.master.expire(bench.monoMs, 0)
  relayJoin(bench, { from: standing(1) })
  t.match(ofKind(bench.sent(b), 'relayJoined'), [{ isContinuation: true }])
  const heir = new MasterBench(standing(3))
  heir.master.restoreState(bench.master.state(), 0)
  heir.master.endRestore(0)
  relayJoin(heir, { from: standing(1) })
  t.match(ofKind(heir.sent(b), 'relayJoined'), [{ isContinuation: true }], 'with the next master')
  relayJoin(heir, { from: standing(0) })
  t.match(ofKind(heir.sent(b), 'relayJoined'), [{ isContinuation: false }])
})

t.test('where something is missing all are told, and who comes back from before', async (t) => {
  const bench = new MasterBench()
  bench.join(a)
  bench.publish(a, 1, 'mine:0')
  bench.commit()
  bench.master.relaying.take('there', relayed(1, 0, { isBroken: true }))
  t.match(bench.commit(), [{ isBreak: true, seq: 2, messageCount: 0 }])
  bench.sent(a)
  bench.join(a, { from: standing(1), joinNo: 2 })
  t.match(ofKind(bench.sent(a), 'joined'), [{ isContinuation: false }])
})

t.test('members of another region are present, and leave as it says', async (t) => {
  const bench = new MasterBench()
  bench.master.relaying.onRelay('there', true)
  const enter = publication(1, {
    messageCount: 0, owner: ownerOf('n9', { claim: 4 }), connectionId: 'c',
    payload: encodeItems([{ action: ENTER, clientId: 'anna', id: 'c:0:0' }])
  })
  bench.master.relaying.take('there', relayed(1, 1, { publications: [enter] }))
  bench.commit()
  const shown = (): string[] => bench.master.presence.shown().map(({ clientId }) => clientId)
  t.same(shown(), ['anna'])
  t.match(bench.master.presence.shown(), [{ owner: { incarnation: '@there', claim: 4 } }])
  t.equal(bench.master.census.isUsed, false, 'that alone does not keep the channel in use here')
  t.test('a list is all of them', async (t) => {
    const members = [member('bert', 'd:0:0')]
    bench.master.relaying.take('there', relayed(2, 1, { members }))
    const events = bench.commit()
    t.same(shown(), ['bert'])
    t.ok(events.every(({ origin }) => origin?.region === 'there'), 'no other region hears of it')
  })
  t.test('where nobody listens to the region any more they stay for a time', async (t) => {
    bench.master.relaying.onRelay('there', false)
    bench.pass(59_000)
    t.same(bench.waiting, [])
    bench.pass(2_000)
    const left = bench.commit()
    t.same(shown(), [])
    t.match(left, [{ origin: { region: 'there' } }])
  })
  t.test('for as long as it was said when it was lost', async (t) => {
    const members = [member('carl', 'e:0:0')]
    bench.master.relaying.onRelay('there', true)
    bench.master.relaying.take('there', relayed(3, 2, { members }))
    bench.commit()
    t.same(shown(), ['carl'])
    bench.regionGraceMs = 5_000
    bench.master.relaying.onRelay('there', false)
    bench.regionGraceMs = 60_000
    bench.pass(4_000)
    t.same(bench.waiting, [])
    bench.pass(2_000)
    bench.commit()
    t.same(shown(), [])
  })
})

t.test('what is said of members is not older than what was listed of them', async (t) => {
  const bench = new MasterBench()
  bench.master.relaying.onRelay('there', true)
  bench.master.relaying.take('there', relayed(1, 0, { members: [member('bert', 'd:0:0')] }))
  const [listed] = bench.commit()
  const [shown] = bench.master.presence.shown()
  t.ok(listed!.timestamp > publication(1).timestamp, 'it was listed after it was decided there')
  const leave = publication(1, {
    messageCount: 0, owner: ownerOf('n9', { claim: 4 }), connectionId: shown!.connectionId,
    payload: encodeItems([{ action: LEAVE, clientId: 'bert' }])
  })
  bench.master.relaying.take('there', relayed(1, 1, { publications: [leave] }))
  t.match(bench.commit(), [{ timestamp: listed!.timestamp }], 'or clients would not believe it')
  t.same(bench.master.presence.shown(), [])
  const enter = { ...leave, seq: 2, payload: encodeItems([{ action: ENTER, clientId: 'bert' }]) }
  bench.master.relaying.take('there', relayed(2, 2, { publications: [enter] }))
  t.match(bench.commit(), [{ timestamp: listed!.timestamp }], 'nor what comes after it')
  const later = { ...leave, seq: 3, timestamp: listed!.timestamp + 5 }
  bench.master.relaying.take('there', relayed(3, 3, { publications: [later] }))
  t.match(bench.commit(), [{ timestamp: listed!.timestamp + 5 }])
})

t.test('nor is a leave that is decided here, whatever our clock says', async (t) => {
  const bench = new MasterBench()
  bench.master.relaying.onRelay('there', true)
  const enter = publication(1, {
    messageCount: 0, owner: ownerOf('n9', { claim: 4 }), connectionId: 'c',
    timestamp: bench.wallMs + 60_000,
    payload: encodeItems([{ action: ENTER, clientId: 'anna', id: 'c:0:0' }])
  })
  bench.master.relaying.take('there', relayed(1, 1, { publications: [enter] }))
  bench.master.relaying.take('there', relayed(2, 1, { members: [] }))
  t.match(bench.commit(), [{ timestamp: enter.timestamp }, { timestamp: enter.timestamp }])
  t.same(bench.master.presence.shown(), [])
})

t.test('relays are told who is present here, in this region', async (t) => {
  const bench = new MasterBench()
  bench.master.relaying.onRelay('elsewhere', true)
  bench.master.relaying.take('elsewhere', relayed(1, 0, { members: [member('carl', 'e:0:0')] }))
  bench.join(a)
  const payload = encodeItems([{ action: ENTER, clientId: 'anna', id: 'c:0:0' }])
  const owner = ownerOf('a')
  bench.publish(a, 1, { id: 'c:0', idSpace: 'connection', connectionId: 'c', messageCount: 0,
    payload, owner })
  bench.commit()
  relayJoin(bench)
  const told = ofKind(bench.sent(b), 'relayMembers').flatMap(({ members }) => members)
  t.same(told.map(({ clientId }) => clientId), ['anna'])
})

t.test('regions count for each other while somebody wants to know', async (t) => {
  const bench = new MasterBench()
  bench.join(a)
  const wanted = { kind: 'occupancyWanted' as const, channel: CHANNEL, epoch: 7,
    clientId: 'of a', isWanted: true }
  const counted = (place: typeof a, subscribers: number): void => {
    bench.master.census.onMessage(place, { kind: 'census', channel: CHANNEL, epoch: 7,
      clientId: `of ${place.incarnation}`, count: { ...EMPTY, subscribers } })
  }
  bench.master.relaying.onRelay('there', true)
  bench.master.census.onMessage(a, wanted)
  t.ok(bench.isCountingAbroad)
  counted(a, 2)
  t.same(ofKind(bench.sent(a), 'occupancy'), [], 'the other region has not said')
  bench.master.census.onAbroad('there', { ...EMPTY, subscribers: 5 })
  t.match(ofKind(bench.sent(a), 'occupancy'), [{ occupancy: { subscribers: 7 } }])
  relayJoin(bench, { wantsCount: true })
  t.match(ofKind(bench.sent(b), 'relayCount'), [{ region: 'here', count: { subscribers: 2 } }])
  counted(a, 3)
  bench.pass(limits.occupancyMs)
  t.match(ofKind(bench.sent(b), 'relayCount'), [{ count: { subscribers: 3 } }])
  bench.master.census.onMessage(a, { ...wanted, isWanted: false })
  t.notOk(bench.isCountingAbroad, 'regions are not asked for each other')
  bench.sent(a)
  counted(a, 4)
  t.same(ofKind(bench.sent(a), 'censusWanted'), [], 'but the count goes on for the other one')
  relayJoin(bench, { wantsCount: false, joinNo: 2 })
  t.match(ofKind(bench.sent(a), 'censusWanted'), [{ isWanted: false }])
})

t.test('the first clients are let in once what relays brought is in the log', async (t) => {
  const bench = new MasterBench()
  const letIn = bench.master.relaying.wait((place, join) => {
    bench.master.onJoin(place, join, bench.now())
  })
  bench.join(a)
  bench.master.relaying.take('there', relayed(1, 2))
  letIn()
  t.same(ofKind(bench.sent(a), 'joined'), [])
  bench.commit()
  t.match(ofKind(bench.sent(a), 'joined'), [{ standing: { seq: 2 } }])
})
