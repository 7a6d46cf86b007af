/**
 * Who should master what: the table of the next view, a pure function of the former table and the
 * members. Only serving nodes own; where there is none, leaving ones keep all. It is made in three
 * steps.
 *
 * 1. *Inherit.* A partition whose master goes falls to its first successor that still owns and has
 *    room: its copy of the tail is warm. Without one it falls to whoever masters least.
 * 2. *Level.* Masterships move from whoever has most to whoever has least until everybody is
 *    within 0.95 and 1.10 of the mean. Each such move is needed to get there, and partitions that
 *    had to move anyway are taken first, so nearly nothing moves that could stay; after those,
 *    partitions that the receiver already succeeds.
 * 3. *Succeed.* Each row keeps its former owners in their order, the displaced master first, as
 *    far as they stand in zones of their own; vacancies go to the least loaded node that fits.
 *    Then successor roles are levelled too, within a tolerance: they cost a move of warm copies
 *    but decide no mastership.
 *
 * Zones come before balance for successors: a zone that fails must not take all of a row.
 */

import { assert, AssertionError } from '../base/assert.ts'
import { hash32 } from '../base/hash.ts'
import type { Member } from '../peer/membership.ts'
import { NOBODY } from './view.ts'

/** How many partitions a node may master, and must, as shares of the mean. */
const MASTER_SHARE_MAX = 1.1
const MASTER_SHARE_MIN = 0.95
/** The share of their mean above which successor roles move without other need. */
const SUCCESSOR_SHARE_MAX = 1.1

/**
 * The table for `members`. `previous` is the former table already renumbered for them
 * (`renumber` in ring/delta.ts), or undefined for the first one. Cells are indexes into `members`.
 */
export function assign(
  previous: Uint16Array | undefined, members: readonly Member[],
  partitionCount: number, successorCount: number
): Uint16Array {
  const width = 1 + successorCount
  assert(members.length < NOBODY, 'every member has a number')
  assert(
    previous === undefined || previous.length === partitionCount * width,
    'the former table has the same shape'
  )
  const former = previous ?? new Uint16Array(partitionCount * width).fill(NOBODY)
  const owners = eligible(members)
  if (owners.length === 0) return new Uint16Array(partitionCount * width).fill(NOBODY)
  const masters = new Masterships(former, width, owners)
  masters.inherit()
  masters.level()
  return new Successions(former, width, owners, members).table(masters.masterOf)
}

/** The numbers of those who may own: serving nodes, or leaving ones while nobody else can. */
function eligible(members: readonly Member[]): number[] {
  const numbersIn = (state: Member['state']) =>
    members.flatMap((member, at) => (member.state === state ? [at] : []))
  const serving = numbersIn('serving')
  return serving.length > 0 ? serving : numbersIn('leaving')
}

/** One node's partitions, in the order in which they would be given away; see `take`. */
interface Holding {
  /** Partitions that another node mastered before. */
  readonly moved: number[]
  /** By successor, partitions that it succeeds. */
  readonly warm: Map<number, number[]>
  readonly all: number[]
}

/** Steps 1 and 2: one master per partition. */
class Masterships {
  readonly masterOf: Uint16Array
  readonly #former: Uint16Array
  readonly #width: number
  readonly #owners: readonly number[]
  readonly #loads = new Map<number, number>()
  readonly #holdings = new Map<number, Holding>()
  readonly #loadMax: number
  readonly #loadMin: number

  constructor(former: Uint16Array, width: number, owners: readonly number[]) {
    this.#former = former
    this.#width = width
    this.#owners = owners
    this.masterOf = new Uint16Array(former.length / width).fill(NOBODY)
    const mean = this.masterOf.length / owners.length
    this.#loadMax = Math.max(Math.ceil(mean), Math.floor(mean * MASTER_SHARE_MAX))
    this.#loadMin = Math.min(Math.floor(mean), Math.ceil(mean * MASTER_SHARE_MIN))
    for (const owner of owners) {
      this.#loads.set(owner, 0)
      this.#holdings.set(owner, { moved: [], warm: new Map(), all: [] })
    }
  }

