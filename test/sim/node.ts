/**
 * A simulated node: the process in a pod. It has lives one after the other, each with a membership
 * machine and worker threads of its own, as `commands/node-runtime.ts` and `node-life.ts` do it.
 */

import type { PodFact, Standing } from '../../src/node/member-ports.ts'
import type { MachineClock } from './clock.ts'
import { flushAll } from './flushing.ts'
import type { SimKube, SimPod } from './kube.ts'
import { Life } from './life.ts'
import type { Region } from './region.ts'

/** One process in one pod; a restarted container is another SimNode with the same pod. */
export class SimNode {
  readonly pod: SimPod
  readonly clock: MachineClock
  readonly workers: number
  life: Life | undefined
  isRunning = false
  isFrozen = false
  isDraining = false
  isMeshUp = true
  /** When it last stood still, or its mesh came or went. */
  troubledAtMs = -Infinity
  #lifeCount = 0
  #watch: ReturnType<SimKube['watch']> | undefined
  #pods: readonly PodFact[] | undefined
  readonly #region: Region
  readonly #start: number

  constructor(region: Region, pod: SimPod, clock: MachineClock, workers: number, start: number) {
    this.#region = region
    this.pod = pod
    this.clock = clock
    this.workers = workers
    this.#start = start
  }

  /** True while it, or one of its workers, stands still or has no mesh. */
  get isImpaired(): boolean {
    return this.isFrozen || !this.isMeshUp || this.life?.threads.some((thread) =>
      thread !== undefined && (thread.loop.isFrozen || !thread.endpoint.isUp)) === true
  }

  /** The process starts. `incarnation`: the name of its first life, for rings that are preset. */
  start(incarnation?: string): void {
    this.isRunning = true
    this.#begin(incarnation)
    this.#watch = this.#region.kube.watch(this.pod.node, {
      onPods: (pods) => {
        this.#pods = pods
        this.life?.input({ kind: 'pods', pods })
      },
      onAway: () => this.life?.input({ kind: 'podsAway' })
    })
  }

  /** The membership of `life` wants a list that is begun now. */
  listPods(life: Life): void {
    this.#watch?.list(() => life.input({ kind: 'pods', pods: this.#pods ?? [], isAsked: true }))
  }

  /** The process dies: all threads at once, sockets closed by the kernel. */
  kill(): void {
    if (!this.isRunning) return
    this.isRunning = false
    this.#watch?.stop()
    this.life?.end()
  }

  /** SIGTERM. */
  drain(): void {
    if (this.isDraining || !this.isRunning) return
    this.isDraining = true
    this.life?.drain()
  }

  freeze(): void {
    if (this.isFrozen || !this.isRunning) return
    this.isFrozen = true
    this.troubledAtMs = this.#region.world.nowMs
    this.life?.freeze()
  }

  wake(): void {
    if (!this.isFrozen) return
    this.isFrozen = false
    this.troubledAtMs = this.#region.world.nowMs
    this.life?.wake()
  }

  setMeshUp(isUp: boolean): void {
    this.isMeshUp = isUp
    this.troubledAtMs = this.#region.world.nowMs
    this.life?.setMeshUp(isUp)
  }

  onLifeOver(life: Life, standing: Standing): void {
    if (life !== this.life || life.isOver) return
    flushAll(this.#region.world, life.threads, (unfinished) => {
      if (life !== this.life || life.isOver) return
      life.end(unfinished)
      if (standing === 'left') this.#region.onLeft(this)
      else if (!this.isDraining && this.isRunning) this.#begin()
    })
  }

  #begin(incarnation?: string): void {
    const name = incarnation ?? `${this.pod.node}-${this.#start}.${++this.#lifeCount}`
    const life = new Life(this.#region, this, name)
    this.life = life
    this.#region.world.note(`${name} begins on ${this.pod.uid}`)
    if (this.isFrozen) life.freeze()
    life.start(this.isMeshUp)
    if (this.#pods !== undefined) life.input({ kind: 'pods', pods: this.#pods })
  }
}
