/** Faults of channels: their order, and who is shown what. */

import { limits } from '../../src/base/limits.ts'
import { Census } from '../../src/channel/census.ts'
import { ClientCensus } from '../../src/channel/client-census.ts'
import { ChannelClient } from '../../src/channel/client.ts'
import { Confirming } from '../../src/channel/confirming.ts'
import { Dedupe, type Taken } from '../../src/channel/dedupe.ts'
import { DeltaChains } from '../../src/channel/delta-chain.ts'
import { Doors } from '../../src/channel/doors.ts'
import { Filters } from '../../src/channel/filters.ts'
import { LocalGroup } from '../../src/channel/group.ts'
import { ChannelMaster } from '../../src/channel/master.ts'
import { PartitionMasterPorts } from '../../src/channel/master-ports.ts'
import { Tail } from '../../src/channel/tail.ts'
import { Unanswered } from '../../src/channel/unanswered.ts'
import { Channels } from '../../src/node/channels.ts'
import type { PeerMessage, PublishOp } from '../../src/peer/message.ts'
import { SerialClock } from '../../src/wire/serial.ts'
import { all, busy, type Planted, replace } from './planting.ts'

/** What is on its way stays there for long, while masters change. */
const farApart = {
  partitions: 12, oneWayCuts: 20, drains: 10, loss: 0.15, spikes: 0.1, publishRate: 8,
  nodeCount: 4, stormMs: 40_000
}

