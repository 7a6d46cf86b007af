/*
History, statistics and who is present in two regions of real nodes, read through the published SDK
in either, also while the way between them is cut; and publishes that are acknowledged once both
have them.
*/

import type * as Ably from 'ably'
import t, { type Test } from 'tap'
import { apiServerTools } from '../support/api-server.ts'
import { missingTools } from '../support/tools.ts'
import { until } from './node-rig.ts'
import { HEALED_MS, RegionsRig } from './regions-rig.ts'
import { Talk } from './regions-talk.ts'

const skip = missingTools(...apiServerTools, 'nats-server')
if (skip !== false) console.log(`# ${skip}`)

const NAMES = ['eu', 'us']
const CHANNELS = ['talk', 'kept:talk']
const WAY_MS = 80
const SAID = 12
const HEADER = 'x-ringcast-regions-missing'

t.test('history of regions', { skip, timeout: 300_000 }, async (t) => {
  const rig = await RegionsRig.start(t, NAMES, () => WAY_MS)
  // One that fails leaves no way cut to those after it.
  t.afterEach(() => rig.nats.heal())
  const talk = await Talk.begin(t, rig, CHANNELS)
  await talk.say(SAID)
  await talk.wholeIn(t)
  await t.test('is the same everywhere, in either direction', (t) => testAlike(t, rig))
  await t.test('until an attachment is what that was not told', (t) => testUntil(t, rig, talk))
  await t.test('while the way is cut names who is missing', (t) => testCut(t, rig, talk))
  await t.test('statistics are added', (t) => testStats(t, rig))
  await t.test('who is present in one is read in both', (t) => testPresence(t, rig))
  await t.test('what is acknowledged globally is in two regions', (t) => testGlobal(t, rig))
})

/** All pages, by the SDK's own links. */
async function readAll(
  channel: Ably.RealtimeChannel, params: Ably.RealtimeHistoryParams
): Promise<Ably.InboundMessage[]> {
  const items: Ably.InboundMessage[] = []
  let page: Ably.PaginatedResult<Ably.InboundMessage> | null = await channel.history(params)
  while (page !== null) {
    items.push(...page.items)
    page = await page.next()
  }
  return items
}

async function testAlike(t: Test, rig: RegionsRig): Promise<void> {
  for (const name of CHANNELS) {
    const reads = await Promise.all(NAMES.map(async (region) => {
      const channel = rig.client(t, region).channels.get(name)
      const forwards = await readAll(channel, { direction: 'forwards', limit: 7 })
      const backwards = await readAll(channel, { limit: 10 })
      t.same(backwards.map(({ id }) => id).reverse(), forwards.map(({ id }) => id), region)
      const serials = forwards.map(({ serial }) => serial)
      t.same(serials, serials.toSorted(), 'in the order of serials')
      return forwards.map(({ id, serial, data, timestamp }) => [id, serial, data, timestamp])
    }))
    t.equal(reads[0]!.length, NAMES.length * SAID)
    t.same(reads[1], reads[0], `${name} is the same everywhere`)
  }
}

async function testUntil(t: Test, rig: RegionsRig, talk: Talk): Promise<void> {
  for (const name of CHANNELS) {
    const channel = rig.client(t, 'us').channels.get(name)
    const heard: (string | undefined)[] = []
    const saying = talk.say(SAID)
    await channel.subscribe(({ id }) => void heard.push(id))
    await saying
    await talk.wholeIn(t)
    const all = await readAll(channel, { limit: 50 })
    const before = await readAll(channel, { limit: 10, untilAttach: true })
    await until('all is heard', () => before.length + heard.length === all.length)
    t.same([...before.map(({ id }) => id), ...heard].toSorted(), all.map(({ id }) => id).toSorted(),
      `${name}: what was not told, and nothing else`)
    channel.unsubscribe()
    await channel.detach()
  }
}

