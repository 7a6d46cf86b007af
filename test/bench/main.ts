/**
 * `make bench` and `make bench-short`: Ringcast beside a bare `ws` server, in one run.
 *
 *   node test/bench/main.ts           prints the figures and whether each aim is met
 *   node test/bench/main.ts --short   a small form that checks counts, which no machine can blur
 */

import { Traffic } from './traffic.ts'
import { fanOut, idleMemory, oneToOne, SERVER_KINDS } from './scenarios.ts'
import type { ServerKind } from './processes.ts'

const BARE: ServerKind = 'bare ws'
const ONE_WORKER: ServerKind = 'ringcast, 1 worker'

if (process.argv.includes('--short')) await short()
else await full()

async function full(): Promise<void> {
  console.log('Fan-out: one channel, 1,000 subscribers, up to saturation')
  const fans = await fanOut({ subscriberCount: 1_000, startPerSecond: 30, seconds: 3 })
  row('', 'offered/s', 'deliveries per CPU-s', 'p50 ms', 'p99 ms')
  for (const kind of SERVER_KINDS) {
    const { atBareLimit, atLimit } = fans.get(kind)!
    for (const [where, m] of [['bare limit', atBareLimit], ['own limit', atLimit]] as const) {
      const rate = Math.round(m.deliveredCount / m.cpuSeconds)
      row(`${kind}, ${where}`, m.offeredPerSecond, rate, m.p50Ms.toFixed(1), m.p99Ms.toFixed(1))
    }
  }
  const bare = fans.get(BARE)!.atLimit
  const ours = fans.get(ONE_WORKER)!
  const rateRatio = (ours.atLimit.deliveredCount / ours.atLimit.cpuSeconds)
    / (bare.deliveredCount / bare.cpuSeconds)
  aim('fan-out deliveries per CPU-second at saturation', rateRatio, 4, '≥')
  aim('p99 at the pace that saturates the bare server', ours.atBareLimit.p99Ms / bare.p99Ms, 0.1,
    '≤')

  console.log('\n1,000 channels, one publisher and one subscriber each')
  const pairs = await oneToOne({ channelCount: 1_000, perSecond: 4_000, seconds: 5 })
  row('', 'offered/s', 'deliveries per CPU-s', 'p50 ms', 'p99 ms')
  for (const kind of SERVER_KINDS) {
    const m = pairs.get(kind)!
    const rate = Math.round(m.deliveredCount / m.cpuSeconds)
    row(kind, m.offeredPerSecond, rate, m.p50Ms.toFixed(1), m.p99Ms.toFixed(1))
  }

  console.log('\nMemory of an idle attached connection, 5,000 of them')
  const memory = await idleMemory({ connectionCount: 5_000, warmCount: 500, channelCount: 100 })
  for (const kind of SERVER_KINDS) row(kind, `${Math.round(memory.get(kind)!)} bytes`)
  aim('memory per idle connection', memory.get(ONE_WORKER)! / memory.get(BARE)!, 1.8, '≤')
}

async function short(): Promise<void> {
  const shape = { channelCount: 1, subscribersPerChannel: 50, mixesFormats: true }
  const traffic = await Traffic.start(ONE_WORKER, shape, [], true)
  try {
    await traffic.measure(20, 1)
    await traffic.server.countAnew()
    const measure = await traffic.measure(200, 2)
    const counts = await traffic.server.counts()
    const sum = (pick: (c: (typeof counts)[number]) => number): number =>
      counts.reduce((total, each) => total + pick(each), 0)
    const publications = sum((c) => c.publications)
    const encodes = sum((c) => c.encodes)
    const writesPerTurn = Math.max(...counts.map((c) => c.writesPerTurnMax))
    console.log(`delivered ${measure.deliveredCount} of ${measure.expectedCount}`)
    console.log(`${encodes} encodes for ${publications} publications in two formats`)
    console.log(`at most ${writesPerTurn} writes to one socket in one turn`)
    must(measure.deliveredCount === measure.expectedCount, 'everything is delivered, once')
    must(publications > 0, 'publications were counted')
    must(encodes === 2 * publications, 'each is encoded once per format')
    must(writesPerTurn === 1, 'a socket is written to at most once per turn')
  } finally {
    await traffic.end()
  }
}

function row(...cells: readonly (string | number)[]): void {
  const [first, ...rest] = cells
  console.log(`  ${String(first).padEnd(32)}${rest.map((c) => String(c).padStart(22)).join('')}`)
}

function aim(what: string, ratio: number, bound: number, sign: '≥' | '≤'): void {
  const isMet = sign === '≥' ? ratio >= bound : ratio <= bound
  const verdict = isMet ? 'met' : 'missed'
  console.log(`  aim ${verdict}: ${what}: ${ratio.toFixed(2)} × bare ws (aim ${sign} ${bound} ×)`)
}

function must(isTrue: boolean, what: string): void {
  if (isTrue) return
  console.error(`not so: ${what}`)
  process.exitCode = 1
}
