/*
Three regions of real nodes of which some lose sight of others for longer than masters keep what
was said, so that something is lost. Nobody has to guess: whoever missed something is told so, and
members of a region that is lost leave. Minutes of production are seconds here.
*/

import type * as Ably from 'ably'
import t, { type Test } from 'tap'
import { apiServerTools } from '../support/api-server.ts'
import { PlainSocket } from '../support/plain-socket.ts'
import { missingTools } from '../support/tools.ts'
import { jwtOf } from '../support/tokens.ts'
import { until } from './node-rig.ts'
import { type Given, HEALED_MS, RegionsRig } from './regions-rig.ts'
import { Talk } from './regions-talk.ts'
import { KEY as APP_KEY } from './rig-app.ts'

const skip = missingTools(...apiServerTools, 'nats-server')
if (skip !== false) console.log(`# ${skip}`)

const NAMES = ['eu', 'us', 'ap']
const CHANNELS = ['talk-a', 'talk-b', 'talk-c']
const NEAR_MS = 80
const FAR_MS = 200
const LIMITS: Given = {
  tailMs: 6_000, quietMs: 1_500,
  announceMs: 800, announceChangeMs: 200, announceAskMs: 400, regionSilenceMs: 6_000,
  regionGraceMs: 2_000, relaySilentMs: 3_000, revocationSyncMs: 2_000
}
const [DISCONNECTED, ERROR] = [6, 9]

const everything = { capability: { '*': ['*'] } }
const main = { id: 'app000', secret: 'secretOfTheRig', ...everything }
const revocable = { id: 'rev000', secret: 'ofRevocable', revocableTokens: true, ...everything }
const KEY = `chat00.${revocable.id}:${revocable.secret}`

t.test('regions apart', { skip, timeout: 300_000 }, async (t) => {
  const rig = await RegionsRig.start(t, NAMES, (one, other) =>
    one === 'ap' || other === 'ap' ? FAR_MS : NEAR_MS, LIMITS)
  // One that fails leaves no way cut to those after it.
  t.afterEach(() => rig.nats.heal())
  await t.test('whoever is present anywhere is present everywhere, until its region is lost', (t) =>
    testPresent(t, rig))
  await t.test('[W11] a region that is alone for long: what is lost is told', (t) =>
    testAlone(t, rig))
  await t.test('[W12] a way that is cut one way alone, for long', (t) => testOneWay(t, rig))
  await t.test('[W13] what is revoked in one region is revoked in all', (t) => testRevoked(t, rig))
})

/** A member of each region, and what the others are told of it. */
interface Present {
  readonly region: string
  readonly channel: Ably.RealtimeChannel
  /** `action clientId`, in order. */
  readonly told: string[]
}

async function enterAll(t: Test, rig: RegionsRig): Promise<readonly Present[]> {
  return await Promise.all(NAMES.map(async (region): Promise<Present> => {
    const channel = rig.client(t, region, { clientId: `of ${region}` }).channels.get('room')
    const told: string[] = []
    await channel.presence.subscribe(({ action, clientId }) => void told.push(
      `${action} ${clientId}`))
    await channel.presence.enter()
    return { region, channel, told }
  }))
}

async function untilPresent({ region, channel }: Present, of: readonly string[]): Promise<void> {
  const wanted = of.map((name) => `of ${name}`).sort().join()
  await until(`${wanted} present in ${region}`, async () => {
    const members = await channel.presence.get()
    return members.map(({ clientId }) => clientId).sort().join() === wanted
  }, HEALED_MS)
}

async function testPresent(t: Test, rig: RegionsRig): Promise<void> {
  const all = await enterAll(t, rig)
  for (const present of all) await untilPresent(present, NAMES)
  const [eu, us, ap] = all as [Present, Present, Present]
  rig.nats.cut('eu', 'ap')
  rig.nats.cut('us', 'ap')
  await untilPresent(eu, ['eu', 'us'])
  await untilPresent(us, ['eu', 'us'])
  await untilPresent(ap, ['ap'])
  rig.nats.heal()
  for (const present of all) await untilPresent(present, NAMES)
  const storyOf = ({ told }: Present, region: string): readonly string[] =>
    told.filter((line) => line.endsWith(` of ${region}`)).map((line) => line.split(' ')[0]!)
  for (const [at, of] of [[eu, 'ap'], [us, 'ap'], [ap, 'eu'], [ap, 'us']] as const) {
    const [first = '', ...then] = storyOf(at, of)
    t.match(first, /enter|present/)
    t.same(then, ['leave', 'enter'], `${of} in ${at.region}`)
  }
  for (const [at, of] of [[eu, 'us'], [us, 'eu']] as const) {
    t.equal(storyOf(at, of).length, 1, `nothing became of ${of} in ${at.region}`)
  }
}

/** Everybody talks until nobody that the others miss could tell it any more. */
async function talkUntilForgotten(talk: Talk): Promise<void> {
  await talk.say(20)
  for (const region of NAMES) await talk.untilForgotten(region)
  await talk.say(1)
}

