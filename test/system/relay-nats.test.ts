/*
The NATS of a world as the operator configures it, with real nats-servers: what crosses from region
to region, what does not, and who is let in.
*/

import t from 'tap'
import { connect } from 'nats'
import type { NatsConnection } from 'nats'
import {
  everybodySubject, globalmasterSubject, inboxSubject, rosterSubject, subjectPrefix, worldSubject
} from '../../src/bus/subjects.ts'
import { startRelayWorld } from '../support/relay-world.ts'
import type { RelayWorld } from '../support/relay-world.ts'
import { missingTools } from '../support/tools.ts'
import { until } from './operator-rig.ts'

const skip = missingTools('nats-server')
const prefix = subjectPrefix('any', 'uid-of-ring')
const crossing = [
  worldSubject, globalmasterSubject, inboxSubject(prefix, { incarnation: 'n-1', worker: 0 })
]
const staying = [
  'private.x', everybodySubject(prefix), rosterSubject(prefix), `${prefix}.log.0.0.1`
]
const UNTIL_MS = 60_000

t.test('relays', { skip, timeout: 240_000 }, async t => {
  const world = await startRelayWorld([
    { name: 'eu', knows: ['us'], relayServers: 2 },
    { name: 'us', knows: ['eu'] },
    // us and ap hear of each other through eu.
    { name: 'ap', knows: ['eu'] },
    { name: 'thief', knows: ['eu'], password: 'k-of-another-world' }
  ])
  t.teardown(() => world.stop())
  const regions = new Map<string, Region>()
  for (const name of ['eu', 'us', 'ap', 'thief']) {
    regions.set(name, await Region.open(world, name))
  }
  t.teardown(() => Promise.all([...regions.values()].map(region => region.close())))
  const of = (name: string) => regions.get(name)!

  await t.test('what is the mesh\'s is heard in every region, once', async t => {
    const { routes } = await world.monitor('eu', '/routez')
    t.ok(routes.length > 0, 'the servers of one relay are joined')
    for (const from of ['eu', 'us', 'ap']) {
      for (const to of ['eu', 'us', 'ap']) await of(to).untilHears(of(from))
    }
    for (const from of ['eu', 'us', 'ap']) of(from).say(worldSubject, `once-${from}`)
    for (const to of ['eu', 'us', 'ap']) {
      for (const from of ['eu', 'us', 'ap']) await of(to).untilHeard(`once-${from}`)
    }
    // Behind a later message a second copy would have come.
    for (const from of ['eu', 'us', 'ap']) of(from).say(worldSubject, `then-${from}`)
    for (const to of ['eu', 'us', 'ap']) {
      for (const from of ['eu', 'us', 'ap']) {
        await of(to).untilHeard(`then-${from}`)
        t.equal(of(to).heard.filter(text => text === `once-${from}`).length, 1, `${from} ${to}`)
      }
    }
  })

  await t.test('so are the words of globalmasters, and what is sent to a place', async () => {
    for (const subject of crossing) {
      of('us').say(subject, `on ${subject}`)
      await of('ap').untilHeard(`on ${subject}`)
    }
  })

  await t.test('nothing else is', async t => {
    for (const subject of staying) of('us').say(subject, `on ${subject}`)
    of('us').say(worldSubject, 'after the others')
    await of('eu').untilHeard('after the others')
    for (const subject of staying) {
      await of('us').untilHeard(`on ${subject}`)
      t.notOk(of('eu').heard.includes(`on ${subject}`), subject)
    }
  })

  await t.test('each region\'s JetStream is its own', async t => {
    for (const name of ['eu', 'us', 'ap']) {
      const manager = await of(name).connection.jetstreamManager()
      t.equal((await manager.getAccountInfo()).domain, name)
      await manager.streams.add({ name: 'L', subjects: [`ringcast.${name}.log.>`] })
      t.same((await manager.streams.list().next()).map(({ config }) => config.subjects),
        [[`ringcast.${name}.log.>`]])
    }
  })

  await t.test('who does not know the password is not let in', async t => {
    const isRefused = () => /Authorization|authentication/i.test(world.relayLog('thief'))
    await until('it is refused', isRefused, UNTIL_MS)
    const { outbound_gateways: gateways } = await world.monitor('eu', '/gatewayz')
    t.same(Object.keys(gateways).sort(), ['relay-ap', 'relay-us'])
    t.notOk(of('eu').heard.includes('thief'))
  })

  await t.test('a region whose relay is gone is alone, and is back with it', async t => {
    await world.killRelay('us')
    const manager = await of('us').connection.jetstreamManager()
    const { seq } = await of('us').connection.jetstream().publish('ringcast.us.log.1', 'alone')
    t.equal(seq, 1)
    t.ok(await manager.streams.info('L'))
    await of('eu').untilHears(of('ap'))
    await world.startRelay('us')
    for (const [to, from] of [['eu', 'us'], ['us', 'eu'], ['ap', 'us'], ['us', 'ap']] as const) {
      await of(to).untilHears(of(from))
    }
  })
})

t.test('relays of different clusters', { skip, timeout: 240_000 }, async t => {
  // eu and us see each other's objects; ap is told of eu alone, and nobody of ap.
  const world = await startRelayWorld([
    { name: 'eu', knows: ['us'], cluster: 'near' },
    { name: 'us', knows: ['eu'], cluster: 'near' },
    { name: 'ap', knows: ['eu'], cluster: 'far' }
  ])
  t.teardown(() => world.stop())
  const regions: Region[] = []
  t.teardown(() => Promise.all(regions.map(region => region.close())))
  for (const name of ['eu', 'us', 'ap']) regions.push(await Region.open(world, name))
  const hearAll = async () => {
    for (const to of regions) {
      for (const from of regions) await to.untilHears(from)
    }
  }

  await t.test('one that each knows is enough for all to hear each other', hearAll)

  await t.test('a relay that is gone is found again where it advertises', async () => {
    for (const name of ['ap', 'eu']) {
      await world.killRelay(name)
      await world.startRelay(name)
      await hearAll()
    }
  })
})

class Region {
  readonly connection: NatsConnection
  readonly name: string
  readonly heard: string[] = []
  #no = 0

  private constructor (name: string, connection: NatsConnection) {
    this.name = name
    this.connection = connection
    for (const subject of [...crossing, ...staying]) {
      connection.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) this.heard.push(message.string())
        }
      })
    }
  }

  static async open (world: RelayWorld, name: string): Promise<Region> {
    const { servers, user, password } = world.nats(name)
    return new Region(name, await connect({ servers, user, pass: password, timeout: 20_000 }))
  }

  say (subject: string, text: string): void {
    this.connection.publish(subject, text)
  }

  async untilHeard (text: string): Promise<void> {
    await until(`${this.name} hears ${text}`, () => this.heard.includes(text), UNTIL_MS)
  }

  /** Until something that the other one says now is heard: links may be about to be made. */
  async untilHears (other: Region): Promise<void> {
    const probe = `probe-${this.name}-${other.name}-`
    await until(`${this.name} hears ${other.name}`, () => {
      other.say(worldSubject, `${probe}${this.#no++}`)
      return this.heard.some(text => text.startsWith(probe) && this.#isNew(text))
    }, UNTIL_MS)
  }

  readonly #seen = new Set<string>()

  #isNew (text: string): boolean {
    const isNew = !this.#seen.has(text)
    this.#seen.add(text)
    return isNew
  }

  async close (): Promise<void> {
    await this.connection.close()
  }
}
