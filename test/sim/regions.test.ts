/* Several regions that subscribe to each other: what is said in one is heard in all, once. */

import t, { type Test } from 'tap'
import { limits } from '../../src/base/limits.ts'
import { SimClient } from './clients.ts'
import type { Region } from './region.ts'
import { CHANNELS, type Scene, sceneOf, talk } from './scenes.ts'
import type { SimSocket } from './sockets.ts'
import type { Wire } from './wire.ts'

/** Everybody has heard all of it once, and what one client said in its order. */
function heardByAll(
  t: Test, { clients }: Scene, said: ReadonlyMap<string, readonly string[]>
): void {
  for (const client of clients) {
    for (const [channel, texts] of said) {
      const heard = client.heard.get(channel) ?? []
      t.same(heard.toSorted(), texts.toSorted(), `${client.name} on ${channel}`)
      for (const { name } of clients) {
        const of = (all: readonly string[]) => all.filter((text) => text.startsWith(`${name}.`))
        t.same(of(heard), of(texts), `${client.name} heard ${name} in order on ${channel}`)
      }
    }
    t.equal(client.lossCount, 0, `${client.name} was told of no loss`)
  }
}

t.test('[W6] two regions hear each other', async (t) => {
  const scene = sceneOf('two regions', ['eu', 'us'])
  const said = talk(scene, 4_000)
  scene.abroad.world.run(3_000)
  heardByAll(t, scene, said)
})

t.test('[W6] three regions, the cables of one are cut, and one way of another', async (t) => {
  const scene = sceneOf('three regions', ['eu', 'us', 'ap'])
  const { abroad, regions: [eu, us, ap] } = scene
  const said = talk(scene, 2_000)
  const more = (forMs: number): void => {
    for (const [channel, texts] of talk(scene, forMs)) said.get(channel)!.push(...texts)
  }
  abroad.cut(eu!, us!)
  abroad.cut(us!, ap!, true)
  more(10_000)
  abroad.heal()
  more(2_000)
  abroad.world.run(20_000)
  heardByAll(t, scene, said)
})

t.test('[W6] one way is cut for long: nothing is kept for who does not confirm', async (t) => {
  const scene = sceneOf('one way', ['eu', 'us'])
  const { abroad, regions: [eu, us] } = scene
  const said = talk(scene, 2_000)
  const more = (forMs: number): void => {
    for (const [channel, texts] of talk(scene, forMs)) said.get(channel)!.push(...texts)
  }
  const unconfirmed = (): number => Math.max(...[eu!, us!].flatMap(({ running }) =>
    running.flatMap(({ life }) => life!.threads.map((thread) =>
      thread!.worker.counts().unconfirmedBytes))))
  abroad.cut(eu!, us!, true)
  more(limits.relaySilentMs - 10_000)
  const most = unconfirmed()
  more(20_000)
  for (let count = 0; count < 5; count++) {
    more(5_000)
    t.ok(unconfirmed() < most / 50, `${unconfirmed()} of ${most} bytes`)
  }
  abroad.heal()
  more(2_000)
  abroad.world.run(20_000)
  heardByAll(t, scene, said)
})

t.test('[W6] masters die on both sides', async (t) => {
  const scene = sceneOf('deaths', ['eu', 'us'])
  const { abroad, regions } = scene
  const said = talk(scene, 2_000)
  const more = (forMs: number): void => {
    for (const [channel, texts] of talk(scene, forMs)) said.get(channel)!.push(...texts)
  }
  for (const region of regions) {
    region.crash(region.running[0]!, 1_000, 3_000)
    more(6_000)
  }
  abroad.world.run(20_000)
  heardByAll(t, scene, said)
})

/** The clientIds that a client was shown as present. */
function seenBy(client: SimClient, channel: string): string[] {
  const members = client.members.map(channel)?.members ?? []
  return members.map(({ clientId }) => clientId!).toSorted()
}

/** Everybody sees the same members everywhere, and these are they. */
function presentForAll(
  t: Test, { clients }: Scene, channel: string, present: readonly string[]
): void {
  for (const client of clients) {
    t.same(seenBy(client, channel), present.toSorted(), `as ${client.name} sees it`)
  }
}

