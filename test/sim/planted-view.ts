/** Faults of the view, and of who hears of it. */

import { ChannelClient } from '../../src/channel/client.ts'
import { Channels } from '../../src/node/channels.ts'
import { busy, type Planted, replace, split } from './planting.ts'

export const ofTheView: readonly Planted[] = [
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
