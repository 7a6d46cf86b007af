import t from 'tap'
import { globalmasterLimits as limits } from '../../../src/region/globalmaster-ports.ts'
import { World } from './globalmaster-world.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

t.test('regions that hear each other are in each other\'s world', async (t) => {
  const world = new World()
  const [eu, us, ap] = [world.start('eu'), world.start('us'), world.start('ap')]
  world.run(MINUTE_MS)
  for (const process of [eu, us, ap]) {
    t.same(process.roster, ['ring-ap', 'ring-eu', 'ring-us'])
    t.same(process.names?.map((name) => `ring-${name}`), process.nearest, 'with their names')
    t.equal(process.peer(process.region), undefined, 'it is no peer of itself')
  }
  t.equal(eu.says('us', 'Synced'), 'True/InTouch')
  t.equal(eu.says('us', 'Unreachable'), 'False/Heard')
  t.equal(eu.says('us', 'Drift'), 'False/AppsAgree')
  t.equal(eu.says('us', 'NotParticipating'), 'False/Participates')
  t.match(eu.peer('us'), {
    ringUid: 'ring-us', endpoint: 'us.example', isInWorld: true, roundTripMs: 80, lagMs: 0
  })
})

t.test('a round trip is measured whatever anybody\'s clocks say', async (t) => {
  const world = new World()
  const eu = world.start('eu', { monoOffsetMs: 5_000_000, wallOffsetMs: -DAY_MS })
  const us = world.start('us', { monoOffsetMs: -900_000, wallOffsetMs: 3 * DAY_MS })
  world.run(MINUTE_MS)
  t.equal(eu.peer('us')?.roundTripMs, 80)
  t.equal(us.peer('eu')?.roundTripMs, 80)
  t.equal(eu.says('us', 'Synced'), 'True/InTouch')
})

t.test('its nodes are told who is near: ours first, then by the way', async (t) => {
  const world = new World()
  world.distanceMs.set('ap', 200).set('us', 40)
  const [ap, eu, us, za] = ['ap', 'eu', 'us', 'za'].map((region) => world.start(region))
  world.run(MINUTE_MS)
  t.same(eu!.nearest, ['ring-eu', 'ring-za', 'ring-us', 'ring-ap'])
  t.equal(ap!.nearest?.[0], 'ring-ap')
  t.same([us!.nearest?.[0], us!.nearest?.at(-1)], ['ring-us', 'ring-ap'])
  world.distanceMs.set('za', 400)
  world.cutBoth('eu', 'ap')
  world.run(5 * MINUTE_MS)
  t.same(eu!.nearest, ['ring-eu', 'ring-us', 'ring-ap', 'ring-za'],
    'who is silent stays where it was')
  t.equal(za!.nearest?.[0], 'ring-za')
})

t.test('that a region is to drain is reported, and that it is not any more', async (t) => {
  const world = new World()
  const eu = world.start('eu')
  world.start('us')
  world.run(MINUTE_MS)
  t.equal(eu.peer('us')?.isDraining, false)
  world.draining.add('us')
  world.run(MINUTE_MS)
  t.equal(eu.peer('us')?.isDraining, true)
  t.equal(eu.says('us', 'Synced'), 'True/InTouch', 'it takes part all the same')
  world.draining.clear()
  world.run(MINUTE_MS)
  t.equal(eu.peer('us')?.isDraining, false)
})

t.test('what waits on the way is its lag', async (t) => {
  const world = new World()
  const eu = world.start('eu')
  world.start('us')
  world.run(MINUTE_MS)
  world.delayMs = 500
  world.run(MINUTE_MS)
  t.equal(eu.peer('us')?.lagMs, 920)
  world.delayMs = 40
  world.run(MINUTE_MS)
  t.equal(eu.peer('us')?.lagMs, 0)
})

t.test('a region that is cut off is unreachable after the bound, stays in the world, and is back ' +
  'by itself', async (t) => {
  const world = new World()
  const [eu, us] = [world.start('eu'), world.start('us')]
  world.run(MINUTE_MS)
  world.cutBoth('eu', 'us')
  world.run(10_000)
  t.equal(eu.says('us', 'Synced'), 'True/InTouch', 'not before the bound')
  world.run(MINUTE_MS)
  t.equal(eu.says('us', 'Unreachable'), 'True/Silent')
  t.equal(eu.says('us', 'Synced'), 'False/Unreachable')
  t.equal(us.says('eu', 'Unreachable'), 'True/Silent')
  t.same(eu.roster, ['ring-eu', 'ring-us'])
  const heardAgoMs = eu.peer('us')?.heardAgoMs ?? 0
  t.ok(heardAgoMs >= 20_000 && heardAgoMs <= 35_000, `told when it was heard: ${heardAgoMs}`)
  world.heal()
  world.run(MINUTE_MS)
  t.equal(eu.says('us', 'Synced'), 'True/InTouch')
  t.equal(us.says('eu', 'Synced'), 'True/InTouch')
})

