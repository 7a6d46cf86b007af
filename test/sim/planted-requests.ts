/** Faults of what requests ask and are told, each found by the simulator. */

import { Census } from '../../src/channel/census.ts'
import { Confirming } from '../../src/channel/confirming.ts'
import { EMPTY } from '../../src/channel/occupancy.ts'
import { PartitionChannels } from '../../src/channel/partition-channels.ts'
import { Tail } from '../../src/channel/tail.ts'
import { Groups } from '../../src/node/groups.ts'
import { Holders } from '../../src/node/holders.ts'
import { Questions } from '../../src/node/questions.ts'
import { nothingSaid } from '../../src/session/past.ts'
import { type Planted, replace, split } from './planting.ts'

export const ofRequests: readonly Planted[] = [
  {
    name: 'a reader is answered by a master who may be none any more',
    rule: '11',
    foundBy: ['history', 'members'],
    mix: split,
    plant: () => replace(Confirming, 'mustWait', (former) => {
      return function (this: Confirming, from, message, writer, nowMs) {
        return message.kind !== 'ask' && former.call(this, from, message, writer, nowMs)
      }
    })
  },
  {
    name: 'who asks for a connection is told that it is there',
    rule: 'R8',
    foundBy: ['behalf'],
    plant: () => replace(Holders, 'onHolding', (former) => function (this: Holders, told) {
      const holding = { kind: 'held' as const, claim: 0, isProven: false, past: nothingSaid }
      return former.call(this, { ...told, holding })
    })
  },
  {
    name: 'who asks for a connection is told that it is over',
    rule: 'R8',
    foundBy: ['behalf'],
    plant: () => replace(Holders, 'onHolding', (former) => function (this: Holders, told) {
      return former.call(this, { ...told, holding: { kind: 'formerLife', livedMs: 0 } })
    })
  },
  {
    name: 'of a page the last publication is left out',
    rule: 'protocol 14.3',
    foundBy: ['history'],
    plant: () => replace(PartitionChannels, 'onMessage', (former) => {
      return function (this: PartitionChannels, place, message, lastEntry, now) {
        const isRead = message.kind === 'ask' && message.question.kind === 'history'
        if (!isRead) return former.call(this, place, message, lastEntry, now)
        const undo = replace(Tail, 'at', (at) => function (this: Tail, index) {
          return at.call(this, Math.min(index, Math.max(0, this.length - 2)))
        })
        former.call(this, place, message, lastEntry, now)
        undo()
      }
    })
  },
  {
    name: 'a list of channels has those alone where somebody is present',
    rule: 'protocol 14.4',
    foundBy: ['channels'],
    plant: () => replace(Groups, 'list', () => () => undefined)
  },
  {
    name: 'a status is told, and nobody was asked',
    rule: 'protocol 7.10',
    foundBy: ['status'],
    plant: () => replace(Census, 'ask', () => (asker) => asker({ ...EMPTY, presenceMembers: 0 }))
  },
  {
    name: 'a page of members begins behind one that nobody was told of',
    rule: 'protocol 8.6',
    foundBy: ['members'],
    plant: () => replace(Questions, 'ask', (former) => {
      return function (this: Questions, asker, channel, question, onAnswer) {
        former.call(this, asker, channel, question, (answer) => {
          const isCut = answer.kind === 'presence' && answer.members.length > 1
          const cut = isCut ? { ...answer, members: answer.members.slice(1) } : answer
          onAnswer(cut as Parameters<typeof onAnswer>[0])
        })
      }
    })
  }
]
