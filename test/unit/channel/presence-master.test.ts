import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { decodeItems } from '../../../src/channel/presence.ts'
import { ENTER, eventsOf, LEAVE, member, ownerOf, PresenceWorld, UPDATE } from './presence-world.ts'

const ann = (action: number, data?: string) => ({ action, clientId: 'ann', data })

t.test('[21] enter, update and leave are events in the channel\'s one order', async (t) => {
  const life = new PresenceWorld().master()
  life.join('a')
  life.join('watcher')
  t.match(life.say('a', 'x:0', [ann(ENTER, 'one')]), { kind: 'committed', serials: [] })
  life.say('a', 'x:1', [ann(UPDATE, 'two')])
  t.same(life.present(), ['ann two'])
  life.say('a', 'x:2', [ann(LEAVE)])
  const heard = eventsOf(life.heard('a'))
  t.same(heard.map(({ text }) => text), ['enter ann one', 'update ann two', 'leave ann two'])
  t.same(heard.map(({ id }) => id), ['x:0:0', 'x:1:0', 'x:2:0'])
  t.same(heard.map(({ publication }) => publication.seq), [1, 2, 3])
  t.same(life.present(), [])
  t.match(life.say('a', 'x:3', [ann(LEAVE)]), { kind: 'committed' }, 'gone already: taken, unheard')
  t.match(life.say('a', 'x:4', [ann(UPDATE, 'back')]), { kind: 'committed' })
  t.same(life.events('a').slice(-1), ['update ann back'], 'who updates is there')
})

t.test('[17] a frame that was sent again is known, by its master and by the next', async (t) => {
  const world = new PresenceWorld()
  const first = world.master()
  first.join('a')
  first.say('a', 'x:0', [ann(ENTER, 'one')])
  first.say('a', 'x:1', [ann(LEAVE)])
  first.events('a')
  t.match(first.say('a', 'x:0', [ann(ENTER, 'one')]), { kind: 'committed' })
  t.same(first.events('a'), [], 'it is no second enter, although nobody is there')
  const second = world.master()
  second.join('a')
  t.match(second.say('a', 'x:0', [ann(ENTER, 'one')]), { kind: 'committed' })
  t.match(second.say('a', 'x:1', [ann(LEAVE)]), { kind: 'committed' })
  t.same(second.events('a'), [])
  t.same(second.present(), [])
})

t.test('[B4] a leave holds against an enter before it, which was refused and is said again',
  async (t) => {
    const world = new PresenceWorld()
    const life = world.master()
    life.join('a')
    life.say('a', 'x:0', [ann(ENTER, 'one')])
    life.say('a', 'x:2', [ann(LEAVE)])
    for (const next of [() => life, () => world.master()]) {
      const master = next()
      master.join('a')
      const refused = { kind: 'refused', error: { code: 50005 } }
      t.match(master.say('a', 'x:1', [ann(ENTER, 'was refused at first')]), refused)
      t.same(master.present(), [])
    }
  })

t.test('[17] also one that had no effect, or a repeat of it could have one', async (t) => {
  const world = new PresenceWorld()
  const first = world.master()
  first.join('a')
  first.say('a', 'x:0', [ann(LEAVE)])
  first.say('a', 'x:1', [{ ...ann(ENTER, 'here'), id: 'x:-:0' }])
  for (const next of [() => first, () => world.master()]) {
    const life = next()
    life.join('a')
    t.match(life.say('a', 'x:0', [ann(LEAVE)]), { kind: 'committed' })
    t.same(life.present(), ['ann here'])
  }
})

t.test('[D5] an id is compared with the present member only: absent is a real enter', async (t) => {
  const world = new PresenceWorld()
  const life = world.master()
  life.join('a')
  life.say('a', 'x:0', [ann(ENTER, 'one')])
  const again = { ...ann(ENTER, 'one'), id: 'x:0:0' }
  const [first] = eventsOf(life.heard('a'))
  t.match(life.say('a', 'x:1', [again]), { kind: 'committed' })
  t.same(life.events('a'), [], 'present with this id: nothing new')
  life.say('a', 'x:node', [{ ...ann(LEAVE), id: 'x:0:0' }])
  world.pass(500)
  life.heard('a')
  t.match(life.say('a', 'x:2', [again]), { kind: 'committed' })
  const [entered] = eventsOf(life.heard('a'))
  t.match(entered, { text: 'enter ann one', id: 'x:0:0' }, 'and its id is kept')
  t.ok(entered!.publication.timestamp > first!.publication.timestamp, 'at a fresh time')
})

