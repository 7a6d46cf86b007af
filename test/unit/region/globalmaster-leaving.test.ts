import t from 'tap'
import { globalmasterLimits as limits } from '../../../src/region/globalmaster-ports.ts'
import { World } from './globalmaster-world.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

t.test('one whose object is there is never forgotten', async (t) => {
  const world = new World()
  const peers = [{ region: 'us', ringUid: 'ring-us', madeAtMs: 1 }]
  const eu = world.start('eu', { peers })
  world.run(DAY_MS + MINUTE_MS)
  t.same(eu.roster, ['ring-eu', 'ring-us'])
  t.equal(eu.says('us', 'Unreachable'), 'True/Silent')
  eu.configure({ peers: [] })
  world.run(MINUTE_MS)
  t.same(eu.roster, ['ring-eu'])
  t.equal(eu.peer('us'), undefined)
})

t.test('one whose object says so no more is let go, though its nodes still speak', async (t) => {
  const world = new World()
  const peers = [{ region: 'us', ringUid: 'ring-us', madeAtMs: 1 }]
  const [eu, us] = [world.start('eu', { peers }), world.start('us')]
  world.run(MINUTE_MS)
  us.isRunning = false
  eu.configure({ peers: [] })
  world.run(limits.helloMs)
  t.same(eu.roster, ['ring-eu'])
  t.match(eu.peer('us'), { isInWorld: false })
})

t.test('one whose object is gone is not believed again by what it says on its way out',
  async (t) => {
    const world = new World()
    const peers = [{ region: 'us', ringUid: 'ring-us', madeAtMs: 1, object: 'b/us' }]
    const [eu, us] = [world.start('eu', { peers }), world.start('us')]
    world.run(MINUTE_MS)
    eu.configure({ peers: [] })
    world.run(2 * limits.helloMs)
    t.same(eu.roster, ['ring-eu'])
    us.isRunning = false
    world.nodeless.add('us')
    world.run(MINUTE_MS)
    t.equal(eu.peer('us'), undefined)
    t.same(eu.roster, ['ring-eu'])
  })

t.test('one that lives on without its object is in the world as long as it is heard',
  async (t) => {
    const world = new World()
    const peers = [{ region: 'us', ringUid: 'ring-us', madeAtMs: 1, object: 'b/us' }]
    const [eu, us] = [world.start('eu', { peers }), world.start('us')]
    world.run(MINUTE_MS)
    eu.configure({ peers: [] })
    world.run(limits.leavingMs + 2 * limits.helloMs)
    t.equal(eu.says('us', 'Synced'), 'True/InTouch')
    us.isRunning = false
    world.nodeless.add('us')
    world.run(limits.retiredAfterMs + MINUTE_MS)
    t.equal(eu.peer('us'), undefined)
    t.same(eu.roster, ['ring-eu'])
  })

t.test('one whose object is back is believed at once', async (t) => {
  const world = new World()
  const peers = [{ region: 'us', ringUid: 'ring-us', madeAtMs: 1, object: 'b/us' }]
  const eu = world.start('eu', { peers })
  world.start('us')
  world.run(MINUTE_MS)
  eu.configure({ peers: [] })
  world.run(limits.helloMs)
  eu.configure({ peers })
  world.run(2 * limits.helloMs)
  t.equal(eu.says('us', 'Synced'), 'True/InTouch')
})

t.test('a silent region is retired by taking it out of the peers, one that is heard is not',
  async (t) => {
    const world = new World()
    const eu = world.start('eu', { peers: [{ region: 'us' }, { region: 'ap' }] })
    const us = world.start('us')
    world.start('ap')
    world.run(MINUTE_MS)
    us.isRunning = false
    world.nodeless.add('us')
    world.run(10 * MINUTE_MS)
    t.same(eu.roster, ['ring-ap', 'ring-eu', 'ring-us'], 'not heard is not gone')
    eu.configure({ peers: [] })
    world.run(limits.helloMs)
    t.same(eu.roster, ['ring-ap', 'ring-eu'], 'others tell of ap as well')
    t.equal(eu.peer('us'), undefined)
    world.cutBoth('eu', 'ap')
    world.run(limits.retiredAfterMs - MINUTE_MS)
    t.same(eu.roster, ['ring-ap', 'ring-eu'], 'a short silence is none')
  })

t.test('who leaves for good says so, and is let go at once', async (t) => {
  const world = new World()
  const [eu, us] = [world.start('eu'), world.start('us')]
  world.run(MINUTE_MS)
  us.turn({ kind: 'leaving' })
  const { helloCount } = us
  world.run(limits.helloMs)
  t.same(eu.roster, ['ring-eu'])
  t.equal(eu.says('us', 'NotParticipating'), 'True/NotInAWorld', 'its nodes speak still')
  world.run(MINUTE_MS)
  t.equal(us.helloCount, helloCount, 'it says nothing any more')
  world.nodeless.add('us')
  world.run(MINUTE_MS)
  t.equal(eu.peer('us'), undefined)
  world.nodeless.delete('us')
  world.start('us', { term: 2 })
  world.run(MINUTE_MS)
  t.same(eu.roster, ['ring-eu', 'ring-us'], 'who comes back is taken in')
})

t.test('who leaves for another world is let go at once', async (t) => {
  const world = new World()
  const [eu, us] = [world.start('eu'), world.start('us')]
  world.run(MINUTE_MS)
  us.configure({ world: 'other' })
  world.run(limits.helloMs)
  t.same(eu.roster, ['ring-eu'])
})

t.test('a day of silence begins when a region was heard, whoever led then', async (t) => {
  const world = new World()
  const us = { region: 'us', ringUid: 'ring-us', isInWorld: true, object: undefined }
  const eu = world.start('eu', { former: [{ ...us, heardAgoMs: DAY_MS - 10 * MINUTE_MS }] })
  world.run(MINUTE_MS)
  t.same(eu.roster, ['ring-eu', 'ring-us'])
  t.equal(eu.says('us', 'Unreachable'), 'True/Silent')
  world.run(10 * MINUTE_MS)
  t.same(eu.roster, ['ring-eu'])
  t.equal(eu.peer('us'), undefined)
})
