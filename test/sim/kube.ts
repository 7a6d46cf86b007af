/**
 * The simulated Kubernetes API: the region's pods with their watchers, and the one RealtimeRing
 * object with compare-and-swap. Events come late or not at all until the next list; calls fail,
 * and a write whose answer is lost may have happened, or happens yet.
 */

import type { Random } from '../../src/base/random.ts'
import type { PodFact, RingReading, RingWriting } from '../../src/node/member-ports.ts'
import type { View } from '../../src/ring/view.ts'
import type { World } from './world.ts'

const CALL_MS = 8
const CALL_TIMEOUT_MS = 5_000
const LIST_RETRY_MS = 1_000
const RESYNC_MS = 5_000
const FORMER_MAX = 8
const NOTICED_MS = 2_000

/** What the weather does to the API. */
export interface KubeFaults {
  isAway: boolean
  /** Nothing can be written, while reads and watches go on. */
  isReadOnly: boolean
  /** Watch events are late by up to this much. */
  watchLateMs: number
  /** A watch event is not seen until the next list. */
  watchMissedChance: number
  failedChance: number
  /** A write is without answer: it did not happen, it did, it happens later. */
  lostChance: number
  lostAnswerChance: number
  lateChance: number
}

/** A pod as the API has it. */
export type SimPod = { -readonly [K in keyof PodFact]: PodFact[K] }

/** Who watches the pods. */
export interface PodWatcher {
  onPods(pods: readonly PodFact[]): void
  onAway(): void
}

interface Watch {
  readonly node: string
  readonly watcher: PodWatcher
  seen: number
  isAway: boolean
}

export class SimKube {
  readonly faults: KubeFaults = {
    isAway: false,
    isReadOnly: false,
    watchLateMs: 0,
    watchMissedChance: 0,
    failedChance: 0,
    lostChance: 0,
    lostAnswerChance: 0,
    lateChance: 0
  }

  /** For planted faults: a write takes place whatever the object is. */
  isCompareOff = false
  readonly pods = new Map<string, SimPod>()
  /** Nodes that do not reach the API. */
  readonly #cutOff = new Set<string>()
  /** The last views that were written, oldest first. */
  readonly #former: View[] = []
  readonly partitionCount: number
  /** The ring object was restored, at some time. */
  isRestored = false
  /** When somebody last could not read or write the ring object. */
  failedAtMs = -Infinity
  onRingWritten: (view: View, writer: string) => void = () => undefined
  onRingRestored: () => void = () => undefined
  readonly #world: World
  readonly #random: Random
  readonly #cutRandom: Random
  readonly #watches = new Set<Watch>()
  #version = 1
  #podsVersion = 1
  #listVersion = 0
  #listed: readonly PodFact[] = []
  #view: View | undefined

