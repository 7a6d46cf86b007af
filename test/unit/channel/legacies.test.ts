import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { decodeItems } from '../../../src/channel/presence.ts'
import type { PresenceMember } from '../../../src/peer/message.ts'
import { ann, OwnMembersBench, REFUSED, TAKEN } from './own-members-bench.ts'
import { ENTER, LEAVE, ownerOf, UPDATE } from './presence-world.ts'

const heir = { connectionId: 'x', claim: 2, inheritsMembers: true }

/** A member that another life has entered. */
function memberOf(clientId: string, claim = 1): PresenceMember {
  return {
    connectionId: 'x', clientId, id: `x:4:${clientId}`, timestamp: 7, data: `${clientId}'s`,
    encoding: undefined, extras: undefined, owner: ownerOf('former', { claim })
  }
}

/** What is on its way, `action clientId id by claim`. */
function saidBy(bench: OwnMembersBench): string[] {
  return bench.leaves.flatMap(({ op }) => decodeItems(op.payload).map(({ action, clientId, id }) =>
    `${action} ${clientId} ${id} by ${op.owner!.claim}`))
}

t.test('[M23] who recovers a connection has its members, as the master knows them', async (t) => {
  const bench = new OwnMembersBench()
  bench.own.onAttaching({ ...heir, inheritsMembers: false })
  t.equal(bench.asked.length, 0, 'who resumes says it itself')
  bench.own.onAttaching(heir)
  bench.own.onAttaching(heir)
  t.equal(bench.asked.length, 1, 'the master is asked once')
  t.notOk(bench.own.isEmpty)
  const [channel, connectionId, , onAll] = bench.asked[0]!
  t.same([channel, connectionId], ['app/c', 'x'])
  onAll([memberOf('ann'), memberOf('bob', 0), memberOf('own', 2), memberOf('later', 3)])
  t.same(saidBy(bench), ['2 ann x:4:ann by 2', '2 bob x:4:bob by 2'], 'those of former claims')
  t.same(bench.list(), ['ann  undefined', 'bob  undefined'], 'a list has their names meanwhile')
  bench.leaves[0]!.settle(TAKEN)
  t.same(bench.list(), ["ann x:4:ann ann's", "bob x:4:bob bob's"])
  bench.own.leave({ connectionId: 'x', claim: 2, afterMs: 0 })
  t.same(saidBy(bench).slice(2), ['3 ann x:4:ann by 2', '3 bob x:4:bob by 2'])
})

t.test('[M23] what the connection says itself holds', async (t) => {
  for (const isEarlier of [true, false]) {
    const bench = new OwnMembersBench()
    const said = [ann(UPDATE), { action: LEAVE, clientId: 'bob' }]
    if (isEarlier) bench.say('x:9', said, 2)
    bench.own.onAttaching(heir)
    if (!isEarlier) bench.say('x:9', said, 2)
    bench.asked[0]![3]([memberOf('ann'), memberOf('bob'), memberOf('cid')])
    t.same(saidBy(bench), ['2 cid x:4:cid by 2'])
  }
})

t.test('[M23] what the log has no room for is said again, but for whom the client took on',
  async (t) => {
    const bench = new OwnMembersBench()
    bench.own.onAttaching(heir)
    bench.asked[0]![3]([memberOf('ann'), memberOf('bob')])
    bench.leaves[0]!.settle(REFUSED)
    t.same(bench.list(), [])
    bench.own.onAttaching(heir)
    bench.take('x:9', [{ action: LEAVE, clientId: 'ann' }], 2)
    bench.pass(limits.rollRetryMs)
    t.same(saidBy(bench).slice(2), ['2 bob x:4:bob by 2'])
    bench.leaves[1]!.settle(TAKEN)
    t.same(bench.list(), ["bob x:4:bob bob's"])
    t.ok(bench.asked[0]![2].isOver)
    bench.pass(60_000)
    t.equal(bench.asked.length, 1)
  })

t.test('[M23] of whom the client says something that is refused stays what it was', async (t) => {
  const bench = new OwnMembersBench()
  bench.own.onAttaching(heir)
  const update = bench.say('x:9', [ann(UPDATE)], 2)
  bench.asked[0]![3]([memberOf('ann')])
  t.same(saidBy(bench), [], 'it is about to be another')
  bench.own.onOutcome(update, REFUSED)
  t.same(saidBy(bench), ['2 ann x:4:ann by 2'])
})

