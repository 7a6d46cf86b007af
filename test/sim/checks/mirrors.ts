/**
 * What a region's log has of other regions. Everything in it was born there, as it stands there;
 * of each origin it has a contiguous stretch, in order, each once, but for ids that it knew
 * already; where something is left out a break says so, and there only where it may be. What one
 * region alone uses crosses no cable. What is acknowledged where that means so, another region has.
 * Once the weather has cleared every region that uses a channel
 * has all that was born in the others that do, and all have revoked the same.
 */

import { decodeRevocations } from '../../../src/auth/revocation.ts'
import { limits } from '../../../src/base/limits.ts'
import { REVOCATIONS_PARTITION } from '../../../src/node/revocation-log.ts'
import type { LinkFrame } from '../../../src/peer/link.ts'
import type { Place } from '../../../src/peer/place.ts'
import { channelKey } from '../app.ts'
import type { Births } from '../births.ts'
import type { Committed } from '../committed.ts'
import { ownChannelOf } from '../crowd.ts'
import type { Taken } from '../ledger.ts'
import type { Accepted } from '../log.ts'
import type { Region } from '../region.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'
import { isKept } from './kept.ts'
import { wasLetGo, whyLetGo } from './retention.ts'

/** The channels of the namespaces where two regions have to have what is acknowledged. */
const GLOBAL = /^app\/(everywhere|keptEverywhere):/

export interface MirrorsOptions {
  readonly region: Region
  readonly births: Births
  /** Nothing that befalls this run may cost anybody what it has missed. */
  readonly isFair: boolean
}

/** Of one channel and one lineage of another region. */
interface Stretch {
  /** The seq, there, of the last that is here, or that a break or a beginning names. */
  seq: number
}

export class Mirrors implements Check {
  readonly #options: MirrorsOptions
  /** By own lineage, channel and lineage of origin. */
  readonly #stretches = new Map<string, Stretch>()
  /** Ids that the log has, by own lineage and channel. */
  readonly #ids = new Map<string, Set<string>>()
  readonly #revoked = new Map<string, number>()
  broughtCount = 0
  /** Of what was brought, what its origin did not hold any more. */
  lateCount = 0
  breakCount = 0
  globalCount = 0

  constructor(options: MirrorsOptions) {
    this.#options = options
  }

  onAppended({ append, committed, lineage, isStray, strays }: Taken): void {
    this.#options.births.take(this.#options.region, isStray ? strays : committed)
    if (isStray) return
    const publications = committed.values()
    for (const entry of append.entries) {
      if (entry.kind === 'relay') {
        const { channel, origin } = entry
        this.#reach(lineage, channel, origin.lineage, origin.seq)
      } else if (entry.kind === 'publication') this.#onPublication(publications.next().value!)
    }
  }

  /** What is revoked those who know it store again; where nobody else does, it is lost. */
  onRolledBack(partition: number): void {
    if (partition === REVOCATIONS_PARTITION) this.#revoked.clear()
    else this.#stretches.clear()
  }

  onRevocationsStored({ bytes }: Accepted): void {
    for (const { target, issuedBeforeMs } of decodeRevocations(bytes)?.revocations ?? []) {
      const knownMs = this.#revoked.get(target) ?? 0
      this.#revoked.set(target, Math.max(knownMs, issuedBeforeMs))
    }
  }

