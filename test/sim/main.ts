/** Runs seeds and tells of those that break a promise, with the command that plays them again. */

import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { simulateRegions } from './simulate-regions.ts'
import { type RunResult, simulate } from './simulate.ts'

const USAGE = `usage: node test/sim/main.ts [options]

  --seeds N        how many seeds are run (100)
  --first-seed N   the first of them (1)
  --nodes N        of so many nodes each; 0: each seed draws its own number (0)
  --regions N      seeds of so many regions, 2 or 3, that subscribe to each other; 0: as drawn
  --storm-ms N     the storm lasts so long; otherwise each seed draws that, too
  --trace FILE     writes what happened in the last run, all of it
  --twice          runs each seed twice, and tells if the two differ
  --go-on          goes on after a seed that failed
  --help           prints this`

interface Wish {
  readonly seeds: number
  readonly firstSeed: number
  readonly nodeCount: number
  /** Undefined: one region, without others. */
  readonly regionCount: number | undefined
  readonly stormMs: number | undefined
  readonly trace: string
  readonly isTwice: boolean
  readonly goesOn: boolean
}

/** What is asked for; undefined: to be told what can be. */
function wishOf(args: readonly string[]): Wish | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string', default: '100' },
      'first-seed': { type: 'string', default: '1' },
      nodes: { type: 'string', default: '0' },
      regions: { type: 'string' },
      'storm-ms': { type: 'string' },
      trace: { type: 'string', default: '' },
      'go-on': { type: 'boolean', default: false },
      twice: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) return undefined
  const number = (name: keyof typeof values, least: number): number => {
    const value = Number(values[name])
    if (Number.isSafeInteger(value) && value >= least) return value
    throw new Error(`--${name} is a whole number, at least ${least}`)
  }
  const regionCount = values.regions === undefined ? undefined : number('regions', 0)
  if (regionCount === 1 || regionCount! > 3) throw new Error('--regions is 0, 2 or 3')
  return {
    seeds: number('seeds', 1),
    firstSeed: number('first-seed', 0),
    nodeCount: number('nodes', 0),
    regionCount,
    stormMs: values['storm-ms'] === undefined ? undefined : number('storm-ms', 0),
    trace: values.trace,
    isTwice: values.twice,
    goesOn: values['go-on']
  }
}

/** How many seeds failed. */
function run(wish: Wish): number {
  const { seeds, firstSeed, trace, isTwice, goesOn } = wish
  const isTracing = trace !== ''
  const startMs = performance.now()
  const totals = new Map<string, number>()
  const fingerprints: string[] = []
  let failureCount = 0
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const result = runOf(seed, wish, isTracing)
    fingerprints.push(result.fingerprint)
    for (const [what, many] of Object.entries(result.seen)) {
      totals.set(what, (totals.get(what) ?? 0) + many)
    }
    if (isTracing) writeFileSync(trace, `${result.trace.join('\n')}\n`)
    const isSame = !isTwice ||
      runOf(seed, wish, false).fingerprint === result.fingerprint
    if (!isSame) console.error(`seed ${seed}: two runs differ`)
    if (isSame && result.violation === undefined) continue
    failureCount++
    tell(result, wish)
    if (!goesOn) break
  }
  const tookS = (performance.now() - startMs) / 1_000
  const sums = [...totals].map(([what, many]) => `${many} ${what}`).join(', ')
  console.log(`${fingerprints.length} seeds from ${firstSeed}: ${failureCount} failed; ${sums}; ` +
    `fingerprint ${fingerprintOf(fingerprints)} (${tookS.toFixed(1)} s)`)
  return failureCount
}

function runOf(seed: number, wish: Wish, isTracing: boolean): RunResult {
  const { nodeCount, regionCount, stormMs } = wish
  if (regionCount === undefined) return simulate({ seed, nodeCount, stormMs, isTracing })
  return simulateRegions({ seed, regionCount, stormMs, isTracing })
}

/** One run's own, or that of all together. */
function fingerprintOf(fingerprints: readonly string[]): string {
  if (fingerprints.length === 1) return fingerprints[0]!
  return createHash('sha256').update(fingerprints.join('\n')).digest('hex').slice(0, 16)
}

function tell(result: RunResult, { goesOn, nodeCount, regionCount, stormMs }: Wish): void {
  const { seed, violation, mix, trace, fingerprint, nodeCount: nodes } = result
  if (!goesOn) console.error(trace.slice(-60).join('\n'))
  const words = violation?.name === 'Violation' ? violation.message : violation?.stack
  console.error(`seed ${seed} (${nodes} nodes, fingerprint ${fingerprint}): ${words}`)
  console.error(`  weather: ${mix}`)
  const args = [
    ...(regionCount === undefined ? [] : [`--regions ${regionCount}`]),
    ...(stormMs === undefined ? [] : [`--storm-ms ${stormMs}`])
  ]
  const more = (nodeCount > 0 ? ` NODES=${nodeCount}` : '') +
    (args.length === 0 ? '' : ` SIM_ARGS='${args.join(' ')}'`)
  console.error(`  again: make sim SEEDS=1 FIRST_SEED=${seed}${more}`)
}

function main(): number {
  let wish: Wish | undefined
  try {
    wish = wishOf(process.argv.slice(2))
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`)
    return 2
  }
  if (wish === undefined) {
    console.log(USAGE)
    return 0
  }
  return run(wish) > 0 ? 1 : 0
}

process.exit(main())
