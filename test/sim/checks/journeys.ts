/**
 * What a client hears of a channel, in whatever region, as long as it is told of no loss: of each
 * lineage in which messages were born a contiguous stretch, in order, each once. So it is for
 * who stays and for who moves from one region to another; and who moves is told of a loss only
 * where the region that it comes from may have been out of reach. Once the weather has cleared
 * everybody has heard the last of each region; and who is present is the same for all, and is who
 * lives.
 */

import { channelKey } from '../app.ts'
import type { Birth, Births } from '../births.ts'
import { RESUMED, type SimClient } from '../clients.ts'
import { EPOCH_MS } from '../clock.ts'
import { memberKeyOf } from '../presence-map.ts'
import type { Region } from '../region.ts'
import type { SimSocket } from '../sockets.ts'
import { Does, META, type Wire } from '../wire.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'
import { usedIn } from './mirrors.ts'

/** Who is attached has been told by then of what is born elsewhere. */
const BEGUN_MS = 5_000

/** After cables were cut, relays have caught up by then. */
const CAUGHT_UP_MS = 20_000

/** From an attach, or a loss, to the next. */
interface Stretch {
  /** Where it was attached last. */
  region: Region | undefined
  readonly sinceMs: number
  /** By lineage of birth: the seq of the last that was heard. */
  readonly heard: Map<string, number>
  readonly ids: Set<string>
}

export interface JourneysOptions {
  readonly isFair: boolean
  readonly isReachable: boolean
  readonly areClocksFar: boolean
  readonly areCablesGood: boolean
}

export class Journeys implements Check {
  readonly #regions: readonly Region[]
  readonly #births: Births
  readonly #isMover: (client: object) => boolean
  readonly #isFair: boolean
  readonly #isReachable: boolean
  readonly #areClocksFar: boolean
  readonly #areCablesGood: boolean
  /** By client and channel. */
  readonly #stretches = new Map<string, Stretch>()
  heardCount = 0
  lossCount = 0
  movedCount = 0

  /**
   * `isFair`: nobody who stays may be told of a loss; `isReachable`: nor may who moves, while no
   * cable is cut; `areClocksFar`: those of regions differ by more than regions follow them;
   * `areCablesGood`: whoever is asked answers within a second, if he lives.
   */
  constructor(
    regions: readonly Region[], births: Births, isMover: (client: object) => boolean,
    { isFair, isReachable, areClocksFar, areCablesGood }: JourneysOptions
  ) {
    this.#regions = regions
    this.#births = births
    this.#isMover = isMover
    this.#isFair = isFair
    this.#isReachable = isReachable
    this.#areClocksFar = areClocksFar
    this.#areCablesGood = areCablesGood
  }

  /** A client is about to take this. */
  onTaking({ name, channels }: SimClient, socket: SimSocket, message: Wire): void {
    const state = channels.get(message.channel ?? '')?.state
    const key = `${name} ${message.channel}`
    if (message.action === Does.DETACHED) this.#stretches.delete(key)
    else if (message.action === Does.ATTACHED && (state === 'attaching' || state === 'attached')) {
      this.#onAttached(socket, key, message)
    } else if (message.action === Does.MESSAGE && state === 'attached') {
      this.#onMessage(socket, key, message)
    }
  }

  missing(): string[] {
    return [...this.#unheard(), ...this.#wrongMembers()]
  }

  #onAttached(socket: SimSocket, key: string, { flags = 0, error }: Wire): void {
    const known = this.#stretches.get(key)
    const region = this.#regions.find(({ sockets }) => sockets.has(socket))
    if (known !== undefined && (flags & RESUMED) !== 0) {
      if (known.region !== region) this.movedCount++
      known.region = region
      return
    }
    if (error !== undefined) this.lossCount++
    if (error !== undefined && this.#mayNotLose(socket, known)) {
      throw new Violation('journey', `${key} is told of a loss: ${error.message}`)
    }
    const { nowMs } = this.#regions[0]!.world
    this.#stretches.set(key, { region, sinceMs: nowMs, heard: new Map(), ids: new Set() })
  }

