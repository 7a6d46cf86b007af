/**
 * Other regions in a channel's mastership (docs/decisions/0024-regions.md): how far what was born
 * elsewhere is written here, and the relays that are told what is born here.
 *
 * What is born elsewhere is taken once: whatever stands at or below what was taken of its origin is
 * a repeat. It is taken in the order in which it comes, which is that of its origin.
 */

import type { RelayEntry } from '../log/entry.ts'
import type {
  Join, MemberOwner, Origin, PresenceMember, Publication, Standing
} from '../peer/message.ts'
import type { Place } from '../peer/place.ts'
import {
  type Relayed, type RelayHold, regionOf, regionOwner, type Stretch
} from '../peer/relay-message.ts'
import { Comeback, type Parting } from './comeback.ts'
import { FirstClients } from './first-clients.ts'
import { Listeners, type ListenersOwner, type ListenersPorts } from './listeners.ts'
import { type Transplant, transplantOf } from './transplant.ts'
import { placeBefore, Written } from './written.ts'

export interface RelayingPorts extends ListenersPorts {
  /** False while the log takes nothing. */
  readonly hasRoom: boolean
  own(entry: RelayEntry): void
}

/** The channel's master. */
export interface RelayingOwner extends ListenersOwner {
  /** It follows on what is there; false: that was known already. */
  bring(transplant: Transplant): boolean
  /** Something that was born elsewhere before that may be missing. */
  breakOff(origin: Origin): void
  /** These and nobody else are present in a region. */
  list(region: string, members: readonly PresenceMember[]): void
  /** The last seq that was given out; what came before it may still wait for the log. */
  readonly lastSeq: number
  /** The last one that the log has. */
  readonly committedSeq: number
  /** A relay has begun, or ended: so has the life that speaks for that region's members. */
  onRelay(region: string, isThere: boolean): void
  /** A region is asked again that said that nobody uses the channel there. */
  wake(region: string): void
  /** So much of what was born in a region is written here now. */
  onNews(region: string, stretch: Stretch): void
}

export class Relaying {
  readonly #channel: string
  readonly #ports: RelayingPorts
  readonly #owner: RelayingOwner
  /** The relays that are told what is born here. */
  readonly listeners: Listeners
  /** By region: the last of its publications that is written here, or is about to be. */
  readonly #taken = new Map<string, Standing>()
  /** By region, of those that were new to this mastership: what came after this was taken. */
  readonly #begun = new Map<string, Pick<Standing, 'lineage' | 'seq'>>()
  /** By region that was given up: what had been written before the channel was let go. */
  readonly #former = new Map<string, Standing>()
  /** Where nobody uses the channel. */
  readonly #dormant = new Set<string>()
  /** How far what is born elsewhere is written here. */
  readonly written = new Written()
  /** By region: until when it wants us to hold what is born there. */
  readonly #heldUntilMs = new Map<string, number>()
  /** The regions to which there are relays. */
  readonly #regions = new Set<string>()
  readonly firstClients: FirstClients
  /** Where the channel had been let go: how it goes on. */
  #comeback: Comeback | undefined

  constructor(
    channel: string, startSeq: number, ports: RelayingPorts, owner: RelayingOwner
  ) {
    this.#channel = channel
    this.listeners = new Listeners(channel, startSeq, ports, owner)
    this.firstClients = new FirstClients(() => owner.committedSeq)
    this.#ports = ports
    this.#owner = owner
  }

