/*
Three regions of real nodes that subscribe to each other, over ways that are slow, and are cut and
mended within the time for which masters keep what was said; and their globalmasters.
*/

import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { NatsMesh } from '../../src/bus/nats.ts'
import { relayWordsSubject } from '../../src/bus/subjects.ts'
import { decodeRelayWords } from '../../src/region/globalmaster-codec.ts'
import type { RelayWordsOfNode } from '../../src/region/globalmaster-message.ts'
import { apiServerTools } from '../support/api-server.ts'
import { missingTools } from '../support/tools.ts'
import { peerIn, untilPeer } from './globalmaster-process.ts'
import { until } from './node-rig.ts'
import { placeOf, RegionsGlobalmasters } from './regions-globalmasters.ts'
import { RegionsRig } from './regions-rig.ts'
import { Talk } from './regions-talk.ts'

const skip = missingTools(...apiServerTools, 'nats-server')
if (skip !== false) console.log(`# ${skip}`)

const NAMES = ['eu', 'us', 'ap']
const CHANNELS = ['talk-a', 'talk-b', 'talk-c']
const NEAR_MS = 80
const FAR_MS = 200
/** How often something is said while something else goes on. */
const SAID_MS = 200

t.test('regions', { skip, timeout: 300_000 }, async (t) => {
  const rig = await RegionsRig.start(t, NAMES, (one, other) =>
    one === 'ap' || other === 'ap' ? FAR_MS : NEAR_MS)
  const masters = await RegionsGlobalmasters.start(t, rig)
  // One that fails leaves no way cut to those after it.
  t.afterEach(() => rig.nats.heal())
  await t.test('what is said in one region is heard in all, once, in order', (t) =>
    testHeard(t, rig))
  await t.test('what one region alone uses crosses nothing', (t) => testAlone(t, rig))
  await t.test('a way that is cut, and mended: nothing is missing', (t) => testCut(t, rig))
  await t.test('a way that is cut one way alone', (t) => testOneWay(t, rig))
  await t.test('a region whose node dies, and comes again as a new incarnation', (t) =>
    testRestarted(t, rig))
  await t.test('a way on which everything is lost without a word', (t) => testSwallowed(t, rig))
  await t.test('globalmasters tell how the ways are, and which one works one way alone', (t) =>
    testTold(t, rig, masters))
  await t.test('nodes tell their globalmasters how their relays are', (t) => testWords(t, rig))
  await t.test('a region that goes to another world is on no roster, until it comes again', (t) =>
    testRoster(t, rig, masters))
  await t.test('a second node takes over half of a region while all talk', (t) =>
    testJoined(t, rig))
})

async function testHeard(t: Test, rig: RegionsRig): Promise<void> {
  const talk = await Talk.begin(t, rig, CHANNELS)
  await talk.say(20)
  await talk.wholeIn(t)
  await talk.say(1, ['us'])
  await talk.wholeIn(t)
}

async function testAlone(t: Test, rig: RegionsRig): Promise<void> {
  let [aloneCount, sharedCount] = [0, 0]
  rig.nats.watch((bytes) => {
    if (bytes.includes('said alone')) aloneCount++
    if (bytes.includes('said to all')) sharedCount++
  })
  t.teardown(() => rig.nats.watch(() => undefined))
  const [eu, us] = [rig.client(t, 'eu'), rig.client(t, 'us')]
  const heard: string[] = []
  await eu.channels.get('alone').subscribe(({ data }) => void heard.push(data))
  await us.channels.get('shared').subscribe(({ data }) => void heard.push(data))
  for (let no = 0; no < 50; no++) await eu.channels.get('alone').publish('n', 'said alone')
  await eu.channels.get('shared').publish('n', 'said to all')
  await until('both are heard', () => heard.length === 51)
  t.equal(aloneCount, 0)
  t.ok(sharedCount > 0, 'what is used in two crosses')
}

async function testCut(t: Test, rig: RegionsRig): Promise<void> {
  const talk = await Talk.begin(t, rig, CHANNELS.map((name) => `${name}-cut`))
  await talk.say(5)
  await talk.wholeIn(t)
  rig.nats.cut('eu', 'us')
  await talk.say(10)
  await talk.untilHeard(['ap'], NAMES)
  await talk.untilHeard(['eu', 'us'], ['ap'])
  await talk.say(10)
  await talk.untilHeard(['ap'], NAMES)
  t.notOk(talk.hasHeard('eu', 'us') || talk.hasHeard('us', 'eu'), 'each serves its own')
  rig.nats.heal()
  await talk.wholeIn(t)
  await talk.say(5)
  await talk.wholeIn(t)
}

async function testOneWay(t: Test, rig: RegionsRig): Promise<void> {
  const talk = await Talk.begin(t, rig, CHANNELS.map((name) => `${name}-one`))
  await talk.say(5)
  await talk.wholeIn(t)
  rig.nats.cut('us', 'ap', true)
  await talk.say(10)
  await talk.untilHeard(['eu'], NAMES)
  await talk.untilHeard(['us'], NAMES)
  t.notOk(talk.hasHeard('ap', 'us'))
  rig.nats.heal()
  await talk.wholeIn(t)
}

