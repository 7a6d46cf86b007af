/**
 * The weather: what a seed's mix of faults does to the region, and how it clears. Each seed turns
 * some faults off entirely, so that the others are seen alone too.
 */

import { limits } from '../../src/base/limits.ts'
import { Random } from '../../src/base/random.ts'
import { STREAM_COUNT } from './log.ts'
import type { SimNode } from './node.ts'
import type { Region } from './region.ts'
import type { World } from './world.ts'

/** How bad it is. Numbers are chances, durations or rates per minute; 0 turns a fault off. */
export interface Mix {
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
  readonly clientDrops: number
  readonly clientCuts: number
  readonly clientStalls: number
  readonly clientAways: number
  /** Workers that have more to do than they can. */
  readonly strains: number
  readonly isTight: boolean
  readonly isShort: boolean
}

const CHANCES = {
  skewMs: 1_500, loss: 0.06, repeat: 0.05, spikes: 0.03, partitions: 5, oneWayCuts: 4,
  meshDowns: 5, pauses: 5, crashes: 4, machineLosses: 2, workerDeaths: 6, drains: 2,
  clockSteps: 2, apiAways: 2, watchTrouble: 0.4, ringTrouble: 0.2, logTrouble: 0.06,
  logLag: 0.4, logAways: 2, logFulls: 1, logRollbacks: 1, logAnews: 1,
  clientDrops: 6, clientCuts: 3, clientStalls: 3, clientAways: 4
} as const

/** Faults that are off, unless all are asked for, until what they show is cured: none now. */
const OFF: readonly string[] = []