async function testCut(t: Test, rig: RegionsRig, talk: Talk): Promise<void> {
  const ask = async (region: string, path: string): Promise<Ably.HttpPaginatedResponse> =>
    await rig.client(t, region).request('GET', path, 5, { limit: '1000' })
  const path = `/channels/${encodeURIComponent('kept:talk')}/messages`
  const whole = await ask('eu', path)
  t.equal(headerOf(whole, HEADER), undefined)
  rig.nats.cut('eu', 'us')
  const [eu, us] = [await ask('eu', path), await ask('us', path)]
  t.same([headerOf(eu, HEADER), headerOf(us, HEADER)], ['us', 'eu'])
  t.equal(eu.items.length + us.items.length, whole.items.length, 'each has told its own')
  t.equal(headerOf(await ask('eu', '/stats'), HEADER), 'us')
  rig.nats.heal()
  await talk.wholeIn(t)
  await until('both are told again', async () => {
    const again = await ask('eu', path)
    return headerOf(again, HEADER) === undefined && again.items.length === whole.items.length
  }, 60_000)
}

function headerOf({ headers }: Ably.HttpPaginatedResponse, name: string): string | undefined {
  const all = headers as Record<string, string> | { get(name: string): string | null }
  return (typeof all['get'] === 'function' ? all.get(name) : (all as Record<string, string>)[name])
    ?? undefined
}

async function testStats(t: Test, rig: RegionsRig): Promise<void> {
  const countIn = async (region: string): Promise<number> => {
    const { items } = await rig.client(t, region).stats({ unit: 'month', limit: 1 })
    return items[0]?.entries['messages.inbound.realtime.messages.count'] ?? 0
  }
  const saidCount = NAMES.length * CHANNELS.length * SAID * 3
  for (const region of NAMES) {
    await until(`all is counted, as ${region} tells it`, async () =>
      await countIn(region) === saidCount, 60_000)
  }
  t.equal(await countIn('eu'), saidCount)
}

/** Of a channel that is used in one region alone. */
async function testPresence(t: Test, rig: RegionsRig): Promise<void> {
  const there = rig.client(t, 'eu')
  const room = there.channels.get('room')
  for (const name of ['anna', 'ben', 'carl']) await room.presence.enterClient(name)
  const here = rig.client(t, 'us')
  const ask = async (path: string, params = {}): Promise<Ably.HttpPaginatedResponse> =>
    await here.request('GET', path, 5, params)
  const first = await ask('/channels/room/presence', { limit: '1' })
  t.equal(headerOf(first, HEADER), undefined)
  const names: string[] = []
  let page: Ably.PaginatedResult<{ clientId: string }> | null = first
  for (; page !== null; page = await page.next()) {
    names.push(...page.items.map(({ clientId }) => clientId))
  }
  t.same(names.toSorted(), ['anna', 'ben', 'carl'])
  const { items: [details] } = await ask('/channels/room')
  t.match(details, { status: {
    isActive: true, occupancy: { metrics: { connections: 1, presenceMembers: 3 } }
  } })
  const { items } = await ask('/channels', { prefix: 'ro' })
  t.same(items, ['room'])
  rig.nats.cut('eu', 'us')
  const alone = await ask('/channels/room/presence')
  t.same([alone.items, headerOf(alone, HEADER)], [[], 'eu'])
  rig.nats.heal()
  await until('all are read again', async () => {
    const again = await ask('/channels/room/presence')
    return headerOf(again, HEADER) === undefined && again.items.length === names.length
  }, 60_000)
}

async function testGlobal(t: Test, rig: RegionsRig): Promise<void> {
  const channel = rig.client(t, 'eu').channels.get('everywhere:talk')
  const heard: string[] = []
  await channel.subscribe(({ data }) => void heard.push(data))
  await channel.publish('n', 'in both')
  t.same(heard, ['in both'], 'acknowledged, though nobody uses the channel elsewhere')
  rig.nats.cut('eu', 'us')
  await t.rejects(channel.publish('n', 'in one'), { code: 50003 })
  t.equal(heard.at(-1), 'in one', 'it is told all the same')
  rig.nats.heal()
  await until('a publish is acknowledged again', async () => {
    return await channel.publish('n', 'in both again').then(() => true, () => false)
  }, HEALED_MS)
}
