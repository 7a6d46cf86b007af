/**
 * Planted faults: ways to break the core, each against one promise, so that it can be shown that
 * the simulator finds what it is there to find. Nothing of this is in the production paths: the
 * ports are given other answers, or a method of the core is replaced for the time of a run.
 */

import { ChannelClient } from '../../src/channel/client.ts'
import { Dedupe } from '../../src/channel/dedupe.ts'
import { type GroupMember, LocalGroup } from '../../src/channel/group.ts'
import { ChannelMaster } from '../../src/channel/master.ts'
import { Tail } from '../../src/channel/tail.ts'
import { Unanswered } from '../../src/channel/unanswered.ts'
import type { LogAnswer } from '../../src/log/port.ts'
import { Channels } from '../../src/node/channels.ts'
import { UnheardClaims } from '../../src/node/unheard-claims.ts'
import type { PeerMessage } from '../../src/peer/message.ts'
import { Acks, type Owed } from '../../src/session/acks.ts'
import { Attachment } from '../../src/session/attachment.ts'
import { SerialClock } from '../../src/wire/serial.ts'
import { ofHandovers } from './planted-handovers.ts'
import { type Planted, replace } from './planting.ts'
import type { Region } from './region.ts'
import type { Mix } from './weather.ts'

const busy: Partial<Mix> = { crashes: 5, workerDeaths: 5, clientDrops: 10, publishRate: 4 }
const troubled: Partial<Mix> = { logTrouble: 0.08, ...busy }
/** Nothing that would keep a master from hearing how full the log is. */
const still: Partial<Mix> = {
  partitions: 0, oneWayCuts: 0, meshDowns: 0, pauses: 0, logTrouble: 0, logAways: 0, logFulls: 0
}
const split: Partial<Mix> = {
  partitions: 12, pauses: 6, apiAways: 6, drains: 4, clientDrops: 30, nodeCount: 3
}

const ofTheLog: readonly Planted[] = [
  {
    name: 'an append without expected sequence',
    rule: '2',
    foundBy: ['masters', 'ledger', 'lineage', 'once', 'committed', 'continuity'],
    mix: { ...split, ...troubled },
    plant({ log }) {
      const ask = log.ask.bind(log)
      log.ask = (asker, request, onAnswer) => {
        if (request.kind !== 'append') return ask(asker, request, onAnswer)
        const expectedSeq = log.recordsOf(request.partition).at(-1)?.seq ?? 0
        ask(asker, { ...request, expectedSeq }, onAnswer)
      }
    }
  },
  {
    name: 'an append called stored before it is',
    rule: '3',
    foundBy: ['committed', 'ledger', 'masters', 'continuity', 'lineage', 'once'],
    mix: troubled,
    plant: ({ log }) => answering(log, (answer, last) => {
      const isLost = answer.kind === 'append' && answer.outcome.kind === 'unknown'
      if (!isLost) return answer
      return { ...answer, outcome: { kind: 'appended', seq: last + 3 } }
    })
  },
  {
    name: 'trim takes everything, the last entry too',
    rule: '6',
    foundBy: ['lineage', 'masters', 'ledger', 'continuity'],
    mix: busy,
    plant({ log, world }) {
      const ask = log.ask.bind(log)
      world.every(2_000, () => {
        const asker = { life: 'planted', machine: '', isUp: true }
        for (let partition = 0; partition < 16; partition++) {
          ask(asker, { kind: 'trim', ticket: 0, partition, below: Infinity }, () => undefined)
        }
      })
    }
  },
  {
    name: 'admission does not stop at the mark',
    rule: '6',
    foundBy: ['room'],
    mix: { ...still, logRoomBytes: 32_000, publishRate: 4, stormMs: 40_000 },
    plant: () => replace(Channels, 'onLogRoom', () => () => undefined)
  },
  {
    name: 'nothing of the log is read at a takeover',
    rule: '2',
    foundBy: ['lineage', 'masters', 'ledger', 'continuity'],
    mix: busy,
    plant: ({ log }) => answering(log, (answer) => {
      if (answer.kind !== 'read' || answer.outcome.kind !== 'page') return answer
      const { records, isEnd } = answer.outcome
      return { ...answer, outcome: { kind: 'page', records: records.slice(-1), isEnd } }
    })
  }
]

/** Gives the askers of a log other answers; `change` is told the partition's last sequence. */
function answering(
  log: Region['log'],
  change: (answer: LogAnswer, lastSeq: number) => LogAnswer
): void {
  const ask = log.ask.bind(log)
  log.ask = (asker, request, onAnswer) => {
    ask(asker, request, (answer) => {
      onAnswer(change(answer, log.recordsOf(request.partition).at(-1)?.seq ?? 0))
    })
  }
}

const ofTheView: readonly Planted[] = [
  {
    name: 'the ring is written without compare',
    rule: '7',
    foundBy: ['agreement', 'handovers', 'whole'],
    mix: { ...split, crashes: 8, drains: 4, ringTrouble: 0.2, machineLosses: 4 },
    plant({ kube }) {
      kube.isCompareOff = true
    }
  },
  {
    name: 'a view is announced though its write is unknown',
    rule: '7',
    foundBy: ['agreement', 'handovers', 'whole', 'continuity'],
    mix: { ...busy, ringTrouble: 0.2, machineLosses: 4 },
    plant({ kube }) {
      const write = kube.writeRing.bind(kube)
      kube.writeRing = (writer, expected, view, onWriting) => {
        write(writer, expected, view, (writing) => {
          if (writing.outcome !== 'unknown') onWriting(writing)
          else onWriting({ outcome: 'written', resourceVersion: expected ?? '' })
        })
      }
    }
  },
  {
    name: 'a change of master is not told to clients of channels',
    rule: '14',
    foundBy: ['whole', 'leak'],
    mix: busy,
    plant: () => replace(ChannelClient, 'onMasterUncertain', () => () => undefined)
  },
  {
    name: 'a worker\'s heir is not known to be another',
    rule: '11',
    foundBy: ['whole', 'leak', 'continuity', 'committed'],
    mix: { workerDeaths: 12, clientDrops: 5 },
    plant: () => {
      const undo = [
        replace(Channels, 'onPeerRestarted', () => () => undefined),
        replace(Channels, 'onView', (former) => function (this: Channels, view, _, gone) {
          former.call(this, view, new Map(), gone)
        })
      ]
      return () => undo.forEach((each) => each())
    }
  }
]

