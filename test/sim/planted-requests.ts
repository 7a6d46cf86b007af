/** Faults of what requests ask and are told, each found by the simulator. */

import { Confirming } from '../../src/channel/confirming.ts'
import { PartitionChannels } from '../../src/channel/partition-channels.ts'
import { Tail } from '../../src/channel/tail.ts'
import { type Planted, replace, split } from './planting.ts'

export const ofRequests: readonly Planted[] = [
  {
    name: 'a reader is answered by a master who may be none any more',
    rule: '11',
    foundBy: ['history'],
    mix: split,
    plant: () => replace(Confirming, 'mustWait', (former) => {
      return function (this: Confirming, from, message, writer, nowMs) {
        return message.kind !== 'ask' && former.call(this, from, message, writer, nowMs)
      }
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
  }
]
