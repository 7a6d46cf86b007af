/** The presence set of a channel's master, in its place among the master's other parts. */

import { regionOf } from '../peer/relay-message.ts'
import type { Keeper } from './keeper.ts'
import type { MasterPorts } from './master-ports.ts'
import { MasterPresence } from './presence-master.ts'
import type { Relaying } from './relaying.ts'
import type { Sequencer } from './sequencer.ts'

/** The parts that it has to do with, which are made after it. */
interface Parts {
  readonly sequencer: Sequencer
  readonly keeper: Keeper
  /** Undefined as long as no other region has to do with the channel. */
  readonly relaying: Relaying | undefined
}

export function presenceOf(
  channel: string, ports: MasterPorts, parts: () => Parts
): MasterPresence {
  return new MasterPresence(channel, {
    hasRoom: () => ports.hasRoom && (parts().keeper.archive === undefined ||
      ports.archiving.backlog.hasRoom),
    isRollOpen: () => ports.isRollOpen,
    beganLineage: () => ports.beganLineage,
    isAlive: (owner) => {
      const region = regionOf(owner)
      if (region === undefined) return ports.isAlive(owner)
      return parts().relaying?.speaksFor(region) === true
    },
    regionGraceMs: () => ports.regionGraceMs(),
    publish: (op, earliestMs) => {
      const { sequencer, relaying } = parts()
      return sequencer.publish(op, relaying?.originOf(op.owner), earliestMs)
    },
    own: (entry) => ports.own({ kind: 'ownership', channel, ...entry }),
    followMs: (ms) => parts().sequencer.followTick({ ms, counter: 0 }),
    later: (afterMs, run) => ports.later(channel, afterMs, run),
    send: (place, message) => ports.send(place, message)
  })
}
