/** Faults of what is to be let go, and of what is to be bounded. */

import { Deadlines } from '../../src/base/deadlines.ts'
import { ClaimRegister } from '../../src/channel/claims.ts'
import { ChannelClient } from '../../src/channel/client.ts'
import { LocalGroup } from '../../src/channel/group.ts'
import { Lookout } from '../../src/channel/lookout.ts'
import { ChannelMaster } from '../../src/channel/master.ts'
import { LogWriter } from '../../src/log/writer.ts'
import { Sessions } from '../../src/node/sessions.ts'
import { type Planted, replace, replaceGetter } from './planting.ts'

export const ofBounds: readonly Planted[] = [
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
    name: 'a master never lets a channel go',
    rule: '25',
    foundBy: ['leak'],
    plant: () => replace(ChannelMaster, 'expire', () => () => false)
  },
  {
    name: 'who holds which connection is never forgotten',
    rule: '25',
    foundBy: ['leak'],
    mix: { clientDrops: 10 },
    plant: () => replace(ClaimRegister, 'expire', () => () => undefined)
  },
  {
    name: 'what waits for the log is not bounded',
    rule: '25',
    foundBy: ['bounds'],
    mix: { isTight: true, logAways: 20, publishRate: 4 },
    plant: () => replaceGetter(LogWriter, 'hasRoom', () => true)
  },
  {
    name: 'a page of what was missed is taken for all of it',
    rule: '19, 25',
    foundBy: ['continuity', 'whole', 'presence'],
    mix: { isShort: true, clientDrops: 40, clientAways: 20, publishRate: 4 },
    plant: () => replace(LocalGroup, 'onClientMessage', (former) => {
      return function (this: LocalGroup, message) {
        const isPage = message.kind === 'attached' && message.hasMore === true
        former.call(this, isPage ? { ...message, hasMore: false } : message)
      }
    })
  },
  {
    name: 'what there was no room for is not asked for again',
    rule: '25',
    foundBy: ['whole', 'continuity', 'presence'],
    mix: { clientStalls: 40, clientDrops: 20, publishRate: 4 },
    plant: () => replace(Lookout, 'wait', () => () => undefined)
  },
  {
    name: 'a socket that was not written goes on',
    rule: '25',
    foundBy: ['continuity', 'acks', 'whole'],
    mix: { clientStalls: 40, publishRate: 4 },
    plant: () => replace(Sessions, 'onSlow', () => () => undefined)
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
  },
  {
    name: 'deadlines are set that nobody waits for',
    rule: '25',
    foundBy: ['bounds'],
    plant: () => replace(Deadlines, 'at', (former) => function (this: Deadlines, atMs, run) {
      former.call(this, atMs + 1e9, () => undefined)
      return former.call(this, atMs, run)
    })
  }
]
