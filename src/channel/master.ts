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
import type {
  Backfill,
  Join,
  PeerMessage,
  Publication,
  Publish,
  PublishOutcome,
  Standing
} from '../peer/message.ts'
import { type Place, placeKey } from '../peer/place.ts'
import { errors } from '../wire/errors.ts'
import type { ErrorInfo } from '../wire/protocol-message.ts'
import { messageSerial, SerialClock } from '../wire/serial.ts'
import { Dedupe, type Taken } from './dedupe.ts'
import type { Birth, ChannelState } from './partition-state.ts'
import { Tail } from './tail.ts'

/** A ChannelClient as its master knows it. */
interface Interest {
  readonly place: Place
  readonly clientId: string
  wantsDeliveries: boolean
  nextOpNo: number
  /** Outcomes of refused ops that the client may not have heard: a repeat is refused again. */
  readonly refused: Map<number, ErrorInfo>
}

/** A stretch of the channel. */
interface Page {
  readonly isContinuation: boolean
  readonly startsAfter: number
  readonly publications: readonly Publication[]
  /** Where the last of them leads. */
  readonly standing: Standing
  readonly isWhole: boolean
}

/** What a channel's master needs from its partition. */
export interface MasterPorts {
  readonly epoch: number
  readonly lineage: string
  /** False while the log takes nothing (rule 6). */
  readonly hasRoom: boolean
  /** False for a standing whose epoch is forgotten, or did not reach so far (rule 4). */
  isKnown(standing: Standing): boolean
  /** Adds the publication to what waits for the log. */
  append(channel: string, op: Omit<Publication, 'entry'>): void
  send(place: Place, message: PeerMessage): void
}

/** Where a channel stands when its master begins. */
export interface ChannelStart {
  readonly standing: Standing
  readonly birth: Birth
}

export class ChannelMaster {
  readonly channel: string
  readonly #ports: MasterPorts
  #tail: Tail
  readonly #dedupe = new Dedupe()
  readonly #interests = new Map<string, Interest>()
  /** The last committed entry. */
  #standing: Standing
  /** The last seq given out; ahead of `#standing` by what waits for the log. */
  #lastSeq: number
  readonly #clock = new SerialClock()
  /** Where the channel began, for the first time or after it had been let go. */
  #birth: Birth
  #usedAtMs: number

  constructor(channel: string, start: ChannelStart, ports: MasterPorts, nowMs: number) {
    this.channel = channel
    this.#ports = ports
    this.#standing = start.standing
    this.#lastSeq = start.standing.seq
    this.#birth = start.birth
    this.#tail = new Tail(start.standing.seq)
    this.#usedAtMs = nowMs
  }

  /** The highest seq that was given out; a channel born again starts above it (rule 5). */
  get lastSeq(): number {
    return this.#lastSeq
  }

  get tailBytes(): number {
    return this.#tail.bytes
  }

  /** The entry of the last publication. */
  get lastEntry(): number {
    return this.#standing.entry
  }

  /** What a snapshot keeps of this channel: what is committed, and nothing else. */
  state(): ChannelState {
    const { seq, epoch, entry } = this.#standing
    const { channel } = this
    const tick = this.#clock.last()
    return { channel, seq, epoch, entry, birth: this.#birth, tick, ids: this.#dedupe.committed() }
  }

  /** Goes on from a snapshot. */
  restoreState({ tick, ids }: ChannelState, nowMs: number): void {
    this.#clock.followTick(tick)
    this.#dedupe.restore(ids, nowMs)
  }

  /**
   * Takes a committed publication from the log. `isCovered`: the state that we went on from knows
   * it, so that it is only to be read again by those who were away.
   */
  restore(publication: Publication, epoch: number, isCovered: boolean, nowMs: number): void {
    const { seq, entry } = publication
    if (seq !== this.#tail.lastSeq + 1) {
      // Older ones are trimmed; or the channel was let go meanwhile, and born again further on.
      this.#tail = new Tail(seq - 1)
      if (!isCovered) this.#birth = { seq: seq - 1, entry }
    }
    if (isCovered) {
      this.#tail.push(publication, nowMs)
      return
    }
    this.#clock.followTick({ ms: publication.timestamp, counter: publication.counter })
    this.#lastSeq = seq
    this.#note(publication, epoch, nowMs)
  }

  /** Everything is restored: a tail that does not lead up to where we stand is of no use. */
  endRestore(): void {
    const { seq } = this.#standing
    if (this.#tail.lastSeq !== seq) this.#tail = new Tail(seq)
  }

  onJoin(place: Place, join: Join, now: Now): void {
    this.#usedAtMs = now.monoMs
    const page = this.#pageAfter(join.from)
    const interest = this.#interestOf(place, join.clientId)
    interest.wantsDeliveries = join.wantsDeliveries && page.isWhole
    this.#ports.send(place, {
      kind: 'joined',
      channel: this.channel,
      joinNo: join.joinNo,
      epoch: this.#ports.epoch,
      standing: page.standing,
      isContinuation: page.isContinuation,
      startsAfter: page.startsAfter,
      backlog: page.publications,
      isWhole: page.isWhole,
      nextOpNo: interest.nextOpNo
    })
  }