  inherit(): void {
    const orphans: number[] = []
    for (let row = 0; row < this.masterOf.length; row++) {
      const master = this.#former[row * this.#width]!
      if (this.#loads.has(master)) this.#give(row, master)
      else orphans.push(row)
    }
    for (const row of orphans) {
      const heir = this.#heirOf(row)
      if (heir !== undefined) this.#give(row, heir)
    }
    for (const row of orphans) {
      if (this.masterOf[row] === NOBODY) this.#give(row, this.#least())
    }
  }

  level(): void {
    for (;;) {
      const giver = this.#most()
      const taker = this.#least()
      const isLevel = this.#loads.get(giver)! <= this.#loadMax &&
        this.#loads.get(taker)! >= this.#loadMin
      if (isLevel) return
      const row = this.#take(giver, taker)
      this.#loads.set(giver, this.#loads.get(giver)! - 1)
      this.#give(row, taker)
    }
  }

  #give(row: number, owner: number): void {
    this.masterOf[row] = owner
    this.#loads.set(owner, this.#loads.get(owner)! + 1)
    const holding = this.#holdings.get(owner)!
    const from = row * this.#width
    if (this.#former[from] !== owner) holding.moved.push(row)
    holding.all.push(row)
    for (let at = from + 1; at < from + this.#width; at++) {
      const successor = this.#former[at]!
      const rows = holding.warm.get(successor)
      if (rows === undefined) holding.warm.set(successor, [row])
      else rows.push(row)
    }
  }

  /** The giver's partition that costs least to give to the taker. */
  #take(giver: number, taker: number): number {
    const { moved, warm, all } = this.#holdings.get(giver)!
    for (const rows of [moved, warm.get(taker) ?? [], all]) {
      // A partition given away by one list surfaces in the others later, and is passed over.
      for (let row = rows.pop(); row !== undefined; row = rows.pop()) {
        if (this.masterOf[row] === giver) return row
      }
    }
    throw new AssertionError('the most loaded node has a partition to give')
  }

  /** The first former successor that may own and has room. */
  #heirOf(row: number): number | undefined {
    for (let at = row * this.#width + 1; at < (row + 1) * this.#width; at++) {
      const successor = this.#former[at]!
      if ((this.#loads.get(successor) ?? Infinity) < this.#loadMax) return successor
    }
    return undefined
  }

  #least(): number {
    const loads = this.#loads
    return this.#owners.reduce((a, b) => (loads.get(b)! < loads.get(a)! ? b : a))
  }

  #most(): number {
    const loads = this.#loads
    return this.#owners.reduce((a, b) => (loads.get(b)! > loads.get(a)! ? b : a))
  }
}

/** Step 3: the successors of every row. */
class Successions {
  readonly #former: Uint16Array
  readonly #width: number
  readonly #owners: readonly number[]
  readonly #isOwner: boolean[]
  readonly #zones: number[]
  readonly #zoneCount: number
  readonly #salts: number[]
  readonly #loads: number[]

  constructor(
    former: Uint16Array, width: number, owners: readonly number[], members: readonly Member[]
  ) {
    this.#former = former
    this.#width = width
    this.#owners = owners
    this.#isOwner = members.map(() => false)
    for (const owner of owners) this.#isOwner[owner] = true
    const names = [...new Set(owners.map((owner) => members[owner]!.zone))]
    this.#zones = members.map((member) => names.indexOf(member.zone))
    this.#zoneCount = names.length
    this.#salts = members.map((member) => hash32(member.incarnation))
    this.#loads = members.map(() => 0)
  }

  table(masterOf: Uint16Array): Uint16Array {
    const width = this.#width
    const table = new Uint16Array(masterOf.length * width).fill(NOBODY)
    masterOf.forEach((master, row) => {
      table[row * width] = master
      this.#keep(table, row)
    })
    for (let row = 0; row < masterOf.length; row++) this.#fill(table, row)
    this.#level(table)
    return table
  }

  /** Former owners stay successors, in their order, while their zones are their own. */
  #keep(table: Uint16Array, row: number): void {
    const from = row * this.#width
    let filled = 1
    for (let at = from; at < from + this.#width && filled < this.#width; at++) {
      const owner = this.#former[at]!
      if (this.#isOwner[owner] !== true || !this.#isFit(table, from, filled, owner)) continue
      table[from + filled++] = owner
      this.#loads[owner]!++
    }
  }

