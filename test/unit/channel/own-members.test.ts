import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import type { PublishOp } from '../../../src/peer/message.ts'
import { CHANNEL } from './parts.ts'
import { ann, OwnMembersBench, REFUSED, TAKEN } from './own-members-bench.ts'
import { ENTER, LEAVE, ownerOf, UPDATE } from './presence-world.ts'

const heir = { connectionId: 'x', claim: 1, inheritsMembers: false }

t.test('[21] of whom something is on its way the list has the name alone', async (t) => {
  const rig = new OwnMembersBench()
  const enter = rig.say('x:0', [ann(ENTER, 'one'), { action: ENTER, clientId: 'bob' }])
  t.same(rig.list(), ['ann  undefined', 'bob  undefined'], 'the master judges it, before the list')
  rig.own.onOutcome(enter, TAKEN)
  t.same(rig.list(), ['ann x:0:0 one', 'bob x:0:1 undefined'])
  const update = rig.say('x:1', [ann(UPDATE, 'two')])
  t.same(rig.list(), ['ann  undefined', 'bob x:0:1 undefined'])
  rig.own.onOutcome(update, REFUSED)
  t.same(rig.list(), ['ann x:0:0 one', 'bob x:0:1 undefined'], 'what is refused has never been')
})

t.test('[21] who enters and leaves is named too: of the two the leave may be refused',
  async (t) => {
    const rig = new OwnMembersBench()
    const enter = rig.say('x:0', [ann(ENTER)])
    const leave = rig.say('x:1', [ann(LEAVE)])
    rig.own.declare()
    rig.own.onOutcome(enter, TAKEN)
    rig.own.onOutcome(leave, REFUSED)
    t.same(rig.lists(), [['ann?'], ['ann']])
  })

t.test('[21] what is undecided the list says so of, and another one follows', async (t) => {
  const rig = new OwnMembersBench()
  rig.take('x:0', [{ action: ENTER, clientId: 'bob' }])
  const enter = rig.say('x:1', [ann(ENTER, 'one')])
  const leave = rig.say('x:2', [{ action: LEAVE, clientId: 'bob' }])
  const lists = (): string[][] => rig.lists()
  rig.own.declare()
  t.same(lists(), [['bob?', 'ann?']])
  const later = rig.say('x:3', [ann(UPDATE, 'two')])
  rig.own.onOutcome(enter, REFUSED)
  t.same(lists()[1], ['bob?', 'ann?'], 'at once when something was refused')
  rig.own.onOutcome(leave, TAKEN)
  t.same(lists()[2], ['ann?'], 'and when nothing of then is open any more')
  t.same(rig.whole(), [false, false, false], 'ann may be unknown to the master')
  rig.own.onOutcome(later, TAKEN)
  t.same(lists()[3], ['ann'], 'until nobody is owed any more')
  t.ok(rig.whole()[3])
  rig.own.onOutcome(rig.say('x:4', [ann(UPDATE, 'three')]), REFUSED)
  t.equal(lists().length, 4, 'nothing is told of what no list left open')
})

t.test('[D7] a list is whole when the master knows everybody: by what it took, or by the list',
  async (t) => {
    const rig = new OwnMembersBench()
    rig.own.declare()
    rig.take('x:0', [ann(ENTER, 'one')])
    rig.own.declare()
    t.same(rig.whole(), [true, true])
    const refused = rig.say('x:1', [ann(ENTER, 'two')])
    rig.own.declare()
    t.same(rig.lists().at(-1), ['ann?'], 'a master without a past knows nothing of ann')
    rig.own.onOutcome(refused, REFUSED)
    t.same(rig.lists().at(-1), ['ann'])
    t.same(rig.whole(), [true, true, false, true])
    const taken = rig.say('x:2', [ann(UPDATE, 'three')])
    rig.own.declare()
    const next = rig.say('x:3', [ann(UPDATE, 'four')])
    rig.own.onOutcome(taken, TAKEN)
    t.same(rig.lists().at(-1), ['ann?'], 'the next is on its way')
    t.same(rig.whole().slice(4), [false, true], 'whatever becomes of it, ann is known')
    rig.own.onOutcome(next, REFUSED)
    t.equal(rig.lists().length, 6)
  })

t.test('[D7] of whom the master took what is older than what is known here, it is told',
  async (t) => {
    const rig = new OwnMembersBench()
    rig.take('x:7', [ann(ENTER, 'new')])
    const first = rig.say('x:8', [{ ...ann(ENTER, 'old'), id: 'x:3:0' }])
    rig.own.declare()
    const second = rig.say('x:9', [{ ...ann(ENTER, 'old'), id: 'x:3:0' }])
    rig.own.onOutcome(first, TAKEN)
    rig.own.onOutcome(second, TAKEN)
    t.same(rig.lists(), [['ann?'], ['ann?'], ['ann']])
    t.same(rig.whole(), [false, false, true])
    t.same(rig.list(), ['ann x:7:0 new'])
  })