  onPeerSays(_: Place, frame: LinkFrame): void {
    if (frame.kind !== 'batch') return
    const own = channelKey(ownChannelOf(this.#options.region))
    for (const message of frame.messages) {
      const isTold = message.kind === 'relayDeliver' || message.kind === 'relayMembers' ||
        (message.kind === 'relayJoined' && message.publications.length > 0)
      if (!isTold || message.channel !== own) continue
      throw new Violation('cable', `${own} is told by ${message.kind}, though nobody else uses it`)
    }
  }

  /** Its publisher is told that it is published. */
  onAcknowledged(committed: Committed): void {
    const { channel, texts } = committed
    if (!GLOBAL.test(channel)) return
    this.globalCount++
    if (this.#options.births.isCopied(committed)) return
    throw new Violation('global', `${texts} is acknowledged on ${channel}, and in one region alone`)
  }

  missing(): string[] {
    return [...this.#notBrought(), ...this.#notRevoked()]
  }

  #onPublication(committed: Committed): void {
    const { origin, events, lineage, channel, id } = committed
    if (origin !== undefined) this.#onBrought(committed, origin)
    if (events === undefined) this.#idsOf(lineage, channel).add(id)
  }

  #onBrought(committed: Committed, { region: from, lineage, seq }: NonNullable<Committed['origin']>)
    : void {
    const { births, region, isFair } = this.#options
    const { channel, events, isBreak } = committed
    const who = `${region.name} of ${from} on ${channel}`
    if (isBreak === true) {
      this.breakCount++
      if (isFair || this.#whyMissing(committed, from, lineage) === undefined) {
        throw new Violation('break', `${who}: something was lost before ${seq}`)
      }
      this.#reach(committed.lineage, channel, lineage, seq)
      return
    }
    if (events !== undefined) return
    this.broughtCount++
    births.copy(channel, lineage, seq)
    const birth = births.at(channel, lineage, seq)
    if (birth === undefined || !isSame(birth.committed, committed)) {
      throw new Violation('mirror', `${who} has ${committed.texts} as ${lineage}:${seq}, ` +
        `where ${birth === undefined ? 'nothing' : birth.committed.texts} was born`)
    }
    if (committed.atMs - birth.committed.atMs > limits.tailMs) this.lateCount++
    const stretch = this.#stretches.get(keyOf(committed.lineage, channel, lineage))
    if (stretch !== undefined && seq <= stretch.seq) {
      throw new Violation('mirror', `${who}: ${seq} is written after ${stretch.seq}`)
    }
    if (stretch !== undefined) this.#mustKnow(who, committed, lineage, stretch.seq, seq)
    this.#reach(committed.lineage, channel, lineage, seq)
  }

  /** Why what came behind what is here need not be had from there any more. */
  #whyMissing({ lineage: own, channel }: Committed, from: string, lineage: string)
    : string | undefined {
    const stretch = this.#stretches.get(keyOf(own, channel, lineage))
    if (stretch === undefined) return 'it is of another log'
    const origin = this.#options.region.abroad!.regions.find(({ name }) => name === from)!
    if (wasLetGo(origin, lineage, channel, stretch.seq)) return 'it was let go meanwhile'
    if (isKept(channel)) return undefined
    return whyLetGo(origin, origin.ledger.of(lineage, channel).filter(({ seq }) =>
      seq > stretch.seq))
  }

  #mustKnow(
    who: string, { lineage: own, channel }: Committed, lineage: string, after: number, below: number
  ): void {
    const left = this.#leftOut(own, channel, lineage, after, below)
    if (left.length === 0) return
    throw new Violation('mirror', `${who} leaves out ${left.join(' ')} between ${after} and ` +
      `${below} of ${lineage}`)
  }

  #leftOut(
    own: string, channel: string, lineage: string, after: number, below = Infinity
  ): string[] {
    const ids = this.#idsOf(own, channel)
    return this.#options.births.between(channel, lineage, after, below)
      .filter(({ committed: { id, idSpace } }) => idSpace !== 'client' || !ids.has(id))
      .flatMap(({ committed: { texts } }) => texts)
  }

  #reach(own: string, channel: string, lineage: string, seq: number): void {
    const key = keyOf(own, channel, lineage)
    const stretch = this.#stretches.get(key)
    if (stretch === undefined) this.#stretches.set(key, { seq })
    else stretch.seq = Math.max(stretch.seq, seq)
  }

  #idsOf(lineage: string, channel: string): Set<string> {
    const key = `${lineage} ${channel}`
    const ids = this.#ids.get(key) ?? new Set()
    this.#ids.set(key, ids)
    return ids
  }

  *#notBrought(): Generator<string> {
    const { region } = this.#options
    for (const other of region.abroad!.regions) {
      if (other === region) continue
      for (const channel of usedIn(region)) {
        if (!usedIn(other).has(channel)) continue
        const key = channelKey(channel)
        // A former master writes, and nobody looks: its finder will begin a new lineage.
        if (region.ledger.hasStrays(key) || other.ledger.hasStrays(key)) continue
        const [own, lineage] = [region.ledger.lineageOf(key), other.ledger.lineageOf(key)]
        const stretch = this.#stretches.get(keyOf(own, key, lineage))
        if (stretch === undefined) continue
        const left = this.#leftOut(own, key, lineage, stretch.seq)
        if (left.length > 0) {
          yield `${region.name} has not got from ${other.name} on ${channel}: ${left.join(' ')}`
        }
      }
    }
  }

  *#notRevoked(): Generator<string> {
    const { region } = this.#options
    for (const other of region.abroad!.regions) {
      const theirs = other.checks.filter((check) => check instanceof Mirrors)
      for (const [target, ms] of theirs.flatMap((each) => [...each.#revoked])) {
        if ((this.#revoked.get(target) ?? 0) >= ms) continue
        yield `${region.name} does not know of ${target}, revoked in ${other.name}`
      }
    }
  }
}

/** The channels that somebody is attached to in a region. */
export function usedIn(region: Region): Set<string> {
  const used = new Set<string>()
  for (const { client } of region.sockets) {
    if (!('channels' in client)) continue
    for (const { name, state } of (client as Region['clients'][number]).channels.values()) {
      if (state === 'attached') used.add(name)
    }
  }
  return used
}

function isSame(born: Committed, brought: Committed): boolean {
  return born.id === brought.id && born.timestamp === brought.timestamp &&
    born.counter === brought.counter && born.connectionId === brought.connectionId &&
    born.texts.join() === brought.texts.join()
}

function keyOf(own: string, channel: string, lineage: string): string {
  return `${own} ${channel} ${lineage}`
}
