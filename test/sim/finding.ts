/** Runs with a planted fault, until a check finds it, and the same run without it. */

import { limits } from '../../src/base/limits.ts'
import { nothingRare } from './mix.ts'
import { plantedFaults } from './planted.ts'
import type { Planted } from './planting.ts'
import type { Region } from './region.ts'
import { simulateRegions } from './simulate-regions.ts'
import { simulate } from './simulate.ts'
import { Violation } from './world.ts'

const isPlain = {
  logRollbacks: 0, logAnews: 0, logRoomBytes: 0, isTight: false, isShort: false,
  ...nothingRare
}

/** The first seed in which a check finds the fault that is there to find it; or what else was. */
export interface Found {
  readonly seed: number | undefined
  readonly by: string
  /** What was found by others. */
  readonly others: readonly string[]
}

/** Looks for the fault of this name in the seeds from `first` on. */
export function find(name: string, first: number, count: number): Found {
  const fault = plantedFaults.find((each) => each.name === name)!
  const others: string[] = []
  for (let seed = first; seed < first + count; seed++) {
    const violation = run(fault, seed, true)
    if (violation === undefined) continue
    const words = `seed ${seed}: ${violation.message}`
    const isBy = violation instanceof Violation && fault.foundBy.includes(violation.check)
    if (isBy) return { seed, by: words, others }
    others.push(words)
  }
  return { seed: undefined, by: '', others }
}

/** What is violated in the same seed and the same weather, but without the fault. */
export function findWithout(name: string, seed: number): Error | undefined {
  return run(plantedFaults.find((each) => each.name === name)!, seed, false)
}

function run(fault: Planted, seed: number, isPlanted: boolean): Error | undefined {
  const undo: (() => void)[] = []
  const { cables, regionCount } = fault
  const onRegion = (region: Region): void => {
    Object.assign(limits, fault.limits)
    fault.weather?.(region)
    const back = isPlanted ? fault.plant?.(region) : undefined
    if (back !== undefined) undo.push(back)
  }
  const mix = { ...isPlain, ...(cables && { isKeeping: false }), ...fault.mix }
  const { violation } = cables === undefined ? simulate({ seed, mix, onRegion })
    : simulateRegions({
      seed, mix, cables, regionCount, onRegions: ({ regions: [first] }) => onRegion(first!)
    })
  for (const back of undo) back()
  return violation
}
