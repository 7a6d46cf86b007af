/**
 * Attachments of a ChannelClient's groups that are not answered yet: those that wait for the
 * client to be live, and those about whose past the master is being asked.
 *
 *   waiting ──client live──▶ asked ──the last page──▶ attached, where the client is
 *      ▲                      │ └──a page──▶ told; it comes again from there, at its own pace
 *      └──────────────────────┘ another master, or its word is ahead of the client
 *
 * One that goes on from where it stood is told all that it missed; one that rewinds is told the
 * last messages before its place. Both are asked for alike: a rewind begins with a page whose
 * start the master chooses, and what came after that page is then missed like anything else; but
 * only when all of a rewind is there is it known what of it is told. One that cannot go on from
 * where it stood is told so, and rewinds if it wanted that where it begins anew (protocol 7.5);
 * else it begins where the client was when it came, and misses nothing that came meanwhile: its own
 * connection may have published at once. What comes from other regions it may have been told there.
 */

import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { Rewind } from '../wire/params.ts'
import type {
  Attach, Backfill, Backfilled, OlderPart, Publication, Standing
} from '../peer/message.ts'
import { isBornHere } from './transplant.ts'

/** One attachment on its way. */
export interface Arrival {
  readonly worker: number
  readonly attach: Attach
  /** How far `missed` leads; undefined for one that begins wherever the client is. */
  readonly from: Standing | undefined
  /** What it missed, as far as that is known and not told, oldest first. */
  readonly missed: readonly Publication[]
  /** What the archive has, before that, of a rewind; or another region's log, of what it missed. */
  readonly older?: readonly OlderPart[] | undefined
  /** It begins anew, and is told the last messages first. */
  readonly isRewinding: boolean
  /** It could not go on from where it stood, and has not been told so. */
  readonly hasLost?: true
  /** Where the client was when it came. */
  readonly since?: Standing
}

/** In which lineages older publications stand. */
export function lineagesOf(older: Arrival['older'] = []): Map<Publication, string> {
  return new Map(older.flatMap(({ lineage, publications }) =>
    publications.map((publication) => [publication, lineage] as const)))
}

/** What the arrivals need from their client. */
export interface CatchUpPorts {
  /** Where the client stands; undefined while it is not live. */
  here(): Standing | undefined
  ask(question: Pick<Backfill, 'requestNo' | 'from' | 'rewind'>): void
  /** It is told what it missed so far, and comes again from there when it can take more. */
  sayPage(arrival: Arrival, upTo: Standing): void
  /** It is where the client is. */
  sayAttached(arrival: Arrival, here: Standing, isResumed: boolean): void
  /** It cannot go on, and begins at `since`; `hasMore`: the client is further than that. */
  refuseContinuation(arrival: Arrival, since: Standing, hasMore: boolean): void
  /** The master's word is ahead of the client, who must have missed something. */
  onAhead(): void
}

export class CatchUp {
  readonly #ports: CatchUpPorts
  #waiting: Arrival[] = []
  /** Those whose turn to ask has not come. */
  #queued: Arrival[] = []
  readonly #asked = new Map<number, Arrival>()
  #requestNo = 0
  /** The last that came from another region, as far as somebody was on its way in by then. */
  #broughtAt: Standing | undefined

  constructor(ports: CatchUpPorts) {
    this.#ports = ports
  }

  get size(): number {
    return this.#waiting.length + this.#queued.length + this.#asked.size
  }

