/* Publishes that are acknowledged once another region has them, as both masters see them. */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { decodeState, emptyState, encodeState } from '../../../src/channel/partition-state.ts'
import { decodeAppend } from '../../../src/log/entry.ts'
import { publicationFields, publicationFrom } from '../../../src/peer/fields.ts'
import type { RelayJoin } from '../../../src/peer/relay-message.ts'
import { a, b, MasterBench } from './master-bench.ts'
import { World } from './partition-world.ts'
import { CHANNEL, LINEAGE, ofKind, op, publication, publications, standing } from './parts.ts'

function globally(): MasterBench {
  const bench = new MasterBench(standing(0), 7, { isGlobal: true })
  bench.join(a)
  return bench
}

/** A relay of another region comes, and is told what is born here. */
function listen(bench: MasterBench, over: Partial<RelayJoin> = {}): void {
  bench.master.onRelayJoin(b, {
    kind: 'relayJoin', channel: CHANNEL, region: 'there', relayId: 'r', joinNo: 1, viewVersion: 1,
    from: standing(0), sinceMs: 0, wantsMembers: false, wantsCount: false, ...over
  }, bench.now())
}

/** Who takes the channel over from a snapshot. */
function heirOf(bench: MasterBench): MasterBench {
  const { channels: [state] } = decodeState(encodeState({
    ...emptyState, channels: [bench.master.state()]
  }))
  const heir = globally()
  heir.master.restoreState(state!, 0)
  return heir
}

/** It says that it has what came after one seq, up to another. */
function written(bench: MasterBench, after: number, seq: number, lineage = LINEAGE): void {
  bench.master.copying.onWritten({
    kind: 'relayWritten', channel: CHANNEL, region: 'there', lineage, after, seq
  })
}

function expire(bench: MasterBench, ms: number): boolean {
  bench.pass(ms)
  return bench.master.expire(bench.monoMs, 0)
}

t.test('a publish is acknowledged once another region has written it', async (t) => {
  const bench = globally()
  listen(bench)
  t.match(ofKind(bench.sent(b), 'relayJoined'), [{ wantsWritten: true }])
  bench.publish(a, 1, 'c:0')
  bench.publish(a, 2, 'c:1')
  bench.commit()
  const told = bench.sent(a)
  t.match(ofKind(told, 'deliver').flatMap(({ publications: all }) => all), [{ seq: 1 }, { seq: 2 }],
    'subscribers are told at once')
  t.same(ofKind(told, 'result'), [])
  t.match(ofKind(bench.sent(b), 'relayDeliver').flatMap((each) => each.publications),
    [{ seq: 1 }, { seq: 2 }])
  written(bench, 0, 1)
  t.match(bench.outcomes(a), [/^1: /])
  written(bench, 0, 1)
  written(bench, 0, 2, 'another lineage')
  written(bench, 2, 9)
  t.same(bench.outcomes(a), [], 'said again, of another log, or of what came after a break')
  bench.publish(a, 3, 'c:1')
  t.same(bench.outcomes(a), [], 'a repeat waits for the same')
  written(bench, 0, 2)
  t.match(bench.outcomes(a), [/^2: /, /^3: /])
  bench.publish(a, 4, 'c:0')
  t.match(bench.outcomes(a), [/^4: /], 'and is known from then on')
  t.equal(bench.waiting.length, 0)
})

t.test('the rule of another namespace is another', async (t) => {
  const bench = new MasterBench()
  bench.join(a)
  listen(bench)
  t.match(ofKind(bench.sent(b), 'relayJoined'), [{ wantsWritten: false }])
  bench.publish(a, 1, 'c:0')
  bench.commit()
  t.match(bench.outcomes(a), [/^1: /])
  t.same(bench.holds, [])
})

t.test('where no region listens one is asked to, and the next when it says nothing', async (t) => {
  const bench = globally()
  bench.publish(a, 1, 'c:0')
  bench.commit()
  t.match(bench.holds, [{ turn: 0, hold: { region: 'here', since: { lineage: LINEAGE, seq: 0 } } }])
  bench.pass(limits.holdAgainMs)
  t.match(bench.holds.map(({ turn }) => turn), [0, 1])
  written(bench, 0, 1)
  bench.pass(10 * limits.holdAgainMs)
  t.equal(bench.holds.length, 2, 'nobody is asked for what is there')
  listen(bench)
  bench.publish(a, 2, 'c:1')
  bench.commit()
  bench.pass(limits.holdAgainMs)
  t.equal(bench.holds.length, 3, 'who listens may be silent')
})

