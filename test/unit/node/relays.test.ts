/* What wakes the relays of a worker, and which regions count as heard. */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import type { Foreign } from '../../../src/node/ports.ts'
import type { Place } from '../../../src/peer/place.ts'
import { nodesOf } from '../region/world-node.ts'
import { viewOf } from '../ring/regions.ts'
import { peer, Rig } from './channels-rig.ts'

const eu0: Place = { incarnation: 'eu0', worker: 0 }

const eu: Foreign = { region: 'eu', view: nodesOf('eu'), generations: new Map() }

/** A worker with a relay to eu, where nobody uses its channel. */
function resting(): Rig {
  const rig = new Rig()
  const channel = rig.channelOf('n0')
  rig.channels.relays.onWorld([eu], [])
  rig.join(peer, channel)
  for (const { message } of rig.sent.splice(0)) {
    if (message.kind !== 'relayJoin') continue
    const { relayId, joinNo } = message
    const dormant = { kind: 'relayDormant' as const, channel, region: 'eu', relayId, joinNo }
    rig.hear(eu0, { ...dormant, anew: undefined })
  }
  rig.later(10_000).said()
  return rig
}

t.test('a relay that rests asks again where the Join that would wake it may be lost', async (t) => {
  const rig = resting()
  rig.channels.onLinkReset(eu0)
  t.same(rig.said(), ['eu relayJoin'])
})

t.test('and where another master may have said it', async (t) => {
  const rig = resting()
  rig.channels.relays.onWorld([eu], [])
  t.same(rig.said(), [], 'not the same one')
  for (const [no, member] of eu.view.members.entries()) {
    rig.channels.relays.onWorld([{ ...eu, view: viewOf([member], 16, 2 + no) }], [])
  }
  t.ok(rig.said().includes('eu relayJoin'))
})

t.test('a region that does not hear us counts as silent, and for a while afterwards', async (t) => {
  const rig = resting()
  const { relays } = rig.channels
  rig.later(limits.regionSilenceMs)
  t.equal(relays.others('eu'), 'heard')
  relays.onMute(eu0, true)
  t.equal(relays.others('eu'), 'silent')
  rig.later(limits.regionSilenceMs)
  relays.hear(eu0, 1)
  rig.channels.onLinkReset(eu0)
  t.equal(relays.others(), 'silent', 'though we hear it')
  relays.onMute(eu0, false)
  t.equal(relays.others(), 'silent', 'it has yet to ask what it missed')
  rig.later(limits.regionSilenceMs)
  t.equal(relays.others(), 'heard')
  relays.onMute(eu0, true)
  const [, eu1] = eu.view.members
  relays.onWorld([{ ...eu, view: viewOf([eu1!], 16, 2) }], [])
  t.equal(relays.others(), 'silent', 'what a place has missed others ask for')
  rig.later(limits.regionSilenceMs)
  t.equal(relays.others(), 'heard')
  relays.onWorld([], ['eu'])
  t.equal(relays.others(), 'silent')
})

t.test('relays of a former mastership end as the next one begins here', async (t) => {
  const rig = resting()
  const channel = rig.channelOf('n0')
  rig.channels.relays.onUsed(channel, true, false, 0)
  t.same(rig.said(), ['eu relayJoin'])
  t.equal(rig.channels.relays.describe().length, 1)
  rig.channels.relays.onUsed(channel, true, false, 0)
  t.same(rig.said(), ['eu relayPart', 'eu relayJoin'], 'the former one has ended')
  rig.channels.relays.onUsed(channel, false, false, 0)
  t.same(rig.said(), ['eu relayPart'])
})
