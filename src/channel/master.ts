/**
 * A channel's master: the one place in the region where the channel's order is decided. It talks
 * only to ChannelClients, one per node, and shows them committed publications only (rule 3).
 *
 * A publish is taken when it is the client's next one (rule 16) and its id is new (rule 17); it is
 * given the channel's next seq and a serial that never sorts before an earlier one (rule 5), and
 * becomes visible when the partition's log has it. Interest is what clients said to this very
 * mastership; it is never inherited (rule 12).
 */

import type { Now } from '../base/clock.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { Meter } from '../base/meter.ts'
import type { OwnershipEntry } from '../log/entry.ts'
import type {
  Backfill, Join, MemberOwner, Publication, Publish, Standing
} from '../peer/message.ts'
import type { Place } from '../peer/place.ts'
import type { RelayJoin } from '../peer/relay-message.ts'
import { Abroad } from './abroad.ts'
import { Census } from './census.ts'
import { partingOf } from './comeback.ts'
import type { Copying, Uncopied } from './copying.ts'
import { Dedupe, type Taken } from './dedupe.ts'
import { Interests } from './interests.ts'
import { Keeper } from './keeper.ts'
import { bornAgain, type Left, pastOf } from './let-go.ts'
import type { MasterPorts } from './master-ports.ts'
import type { Moving } from './moving.ts'
import { backfilled, type Here, type Page, pageAfter, pageRewound } from './page.ts'
import type { Birth, ChannelStart, ChannelState } from './partition-state.ts'
import type { MasterPresence } from './presence-master.ts'
import { presenceOf } from './presence-of.ts'
import { PublishDesk } from './publish-desk.ts'
import type { Relaying } from './relaying.ts'
import { Sequencer } from './sequencer.ts'
import { Tail } from './tail.ts'

/** What is known of an op that has no serials. */
const UNSEEN: Taken = { timestamp: 0, counter: 0, messageCount: 0 }

export class ChannelMaster {
  readonly channel: string
  /** That of its app. */
  readonly meter: Meter
  readonly presence: MasterPresence
  readonly census: Census
  readonly #ports: MasterPorts
  #tail: Tail
  readonly #dedupe = new Dedupe()
  readonly #interests: Interests
  /** The last committed entry. */
  #standing: Standing
  /** Its last seq is ahead of `#standing` by what waits for the log. */
  readonly #sequencer: Sequencer
  /** Where the channel began, for the first time or after it had been let go. */
  #birth: Birth
  /** See `Here`. */
  readonly #bornEpoch: number | undefined
  /** The last seq that was born here; where that is not known, one after it. */
  #bornSeq: number
  /** Undefined as long as no other region has to do with the channel. */
  #abroad: Abroad | undefined
  #usedAtMs: number
  readonly #desk: PublishDesk
  readonly #keeper: Keeper

