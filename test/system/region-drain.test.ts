/*
Two regions of real nodes, one of which sends its clients to the other: SDKs that were told of both
go there, a few at a time, and nothing that was said is missing or told twice. No globalmaster runs.
*/

import type * as Ably from 'ably'
import t, { type Test } from 'tap'
import { ablyClient } from '../support/ably-clients.ts'
import { apiServerTools } from '../support/api-server.ts'
import { missingTools } from '../support/tools.ts'
import { until } from './node-rig.ts'
import { RegionsRig, type RigRegion } from './regions-rig.ts'

const skip = missingTools(...apiServerTools, 'nats-server')
if (skip !== false) console.log(`# ${skip}`)

const ROUND_TRIP_MS = 60
const CLIENT_COUNT = 16
const DRAINED_PER_SECOND = 4
const MOVED_MS = 60_000
const CHANNEL = 'moving'

/** What a region tells applications of where to connect. */
interface Signpost {
  readonly endpoint: string
  readonly port: number
  readonly fallbackHosts: readonly string[]
  readonly regions: readonly { region: string; host: string; isDraining: boolean }[]
}

/** A client that talks and listens on the channel, and is present there. */
interface Talker {
  readonly name: string
  readonly client: Ably.Realtime
  readonly heard: string[]
  readonly said: string[]
  readonly losses: unknown[]
  /** Where it was sent away from, and why. */
  readonly partings: Ably.ErrorInfo[]
}

t.test('a region that drains', { skip, timeout: 240_000 }, async (t) => {
  const rig = await RegionsRig.start(t, ['eu', 'us'], () => ROUND_TRIP_MS)
  const [eu, us] = rig.regions as [RigRegion, RigRegion]
  await t.test('each tells of both', (t) => testSignpost(t, eu, us))
  await t.test('its clients go to the other one, a few at a time, and nothing is missing', (t) =>
    testMoved(t, eu, us))
  await t.test('who comes meanwhile is sent on; who knows no other region waits', (t) =>
    testNewcomers(t, eu))
  await t.test('two cannot drain at once, and it can be undone', (t) => testUndone(t, eu, us))
})

async function signpostOf({ nodes }: RigRegion): Promise<Signpost> {
  const response = await fetch(`${nodes[0]!.url}/.well-known/ringcast/regions`)
  return await response.json() as Signpost
}

async function clientsOf({ nodes }: RigRegion): Promise<{ connections: number; drain: string }> {
  const response = await fetch(`${nodes[0]!.privateUrl}/admin/clients`)
  return await response.json() as { connections: number; drain: string }
}

/** An SDK client with what the region tells, as an application is to use it. */
function clientBy(
  t: Test, { rig }: RigRegion, { endpoint, port, fallbackHosts }: Signpost, clientId: string
): Ably.Realtime {
  return ablyClient(t, `http://${endpoint}:${port}`, rig.key, { fallbackHosts, clientId })
}

async function testSignpost(t: Test, eu: RigRegion, us: RigRegion): Promise<void> {
  for (const [own, other] of [[eu, us], [us, eu]] as const) {
    const [here, there] = [own.nodes[0]!.host, other.nodes[0]!.host]
    const signpost = await until(`${own.name} knows both`, async () => {
      const told = await signpostOf(own)
      return told.regions.length === 2 && told
    })
    const port = Number(new URL(own.nodes[0]!.url).port)
    t.same(signpost, {
      endpoint: here, port, fallbackHosts: [there],
      regions: [
        { region: own.name, host: here, port, isDraining: false },
        { region: other.name, host: there, port, isDraining: false }
      ]
    })
  }
  const page = await fetch(`${eu.nodes[0]!.url}/.well-known/ringcast/regions`, {
    headers: { origin: 'https://app.example' }
  })
  t.equal(page.headers.get('access-control-allow-origin'), 'https://app.example')
}

async function begin(t: Test, region: RigRegion, name: string): Promise<Talker> {
  const client = clientBy(t, region, await signpostOf(region), name)
  const talker: Talker = { name, client, heard: [], said: [], losses: [], partings: [] }
  const channel = client.channels.get(CHANNEL)
  await channel.subscribe(({ data }) => void talker.heard.push(data))
  channel.on(['attached', 'update'], ({ resumed, reason }) => {
    if (!resumed) talker.losses.push(reason?.code ?? 'not resumed')
  })
  client.connection.on('disconnected', ({ reason }) => void talker.partings.push(reason!))
  await channel.presence.enter(`of ${name}`)
  return talker
}