  #fill(table: Uint16Array, row: number): void {
    const from = row * this.#width
    const wanted = Math.min(this.#width, this.#owners.length)
    let filled = 1
    while (filled < this.#width && table[from + filled] !== NOBODY) filled++
    for (; filled < wanted; filled++) {
      let best = NOBODY
      for (const owner of this.#owners) {
        if (!this.#isFit(table, from, filled, owner)) continue
        if (best === NOBODY || this.#isBetter(owner, best, row)) best = owner
      }
      table[from + filled] = best
      this.#loads[best]!++
    }
  }

  /**
   * May `owner` follow the `filled` first owners of the row? Not if it is one of them, and not if
   * its zone is taken while another zone is still free.
   */
  #isFit(table: Uint16Array, from: number, filled: number, owner: number): boolean {
    let isZoneTaken = false
    let usedZoneCount = 0
    for (let at = from; at < from + filled; at++) {
      const other = table[at]!
      if (other === owner) return false
      if (this.#zones[other] === this.#zones[owner]) isZoneTaken = true
      if (this.#isFirstOfZone(table, from, at)) usedZoneCount++
    }
    return !isZoneTaken || usedZoneCount === this.#zoneCount
  }

  #isFirstOfZone(table: Uint16Array, from: number, at: number): boolean {
    const zone = this.#zones[table[at]!]
    for (let before = from; before < at; before++) {
      if (this.#zones[table[before]!] === zone) return false
    }
    return true
  }

  /** Less loaded first; among equals a draw by row, so that one node's rows fall to many. */
  #isBetter(a: number, b: number, row: number): boolean {
    const difference = this.#loads[a]! - this.#loads[b]!
    if (difference !== 0) return difference < 0
    return draw(this.#salts[a]!, row) < draw(this.#salts[b]!, row)
  }

  /**
   * Moves roles away from the overloaded: first a row's last role between zones, as far as zones
   * leave a choice, then any role within its zone.
   */
  #level(table: Uint16Array): void {
    const everywhere = new Levels(this.#owners, this.#loads)
    this.#levelCells(table, (cell) => cell % this.#width === this.#width - 1, () => everywhere)
    const zones = Array.from({ length: this.#zoneCount }, (_, zone) =>
      new Levels(this.#owners.filter((owner) => this.#zones[owner] === zone), this.#loads))
    const isSuccessor = (cell: number): boolean => cell % this.#width > 0
    this.#levelCells(table, isSuccessor, (owner) => zones[this.#zones[owner]!]!)
  }

  #levelCells(
    table: Uint16Array, isMovable: (cell: number) => boolean, levelsOf: (owner: number) => Levels
  ): void {
    for (let cell = 0; cell < table.length; cell++) {
      const holder = table[cell]!
      if (!isMovable(cell) || holder === NOBODY) continue
      const levels = levelsOf(holder)
      if (this.#loads[holder]! <= levels.max) continue
      const taker = this.#takerOf(table, cell, levels)
      if (taker === undefined) continue
      table[cell] = taker
      this.#loads[holder]!--
      this.#loads[taker]!++
    }
  }

  /** The least loaded of `levels`, below their mean, that fits where the cell's holder stands. */
  #takerOf(table: Uint16Array, cell: number, levels: Levels): number | undefined {
    const from = cell - (cell % this.#width)
    const row = from / this.#width
    const zone = this.#zones[table[cell]!]
    let best: number | undefined
    for (const owner of levels.owners) {
      if (this.#loads[owner]! >= levels.mean) continue
      if (best !== undefined && !this.#isBetter(owner, best, row)) continue
      const isSwap = this.#zones[owner] === zone &&
        !table.subarray(from, from + this.#width).includes(owner)
      if (isSwap || (cell === from + this.#width - 1 &&
        this.#isFit(table, from, cell - from, owner))) best = owner
    }
    return best
  }
}

/** How many successor roles some owners have on average, and may have. */
class Levels {
  readonly owners: readonly number[]
  readonly mean: number
  readonly max: number

  constructor(owners: readonly number[], loads: readonly number[]) {
    this.owners = owners
    this.mean = owners.reduce((sum, owner) => sum + loads[owner]!, 0) / owners.length
    this.max = Math.max(Math.ceil(this.mean), Math.floor(this.mean * SUCCESSOR_SHARE_MAX))
  }
}

/** A number of `salt` and `row` that looks random. */
function draw(salt: number, row: number): number {
  let mixed = salt ^ Math.imul(row + 1, 0x9e3779b1)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