  constructor(channel: string, start: ChannelStart, ports: MasterPorts, nowMs: number) {
    this.channel = channel
    this.meter = ports.meters.ofChannel(channel)
    this.#ports = ports
    this.#interests = new Interests((place, message) => ports.send(place, message))
    this.presence = presenceOf(channel, ports, () => ({
      sequencer: this.#sequencer, keeper: this.#keeper, relaying: this.#abroad?.relaying
    }))
    this.census = new Census(channel, ports, this.#interests, this.presence)
    this.#sequencer = new Sequencer(channel, start.standing.seq, ports,
      (op) => this.#keeper.ruleFor(op))
    this.#standing = start.standing
    this.#birth = start.birth
    this.#bornEpoch = start.isNew === true ? ports.epoch : undefined
    const { standing: { seq, entry }, past, parting } = start
    this.#bornSeq = past?.bornSeq ?? seq
    const isOfPublication = seq > start.birth.seq
    this.#tail = new Tail(seq, ports.tails, isOfPublication ? entry : undefined)
    if (past !== undefined) this.#tail.knowBorn(past.bornSeq, { ms: past.bornMs, through: seq })
    this.#usedAtMs = nowMs
    this.#keeper = new Keeper(channel, start, ports, {
      onStored: (publication) => {
        if (publication.idSpace !== 'master') this.#dedupe.release(publication)
      },
      onPast: (tick) => this.#sequencer.followTick(tick)
    })
    const [dedupe, interests, presence] = [this.#dedupe, this.#interests, this.presence]
    this.#desk = new PublishDesk(channel, { dedupe, interests, presence }, {
      epoch: ports.epoch,
      lineage: ports.lineage,
      send: (place, message) => ports.send(place, message),
      publish: (op) => void this.#sequencer.publish(op),
      refusal: ({ idSpace, owner }) => this.#keeper.refusal(idSpace) ??
        (this.#isGlobal(owner) ? this.copying.refusal() : undefined),
      isGlobal: ({ owner }) => this.#isGlobal(owner),
      isOwedAbroad: ({ owner }) => owner === undefined && this.#abroad?.wantsWritten === true,
      later: (afterMs, run) => ports.later(channel, afterMs, run)
    })
    this.#keeper.begin()
    if (past?.isSought === true) this.relaying.listeners.isSought = true
    if (parting !== undefined) this.relaying.comeBack(parting)
  }

  get relaying(): Relaying { return this.#inTheWorld.relaying }
  get moving(): Moving { return this.#inTheWorld.moving }
  get copying(): Copying { return this.#inTheWorld.copying }
  get abroad(): Abroad | undefined { return this.#abroad }

  /** The highest seq that was given out; a channel born again starts above it (rule 5). */
  get lastSeq(): number { return this.#sequencer.lastSeq }

  /** What is to be remembered of it once it is let go; `usedSinceMs`: see `partingOf`. */
  left(wallMs: number, usedSinceMs: number): Left {
    const [{ lastSeq }, { entry: lastEntry }, here] = [this, this.#standing, this.here()]
    const { listeners, comeback } = this.#abroad?.relaying ?? {}
    const born = { bornSeq: this.#bornSeq, isSought: listeners?.isSought === true, wallMs }
    const parting = partingOf(here, comeback, this.#ports.otherRegions(), usedSinceMs)
    return { lastSeq, lastEntry, past: pastOf(here, born), parting }
  }

  *sizes(): Generator<Size> {
    yield* this.#tail.sizes()
    yield* this.#dedupe.sizes()
    yield* this.presence.sizes()
    yield* this.#keeper.archive?.sizes() ?? []
    yield* this.#abroad?.copying.sizes() ?? []
  }

  /** What a snapshot keeps of this channel: what is committed, and nothing else. */
  state(): ChannelState {
    const [{ channel }, { tick }] = [this, this.#sequencer]
    const ids = this.#dedupe.committed()
    const members = this.presence.shown()
    const unarchived = this.#keeper.archive?.waiting() ?? []
    const origins = this.#abroad?.relaying.origins ?? []
    const uncopied = this.#abroad?.copying.waiting ?? []
    const [birth, bornSeq, { keptSince }] = [this.#birth, this.#bornSeq, this.#keeper]
    const bornTrimmed = this.#ports.others() === 'none' ? undefined : this.#tail.bornTrimmed
    const isSought = this.#abroad?.relaying.listeners.isSought === true
    return {
      ...this.#standing, channel, birth, tick, ids, members, unarchived, origins, bornSeq, uncopied,
      keptSince, bornTrimmed, isSought
    }
  }

  /** Goes on from a snapshot. */
  restoreState(state: ChannelState, nowMs: number): void {
    const { tick, ids, members, unarchived, origins, uncopied } = state
    for (const origin of origins) this.relaying.onWritten(origin)
    this.#bornSeq = state.bornSeq
    this.#tail.knowBorn(state.bornSeq, state.bornTrimmed)
    if (state.isSought === true) this.relaying.listeners.isSought = true
    this.#sequencer.followTick(tick)
    this.#dedupe.restore(ids, nowMs)
    this.presence.restoreMembers(members)
    for (const publication of unarchived) this.#archiveLater(publication, nowMs)
    this.#keeper.restoreKept(state.keptSince)
    for (const publish of uncopied) this.#copyLater(publish, nowMs)
  }

  /**
   * Takes a committed publication from the log. `isCovered`: the state that we went on from knows
   * it, so that it is only to be read again by those who were away.
   */
  restore(publication: Publication, epoch: number, isCovered: boolean, nowMs: number): void {
    const { seq, entry } = publication
    if (seq !== this.#tail.lastSeq + 1) {
      // Older ones are trimmed; or the channel was let go meanwhile, and born again further on.
      this.#tail = this.#tail.beginAnew(seq - 1, this.#bornSeq)
      if (!isCovered) this.#birth = bornAgain(this.#birth, { seq: seq - 1, entry })
    }
    if (isCovered) {
      this.#tail.push(publication, nowMs)
      this.#abroad?.relaying.written.note(publication)
      return
    }
    const tick = { ms: publication.timestamp, counter: publication.counter }
    if (publication.origin === undefined) this.#sequencer.followTick(tick)
    else this.#sequencer.followAbroad(tick)
    this.#sequencer.lastSeq = seq
    if (publication.owner !== undefined) this.presence.onCommitted(publication, true)
    this.#note(publication, epoch, nowMs)
  }

  /** Everything is restored: a tail that does not lead up to where we stand is of no use. */
  endRestore(nowMs: number): void {
    const { seq } = this.#standing
    if (this.#tail.lastSeq !== seq) this.#tail = this.#tail.beginAnew(seq, this.#bornSeq)
    this.presence.checkOwners(nowMs)
    this.#keeper.endRestore(this.#tail)
  }

  onJoin(place: Place, join: Join, now: Now): void {
    this.#usedAtMs = now.monoMs
    if (this.#abroad?.relaying.firstClients.holds(place, join) === true) return
    const page = pageAfter(this.here(), join.from)
    const { isContinuation, isWhole } = page
    const interest = this.#interests.join(place, join, isWhole)
    const members = isWhole
      ? this.presence.onJoin(place, join, isContinuation, this.#standing.seq)
      : 'kept'
    this.#ports.send(place, {
      kind: 'joined',
      channel: this.channel,
      joinNo: join.joinNo,
      epoch: this.#ports.epoch,
      standing: page.standing,
      isContinuation,
      startsAfter: page.startsAfter,
      backlog: page.publications,
      isWhole,
      nextOpNo: interest.nextOpNo,
      members,
      hasYours: this.presence.hasMembersOf(place.incarnation)
    })
    this.census.onJoin(place, join.from !== undefined)
  }

  /** Everybody has declared whose members live where. */
  onRollClosed(): void {
    this.presence.onRollClosed(this.#standing.seq)
    this.#abroad?.relaying.listeners.onRollClosed()
  }

  onPart(place: Place, clientId: string): void {
    this.#interests.part(place, clientId)
    this.#abroad?.relaying.firstClients.forget(place)
    this.census.onGone()
  }

  /** A node or worker is gone: so is the interest of the client that lived there. */
  onPlaceGone(isGone: (place: Place) => boolean): void {
    this.#interests.forget(isGone)
    this.#abroad?.onPlaceGone(isGone)
    this.census.onGone()
    this.presence.onPlaceGone(isGone)
  }

  /** What is held here of what is asked for. */
  pageFor({ rewind, from }: Backfill, now: Now): Page {
    this.#usedAtMs = now.monoMs
    return rewind === undefined ? pageAfter(this.here(), from)
      : pageRewound(this.here(), rewind, now.wallMs)
  }

  sayBackfilled(place: Place, ask: Backfill, page: Page): void {
    this.#ports.send(place, backfilled(this.channel, ask, this.#ports.epoch, page))
  }

  /** Takes the client's next publish; a persisted channel's waits until its past is known. */
  onPublish(place: Place, publish: Publish, now: Now): void {
    this.#usedAtMs = now.monoMs
    const take = (): void => this.#desk.onPublish(place, publish, this.#ports.now().monoMs)
    if (!this.#keeper.holds(take)) take()
  }

  /** What its client said may be lost, a Part too, which nobody would say again of itself. */
  onLinkReset(place: Place): void {
    this.#interests.askAgain(this.channel, place)
    this.#abroad?.onLinkReset(place)
  }

  /** Answers a relay of another region; `isBroken`: it may have missed what is forgotten. */
  onRelayJoin(place: Place, join: RelayJoin, { monoMs, wallMs }: Now, isBroken = false): void {
    this.#usedAtMs = monoMs
    const lastMs = isBroken ? undefined : this.#sequencer.tick.ms
    this.relaying.listeners.onJoin(place, join, this.here(), lastMs, wallMs)
  }

  /** The mastership is over. */
  end(): void {
    this.#keeper.stop()
    this.#tail.end()
    this.#abroad?.relaying.firstClients.clear()
  }

  /** The entry is in the log: everybody is told. `deliver` is sent once per turn and channel. */
  onCommitted(publication: Publication, nowMs: number): void {
    if (publication.owner !== undefined) {
      this.presence.onCommitted(publication, false)
      this.census.onChanged()
    }
    this.#note(publication, this.#ports.epoch, nowMs)
  }

  /** A change of owner is in the log; `isRestored`: it was found there. */
  onOwned(entry: OwnershipEntry, isRestored: boolean, nowMs: number): void {
    this.presence.onOwned(entry, isRestored)
    if (entry.idSpace !== 'master') this.#dedupe.commit(entry, UNSEEN, nowMs)
  }

  /** Sends committed publications to every node that wants them; the same object to all. */
  deliver(publications: readonly Publication[]): void {
    const { channel } = this
    const { epoch } = this.#ports
    this.#interests.tell({ kind: 'deliver', channel, epoch, publications }, true)
    this.#abroad?.relaying.listeners.deliver(publications)
    this.#abroad?.onProgress()
    this.#keeper.archive?.flush()
  }

  letGo(): void { this.#abroad?.end() }

  /** Every client is to look for its master again. */
  sayJoinAgain(): void {
    const { channel } = this
    this.#interests.tell({ kind: 'joinAgain', channel }, false)
    this.#abroad?.end()
  }

  /**
   * Lets go what has had its time; true when nothing is left that anybody could ask for.
   * `stalledMs`: so long nobody could be answered.
   */
  expire(nowMs: number, stalledMs: number): boolean {
    this.#dedupe.postpone(stalledMs)
    this.#dedupe.expire(nowMs)
    const isTailEmpty = this.#tail.expire(nowMs)
    this.#abroad?.copying.onTrimmed(this.#tail.trimmedThrough, nowMs)
    return (
      isTailEmpty &&
      this.#interests.size === 0 &&
      this.#abroad?.relaying.listeners.isHeard !== true &&
      this.#dedupe.size === 0 &&
      this.presence.isEmpty &&
      this.#keeper.isIdle &&
      this.lastSeq === this.#standing.seq &&
      nowMs - this.#usedAtMs > limits.idleChannelMs
    )
  }

  describe(): string {
    const { lineage, seq } = this.#standing
    return `master ${this.channel} at ${lineage}:${seq} for ${this.#interests.describe()}`
  }

  #isGlobal(owner?: MemberOwner): boolean { return owner === undefined && this.#keeper.isGlobal }

  get #inTheWorld(): Abroad {
    const { channel, census, presence } = this
    const [sequencer, dedupe, keeper] = [this.#sequencer, this.#dedupe, this.#keeper]
    const parts = { sequencer, dedupe, presence, census, keeper }
    return this.#abroad ??= new Abroad(channel, this.#ports, parts, () => this.here())
  }

  #note(publication: Publication, epoch: number, nowMs: number): void {
    const { lineage } = this.#standing
    this.#standing = { lineage, seq: publication.seq, epoch, entry: publication.entry }
    this.#tail.push(publication, nowMs)
    const { idSpace, origin } = publication
    if (origin !== undefined) {
      this.relaying.onWritten(origin, publication)
      if (idSpace !== 'client') return
      this.#dedupe.commit(publication, { ...publication, bornIn: origin.lineage }, nowMs)
      return
    }
    this.#bornSeq = publication.seq
    const isArchived = this.#archiveLater(publication, nowMs)
    if (publication.isGlobal !== true && !isArchived && idSpace !== 'master') {
      this.#dedupe.commit(publication, publication, nowMs)
    }
    if (publication.isGlobal === true) this.#copyLater(publication, nowMs, isArchived)
  }

  /** Nobody is told that it is committed before another region has it, as well. */
  #copyLater(publish: Publication | Uncopied, nowMs: number, isHeld = true): void {
    if (isHeld || !('timestamp' in publish)) this.#dedupe.holdMore(publish)
    else this.#dedupe.hold(publish, publish, nowMs)
    this.#inTheWorld.copy(publish, nowMs)
  }

  /** Nobody is told that it is committed before it stands in the archive (rule 22). */
  #archiveLater(publication: Publication, nowMs: number): boolean {
    if (!this.#keeper.keep(publication)) return false
    if (publication.idSpace !== 'master') this.#dedupe.hold(publication, publication, nowMs)
    return true
  }

  /** Where the channel stands, and what it has to show for it. */
  here(): Here {
    const [{ epoch }, { archive, keptSince }] = [this.#ports, this.#keeper]
    return {
      standing: this.#standing, birth: this.#birth, tail: this.#tail, epoch, archive, keptSince,
      origins: this.#abroad?.relaying.origins, uncopied: this.#abroad?.copying.waiting,
      hasOthers: this.#ports.others() !== 'none', bornEpoch: this.#bornEpoch,
      goesOn: (from) => this.#abroad?.goesOn(from) === true,
      isKnown: (standing) => this.#ports.isKnown(standing),
      isForgotten: (standing) => this.#ports.isForgotten(standing)
    }
  }
}