t.test('[21] what has its outcome, and waits for that of an earlier op, is not waited for',
  async (t) => {
    const rig = new OwnMembersBench()
    const first = rig.say('x:0', [ann(ENTER, 'one')])
    const second = rig.say('x:1', [{ action: ENTER, clientId: 'bob' }])
    rig.own.onOutcome(second, TAKEN)
    rig.own.declare()
    t.same(rig.lists(), [['ann?', 'bob?']])
    rig.own.onOutcome(first, TAKEN)
    t.same(rig.lists()[1], ['ann', 'bob'])
  })

t.test('[21] a stream of refusals makes no stream of lists', async (t) => {
  const rig = new OwnMembersBench()
  rig.take('x:0', [{ action: ENTER, clientId: 'bob' }])
  const enter = (no: number): PublishOp =>
    rig.say(`x:${no}`, [{ action: ENTER, clientId: `c${no}` }])
  let last = enter(1)
  rig.own.declare()
  for (let no = 2; no < 10; no++) {
    const next = enter(no)
    rig.own.onOutcome(last, REFUSED)
    last = next
  }
  t.same(rig.lists(), [['bob', 'c1?'], ['bob', 'c2?']])
})

t.test('outcomes come in any order, and count in that of the ops', async (t) => {
  const rig = new OwnMembersBench()
  rig.take('x:0', [ann(ENTER, 'one')])
  const leave = rig.say('x:1', [ann(LEAVE)])
  const again = rig.say('x:2', [{ ...ann(ENTER, 'one'), id: 'x:0:0' }])
  rig.own.onOutcome(again, TAKEN)
  t.same(rig.list(), ['ann  undefined'], 'not before that of the leave is known')
  rig.own.onOutcome(leave, TAKEN)
  t.same(rig.list(), ['ann x:0:0 one'])
  t.equal(rig.own.list()[0]!.timestamp, 77, 'as the master has stamped it')
})

t.test('the rule of ages is that of the master', async (t) => {
  const rig = new OwnMembersBench()
  rig.take('x:7', [ann(ENTER, 'new')])
  rig.take('x:8', [{ ...ann(ENTER, 'old'), id: 'x:3:0' }])
  rig.take('x:4', [ann(LEAVE)])
  t.same(rig.list(), ['ann x:7:0 new'])
})

t.test('[21] leave: at once, or after the grace; each names what it ends', async (t) => {
  const rig = new OwnMembersBench()
  rig.take('x:0', [ann(ENTER), { action: ENTER, clientId: 'bob' }])
  rig.take('y:0', [{ action: ENTER, clientId: 'cy' }])
  rig.own.leave({ connectionId: 'y', claim: 0, afterMs: 0 })
  t.same(rig.left(), ['cy y:0:last'])
  t.match(rig.leaves[0]!.op, { id: 'me/0/1:1', idSpace: 'node', owner: ownerOf('me') })
  rig.leaves[0]!.settle(TAKEN)
  rig.own.leave({ connectionId: 'x', claim: 0, afterMs: 15_000 })
  rig.pass(14_999)
  t.equal(rig.leaves.length, 1)
  rig.pass(1)
  t.same(rig.left().slice(1), ['ann x:0:last', 'bob x:0:last'])
  rig.leaves[1]!.settle(TAKEN)
  t.ok(rig.own.isEmpty)
  t.equal(rig.deadlines.size, 0)
})

t.test('who is left while a leave of his is on its way leaves if that is refused', async (t) => {
  const rig = new OwnMembersBench()
  rig.take('x:0', [ann(ENTER)])
  const leave = rig.say('x:1', [ann(LEAVE)])
  rig.own.leave({ connectionId: 'x', claim: 0, afterMs: 0 })
  t.same(rig.left(), ['ann x:1:last'])
  rig.own.onOutcome(leave, REFUSED)
  rig.leaves[0]!.settle(TAKEN)
  t.ok(rig.own.isEmpty)
})

t.test('[21] who is left while it enters and leaves is left for certain: the leave may be refused',
  async (t) => {
    const rig = new OwnMembersBench()
    const enter = rig.say('x:0', [ann(ENTER), { action: ENTER, clientId: 'bob' }])
    const leave = rig.say('x:1', [ann(LEAVE)])
    rig.own.leave({ connectionId: 'x', claim: 0, afterMs: 0 })
    t.same(rig.left(), ['ann x:1:last', 'bob x:1:last'])
    rig.own.onOutcome(enter, TAKEN)
    rig.own.onOutcome(leave, REFUSED)
    rig.leaves[0]!.settle(TAKEN)
    t.ok(rig.own.isEmpty)
  })