t.test('nobody is asked again by each publish', async (t) => {
  const bench = globally()
  for (const opNo of [1, 2, 3]) {
    bench.publish(a, opNo, `c:${opNo}`)
    bench.commit()
  }
  t.same(bench.holds.map(({ turn }) => turn), [0])
  expire(bench, limits.heldAbroadMs)
  const { length } = bench.holds
  listen(bench)
  for (const opNo of [4, 5, 6]) {
    bench.publish(a, opNo, `c:${opNo}`)
    bench.commit()
  }
  t.equal(bench.holds.length, length, 'it was asked just now')
  written(bench, 0, 6)
  expire(bench, limits.heldAbroadMs)
  for (const opNo of [7, 8, 9]) {
    bench.publish(a, opNo, `c:${opNo}`)
    bench.commit()
  }
  t.equal(bench.holds.length, length + 1, 'and once more when it was long ago')
})

t.test('what no region can be told any more is never acknowledged', async (t) => {
  const bench = globally()
  const own = op('own', { idSpace: 'client' })
  bench.publish(a, 1, 'c:0')
  bench.publish(a, 2, own)
  bench.commit()
  bench.pass(limits.uncopiedAnswerMs)
  t.same(bench.outcomes(a), ['1: 50003', '2: 50003'])
  bench.publish(a, 1, 'c:0')
  t.same(bench.outcomes(a), ['1: 50003'], 'also where that was lost')
  expire(bench, limits.tailMs)
  written(bench, 0, 1)
  bench.publish(a, 3, 'c:0')
  t.same(bench.outcomes(a), ['3: 50003'], 'nor is it published again while its id is known')
  t.equal(bench.waiting.length, 0)
  const heir = heirOf(heirOf(bench))
  heir.master.endRestore(0)
  heir.publish(a, 1, 'c:0')
  heir.publish(a, 2, own)
  t.same(heir.outcomes(a), ['1: 50003', '2: 50003'], 'nor does a later master acknowledge it')
  t.same(heir.waiting, [])
  t.same(heir.holds, [], 'or ask for it')
  bench.master.onPart(a, 'of a')
  expire(bench, limits.idKeptMs)
  t.ok(expire(bench, limits.idKeptMs + limits.idleChannelMs), 'and it keeps nothing here for ever')
})

t.test('what is let go of for its size may have been told', async (t) => {
  const { tailBytesMax } = limits
  Object.assign(limits, { tailBytesMax: 250 })
  t.teardown(() => void Object.assign(limits, { tailBytesMax }))
  const bench = globally()
  listen(bench)
  for (const opNo of [1, 2, 3]) bench.publish(a, opNo, `c:${opNo}`)
  bench.commit()
  expire(bench, 1)
  written(bench, 0, 2)
  t.match(bench.outcomes(a), [/^1: .*@/, /^2: .*@/])
  bench.publish(a, 4, 'c:4')
  bench.commit()
  expire(bench, limits.tailMs - 2)
  bench.sent(a)
  bench.publish(a, 5, 'c:3')
  t.same(bench.outcomes(a), [], 'it is waited for')
  expire(bench, 1)
  t.same(bench.outcomes(a), ['5: 50003'], 'as long as all')
})

t.test('a refusal is the only answer', async (t) => {
  const bench = globally()
  bench.hasRoom = false
  bench.publish(a, 1, 'c:0')
  t.same(bench.outcomes(a), ['1: 50005'])
  t.equal(bench.deadlines.size, 0, 'nothing is waited for')
  bench.pass(limits.uncopiedAnswerMs)
  t.same(bench.outcomes(a), [])
})

t.test('what waits when the rule is taken away is waited for all the same', async (t) => {
  const bench = globally()
  bench.publish(a, 1, 'c:0')
  bench.publish(a, 2, 'c:1')
  bench.commit()
  bench.pass(limits.uncopiedAnswerMs)
  bench.rule = {}
  bench.ruleVersion++
  listen(bench)
  t.match(ofKind(bench.sent(b), 'relayJoined'), [{ wantsWritten: true }])
  bench.sent(a)
  bench.publish(a, 3, 'c:0')
  bench.publish(a, 4, 'c:1')
  written(bench, 0, 1)
  t.match(bench.outcomes(a), [/^3: .*@/])
  bench.pass(limits.uncopiedAnswerMs)
  t.same(bench.outcomes(a), ['4: 50003'], 'in time')
  bench.publish(a, 5, 'c:5')
  bench.commit()
  t.match(bench.outcomes(a), [/^5: .*@/], 'and what comes is acknowledged by the new one')
  written(bench, 0, 2)
  listen(bench, { joinNo: 2 })
  t.match(ofKind(bench.sent(b), 'relayJoined'), [{ wantsWritten: false }])
})