t.test('a link that works one way is told by both ends', async (t) => {
  const world = new World()
  const [eu, us] = [world.start('eu'), world.start('us')]
  world.run(MINUTE_MS)
  world.cut.add('eu>us')
  world.run(30_000)
  t.equal(eu.says('us', 'Unreachable'), 'True/HearsUsNot', 'an echo of long ago is no sign')
  world.run(30_000)
  t.equal(us.says('eu', 'Unreachable'), 'True/Silent')
  t.equal(eu.says('us', 'Synced'), 'False/Unreachable')
  world.heal()
  world.run(MINUTE_MS)
  t.equal(eu.says('us', 'Synced'), 'True/InTouch')
  t.equal(us.says('eu', 'Synced'), 'True/InTouch')
})

t.test('of three, two that lose each other are no matter of the third', async (t) => {
  const world = new World()
  const [eu, us, ap] = [world.start('eu'), world.start('us'), world.start('ap')]
  world.run(MINUTE_MS)
  world.cutBoth('eu', 'us')
  world.run(MINUTE_MS)
  t.equal(eu.says('us', 'Synced'), 'False/Unreachable')
  t.equal(eu.says('ap', 'Synced'), 'True/InTouch')
  t.equal(ap.says('eu', 'Synced'), 'True/InTouch')
  t.equal(us.says('ap', 'Synced'), 'True/InTouch')
})

t.test('a region that is all alone goes on with its roster, for less than a day', async (t) => {
  const world = new World()
  const [eu] = [world.start('eu'), world.start('us')]
  world.run(MINUTE_MS)
  world.cutBoth('eu', 'us')
  world.run(DAY_MS - 10 * MINUTE_MS)
  t.same(eu.roster, ['ring-eu', 'ring-us'])
  world.run(20 * MINUTE_MS)
  t.same(eu.roster, ['ring-eu'])
  t.equal(eu.peer('us'), undefined)
  world.heal()
  world.run(MINUTE_MS)
  t.same(eu.roster, ['ring-eu', 'ring-us'], 'and takes it in again')
})

t.test('a peer of the spec that was never heard is told as such', async (t) => {
  const world = new World()
  const eu = world.start('eu', { peers: [{ region: 'us' }] })
  world.run(15_000)
  t.equal(eu.says('us', 'Unreachable'), 'Unknown/NotHeardYet')
  world.run(MINUTE_MS)
  t.equal(eu.says('us', 'Unreachable'), 'True/Silent')
  t.equal(eu.says('us', 'NotParticipating'), 'Unknown/NotHeardYet')
  t.match(eu.peer('us'), { isInWorld: false, heardAgoMs: undefined })
  t.same(eu.roster, ['ring-eu'])
})

t.test('a region made anew takes the place of the former one, whose words come late', async (t) => {
  const world = new World()
  const eu = world.start('eu')
  const former = world.start('us', { uid: 'first', madeAtMs: 1 })
  world.run(MINUTE_MS)
  t.same(eu.roster, ['first', 'ring-eu'])
  const latter = world.start('us', { uid: 'second', madeAtMs: 2 })
  // Both live, for a while.
  world.run(MINUTE_MS)
  t.same(eu.roster, ['ring-eu', 'second'])
  t.match(eu.peer('us'), { ringUid: 'second' })
  t.equal(former.says('us', 'NotParticipating'), 'True/NameTaken')
  t.same(former.roster, ['first'], 'nobody listens to it, so it serves alone')
  t.equal(former.says('eu', 'Synced'), 'False/NotInItsWorld', 'and knows it')
  t.match(former.peer('eu'), { isInWorld: false }, 'as its nodes are told')
  t.same(latter.roster, ['ring-eu', 'second'])
  former.isRunning = false
  world.run(MINUTE_MS)
  t.same(eu.roster, ['ring-eu', 'second'])
  t.equal(latter.says('eu', 'Synced'), 'True/InTouch')
})