t.test('[D4] a leave is by the highest claim that has spoken, of the last id', async (t) => {
  const rig = new OwnMembersBench()
  rig.say('x:7', [ann(ENTER)], 1)
  rig.say('x:3', [ann(ENTER)], 2)
  rig.own.leave({ connectionId: 'x', claim: 1, afterMs: 0 })
  t.same(rig.leaves, [], 'a former claim ends nothing any more')
  rig.own.leave({ connectionId: 'x', claim: 2, afterMs: 0 })
  t.same(rig.left(), ['ann x:7:0'])
  t.match(rig.leaves[0]!.op, { owner: ownerOf('me', { claim: 2 }) })
})

t.test('[21] a leave ends what its connection said on other nodes before', async (t) => {
  const rig = new OwnMembersBench()
  // A client that comes back says what it knows; meanwhile its frame 35 was taken elsewhere.
  rig.take('x:48', [{ ...ann(ENTER), id: 'x:11:0' }], 2)
  rig.own.leave({ connectionId: 'x', claim: 2, afterMs: 0 })
  t.same(rig.left(), ['ann x:48:last'])
})

t.test('[21] it ends what was said elsewhere too, and when it is said again, only until its ' +
  'connection speaks here', async (t) => {
  const rig = new OwnMembersBench()
  rig.take('x:35', [ann(ENTER)], 2)
  rig.own.leave({ connectionId: 'x', claim: 2, afterMs: 0 })
  rig.leaves[0]!.settle(REFUSED)
  rig.pass(2_000)
  t.same(rig.reach(), [true, true])
  rig.take('x:36', [ann(ENTER, 'back')], 2)
  rig.leaves[1]!.settle(REFUSED)
  rig.pass(2_000)
  t.same(rig.reach(), [true, true, undefined])
  t.same(rig.left()[2], 'ann x:35:last')
  rig.leaves[2]!.settle(REFUSED)
  rig.pass(2_000)
  t.same(rig.reach()[3], undefined, 'nor later')
  rig.leaves[3]!.settle(TAKEN)
  t.same(rig.list(), ['ann x:36:0 back'])
})

t.test('an enter that has no outcome yet is left as well', async (t) => {
  const rig = new OwnMembersBench()
  const enter = rig.say('x:0', [ann(ENTER)])
  rig.own.leave({ connectionId: 'x', claim: 0, afterMs: 0 })
  t.same(rig.left(), ['ann x:0:last'])
  rig.own.onOutcome(enter, TAKEN)
  t.match(rig.own.list(), [{ clientId: 'ann', isUndecided: true }], 'the leave is on its way')
  rig.leaves[0]!.settle(TAKEN)
  t.same(rig.list(), [])
})

t.test('who has nobody waits for nothing', async (t) => {
  const rig = new OwnMembersBench()
  rig.own.leave({ connectionId: 'x', claim: 0, afterMs: 15_000 })
  rig.own.leave({ connectionId: 'x', claim: 0, afterMs: 0 })
  t.same([rig.leaves.length, rig.deadlines.size], [0, 0])
})

t.test('a second word counts from when it was said', async (t) => {
  const rig = new OwnMembersBench()
  rig.take('x:0', [ann(ENTER)])
  rig.own.leave({ connectionId: 'x', claim: 0, afterMs: 15_000 })
  rig.pass(10_000)
  rig.own.leave({ connectionId: 'x', claim: 0, afterMs: 15_000 })
  rig.pass(10_000)
  t.equal(rig.leaves.length, 0)
  rig.own.leave({ connectionId: 'x', claim: 0, afterMs: 0 })
  t.equal(rig.leaves.length, 1)
  rig.pass(60_000)
  t.equal(rig.leaves.length, 1)
})

t.test('[21] who is back and asks for the channel has the grace to be attached', async (t) => {
  const rig = new OwnMembersBench()
  rig.own.onAttaching(heir)
  rig.take('x:0', [ann(ENTER)])
  rig.own.onAttaching(heir)
  t.equal(rig.deadlines.size, 0, 'nobody is about to leave')
  for (const forMs of [15_000, 3_000]) {
    rig.own.leave({ connectionId: 'x', claim: 0, afterMs: forMs })
    rig.pass(forMs - 1_000)
    rig.own.onAttaching(heir)
    rig.pass(limits.presenceGraceMs - 1_000)
    t.same(rig.left(), [])
  }
  rig.pass(1_000)
  t.same(rig.left(), ['ann x:0:last'], 'but it must say so')
  rig.own.onAttaching(heir)
  t.equal(rig.deadlines.size, 0, 'who has left is not held back')
})