t.test('who says it again is told what becomes of the first', async (t) => {
  const bench = globally()
  bench.publish(a, 1, 'c:0')
  bench.publish(a, 2, 'c:1')
  bench.commit()
  bench.pass(limits.uncopiedAnswerMs)
  t.same(bench.outcomes(a), ['1: 50003', '2: 50003'])
  bench.publish(a, 3, 'c:0')
  bench.pass(limits.uncopiedAnswerMs - 1)
  t.same(bench.outcomes(a), [])
  written(bench, 0, 1)
  t.match(bench.outcomes(a), [/^3: /])
  bench.publish(a, 4, 'c:1')
  bench.pass(limits.uncopiedAnswerMs)
  t.same(bench.outcomes(a), ['4: 50003'], 'in time')
  t.equal(bench.waiting.length, 0, 'and it is one publish')
})

t.test('who takes the channel over waits for the same', async (t) => {
  const bench = globally()
  bench.publish(a, 1, 'c:0')
  bench.publish(a, 2, 'c:1')
  const [first, second] = bench.commit()
  written(bench, 0, 1)
  bench.sent(a)
  const heir = heirOf(bench)
  for (const covered of [first!, second!]) heir.master.restore(covered, 6, true, 0)
  const later = publicationFrom(publicationFields({ ...second!, seq: 3, entry: 103, id: 'c:2' }))
  heir.master.restore(later, 6, false, 0)
  heir.publish(a, 1, 'c:0')
  heir.publish(a, 2, 'c:1')
  heir.publish(a, 3, 'c:2')
  t.match(heir.outcomes(a), [/^1: /], 'it knows what another region has')
  written(heir, 0, 3)
  t.match(heir.outcomes(a), [/^2: /, /^3: /], 'and of the rest that it has not')
  t.equal(heir.waiting.length, 0)
})

t.test('who takes it over from a snapshot goes on asking', async (t) => {
  const { snapshotEveryBytes } = limits
  Object.assign(limits, { snapshotEveryBytes: 1_000 })
  t.teardown(() => void Object.assign(limits, { snapshotEveryBytes }))
  const world = new World()
  world.keeping = { ...world.keeping, kept: () => ({ isGlobal: true }) }
  const first = world.master()
  first.join()
  first.publish('c:0')
  const kinds = world.log.records.flatMap(({ bytes }) => {
    return decodeAppend(bytes)!.entries.map(({ kind }) => kind)
  })
  t.equal(kinds.at(-1), 'snapshotEnd')
  t.same(first.holds, [0])
  const heir = world.master()
  t.same(heir.holds, [0])
  world.pass(3 * limits.holdAgainMs, heir)
  t.same(heir.holds.slice(0, 3), [0, 1, 2])
})

t.test('what waits is bounded', async (t) => {
  const { uncopiedMax } = limits
  Object.assign(limits, { uncopiedMax: 2 })
  t.teardown(() => void Object.assign(limits, { uncopiedMax }))
  const bench = globally()
  for (const no of [1, 2, 3]) {
    bench.publish(a, no, `c:${no}`)
    bench.commit()
  }
  t.same(bench.outcomes(a), ['3: 50005'])
})

t.test('a region says what it has written, as a stretch without a gap', async (t) => {
  const bench = new MasterBench()
  const { relaying } = bench.master
  relaying.onRelay('there', true)
  const take = (from: number, to: number, isBroken = false): void => {
    relaying.take('there', {
      isBroken, publications: isBroken ? [] : publications(from, to),
      standing: standing(to, { lineage: 'T1' }), members: undefined
    })
  }
  take(41, 42)
  t.same(bench.written, [], 'nothing before it stands in the log')
  bench.commit()
  t.same(bench.written.splice(0), [{ region: 'there', lineage: 'T1', after: 40, seq: 42 }])
  take(43, 43)
  const [third] = bench.commit()
  t.same(bench.written.splice(0), [{ region: 'there', lineage: 'T1', after: 40, seq: 43 }])
  take(50, 50, true)
  bench.commit()
  t.same(bench.written.splice(0), [{ region: 'there', lineage: 'T1', after: 50, seq: 50 }])
  const heir = new MasterBench()
  heir.master.restore({ ...third!, seq: 1 }, 6, false, 0)
  t.same(heir.master.relaying.written.stretchOf('there'), { lineage: 'T1', after: 42, seq: 43 },
    'of what it can still read')
})