export const ofChannels: readonly Planted[] = [
  {
    name: 'seq restarts at a takeover',
    rule: '5',
    foundBy: ['ledger', 'continuity', 'once'],
    mix: busy,
    plant: () => replace(ChannelMaster, 'restore', () => () => undefined)
  },
  {
    name: 'serials follow the wall clock alone',
    rule: '5',
    foundBy: ['masters'],
    mix: { skewMs: 1_500, clockSteps: 10, ...busy },
    plant: () => replace(SerialClock, 'next', () => (wallMs) => ({ ms: wallMs, counter: 0 }))
  },
  {
    name: 'a publish is delivered before it is in the log',
    rule: '3',
    foundBy: ['committed'],
    mix: busy,
    plant: () => replace(ChannelMaster, 'onPublish', (former) => {
      return function (this: ChannelMaster, place, publish, now) {
        former.call(this, place, publish, now)
        const seq = this.lastSeq
        const { op } = publish
        this.deliver([{ ...op, seq, entry: 0, timestamp: now.wallMs, counter: 0 }])
      }
    })
  },
  {
    name: 'ids are forgotten at once',
    rule: '17',
    foundBy: ['once', 'acks'],
    mix: { ...busy, loss: 0.05 },
    plant: () => replace(Dedupe, 'find', () => () => 'new' as const)
  },
  {
    name: 'a delta builds on a message that came before the last',
    rule: 'C7',
    foundBy: ['delta'],
    mix: busy,
    plant: () => {
      let count = 0
      return replace(DeltaChains, 'next', (former) => function (this: DeltaChains, encoded) {
        if (++count % 3 === 0) return undefined
        const buildsOn = encoded.publication.seq - 1
        const parts = [...former.call(this, encoded) ?? []]
        return new Map(parts.map(([filter, part]) => [filter, { ...part, buildsOn }]))
      })
    }
  },
  {
    name: 'a filter lets everything through',
    rule: 'C9',
    foundBy: ['committed'],
    mix: busy,
    plant: () => replace(Filters, 'letsThrough', () => () => true)
  },
  {
    name: 'a rewind leaves the oldest message out',
    rule: 'C1',
    foundBy: ['rewind'],
    mix: busy,
    plant: () => replace(Tail, 'rewound', (former) => function (this: Tail, count, sinceMs) {
      return Math.min(this.lastSeq, former.call(this, count, sinceMs) + 1)
    })
  },
  {
    name: 'who cannot go on is not rewound',
    rule: 'C3',
    foundBy: ['rewind'],
    mix: { ...busy, isShort: true, clientAways: 20, stormMs: 40_000 },
    plant: () => replace(Doors, 'sayAttached', (former) => function (this: Doors, arrival, ...how) {
      const { hasLost } = arrival
      former.call(this, hasLost === true ? { ...arrival, missed: [] } : arrival, ...how)
    })
  },
  {
    name: 'who is gone is counted still',
    rule: 'O1',
    foundBy: ['whole'],
    mix: { ...busy, machineLosses: 2 },
    plant: () => replace(Census, 'onGone', () => () => undefined)
  },
  {
    name: 'a new master is not told that occupancy is wanted',
    rule: 'O1',
    foundBy: ['whole'],
    mix: { ...busy, workerDeaths: 3 },
    plant: () => replace(ClientCensus, 'end', () => () => undefined)
  },
  {
    name: 'whether to resume is decided by age',
    rule: '19',
    foundBy: ['continuity'],
    mix: { publishRate: 0.2, crashes: 4, workerDeaths: 6, clientDrops: 30, stormMs: 40_000 },
    limits: { tailMs: 4_000 },
    // Nothing was missed; but what was shown last is so old that the tail does not hold it.
    plant: () => replace(Tail, 'after', (former) => function (this: Tail, seq) {
      return seq > 0 && seq === this.trimmedThrough ? undefined : former.call(this, seq)
    })
  },
  {
    name: 'who stands in a forgotten epoch is refused',
    rule: '19',
    foundBy: ['continuity'],
    mix: { publishRate: 0.2, crashes: 4, workerDeaths: 12, clientDrops: 30, stormMs: 40_000 },
    limits: { epochEndsMax: 1 },
    plant: () => replace(PartitionMasterPorts, 'isForgotten', () => () => false)
  },
  {
    name: 'the highest number of a connection is known, and not which',
    rule: '17',
    foundBy: ['committed', 'acks'],
    mix: { publishRate: 8, clientDrops: 40, clientCuts: 20 },
    limits: { messagesPerSecondMax: 6 },
    plant: () => {
      const highest = new WeakMap<Dedupe, Map<string, { no: number; taken: Taken }>>()
      return all(
        replace(Dedupe, 'commit', (former) => function (this: Dedupe, op, taken, nowMs) {
          const { connection, no } = numbered(op)
          const known = highest.get(this) ?? new Map<string, { no: number; taken: Taken }>()
          highest.set(this, known)
          if (no > (known.get(connection)?.no ?? -1)) known.set(connection, { no, taken })
          former.call(this, op, taken, nowMs)
        }),
        replace(Dedupe, 'find', (former) => function (this: Dedupe, op) {
          const { connection, no } = numbered(op)
          const last = highest.get(this)?.get(connection)
          const found = former.call(this, op)
          return found === 'new' && last !== undefined && no < last.no ? last.taken : found
        })
      )
    }
  },
  {
    name: 'what was refused is taken after what followed it',
    rule: '16',
    foundBy: ['order'],
    mix: { publishRate: 8, clientDrops: 40, clientCuts: 20 },
    limits: { messagesPerSecondMax: 6 },
    plant: () => replace(Dedupe, 'isOvertaken', () => () => false)
  },
  {
    name: 'an attachment begins where the node stands',
    rule: '19',
    foundBy: ['continuity'],
    mix: { clientDrops: 20 },
    plant: () => replace(LocalGroup, 'attach', (former) => {
      return function (this: LocalGroup, member, variant) {
        return former.call(this, member, variant, undefined)
      }
    })
  },
  {
    name: 'what was not answered is not sent again',
    rule: '16',
    foundBy: ['leak', 'whole'],
    mix: { ...busy, loss: 0.05 },
    plant: () => replace(Unanswered, 'startEpoch', (former) => {
      return function (this: Unanswered, ...args) {
        former.apply(this, args)
        for (const _ of this.takeUnsent()) continue
      }
    })
  },
  {
    name: 'what is sent again comes in another order',
    rule: '16',
    foundBy: ['order'],
    mix: { ...busy, loss: 0.05 },
    // A master would refuse it for its order alone.
    plant: () => all(
      replace(Dedupe, 'isOvertaken', () => () => false),
      replace(Unanswered, 'takeUnsent', (former) => {
        return function* (this: Unanswered) {
          const ops = [...former.call(this)]
          yield* ops.map(({ opNo, answeredThrough }, at) => {
            return { opNo, answeredThrough, op: ops.at(-1 - at)!.op }
          })
        }
      })
    )
  },
  {
    name: 'ids are forgotten with the messages',
    rule: '17',
    foundBy: ['once', 'acks', 'refused'],
    mix: { ...busy, logAways: 20, clientDrops: 30 },
    plant: () => replace(Dedupe, 'expire', (former) => function (this: Dedupe, nowMs) {
      former.call(this, nowMs + limits.idKeptMs - 100)
    })
  },
  {
    name: 'an idle deposed master answers a read',
    rule: '11',
    foundBy: ['continuity', 'presence', 'committed', 'lineage'],
    mix: {
      apiAways: 10, pauses: 12, clientDrops: 60, clientAways: 8, publishRate: 1, nodeCount: 4,
      stormMs: 40_000
    },
    plant: () => all(
      replace(Confirming, 'mustWait', () => () => false),
      replace(Confirming, 'holdUntilNext', () => () => false)
    )
  },
  {
    name: 'a backfill is dropped',
    rule: '13',
    foundBy: ['whole', 'continuity', 'leak'],
    mix: { clientDrops: 30, clientAways: 20 },
    plant: () => replace(ChannelClient, 'onMasterMessage', (former) => {
      return function (this: ChannelClient, message) {
        if (message.kind !== 'backfilled') former.call(this, message)
      }
    })
  },
  {
    name: 'what a master says is taken by who has not joined it',
    rule: '9',
    foundBy: ['continuity', 'committed'],
    mix: farApart,
    rewrites: [{
      path: 'src/channel/client.ts',
      from: `if (!this.#isLive(deliver.epoch)) return
    if (!this.#wantsDeliveries)`,
      to: `if (this.#state.kind === 'idle' || !this.#wantsDeliveries)`
    }]
  },
  {
    name: 'who comes in is told again what waited to be told together',
    rule: '19',
    foundBy: ['continuity'],
    mix: { isBatching: true, isKeeping: false, clientDrops: 20, publishRate: 8 },
    rewrites: [{
      path: 'src/channel/doors.ts',
      from: `isRewinding, hasLost } = arrival
    this.#batcher.flush()`,
      to: 'isRewinding, hasLost } = arrival'
    }]
  },
  {
    name: 'a hole in the order is passed over',
    rule: '9',
    foundBy: ['continuity', 'whole', 'presence'],
    mix: busy,
    plant: () => replace(Channels, 'onPeerMessage', (former) => {
      return function (this: Channels, from, message) {
        former.call(this, from, withoutSome(message))
      }
    })
  }
]

/** A Joined that lacks the middle of its backlog, and does not say so. */
function withoutSome(message: PeerMessage): PeerMessage {
  if (message.kind !== 'joined' || message.backlog.length < 1) return message
  const { standing } = message
  return { ...message, backlog: [], startsAfter: standing.seq } as PeerMessage
}

/** The connection of an op, and its number there; no number where its client chose the id. */
function numbered({ id, idSpace }: Pick<PublishOp, 'id' | 'idSpace'>)
  : { connection: string; no: number } {
  const at = id.lastIndexOf(':')
  const no = idSpace === 'connection' ? Number(id.slice(at + 1)) : -1
  return { connection: id.slice(0, at), no }
}
