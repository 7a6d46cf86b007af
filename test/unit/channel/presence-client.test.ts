import t from 'tap'
import { encodeItems } from '../../../src/channel/presence.ts'
import type { PresenceMember, Publication } from '../../../src/peer/message.ts'
import type { Frame } from '../../../src/wire/frame.ts'
import { GroupBench, Listener } from './group-bench.ts'
import { a, MasterBench } from './master-bench.ts'
import {
  CHANNEL, ClientBench, json, msgpack, ofKind, op, publication, read, standing
} from './parts.ts'
import { ENTER, LEAVE, member, ownerOf } from './presence-world.ts'

/** An event of presence at `seq`. */
function event(seq: number, action: number, clientId: string): Publication {
  const items = [{ action, clientId, id: `x:${seq}:0`, data: `at ${seq}` }]
  const connectionId = 'x'
  return publication(seq, { connectionId, payload: encodeItems(items), owner: ownerOf('a') })
}

/** Answers the Join that was said with a set, in parts. */
function joinWith(
  bench: ClientBench,
  seq: number,
  parts: readonly (readonly PresenceMember[])[],
  over: Parameters<ClientBench['join']>[0] = {}
): void {
  const said = bench.said()
  const { joinNo } = ofKind(said, 'join').at(-1)!
  for (const [no, members] of parts.entries()) {
    bench.client.onMasterMessage({
      kind: 'members', channel: CHANNEL, joinNo, seq, members, isFirst: no === 0,
      isLast: no === parts.length - 1
    })
  }
  bench.client.onMasterMessage({
    kind: 'joined', channel: CHANNEL, joinNo, epoch: 1, standing: standing(seq),
    isContinuation: true, startsAfter: seq, backlog: [], isWhole: true, nextOpNo: 1, ...over
  })
}

/** Who is present by SYNC frames. */
function present(frames: readonly Frame[] | undefined): string[] {
  return (frames ?? []).flatMap((frame) => read(frame).presence!.map(({ clientId }) => clientId!))
}

const ann = member('ann', 'x:0:0')
const bob = member('bob', 'x:0:1')

t.test('the set comes before the answer, and attachments are shown it, if they want', async (t) => {
  const bench = new ClientBench()
  bench.attach({ hearsPresence: true })
  bench.attach({ hearsPresence: false })
  joinWith(bench, 5, [[ann], [bob]])
  const [told, deaf] = ofKind(bench.told(), 'attached')
  t.same(present(told!.sync as Frame[]), ['ann', 'bob'])
  t.equal(deaf!.sync, undefined)
  bench.deliver([event(6, LEAVE, 'ann'), event(7, ENTER, 'cy')])
  bench.told()
  bench.attach({ hearsPresence: true })
  t.same(present(ofKind(bench.told(), 'attached')[0]!.sync as Frame[]), ['bob', 'cy'],
    'with every event since')
})

t.test('who comes to nobody is told nothing', async (t) => {
  const bench = new ClientBench()
  bench.attach({ hearsPresence: true })
  joinWith(bench, 5, [])
  t.equal(ofKind(bench.told(), 'attached')[0]!.sync, undefined)
})

t.test('one encoding per variant and change, however many attach', async (t) => {
  const bench = new ClientBench()
  for (let no = 0; no < 5; no++) bench.attach({ hearsPresence: true })
  joinWith(bench, 5, [[ann]])
  const frames = () => ofKind(bench.told(), 'attached').map(({ sync }) => (sync as Frame[])[0])
  t.equal(new Set(frames()).size, 1)
  for (const variant of [json, msgpack, json]) {
    bench.attach({ hearsPresence: true, variantId: variant === json ? 0 : 1, variant })
  }
  t.equal(new Set(frames()).size, 2)
  t.equal(bench.allocatedCount, 2)
})

t.test('what came for a Join that is over is not taken for another one', async (t) => {
  const bench = new ClientBench()
  bench.attach({ hearsPresence: true })
  const { joinNo } = ofKind(bench.said(), 'join')[0]!
  bench.client.onMasterMessage({
    kind: 'members', channel: CHANNEL, joinNo, seq: 3, members: [ann], isFirst: true, isLast: true
  })
  bench.pass()
  joinWith(bench, 5, [])
  t.equal(ofKind(bench.told(), 'attached')[0]!.sync, undefined)
})