t.test('an id that is known here already stands in both regions', async (t) => {
  const bench = new MasterBench()
  bench.join(a)
  const { relaying } = bench.master
  relaying.take('there', { isBroken: false, publications: [], members: undefined,
    standing: standing(6, { lineage: 'T1' }) })
  t.match(bench.begun.splice(0), [{ origin: { region: 'there', seq: 6 } }])
  bench.publish(a, 1, { ...publication(1), id: 'own', idSpace: 'client' })
  bench.commit()
  const known = { ...publication(7), id: 'own', idSpace: 'client' as const }
  relaying.take('there', { isBroken: false, publications: [known], members: undefined,
    standing: standing(7, { lineage: 'T1' }) })
  t.equal(bench.waiting.length, 0)
  t.match(bench.begun, [{ origin: { region: 'there', seq: 7 } }], 'the log says so all the same')
})

t.test('so it does where that id is the first that ever came from there', async (t) => {
  const bench = new MasterBench()
  const { relaying } = bench.master
  bench.join(a)
  relaying.onRelay('there', true)
  bench.publish(a, 1, { ...publication(1), id: 'own', idSpace: 'client' })
  bench.commit()
  const known = { ...publication(7), id: 'own', idSpace: 'client' as const }
  relaying.take('there', { isBroken: false, publications: [known, publication(8)],
    members: undefined, standing: standing(8, { lineage: 'T1' }) })
  t.match(bench.begun, [{ origin: { region: 'there', lineage: 'T1', seq: 6, entry: 6 } }])
  for (const { origin } of bench.begun) relaying.onBegun(origin)
  bench.commit()
  t.match(bench.written.at(-1), { after: 6, seq: 8 })
  const { length } = bench.written
  relaying.sayWritten()
  t.equal(bench.written.length, length, 'what was said is not said again')
})

t.test('who is asked to hold a channel begins where it is told', async (t) => {
  const bench = new MasterBench()
  const since = standing(8, { lineage: 'T1' })
  const hold = { kind: 'relayHold' as const, channel: CHANNEL, region: 'there', since }
  bench.master.relaying.hold(hold, 1_000, true)
  t.match(bench.begun, [{ origin: { region: 'there', lineage: 'T1', seq: 8 } }])
  t.match(bench.master.relaying.standingOf('there'), since)
  t.ok(bench.master.relaying.isHeld(999))
  bench.master.relaying.hold({ ...hold, since: standing(20, { lineage: 'T1' }) }, 2_000, true)
  t.match(bench.master.relaying.standingOf('there'), since, 'or goes on from where it is')
  t.ok(bench.master.relaying.isHeld(1_999))
  t.notOk(bench.master.relaying.isHeld(2_000))
})

t.test('a region that cannot go on from where it stood is told what waits', async (t) => {
  const bench = globally()
  listen(bench)
  for (const opNo of [1, 2, 3]) {
    if (opNo === 3) expire(bench, limits.tailMs)
    bench.publish(a, opNo, `c:${opNo}`)
    bench.commit()
    if (opNo < 3) written(bench, 0, opNo)
  }
  bench.publish(a, 4, 'c:4')
  bench.commit()
  bench.sent(b)
  listen(bench, { from: standing(1) })
  const [broken] = ofKind(bench.sent(b), 'relayJoined')
  t.match(broken, { isContinuation: false, isWhole: false, standing: { seq: 2 }, members: 'later' })
  listen(bench, { from: broken!.standing, joinNo: 2, wantsMembers: true })
  const [joined] = ofKind(bench.sent(b), 'relayJoined')
  t.match(joined, { isContinuation: true, isWhole: true, members: 'told' })
  t.same(joined!.publications.map(({ seq }) => seq), [3, 4])
  t.test('so that it can say so', async (t) => {
    const there = new MasterBench()
    const { relaying } = there.master
    const members = undefined
    relaying.onRelay('here', true)
    relaying.take('here', { isBroken: false, publications: [], standing: standing(1), members })
    relaying.take('here',
      { isBroken: true, publications: [], standing: broken!.standing, members })
    const { publications: told, standing: end } = joined!
    relaying.take('here', { isBroken: false, publications: told, standing: end, members })
    there.commit()
    t.match(there.written, [{ region: 'here', after: 2, seq: 4 }])
  })
  t.test('one that has come further is not, nor where nothing of it can be told', async (t) => {
    listen(bench, { from: standing(9) })
    t.match(ofKind(bench.sent(b), 'relayJoined'), [{ standing: { seq: 4 }, isWhole: true }])
    listen(bench, { from: undefined, sinceMs: 0 })
    t.match(ofKind(bench.sent(b), 'relayJoined'), [{ standing: { seq: 2 }, isWhole: false }])
    written(bench, 2, 4)
    listen(bench, { from: standing(1) })
    t.match(ofKind(bench.sent(b), 'relayJoined'), [{ standing: { seq: 4 }, isWhole: true }])
  })
})