t.test('[M23] many are said again page by page; who leaves meanwhile has left', async (t) => {
  const bench = new OwnMembersBench()
  bench.own.onAttaching(heir)
  const many = Array.from({ length: limits.presencePageMax + 2 }, (_, at) => memberOf(`m${at}`))
  bench.asked[0]![3](many)
  t.equal(saidBy(bench).length, limits.presencePageMax)
  const last = `m${limits.presencePageMax + 1}`
  bench.take('x:9', [{ action: LEAVE, clientId: last }], 2)
  bench.leaves[0]!.settle(TAKEN)
  t.same(saidBy(bench).slice(limits.presencePageMax).length, 1)
  bench.leaves[1]!.settle(TAKEN)
  t.notOk(bench.own.list().some(({ clientId }) => clientId === last))
  t.equal(bench.own.list().length, limits.presencePageMax + 1)
})

t.test('[M23] what a former recovery is about to say is a part of the legacy', async (t) => {
  const bench = new OwnMembersBench()
  bench.own.onAttaching({ ...heir, claim: 1 })
  bench.asked[0]![3]([memberOf('ann', 0)])
  bench.own.leave({ connectionId: 'x', claim: 1, afterMs: 15_000 })
  bench.own.onAttaching(heir)
  bench.asked[1]![3]([memberOf('ann', 0)])
  t.same(saidBy(bench), ['2 ann x:4:ann by 1', '2 ann x:4:ann by 2'])
})

t.test('[M23] whose attachment is gone inherits nothing any more', async (t) => {
  for (const when of ['asked', 'refused'] as const) {
    const bench = new OwnMembersBench()
    bench.own.onAttaching(heir)
    if (when === 'refused') {
      bench.asked[0]![3]([memberOf('ann')])
      bench.leaves[0]!.settle(REFUSED)
    }
    bench.own.leave({ connectionId: 'x', claim: 2, afterMs: 15_000 })
    t.equal(bench.deadlines.size, when === 'refused' ? 1 : 0)
    t.equal(bench.asked[0]![2].isOver, true)
    t.ok(bench.own.isEmpty)
    bench.pass(60_000)
    t.equal(bench.asked.length, 1)
    t.equal(bench.leaves.length, when === 'refused' ? 1 : 0)
  }
})

t.test('[C13] who detaches ends what former claims have left, and waits for it', async (t) => {
  const bench = new OwnMembersBench()
  let leftCount = 0
  const departure = { connectionId: 'x', claim: 2, afterMs: 0, onLeft: () => void leftCount++ }
  bench.own.leave(departure)
  t.equal(leftCount, 1, 'where nobody is there is nothing to wait for')
  bench.take('x:9', [ann(ENTER)], 2)
  bench.own.leave({ ...departure, endsLegacies: true })
  t.same(saidBy(bench), ['3 ann x:9:last by 2'].map((text) =>
    text.replace('last', String(limits.presenceItemsMax))))
  bench.own.onAttaching(heir)
  t.equal(bench.asked.length, 1, 'they are to leave, so nobody inherits them')
  bench.leaves[0]!.settle(TAKEN)
  t.equal(leftCount, 1)
  bench.asked[0]![3]([memberOf('ann', 2), memberOf('bob'), memberOf('later', 3)])
  t.same(saidBy(bench).slice(1), ['3 bob x:4:bob by 2'], 'those of former claims')
  bench.leaves[1]!.settle(REFUSED)
  bench.pass(limits.rollRetryMs)
  bench.leaves[2]!.settle(TAKEN)
  t.equal(leftCount, 2)
  t.ok(bench.own.isEmpty)
})

t.test('[C13] who detaches again waits for the same; a master that is away is asked for a while',
  async (t) => {
    const bench = new OwnMembersBench()
    let leftCount = 0
    const onLeft = (): void => void leftCount++
    const departure = { connectionId: 'x', claim: 2, afterMs: 0, endsLegacies: true, onLeft }
    bench.own.leave(departure)
    bench.own.leave(departure)
    t.equal(bench.asked.length, 1)
    bench.asked[0]![3]([memberOf('bob')])
    bench.leaves[0]!.settle(TAKEN)
    t.equal(leftCount, 2)
    bench.own.leave(departure)
    bench.pass(limits.connectionStateTtlMs)
    t.ok(bench.asked[1]![2].isOver, 'until nobody can be there any more')
    t.ok(bench.own.isEmpty)
    t.equal(bench.deadlines.size, 0)
  })

t.test('too many members are nobody\'s to inherit', async (t) => {
  const bench = new OwnMembersBench()
  bench.own.onAttaching(heir)
  bench.asked[0]![3](undefined)
  t.ok(bench.own.isEmpty)
})
