/** Faults of membership: who is gone, who says so, and who acts on it. */

import { Lives } from '../../src/node/lives.ts'
import { Mastership } from '../../src/node/mastership.ts'
import { all, fair, type Planted, replace } from './planting.ts'
import type { Region } from './region.ts'

const ROSTER = 'src/ring/roster.ts'

/** Processes die, and begin anew, while the API is away: what is known of them the mesh tells. */
const deadly = { ...fair, crashes: 4, machineLosses: 0, drains: 0, nodeCount: 4, stormMs: 45_000 }
const awayWithTheApi = ({ kube, world }: Region): void => {
  world.after(7_000, () => kube.setAway(true))
}
const withoutWrites = ({ kube, world }: Region): void => {
  world.after(7_000, () => kube.setReadOnly(true))
}

export const ofMembers: readonly Planted[] = [
  {
    name: 'one watcher\'s word is enough, and no private port is asked',
    rule: '8',
    foundBy: ['removals'],
    mix: { meshDowns: 12, nodeCount: 4, stormMs: 30_000 },
    rewrites: [{ path: ROSTER, from: 'failedCount >= needed', to: 'needed > 0' }]
  },
  {
    name: 'one failed probe is enough where there are more watchers',
    rule: '8',
    foundBy: ['removals'],
    mix: { partitions: 12, oneWayCuts: 30, nodeCount: 4, stormMs: 30_000 },
    rewrites: [{
      path: ROSTER, from: 'Math.min(2, living.length - 1)', to: 'Math.min(1, living.length - 1)'
    }]
  },
  {
    name: 'what a list has never had is gone, however old the list is',
    rule: '8',
    foundBy: ['removals'],
    mix: { machineLosses: 8, drains: 8, watchTrouble: 0.7, nodeCount: 4, stormMs: 30_000 },
    rewrites: [{
      path: ROSTER, from: 'if (this.#knownUids.has(uid)) return true',
      to: `const sinceMs = this.#lackingSinceMs.get(uid) ?? nowMs
    if (this.#knownUids.has(uid) || nowMs - sinceMs >= this.#timing.podUnseenMs / 2) return true`
    }]
  },
  {
    name: 'the silence of many is believed',
    rule: '8',
    foundBy: ['removals'],
    mix: { pauses: 60, nodeCount: 5, stormMs: 30_000 },
    rewrites: [{
      path: ROSTER, from: 'if (told.size > Math.max(1, Math.floor(living.length / 3))) return []',
      to: ''
    }]
  },
  {
    name: 'nobody acts for the dead while the view cannot be written',
    rule: '10',
    foundBy: ['succession'],
    mix: deadly,
    weather: awayWithTheApi,
    rewrites: [{
      path: 'src/node/member-beliefs.ts',
      from: 'const gone = this.#believedGone(view, isApiAway, nowMs)',
      to: 'const gone: ReadonlySet<string> = NOBODY_GONE'
    }]
  },
  {
    name: 'that the view cannot be written is known only by watches that fail',
    rule: '10',
    foundBy: ['succession'],
    mix: deadly,
    weather: withoutWrites,
    rewrites: [{
      path: 'src/ring/timing.ts', from: 'unwrittenMs: 3_000', to: 'unwrittenMs: Infinity'
    }]
  },
  {
    name: 'who was removed is taken for one that goes on',
    rule: '11, 20',
    foundBy: ['leak'],
    mix: { crashes: 10, meshDowns: 8, pauses: 8, clientDrops: 40, nodeCount: 4 },
    plant: () => all(
      replace(Mastership, 'isRemoved', () => () => false),
      replace(Mastership, 'isStranger', () => () => false),
      replace(Lives, 'fateOf', () => () => 'listed' as const)
    )
  },
  {
    name: 'of whom nobody lists it is believed for ever that it may answer',
    rule: '13',
    foundBy: ['leak'],
    mix: { ringLosses: 4, regionRestarts: 3, crashes: 6, clientDrops: 40, nodeCount: 3 },
    plant: () => replace(Mastership, 'isStranger', () => () => false)
  },
  {
    name: 'who holds another view is refused',
    rule: '9',
    foundBy: ['refusals'],
    mix: { drains: 8, partitions: 10, nodeCount: 4 },
    rewrites: [{
      path: 'src/node/partitions.ts',
      from: 'if (this.#mastership.isMine(partition)) {',
      to: `const hasOther = isJoin && message.viewVersion < this.#mastership.viewVersion
    if (this.#mastership.isMine(partition) && !hasOther) {`
    }]
  },
  {
    name: 'a newer incarnation says nothing of the one before it',
    rule: '8',
    foundBy: ['succession'],
    mix: deadly,
    weather: awayWithTheApi,
    rewrites: [
      {
        path: ROSTER, from: 'newest.startedAt > startedAt) return',
        to: 'newest.startedAt > startedAt + 1e12) return'
      },
      {
        path: 'src/node/member-probes.ts', from: `if (outcome === 'otherIncarnation') {`,
        to: `if (outcome === 'nobody') {`
      }
    ]
  }
]