t.test('one of our name that has died takes the name from nobody; others retire it', async (t) => {
  const world = new World()
  const eu = world.start('eu')
  const earlier = world.start('us', { uid: 'first', madeAtMs: 1 })
  const later = world.start('us', { uid: 'second', madeAtMs: 2 })
  world.run(MINUTE_MS)
  t.same(earlier.roster, ['first'])
  later.isRunning = false
  later.hasNodes = false
  world.run(limits.retiredAfterMs - 15_000)
  t.same(earlier.roster, ['first'], 'it may be heard again')
  world.run(30_000)
  t.same(earlier.roster, ['first', 'ring-eu'])
  t.match(earlier.peer('eu'), { isInWorld: true })
  t.same(eu.roster, ['ring-eu', 'second'], 'not heard is not gone')
  for (const peers of [[{ region: 'us' }], [], [{ region: 'us' }]]) {
    eu.configure({ peers })
    world.run(2 * limits.helloMs)
  }
  t.same(eu.roster, ['first', 'ring-eu'])
  t.equal(eu.says('us', 'Synced'), 'True/InTouch')
  world.cutBoth('eu', 'us')
  world.run(limits.retiredAfterMs + MINUTE_MS)
  t.same(eu.roster, ['first', 'ring-eu'], 'who is listed is not retired')
})

t.test('one that says it is in another world, or in none, is not in ours', async (t) => {
  const world = new World()
  const eu = world.start('eu', { peers: [{ region: 'us' }, { region: 'ap' }] })
  world.start('us', { world: 'other' })
  // Its nodes speak; it has no globalmaster.
  world.start('ap', { standsBy: true })
  world.run(MINUTE_MS)
  t.same(eu.roster, ['ring-eu'])
  t.equal(eu.says('us', 'NotParticipating'), 'True/OtherWorld')
  t.equal(eu.says('us', 'Synced'), 'False/NotParticipating')
  t.equal(eu.says('ap', 'NotParticipating'), 'True/NotInAWorld')
})

t.test('a globalmaster that dies takes nothing from its region', async (t) => {
  const world = new World()
  const [eu, us] = [world.start('eu'), world.start('us')]
  world.run(MINUTE_MS)
  us.isRunning = false
  world.run(MINUTE_MS)
  t.equal(eu.says('us', 'Unreachable'), 'False/Heard', 'its nodes speak')
  t.equal(eu.says('us', 'Synced'), 'Unknown/GlobalmasterSilent')
  t.same(eu.roster, ['ring-eu', 'ring-us'])
})

t.test('nodes that are all gone are missed, though their globalmaster speaks', async (t) => {
  const world = new World()
  const eu = world.start('eu')
  world.start('us')
  world.run(MINUTE_MS)
  world.nodeless.add('us')
  world.run(MINUTE_MS)
  t.equal(eu.says('us', 'Synced'), 'False/NodesNotHeard')
})

t.test('a new leader goes by what the former one wrote, until it has heard enough', async (t) => {
  const world = new World()
  const eu = world.start('eu', {
    former: [
      { region: 'us', ringUid: 'ring-us', isInWorld: true, object: undefined },
      { region: 'ap', ringUid: 'ring-ap', isInWorld: false, object: undefined },
      // It had an object, which has gone while nobody led.
      { region: 'za', ringUid: 'ring-za', isInWorld: true, object: 'africa/za' }
    ]
  })
  world.run(limits.firstWordMs - 1_000)
  t.equal(eu.roster, undefined, 'it says nothing yet')
  t.equal(eu.reports.length, 0)
  world.run(5_000)
  t.same(eu.roster, ['ring-eu', 'ring-us'])
  t.equal(eu.says('us', 'Unreachable'), 'Unknown/NotHeardYet', 'what was said before stands')
  world.run(MINUTE_MS)
  t.equal(eu.says('us', 'Unreachable'), 'True/Silent')
})

t.test('of two that lead for a moment the later one counts, by no clock', async (t) => {
  const world = new World()
  const us = world.start('us')
  const first = world.start('eu', { term: 7, wallOffsetMs: DAY_MS })
  const second = world.start('eu', { standsBy: true })
  world.run(MINUTE_MS)
  t.same(second.roster, undefined, 'who stands by says nothing')
  t.equal(second.helloCount, 0)
  second.elect(8)
  world.run(2_000)
  t.notOk(first.machine.isSpeaking, 'the former one has heard of it')
  const { helloCount } = first
  world.run(MINUTE_MS)
  t.equal(first.helloCount, helloCount)
  t.ok(second.rosterMadeAtMs > first.rosterMadeAtMs, 'its nodes believe the later roster')
  t.equal(us.says('eu', 'Synced'), 'True/InTouch')
  t.equal(second.says('us', 'Synced'), 'True/InTouch')
})

t.test('two leaders that do not hear each other: others believe the higher term', async (t) => {
  const world = new World()
  world.cut.add('eu>eu')
  const us = world.start('us', { apps: { AbC123: 'new' } })
  world.start('eu', { term: 8, apps: { AbC123: 'new' } })
  world.start('eu', { term: 7, apps: { AbC123: 'old' } })
  world.run(MINUTE_MS)
  t.equal(us.says('eu', 'Drift'), 'False/AppsAgree')
  t.equal(us.reports.filter((peers) => peers.length > 0).length, 1, 'and do not waver')
})

