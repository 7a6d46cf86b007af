import t from 'tap'
import { plantedFaults } from './planted.ts'
import type { Planted } from './planting.ts'
import { simulate } from './simulate.ts'
import { Violation } from './world.ts'

const SEEDS_MAX = 30
t.setTimeout(550_000)
const isPlain = {
  logRollbacks: 0, logAnews: 0, logRoomBytes: 0, isTight: false, isShort: false
}

/** The first seed in which a check finds the fault that is there to find it; or what else was. */
function find({ mix, plant, foundBy }: Planted): { by: string } | { others: string[] } {
  const others: string[] = []
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
    if (violation === undefined) continue
    const words = `seed ${seed}: ${violation.message}`
    if (violation instanceof Violation && foundBy.includes(violation.check)) return { by: words }
    others.push(words)
  }
  return { others }
}

for (const fault of plantedFaults) {
  t.test(`[${fault.rule}] planted and found: ${fault.name}`, async (t) => {
    const found = find(fault)
    if ('by' in found) t.pass(found.by)
    else t.fail(`not found in ${SEEDS_MAX} seeds`, found)
  })
}
