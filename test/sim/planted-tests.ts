/** The tests of planted faults: each is found, and nothing is where it is not planted. */

import t from 'tap'
import { find, findWithout } from './finding.ts'
import { plantedFaults } from './planted.ts'
import { loadRewritten } from './rewriting.ts'

const SEEDS_MAX = 30
/** On a machine that has other things to do. */
const TIMEOUT_MS = 1_100_000

/** Every `of`th fault, from number `first` on: several files run at once. */
export function plantedTests(first: number, of: number): void {
  t.setTimeout(TIMEOUT_MS)
  for (const { rule, name, rewrites } of plantedFaults.filter((_, no) => no % of === first)) {
    t.test(`[${rule}] planted and found: ${name}`, async (t) => {
      const finding = rewrites === undefined ? { find } : await loadRewritten(rewrites)
      const { seed, by, others } = finding.find(name, 1, SEEDS_MAX)
      if (seed === undefined) {
        t.fail(`not found in ${SEEDS_MAX} seeds`, { others })
        return
      }
      t.pass(by)
      // What finds it must find nothing where it is not: else it may be the weather that it finds.
      t.equal(findWithout(name, seed)?.message, undefined, 'and without it, nothing')
    })
  }
}
