/**
 * `make chaos` and `make chaos-short`: faults, one after another, on real processes that are
 * published to all the while. Exits non-zero when a promise was broken.
 *
 *   node test/chaos/main.ts [--nodes 3,5] [--faults kill,roll,…] [--seconds 120] [--short]
 *
 * The faults go round until the seconds are over, at least once; in every other round they come
 * in the middle of a surge.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { apiServerTools } from '../support/api-server.ts'
import { missingTools } from '../support/tools.ts'
import { FAULTS } from './faults.ts'
import { Gauge } from './gauge.ts'
import { type Flaw, Ledger } from './ledger.ts'
import { Load } from './load.ts'
import { Region } from './region.ts'
import { printMeasured, printVerdict } from './report.ts'
import type { Scene } from './scene.ts'

const SHORT_FAULTS = ['kill', 'worker', 'term', 'nats-kill']
/** What one fault may take at most, beyond the seconds asked for. */
const OVERTIME_S = 300

/** What must be ended, last first, however the run ends. */
class Teardowns {
  readonly #runs: (() => unknown)[] = []

  teardown(run: () => unknown): void {
    this.#runs.push(run)
  }

  async end(): Promise<void> {
    for (const run of this.#runs.splice(0).toReversed()) {
      try {
        await run()
      } catch (error) {
        console.error(`while ending: ${(error as Error).message}`)
      }
    }
  }
}

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '3,5' },
    faults: { type: 'string', default: Object.keys(FAULTS).join(',') },
    seconds: { type: 'string', default: '120' },
    short: { type: 'boolean', default: false }
  }
})
const seconds = values.short ? 0 : Number(values.seconds)
const nodeCounts = values.short ? [3] : values.nodes.split(',').map(Number)
const names = values.short ? SHORT_FAULTS : values.faults.split(',')

const unknown = names.filter((name) => FAULTS[name] === undefined)
if (unknown.length > 0) fail(`no such fault: ${unknown}; there are ${Object.keys(FAULTS)}`)
if (nodeCounts.some((count) => !(count >= 3 && count <= 9))) fail('three to nine nodes')
if (!(seconds >= 0)) fail('--seconds is a number')
const missing = missingTools(...apiServerTools, 'nats-server')
if (missing !== false) fail(missing)

const teardowns = new Teardowns()
let isGivenUp = false
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) {
  process.once(signal, () => giveUp(signal, code))
}
const boundS = nodeCounts.length * (seconds + OVERTIME_S)
const bound = setTimeout(() => giveUp(`took longer than ${boundS} s`, 1), boundS * 1_000)

let flawCount = 0
for (const nodeCount of nodeCounts) flawCount += (await run(nodeCount)).length
clearTimeout(bound)
process.exit(flawCount > 0 ? 1 : 0)

async function run(nodeCount: number): Promise<readonly Flaw[]> {
  console.log(`${nodeCount} nodes, 3 nats-servers (first / middle / last of the channels)`)
  const ledger = new Ledger()
  const folder = mkdtempSync(join(tmpdir(), 'ringcast-chaos-'))
  let areLogsKept = false
  teardowns.teardown(() => areLogsKept || rmSync(folder, { recursive: true, force: true }))
  try {
    const region = await Region.start(teardowns, nodeCount, folder)
    const gauge = new Gauge()
    const load = new Load(region, ledger, gauge)
    await load.start(teardowns)
    await storm({ region, load, gauge, isSurging: false }, ledger)
    await load.calm()
  } catch (error) {
    ledger.flaw('stood still', (error as Error).message)
  }
  // What is being taken down is not judged.
  if (isGivenUp) return new Promise(() => undefined)
  const flaws = ledger.judge()
  printVerdict(ledger.counts, flaws)
  areLogsKept = flaws.length > 0
  if (areLogsKept) console.log(`  logs of the nodes: ${folder}`)
  await teardowns.end()
  return flaws
}

async function storm(scene: Scene<Region>, ledger: Ledger): Promise<void> {
  const endMs = performance.now() + seconds * 1_000
  for (let number = 0; number < names.length || performance.now() < endMs; number++) {
    const name = names[number % names.length]!
    ledger.during = `${name} ${number}`
    scene.isSurging = values.short || Math.floor(number / names.length) % 2 === 1
    for (const measured of await FAULTS[name]!(scene, number % scene.region.nodeCount)) {
      printMeasured(measured)
    }
    ledger.during = `after ${name} ${number}`
    await scene.load.goHome()
  }
}

function giveUp(reason: string, code: number): void {
  isGivenUp = true
  console.error(reason)
  void teardowns.end().then(() => process.exit(code))
}

function fail(text: string): never {
  console.error(text)
  process.exit(2)
}
