/** The weather: what a seed's mix of faults does to the region, and how it clears. */

import { limits } from '../../src/base/limits.ts'
import type { Random } from '../../src/base/random.ts'
import { calmFaults, type LogFaults, STREAM_COUNT } from './log.ts'
import type { Mix } from './mix.ts'
import type { SimNode } from './node.ts'
import { rageRarely } from './rare-weather.ts'
import type { Region } from './region.ts'
import type { World } from './world.ts'

function troubleOf(trouble: number, lag: number, lagMs: number): Partial<LogFaults> {
  return {
    refusedChance: trouble, lostChance: trouble / 2, lostAnswerChance: trouble,
    lateChance: trouble / 2, lateMs: 3_000, busyChance: trouble, unreadableChance: trouble,
    slowChance: trouble, slowMs: 600, lagChance: lag, lagMs
  }
}

/** What is there all the time, where a seed has it. */
const LASTING = [
  'skewMs', 'loss', 'repeat', 'spikes', 'lateRepeat', 'watchTrouble', 'ringTrouble', 'logTrouble',
  'logLag', 'logRoomBytes', 'isTight', 'isShort', 'isBrief'
] as const

export class Weather {
  readonly #region: Region
  readonly #world: World
  readonly #mix: Mix
  readonly #random: Random
  /** How often each kind of weather has come. */
  readonly occurred = new Map<string, number>()
  #isRaging = false

  constructor(region: Region, mix: Mix) {
    this.#region = region
    this.#world = region.world
    this.#mix = mix
    this.#random = region.fork('weather')
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
    this.#often('archive away', mix.archiveAways, (random) => this.#archiveIs('isAway', random))
    this.#often('archive full', mix.archiveFulls, (random) => this.#archiveIs('isFull', random))
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
    rageRarely(this.#region, mix, (what, perMinute, run) => this.#often(what, perMinute, run))
    this.#often('strains', mix.strains, (random) => this.#strain(random))
    this.#often('client stalls', mix.clientStalls, (random) => this.#stallClient(random))
  }

  /** Everything that was broken is whole again; who is dead comes back. */
  calm(): void {
    this.#isRaging = false
    const { mesh, kube, log, archive, nodes, sockets } = this.#region
    mesh.cuts.clear()
    Object.assign(mesh.faults, {
      lossChance: 0, repeatChance: 0, spikeChance: 0, lateRepeatChance: 0
    })
    Object.assign(kube.faults, {
      watchLateMs: 0, watchMissedChance: 0, failedChance: 0, lostChance: 0, lostAnswerChance: 0,
      lateChance: 0
    })
    if (kube.faults.isAway) kube.setAway(false)
    if (kube.faults.isReadOnly) kube.setReadOnly(false)
    kube.endCuts()
    Object.assign(log.faults, calmFaults())
    Object.assign(archive.faults, calmFaults())
    for (const some of [log.cutOff, log.awayStreams, log.fullStreams]) some.clear()
    log.streamBytesMax = Infinity
    for (const node of nodes.values()) {
      node.wake()
      node.setMeshUp(true)
      node.life?.mendWorkers()
      node.life?.misbelieve([])
    }
    for (const socket of sockets) {
      socket.mend()
      socket.resume()
    }
  }

  #setChances(): void {
    const { mesh, kube, log, archive } = this.#region
    const { loss, repeat, spikes, watchTrouble, ringTrouble } = this.#mix
    const { logTrouble, logLag, archiveTrouble, archiveLag } = this.#mix
    log.streamBytesMax = this.#mix.logRoomBytes || Infinity
    for (const what of LASTING) if (Number(this.#mix[what]) > 0) this.occurred.set(what, 1)
    Object.assign(mesh.faults, {
      lossChance: loss, repeatChance: repeat, spikeChance: spikes, spikeMs: 400,
      lateRepeatChance: this.#mix.lateRepeat, lateRepeatMs: 5_000
    })
    Object.assign(kube.faults, {
      watchLateMs: watchTrouble * 5_000, watchMissedChance: watchTrouble,
      failedChance: ringTrouble, lostChance: ringTrouble / 2, lostAnswerChance: ringTrouble,
      lateChance: ringTrouble / 2
    })
    Object.assign(log.faults, troubleOf(logTrouble, logLag, 2_000))
    Object.assign(archive.faults, troubleOf(archiveTrouble, archiveLag, 12_000))
  }

  #archiveIs(fault: 'isAway' | 'isFull', random: Random): void {
    const { faults } = this.#region.archive
    faults[fault] = true
    this.#world.note(`the archive: ${fault}`)
    this.#world.after(500 + random.below(9_000), () => {
      faults[fault] = false
    })
  }

  /** Does something again and again, so many times a minute on average. */
  #often(what: string, perMinute: number, run: (random: Random) => void): void {
    if (perMinute === 0) return
    const random = this.#random.fork(what)
    const again = (): void => {
      this.#world.after(random.jitter(60_000 / perMinute, 0.9), () => {
        if (!this.#isRaging) return
        come()
        again()
      })
    }
    const come = (): void => {
      this.occurred.set(what, (this.occurred.get(what) ?? 0) + 1)
      run(random)
    }
    // The first comes soon, so that a short storm has one of each.
    this.#world.after(random.below(8_000), () => {
      if (this.#isRaging) come()
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
