import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { calmCables } from './cable-weather.ts'
import { isKeptIn } from './keeping.ts'
import { deathless, deathsAlone } from './mix.ts'
import { simulateRegions } from './simulate-regions.ts'
import type { RunResult } from './simulate.ts'

/** More: `make sim SEEDS=200 SIM_ARGS='--regions 0'`. */
const SEED_COUNT = 12
const MOVING_SEED_COUNT = 8
/** Of those that have persisted channels. */
const KEEPING_SEED_COUNT = 5
t.setTimeout(550_000)

function failureOf({ seed, violation, mix }: RunResult): string | undefined {
  if (violation === undefined) return undefined
  const words = violation.name === 'Violation' ? violation.message : violation.stack
  return `seed ${seed}: ${words} (${mix}); ` +
    `again: make sim SEEDS=1 FIRST_SEED=${seed} SIM_ARGS='--regions 0'`
}

/** All that there is between regions. */
const KINDS = [
  'cable loss', 'slow cables', 'cut cables', 'cables cut one way', 'isolations', 'lost regions',
  'regions made anew', 'clocks apart', 'crashes', 'worker deaths', 'log made anew'
]

t.test('[26] in every weather between regions every promise is kept', async (t) => {
  const failures: string[] = []
  const seen = new Map<string, number>()
  const weather = new Set<string>()
  for (let seed = 1; seed <= SEED_COUNT; seed++) {
    const result = simulateRegions({ seed })
    const failure = failureOf(result)
    if (failure !== undefined) failures.push(failure)
    for (const kind of Object.keys(result.weather)) weather.add(kind)
    for (const [what, count] of Object.entries(result.seen)) {
      seen.set(what, (seen.get(what) ?? 0) + count)
    }
    if (seed > 1) continue
    t.equal(simulateRegions({ seed }).fingerprint, result.fingerprint, 'one seed is one run')
  }
  t.same(failures, [])
  for (const [what, least] of [
    ['heard', 5_000], ['brought', 2_000], ['moves', 20], ['resumedElsewhere', 10], ['breaks', 5],
    ['takeovers', 200], ['acknowledged', 2_000], ['acknowledgedGlobally', 500]
  ] as const) t.ok(seen.get(what)! >= least, `${seen.get(what)} ${what}`)
  t.same(KINDS.filter((kind) => !weather.has(kind)), [], 'no kind of weather is missing')
})

t.test('[W14] what is persisted every region has, however long cables were cut', async (t) => {
  const failures: string[] = []
  const seen = new Map<string, number>()
  const seeds = Array.from({ length: 100 }, (_, at) => SEED_COUNT + 1 + at)
    .filter((seed) => isKeptIn(`regions/${seed}`)).slice(0, KEEPING_SEED_COUNT)
  for (const seed of seeds) {
    const result = simulateRegions({ seed })
    const failure = failureOf(result)
    if (failure !== undefined) failures.push(failure)
    for (const [what, count] of Object.entries(result.seen)) {
      seen.set(what, (seen.get(what) ?? 0) + count)
    }
  }
  t.same(failures, [])
  for (const [what, least] of [
    ['broughtLate', 100], ['archived', 1_000], ['historyRead', 2_000], ['eventsRead', 50],
    ['repeatedElsewhere', 50], ['acknowledgedGlobally', 50], ['breaks', 5]
  ] as const) t.ok(seen.get(what)! >= least, `${seen.get(what)} ${what}`)
})

t.test('[19] who moves is told of no loss where masters die, or cables are slow', async (t) => {
  const failures: string[] = []
  let resumedCount = 0
  for (let seed = 1; seed <= MOVING_SEED_COUNT; seed++) {
    const [slows, faults] = seed % 2 === 0 ? [6, deathless] : [0, deathsAlone]
    // What is held shortly is lost to who takes a while.
    const mix = { ...faults, isKeeping: false }
    const result = simulateRegions({ seed, cables: { ...calmCables, slows }, mix })
    const failure = failureOf(result)
    if (failure !== undefined) failures.push(failure)
    t.equal(result.seen['losses'], 0, `seed ${seed}`)
    resumedCount += result.seen['resumedElsewhere']!
  }
  t.same(failures, [])
  t.ok(resumedCount >= MOVING_SEED_COUNT, `${resumedCount}`)
})

t.test('[26] seeds of regions that found something once find it no more', async (t) => {
  const lines = readFileSync(join(import.meta.dirname, 'regions-seeds.txt'), 'utf8').split('\n')
  const seeds = lines.filter((line) => /^\d/.test(line)).map((line) => Number(line.split(' ')[0]))
  t.ok(seeds.length > 0)
  t.same(seeds.flatMap((seed) => failureOf(simulateRegions({ seed })) ?? []), [])
})
