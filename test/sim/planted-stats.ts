/** Faults of statistics: what is counted twice, or not at all. */

import { Recorder } from '../../src/stats/recorder.ts'
import { type Planted, replace, troubled } from './planting.ts'

const RECORDER = 'src/stats/recorder.ts'
const FOLDING = 'src/stats/folding.ts'

export const ofStats: readonly Planted[] = [
  {
    name: 'what may be written is written again under another key',
    rule: 'protocol 17',
    foundBy: ['stats'],
    mix: troubled,
    rewrites: [{
      path: RECORDER, from: 'draft.undecidedAtMs ??= this.#ports.now().monoMs',
      to: 'this.#succeed(draft, {})'
    }]
  },
  {
    name: 'what is folded has no mark in its sheet',
    rule: 'protocol 17',
    foundBy: ['stats'],
    rewrites: [{ path: FOLDING, from: '[...sheet.folded, ...own]', to: 'sheet.folded' }]
  },
  {
    name: 'what is refused is taken for written',
    rule: 'protocol 17',
    foundBy: ['stats'],
    mix: { logTrouble: 0.3 },
    rewrites: [{
      path: RECORDER,
      from: `case 'busy':
        break`,
      to: `case 'busy':
        this.#onDecided(draft, draft.sent)`
    }]
  },
  {
    name: 'who leaves in good order does not write what it counted last',
    rule: 'protocol 17',
    foundBy: ['stats'],
    mix: { drains: 8 },
    plant: () => replace(Recorder, 'flush', () => (onFlushed) => onFlushed())
  }
]