t.test('[W7] who is present in one region is present in all, and leaves in all', async (t) => {
  const scene = sceneOf('members', ['eu', 'us', 'ap'])
  const { abroad, clients } = scene
  const [eu, , us, , ap] = clients
  eu!.members.enter('a', ['anna', 'bert'])
  us!.members.enter('a', ['carl'])
  abroad.world.run(2_000)
  presentForAll(t, scene, 'a', ['anna', 'bert', 'carl'])
  ap!.members.enter('a', ['dora'])
  eu!.members.leave('a', ['bert'])
  abroad.world.run(2_000)
  presentForAll(t, scene, 'a', ['anna', 'carl', 'dora'])
  t.test('also where a master dies, and where the cable is cut for a while', async (t) => {
    const { regions: [first, second] } = scene
    abroad.cut(first!, second!)
    us!.members.enter('a', ['emil'])
    us!.members.leave('a', ['carl'])
    first!.crash(first!.running[0]!, 1_000, 3_000)
    second!.crash(second!.running[1]!, 1_000, 3_000)
    abroad.world.run(8_000)
    abroad.heal()
    abroad.world.run(20_000)
    presentForAll(t, scene, 'a', ['anna', 'dora', 'emil'])
  })
})

t.test('[W7] members of a lost region leave after a time, and return with it', async (t) => {
  const scene = sceneOf('lost', ['eu', 'us'])
  const { abroad, regions: [eu, us], clients: [inEu, , inUs] } = scene
  inEu!.members.enter('a', ['anna'])
  inUs!.members.enter('a', ['bert'])
  abroad.world.run(2_000)
  abroad.cut(eu!, us!)
  abroad.lose(eu!, us!)
  abroad.world.run(10_000)
  presentForAll(t, scene, 'a', ['anna', 'bert'])
  abroad.world.run(70_000)
  t.same(seenBy(inEu!, 'a'), ['anna'])
  t.same(seenBy(inUs!, 'a'), ['bert'])
  abroad.heal()
  abroad.world.run(10_000)
  presentForAll(t, scene, 'a', ['anna', 'bert'])
})

/** A client that is told how many are attached to a channel. */
class Counter extends SimClient {
  connections = 0

  constructor(region: Region) {
    super(region, {
      name: `counter in ${region.name}`, format: 'json', echo: true, hasOwnIds: false,
      clientId: undefined, modes: undefined, params: { occupancy: 'metrics' }, hasTokens: false,
      chatter: undefined, isComet: false
    })
  }

  override onSocketMessage(socket: SimSocket, message: Wire | undefined): void {
    for (const { name, data } of message?.messages ?? []) {
      if (name !== '[meta]occupancy') continue
      this.connections = JSON.parse(data as string).metrics.connections
    }
    super.onSocketMessage(socket, message)
  }
}

t.test('[W16] occupancy is that of all regions, as far as they are heard', async (t) => {
  const { abroad, clients: [first, , other], regions } = sceneOf('occupancy', ['eu', 'us'])
  const [eu, us] = regions
  const counters = regions.map((region) => new Counter(region))
  for (const counter of counters) {
    counter.connect()
    counter.attach('a')
  }
  const told = (forMs: number): number[] => {
    abroad.world.run(forMs)
    return counters.map(({ connections }) => connections)
  }
  t.same(told(8_000), [6, 6])
  first!.detach('a')
  t.same(told(8_000), [5, 5])
  abroad.cut(eu!, us!)
  abroad.lose(eu!, us!)
  t.same(told(8_000), [2, 3], 'each its own')
  other!.detach('a')
  t.same(told(8_000), [2, 2])
  abroad.heal()
  t.same(told(20_000), [4, 4])
  for (const counter of counters) counter.detach('a')
  abroad.world.run(8_000)
  const before = abroad.frames
  for (let no = 0; no < 20; no++) {
    if (no % 2 === 0) first!.attach('a')
    else first!.detach('a')
    abroad.world.run(2_000)
  }
  t.ok(abroad.frames - before < 20, 'where nobody wants to know it, it does not cross')
})

t.test('[W8] a client that moves to another region goes on there', async (t) => {
  const scene = sceneOf('moves', ['eu', 'us', 'ap'])
  const { abroad, clients: [mover], regions: [, us, ap] } = scene
  const said = talk(scene, 2_000)
  for (const [region, isSlow] of [[us, false], [ap, true], [us, true]] as const) {
    if (isSlow) abroad.delayMs = 300
    mover!.moveTo(region!)
    for (const [channel, texts] of talk(scene, 4_000)) said.get(channel)!.push(...texts)
  }
  abroad.world.run(5_000)
  heardByAll(t, scene, said)
})

/** How many sockets a region's workers have. */
function connectionsOf(region: Region): number {
  const threads = region.running.flatMap(({ life }) => life?.threads ?? [])
  return threads.reduce((sum, thread) => sum + (thread?.worker.counts().connections ?? 0), 0)
}