t.test('[21] who asked in vain leaves after the grace, unless it asks again', async (t) => {
  for (const isAskedAgain of [false, true]) {
    const rig = new OwnMembersBench()
    rig.take('x:0', [ann(ENTER), { action: ENTER, clientId: 'bob' }])
    rig.take('x:1', [ann(UPDATE)], 1)
    rig.own.leave({ connectionId: 'x', claim: 1, afterMs: limits.presenceGraceMs })
    rig.pass(limits.presenceGraceMs - 1_000)
    if (isAskedAgain) rig.own.onAttaching(heir)
    rig.pass(1_000)
    t.same(rig.left(), isAskedAgain ? [] : ['ann x:1:last', 'bob x:1:last'])
    rig.pass(limits.presenceGraceMs)
    if (isAskedAgain) t.same(rig.left(), ['bob x:1:last'], 'who was of before, and is not named')
  }
})

t.test('[D4] who is here by a higher claim by then stays', async (t) => {
  const rig = new OwnMembersBench()
  rig.take('x:0', [ann(ENTER)])
  rig.own.leave({ connectionId: 'x', claim: 0, afterMs: 15_000 })
  rig.take('x:1', [{ ...ann(ENTER), id: 'x:0:0' }], 1)
  rig.pass(60_000)
  t.same(rig.leaves, [])
  t.match(rig.own.list(), [{ clientId: 'ann', owner: { claim: 1 } }])
  rig.take('x:2', [ann(UPDATE, 'stale')], 0)
  t.same(rig.list(), ['ann x:0:0 undefined'], 'and the former claim says nothing any more')
})

t.test('[21] a grace is over when nobody is left, and does not come back', async (t) => {
  const rig = new OwnMembersBench()
  const early = rig.say('x:0', [ann(ENTER)], 1)
  rig.own.leave({ connectionId: 'x', claim: 1, afterMs: 15_000 })
  rig.own.onOutcome(early, REFUSED)
  rig.own.onAttaching(heir)
  rig.take('x:1', [ann(ENTER)], 1)
  rig.pass(60_000)
  t.same(rig.left(), [], 'it is attached')
  rig.own.leave({ connectionId: 'x', claim: 1, afterMs: 15_000 })
  rig.take('x:2', [ann(LEAVE)], 1)
  t.equal(rig.deadlines.size, 0)
})

t.test('[D4] of whom a higher claim knows more the list says so', async (t) => {
  const rig = new OwnMembersBench()
  rig.take('x:0', [ann(ENTER)])
  rig.take('y:0', [{ action: ENTER, clientId: 'bob' }])
  rig.own.overrule('x', 1)
  t.same(rig.list(), ['ann x:0:0 undefined', 'bob y:0:0 undefined'], 'its socket is there')
  rig.own.leave({ connectionId: 'x', claim: 0, afterMs: 15_000 })
  rig.own.overrule('x', 1)
  rig.own.onAttaching({ ...heir, claim: 0 })
  rig.own.declare()
  t.same([rig.lists().at(-1), rig.whole().at(-1)], [['ann!', 'bob'], true], 'nothing is owed')
  rig.take('x:1', [ann(ENTER)], 2)
  rig.own.declare()
  t.same(rig.lists().at(-1), ['ann', 'bob'], 'who is here by a claim as high is certain')
  rig.pass(60_000)
  t.same(rig.graces, ['x true', 'x false', 'x true', 'x false'])
})

t.test('a leave that is refused is said again until it is taken', async (t) => {
  const rig = new OwnMembersBench()
  rig.take('x:0', [ann(ENTER)])
  rig.own.leave({ connectionId: 'x', claim: 0, afterMs: 0 })
  for (let tries = 1; tries < 4; tries++) {
    rig.leaves.at(-1)!.settle(REFUSED)
    t.same(rig.list(), ['ann x:0:0 undefined'], 'until then it is present')
    rig.pass(2_000)
    t.equal(rig.leaves.length, tries + 1)
  }
  t.equal(new Set(rig.leaves.map(({ op }) => op.id)).size, 1, 'under one name')
  rig.leaves.at(-1)!.settle(TAKEN)
  t.same(rig.list(), [])
  rig.pass(10_000)
  t.equal(rig.leaves.length, 4)
})

t.test('a declaration is the whole list', async (t) => {
  const rig = new OwnMembersBench()
  rig.take('x:0', [ann(ENTER)])
  rig.say('y:0', [{ action: ENTER, clientId: 'bob' }])
  rig.own.declare()
  t.match(rig.said, [{ kind: 'declared', channel: CHANNEL, generation: 1,
    members: [{ clientId: 'ann' }, { clientId: 'bob' }] }])
})
