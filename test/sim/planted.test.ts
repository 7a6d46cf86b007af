import t from 'tap'
import { plantedFaults } from './planted.ts'
import type { Planted } from './planting.ts'
import { simulate } from './simulate.ts'
import { Violation } from './world.ts'

const SEEDS_MAX = 12
const isPlain = {
  logRollbacks: 0, logAnews: 0, logRoomBytes: 0, isTight: false, isShort: false
}

/** The first violation that the fault leads to, and in which seed. */
function find({ mix, plant }: Planted): { seed: number; violation: Error } | undefined {
  for (let seed = 1; seed <= SEEDS_MAX; seed++) {
    const undo: (() => void)[] = []
    const { violation } = simulate({
      seed,
      mix: { ...isPlain, ...mix },
      onRegion: (region) => {
        const back = plant(region)
        if (back !== undefined) undo.push(back)
      }
    })
    for (const back of undo) back()
    if (violation !== undefined) return { seed, violation }
  }
  return undefined
}

for (const fault of plantedFaults) {
  t.test(`[${fault.rule}] planted and found: ${fault.name}`, async (t) => {
    const found = find(fault)
    if (found === undefined) {
      t.fail(`not found in ${SEEDS_MAX} seeds`)
      return
    }
    const { violation, seed } = found
    t.ok(violation instanceof Violation, `seed ${seed}: ${violation.stack}`)
    const { check } = violation as Violation
    t.ok(fault.foundBy.includes(check), `seed ${seed}: ${violation.message}`)
  })
}
