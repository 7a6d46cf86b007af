/**
 * `make bench-presence`: a large presence set on a region of three nodes.
 *
 *   node test/bench/presence.ts [--members 10000] [--subscribers 20] [--watchers 100] \
 *     [--per-second 1000] [--seconds 5]
 *
 * First, members enter at one node, and subscribers come at another one after the other: how many
 * bytes each is told, and after how long it knows everybody. The same while others enter, so that
 * no two are told the same. Then watchers at two nodes hear of enters at the pace; the latencies
 * of the first second, in which code warms up, do not count. The counts are checked; the figures
 * are printed.
 */

import { parseArgs } from 'node:util'
import { Latencies } from './latencies.ts'
import { type Meeting, PresentClient, type Synced } from './present-client.ts'
import { readBuffer } from './raw-socket.ts'
import { pause, RegionProcess } from './region-process.ts'

const PER_FRAME = 500
const MEMBERS_MAX = 15_000
const WATCHERS_MAX = 500
const SUBSCRIBERS_MAX = 200
const SECONDS_MAX = 15
const SPEAKERS = 20
const CHURN_EVERY_MS = 5
const SETTLE_MS = 10_000
const WARM_MS = 1_000

const { values } = parseArgs({
  options: {
    members: { type: 'string', default: '10000' },
    subscribers: { type: 'string', default: '20' },
    watchers: { type: 'string', default: '100' },
    'per-second': { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '5' }
  }
})
const memberCount = Math.min(MEMBERS_MAX, Number(values.members))
const subscriberCount = Math.min(SUBSCRIBERS_MAX, Number(values.subscribers))
const watcherCount = Math.min(WATCHERS_MAX, Number(values.watchers))
const perSecond = Number(values['per-second'])
const seconds = Math.min(SECONDS_MAX, Number(values.seconds))

const region = await RegionProcess.start()
const { ports } = region
const key = await roomyKey()
const buffer = readBuffer()
const clients: PresentClient[] = []
try {
  await syncs()
  await enters()
} finally {
  for (const client of clients) client.close()
  region.end()
}

/** The key of an app that lets many be present. */
async function roomyKey(): Promise<string> {
  const made = await fetch(`http://127.0.0.1:${ports[0]}/apps`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ keys: [{}], limits: { presence: { maxMembers: 20_000 } } })
  })
  const { keys } = (await made.json()) as { keys: { keyStr: string }[] }
  return keys[0]!.keyStr
}

async function joined(node: number, channel: string): Promise<PresentClient> {
  const meeting: Meeting = { port: ports[node]!, key, channel, buffer }
  const client = await PresentClient.connected(meeting)
  clients.push(client)
  return client
}

async function syncs(): Promise<void> {
  const speaker = await joined(0, 'large')
  await speaker.speaks()
  for (let from = 0; from < memberCount; from += PER_FRAME) {
    const count = Math.min(PER_FRAME, memberCount - from)
    await speaker.enter(Array.from({ length: count }, (_, no) => `member-${from + no}`))
  }
  console.log(`SYNC of ${memberCount} members to ${subscriberCount} who come one by one`)
  const { region: before } = await region.cpuTime()
  const still = await subscribed()
  tellSyncs('nobody moves', still, (await region.cpuTime()).region - before)
  must(still.every((each) => each.memberCount === memberCount), 'each is told of all, once')
  let enterCount = 0
  const churn = setInterval(() => speaker.say([`mover-${enterCount++}`]), CHURN_EVERY_MS)
  const { region: cpuBefore } = await region.cpuTime()
  const moving = await subscribed()
  clearInterval(churn)
  const cpuAfter = (await region.cpuTime()).region
  tellSyncs(`${1_000 / CHURN_EVERY_MS} enters a second`, moving, cpuAfter - cpuBefore)
  must(moving.every((each) => each.memberCount >= memberCount), 'each is told of all, moving')
}

async function subscribed(): Promise<Synced[]> {
  const all: Synced[] = []
  for (let no = 0; no < subscriberCount; no++) {
    const client = await joined(2, 'large')
    all.push(await client.watches())
    client.close()
  }
  return all
}

function tellSyncs(what: string, all: readonly Synced[], cpu: number): void {
  const latencies = new Latencies()
  for (const { wholeMs } of all) latencies.add(wholeMs * 1_000)
  const bytes = Math.round(all.reduce((sum, each) => sum + each.bytes, 0) / all.length)
  console.log(`  ${what}: ${bytes} bytes each, whole after p50 ${ms(latencies, 0.5)} ms, ` +
    `p99 ${ms(latencies, 0.99)} ms, first ${all[0]!.wholeMs.toFixed(1)} ms; ` +
    `${(1_000 * cpu / all.length).toFixed(1)} ms of CPU each`)
}

async function enters(): Promise<void> {
  const sentAtMs = new Map<string, number>()
  const latencies = new Latencies()
  let [heardCount, countsFromMs] = [0, Infinity]
  const onEnter = (clientId: string): void => {
    heardCount++
    const saidAtMs = sentAtMs.get(clientId)!
    if (saidAtMs < countsFromMs) return
    latencies.add((performance.now() - saidAtMs) * 1_000)
  }
  const speakers = await gathered(onEnter)
  const wanted = Math.min(MEMBERS_MAX, perSecond * seconds)
  const [cpuBefore, beganAtMs] = [await region.cpuTime(), performance.now()]
  countsFromMs = beganAtMs + WARM_MS
  for (let said = 0; said < wanted;) {
    const due = Math.min(wanted, ((performance.now() - beganAtMs) / 1_000) * perSecond)
    for (; said < due; said++) {
      sentAtMs.set(`guest-${said}`, performance.now())
      speakers[said % SPEAKERS]!.say([`guest-${said}`])
    }
    await pause(1)
  }
  const untilMs = performance.now() + SETTLE_MS
  while (heardCount < wanted * watcherCount && performance.now() < untilMs) await pause(10)
  const took = (performance.now() - beganAtMs) / 1_000
  console.log(`${wanted} enters, ${perSecond} a second, heard by ${watcherCount} at two nodes`)
  console.log(`  heard after p50 ${ms(latencies, 0.5)} ms, p99 ${ms(latencies, 0.99)} ms; ` +
    `${Math.round(heardCount / took)} events a second`)
  console.log(`  ${await region.cpuSince(cpuBefore)}, in ${took.toFixed(2)} s`)
  must(heardCount === wanted * watcherCount, 'each enter is heard once by each')
}

/** The watchers of the busy channel, who call `onEnter`; returns those who are to enter others. */
async function gathered(onEnter: (clientId: string) => void): Promise<PresentClient[]> {
  for (let no = 0; no < watcherCount; no++) {
    const watcher = await joined(1 + no % 2, 'busy')
    await watcher.watches()
    watcher.onEnter = onEnter
  }
  const speakers: PresentClient[] = []
  for (let no = 0; no < SPEAKERS; no++) {
    const speaker = await joined(0, 'busy')
    await speaker.speaks()
    speakers.push(speaker)
  }
  return speakers
}

function ms(of: Latencies, share: number): string {
  return of.quantileMs(share).toFixed(1)
}

function must(isTrue: boolean, what: string): void {
  if (isTrue) return
  console.error(`not so: ${what}`)
  process.exitCode = 1
}
