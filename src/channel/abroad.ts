/**
 * What other regions mean to the parts of a channel's mastership: what they bring gets its place in
 * the order, is known from then on, and speaks for the members that live there.
 */

import { regionOwner } from '../peer/relay-message.ts'
import type { Census } from './census.ts'
import type { Dedupe } from './dedupe.ts'
import type { MasterPorts } from './master-ports.ts'
import { Moving } from './moving.ts'
import type { Here } from './page.ts'
import type { MasterPresence } from './presence-master.ts'
import { Relaying, type Transplant } from './relaying.ts'
import type { Sequencer } from './sequencer.ts'

/** The parts of the channel's master that are concerned. */
interface Parts {
  readonly sequencer: Sequencer
  readonly dedupe: Dedupe
  readonly presence: MasterPresence
  readonly census: Census
}

/** A channel's dealings with other regions; one that has none does not have this either. */
export class Abroad {
  readonly relaying: Relaying
  readonly moving: Moving

  /** Begins where the channel stands. */
  constructor(channel: string, ports: MasterPorts, parts: Parts, here: () => Here) {
    const { sequencer } = parts
    const relaying = this.relaying = relayingOf(channel, here().standing.seq, ports, parts)
    this.moving = new Moving(channel, ports, {
      here, relaying, get lastSeq() { return sequencer.lastSeq }
    })
  }

  /** The log has come so far, and everybody was told. */
  onProgress(seq: number): void {
    this.relaying.onSeq(seq)
    this.moving.onProgress()
  }
}

function relayingOf(
  channel: string, startSeq: number, ports: MasterPorts, parts: Parts
): Relaying {
  const { sequencer, presence, census } = parts
  return new Relaying(channel, startSeq, ports, {
    bring: (transplant) => bring(transplant, parts),
    breakOff: (origin) => sequencer.breakOff(origin),
    list: (region, members) => {
      for (const { timestamp: ms } of members) sequencer.followAbroad({ ms, counter: 0 })
      presence.onRegion(regionOwner(region, 0), members)
    },
    shown: () => presence.shown(),
    get lastSeq() { return sequencer.lastSeq },
    onRelay: (region, isThere) => {
      presence.checkOwners(ports.now().monoMs)
      census.onRegion(region, isThere)
    },
    listen: (region, tell) => census.listen(region, tell)
  })
}

/** Gives what was born elsewhere its place; what a client said in both regions is there already. */
function bring(transplant: Transplant, { dedupe, presence, sequencer }: Parts): void {
  if (transplant.idSpace === 'client') {
    if (dedupe.find(transplant) !== 'new') return
    dedupe.admit(transplant, () => undefined)
  }
  if (transplant.owner !== undefined) presence.bring(transplant)
  sequencer.bring(transplant)
}
