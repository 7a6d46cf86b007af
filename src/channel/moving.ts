/**
 * Clients that come from another region, with a channelSerial of a log there: what they missed.
 * That region's master says what came after it in its own order; what it does not know of yet is
 * ours to add. So a client goes on without a gap or a repeat as long as that region can be reached
 * and holds what is missing; otherwise it is told that it may have missed something.
 *
 * What was born in a third region it was told there as far as that region had it. Ours must have
 * come as far, or it would be told of that again; and must not have begun later, or there would be
 * a gap between. One that had nothing to tell us is asked once more.
 *
 *   asked ──told, and what was born elsewhere is in our log as far as it was told──▶ answered
 *   │  ▲ └──nobody knows of it, or nobody who may is heard, or not in time──▶ refused
 *   └──┘ the master is another one, or silent
 *
 * Who moves does so mostly because something has failed there: the question comes to a place that
 * has just died, and the next master can answer it. So that is looked up again and again.
 */

import { limits } from '../base/limits.ts'
import type { PeerMessage, Publication, Standing } from '../peer/message.ts'
import type { Place } from '../peer/place.ts'
import type { RelayAsk, RelayTold } from '../peer/relay-message.ts'
import { type Here, type Page, pageAfter } from './page.ts'
import type { Relaying } from './relaying.ts'

/** What one that moved is told. */
export interface Moved extends Page {
  /** It ends in the other region's log, and the rest is to be asked for from there. */
  readonly isElsewhere: boolean
}

/** What is known of another region that is asked. */
export interface AskedRegion {
  /** The life that masters the channel there. */
  readonly master: string
  /** Nobody there has said anything for so long since it was asked that it is waited for less. */
  readonly isAway: boolean
}

/** By name. */
export type AskedRegions = ReadonlyMap<string, AskedRegion>

export interface MovingPorts {
  readonly epoch: number
  readonly region: string
  /**
   * Asks the channel's master in every other region, if it is another one than was asked before;
   * returns which these are.
   */
  toRegions(ask: RelayAsk, former: AskedRegions): AskedRegions
  later(channel: string, afterMs: number, run: () => void): void
  send(place: Place, message: PeerMessage): void
}

/** The channel's master. */
export interface MovingOwner {
  here(): Here
  readonly lastSeq: number
  readonly relaying: Pick<Relaying, 'standingOf' | 'origins' | 'follows' | 'doubt'>
}

interface Pending {
  readonly ask: RelayAsk
  /** As they were when they were looked up last. */
  regions: AskedRegions
  lookCount: number
  /** Regions that know nothing of it. */
  readonly denials: Set<string>
  told: RelayTold | undefined
  /** Our log must have come so far. */
  untilSeq: number | undefined
  /** Undefined: nobody knows what it missed. */
  say(moved: Moved | undefined): void
}

export class Moving {
  readonly #channel: string
  readonly #ports: MovingPorts
  readonly #owner: MovingOwner
  readonly #pending = new Map<string, Pending>()
  #count = 0

  constructor(channel: string, ports: MovingPorts, owner: MovingOwner) {
    this.#channel = channel
    this.#ports = ports
    this.#owner = owner
  }

  /** Finds out what came after a place in another region's log. */
  find(from: Standing, say: Pending['say']): void {
    const { epoch, region } = this.#ports
    const askId = `${epoch}/${++this.#count}`
    const ask = { kind: 'relayAsk' as const, channel: this.#channel, region, askId, from }
    if (this.#pending.size >= limits.movingMax) {
      say(undefined)
      return
    }
    this.#pending.set(askId, {
      ask, regions: new Map(), lookCount: 0, denials: new Set(), told: undefined,
      untilSeq: undefined, say
    })
    this.#look(askId)
    if (!this.#pending.has(askId)) return
    this.#ports.later(this.#channel, limits.movingMs, () => this.#end(askId, undefined))
  }

