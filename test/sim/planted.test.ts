import t from 'tap'
import { find, findWithout } from './finding.ts'
import { plantedFaults } from './planted.ts'
import { loadRewritten } from './rewriting.ts'

const SEEDS_MAX = 30
t.setTimeout(550_000)

for (const { rule, name, rewrites } of plantedFaults) {
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