t.test('apps that differ are named', async (t) => {
  const world = new World()
  const eu = world.start('eu', { apps: { same: 'a', other: 'b', only: 'c' } })
  const us = world.start('us', { apps: { same: 'a', other: 'x', there: 'd' } })
  world.run(MINUTE_MS)
  const drift = eu.peer('us')?.judgements.find(({ type }) => type === 'Drift')
  t.match(drift, {
    status: 'True',
    reason: 'AppsDiffer',
    message: 'only is not there, other differs, there is only there'
  })
  t.equal(eu.says('us', 'Synced'), 'True/InTouch', 'relays run all the same')
  us.configure({ apps: new Map([['same', 'a'], ['other', 'b'], ['only', 'c']]) })
  world.run(limits.helloMs)
  t.equal(eu.says('us', 'Drift'), 'False/AppsAgree')
})

t.test('apps of which nobody can tell neither differ nor agree', async (t) => {
  const world = new World()
  const eu = world.start('eu', { apps: { AbC123: 'new' } })
  const us = world.start('us', { apps: { AbC123: 'old' } })
  world.run(MINUTE_MS)
  us.configure({ areAppsUnknown: true })
  world.run(limits.helloMs)
  const messageOf = (judging: typeof eu, of: string): string | undefined =>
    judging.peer(of)?.judgements.find(({ type }) => type === 'Drift')?.message
  t.equal(eu.says('us', 'Drift'), 'Unknown/AppsUnknown')
  t.match(messageOf(eu, 'us'), /are there/)
  t.equal(us.says('eu', 'Drift'), 'Unknown/AppsUnknown')
  t.match(messageOf(us, 'eu'), /are here/)
  us.configure({ areAppsUnknown: false })
  world.run(limits.helloMs)
  t.equal(eu.says('us', 'Drift'), 'True/AppsDiffer')
})

t.test('whether apps differ is not known while its globalmaster is silent', async (t) => {
  const world = new World()
  const eu = world.start('eu', { apps: { AbC123: 'new' } })
  const us = world.start('us', { apps: { AbC123: 'old' } })
  world.run(MINUTE_MS)
  t.equal(eu.says('us', 'Drift'), 'True/AppsDiffer')
  us.isRunning = false
  world.run(MINUTE_MS)
  t.equal(eu.says('us', 'Unreachable'), 'False/Heard', 'its nodes speak')
  t.equal(eu.says('us', 'Drift'), 'Unknown/GlobalmasterSilent')
  const next = world.start('eu', { term: 2, apps: { AbC123: 'new' } })
  world.run(15_000)
  t.equal(next.says('us', 'Drift'), 'Unknown/NotHeardYet', 'what was said before stands for now')
  world.run(MINUTE_MS)
  t.equal(next.says('us', 'Drift'), 'Unknown/GlobalmasterSilent')
  world.start('us', { term: 2, apps: { AbC123: 'new' } })
  world.run(15_000)
  t.equal(next.says('us', 'Drift'), 'False/AppsAgree')
})

t.test('in calm nothing is reported but now and then', async (t) => {
  const world = new World()
  const eu = world.start('eu')
  world.start('us')
  world.run(2 * MINUTE_MS)
  const before = eu.reports.length
  world.run(10 * limits.reportMs)
  t.equal(eu.reports.length - before, 10)
})

t.test('a world of as many regions as there may be is one that its nodes understand', async (t) => {
  const world = new World()
  const eu = world.start('eu')
  for (let no = 0; no < 40; no++) {
    eu.turn({
      kind: 'hello',
      hello: {
        kind: 'globalmaster', formatVersion: 1, world: 'acme', region: `r${no}`,
        ringUid: `u${no}`, madeAtMs: 1, instance: `i${no}`, term: 1, sentAtMs: 0, echoes: [],
        roster: [], apps: new Map()
      }
    })
  }
  world.run(MINUTE_MS)
  t.equal(eu.roster?.length, limits.farRingsMax + 1)
})

t.test('strangers do not push out who is in the world, and not more than a bound are known',
  async (t) => {
    const world = new World()
    const eu = world.start('eu')
    world.start('us')
    world.run(MINUTE_MS)
    for (let no = 0; no < 100; no++) {
      const ring = { region: `r${no}`, uid: `u${no}`, madeAtMs: no, endpoint: '' }
      eu.turn({ kind: 'announced', ring })
    }
    const [[, count] = []] = [...eu.machine.sizes()]
    t.equal(count, limits.farRingsMax)
    world.run(2 * MINUTE_MS)
    t.same(eu.roster, ['ring-eu', 'ring-us'])
    t.same(eu.reports.at(-1)?.map(({ region }) => region), ['us'], 'who falls silent is let go')
  })