  /** Asks whoever masters the channel elsewhere by now, as long as nobody has told anything. */
  #look(askId: string): void {
    const pending = this.#pending.get(askId)
    if (pending === undefined || pending.told !== undefined) return
    const { ask, lookCount } = pending
    const waitedMs = lookCount * limits.movingLookMs
    const isAgain = waitedMs % limits.movingAskMs === 0
    pending.regions = this.#ports.toRegions(ask, isAgain ? new Map() : pending.regions)
    pending.lookCount++
    if (isHopeless(pending, waitedMs)) this.#end(askId, undefined)
    else this.#ports.later(this.#channel, limits.movingLookMs, () => this.#look(askId))
  }

  /** Answers another region's master about a client that has moved there. */
  answer(place: Place, { channel, askId, from }: RelayAsk): void {
    const here = this.#owner.here()
    const { isContinuation, publications, standing, isWhole } = pageAfter(here, from)
    const { origins } = this.#owner.relaying
    const { bornThrough } = here.tail
    this.#ports.send(place, {
      kind: 'relayTold', channel, region: this.#ports.region, askId, isContinuation, publications,
      standing, isWhole, origins, bornThrough
    })
  }

  onTold(told: RelayTold): void {
    const pending = this.#pending.get(told.askId)
    if (pending === undefined || pending.told !== undefined) return
    if (told.isContinuation) {
      pending.told = told
      for (const { region } of told.origins) this.#owner.relaying.doubt(region)
    } else {
      pending.denials.add(told.region)
      if (isHopeless(pending, 0)) this.#end(told.askId, undefined)
    }
    this.onProgress()
  }

  /** Something more is here: what was born elsewhere is taken, or the log has come further. */
  onProgress(): void {
    for (const [askId, pending] of this.#pending) {
      if (pending.told !== undefined) this.#judge(askId, pending, pending.told)
    }
  }

  #judge(askId: string, pending: Pending, told: RelayTold): void {
    const { standing, isWhole, bornThrough } = told
    if (!isWhole) {
      const older = [{ lineage: standing.lineage, publications: told.publications }]
      const page = { ...NOTHING, standing, startsAfter: standing.seq, older }
      this.#end(askId, { ...page, isElsewhere: true })
      return
    }
    const { relaying, lastSeq } = this.#owner
    const taken = relaying.standingOf(told.region)
    const isBehind = taken?.lineage !== standing.lineage || taken.seq < bornThrough
    if (bornThrough > 0 && isBehind) return
    const third = this.#thirdsOf(pending, told)
    if (third === 'later') return
    if (third === 'never') {
      this.#end(askId, undefined)
      return
    }
    pending.untilSeq ??= lastSeq
    const here = this.#owner.here()
    if (here.standing.seq < pending.untilSeq) return
    const ours = beyond(told, here, relaying.origins)
    if (ours === undefined) {
      this.#end(askId, undefined)
      return
    }
    // What of third regions is taken and not written yet it is told behind its page.
    const writtenOf = new Map(relaying.origins.map(({ region, seq }) => [region, seq]))
    const isHere = ({ origin }: Publication): boolean => origin === undefined ||
      origin.lineage === here.standing.lineage ||
      relaying.standingOf(origin.region) === undefined ||
      origin.seq <= (writtenOf.get(origin.region) ?? 0)
    const older = [{ lineage: standing.lineage, publications: told.publications.filter(isHere) }]
    this.#end(askId, {
      ...NOTHING, standing: here.standing, startsAfter: here.standing.seq, publications: ours,
      older, isElsewhere: false
    })
  }

  /** Whether ours goes on where it was told of third regions, by now, later, or never. */
  #thirdsOf({ regions }: Pending, told: RelayTold): ReturnType<Relaying['follows']> {
    const { relaying } = this.#owner
    const thirds = told.origins.filter(({ region }) =>
      region !== told.region && region !== this.#ports.region)
    const found = thirds.map((upTo) => {
      const { region } = upTo
      const first = told.publications.find(({ origin }) => origin?.region === region)
      const follows = relaying.follows(first?.origin ?? upTo, upTo)
      if (follows !== 'later' || regions.has(region)) return follows
      // It is not in the world: what it may still bring, if it returns, is told nobody twice.
      return relaying.standingOf(region) === undefined ? 'now' : 'never'
    })
    return found.find((each) => each === 'never') ?? found.find((each) => each === 'later') ?? 'now'
  }

  #end(askId: string, moved: Moved | undefined): void {
    const pending = this.#pending.get(askId)
    this.#pending.delete(askId)
    pending?.say(moved)
  }
}

/** True if nobody is left who may know of it, or after a while nobody who is heard. */
function isHopeless({ regions, denials }: Pending, waitedMs: number): boolean {
  const awaited = [...regions].filter(([region]) => !denials.has(region))
  return awaited.every(([, { isAway }]) => isAway && waitedMs >= limits.movingAwayMs)
}

const NOTHING = { publications: [], isContinuation: true, isWhole: true }

/**
 * What is in our log and what the other region does not know of; undefined if something of it may
 * be gone.
 */
function beyond(
  { standing, origins }: RelayTold, { standing: here, birth, tail }: Here,
  written: Relaying['origins']
): Publication[] | undefined {
  const known = new Map([...origins, standing].map(({ lineage, seq }) => [lineage, seq]))
  const held = tail.after(tail.trimmedThrough) ?? []
  const isAllHeld = tail.trimmedThrough <= birth.seq
  const found: Publication[] = []
  const reached = new Set<string>()
  for (const publication of held) {
    const { lineage, seq } = publication.origin ?? { lineage: here.lineage, seq: publication.seq }
    const knownSeq = known.get(lineage)
    if (knownSeq === undefined || (seq > knownSeq && publication.isBreak === true)) return undefined
    if (seq > knownSeq) found.push(publication)
    else reached.add(lineage)
  }
  const ownSeq = known.get(here.lineage)
  if (!isAllHeld && (ownSeq === undefined || ownSeq < tail.trimmedThrough)) return undefined
  const isCovered = isAllHeld || written.every(({ lineage, seq }) => {
    const isTheirs = lineage === standing.lineage || reached.has(lineage)
    return isTheirs || seq <= (known.get(lineage) ?? -1)
  })
  return isCovered ? found : undefined
}