t.test('[D7] held: told so, and told the set when it comes', async (t) => {
  const bench = new ClientBench()
  bench.attach({ hearsPresence: true })
  joinWith(bench, 5, [], { members: 'held' })
  t.equal(ofKind(bench.told(), 'attached')[0]!.sync, 'held')
  bench.client.onGroupMessage(0, { kind: 'syncWanted', channel: CHANNEL, variantId: 0 })
  t.same(bench.told(), [])
  bench.deliver([event(6, ENTER, 'cy')])
  bench.told()
  bench.client.onMasterMessage({
    kind: 'members', channel: CHANNEL, joinNo: 1, seq: 6, members: [ann], isFirst: true,
    isLast: true
  })
  const [synced] = ofKind(bench.told(), 'synced')
  t.same(present(synced!.frames[0]), ['ann'])
  bench.client.onGroupMessage(0, { kind: 'syncWanted', channel: CHANNEL, variantId: 0 })
  t.same(present(ofKind(bench.told(), 'synced')[0]!.frames[0]), ['ann'])
})

t.test('a held set for another position than ours is asked for again', async (t) => {
  const bench = new ClientBench()
  bench.attach({ hearsPresence: true })
  joinWith(bench, 5, [], { members: 'held' })
  bench.client.onMasterMessage({
    kind: 'members', channel: CHANNEL, joinNo: 1, seq: 9, members: [ann], isFirst: true,
    isLast: true
  })
  bench.pass()
  const said = bench.said()
  t.match(ofKind(said, 'join'), [{ joinNo: 2, hasMembers: false }, { joinNo: 3 }])
  bench.client.onMasterUncertain()
  joinWith(bench, 5, [[ann]])
  t.same(present(ofKind(bench.told(), 'synced')[0]!.frames[0]), ['ann'])
})

t.test('who knows the set says so, and it is kept, with the backlog', async (t) => {
  const bench = new ClientBench()
  bench.attach({ hearsPresence: true })
  joinWith(bench, 5, [[ann]])
  bench.client.onMasterUncertain()
  const { joinNo, hasMembers } = ofKind(bench.said(), 'join').at(-1)!
  t.ok(hasMembers)
  bench.told()
  bench.client.onMasterMessage({
    kind: 'joined', channel: CHANNEL, joinNo, epoch: 1, standing: standing(6),
    isContinuation: true, startsAfter: 5, backlog: [event(6, ENTER, 'cy')], isWhole: true,
    nextOpNo: 1, members: 'kept'
  })
  bench.told()
  bench.attach({ hearsPresence: true })
  t.same(present(ofKind(bench.told(), 'attached')[0]!.sync as Frame[]), ['ann', 'cy'])
})

t.test('a set is not kept over a hole: it is asked for, and everybody is told', async (t) => {
  const bench = new ClientBench()
  bench.attach({ hearsPresence: true })
  joinWith(bench, 5, [[ann]])
  bench.client.onMasterUncertain()
  const { joinNo } = ofKind(bench.said(), 'join').at(-1)!
  bench.told()
  bench.client.onMasterMessage({
    kind: 'joined', channel: CHANNEL, joinNo, epoch: 1, standing: standing(9),
    isContinuation: true, startsAfter: 5, backlog: [event(9, ENTER, 'cy')], isWhole: true,
    nextOpNo: 1, members: 'kept'
  })
  t.match(ofKind(bench.told(), 'continuityLost'), [{ sync: 'held' }])
  t.match(ofKind(bench.said(), 'join'), [{ hasMembers: false }])
})