const ofChannels: readonly Planted[] = [
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
    name: 'whether to resume is decided by age',
    rule: '19',
    foundBy: ['continuity'],
    mix: { clientDrops: 20 },
    plant: () => replace(Tail, 'after', (former) => function (this: Tail, seq) {
      return this.length > 0 && seq < this.lastSeq - 2 ? undefined : former.call(this, seq)
    })
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
    name: 'a hole in the order is passed over',
    rule: '9',
    foundBy: ['continuity', 'whole'],
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

const ofSessions: readonly Planted[] = [
  {
    name: 'an ACK jumps a pending publish',
    rule: '18',
    foundBy: ['acks'],
    mix: { ...busy, channelCount: 4 },
    plant: () => {
      const queues = new WeakMap<Acks, Owed[]>()
      const undo = [
        replace(Acks, 'owe', () => function (this: Acks, msgSerial, receivedAtMs) {
          const owed: Owed = { msgSerial, receivedAtMs, outcome: undefined }
          const queue = queues.get(this) ?? []
          queues.set(this, queue)
          queue.push(owed)
          return owed
        }),
        replace(Acks, 'answers', () => function* (this: Acks) {
          const queue = queues.get(this) ?? []
          for (const owed of queue.filter(({ outcome }) => outcome?.kind === 'committed')) {
            queue.splice(queue.indexOf(owed), 1)
            const { outcome, msgSerial } = owed
            const serials = outcome?.kind === 'committed' ? [...outcome.serials] : []
            yield { action: 1, msgSerial, count: 1, res: [{ serials }] }
          }
        })
      ]
      return () => undo.forEach((each) => each())
    }
  },
  {
    name: 'what is committed is refused',
    rule: '18',
    foundBy: ['refused'],
    plant: () => {
      let count = 0
      const error = { code: 50005, statusCode: 503, message: 'planted' }
      return replace(ChannelClient, 'onMasterMessage', (former) => {
        return function (this: ChannelClient, message) {
          const isTurn = message.kind === 'result' && ++count % 20 === 0
          if (!isTurn) former.call(this, message)
          else former.call(this, { ...message, outcome: { kind: 'refused', error } })
        }
      })
    }
  },
  {
    name: 'a claim that was given up is not known any more',
    rule: '20',
    foundBy: ['sessions'],
    mix: { logAways: 20, clientDrops: 40 },
    plant: () => replace(UnheardClaims, 'has', () => () => false)
  },
  {
    name: 'lost continuity is not announced',
    rule: '4',
    foundBy: ['continuity', 'whole'],
    mix: { ...busy, logAnews: 12 },
    plant: () => replace(Attachment, 'onContinuityLost', () => () => undefined)
  },
  {
    name: 'who hears itself is not asked',
    rule: 'protocol 6.3',
    foundBy: ['echo'],
    plant: () => replace(LocalGroup, 'attach', (former) => {
      return function (this: LocalGroup, member, variant, from) {
        const all: GroupMember = {
          connectionId: member.connectionId,
          subscribes: member.subscribes,
          hearsPresence: member.hearsPresence,
          hearsItself: true,
          onFrame: (frame) => member.onFrame(frame),
          onAttached: (how) => member.onAttached(how),
          onAttachRefused: (error) => member.onAttachRefused(error),
          onContinuityLost: (...told) => member.onContinuityLost(...told)
        }
        return former.call(this, all, variant, from)
      }
    })
  }
]

const ofBounds: readonly Planted[] = [
  {
    name: 'a client of a channel is never let go',
    rule: '25',
    foundBy: ['leak'],
    plant: () => replace(ChannelClient, 'isSpent', () => () => false)
  },
  {
    name: 'a group is never let go',
    rule: '25',
    foundBy: ['leak'],
    plant: () => replace(LocalGroup, 'isSpent', () => () => false)
  },
  {
    name: 'the last batch of a burst is never asked about',
    rule: '13',
    foundBy: ['whole', 'leak'],
    mix: { loss: 0.15, publishRate: 1, clientDrops: 0 },
    plant({ mesh }) {
      const send = mesh.send.bind(mesh)
      mesh.send = (from, to, what, payload, bytes) => {
        if (what !== 'link ask') send(from, to, what, payload, bytes)
      }
    }
  },
  {
    name: 'a removed node goes on with its clients',
    rule: '11',
    foundBy: ['whole', 'continuity'],
    mix: { partitions: 8, meshDowns: 8, pauses: 6 },
    plant(region) {
      const start = region.startPod.bind(region)
      region.startPod = (name, incarnation) => {
        const node = start(name, incarnation)
        node.onLifeOver = () => undefined
        return node
      }
    }
  }
]

/** All of them. */
export const plantedFaults: readonly Planted[] = [
  ...ofTheLog, ...ofHandovers, ...ofTheView, ...ofChannels, ...ofSessions, ...ofBounds
]
