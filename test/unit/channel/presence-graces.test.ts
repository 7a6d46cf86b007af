import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { ofKind } from './parts.ts'
import {
  ENTER, LEAVE, member, ownerOf, presentIn, type PresenceLife, PresenceWorld, UPDATE
} from './presence-world.ts'

const GRACE_MS = limits.presenceGraceMs

const enter = (clientId: string, data = 'x') => ({ action: ENTER, clientId, data })

/** Ann is at node a, and node w watches. */
function withAnn(world = new PresenceWorld()): { world: PresenceWorld; life: PresenceLife } {
  const life = world.master()
  for (const node of ['a', 'w']) life.join(node)
  life.say('a', 'x:0', [enter('ann')])
  life.heard('w')
  return { world, life }
}

/** The life of node a ends, and its master hears of it. */
function end(world: PresenceWorld, life: PresenceLife, generation = 1): void {
  world.ended.add(`a/${generation}`)
  life.master.onPlaceGone(({ incarnation }) => incarnation === 'a')
  life.master.onPlaces()
}

t.test('[21] whose node is dead leaves after the grace, not before', async (t) => {
  const { world, life } = withAnn()
  end(world, life)
  world.pass(GRACE_MS - 1_000, life)
  t.same(life.present(), ['ann x'])
  t.same(life.events('w'), [])
  world.pass(2_000, life)
  t.same(life.present(), [])
})

t.test('[21] a grace runs in full again after a takeover', async (t) => {
  const { world, life } = withAnn()
  end(world, life)
  world.pass(GRACE_MS - 2_000, life)
  const second = world.master()
  world.pass(GRACE_MS - 2_000, second)
  t.same(second.present(), ['ann x'])
  world.pass(4_000, second)
  t.same(second.present(), [])
})

t.test('[21] a master that begins when the node is long gone gives the grace too', async (t) => {
  const { world } = withAnn()
  world.ended.add('a/1')
  const second = world.master()
  world.pass(GRACE_MS - 1_000, second)
  t.same(second.present(), ['ann x'])
  world.pass(2_000, second)
  t.same(second.present(), [])
})

t.test('[2, 21] a master whose view is behind the log takes nobody for dead whom it never heard of',
  async (t) => {
    const world = new PresenceWorld()
    world.viewVersion = 5
    withAnn(world)
    world.viewVersion = 3
    world.unheard.add('a')
    const second = world.master()
    world.pass(5_000, second)
    world.pass(3 * GRACE_MS, second)
    t.same(second.present(), ['ann x'])
    world.viewVersion = 5
    second.master.onPlaces()
    world.pass(GRACE_MS - 1_000, second)
    t.same(second.present(), ['ann x'], 'the grace runs from when it knows')
    world.pass(2_000, second)
    t.same(second.present(), [], 'and for who is not in that view either')
  })

t.test('[D4] who lives on elsewhere by a higher claim does not leave', async (t) => {
  const { world, life } = withAnn()
  end(world, life)
  world.pass(GRACE_MS - 1_000, life)
  life.join('b')
  life.say('b', 'x:1', [{ ...enter('ann'), id: 'x:0:0' }], { claim: 1 })
  world.pass(3 * GRACE_MS, life)
  t.same(life.present(), ['ann x'])
  t.same(life.events('w'), [], 'and nobody has heard of anything')
})

t.test('[5, D7] a grace of a former lineage writes nothing into the next one', async (t) => {
  const { world, life } = withAnn()
  for (const id of ['x:1', 'x:2', 'x:3']) life.say('a', id, [enter('ann', id)])
  const former = life.join('w').standing
  end(world, life)
  world.pass(GRACE_MS / 2, life)
  world.log.records = []
  life.say('w', 'y:0', [enter('bob')])
  world.pass(5_000, life)
  life.join('b')
  life.say('b', 'y:0', [enter('bob')])
  const { standing, present } = life.join('w')
  t.not(standing.lineage, former.lineage)
  t.same(present.map(({ clientId }) => clientId), ['bob'])
  world.pass(2 * GRACE_MS, life)
  t.same(life.events('w'), [])
  t.same(life.join('w').standing, standing)
})

t.test('a node that was believed dead and lives keeps its members', async (t) => {
  const { world, life } = withAnn()
  end(world, life)
  world.pass(GRACE_MS - 1_000, life)
  world.ended.clear()
  life.master.onPlaces()
  world.pass(3 * GRACE_MS, life)
  t.same(life.present(), ['ann x'])
  end(world, life)
  world.pass(GRACE_MS - 1_000, life)
  t.same(life.present(), ['ann x'], 'and what counts is the second death')
  world.pass(2_000, life)
  t.same(life.present(), [])
})

t.test('an op of a life that has ended by then does not live for ever', async (t) => {
  const world = new PresenceWorld()
  const life = world.master()
  life.join('a')
  world.ended.add('a/1')
  life.master.onPlaces()
  life.say('a', 'x:0', [enter('ann')])
  world.pass(GRACE_MS + 1_000, life)
  t.same(life.present(), [])
})

