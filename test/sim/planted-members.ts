/** Faults of membership: who is gone, who says so, and who acts on it. */

import { Lives } from '../../src/node/lives.ts'
import { Mastership } from '../../src/node/mastership.ts'
import { all, fair, type Planted, replace } from './planting.ts'
import type { Region } from './region.ts'

const ROSTER = 'src/ring/roster.ts'
const SILENCE = 'src/ring/silence.ts'

/** Processes die, and begin anew, while the API is away: what is known of them the mesh tells. */
const deadly = { ...fair, crashes: 4, machineLosses: 0, drains: 0, nodeCount: 4, stormMs: 45_000 }
/** Nobody dies but those of the story. */
const deathless = { ...fair, crashes: 0, machineLosses: 0, drains: 0 }
const awayWithTheApi = ({ kube, world }: Region): void => {
  world.after(7_000, () => kube.setAway(true))
}
const withoutWrites = ({ kube, world }: Region): void => {
  world.after(7_000, () => kube.setReadOnly(true))
}
/** Enough of them that each node has some. */
const many = { nodeCount: 5, clientCount: 6, channelCount: 8 }
/** Two of five die, long after each other, and the API, which is away, could not tell. */
const oneAfterAnother = (region: Region): void => {
  const { kube, world, nodes } = region
  world.after(7_000, () => kube.setAway(true))
  world.after(9_000, () => region.loseMachine(nodes.get('n1')!, 80_000))
  world.after(35_000, () => region.loseMachine(nodes.get('n3')!, 80_000))
}
/** Two of five stand still, one a little later than the other, and no view can say so. */
const soonAfterAnother = ({ kube, world, nodes }: Region): void => {
  world.after(7_000, () => kube.setReadOnly(true))
  world.after(9_000, () => nodes.get('n1')!.freeze())
  world.after(11_000, () => nodes.get('n3')!.freeze())
  world.after(24_000, () => ['n1', 'n3'].forEach((name) => nodes.get(name)!.wake()))
}
/** Two of four lose the others, long after each other, though all reach the log. */
const stepByStep = ({ kube, world, mesh }: Region): void => {
  const half = new Set(['n0', 'n1'])
  const lose = (other: string): void => {
    mesh.cuts.add((from, to) =>
      (from === other && half.has(to)) || (to === other && half.has(from)))
  }
  world.after(7_000, () => kube.setAway(true))
  world.after(9_000, () => lose('n3'))
  world.after(30_000, () => lose('n2'))
}

export const ofMembers: readonly Planted[] = [
  {
    name: 'one watcher\'s word is enough, and no private port is asked',
    rule: '8',
    foundBy: ['removals'],
    mix: { meshDowns: 12, nodeCount: 4, stormMs: 30_000 },
    rewrites: [{ path: SILENCE, from: '.failedCount >= needed', to: '.failedCount >= 0 * needed' }]
  },
  {
    name: 'one failed probe is enough where there are more watchers',
    rule: '8',
    foundBy: ['removals'],
    mix: { partitions: 12, oneWayCuts: 30, nodeCount: 4, stormMs: 30_000 },
    rewrites: [{
      path: SILENCE, from: 'Math.min(2, living.size - 1)', to: 'Math.min(1, living.size - 1)'
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
      path: SILENCE, from: 'const isOutage = atOnce', to: 'const isOutage = false && atOnce'
    }]
  },
  {
    name: 'who is lost is long lost at once',
    rule: '8',
    foundBy: ['removals'],
    mix: { ...deathless, nodeCount: 5, stormMs: 30_000 },
    weather: soonAfterAnother,
    rewrites: [{
      path: SILENCE, from: 'nowMs - sinceMs >= this.#timing.atOnceMs', to: 'nowMs >= sinceMs'
    }]
  },
  {
    name: 'who was lost long ago counts among those that are lost now',
    rule: '10',
    foundBy: ['succession'],
    mix: { ...deathless, ...many, stormMs: 60_000 },
    weather: oneAfterAnother,
    rewrites: [{
      path: SILENCE, from: 'nowMs - sinceMs >= this.#timing.atOnceMs', to: 'nowMs < sinceMs'
    }]
  },
  {
    name: 'a half that is cut off step by step believes that the other half is gone',
    rule: '8, 10',
    foundBy: ['removals'],
    mix: { ...deathless, nodeCount: 4, stormMs: 50_000 },
    weather: stepByStep,
    rewrites: [{
      path: SILENCE, from: 'if (missedCount > 1 && 2', to: 'if (missedCount > 99 && 2'
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
