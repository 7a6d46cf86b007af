/**
 * The simulated mesh: bytes to a place or to everybody, at most once, in order per sender and
 * subject, silent loss possible. Nothing else is promised, and the weather keeps it at that.
 */

import type { Random } from '../../src/base/random.ts'
import type { World } from './world.ts'

/** What the weather does to messages. */
export interface MeshFaults {
  lossChance: number
  repeatChance: number
  /** A message in this many is late by up to `spikeMs`; those behind it wait. */
  spikeChance: number
  spikeMs: number
  /** A message comes once more up to `lateRepeatMs` later, behind others. */
  lateRepeatChance: number
  lateRepeatMs: number
}

/** Calls what is cut between two machines; direction matters. */
export type Cut = (from: string, to: string) => boolean

/** One connection to the mesh: a worker's or a main thread's. */
export class Endpoint {
  readonly key: string
  readonly machine: string
  /** Hears what is sent to everybody. */
  readonly isMain: boolean
  isUp = true
  isClosed = false
  readonly lastAtMs = new Map<string, number>()
  readonly onPayload: (payload: unknown) => void

  constructor(
    key: string,
    machine: string,
    isMain: boolean,
    onPayload: (payload: unknown) => void
  ) {
    this.key = key
    this.machine = machine
    this.isMain = isMain
    this.onPayload = onPayload
  }
}

/** What went over the mesh, by the name of what was sent. */
export interface MeshCount {
  messages: number
  /** Of those that were encoded. */
  bytes: number
  encoded: number
}

export class SimMesh {
  readonly faults: MeshFaults = {
    lossChance: 0, repeatChance: 0, spikeChance: 0, spikeMs: 0, lateRepeatChance: 0, lateRepeatMs: 0
  }
  readonly cuts = new Set<Cut>()
  readonly counts = new Map<string, MeshCount>()
  readonly #world: World
  readonly #random: Random
  readonly #lateRandom: Random
  readonly #endpoints = new Map<string, Endpoint>()

  /** `of`: what its draws are named by, where there are several regions. */
  constructor(world: World, of = '') {
    this.#world = world
    this.#random = world.fork(`${of}mesh`)
    this.#lateRandom = world.fork(`${of}mesh late`)
  }

  open(endpoint: Endpoint): void {
    this.#endpoints.set(endpoint.key, endpoint)
  }

  close(endpoint: Endpoint): void {
    endpoint.isClosed = true
    if (this.#endpoints.get(endpoint.key) === endpoint) this.#endpoints.delete(endpoint.key)
  }

  get endpoints(): Iterable<Endpoint> {
    return this.#endpoints.values()
  }

  /** True if `from` cannot reach `to` at the moment. */
  isCut(from: string, to: string): boolean {
    for (const cut of this.cuts) if (cut(from, to)) return true
    return false
  }

  /** Sends to one place; `what` names it for the counts. */
  send(from: Endpoint, to: string, what: string, payload: unknown, bytes: number): void {
    this.#count(what, 1, bytes)
    if (!from.isUp || from.isClosed) return
    const target = this.#endpoints.get(to)
    if (target !== undefined) this.#carry(from, target, 'in', payload)
  }

  /** Sends to every main thread but the sender's own. */
  sendAll(from: Endpoint, what: string, payload: unknown, bytes: number): void {
    if (!from.isUp || from.isClosed) return
    let receivers = 0
    for (const target of this.#endpoints.values()) {
      if (!target.isMain || target === from) continue
      receivers++
      this.#carry(from, target, 'all', payload)
    }
    this.#count(what, receivers, bytes)
  }

  /** Something comes from another region. */
  receive(to: string, payload: unknown): void {
    const target = this.#endpoints.get(to)
    if (target?.isUp === true && !target.isClosed) target.onPayload(payload)
  }

  #count(what: string, messages: number, bytes: number): void {
    let count = this.counts.get(what)
    if (count === undefined) {
      count = { messages: 0, bytes: 0, encoded: 0 }
      this.counts.set(what, count)
    }
    count.messages += messages
    count.bytes += messages * bytes
    if (bytes > 0) count.encoded += messages
  }

  #carry(from: Endpoint, to: Endpoint, subject: string, payload: unknown): void {
    const { lossChance, repeatChance, spikeChance, spikeMs } = this.faults
    if (lossChance > 0 && this.#random.unit() < lossChance) return
    const isLate = spikeChance > 0 && this.#random.unit() < spikeChance
    const delayMs = this.#random.jitter(0.6, 0.6) + (isLate ? this.#random.below(spikeMs) : 0)
    const way = `${to.key} ${subject}`
    const atMs = Math.max(this.#world.nowMs + delayMs, from.lastAtMs.get(way) ?? 0)
    from.lastAtMs.set(way, atMs)
    this.#deliver(from, to, payload, atMs)
    const isRepeated = repeatChance > 0 && this.#random.unit() < repeatChance
    if (isRepeated) this.#deliver(from, to, payload, atMs)
    const { lateRepeatChance, lateRepeatMs } = this.faults
    if (lateRepeatChance === 0 || this.#lateRandom.unit() >= lateRepeatChance) return
    this.#deliver(from, to, payload, atMs + this.#lateRandom.below(lateRepeatMs))
  }

  #deliver(from: Endpoint, to: Endpoint, payload: unknown, atMs: number): void {
    this.#world.at(atMs, () => {
      if (!to.isUp || to.isClosed || this.isCut(from.machine, to.machine)) return
      to.onPayload(payload)
    })
  }
}