async function say(talkers: readonly Talker[]): Promise<void> {
  await Promise.all(talkers.map(async ({ name, client, said }) => {
    const text = `${name} ${said.length}`
    said.push(text)
    await client.channels.get(CHANNEL).publish('n', text)
  }))
}

async function testMoved(t: Test, eu: RigRegion, us: RigRegion): Promise<void> {
  const watcher = await begin(t, us, 'watcher')
  const names = Array.from({ length: CLIENT_COUNT }, (_, no) => `client-${no}`)
  const movers = await Promise.all(names.map((name) => begin(t, eu, name)))
  const all = [watcher, ...movers]
  // What came before somebody was attached is not for it.
  for (const { heard } of all) heard.length = 0
  await until('eu says that they are there', async () =>
    (await clientsOf(eu)).connections === CLIENT_COUNT)

  await eu.rig.drainRegion(true, DRAINED_PER_SECOND)
  const left: number[] = []
  await until('all have moved', async () => {
    await say(all)
    const { connections } = await clientsOf(eu)
    left.push(connections)
    return connections === 0
  }, MOVED_MS)
  await say(all)
  t.ok(new Set(left).size > 3, `they go by and by: ${left.join(' ')}`)
  await until('they are there', async () => (await clientsOf(us)).connections === all.length)
  for (const { name, partings } of movers) {
    t.same(partings.map(({ code, statusCode }) => [code, statusCode]), [[50005, 503]], name)
  }
  await testWhole(t, all)
  await testPresent(t, all)
}

/**
 * Everybody heard everything once, and was told of no loss. What a client said on either side of
 * its move came by two ways.
 */
async function testWhole(t: Test, all: readonly Talker[]): Promise<void> {
  const saidCount = all.reduce((sum, { said }) => sum + said.length, 0)
  await until('all is heard', () => all.every(({ heard }) => heard.length >= saidCount), MOVED_MS)
  for (const { name, heard, losses } of all) {
    t.equal(heard.length, saidCount, `${name} heard each once`)
    for (const { name: of, said } of all) {
      const from = heard.filter((text) => text.startsWith(`${of} `))
      t.same(from.toSorted(), said.toSorted(), `${name} heard ${of}`)
    }
    t.same(losses, [], `${name} was told of no loss`)
  }
}

/** All are present, each once: as whom they were in the other region they have left. */
async function testPresent(t: Test, all: readonly Talker[]): Promise<void> {
  const names = all.map(({ name }) => name).sort()
  for (const { client } of [all[0]!, all.at(-1)!]) {
    const { presence } = client.channels.get(CHANNEL)
    const present = async (): Promise<string[]> =>
      (await presence.get()).map(({ clientId }) => clientId).sort()
    await until('each is there once', async () =>
      (await present()).join() === names.join(), MOVED_MS)
    t.same((await presence.get()).map(({ data }) => data).sort(),
      names.map((name) => `of ${name}`).sort())
  }
}

async function testNewcomers(t: Test, eu: RigRegion): Promise<void> {
  const { nodes: [node], rig } = eu
  const late = ablyClient(t, node!.url, rig.key, {
    fallbackHosts: (await signpostOf(eu)).regions.map(({ host }) => host)
      .filter((host) => host !== node!.host)
  })
  await until('it is connected', () => late.connection.state === 'connected')
  t.match(await signpostOf(eu), {
    fallbackHosts: [], regions: [{ region: 'eu', isDraining: true }, { isDraining: false }]
  }, 'who asks now is led to the other one at once')
  const alone = rig.client(t, 0)
  const { promise: refused, resolve } = Promise.withResolvers<Ably.ErrorInfo | undefined>()
  alone.connection.once('disconnected', ({ reason }) => resolve(reason))
  t.match(await refused, { code: 50005, statusCode: 503 })
  t.equal((await clientsOf(eu)).connections, 0)
  alone.close()
}

async function testUndone(t: Test, eu: RigRegion, us: RigRegion): Promise<void> {
  await us.rig.drainRegion(true, DRAINED_PER_SECOND)
  for (const region of [eu, us]) {
    await until(`${region.name} serves on`, async () => (await clientsOf(region)).drain === 'alone')
  }
  const waiting = eu.rig.client(t, 0)
  await until('eu takes clients', () => waiting.connection.state === 'connected')
  await eu.rig.drainRegion(false, DRAINED_PER_SECOND)
  await until('us drains', async () => (await clientsOf(us)).drain === 'draining')
  await us.rig.drainRegion(false, DRAINED_PER_SECOND)
  await until('us drains no more', async () => (await clientsOf(us)).drain === 'none')
  const back = us.rig.client(t, 0)
  await until('us takes clients', () => back.connection.state === 'connected')
}
