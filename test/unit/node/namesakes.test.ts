/* Places that speak for a region of whose view they are not. */

import t from 'tap'
import type { PeerMessage } from '../../../src/peer/message.ts'
import type { Place } from '../../../src/peer/place.ts'
import { nodesOf } from '../region/world-node.ts'
import { Rig } from './channels-rig.ts'

const [true_, rival]: readonly Place[] = ['eu0', 'xx0'].map((incarnation) =>
  ({ incarnation, worker: 0 }))

const joinOf = (channel: string, relayId: string): PeerMessage => ({
  kind: 'relayJoin', channel, region: 'eu', relayId, joinNo: 1, viewVersion: 1, from: undefined,
  sinceMs: 0, wantsMembers: false, wantsCount: false
})

t.test('who has the name of a region, and is not of it, takes nothing from it', async (t) => {
  const rig = new Rig()
  const eu = { region: 'eu', view: nodesOf('eu'), generations: new Map() }
  const ap = { region: 'ap', view: nodesOf('xx'), generations: new Map() }
  const channel = rig.channelOf('n0')
  rig.hear(true_!, joinOf(channel, 'r'))
  t.same(rig.said(), ['eu relayDormant'], 'nobody knows of eu yet, and who is not of it')
  rig.hear(true_!, { ...joinOf(channel, 'r'), region: 'here' } as PeerMessage)
  t.same(rig.said(), [], 'who has our own name is not of us')
  rig.channels.relays.onWorld([eu], [])
  const since = { lineage: 'l', seq: 1, epoch: 1, entry: 1 }
  rig.hear(rival!, { kind: 'relayHold', channel, region: 'eu', since })
  t.equal(rig.channels.counts().channels, 0, 'no channel is born for a rival')
  rig.join({ incarnation: 'n1#1', worker: 0 }, channel)
  rig.said()
  rig.hear(true_!, joinOf(channel, 'r'))
  t.same(rig.said(), ['eu relayJoined'])
  rig.hear(rival!, joinOf(channel, 'q'))
  t.same(rig.said(), [], 'neither the rival is answered, nor is eu to Join again')
  rig.channels.relays.onWorld([ap, eu], [])
  rig.said()
  rig.hear(rival!, joinOf(channel, 'q'))
  t.same(rig.said(), [], 'nor one of another region')
})