t.test('[W10] a region that drains: its clients go elsewhere, and nothing is lost or said twice',
  async (t) => {
    for (const [seed, deaths] of [['drained', 0], ['drained by death', 1]] as const) {
      const scene = sceneOf(seed, ['eu', 'us'])
      const { abroad, clients, regions: [eu, us] } = scene
      const movers = clients.slice(0, 2)
      const said = talk(scene, 1_000)
      abroad.drain(eu!, 0.1)
      if (deaths > 0) eu!.crash(eu!.running[0]!, 1_000, 3_000)
      while (connectionsOf(eu!) > 0) {
        for (const [channel, texts] of talk(scene, 200)) said.get(channel)!.push(...texts)
        // What an SDK does that knows of another region.
        for (const mover of movers) if (mover.state !== 'connected') mover.moveTo(us!)
      }
      for (const [channel, texts] of talk(scene, 1_000)) said.get(channel)!.push(...texts)
      abroad.world.run(20_000)
      t.equal(connectionsOf(us!), clients.length, 'they are all there')
      heardByAll(t, scene, said)
      abroad.drain(eu!, undefined)
      movers[0]!.moveTo(eu!)
      abroad.world.run(3_000)
      t.equal(connectionsOf(eu!), 1, 'it takes clients again')
    }
  })

t.test('[W8] also where all used the channel there have left, or none had come', async (t) => {
  const scene = sceneOf('last one', ['eu', 'us'])
  const { abroad, clients: [mover, other], regions: [, us] } = scene
  for (const client of [mover!, other!]) client.attach('quiet')
  abroad.world.run(3_000)
  other!.publish('quiet')
  abroad.world.run(1_000)
  mover!.stayAway(20_000)
  abroad.world.run(1_000)
  other!.publish('quiet')
  abroad.world.run(1_000)
  other!.detach('quiet')
  mover!.moveTo(us!)
  abroad.world.run(60_000)
  t.equal(mover!.heard.get('quiet')?.length, 2)
  t.equal(mover!.lossCount, 0)
})

t.test('[W9] who comes from a region that cannot be reached is told so', async (t) => {
  const scene = sceneOf('unreachable', ['eu', 'us'])
  const { abroad, clients: [mover], regions: [eu, us] } = scene
  talk(scene, 1_000)
  abroad.cut(eu!, us!)
  mover!.moveTo(us!)
  abroad.world.run(10_000)
  t.ok(mover!.lossCount > 0)
  t.equal(mover!.channels.get('a')?.state, 'attached')
})

t.test('who comes from a master that has just died goes on', async (t) => {
  const scene = sceneOf('dead at home', ['eu', 'us'])
  const { abroad, clients: [mover], regions: [eu, us] } = scene
  const said = talk(scene, 1_000)
  mover!.stayAway(2_000)
  for (const [channel, texts] of talk(scene, 1_000)) said.get(channel)!.push(...texts)
  mover!.moveTo(us!)
  abroad.world.run(900)
  for (const node of eu!.running) eu!.crash(node, 500, 2_000)
  abroad.world.run(30_000)
  heardByAll(t, scene, said)
})

t.test('where a region says nothing who comes from there soon does not wait for it', async (t) => {
  const scene = sceneOf('silent', ['eu', 'us'])
  const { abroad, clients: [first, second], regions: [eu, us] } = scene
  talk(scene, 1_000)
  abroad.cut(eu!, us!)
  const waitOf = (mover: SimClient): number => {
    const lossCount = mover.lossCount
    mover.moveTo(us!)
    const beganMs = abroad.world.nowMs
    abroad.world.runUntil(() => mover.lossCount === lossCount + CHANNELS.length, 20_000)
    return abroad.world.nowMs - beganMs
  }
  t.ok(waitOf(first!) >= limits.movingMs)
  t.ok(waitOf(second!) < limits.movingMs)
  abroad.heal()
  const said = talk(scene, 20_000)
  second!.moveTo(eu!)
  abroad.world.run(10_000)
  t.equal(second!.lossCount, CHANNELS.length, 'it is waited for again')
  t.ok(said.get('a')!.every((text) => second!.heard.get('a')!.includes(text)))
})

t.test('nothing crosses the cables for what one region alone uses', async (t) => {
  const scene = sceneOf('alone', ['eu', 'us'])
  const { abroad, clients: [client] } = scene
  client!.attach('mine')
  abroad.world.run(5_000)
  const before = abroad.frames
  for (let count = 0; count < 50; count++) {
    client!.publish('mine')
    abroad.world.run(100)
  }
  t.equal(abroad.frames, before)
  t.equal(client!.heard.get('mine')?.length, 50)
})