  onPart(place: Place, clientId: string): void {
    const key = placeKey(place)
    if (this.#interests.get(key)?.clientId === clientId) this.#interests.delete(key)
  }

  /** A node or worker is gone: so is the interest of the client that lived there. */
  onPlaceGone(isGone: (place: Place) => boolean): void {
    for (const [key, interest] of this.#interests) {
      if (isGone(interest.place)) this.#interests.delete(key)
    }
  }

  onBackfill(place: Place, ask: Backfill, now: Now): void {
    this.#usedAtMs = now.monoMs
    const { isContinuation, standing, publications } = this.#pageAfter(ask.from)
    this.#ports.send(place, {
      kind: 'backfilled',
      channel: this.channel,
      clientId: ask.clientId,
      requestNo: ask.requestNo,
      epoch: this.#ports.epoch,
      isContinuation,
      standing,
      publications
    })
  }

  /** Takes the client's next publish; anything but the next is a repeat or comes too early. */
  onPublish(place: Place, publish: Publish, now: Now): void {
    this.#usedAtMs = now.monoMs
    const interest = this.#interests.get(placeKey(place))
    if (interest === undefined || interest.clientId !== publish.clientId) return
    for (const opNo of interest.refused.keys()) {
      if (opNo <= publish.answeredThrough) interest.refused.delete(opNo)
    }
    const { opNo } = publish
    if (opNo > interest.nextOpNo) return
    const refused = interest.refused.get(opNo)
    if (refused !== undefined) {
      this.#answer(place, publish, { kind: 'refused', error: refused })
      return
    }
    const isRepeat = opNo < interest.nextOpNo
    if (!isRepeat) interest.nextOpNo++
    this.#take(place, interest, publish, isRepeat, now)
  }

  /** The entry is in the log: everybody is told. `deliver` is sent once per turn and channel. */
  onCommitted(publication: Publication, nowMs: number): void {
    this.#note(publication, this.#ports.epoch, nowMs)
  }

  /** Sends committed publications to every node that wants them; the same object to all. */
  deliver(publications: readonly Publication[]): void {
    const message: PeerMessage = {
      kind: 'deliver',
      channel: this.channel,
      epoch: this.#ports.epoch,
      publications
    }
    for (const interest of this.#interests.values()) {
      if (interest.wantsDeliveries) this.#ports.send(interest.place, message)
    }
  }

  /** Every client is to look for its master again. */
  sayJoinAgain(): void {
    const { channel } = this
    for (const { place } of this.#interests.values()) {
      this.#ports.send(place, { kind: 'joinAgain', channel })
    }
  }

  /** Lets go what has had its time; true when nothing is left that anybody could ask for. */
  expire(nowMs: number): boolean {
    this.#dedupe.expire(nowMs)
    const isTailEmpty = this.#tail.expire(nowMs)
    return (
      isTailEmpty &&
      this.#interests.size === 0 &&
      this.#dedupe.size === 0 &&
      this.#lastSeq === this.#standing.seq &&
      nowMs - this.#usedAtMs > limits.idleChannelMs
    )
  }

  describe(): string {
    const { lineage, seq } = this.#standing
    const nodes = [...this.#interests.values()].map((interest) => placeKey(interest.place))
    return `master ${this.channel} at ${lineage}:${seq} for ${nodes.join(' ') || 'nobody'}`
  }

  #interestOf(place: Place, clientId: string): Interest {
    const key = placeKey(place)
    let interest = this.#interests.get(key)
    if (interest === undefined || interest.clientId !== clientId) {
      const refused = new Map<number, ErrorInfo>()
      interest = { place, clientId, wantsDeliveries: false, nextOpNo: 1, refused }
      this.#interests.set(key, interest)
    }
    return interest
  }

  #take(
    place: Place,
    interest: Interest,
    publish: Publish,
    isRepeat: boolean,
    now: Now
  ): void {
    const { op } = publish
    const answer = (taken: Taken): void => {
      // Whoever asked may be gone, or live anew and know nothing of it.
      if (this.#interests.get(placeKey(place)) !== interest) return
      this.#answer(place, publish, { kind: 'committed', serials: this.#serials(taken) })
    }
    const known = this.#dedupe.find(op)
    if (known === 'pending') {
      this.#dedupe.wait(op, answer)
      return
    }
    if (known !== 'new') {
      answer(known)
      return
    }
    if (isRepeat) {
      // It was decided once, and so long ago that nobody knows how: it must not be taken again.
      this.#answer(place, publish, { kind: 'refused', error: errors.timeout().info })
      return
    }
    const refusal = this.#refusal()
    if (refusal !== undefined) {
      interest.refused.set(publish.opNo, refusal)
      this.#answer(place, publish, { kind: 'refused', error: refusal })
      return
    }
    const { ms, counter } = this.#clock.next(now.wallMs)
    this.#lastSeq++
    this.#dedupe.admit(op, answer)
    this.#ports.append(this.channel, {
      seq: this.#lastSeq,
      id: op.id,
      idSpace: op.idSpace,
      connectionId: op.connectionId,
      timestamp: ms,
      counter,
      messageCount: op.messageCount,
      payload: op.payload
    })
  }

  #refusal(): ErrorInfo | undefined {
    if (!this.#ports.hasRoom) return errors.unavailable('the log takes no more for now').info
    if (!this.#dedupe.hasRoom) return errors.rateLimited('Too many publishes on this channel').info
    return undefined
  }

  #note(publication: Publication, epoch: number, nowMs: number): void {
    const { lineage } = this.#standing
    this.#standing = { lineage, seq: publication.seq, epoch, entry: publication.entry }
    this.#tail.push(publication, nowMs)
    this.#dedupe.commit(publication, publication, nowMs)
  }

  /** What came after `from`, as much as one message takes. */
  #pageAfter(from: Standing | undefined): Page {
    const standing = this.#standing
    const here = { standing, startsAfter: standing.seq, publications: [], isWhole: true }
    if (from === undefined) return { ...here, isContinuation: true }
    const found = this.#after(from)
    if (found === undefined) return { ...here, isContinuation: false }
    const { startsAfter, publications } = found
    let bytes = 0
    let count = 0
    for (const { payload } of publications) {
      bytes += payload.byteLength
      if (count > 0 && bytes > limits.backlogPageBytesMax) break
      count++
    }
    const isContinuation = true
    if (count === publications.length) {
      return { standing, startsAfter, publications, isContinuation, isWhole: true }
    }
    const { seq, entry } = publications[count - 1]!
    return {
      standing: { lineage: standing.lineage, seq, epoch: this.#ports.epoch, entry },
      startsAfter,
      publications: publications.slice(0, count),
      isContinuation,
      isWhole: false
    }
  }

  /** What came after `from`, or undefined where continuity cannot be shown (rule 19). */
  #after(from: Standing): Pick<Page, 'startsAfter' | 'publications'> | undefined {
    if (from.lineage !== this.#standing.lineage || from.seq > this.#standing.seq) return undefined
    if (!this.#ports.isKnown(from)) return undefined
    // Before the channel was let go, and so late that nothing of it was there to be missed.
    const isBornSince = from.seq < this.#birth.seq && from.entry >= this.#birth.entry
    const startsAfter = isBornSince ? this.#birth.seq : from.seq
    const publications = this.#tail.after(startsAfter)
    return publications && { startsAfter, publications }
  }

  #answer(place: Place, publish: Publish, outcome: PublishOutcome): void {
    this.#ports.send(place, {
      kind: 'result',
      channel: this.channel,
      clientId: publish.clientId,
      epoch: this.#ports.epoch,
      opNo: publish.opNo,
      outcome
    })
  }

  #serials(taken: Taken): string[] {
    const parts = { ms: taken.timestamp, counter: taken.counter, site: this.#ports.lineage }
    const serials: string[] = []
    for (let index = 0; index < taken.messageCount; index++) {
      serials.push(messageSerial(parts, index))
    }
    return serials
  }
}