  /** `of`: what its draws are named by, where there are several regions. */
  constructor(world: World, partitionCount: number, of = '') {
    this.#world = world
    this.#random = world.fork(`${of}kube`)
    this.#cutRandom = world.fork(`${of}kube cuts`)
    this.partitionCount = partitionCount
    world.every(RESYNC_MS, () => this.#resync())
  }

  /** The view that the ring object holds. */
  get view(): View | undefined {
    return this.#view
  }

  /** Puts a view into the ring object, as if it had always been there. */
  preset(view: View): void {
    this.#view = view
    this.#version++
  }

  /** Watches the pods; the first list comes soon. */
  watch(node: string, watcher: PodWatcher): { stop(): void; list(onListed: () => void): void } {
    const watch: Watch = { node, watcher, seen: 0, isAway: false }
    this.#watches.add(watch)
    this.#tell(watch, CALL_MS)
    return {
      stop: () => void this.#watches.delete(watch),
      list: (onListed) => this.#list(watch, onListed)
    }
  }

  /** The pods have changed: those who watch are told, more or less. */
  podsChanged(what: string): void {
    this.#podsVersion++
    this.#world.note(`pods: ${what}`)
    if (this.faults.isAway) return
    for (const watch of this.#watches) {
      const isMissed = this.#isDrawn(this.faults.watchMissedChance)
      if (!isMissed) this.#tell(watch, CALL_MS + this.#random.below(this.faults.watchLateMs + 1))
    }
  }

  /** Watches notice it within that time: where packets vanish, not before they lose patience. */
  setAway(isAway: boolean, noticedMs = NOTICED_MS): void {
    this.faults.isAway = isAway
    this.#world.note(isAway ? 'the API is away' : 'the API is back')
    for (const watch of this.#watches) {
      this.#world.after(this.#random.below(noticedMs), () => this.#notice(watch))
    }
  }

  setReadOnly(isReadOnly: boolean): void {
    this.faults.isReadOnly = isReadOnly
    this.#world.note(isReadOnly ? 'the API takes no writes' : 'the API takes writes again')
  }

  /** One node alone reaches the API no more, or again. */
  setCutOff(node: string, isCutOff: boolean): void {
    if (isCutOff) this.#cutOff.add(node)
    else this.#cutOff.delete(node)
    this.#world.note(isCutOff ? `the API is away for ${node}` : `the API is back for ${node}`)
    for (const watch of this.#watches) {
      if (watch.node !== node) continue
      this.#world.after(this.#cutRandom.below(NOTICED_MS), () => this.#notice(watch))
    }
  }

  /** True while some do not reach it, or cannot write. */
  get isTroubled(): boolean {
    return this.faults.isAway || this.faults.isReadOnly || this.#cutOff.size > 0
  }

  /** All reach it again. */
  endCuts(): void {
    for (const node of [...this.#cutOff]) this.setCutOff(node, false)
  }

  /** The ring object is restored as it was `back` views ago; where that is too far, it is empty. */
  restoreRing(back: number): void {
    this.#view = this.#former.at(-1 - back)
    this.#version++
    this.isRestored = true
    const version = this.#view?.version
    this.#world.note(version === undefined ? 'the ring is lost' : `the ring is again at ${version}`)
    this.onRingRestored()
  }

  readRing(reader: string, onReading: (reading: RingReading) => void): void {
    const { faults } = this
    const isFailing = this.#isAwayFor(reader) || this.#isDrawn(faults.failedChance)
    const delayMs = this.#random.jitter(CALL_MS)
    this.#world.after(isFailing ? this.#failureMs() : delayMs, () => {
      if (isFailing) {
        this.failedAtMs = this.#world.nowMs
        onReading({ outcome: 'failed', reason: 'the API does not answer' })
        return
      }
      const { partitionCount } = this
      const stored = { resourceVersion: String(this.#version), partitionCount, view: this.#view }
      this.#world.after(delayMs, () => onReading({ outcome: 'found', stored }))
    })
  }

  writeRing(
    writer: string,
    expected: string | undefined,
    view: View,
    onWriting: (writing: RingWriting) => void
  ): void {
    const { faults } = this
    const say = (writing: RingWriting, afterMs: number): void => {
      this.#world.note(`ring: view ${view.version} of ${writer} ${writing.outcome}`)
      if (writing.outcome === 'unknown') this.failedAtMs = this.#world.nowMs
      this.#world.after(afterMs, () => onWriting(writing))
    }
    const unknown = { outcome: 'unknown', reason: 'no answer in time' } as const
    this.#world.after(this.#random.jitter(CALL_MS), () => {
      if (expected === undefined) {
        say({ outcome: 'refused', reason: 'the object is the operator\'s to make' }, CALL_MS)
      } else if (this.#isUnwritableBy(writer) || this.#isDrawn(faults.lostChance)) {
        say(unknown, this.#failureMs())
      } else if (this.#isDrawn(faults.lateChance)) {
        this.#world.after(this.#random.below(4_000), () => this.#store(writer, expected, view))
        say(unknown, this.#random.below(2_000))
      } else {
        const writing = this.#store(writer, expected, view)
        const isHeard = !this.#isDrawn(faults.lostAnswerChance)
        say(isHeard ? writing : unknown, isHeard ? CALL_MS : this.#failureMs())
      }
    })
  }

  #store(writer: string, expected: string, view: View): RingWriting {
    const isOther = expected !== String(this.#version)
    if (isOther && !this.isCompareOff) return { outcome: 'conflict' }
    this.#view = view
    this.#version++
    this.#former.push(view)
    if (this.#former.length > FORMER_MAX) this.#former.shift()
    this.onRingWritten(view, writer)
    return { outcome: 'written', resourceVersion: String(this.#version) }
  }

  #isAwayFor(node: string): boolean {
    return this.faults.isAway || this.#cutOff.has(node)
  }

  #isUnwritableBy(node: string): boolean {
    return this.#isAwayFor(node) || this.faults.isReadOnly
  }

  #notice(watch: Watch): void {
    const isAway = this.#isAwayFor(watch.node)
    if (isAway === watch.isAway) return
    watch.isAway = isAway
    if (isAway) watch.watcher.onAway()
    else this.#tell(watch, CALL_MS)
  }

  #tell(watch: Watch, afterMs: number): void {
    const version = this.#podsVersion
    const pods = this.#podsNow()
    this.#world.after(afterMs, () => {
      if (!this.#watches.has(watch) || watch.isAway || version < watch.seen) return
      watch.seen = version
      watch.watcher.onPods(pods)
    })
  }

  /** A list that is asked for, as things are now; tried again while the API is away. */
  #list(watch: Watch, onListed: () => void): void {
    if (!this.#watches.has(watch)) return
    if (watch.isAway || this.#isAwayFor(watch.node)) {
      this.#world.after(LIST_RETRY_MS, () => this.#list(watch, onListed))
      return
    }
    this.#tell(watch, CALL_MS)
    this.#world.after(CALL_MS, () => {
      if (watch.isAway) this.#list(watch, onListed)
      else if (this.#watches.has(watch)) onListed()
    })
  }

  /** The list as it stands, made once for all who are told of it. */
  #podsNow(): readonly PodFact[] {
    if (this.#listVersion !== this.#podsVersion) {
      this.#listVersion = this.#podsVersion
      this.#listed = Object.freeze([...this.pods.values()].map((pod) => Object.freeze({ ...pod })))
    }
    return this.#listed
  }

  #resync(): void {
    if (this.faults.isAway) return
    for (const watch of this.#watches) {
      if (watch.seen < this.#podsVersion) this.#tell(watch, CALL_MS)
    }
  }

  #failureMs(): number {
    return this.#random.below(2) === 0 ? CALL_MS : CALL_TIMEOUT_MS
  }

  #isDrawn(chance: number): boolean {
    return chance > 0 && this.#random.unit() < chance
  }
}