t.test('[D6] a leave that servers decide beats the member, whatever clocks say', async (t) => {
  const world = new PresenceWorld()
  const first = world.master()
  first.join('a')
  first.say('a', 'x:0', [ann(ENTER, 'one')])
  const [entered] = eventsOf(first.heard('a'))
  world.slowMs = 500_000
  world.ended.add('a/1')
  const second = world.master()
  second.join('watcher')
  world.pass(20_000, second)
  const [left] = eventsOf(second.heard('watcher'))
  t.match(left, { text: 'leave ann one' })
  t.ok(left!.publication.timestamp >= entered!.publication.timestamp)
  t.notOk(left!.id.startsWith('x'), 'SDKs compare it by time, for no connection has that id')
})

t.test('[D6] after a new lineage too, in which a slow clock stamps first', async (t) => {
  const world = new PresenceWorld()
  world.slowMs = 500_000
  const life = world.master()
  life.join('a')
  const stamped = { timestamp: world.nowMs }
  life.declare('a', [member('ann', 'x:0:0', stamped)])
  const [entered] = eventsOf(life.heard('a'))
  t.ok(entered!.publication.timestamp >= stamped.timestamp)
  life.declare('a', [])
  const [left] = eventsOf(life.heard('a'))
  t.ok(left!.publication.timestamp >= entered!.publication.timestamp)
})

t.test('[D4] nobody but a higher claim changes a member: the old owner is refused', async (t) => {
  const world = new PresenceWorld()
  const first = world.master()
  for (const node of ['a', 'b']) first.join(node)
  first.say('a', 'x:0', [ann(ENTER, 'one')])
  first.events('b')
  t.match(first.say('b', 'x:1', [{ ...ann(ENTER), id: 'x:0:0' }], { claim: 1 }),
    { kind: 'committed' })
  t.same(first.events('b'), [], 'the owner alone has changed: nobody hears of it')
  for (const next of [() => first, () => world.master()]) {
    const life = next()
    for (const node of ['a', 'b']) life.join(node)
    const serial = life === first ? 2 : 4
    t.match(life.say('a', `x:${serial}`, [ann(UPDATE, 'stale')]),
      { kind: 'refused', error: { code: 80016 } })
    t.match(life.say('a', 'x:node', [{ ...ann(LEAVE), id: 'x:9:0' }]), { kind: 'committed' })
    life.declare('a', [])
    t.same(life.present(), ['ann one'], 'and its leaves and lists mean nothing')
    life.declare('a', [member('ann', 'x:0:0')])
    t.match(life.say('a', `x:${serial + 1}`, [ann(UPDATE, 'stale')]), { kind: 'refused' },
      'a list does not take it back')
  }
})

t.test('an op is taken whole or not at all', async (t) => {
  const life = new PresenceWorld().master()
  for (const node of ['a', 'b']) life.join(node)
  life.say('b', 'x:0', [{ action: ENTER, clientId: 'bob' }], { claim: 1 })
  const both = [ann(ENTER, 'x'), { action: UPDATE, clientId: 'bob', data: 'x' }]
  t.match(life.say('a', 'x:1', both), { kind: 'refused' })
  t.same(life.present(), ['bob undefined'])
})

t.test('a leave of an older frame does not end what a newer one began', async (t) => {
  const life = new PresenceWorld().master()
  life.join('a')
  life.say('a', 'x:7', [ann(ENTER, 'new')])
  t.match(life.say('a', 'x:3', [ann(LEAVE)]), { kind: 'refused' })
  t.match(life.say('a', 'x:node', [{ ...ann(LEAVE), id: 'x:6:0' }]), { kind: 'committed' })
  t.same(life.present(), ['ann new'])
  life.say('a', 'x:node', [{ ...ann(LEAVE), id: 'x:7:0' }])
  t.same(life.present(), [])
})