t.test('[21] a declaration follows every Join, after the ops that are sent again', async (t) => {
  const bench = new ClientBench()
  bench.attach()
  joinWith(bench, 5, [])
  t.same(ofKind(bench.told(), 'declareWanted'), [], 'not where nobody ever said anything')
  bench.submit(op('x:0', { owner: ownerOf('a') }))
  t.ok(bench.client.hasDeclared(1))
  bench.client.onMasterUncertain()
  joinWith(bench, 5, [], { epoch: 2 })
  t.equal(ofKind(bench.told(), 'declareWanted').length, 1)
  t.notOk(bench.client.hasDeclared(2))
  t.notOk(bench.client.hasDeclared(1))
  bench.client.onGroupMessage(0, {
    kind: 'declared', channel: CHANNEL, generation: 4, members: [ann, bob], isWhole: true
  })
  const said = bench.said()
  t.same(said.map(({ kind }) => kind), ['publish', 'declare'])
  t.match(said[1], { epoch: 2, worker: 0, generation: 4, isFirst: true, isLast: true,
    members: [{ clientId: 'ann' }, { clientId: 'bob' }] })
  t.ok(bench.client.hasDeclared(2))
})

t.test('[D7] a list that owes the master somebody is told, and declares nothing', async (t) => {
  const bench = new ClientBench()
  bench.attach()
  bench.submit(op('x:0', { owner: ownerOf('a') }))
  joinWith(bench, 5, [])
  bench.said()
  const undecided = { ...ann, isUndecided: true }
  const declared = { kind: 'declared' as const, channel: CHANNEL, generation: 1 }
  bench.client.onGroupMessage(0, { ...declared, members: [undecided, bob], isWhole: false })
  t.match(ofKind(bench.said(), 'declare'), [{ members: [{ isUndecided: true }, {}] }])
  t.notOk(bench.client.hasDeclared(1), 'a roll is not answered yet')
  bench.client.onGroupMessage(0, { ...declared, members: [ann, bob], isWhole: true })
  t.equal(ofKind(bench.said(), 'declare').length, 1)
  t.ok(bench.client.hasDeclared(1))
})

t.test('[21] an empty list is told where the master knows better', async (t) => {
  for (const hasYours of [true, false]) {
    const bench = new ClientBench()
    bench.attach()
    joinWith(bench, 5, [], { hasYours })
    t.equal(ofKind(bench.told(), 'declareWanted').length, hasYours ? 1 : 0)
    bench.client.onGroupMessage(0, {
      kind: 'declared', channel: CHANNEL, generation: 1, members: [], isWhole: true
    })
    t.equal(ofKind(bench.said(), 'declare').length, hasYours ? 1 : 0)
  }
})

t.test('a roll makes a client join the master that calls it', async (t) => {
  const bench = new ClientBench()
  t.ok(bench.client.hasDeclared(9), 'who never joined anybody has nobody')
  bench.client.onRollCalled(9)
  t.same(bench.said(), [])
  bench.attach()
  t.notOk(bench.client.hasDeclared(9))
  joinWith(bench, 5, [])
  bench.client.onRollCalled(1)
  t.same(bench.said(), [], 'it has joined it')
  bench.client.onRollCalled(2)
  t.equal(ofKind(bench.said(), 'join').length, 1)
})

const item = (seq: number, connectionId: string) => ({
  seq, connectionId, isPresence: true,
  frames: [frame(seq)]
})

const frame = (no: number): Frame => ({
  bytes: new Uint8Array([no]), payloadStart: 0, isBinary: false, itemCount: 1, itemBytes: 10
})

t.test('the modes decide who hears events; of one\'s own members one hears always', async (t) => {
  const bench = new GroupBench()
  const [ears, deaf, self] = [new Listener('ears'), new Listener('deaf'), new Listener('x')]
  deaf.hearsPresence = self.hearsPresence = false
  ears.subscribes = false
  for (const each of [ears, deaf, self]) bench.seat(each)
  for (const each of [ears, deaf, self]) each.take()
  bench.group.onClientMessage({
    kind: 'broadcast', channel: CHANNEL, standing: standing(8), items: [item(8, 'x')]
  })
  t.same([ears.take(), deaf.take(), self.take()], [['8'], [], ['8']])
})