async function testRestarted(t: Test, rig: RegionsRig): Promise<void> {
  const talk = await Talk.begin(t, rig, CHANNELS.map((name) => `${name}-again`))
  await talk.say(5)
  await talk.wholeIn(t)
  const { rig: eu, nodes } = rig.regions[0]!
  await nodes[0]!.process.kill()
  await talk.say(10, ['us', 'ap'])
  await talk.untilHeard(['us', 'ap'])
  nodes[0] = await eu.startReadyNode(0)
  await talk.wholeIn(t)
  await talk.say(5)
  await talk.wholeIn(t)
}

async function testJoined(t: Test, rig: RegionsRig): Promise<void> {
  const names = Array.from({ length: 8 }, (_, no) => `talk-${no}-joined`)
  const talk = await Talk.begin(t, rig, names)
  const { rig: eu, nodes } = rig.regions[0]!
  const before = await eu.view()
  const first = (await nodes[0]!.state()).incarnation
  let isOver = false
  const joined = eu.startReadyNode(1).then(async (node) => {
    nodes.push(node)
    return await eu.untilServing([first, (await node.state()).incarnation])
  }).finally(() => {
    isOver = true
  })
  while (!isOver) {
    await talk.say(1)
    await Promise.race([joined, delay(SAID_MS)])
  }
  const view = await joined
  t.ok(names.some((name) => eu.isMaster(first, name, before!) && !eu.isMaster(first, name, view)),
    'some masters have moved')
  await talk.say(5)
  await talk.wholeIn(t)
}

async function testTold(
  t: Test, rig: RegionsRig, { client }: RegionsGlobalmasters
): Promise<void> {
  const says = (at: string, of: string, type: string, status: string, reason: string) =>
    untilPeer(client, placeOf(at), placeOf(of), type, status, reason)
  const areInTouch = async (): Promise<void> => {
    for (const at of NAMES) {
      for (const of of NAMES) {
        if (of === at) continue
        const region = await says(at, of, 'Synced', 'True', 'InTouch')
        const leastMs = at === 'ap' || of === 'ap' ? FAR_MS : NEAR_MS
        t.ok(peerIn(region, of)!.roundTripMs! >= leastMs, `${at} to ${of} and back`)
      }
    }
  }
  await areInTouch()
  rig.nats.cut('us', 'ap', true)
  await says('us', 'ap', 'Unreachable', 'True', 'HearsUsNot')
  await says('us', 'ap', 'Synced', 'False', 'Unreachable')
  await says('ap', 'us', 'Synced', 'Unknown', 'GlobalmasterSilent')
  await says('eu', 'us', 'Synced', 'True', 'InTouch')
  await says('eu', 'ap', 'Synced', 'True', 'InTouch')
  rig.nats.heal()
  await areInTouch()
}

async function testWords(t: Test, rig: RegionsRig): Promise<void> {
  const events = { onUp() {}, onDown() {}, note() {} }
  const options = { servers: [rig.nats.serverOf('eu').url], name: 'ears' }
  const mesh = await NatsMesh.connect(options, events, new AbortController().signal)
  t.teardown(() => mesh.close())
  const told: RelayWordsOfNode[] = []
  mesh.subscribe(relayWordsSubject('ringcast.*.*'), (bytes) => {
    const words = decodeRelayWords(bytes)
    if (words !== undefined) told.push(words)
  })
  await rig.client(t, 'eu').channels.get('words').attach()
  await until('a node tells that it hears both, and is abreast of them', () =>
    told.some(({ relays }) => relays.length === 2 && relays.every((each) =>
      each.heardAgoMs !== undefined && each.channels > 0 && each.behind === 0)), 60_000)
  await until('the first node tells that it is', () =>
    told.some(({ isFirst }) => isFirst === true), 60_000)
}

async function testRoster(
  t: Test, rig: RegionsRig, masters: RegionsGlobalmasters
): Promise<void> {
  const talk = await Talk.begin(t, rig, CHANNELS.map((name) => `${name}-roster`))
  await talk.say(5)
  await talk.wholeIn(t)
  await masters.tell('ap', 'mars')
  for (const name of ['eu', 'us']) {
    await rig.untilListens(name, 'ap', false)
    await rig.untilListens('ap', name, false)
  }
  await untilPeer(masters.client, placeOf('eu'), placeOf('ap'), 'NotParticipating', 'True',
    'OtherWorld')
  await talk.say(5)
  await talk.untilHeard(['eu', 'us'])
  t.notOk(NAMES.some((name) => name !== 'ap' && talk.hasHeard('ap', name)), 'ap hears nobody')
  t.notOk(talk.hasHeard('eu', 'ap') || talk.hasHeard('us', 'ap'), 'nobody hears ap')
  await masters.tell('ap', 'earth')
  await rig.untilAcquainted()
  await talk.wholeIn(t)
}

async function testSwallowed(t: Test, rig: RegionsRig): Promise<void> {
  const talk = await Talk.begin(t, rig, CHANNELS.map((name) => `${name}-lost`))
  await talk.say(5)
  await talk.wholeIn(t)
  rig.nats.swallow('eu', 'ap')
  await talk.say(10)
  await talk.untilHeard(['us'], NAMES)
  t.notOk(talk.hasHeard('eu', 'ap') || talk.hasHeard('ap', 'eu'))
  rig.nats.heal()
  await talk.wholeIn(t)
}
