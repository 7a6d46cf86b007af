/** Faults of connections: their answers, claims and attachments. */

import { ChannelClient } from '../../src/channel/client.ts'
import { type GroupMember, LocalGroup } from '../../src/channel/group.ts'
import { ClaimDesk } from '../../src/node/claims.ts'
import { CometSocket } from '../../src/node/comet-socket.ts'
import { Sessions } from '../../src/node/sessions.ts'
import { UnheardClaims } from '../../src/node/unheard-claims.ts'
import { Acks, type Owed } from '../../src/session/acks.ts'
import { Attachment } from '../../src/session/attachment.ts'
import { nothingSaid } from '../../src/session/past.ts'
import { busy, type Planted, replace } from './planting.ts'

export const ofSessions: readonly Planted[] = [
  {
    name: 'an ACK jumps a pending publish',
    rule: '18',
    foundBy: ['acks'],
    mix: { ...busy, channelCount: 4 },
    plant: () => {
      const queues = new WeakMap<Acks, Owed[]>()
      const undo = [
        replace(Acks, 'owe', () => function (this: Acks, msgSerial, receivedAtMs) {
          const owed: Owed =
            { msgSerial, receivedAtMs, bytes: 0, isAgain: false, outcome: undefined }
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
    name: 'what comes between two requests of a comet client is lost',
    rule: '19',
    foundBy: ['continuity', 'acks', 'whole'],
    plant: () => replace(CometSocket, 'write', (former) => {
      return function (this: CometSocket, batch) {
        return this.poll === undefined ? 0 : former.call(this, batch)
      }
    })
  },
  {
    name: 'a comet client is told something twice',
    rule: '19',
    foundBy: ['continuity', 'acks', 'presence'],
    plant: () => {
      let count = 0
      return replace(CometSocket, 'write', (former) => {
        return function (this: CometSocket, batch) {
          if (++count % 20 === 0) former.call(this, batch)
          return former.call(this, batch)
        }
      })
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
    name: 'two homes without a claim',
    rule: '20',
    foundBy: ['whole', 'leave', 'continuity', 'acks', 'leak'],
    mix: { clientCuts: 20, clientDrops: 40, clientAways: 10 },
    plant: ({ world }) => replace(ClaimDesk, 'claim', (former) => {
      return function (this: ClaimDesk, facts, onOutcome) {
        const claimId = former.call(this, facts, onOutcome)
        const { connectionId, claim, lineage = '', home } = facts
        const granted = { connectionId, claimId, claim, lineage, past: nothingSaid }
        world.after(0.01, () => this.onMessage(home, { kind: 'claimGranted', ...granted }))
        return claimId
      }
    })
  },
  {
    name: 'a former holder is not told that it is over',
    rule: '20',
    foundBy: ['whole', 'leave', 'ghost', 'leak'],
    mix: { clientCuts: 90, clientDrops: 0 },
    plant: () => replace(Sessions, 'onSuperseded', () => () => undefined)
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
          claim: member.claim,
          inheritsMembers: member.inheritsMembers,
          modeBits: member.modeBits,
          subscribes: member.subscribes,
          hearsPresence: member.hearsPresence,
          hearsNothing: member.hearsNothing,
          hasRoom: true,
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