  /** Clients wait to be let in; what is returned lets them in once the log has what was brought. */
  wait(letIn: (place: Place, join: Join) => void): () => void {
    const end = this.firstClients.wait(letIn)
    return () => end(this.#owner.lastSeq)
  }

  /** The channel goes on that was let go. */
  comeBack(parting: Parting): void {
    this.#comeback = new Comeback(parting)
    for (const origin of parting.origins) this.#taken.set(origin.region, origin)
  }

  get comeback(): Comeback | undefined { return this.#comeback }

  /**
   * A region that is to tell what came since the channel was let go is not waited for any more;
   * false: it has told that, or is not to.
   */
  giveUp(region: string): boolean {
    if (this.#comeback?.awaits(region) !== true) return false
    const owed = this.#comeback.owed(region)
    if (owed !== undefined) {
      this.#taken.delete(region)
      this.#former.set(region, owed)
    }
    this.#comeback.giveUp(region)
    return true
  }

  /** A region tells something, or that there is nothing: it goes on from where it stood. */
  #onTold(region: string, isBroken = false): void {
    const origin = this.#comeback?.onTold(region)
    if (origin === undefined || isBroken) return
    this.#begun.set(region, origin)
    this.written.onWritten(origin)
    this.#begin(origin)
  }

  /** A relay to a region begins; or ends, and nobody speaks for that region's members any more. */
  onRelay(region: string, isThere: boolean): void {
    if (isThere) this.#regions.add(region)
    else this.#regions.delete(region)
    this.#owner.onRelay(region, isThere)
  }

  /** False for a region that is not listened to. */
  speaksFor(region: string): boolean {
    return this.#regions.has(region)
  }

  /** Where what is decided of another region's members is said to be born; undefined: here. */
  originOf(owner: MemberOwner | undefined): Origin | undefined {
    const region = owner && regionOf(owner)
    const taken = region === undefined ? undefined : this.#taken.get(region)
    return taken && { region: region!, ...taken }
  }

  /** False while nothing could be written here. */
  get hasRoom(): boolean { return this.#ports.hasRoom }

  /** How far what was born in other regions is written here. */
  get origins(): readonly Origin[] {
    return this.written.origins
  }

  /**
   * A region wants what is born there to be held here, though nobody may use the channel. One that
   * is born for that (`isBorn`) is to be told what came after `since`. Who was on another may miss
   * more than that; what is to be held is told with what its relay asks for.
   */
  hold({ region, since }: RelayHold, untilMs: number, isBorn: boolean): void {
    this.#heldUntilMs.set(region, untilMs)
    if (this.#taken.has(region) || !isBorn) return
    this.giveUp(region)
    this.#taken.set(region, since)
    this.#begin({ region, ...since })
  }

  isHeld(nowMs: number): boolean {
    for (const [region, untilMs] of this.#heldUntilMs) {
      if (untilMs <= nowMs) this.#heldUntilMs.delete(region)
    }
    return this.#heldUntilMs.size > 0
  }

  /** The log has come further: regions that want to know are told what is written of theirs. */
  sayWritten(): void {
    for (const region of this.#regions) {
      const news = this.written.newsOf(region)
      if (news !== undefined) this.#owner.onNews(region, news)
    }
  }

  /** Where we stand with what is born in a region; undefined if nothing of it was ever taken. */
  standingOf(region: string): Standing | undefined {
    return this.#taken.get(region)
  }

  /** Somebody was told of it elsewhere: that nobody uses it there may have been said before. */
  doubt(region: string): void {
    if (this.#taken.has(region) || !this.#dormant.delete(region)) return
    this.#owner.wake(region)
  }

  /**
   * Whether somebody can go on here who was told elsewhere what was born in another region: from
   * `first` on here, or not yet; all before that, and up to `last`, elsewhere.
   */
  follows(first: Origin, last: Origin): 'now' | 'later' | 'never' {
    const { region, lineage, seq } = first
    const owed = this.#comeback?.owed(region)
    if (owed !== undefined) {
      return owed.lineage === last.lineage && owed.seq <= last.seq ? 'later' : 'never'
    }
    const taken = this.#taken.get(region)
    if (taken === undefined) return this.#dormant.has(region) ? 'now' : 'later'
    const begun = this.#begun.get(region)
    if (begun !== undefined && (begun.lineage !== last.lineage || begun.seq > last.seq)) {
      return 'never'
    }
    return taken.lineage === lineage && taken.seq >= seq ? 'now' : 'later'
  }

  /** Takes what was born in a region. False: there is no room, and it is not taken. */
  take(region: string, relayed: Relayed): boolean {
    const { publications, standing, members } = relayed
    if (!this.#ports.hasRoom) return false
    this.#dormant.delete(region)
    // Something was said there: who comes back has missed it, and whoever is here now has not.
    const isOfOthers = this.#comeback?.begins(region)?.only === 'nothing'
    const isBroken = relayed.isBroken && !isOfOthers
    if (relayed.isBroken && isOfOthers) this.giveUp(region)
    this.#onTold(region, isBroken)
    const isFirst = !this.#taken.has(region)
    if (isFirst || isBroken) {
      const { seq, entry } = placeBefore(publications) ?? standing
      this.#begun.set(region, { lineage: standing.lineage, seq })
      if (!isBroken) this.#begin({ region, ...standing, seq, entry })
    }
    const next = this.#newOf(region, publications, standing)
    if (isBroken) this.#owner.breakOff({ region, ...standing })
    let isBrought = true
    for (const publication of next) {
      const { seq, entry, owner } = publication
      if (this.#stoodBefore(region, standing, seq)) {
        isBrought = false
        continue
      }
      const origin = { region, ...standing, seq, entry }
      const theirs = owner && { owner: regionOwner(region, owner.claim) }
      isBrought = this.#owner.bring({ ...transplantOf(publication), ...theirs, origin })
    }
    // What was passed over stands here as well, and nothing else says so.
    if (!isBrought) this.#begin({ region, ...standing })
    if (members !== undefined) this.#owner.list(region, members)
    return true
  }

  /** What waits there for another region may be told again, though it had been written here. */
  #stoodBefore(region: string, { lineage }: Standing, seq: number): boolean {
    const former = this.#former.get(region)
    return former?.lineage === lineage && seq <= former.seq
  }

  /** Nobody uses the channel in a region. False: there is no room to say so. */
  takeNobody(region: string): boolean {
    const isAny = this.#owner.shown().some(({ owner }) => regionOf(owner) === region)
    const isOwed = this.#comeback?.owed(region) !== undefined
    if ((isAny || isOwed) && !this.#ports.hasRoom) return false
    this.#onTold(region)
    this.#dormant.add(region)
    this.#owner.list(region, [])
    return true
  }

  /** From here on what is born there counts. */
  #begin(origin: Origin): void {
    this.#ports.own({ kind: 'relay', channel: this.#channel, origin })
  }

  /** Which of these are new; from now on they are taken. */
  #newOf(
    region: string, publications: readonly Publication[], { lineage, seq, epoch, entry }: Standing
  ): readonly Publication[] {
    const standing = { lineage, seq, epoch, entry }
    const taken = this.#taken.get(region)
    const isSame = taken?.lineage === standing.lineage
    this.#taken.set(region, isSame && taken.seq > standing.seq ? taken : standing)
    return isSame ? publications.filter((each) => each.seq > taken.seq) : publications
  }

  /** That it has come so far stands in the log by itself. */
  onBegun(origin: Origin): void {
    this.written.begin(origin)
    this.onWritten(origin)
  }

  /** It is written, or was found in the log; as this, or by itself. */
  onWritten(origin: Origin, publication?: Publication): void {
    const { region } = origin
    this.written.onWritten(origin)
    if (publication !== undefined) this.written.note(publication)
    const taken = this.#taken.get(region)
    const isBehind = taken?.lineage !== origin.lineage || taken.seq < origin.seq
    if (isBehind) this.#taken.set(region, origin)
  }
}
