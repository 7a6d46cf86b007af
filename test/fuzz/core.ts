/**
 * Fuzzing the core: hostile clients on a region in virtual time, in blocks. In a block everybody
 * says frame after frame; at its end all go, the time passes after which nothing of them may be
 * left, and nothing is: no part, no deadline, no memory.
 */

import { Bystander, Hostile } from './clients.ts'
import { Heard } from './frames.ts'
import { Odd } from './odd.ts'
import { FuzzRegion } from './region.ts'

const HOSTILE_COUNT = 16
const BLOCK_FRAMES = 20_000
const BYSTANDER_EVERY = 40
const LOOK_EVERY = 400
/** After it whatever outlives a connection is over: ids, parked sessions, idle channels. */
const ALL_OVER_MS = 900_000
/** What may be waited for when nobody is there. */
const DEADLINES_LEFT_MAX = 40
const HEAP_GROWTH_BYTES_MAX = 24 * 1024 * 1024

export interface CoreFigures {
  frameCount: number
  turnCount: number
  blockCount: number
  /** What is held at the end of the first block and of the last one. */
  firstHeapBytes: number
  lastHeapBytes: number
  turnsPerFrameMax: number
}

/** Sends `frameCount` frames; throws with what was found, and the frame it was found with. */
export function fuzzCore(seed: string, frameCount: number): CoreFigures {
  const region = new FuzzRegion(seed)
  const odd = new Odd(region.random.fork('odd'))
  const heard = new Heard()
  const figures: CoreFigures = {
    frameCount: 0, turnCount: 0, blockCount: 0, firstHeapBytes: 0, lastHeapBytes: 0,
    turnsPerFrameMax: 0
  }
  while (figures.frameCount < frameCount) {
    const count = Math.min(BLOCK_FRAMES, frameCount - figures.frameCount)
    new Block(region, odd, heard, figures).run(count)
  }
  figures.turnCount = region.turnCount
  return figures
}

class Block {
  readonly #region: FuzzRegion
  readonly #odd: Odd
  readonly #figures: CoreFigures
  readonly #hostiles: Hostile[] = []
  readonly #bystander: Bystander

  constructor(region: FuzzRegion, odd: Odd, heard: Heard, figures: CoreFigures) {
    this.#region = region
    this.#odd = odd
    this.#figures = figures
    for (let no = 0; no < HOSTILE_COUNT; no++) this.#hostiles.push(new Hostile(region, odd, heard))
    this.#bystander = new Bystander(region, `bystander${figures.blockCount}`)
    region.settle()
  }

  run(count: number): void {
    const endCount = this.#figures.frameCount + count
    while (this.#figures.frameCount < endCount) this.#frame()
    this.#clearUp()
  }

  #frame(): void {
    const region = this.#region
    const odd = this.#odd
    const figures = this.#figures
    const hostile = odd.one(this.#hostiles)
    if (!hostile.isOpen) hostile.connect()
    const turnsBefore = region.turnCount
    const frame = hostile.send()
    const no = ++figures.frameCount
    try {
      if (no % BYSTANDER_EVERY === 0) this.#bystander.publish()
      if (!odd.once(4)) region.settle()
      figures.turnsPerFrameMax = Math.max(figures.turnsPerFrameMax, region.turnCount - turnsBefore)
      if (odd.once(60)) hostile.drop()
      if (odd.once(100)) region.isLogSlow = odd.once(3)
      if (odd.once(3)) this.#passTime()
      if (no % LOOK_EVERY === 0) this.#look()
    } catch (error) {
      throw new Error(`frame ${no}: ${shown(frame.data)}\n${(error as Error).stack}`)
    }
  }

  #passTime(): void {
    const odd = this.#odd
    const isLong = odd.once(50)
    // A log that is slow for longer than publishes may wait ends sockets, and rightly.
    if (isLong) this.#region.isLogSlow = false
    this.#region.advance(odd.below(isLong ? 20_000 : 50))
  }

  /** Everything that was asked so far has its answer by now. */
  #look(): void {
    this.#region.isLogSlow = false
    this.#region.advance(20_000)
    for (const hostile of this.#hostiles) {
      const flaw = hostile.flaw()
      if (flaw !== undefined) throw new Error(`a hostile client: ${flaw}\n${hostile.story}`)
    }
    const flaw = this.#bystander.flaw()
    if (flaw !== undefined) throw new Error(`a bystander: ${flaw}`)
  }

  #clearUp(): void {
    this.#look()
    for (const hostile of this.#hostiles) hostile.drop()
    this.#bystander.leave()
    this.#region.advance(ALL_OVER_MS)
    for (const { incarnation, worker, outbox } of this.#region.nodes) {
      const { connections, attachments, groups, clients, unconfirmedBytes } = worker.counts()
      const tickets = outbox.openTicketCount
      const left = { connections, attachments, groups, clients, unconfirmedBytes, tickets }
      for (const [what, count] of Object.entries(left)) {
        if (count !== 0) throw new Error(`${incarnation} has ${count} ${what} left`)
      }
      const { deadlines } = worker.counts()
      if (deadlines > DEADLINES_LEFT_MAX) throw new Error(`${deadlines} deadlines are left`)
    }
    this.#weigh()
  }

  #weigh(): void {
    const figures = this.#figures
    // Once more for what the first has only found: buffers are given back behind it.
    for (let times = 0; times < 2; times++) globalThis.gc?.()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    figures.lastHeapBytes = heapUsed + arrayBuffers
    if (figures.blockCount++ === 0) figures.firstHeapBytes = figures.lastHeapBytes
    const grown = figures.lastHeapBytes - figures.firstHeapBytes
    if (globalThis.gc !== undefined && grown > HEAP_GROWTH_BYTES_MAX) {
      throw new Error(`after ${figures.frameCount} frames ${grown} bytes more are held`)
    }
  }
}

function shown(data: string | Uint8Array): string {
  if (typeof data === 'string') return data.slice(0, 2_000)
  const text = Buffer.from(data).toString('utf8')
  if (data[0] === 0x7b) return text.slice(0, 2_000)
  return Buffer.from(data).toString('hex').slice(0, 2_000)
}