async function testAlone(t: Test, rig: RegionsRig): Promise<void> {
  const talk = await Talk.begin(t, rig, CHANNELS.map((name) => `${name}-alone`))
  const quiet = await Talk.begin(t, rig, ['quiet-alone'])
  for (const each of [talk, quiet]) {
    await each.say(5)
    await each.wholeIn(t)
  }
  rig.nats.cut('eu', 'ap')
  rig.nats.cut('us', 'ap')
  await rig.untilListens('eu', 'ap', false)
  await rig.untilListens('ap', 'eu', false)
  t.same([await missingIn(rig, 'eu'), await missingIn(rig, 'ap')], ['ap', 'eu, us'])
  await talkUntilForgotten(talk)
  rig.nats.heal()
  await rig.untilAcquainted()
  await talk.goesOn()
  for (const [at, of] of [['eu', 'us'], ['us', 'eu']] as const) {
    t.equal(talk.missing(t, at, of), 0, `${at} was never cut off from ${of}`)
  }
  for (const [at, of] of [['eu', 'ap'], ['us', 'ap'], ['ap', 'eu'], ['ap', 'us']] as const) {
    t.ok(talk.missing(t, at, of) > 0, `${at} missed some of ${of}`)
  }
  await quiet.say(1)
  await quiet.wholeIn(t)
}

/** The regions that statistics name as missing, which are read in one. */
async function missingIn({ regions }: RegionsRig, name: string): Promise<string | null> {
  const { nodes: [node] } = regions.find((region) => region.name === name)!
  const authorization = `Basic ${Buffer.from(APP_KEY).toString('base64')}`
  const { headers } = await fetch(`${node!.url}/stats`, { headers: { authorization } })
  return headers.get('x-ringcast-regions-missing')
}

async function testOneWay(t: Test, rig: RegionsRig): Promise<void> {
  const talk = await Talk.begin(t, rig, CHANNELS.map((name) => `${name}-one`))
  await talk.say(5)
  await talk.wholeIn(t)
  rig.nats.cut('us', 'eu', true)
  await rig.untilListens('eu', 'us', false)
  await talkUntilForgotten(talk)
  rig.nats.heal()
  await rig.untilAcquainted()
  await talk.goesOn()
  for (const at of NAMES) {
    for (const of of NAMES) {
      const count = talk.missing(t, at, of)
      const isHurt = at !== 'ap' && of !== 'ap' && at !== of
      if (!isHurt) t.equal(count, 0, `${at} was never cut off from ${of}`)
    }
  }
  t.ok(talk.missing(t, 'eu', 'us') > 0, 'something was lost')
}

async function testRevoked(t: Test, rig: RegionsRig): Promise<void> {
  for (const { rig: region } of rig.regions) await region.giveKeys([main, revocable])
  await untilKeyIsGood(t, rig)
  const beside = await holdersOf(t, rig, 'bob')
  const near = await holdersOf(t, rig, 'ann')
  await revoke(rig, 'us', 'clientId:ann')
  for (const holder of near) await untilRevoked(t, holder)
  const far = await holdersOf(t, rig, 'joe')
  rig.nats.cut('eu', 'ap')
  rig.nats.cut('us', 'ap')
  await rig.untilListens('ap', 'us', false)
  await revoke(rig, 'us', 'clientId:joe')
  for (const holder of far.slice(0, 2)) await untilRevoked(t, holder)
  t.notOk(far[2]!.isEnded, 'where nobody knows, it goes on')
  rig.nats.heal()
  await untilRevoked(t, far[2]!)
  for (const holder of beside) t.notOk(holder.isEnded, 'of nobody else')
  const ap = PlainSocket.open(t, urlOf(rig, 'ap'), {
    params: { access_token: jwtOf(KEY, { clientId: 'joe', ageS: 60 }) }
  })
  t.match(await ap.next(() => true), { action: ERROR, error: { code: 40141 } })
}

function urlOf(rig: RegionsRig, name: string): string {
  return rig.regions.find((region) => region.name === name)!.nodes[0]!.url
}

async function untilKeyIsGood(t: Test, rig: RegionsRig): Promise<void> {
  for (const name of NAMES) {
    await until(`the key is good in ${name}`, async () => {
      const socket = PlainSocket.open(t, urlOf(rig, name), { params: { key: KEY } })
      const { error } = await socket.next(() => true)
      socket.cut()
      return error === undefined
    })
  }
}

/** A socket in each region with one token. */
async function holdersOf(
  t: Test, rig: RegionsRig, clientId: string
): Promise<readonly PlainSocket[]> {
  const params = { access_token: jwtOf(KEY, { clientId, ageS: 1 }) }
  return await Promise.all(NAMES.map((name) =>
    PlainSocket.connected(t, urlOf(rig, name), { params })))
}

async function untilRevoked(t: Test, holder: PlainSocket): Promise<void> {
  const told = await holder.next(({ action }) => action === DISCONNECTED, HEALED_MS)
  t.equal(told.error?.code, 40141)
}

async function revoke(rig: RegionsRig, name: string, target: string): Promise<void> {
  const [keyName] = KEY.split(':')
  const answer = await fetch(`${urlOf(rig, name)}/keys/${keyName}/revokeTokens`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(KEY).toString('base64')}`,
      'content-type': 'application/json'
    },
    body: JSON.stringify({ targets: [target] })
  })
  if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`)
}
