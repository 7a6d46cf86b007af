/**
 * `make bench-regions`: two regions on this machine, each with a NATS and a relay of its own, and
 * between the relays a way that takes a fixed time.
 *
 *   what relays take beyond that way, by the pace of messages, and what a message costs on it
 *   what 100,000 channels cost on it that are made and used in one of the regions alone
 *
 *   node test/bench/regions.ts --short   a small form that checks counts
 */

import { setTimeout as delay } from 'node:timers/promises'
import { missingTools } from '../support/tools.ts'
import { BusySocket } from './busy-socket.ts'
import type { Latencies } from './latencies.ts'
import { RegionPair } from './region-pair.ts'

const ROUND_TRIP_MS = 40
const CHANNELS = 128
const NEAR_CHANNELS = 64
const FIRST_PER_SECOND = 500
const LADDER = 2
/** The aim is of this pace; more is not tried. */
const AIM_PER_SECOND = 10_000
const AIM_MS = 5
const SECONDS = 5
const WARM_SECONDS = 3
const ALONE_CHANNELS = 100_000
const CHANNELS_PER_SOCKET = 200
const SOCKETS_AT_ONCE = 8
const IDLE_MS = 5_000

const missing = missingTools('nats-server')
if (missing !== false) {
  console.log(`skipped: ${missing}`)
  process.exit(0)
}
const pair = await RegionPair.start(ROUND_TRIP_MS)
try {
  if (process.argv.includes('--short')) await short()
  else {
    await relays()
    await alone(ALONE_CHANNELS)
  }
} finally {
  await pair.end()
}
process.exit()

async function relays(): Promise<void> {
  console.log(`Two regions, ${ROUND_TRIP_MS} ms there and back, ${CHANNELS} channels used in both`)
  row('messages/s, both ways', 'own region', 'bare link', 'other region', 'added', 'bytes',
    'CPU µs')
  await pair.connect(CHANNELS, NEAR_CHANNELS)
  await pair.measure(FIRST_PER_SECOND, WARM_SECONDS)
  let reached: { readonly perSecond: number; readonly addedMs: number } | undefined
  for (let perSecond = FIRST_PER_SECOND; ; perSecond = next(perSecond)) {
    const measure = await pair.measure(perSecond, SECONDS)
    const { near, link, far, isSaturated, crossedBytes, heardCount, cpuSeconds } = measure
    const addedMs = far.quantileMs(0.99) - link.quantileMs(0.99)
    const added = `${(far.quantileMs(0.5) - link.quantileMs(0.5)).toFixed(1)} / ` +
      addedMs.toFixed(1)
    row(`${perSecond}${isSaturated ? ', not kept up with' : ''}`, words(near), words(link),
      words(far), added, Math.round(crossedBytes / heardCount),
      Math.round(1e6 * cpuSeconds / heardCount))
    if (isSaturated) break
    reached = { perSecond, addedMs }
    if (perSecond === AIM_PER_SECOND) break
  }
  console.log('  (ms: p50 / p99; a message: bytes on the link, bare ones included, and CPU time ' +
    'of both workers)')
  if (reached === undefined) return
  const verdict = reached.addedMs > AIM_MS ? 'missed'
    : reached.perSecond === AIM_PER_SECOND ? 'met' : 'met as far as this machine goes'
  console.log(`  aim ${verdict}: p99 added to the link: ${reached.addedMs.toFixed(1)} ms at ` +
    `${reached.perSecond}/s (aim ≤ ${AIM_MS} ms at ${AIM_PER_SECOND}/s)`)
}

function next(perSecond: number): number {
  return Math.min(perSecond * LADDER, AIM_PER_SECOND)
}

/** What is used in the first region alone, as the link sees it. */
async function alone(channelCount: number): Promise<void> {
  await pair.disconnect()
  console.log(`\n${channelCount} channels that are used in one region alone`)
  const idle = await crossed(() => delay(IDLE_MS))
  const idlePerMs = idle.bytes / idle.tookMs
  console.log(`  nothing happens: ${Math.round(idlePerMs * 1_000)} bytes a second on the link`)
  const sockets: BusySocket[] = []
  const names = Array.from({ length: channelCount }, (_, no) => `alone-${no}`)
  const made = await crossed(() => inTurns(channelCount / CHANNELS_PER_SOCKET, async (no) => {
    const channels = names.slice(no * CHANNELS_PER_SOCKET, (no + 1) * CHANNELS_PER_SOCKET)
    sockets.push(await BusySocket.attach(pair.first, channels))
  }))
  const used = await crossed(() => inTurns(sockets.length, (no) => sockets[no]!.publish('@sent')))
  for (const [what, { bytes, tookMs }] of [['made', made], ['used', used]] as const) {
    const beyond = Math.max(0, bytes - idlePerMs * tookMs)
    const seconds = (tookMs / 1_000).toFixed(1)
    console.log(`  ${what} in ${seconds} s: ${Math.round(bytes / 1_024)} KiB, ` +
      `${(beyond / channelCount).toFixed(1)} bytes a channel beyond that`)
  }
  console.log(`  messages that have crossed: ${made.count + used.count} (aim 0)`)
  for (const socket of sockets) socket.close()
}

interface Crossed {
  readonly bytes: number
  readonly count: number
  readonly tookMs: number
}

/** What crosses while something is done, and until all of it has arrived. */
async function crossed(work: () => Promise<unknown>): Promise<Crossed> {
  pair.crossing.clear()
  const startMs = performance.now()
  await work()
  await delay(2 * ROUND_TRIP_MS)
  const { bytes, markCount } = pair.crossing
  return { bytes, count: markCount, tookMs: performance.now() - startMs }
}

/** Does it for each number below `count`, some at a time. */
async function inTurns(count: number, work: (no: number) => Promise<void>): Promise<void> {
  let no = 0
  await Promise.all(Array.from({ length: SOCKETS_AT_ONCE }, async () => {
    while (no < count) await work(no++)
  }))
}

async function short(): Promise<void> {
  await pair.connect(4, 2)
  await pair.measure(20, 1)
  const { publishedCount, heardCount, crossedCount } = await pair.measure(100, 2)
  console.log(`heard ${heardCount} of ${publishedCount} in the other region; ` +
    `${crossedCount} crossed`)
  must(heardCount === publishedCount, 'everything is heard in the other region, once')
  must(crossedCount === publishedCount, 'each message crosses once, and none comes back')
  await pair.disconnect()
  const channels = Array.from({ length: CHANNELS_PER_SOCKET }, (_, no) => `alone-${no}`)
  const { count } = await crossed(async () => {
    const socket = await BusySocket.attach(pair.first, channels)
    await socket.publish('@sent')
    socket.close()
  })
  console.log(`${channels.length} messages of channels of one region alone; ${count} crossed`)
  must(count === 0, 'what one region alone uses crosses nothing')
}

function words(latencies: Latencies): string {
  return `${latencies.quantileMs(0.5).toFixed(1)} / ${latencies.quantileMs(0.99).toFixed(1)}`
}

function row(...cells: readonly (string | number)[]): void {
  const [first, ...rest] = cells
  const columns = rest.map((cell) => String(cell).padStart(17)).join('')
  console.log(`  ${String(first).padEnd(28)}${columns}`)
}

function must(isTrue: boolean, what: string): void {
  if (isTrue) return
  console.error(`not so: ${what}`)
  process.exitCode = 1
}
