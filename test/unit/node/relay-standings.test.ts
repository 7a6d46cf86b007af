/* How a worker's relays stand to other regions, as it tells. */

import t from 'tap'
import type { Foreign } from '../../../src/node/ports.ts'
import type { Place } from '../../../src/peer/place.ts'
import { nodesOf } from '../region/world-node.ts'
import { peer, Rig } from './channels-rig.ts'

const eu0: Place = { incarnation: 'eu0', worker: 0 }

const regionOf = (region: string): Foreign =>
  ({ region, view: nodesOf(region), generations: new Map() })

t.test('a relay is behind until it is answered, and nobody who is out of the world is told of',
  async (t) => {
    const rig = new Rig()
    const { relays } = rig.channels
    const channel = rig.channelOf('n0')
    const [eu, ap] = [regionOf('eu'), regionOf('ap')]
    relays.onWorld([eu, ap], [])
    const none = { heardAgoMs: undefined, channels: 0, behind: 0, behindMs: 0, isFull: false }
    t.same(relays.standings(), [{ ...none, region: 'eu' }, { ...none, region: 'ap' }])
    rig.join(peer, channel).later(5_000)
    t.match(relays.standings(), [
      { region: 'eu', channels: 1, behind: 1, behindMs: 5_000, isFull: false },
      { region: 'ap', channels: 1, behind: 1, behindMs: 5_000 }
    ])
    relays.hear(eu0, 1)
    relays.onWorld([eu], ['ap'])
    t.match(relays.standings(), [{ region: 'eu', heardAgoMs: 0, behind: 1 }])
    for (const { message } of rig.sent.splice(0)) {
      if (message.kind !== 'relayJoin') continue
      const { relayId, joinNo } = message
      const dormant = { kind: 'relayDormant' as const, channel, region: 'eu', relayId, joinNo }
      rig.hear(eu0, { ...dormant, anew: undefined })
    }
    t.match(relays.standings(), [{ region: 'eu', channels: 1, behind: 0, behindMs: 0 }])
    rig.later(1_000)
    t.match(relays.standings(), [{ region: 'eu', heardAgoMs: 1_000 }])
    rig.channels.onLogRoom({ isFull: Array(6).fill(true), partitionBytesMax: 1_000_000 })
    rig.hear(eu0, {
      kind: 'relayJoin', channel, region: 'eu', relayId: 'r', joinNo: 1, viewVersion: 1,
      from: undefined, sinceMs: 0, wantsMembers: false, wantsCount: false
    })
    t.match(relays.standings(), [{ region: 'eu', behind: 1, isFull: true }])
  })