t.test('what cannot be written when the grace ends is written later', async (t) => {
  const { world, life } = withAnn()
  end(world, life)
  const { questions } = world.log
  // The log takes nothing: what waits for it fills up.
  for (let no = 0; no < 20; no++) {
    life.master.onMessage({ incarnation: 'w', worker: 0 }, {
      kind: 'publish', channel: 'app/c', clientId: 'of w', epoch: life.master.epoch, opNo: no + 1,
      answeredThrough: 0,
      op: {
        id: `y:${no}`, idSpace: 'connection', connectionId: 'y', messageCount: 1,
        payload: new Uint8Array(1024 * 1024)
      }
    })
  }
  life.master.flush(world.nowMs)
  t.ok(questions.length > 0)
  world.nowMs += 2 * GRACE_MS
  world.deadlines.fire(world.nowMs)
  t.same(life.events('w'), [])
  world.pass(3_000, life)
  t.same(life.events('w'), ['leave ann x'])
})

t.test('[21, D7] a declaration is complete: whom it does not list leaves, others stay',
  async (t) => {
    const { life } = withAnn()
    life.say('a', 'x:1', [enter('bob')])
    life.heard('w')
    life.declare('a', [member('ann', 'x:0:0', { data: 'x' })])
    t.same(life.events('w'), ['leave bob x'])
    life.declare('a', [member('ann', 'x:0:0', { data: 'x' }), member('cy', 'z:0:0', { data: 'c' })])
    t.same(life.events('w'), ['enter cy c'], 'and who is listed and unknown enters')
    t.same(life.present(), ['ann x', 'cy c'])
  })

t.test('[21] of whom it lists as undecided nothing is made: the ops about them were judged here',
  async (t) => {
    const { life } = withAnn()
    const isUndecided = true
    const undecided = [
      { ...member('ann', 'x:2:0', { data: 'new' }), isUndecided },
      { ...member('bob', 'x:1:0', { data: 'refused' }), isUndecided }
    ]
    life.declare('a', undecided)
    t.same(life.events('w'), [])
    t.same(life.present(), ['ann x'])
  })

t.test('[D4] of whom a higher claim may have said more the log knows, unless it has begun anew',
  async (t) => {
    const overruled = [member('ann', 'x:0:0', { data: 'x' }), member('bob', 'z:0:0', { data: 'y' })]
      .map((each) => ({ ...each, isOverruled: true }))
    const { world } = withAnn()
    const heir = world.master()
    heir.join('a')
    heir.declare('a', overruled)
    t.same(heir.present(), ['ann x'], 'who left by that one\'s word does not enter again')
    const { life: first } = withAnn()
    first.declare('a', overruled)
    t.same(first.present(), ['ann x', 'bob y'], 'where nobody knows what was said they are there')
  })

t.test('[21] it speaks for its own life of its worker, and for nobody else', async (t) => {
  const { life } = withAnn()
  life.join('b')
  life.say('b', 'y:0', [enter('bob')])
  life.declare('b', [member('bob', 'y:0:0')])
  life.declare('a', [], 2)
  t.same(life.present(), ['ann x', 'bob x'], 'an heir does not end the grace of the former life')
  life.declare('a', [])
  t.same(life.present(), ['bob x'])
})

t.test('a list in parts counts when its last part is there', async (t) => {
  const { life } = withAnn()
  const many = Array.from({ length: 7 }, (_, no) => member(`m${no}`, `x:1:${no}`))
  life.master.onMessage({ incarnation: 'a', worker: 0 }, {
    kind: 'declare', channel: 'app/c', epoch: life.master.epoch, worker: 0, generation: 1,
    members: [], isFirst: true, isLast: false
  })
  life.join('a')
  life.master.onMessage({ incarnation: 'a', worker: 0 }, {
    kind: 'declare', channel: 'app/c', epoch: life.master.epoch, worker: 0, generation: 1,
    members: [], isFirst: false, isLast: true
  })
  t.same(life.present(), ['ann x'], 'an end without its beginning says nothing')
  life.declare('a', [member('ann', 'x:0:0'), ...many], 1, 3)
  t.equal(life.present().length, 8)
})

t.test('[9] a declaration to another epoch is not heard', async (t) => {
  const { life } = withAnn()
  life.master.onMessage({ incarnation: 'a', worker: 0 }, {
    kind: 'declare', channel: 'app/c', epoch: life.master.epoch + 1, worker: 0, generation: 1,
    members: [], isFirst: true, isLast: true
  })
  life.settle()
  t.same(life.present(), ['ann x'])
})