t.test('SYNC comes after what was missed, to those who hear presence', async (t) => {
  const bench = new GroupBench()
  const ears = new Listener('ears')
  bench.group.attach(ears, json, standing(4))
  const { attachId, hearsPresence } = ofKind(bench.said(), 'attach')[0]!
  t.ok(hearsPresence)
  bench.group.onClientMessage({
    kind: 'attached', channel: CHANNEL, attachId, standing: standing(6), isResumed: true,
    error: undefined, backlog: [item(5, 'x'), item(6, 'x')], sync: [frame(101), frame(102)]
  })
  t.same(ears.take(), ['attached 4 resumed backlog presence', '5', '6', '101', '102'])
})

t.test('[D7] who was told that SYNC comes later is told, once; the others are not', async (t) => {
  const bench = new GroupBench()
  const [early, late] = [new Listener('early'), new Listener('late')]
  bench.group.attach(early, json, undefined)
  const { attachId } = ofKind(bench.said(), 'attach')[0]!
  bench.group.onClientMessage({
    kind: 'attached', channel: CHANNEL, attachId, standing: standing(6), isResumed: false,
    error: undefined, backlog: [], sync: 'held'
  })
  bench.seat(late)
  for (const each of [early, late]) each.take()
  for (let times = 0; times < 2; times++) {
    bench.group.onClientMessage({ kind: 'synced', channel: CHANNEL, frames: [[frame(100)]] })
  }
  t.same([early.take(), late.take()], [['100'], []])
  bench.group.onClientMessage({
    kind: 'continuityLost', channel: CHANNEL, standing: standing(9), sync: 'held',
    error: { code: 90003, statusCode: 404, message: '' }
  })
  bench.group.onClientMessage({ kind: 'synced', channel: CHANNEL, frames: [[frame(100)]] })
  for (const each of [early, late]) t.same(each.take(), ['lost 9 90003 presence', '100'])
})

t.test('whoever waits for SYNC when the home worker is lost still gets it', async (t) => {
  const bench = new GroupBench()
  const ears = new Listener('ears')
  bench.group.attach(ears, json, undefined)
  const attached = (sync: 'held' | undefined, isResumed: boolean): void => {
    const { attachId } = ofKind(bench.said(), 'attach').at(-1)!
    bench.group.onClientMessage({
      kind: 'attached', channel: CHANNEL, attachId, standing: standing(6), isResumed,
      error: undefined, backlog: [], sync
    })
  }
  attached('held', false)
  bench.group.onHomeLost()
  attached(undefined, true)
  t.match(ofKind(bench.said(), 'syncWanted'), [{ variantId: 0 }], 'an empty set, too, is told')
  bench.group.onClientMessage({ kind: 'synced', channel: CHANNEL, frames: [[frame(100)]] })
  t.same(ears.take().slice(-1), ['100'])
})

t.test('a home worker that starts anew is told whose members live here, after the ops',
  async (t) => {
    const bench = new GroupBench()
    bench.group.submit(op('x:0', {
      owner: ownerOf('me'), payload: encodeItems([{ action: ENTER, clientId: 'ann', id: 'x:0:0' }])
    }), () => undefined)
    bench.said()
    bench.group.onHomeLost()
    const said = bench.said()
    t.same(said.map(({ kind }) => kind).slice(-2), ['submit', 'declared'])
    t.match(said.at(-1), { members: [{ clientId: 'ann' }] })
    t.notOk(bench.group.isSpent(10_000_000))
  })

t.test('[3] a set that is told before the log has it is none', async (t) => {
  const bench = new MasterBench()
  bench.join(a)
  bench.sent(a)
  bench.publish(a, 1, op('x:0', { messageCount: 0, owner: ownerOf('a'),
    payload: encodeItems([{ action: ENTER, clientId: 'ann', id: 'x:0:0' }]) }))
  bench.join(a)
  t.same(ofKind(bench.sent(a), 'members'), [])
  bench.commit()
  bench.publish(a, 2, op('y:0', { messageCount: 0, owner: ownerOf('a'),
    payload: encodeItems([{ action: ENTER, clientId: 'bob', id: 'y:0:0' }]) }))
  bench.join(a)
  const told = ofKind(bench.sent(a), 'members').flatMap(({ members }) => members)
  t.same(told.map(({ clientId }) => clientId), ['ann'])
})
