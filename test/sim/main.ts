/**
 * Runs seeds and tells of the first that breaks a promise, with the command that plays it again.
 *
 *   node test/sim/main.ts --seeds 100 [--first-seed 1] [--nodes 5] [--storm-ms 20000] [--trace f]
 *     [--all-faults] [--twice] [--go-on]
 */

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type RunResult, simulate } from './simulate.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    'first-seed': { type: 'string', default: '1' },
    nodes: { type: 'string', default: '0' },
    'storm-ms': { type: 'string' },
    trace: { type: 'string', default: '' },
    'all-faults': { type: 'boolean', default: false },
    'go-on': { type: 'boolean', default: false },
    twice: { type: 'boolean', default: false }
  }
})

const first = Number(values['first-seed'])
const count = Number(values.seeds)
const nodeCount = Number(values.nodes)
const stormMs = values['storm-ms'] === undefined ? undefined : Number(values['storm-ms'])
const hasAllFaults = values['all-faults']
const startMs = performance.now()
const totals = new Map<string, number>()
let failureCount = 0
for (let seed = first; seed < first + count; seed++) {
  const isTracing = values.trace !== ''
  const result = simulate({ seed, nodeCount, stormMs, hasAllFaults, isTracing })
  for (const [what, many] of Object.entries(result.seen)) {
    totals.set(what, (totals.get(what) ?? 0) + many)
  }
  if (isTracing) writeFileSync(values.trace, `${result.trace.join('\n')}\n`)
  const isSame = !values.twice ||
    simulate({ seed, nodeCount, stormMs, hasAllFaults }).fingerprint === result.fingerprint
  if (!isSame) console.error(`seed ${seed}: two runs differ`)
  if (isSame && result.violation === undefined) continue
  failureCount++
  tell(seed, result)
  if (!values['go-on']) break
}
const tookS = (performance.now() - startMs) / 1_000
const sums = [...totals].map(([what, many]) => `${many} ${what}`).join(', ')
console.log(`${count} seeds from ${first}: ${failureCount} failed; ${sums} (${tookS.toFixed(1)} s)`)
process.exit(failureCount > 0 ? 1 : 0)

function tell(seed: number, result: RunResult): void {
  const { violation, mix, trace, nodeCount: nodes } = result
  if (!values['go-on']) console.error(trace.slice(-60).join('\n'))
  const words = violation?.name === 'Violation' ? violation.message : violation?.stack
  console.error(`seed ${seed} (${nodes} nodes): ${words}`)
  console.error(`  weather: ${mix}`)
  const more = (nodeCount > 0 ? ` NODES=${nodeCount}` : '') +
    (hasAllFaults ? ' SIM_ARGS=--all-faults' : '')
  console.error(`  again: make sim SEEDS=1 FIRST_SEED=${seed}${more}`)
}