/** What the seed draws. */
export function drawMix(seed: string, hasAllFaults: boolean): Mix {
  const random = new Random(`${seed}/mix`)
  const drawn: Record<string, number> = {}
  for (const [name, worst] of Object.entries(CHANCES)) {
    const isDrawn = random.below(3) === 0
    const amount = worst * random.unit()
    const isOn = isDrawn && (hasAllFaults || !OFF.includes(name))
    drawn[name] = isOn ? Number(amount.toFixed(3)) : 0
  }
  // By itself, so that a seed is otherwise what it was.
  const room = new Random(`${seed}/room`)
  const strain = new Random(`${seed}/strain`)
  return {
    ...(drawn as unknown as Mix),
    logRoomBytes: room.below(8) === 0 ? 6_000 + room.below(20_000) : 0,
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

/** A run lasts some minutes: what becomes of each is to be seen in it. */
const STATS_LIMITS = {
  statsFlushMs: 2_000, statsTellMs: 3_000, statsLateMs: 8_000, statsDoubtMs: 6_000,
  statsFoldMs: 10_000, statsTallyKeptMs: 10_000
}

/**
 * Regions here have few partitions, so planned moves take smaller steps. In a tight run some other
 * bounds of the core are so small that they are reached; in a short one logs are, so that
 * snapshots are written and tails trimmed all the time.
 */
export function drawLimits(seed: string, { isTight, isShort, logRoomBytes }: Mix): void {
  // A few channels can fill a stream then; else it is their own share that they meet.
  if (logRoomBytes % 2 === 0) Object.assign(limits, { partitionLogShare: 1 })
  const random = new Random(`${seed}/limits`)
  Object.assign(limits, { handoversPerView: 1 + random.below(3), ...STATS_LIMITS })
  if (isShort) {
    Object.assign(limits, {
      snapshotEveryBytes: 500 + random.below(4_000),
      snapshotChunkBytesMax: 150 + random.below(800),
      backlogPageBytesMax: 300 + random.below(2_000),
      tailMs: 6_000 + random.below(20_000)
    })
  }
  if (!isTight) return
  const comet = new Random(`${seed}/comet`)
  if (comet.below(2) === 0) {
    Object.assign(limits, {
      cometQueueBytesMax: 3_000 + comet.below(8_000),
      cometResponseBytesMax: 200 + comet.below(2_000),
      cometStreamBytesMax: 500 + comet.below(8_000)
    })
  }
  const crowd = new Random(`${seed}/crowd`)
  if (crowd.below(2) === 0) {
    Object.assign(limits, {
      admissionsPerStep: 1, admissionStepMs: 50 + crowd.below(2_000),
      admissionsWaitingMax: 1 + crowd.below(3)
    })
  }
  const tight = {
    unansweredPerClientMax: 3 + random.below(10),
    unansweredPerSessionMax: 2 + random.below(10),
    waitingEntriesBytesMax: 600 + random.below(2_000),
    appendBytesMax: 300 + random.below(2_000),
    linkBytesMax: 25_000 + random.below(30_000),
    batchBytesMax: 500 + random.below(2_000),
    socketQueueBytesMax: 2_000 + random.below(10_000),
    messagesPerSecondMax: 10 + random.below(40),
    presencePageMax: 1 + random.below(3),
    presencePageBytesMax: 250 + random.below(1_000),
    presenceMembersMax: 3 + random.below(5)
  }
  // A socket that has room takes a page of what was missed on each channel.
  Object.assign(limits, { socketRoomBytes: 200 + random.fork('room').below(1_000) })
  for (const name of Object.keys(tight) as (keyof typeof tight)[]) {
    if (random.below(2) === 0) Object.assign(limits, { [name]: tight[name] })
  }
}

export class Weather {
  readonly #region: Region
  readonly #world: World
  readonly #mix: Mix
  readonly #random: Random
  #isRaging = false

  constructor(region: Region, mix: Mix) {
    this.#region = region
    this.#world = region.world
    this.#mix = mix
    this.#random = region.world.fork('weather')
  }

  rage(): void {
    this.#isRaging = true
    this.#setChances()
    const mix = this.#mix
    this.#often('partitions', mix.partitions, (random) => this.#partition(random))
    this.#often('one-way cuts', mix.oneWayCuts, (random) => this.#cutOneWay(random))
    this.#often('mesh downs', mix.meshDowns, (random) => this.#meshDown(random))
    this.#often('pauses', mix.pauses, (random) => this.#pause(random))
    this.#often('crashes', mix.crashes, (random) => {
      this.#someNode(random, (node) => {
        this.#region.crash(node, 200 + random.below(4_000), 300 + random.below(3_000))
      })
    })
    this.#often('machine losses', mix.machineLosses, (random) => {
      this.#someNode(random, (node) => this.#region.loseMachine(node, 2_000 + random.below(10_000)))
    })
    this.#often('worker deaths', mix.workerDeaths, (random) => this.#killWorker(random))
    this.#often('drains', mix.drains, (random) => {
      this.#someNode(random, (node) => this.#region.deletePod(node))
    })
    this.#often('clock steps', mix.clockSteps, (random) => {
      this.#someNode(random, (node) => node.clock.set(random.below(4_000) - 2_000))
    })
    this.#often('API away', mix.apiAways, (random) => {
      this.#region.kube.setAway(true)
      this.#world.after(1_000 + random.below(10_000), () => this.#region.kube.setAway(false))
    })
    this.#often('log away', mix.logAways, (random) => {
      this.#region.log.faults.isAway = true
      this.#world.note('the log has no majority')
      this.#world.after(500 + random.below(5_000), () => {
        this.#region.log.faults.isAway = false
      })
    })
    this.#often('log full', mix.logFulls, (random) => {
      this.#region.log.faults.isFull = true
      this.#world.note('the log is full')
      this.#world.after(500 + random.below(5_000), () => {
        this.#region.log.faults.isFull = false
      })
    })
    this.#often('log rollbacks', mix.logRollbacks, (random) => {
      this.#region.log.rollBack(random.below(STREAM_COUNT), 1 + random.below(20))
    })
    this.#often('log made anew', mix.logAnews, (random) => {
      this.#region.log.makeAnew(random.below(STREAM_COUNT))
    })
    this.#often('client drops', mix.clientDrops, (random) => this.#dropClient(random))
    this.#often('client cuts', mix.clientCuts, (random) => this.#cutClient(random))
    this.#often('client aways', mix.clientAways, (random) => {
      const { clients } = this.#region
      clients[random.below(clients.length)]?.stayAway(1_000 + random.below(30_000))
    })
    this.#often('strains', mix.strains, (random) => this.#strain(random))
    this.#often('client stalls', mix.clientStalls, (random) => this.#stallClient(random))
  }

  /** Everything that was broken is whole again; who is dead comes back. */
  calm(): void {
    this.#isRaging = false
    const { mesh, kube, log, nodes, sockets } = this.#region
    mesh.cuts.clear()
    Object.assign(mesh.faults, { lossChance: 0, repeatChance: 0, spikeChance: 0 })
    Object.assign(kube.faults, {
      watchLateMs: 0, watchMissedChance: 0, failedChance: 0, lostChance: 0, lostAnswerChance: 0,
      lateChance: 0
    })
    if (kube.faults.isAway) kube.setAway(false)
    Object.assign(log.faults, {
      refusedChance: 0, lostChance: 0, lostAnswerChance: 0, lateChance: 0, busyChance: 0,
      unreadableChance: 0, slowChance: 0, lagChance: 0, isFull: false, isAway: false
    })
    log.cutOff.clear()
    log.streamBytesMax = Infinity
    for (const node of nodes.values()) {
      node.wake()
      node.setMeshUp(true)
    }
    for (const socket of sockets) {
      socket.mend()
      socket.resume()
    }
  }

  #setChances(): void {
    const { mesh, kube, log } = this.#region
    const { loss, repeat, spikes, watchTrouble, ringTrouble, logTrouble, logLag } = this.#mix
    log.streamBytesMax = this.#mix.logRoomBytes || Infinity
    Object.assign(mesh.faults, {
      lossChance: loss, repeatChance: repeat, spikeChance: spikes, spikeMs: 400
    })
    Object.assign(kube.faults, {
      watchLateMs: watchTrouble * 5_000, watchMissedChance: watchTrouble,
      failedChance: ringTrouble, lostChance: ringTrouble / 2, lostAnswerChance: ringTrouble,
      lateChance: ringTrouble / 2
    })
    Object.assign(log.faults, {
      refusedChance: logTrouble, lostChance: logTrouble / 2, lostAnswerChance: logTrouble,
      lateChance: logTrouble / 2, lateMs: 3_000, busyChance: logTrouble,
      unreadableChance: logTrouble, slowChance: logTrouble, slowMs: 600,
      lagChance: logLag, lagMs: 2_000
    })
  }

  /** Does something again and again, so many times a minute on average. */
  #often(what: string, perMinute: number, run: (random: Random) => void): void {
    if (perMinute === 0) return
    const random = this.#random.fork(what)
    const again = (): void => {
      this.#world.after(random.jitter(60_000 / perMinute, 0.9), () => {
        if (!this.#isRaging) return
        run(random)
        again()
      })
    }
    // The first comes soon, so that a short storm has one of each.
    this.#world.after(random.below(8_000), () => {
      if (this.#isRaging) run(random)
      again()
    })
  }

  #someNode(random: Random, run: (node: SimNode) => void): void {
    const running = this.#region.running
    if (running.length > 0) run(running[random.below(running.length)]!)
  }

  #partition(random: Random): void {
    const names = [...this.#region.nodes.keys()]
    const side = new Set(names.filter(() => random.below(2) === 0))
    const hasLogToo = random.below(2) === 0
    const cut = (from: string, to: string): boolean => side.has(from) !== side.has(to)
    this.#region.mesh.cuts.add(cut)
    if (hasLogToo) for (const name of side) this.#region.log.cutOff.add(name)
    this.#world.note(`partition: ${[...side].join(' ') || 'nobody'} | the rest` +
      `${hasLogToo ? ', without log' : ''}`)
    this.#world.after(500 + random.below(8_000), () => {
      this.#region.mesh.cuts.delete(cut)
      for (const name of side) this.#region.log.cutOff.delete(name)
      this.#world.note('partition heals')
    })
  }

  #cutOneWay(random: Random): void {
    const names = [...this.#region.nodes.keys()]
    const from = names[random.below(names.length)]!
    const to = random.below(3) === 0 ? undefined : names[random.below(names.length)]
    const cut = (a: string, b: string): boolean => a === from && (to === undefined || b === to)
    this.#region.mesh.cuts.add(cut)
    this.#world.note(`cut: ${from} is not heard by ${to ?? 'anybody'}`)
    this.#world.after(500 + random.below(6_000), () => this.#region.mesh.cuts.delete(cut))
  }

  #meshDown(random: Random): void {
    const isForAll = random.below(5) === 0
    const downMs = 300 + random.below(7_000)
    const down = (node: SimNode): void => {
      this.#world.note(`${node.pod.node} loses its mesh`)
      node.setMeshUp(false)
      this.#world.after(random.jitter(downMs, 0.2), () => node.setMeshUp(true))
    }
    if (isForAll) this.#region.running.forEach(down)
    else this.#someNode(random, down)
  }

  #pause(random: Random): void {
    this.#someNode(random, (node) => {
      this.#world.note(`${node.pod.node} stands still`)
      node.freeze()
      this.#world.after(200 + random.below(9_000), () => {
        this.#world.note(`${node.pod.node} wakes`)
        node.wake()
      })
    })
  }

  #killWorker(random: Random): void {
    this.#someNode(random, ({ life, workers }) => {
      const worker = random.below(workers)
      this.#world.note(`worker ${worker} of ${life?.incarnation} dies`)
      life?.killWorker(worker)
    })
  }

  /** It is late, or short of memory, for a while. */
  #strain(random: Random): void {
    const threads = this.#region.running.flatMap(({ life }) => life?.threads ?? [])
    const thread = threads[random.below(threads.length)]
    if (thread === undefined) return
    const isShort = random.below(2) === 0
    const memoryShare = isShort ? 0.85 + 0.15 * random.unit() : 0.2
    const lagMs = isShort ? 0 : limits.strainedLagMs
    const endMs = this.#world.nowMs + 500 + random.below(5_000)
    this.#world.note(`${thread.life} is strained`)
    const look = (): void => {
      if (thread.loop.isOver) return
      const isOver = this.#world.nowMs > endMs
      thread.tellStrain(isOver ? { lagMs: 0, memoryShare: 0.2 } : { lagMs, memoryShare })
      if (thread.worker.strain().isStrained || !isOver) {
        this.#world.after(limits.strainLookMs, look)
      }
    }
    look()
  }

  #dropClient(random: Random): void {
    const { clients } = this.#region
    const client = clients[random.below(clients.length)]
    if (client?.state === 'connected') client.dropSocket()
  }

  #cutClient(random: Random): void {
    const sockets = [...this.#region.sockets]
    const socket = sockets[random.below(sockets.length)]
    if (socket === undefined) return
    socket.isCut = true
    this.#world.note(`${socket.id} of ${socket.client.name} is cut`)
    this.#world.after(1_000 + random.below(40_000), () => socket.mend())
  }

  #stallClient(random: Random): void {
    const sockets = [...this.#region.sockets]
    const socket = sockets[random.below(sockets.length)]
    if (socket === undefined) return
    socket.isStalled = true
    this.#world.note(`${socket.client.name} reads nothing`)
    this.#world.after(500 + random.below(9_000), () => socket.resume())
  }
}