  *sizes(): Generator<Size> {
    yield ['backfillsPerClientMax', this.#asked.size]
  }

  /** Somebody comes. */
  arrive(worker: number, attach: Attach): void {
    const { from, rewind } = attach
    const isRewinding = from === undefined && rewind !== undefined
    this.#seat({ worker, attach, from, missed: [], isRewinding })
  }

  /** The client is live, perhaps with another master: what was asked of a former one is again. */
  onLive(): void {
    const all = [...this.#asked.values(), ...this.#queued, ...this.#waiting]
    this.#asked.clear()
    this.#queued = []
    this.#waiting = []
    for (const arrival of all) this.#seat(arrival)
  }

  /** The client passes these on. */
  onPassed(publications: readonly Publication[], lineage: string, epoch: number): void {
    if (this.size === 0) return
    const brought = publications.findLast((publication) => !isBornHere(publication))
    if (brought === undefined) return
    this.#broughtAt = { lineage, seq: brought.seq, epoch, entry: brought.entry }
  }

  /** The master has answered. */
  onBackfilled(answer: Backfilled): void {
    const asked = this.#asked.get(answer.requestNo)
    this.#asked.delete(answer.requestNo)
    const answered = asked === undefined ? [] : [asked, ...this.#takeAlike(asked)]
    for (const arrival of answered) this.#onPage(arrival, answer)
    // Also behind one that has left meanwhile: nobody else might be there to make room.
    while (this.#queued.length > 0 && this.#hasTurn) this.#ask(this.#queued.shift()!)
  }

  /** One seat has left, or, without `attachId`, all seats of that worker's group. */
  forget(worker: number, attachId?: number): void {
    const stays = (arrival: Arrival): boolean => arrival.worker !== worker ||
      (attachId !== undefined && arrival.attach.attachId !== attachId)
    this.#waiting = this.#waiting.filter(stays)
    this.#queued = this.#queued.filter(stays)
    for (const [no, arrival] of this.#asked) if (!stays(arrival)) this.#asked.delete(no)
  }

  get #hasTurn(): boolean {
    return this.#asked.size < limits.backfillsPerClientMax
  }

  #seat(comer: Arrival): void {
    const here = this.#ports.here()
    if (here === undefined) {
      this.#waiting.push(comer)
      return
    }
    const arrival = isBehind(comer.since, here) ? comer : { ...comer, since: here }
    const { from, attach, isRewinding } = arrival
    if (from === undefined) {
      if (isRewinding) this.#ask(arrival)
      else this.#ports.sayAttached(arrival, here, false)
    } else if (isSame(from, here) || (attach.hearsNothing === true && isBehind(from, here))) {
      this.#ports.sayAttached(arrival, here, !isRewinding)
    } else {
      // Behind us: the master has what it missed. Ahead of us: what it saw is on its way here.
      // Of another lineage, or the same seq of another entry or epoch: one of the two may be no
      // more, for a log that was rolled back gives both numbers out again. The master knows.
      this.#ask(arrival)
    }
  }

  #ask(arrival: Arrival): void {
    if (this.#ports.here() === undefined) {
      this.#waiting.push(arrival)
      return
    }
    if (!this.#hasTurn) {
      this.#queued.push(arrival)
      return
    }
    const { from, attach } = arrival
    const requestNo = ++this.#requestNo
    this.#asked.set(requestNo, arrival)
    const rewind = from === undefined ? wantedOf(attach) : undefined
    this.#ports.ask(rewind === undefined ? { requestNo, from } : { requestNo, from, rewind })
  }

  #onPage(arrival: Arrival, answer: Backfilled): void {
    const here = this.#ports.here()
    if (here === undefined) {
      this.#waiting.push(arrival)
      return
    }
    if (!answer.isContinuation) {
      this.#onNoContinuation(arrival, here)
      return
    }
    if (answer.isElsewhere === true) {
      this.#ports.sayPage({ ...arrival, missed: [], older: answer.older }, answer.standing)
      return
    }
    // The link keeps order, so what the master delivered before this answer has passed here. An
    // answer that is ahead all the same is asked for again, once we are there.
    if (answer.standing.lineage !== here.lineage || answer.standing.seq > here.seq) {
      this.#waiting.push(arrival)
      this.#ports.onAhead()
      return
    }
    const { isRewinding } = arrival
    if (!isRewinding && answer.standing.seq < here.seq) {
      const { publications: missed, older } = answer
      this.#ports.sayPage({ ...arrival, missed, older }, answer.standing)
      return
    }
    const lastSeq = arrival.missed.at(-1)?.seq ?? 0
    const missed = [...arrival.missed, ...answer.publications.filter(({ seq }) => seq > lastSeq)]
    const older = answer.older ?? arrival.older
    const further = { ...arrival, from: answer.standing, missed, older }
    if (answer.standing.seq < here.seq) this.#ask(further)
    else this.#ports.sayAttached(further, here, !isRewinding)
  }

  /** Who rewinds begins here in any case, and is told what there is to be told. */
  #onNoContinuation(arrival: Arrival, here: Standing): void {
    if (arrival.attach.rewind === undefined) {
      const since = this.#beginningOf(arrival, here)
      this.#ports.refuseContinuation(arrival, since, since.seq < here.seq)
      return
    }
    const anew: Arrival = {
      ...arrival, from: undefined, missed: [], older: undefined, isRewinding: true
    }
    this.#ask(arrival.isRewinding ? anew : { ...anew, hasLost: true })
  }

  #beginningOf({ since }: Arrival, here: Standing): Standing {
    if (!isBehind(since, here)) return here
    const broughtAt = this.#broughtAt
    return isBehind(broughtAt, here) && broughtAt.seq > since.seq ? broughtAt : since
  }

  /** Those in the queue who would ask the same: a crowd that rewinds costs one question a page. */
  #takeAlike({ from, attach }: Arrival): Arrival[] {
    const wanted = wantedOf(attach)
    if (from !== undefined || wanted === undefined) return []
    const isAlike = (other: Arrival): boolean => {
      const also = other.from === undefined ? wantedOf(other.attach) : undefined
      return also?.count === wanted.count && also.forMs === wanted.forMs
    }
    const alike = this.#queued.filter(isAlike)
    if (alike.length > 0) this.#queued = this.#queued.filter((other) => !isAlike(other))
    return alike
  }
}

/** What is asked for; a filter may leave little of it, and the master does not know filters. */
function wantedOf({ rewind, variant }: Attach): Rewind | undefined {
  if (rewind === undefined || variant.filter === undefined) return rewind
  return { ...rewind, count: limits.rewindCountMax }
}

/** True of a place that is behind us, as far as numbers say: what came since may be long gone. */
function isBehind(place: Standing | undefined, here: Standing): place is Standing {
  return place?.lineage === here.lineage && place.seq <= here.seq
}

function isSame(a: Standing, b: Standing): boolean {
  return a.lineage === b.lineage && a.seq === b.seq && a.entry === b.entry && a.epoch === b.epoch
}