t.test('a list that is newer than the set brings it up to date, an older one does not',
  async (t) => {
    const { life } = withAnn()
    life.say('a', 'x:4', [{ ...enter('ann', 'now'), action: UPDATE }])
    life.heard('w')
    life.declare('a', [member('ann', 'x:0:0', { data: 'x' })])
    t.same(life.present(), ['ann now'])
    life.declare('a', [member('ann', 'x:6:0', { data: 'newer' })])
    t.same(life.present(), ['ann newer'])
  })

t.test('[21] the joined is told whether it is known to have members', async (t) => {
  const { life } = withAnn()
  t.equal(life.join('a').hasYours, true)
  t.equal(life.join('b').hasYours, false)
  life.say('a', 'x:1', [{ action: LEAVE, clientId: 'ann' }])
  t.equal(life.join('a').hasYours, false)
})

t.test('who knew the set and missed nothing is not told again', async (t) => {
  const { world, life } = withAnn()
  const { standing } = life.join('w')
  t.match(life.join('w', standing, true), { members: 'kept', present: [] })
  t.match(life.join('w', standing), { members: undefined, present: [{ clientId: 'ann' }] })
  const second = world.master()
  t.match(second.join('w', standing, true), { members: 'kept' })
  t.match(second.join('w', { ...standing, lineage: 'other' }, true), { members: undefined,
    isContinuation: false, present: [{ clientId: 'ann' }] })
})

t.test('[D7] after a new lineage SYNC is held until every node of the view declared',
  async (t) => {
    const world = new PresenceWorld()
    world.homes = ['a', 'b', 'w']
    const life = world.master()
    t.same(ofKind(life.heard('a'), 'rollCalled').length, 1)
    t.match(life.join('w'), { members: 'held', present: [] })
    life.join('a')
    life.declare('a', [member('ann', 'x:0:0', { data: 'x' })])
    life.answerRoll('a')
    life.answerRoll('w')
    t.same(presentIn(life.heard('w')), [], 'b has said nothing yet')
    t.match(life.join('w'), { members: 'held' })
    life.answerRoll('b')
    t.match(presentIn(life.heard('w')), [{ clientId: 'ann', owner: ownerOf('a') }])
    t.same(life.present(), ['ann x'])
  })

t.test('[3, D7] what was declared is shown when it is in the log, and SYNC is held until then',
  async (t) => {
    const world = new PresenceWorld()
    world.homes = ['a']
    const life = world.master()
    life.join('w')
    life.master.onMessage({ incarnation: 'a', worker: 0 }, {
      kind: 'declare', channel: 'app/c', epoch: life.master.epoch, worker: 0, generation: 1,
      members: [member('ann', 'x:0:0')], isFirst: true, isLast: true
    })
    life.master.onRollAnswered({ incarnation: 'a', worker: 0 }, life.master.epoch)
    t.same(life.heard('w'), [], 'the log has nothing yet')
    life.settle()
    t.match(presentIn(life.heard('w')), [{ clientId: 'ann' }])
  })

t.test('[D7] a node that never answers is waited for five seconds, and asked again', async (t) => {
  const world = new PresenceWorld()
  world.homes = ['a', 'b']
  const life = world.master()
  life.join('w')
  life.answerRoll('a')
  world.pass(limits.rollMs - 500, life)
  t.same(ofKind(life.heard('w'), 'members'), [])
  const asked = ofKind(life.heard('b'), 'rollCalled')
  t.ok(asked.length > 2, 'a question may be lost')
  t.equal(ofKind(life.heard('a'), 'rollCalled').length, 1)
  world.pass(1_000, life)
  t.match(ofKind(life.heard('w'), 'members'), [{ members: [], isFirst: true, isLast: true }],
    'and that nobody is present is said too')
})

t.test('[D7] nobody waits for a node that leaves the view', async (t) => {
  const world = new PresenceWorld()
  world.homes = ['a', 'b']
  const life = world.master()
  life.join('w')
  life.answerRoll('a')
  world.homes = ['a']
  life.master.onPlaces()
  t.equal(ofKind(life.heard('w'), 'members').length, 1)
})

t.test('[D7] an answer to another epoch is none', async (t) => {
  const world = new PresenceWorld()
  world.homes = ['a']
  const life = world.master()
  life.join('w')
  life.master.onRollAnswered({ incarnation: 'a', worker: 0 }, life.master.epoch - 1)
  t.same(ofKind(life.heard('w'), 'members'), [])
})

t.test('[21] a recovered set is served at once', async (t) => {
  const { world, life } = withAnn()
  world.pass(400_000, life)
  world.homes = ['a', 'w']
  const second = world.master()
  t.match(second.join('w'), { members: undefined, present: [{ clientId: 'ann' }] })
})

t.test('[D7] a young lineage may not be whole: whoever takes it over calls the roll again',
  async (t) => {
    const world = new PresenceWorld()
    world.homes = ['a', 'w']
    world.master()
    const second = world.master()
    t.match(second.join('w'), { members: 'held' })
  })