t.test('[21] the leave of its owner ends a member of whose last frame that node never heard',
  async (t) => {
    const life = new PresenceWorld().master()
    life.join('a')
    life.join('b')
    life.say('a', 'x:35', [ann(ENTER, 'here')])
    life.say('a', 'x:43', [ann(ENTER, 'here')])
    // Frame 35 comes again elsewhere, and makes the member that node's; 43 never does.
    life.say('b', 'x:35', [ann(ENTER, 'here')], { claim: 1 })
    const list = [member('ann', 'x:35:0', { data: 'here', owner: ownerOf('b', { claim: 1 }) })]
    life.declare('b', list)
    const leave = { ...ann(LEAVE), id: 'x:35:1000', endsUnheard: true }
    life.say('a', 'x:35:node', [leave])
    t.same(life.present(), ['ann here'], 'the former owner ends nothing')
    life.heard('b')
    life.say('b', 'x:35:node', [leave], { claim: 1 })
    t.same(life.present(), [])
    const [left] = eventsOf(life.heard('b'))
    t.same(decodeItems(left!.publication.payload), [{ ...ann(LEAVE, 'here') }], 'told as any other')
    life.say('b', 'x:44', [ann(ENTER, 'back')], { claim: 1 })
    life.say('b', 'x:35:node', [{ ...leave, endsUnheard: false }], { claim: 1 })
    t.same(life.present(), ['ann back'], 'without it the id says how far a leave goes')
  })

t.test('the bound of members: 91003, and whoever is there may go on', async (t) => {
  const life = new PresenceWorld().master()
  life.join('a')
  const names = ['a', 'b', 'c'].map((clientId) => ({ action: ENTER, clientId }))
  t.match(life.say('a', 'x:0', names, {}, 2), { kind: 'refused', error: { code: 91003 } })
  t.same(life.present(), [], 'not a part of it')
  t.match(life.say('a', 'x:1', names.slice(0, 2), {}, 2), { kind: 'committed' })
  t.match(life.say('a', 'x:2', names.slice(2), {}, 2), { kind: 'refused' })
  t.match(life.say('a', 'x:3', [{ action: UPDATE, clientId: 'a', data: 'x' }], {}, 2),
    { kind: 'committed' })
  const swap = [{ action: LEAVE, clientId: 'a' }, { action: ENTER, clientId: 'c' }]
  t.match(life.say('a', 'x:4', swap, {}, 2), { kind: 'committed' })
  t.same(life.present(), ['b undefined', 'c undefined'])
})

t.test('the bound of bytes: 91006', async (t) => {
  const life = new PresenceWorld().master()
  life.join('a')
  const data = 'x'.repeat(60_000)
  let refused: unknown
  for (let no = 0; refused === undefined; no++) {
    const outcome = life.say('a', `x:${no}`, [{ action: ENTER, clientId: `c${no}`, data }])
    if (outcome?.kind === 'refused') refused = outcome.error
  }
  t.match(refused, { code: 91006 })
  t.match(life.say('a', 'x:999', [{ action: UPDATE, clientId: 'c0', data: '' }]),
    { kind: 'committed' })
})

t.test('what one op leads to is cut into entries that fit', async (t) => {
  const life = new PresenceWorld().master()
  life.join('a')
  const data = 'x'.repeat(20_000)
  const names = Array.from({ length: 60 }, (_, no) => `c${no}`)
  for (const [no, clientId] of names.entries()) {
    life.say('a', `x:${no}`, [{ action: ENTER, clientId, data }])
  }
  life.heard('a')
  const all = names.map((clientId) => ({ action: LEAVE, clientId }))
  t.match(life.say('a', 'x:100', all), { kind: 'committed' })
  const publications = [...new Set(eventsOf(life.heard('a')).map(({ publication }) => publication))]
  t.ok(publications.length > 5)
  for (const { payload } of publications) {
    t.ok(payload.byteLength < 2 * limits.presencePageBytesMax)
  }
  t.equal(publications.flatMap(({ payload }) => decodeItems(payload)).length, 60)
  t.same(life.present(), [])
})

t.test('[6] the set outlives its entries: a snapshot has it, owners included', async (t) => {
  const world = new PresenceWorld()
  const first = world.master()
  for (const node of ['a', 'b']) first.join(node)
  first.say('a', 'x:0', [ann(ENTER, 'one')])
  first.say('b', 'x:1', [{ ...ann(ENTER), id: 'x:0:0' }], { claim: 3 })
  const [before] = first.join('watcher').present
  world.pass(600_000, first)
  t.ok(world.log.records.length <= 3, `${world.log.records.length} records are left`)
  const second = world.master()
  t.same(second.join('watcher').present, [before])
  t.same(before!.owner, ownerOf('b', { claim: 3 }))
})

t.test('a channel with members is not let go', async (t) => {
  const world = new PresenceWorld()
  const life = world.master()
  life.join('a')
  life.say('a', 'x:0', [ann(ENTER, 'one')])
  life.master.onMessage({ incarnation: 'a', worker: 0 }, {
    kind: 'part', channel: 'app/c', clientId: 'of a'
  })
  world.pass(1_200_000, life)
  t.same(life.present(), ['ann one'])
})
