/** Runs seeds and tells of those that break a promise, with the command that plays them again. */

import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type RunResult, simulate } from './simulate.ts'

const USAGE = `usage: node test/sim/main.ts [options]

  --seeds N        how many seeds are run (100)
  --first-seed N   the first of them (1)
  --nodes N        of so many nodes each; 0: each seed draws its own number (0)
  --storm-ms N     the storm lasts so long; otherwise each seed draws that, too
  --trace FILE     writes what happened in the last run, all of it
  --twice          runs each seed twice, and tells if the two differ
  --go-on          goes on after a seed that failed
  --help           prints this`

interface Wish {
  readonly seeds: number
  readonly firstSeed: number
  readonly nodeCount: number
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
      'storm-ms': { type: 'string' },
      trace: { type: 'string', default: '' },
      'go-on': { type: 'boolean', default: false },
      twice: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) return undefined
  const number = (name: 'seeds' | 'first-seed' | 'nodes' | 'storm-ms', least: number): number => {
    const value = Number(values[name])
    if (Number.isSafeInteger(value) && value >= least) return value
    throw new Error(`--${name} is a whole number, at least ${least}`)
  }
  return {
    seeds: number('seeds', 1),
    firstSeed: number('first-seed', 0),
    nodeCount: number('nodes', 0),
    stormMs: values['storm-ms'] === undefined ? undefined : number('storm-ms', 0),
    trace: values.trace,
    isTwice: values.twice,
    goesOn: values['go-on']
  }
}

/** How many seeds failed. */
function run(wish: Wish): number {
  const { seeds, firstSeed, nodeCount, stormMs, trace, isTwice, goesOn } = wish
  const isTracing = trace !== ''
  const startMs = performance.now()
  const totals = new Map<string, number>()
  const fingerprints: string[] = []
  let failureCount = 0
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const result = simulate({ seed, nodeCount, stormMs, isTracing })
    fingerprints.push(result.fingerprint)
    for (const [what, many] of Object.entries(result.seen)) {
      totals.set(what, (totals.get(what) ?? 0) + many)
    }
    if (isTracing) writeFileSync(trace, `${result.trace.join('\n')}\n`)
    const isSame = !isTwice ||
      simulate({ seed, nodeCount, stormMs }).fingerprint === result.fingerprint
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

/** One run's own, or that of all together. */
function fingerprintOf(fingerprints: readonly string[]): string {
  if (fingerprints.length === 1) return fingerprints[0]!
  return createHash('sha256').update(fingerprints.join('\n')).digest('hex').slice(0, 16)
}

function tell(result: RunResult, { goesOn, nodeCount, stormMs }: Wish): void {
  const { seed, violation, mix, trace, fingerprint, nodeCount: nodes } = result
  if (!goesOn) console.error(trace.slice(-60).join('\n'))
  const words = violation?.name === 'Violation' ? violation.message : violation?.stack
  console.error(`seed ${seed} (${nodes} nodes, fingerprint ${fingerprint}): ${words}`)
  console.error(`  weather: ${mix}`)
  const more = (nodeCount > 0 ? ` NODES=${nodeCount}` : '') +
    (stormMs === undefined ? '' : ` SIM_ARGS='--storm-ms ${stormMs}'`)
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
