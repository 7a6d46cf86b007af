/**
 * What other regions mean to the parts of a channel's mastership: what they bring gets its place in
 * the order, is known from then on, and speaks for the members that live there.
 */

import type { Standing } from '../peer/message.ts'
import type { Place } from '../peer/place.ts'
import { regionOwner } from '../peer/relay-message.ts'
import type { Census } from './census.ts'
import { Copying, type Uncopied } from './copying.ts'
import type { Dedupe } from './dedupe.ts'
import type { Keeper } from './keeper.ts'
import type { MasterPorts } from './master-ports.ts'
import { Holes } from './holes.ts'
import { Moving } from './moving.ts'
import type { Here } from './page.ts'
import type { MasterPresence } from './presence-master.ts'
import { Relaying } from './relaying.ts'
import type { Sequencer } from './sequencer.ts'
import type { Transplant } from './transplant.ts'

/** The parts of the channel's master that are concerned. */
interface Parts {
  readonly keeper: Pick<Keeper, 'isGlobal'>
  readonly sequencer: Sequencer
  readonly dedupe: Dedupe
  readonly presence: MasterPresence
  readonly census: Census
}

/** A channel's dealings with other regions; one that has none does not have this either. */
export class Abroad {
  readonly relaying: Relaying
  readonly moving: Moving
  readonly copying: Copying
  readonly #ports: MasterPorts
  readonly #keeper: Parts['keeper']

  /** Begins where the channel stands. */
  constructor(channel: string, ports: MasterPorts, parts: Parts, here: () => Here) {
    const { sequencer } = parts
    this.#ports = ports
    this.#keeper = parts.keeper
    const wantsWritten = (): boolean => this.wantsWritten
    const relaying = this.relaying =
      relayingOf(channel, here, ports, parts, wantsWritten)
    this.moving = new Moving(channel, ports, {
      here, relaying, get lastSeq() { return sequencer.lastSeq }
    })
    this.copying = copyingOf(channel, ports, relaying, parts)
  }

  /** Something that was born here waits for another region, or will: the rule may be gone since. */
  get wantsWritten(): boolean {
    return this.#keeper.isGlobal || this.copying.waiting.length > 0
  }

  /** The log has come further, and everybody was told. */
  onProgress(): void {
    this.relaying.firstClients.onProgress()
    this.relaying.sayWritten()
    this.moving.onProgress()
  }

  /** Whether nothing of other regions is missing to who stands before the channel was let go. */
  goesOn(from: Standing): boolean {
    return this.relaying.comeback?.admits(from, this.#ports.otherRegions()) === true
  }

  /** Places are gone: so are their relays, and their clients. */
  onPlaceGone(isGone: (place: Place) => boolean): void {
    this.relaying.listeners.forget(isGone)
    this.relaying.firstClients.forgetAll(isGone)
  }

  /** What was said to this place, or by it, may be lost. */
  onLinkReset(place: Place): void {
    this.relaying.firstClients.forget(place)
    this.relaying.listeners.onLinkReset(place)
  }

  /** The mastership is over, or the channel is let go. */
  end(): void {
    this.relaying.firstClients.clear()
    this.relaying.listeners.end()
  }

  /** It is committed, or was found so, and is acknowledged once another region has it. */
  copy(publish: Uncopied, nowMs: number): void {
    this.relaying.listeners.wantWritten()
    this.copying.add(publish, nowMs)
  }
}

function copyingOf(
  channel: string, ports: MasterPorts, relaying: Relaying, { dedupe }: Parts
): Copying {
  return new Copying({
    get epoch() { return ports.epoch },
    get lineage() { return ports.lineage },
    isHeard: () => relaying.listeners.isHeard,
    askToHold: (since, turn) => {
      return ports.askToHold({ kind: 'relayHold', channel, region: ports.region, since }, turn)
    },
    later: (afterMs, run) => ports.later(channel, afterMs, run)
  }, {
    onCopied: (publish) => dedupe.release(publish),
    onLapsed: (publish) => dedupe.lapse(publish)
  })
}

function relayingOf(
  channel: string, here: () => Here, ports: MasterPorts, parts: Parts, wantsWritten: () => boolean
): Relaying {
  const { sequencer, presence, census } = parts
  return new Relaying(channel, here().standing.seq, ports, {
    holes: new Holes(channel, ports, here),
    bring: (transplant) => bring(transplant, parts),
    breakOff: (origin) => sequencer.breakOff(origin),
    list: (region, members) => {
      for (const { timestamp: ms } of members) sequencer.followAbroad({ ms, counter: 0 })
      presence.onRegion(regionOwner(region, 0), members)
    },
    shown: () => presence.shown(),
    get lastSeq() { return sequencer.lastSeq },
    get committedSeq() { return here().standing.seq },
    onRelay: (region, isThere) => {
      presence.checkOwners(ports.now().monoMs)
      census.onRegion(region, isThere)
    },
    listen: (region, tell) => census.listen(region, tell),
    get wantsWritten() { return wantsWritten() },
    wake: (region) => ports.wakeRelay(channel, region),
    onNews: (region, stretch) => ports.sayWritten(channel, region, stretch)
  })
}

/** Gives what was born elsewhere its place; what a client said in both regions is there already. */
function bring(transplant: Transplant, { dedupe, presence, sequencer }: Parts): boolean {
  if (transplant.idSpace === 'client') {
    if (dedupe.find(transplant) !== 'new') return false
    dedupe.admit(transplant, () => undefined)
  }
  const { owner } = transplant
  const timestamp = owner === undefined ? transplant.timestamp : presence.bring(transplant)
  sequencer.bring({ ...transplant, timestamp })
  return true
}