  /** True where all that it missed is held, and can be asked for. */
  #mayNotLose({ client }: SimSocket, known: Stretch | undefined): boolean {
    // Nothing was said, its master has ended who alone knew of it, and others do not answer soon.
    if (!this.#areCablesGood && known?.heard.size === 0) return false
    if (!this.#isFair || !this.#isMover(client)) return this.#isFair
    return this.#isReachable && this.#regions[0]!.abroad?.isWholeFor(CAUGHT_UP_MS) === true
  }

  #onMessage(socket: SimSocket, key: string, { id, messages = [], channel }: Wire): void {
    const stretch = this.#stretches.get(key)
    const [first] = messages
    if (stretch === undefined || first?.action === META || id === undefined) return
    const texts = messages.map(({ data }) => data ?? '').join()
    const births = this.#births.withId(channelKey(channel!), id)
      .filter(({ committed }) => committed.texts.join() === texts)
    if (births.length === 0 && this.#isOfLostLog(id, texts)) return
    // What a client said in two regions before these heard of each other stands in both.
    const isInBoth = births.length > 1 && this.#isMover(socket.client)
    if (births.length === 0 || (stretch.ids.has(id) && !isInBoth)) {
      throw new Violation('journey', `${key} (${socket.id}) hears ` +
        `${births.length === 0 ? 'what nobody said' : 'once more'}: ${id} ${texts}`)
    }
    stretch.ids.add(id)
    this.heardCount++
    const [birth] = births
    // Of what was said in two regions the one or the other is heard, in the order of that.
    if (birth === undefined || births.length > 1) return
    const problem = this.#problemOf(socket, stretch, birth)
    if (problem !== undefined) {
      throw new Violation('journey', `${key} (${socket.id}) hears ${texts} ${problem}`)
    }
    stretch.heard.set(birth.committed.lineage, birth.committed.seq)
  }

  /** A log was lost before anybody looked at it: who wrote there told of it all the same. */
  #isOfLostLog(id: string, texts: string): boolean {
    return this.#regions.some(({ ledger }) =>
      ledger.withText(texts).some((each) => each.id === id && each.isLost))
  }

  /** Why this cannot be what is heard next. */
  #problemOf(socket: SimSocket, stretch: Stretch, birth: Birth): string | undefined {
    const { channel, lineage, seq } = birth.committed
    const { heard, sinceMs, ids } = stretch
    const former = heard.get(lineage)
    if (former !== undefined && seq <= former) {
      return `as ${lineage}:${seq}, though it has heard ${former}`
    }
    const left = this.#births.between(channel, lineage, former ?? 0, seq)
      .filter((each) => isForEars(socket, each) && !ids.has(each.committed.id) &&
        !this.#isSaidTwice(each) &&
        (former !== undefined || saidMs(each) > sinceMs + BEGUN_MS))
    if (left.length === 0) return undefined
    return `as ${lineage}:${seq} after ${former ?? 'none'}, without ${left.map(wordsOf).join(' ')}`
  }

  /** It may have been heard, or passed over, as what was born in another log. */
  #isSaidTwice({ committed: { channel, id, idSpace } }: Birth): boolean {
    return idSpace === 'client' && this.#births.withId(channel, id).length > 1
  }

  *#unheard(): Generator<string> {
    for (const region of this.#regions) {
      for (const socket of region.sockets) {
        const client = socket.client as SimClient
        if (client.socket !== socket) continue
        for (const channel of client.channels.keys()) {
          const stretch = this.#stretches.get(`${client.name} ${channel}`)
          if (stretch !== undefined) yield* this.#unheardOf(socket, channel, stretch)
        }
      }
    }
  }

  *#unheardOf(
    socket: SimSocket, channel: string, { heard, sinceMs, ids }: Stretch
  ): Generator<string> {
    const key = channelKey(channel)
    for (const region of this.#regions) {
      const lineage = region.ledger.lineageOf(key)
      const last = heard.get(lineage)
      const left = this.#births.between(key, lineage, last ?? 0).find((each) =>
        isForEars(socket, each) && !ids.has(each.committed.id) && !this.#isSaidTwice(each) &&
        (last !== undefined || saidMs(each) > sinceMs + BEGUN_MS))
      if (left !== undefined) {
        yield `${socket.client.name} has not heard of ${region.name} on ${channel}: ` +
          wordsOf(left)
      }
    }
  }

  /** All maps of a channel, against those whom living clients want to be there. */
  *#wrongMembers(): Generator<string> {
    const clients = this.#regions.flatMap((region) => region.clients)
    const channels = new Set(this.#regions.flatMap((region) => [...usedIn(region)]))
    for (const channel of channels) {
      const wanted = clients.flatMap(({ members, connectionId, channels: held }) =>
        held.has(channel) ? [...members.wanted(channel)].map((who) => `${connectionId}:${who}`)
          : [])
      for (const client of clients) {
        if (client.channels.get(channel)?.state !== 'attached') continue
        const map = client.members.map(channel)
        const seen = new Set(map?.members.map(memberKeyOf))
        if (map?.isSyncing === true) yield `${client.name} waits for SYNC of ${channel}`
        for (const who of wanted) {
          if (!seen.delete(who)) yield `${client.name} does not see ${who} on ${channel}`
        }
        // One that comes from a region whose clock is ahead may not believe that somebody left.
        if (this.#areClocksFar && this.#isMover(client)) continue
        for (const who of seen) yield `${client.name} sees ${who} on ${channel}, who is not there`
      }
    }
  }
}

/** What it said itself, on this connection or a former one, it need not hear. */
function isForEars({ client, echo }: SimSocket, { committed: { texts } }: Birth): boolean {
  return echo || texts[0]?.startsWith(`${client.name}.`) !== true
}

/** When its master took it, which its log may have done much later. */
function saidMs({ committed: { atMs, timestamp } }: Birth): number {
  return Math.min(atMs, timestamp - EPOCH_MS)
}

function wordsOf({ committed: { lineage, seq, texts } }: Birth): string {
  return `${lineage}:${seq} "${texts.join(' ')}"`
}
