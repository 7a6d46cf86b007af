/**
 * What a seed draws of the weather: its mix of faults. Each seed turns some faults off entirely, so
 * that the others are seen alone too.
 */

import { Random } from '../../src/base/random.ts'

/**
 * Faults that few seeds have, at their worst; each is drawn by itself, so that a seed is otherwise
 * what it was. All but `lateRepeat`, a chance, are rates per minute.
 */
export const RARE = {
  /** The API is away for one node. */
  apiCuts: 4,
  /** One node does not reach the log, though its mesh works. */
  logCuts: 4,
  /** One stream of the log has no leader, or no room. */
  streamAways: 4, streamFulls: 3,
  /** One worker makes no turn, or has no mesh, beside others that do. */
  workerHangs: 4, workerMeshDowns: 4,
  /** All nodes end and begin again at once. */
  regionRestarts: 2,
  /** The ring object is emptied, or restored as it was some views ago. */
  ringLosses: 3,
  /** The ring object cannot be written for long, and no watch says so. */
  ringFreezes: 3,
  /** A message of the mesh comes once more, long after. */
  lateRepeat: 0.03,
  /** One node takes another for gone, and for alive again. */
  misbeliefs: 6,
  /** Three sides, or two that a third one hears. */
  splits: 4,
  /** A client's process dies, and another one recovers its connection. */
  recoveries: 12,
  /** A node joins under a new name, or one goes for good. */
  scalings: 4
} as const

/** One seed in so many has each of them. */
const RARE_ONE_IN = 12
/** One seed in so many has times that are over before the run is. */
const BRIEF_ONE_IN = 10

type Rare = { readonly [K in keyof typeof RARE]: number }

/** How bad it is. Numbers are chances, durations or rates per minute; 0 turns a fault off. */
export interface Mix extends Rare {
  readonly nodeCount: number
  readonly workers: number
  readonly clientCount: number
  readonly channelCount: number
  readonly publishRate: number
  readonly stormMs: number
  readonly skewMs: number
  readonly loss: number
  readonly repeat: number
  readonly spikes: number
  /** Per minute, over the whole region. */
  readonly partitions: number
  readonly oneWayCuts: number
  readonly meshDowns: number
  readonly pauses: number
  readonly crashes: number
  readonly machineLosses: number
  readonly workerDeaths: number
  readonly drains: number
  readonly clockSteps: number
  readonly apiAways: number
  readonly watchTrouble: number
  readonly ringTrouble: number
  readonly logTrouble: number
  readonly logLag: number
  readonly logAways: number
  readonly logFulls: number
  /** What one stream of the log may hold; 0: as much as comes. */
  readonly logRoomBytes: number
  readonly logRollbacks: number
  readonly logAnews: number
  readonly archiveTrouble: number
  readonly archiveLag: number
  readonly archiveAways: number
  readonly archiveFulls: number
  readonly clientDrops: number
  readonly clientCuts: number
  readonly clientStalls: number
  readonly clientAways: number
  /** Workers that have more to do than they can. */
  readonly strains: number
  /** Every other channel is persisted. */
  readonly isKeeping: boolean
  /** Of some channels the messages are told together. */
  readonly isBatching: boolean
  readonly isTight: boolean
  readonly isShort: boolean
  /** What is kept by time is kept so shortly that its end is seen. */
  readonly isBrief: boolean
}

const CHANCES = {
  skewMs: 1_500, loss: 0.06, repeat: 0.05, spikes: 0.03, partitions: 5, oneWayCuts: 4,
  meshDowns: 5, pauses: 5, crashes: 4, machineLosses: 2, workerDeaths: 6, drains: 2,
  clockSteps: 2, apiAways: 2, watchTrouble: 0.4, ringTrouble: 0.2, logTrouble: 0.06,
  logLag: 0.4, logAways: 2, logFulls: 1, logRollbacks: 1, logAnews: 1,
  clientDrops: 6, clientCuts: 3, clientStalls: 3, clientAways: 4
} as const

/** None of what few seeds have. */
export const nothingRare: Partial<Mix> = {
  ...Object.fromEntries(Object.keys(RARE).map((name) => [name, 0])), isBrief: false
}

/** While these last a region may have no master of a channel. */
export const MASTERLESS = [
  'partitions', 'oneWayCuts', 'meshDowns', 'pauses', 'machineLosses', 'apiAways', 'watchTrouble',
  'ringTrouble', 'logTrouble', 'logLag', 'logAways', 'logAnews', 'strains'
] as const

/** After these others take over within seconds, and hold what was held. */
export const DEATHS = ['workerDeaths', 'crashes', 'drains'] as const

/** Masters live as long as the run. */
export const deathless: Partial<Mix> = {
  ...Object.fromEntries([...MASTERLESS, ...DEATHS].map((name) => [name, 0]))
}

/** They die, and others have what they had. */
export const deathsAlone: Partial<Mix> = { ...deathless, workerDeaths: 4, crashes: 2 }

/** What the seed draws. */
export function drawMix(seed: string): Mix {
  const random = new Random(`${seed}/mix`)
  const drawn: Record<string, number> = {}
  for (const [name, worst] of Object.entries(CHANCES)) {
    const isDrawn = random.below(3) === 0
    const amount = worst * random.unit()
    drawn[name] = isDrawn ? Number(amount.toFixed(3)) : 0
  }
  // By itself, so that a seed is otherwise what it was.
  const room = new Random(`${seed}/room`)
  const strain = new Random(`${seed}/strain`)
  const archive = new Random(`${seed}/archive`)
  const ofArchive = (worst: number): number =>
    archive.below(3) === 0 ? Number((worst * archive.unit()).toFixed(3)) : 0
  for (const [name, worst] of Object.entries(RARE)) {
    const rare = new Random(`${seed}/${name}`)
    const amount = worst * (0.3 + 0.7 * rare.unit())
    drawn[name] = rare.below(RARE_ONE_IN) === 0 ? Number(amount.toFixed(3)) : 0
  }
  return {
    ...(drawn as unknown as Mix),
    isBrief: new Random(`${seed}/brief`).below(BRIEF_ONE_IN) === 0,
    logRoomBytes: room.below(8) === 0 ? 6_000 + room.below(20_000) : 0,
    archiveTrouble: ofArchive(0.15), archiveLag: ofArchive(0.5),
    archiveAways: ofArchive(4), archiveFulls: ofArchive(3),
    isKeeping: new Random(`${seed}/keeping`).below(3) === 0,
    isBatching: new Random(`${seed}/batching`).below(5) === 0,
    strains: strain.below(4) === 0 ? 1 + strain.below(5) : 0,
    nodeCount: 2 + random.below(4),
    workers: 1 + random.below(2),
    clientCount: 3 + random.below(4),
    channelCount: 2 + random.below(3),
    publishRate: 1 + random.below(4),
    stormMs: 12_000 + random.below(14_000),
    isTight: random.below(4) === 0,
    isShort: random.below(4) === 0
  }
}
