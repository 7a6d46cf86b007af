/* Regions on one mesh, as main threads of their nodes see each other. */

import { setImmediate as immediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Hub } from '../../../src/bus/hub.ts'
import type { Mesh } from '../../../src/bus/mesh.ts'
import { rosterSubject, worldSubject } from '../../../src/bus/subjects.ts'
import { systemClock } from '../../../src/ops/system-clock.ts'
import { WorldPump } from '../../../src/ops/world-pump.ts'
import { encodeWorldMessage } from '../../../src/region/world-codec.ts'
import type { WorldRoster } from '../../../src/region/world-message.ts'
import { usualSettings, type WorldTerms } from '../../../src/region/terms.ts'
import { membersOf, viewOf } from '../ring/regions.ts'

interface Main {
  readonly pump: WorldPump
  readonly prefix: string
  readonly mesh: Mesh
  /** The names of all others, each time they were given. */
  readonly worlds: string[]
  readonly notes: string[]
  /** What follows for its workers, each time that was given. */
  readonly terms: WorldTerms[]
}

/** The main thread of a region's first node, which has adopted its first view. */
function mainOf(t: Test, hub: Hub, name: string, endpoint = ''): Main {
  const [worlds, notes, terms]: [string[], string[], WorldTerms[]] = [[], [], []]
  const mesh = hub.mesh()
  const prefix = `ringcast.${name}.uid-${name}`
  const own = { name, ownName: name, uid: `uid-${name}`, madeAtMs: 0, prefix, endpoint }
  const pump = new WorldPump(own, {
    clock: systemClock,
    mesh,
    onWorld: ({ regions, absent }) => {
      worlds.push([...regions.map(({ region }) => region), ...absent.map((name) => `no ${name}`)]
        .join())
    },
    onTerms: (each) => void terms.push(each),
    note: (level, text) => void notes.push(`${level} ${text}`)
  })
  t.teardown(() => pump.stop())
  const members = membersOf(1).map((member) => ({ ...member, incarnation: `${name}0` }))
  pump.onAdopt({
    incarnation: `${name}0`, view: viewOf(members, 16, 1), generations: new Map(), gone: new Set()
  })
  return { pump, prefix, mesh, worlds, notes, terms }
}

t.test('regions hear of each other, the first of the later ones too', async (t) => {
  const hub = new Hub()
  const eu = mainOf(t, hub, 'eu')
  await immediate()
  const us = mainOf(t, hub, 'us')
  while (us.worlds.length < 1) await immediate()
  t.same([eu.worlds, us.worlds], [['us'], ['eu']])
  t.match(eu.pump.describe(), [/^region us uid-us view 1 of 1 nodes$/])
})

t.test('a roster counts for the nodes of the region on whose subject it is said', async (t) => {
  const hub = new Hub()
  const [eu, us] = [mainOf(t, hub, 'eu'), mainOf(t, hub, 'us')]
  while (us.worlds.length < 1) await immediate()
  const roster: WorldRoster = { kind: 'roster', formatVersion: 1, madeAtMs: 1, uids: [] }
  const bytes = encodeWorldMessage(roster)!
  eu.mesh.publish(worldSubject, bytes)
  eu.mesh.publish(worldSubject, new Uint8Array([1, 2, 3]))
  eu.mesh.publish(rosterSubject(eu.prefix), bytes)
  while (eu.worlds.length < 2) await immediate()
  t.same([eu.worlds, us.worlds], [['us', ''], ['eu']])
})

t.test('a region that is too large to be announced says so once', async (t) => {
  const hub = new Hub()
  const [eu, us] = [
    mainOf(t, hub, 'eu', 'x'.repeat(limits.announcementBytesMax)), mainOf(t, hub, 'us')
  ]
  while (eu.worlds.length < 1) await immediate()
  t.same([eu.worlds, us.worlds], [['us'], []])
  t.equal(eu.notes.filter((note) => note.startsWith('warn')).length, 1)
})

t.test('one that was stopped hears nothing', async (t) => {
  const hub = new Hub()
  const eu = mainOf(t, hub, 'eu')
  eu.pump.stop()
  const us = mainOf(t, hub, 'us')
  mainOf(t, hub, 'ap')
  while (us.worlds.at(-1) !== 'ap,eu') await immediate()
  t.same(eu.worlds, [])
})

t.test('what people say of a region is followed there, and known in the others', async (t) => {
  const hub = new Hub()
  const [eu, us] = [mainOf(t, hub, 'eu', 'eu.example'), mainOf(t, hub, 'us', 'us.example')]
  while (us.worlds.length < 1 || eu.worlds.length < 1) await immediate()
  t.same(us.terms.at(-1)?.endpoints, [
    { region: 'us', endpoint: 'us.example', isDraining: false },
    { region: 'eu', endpoint: 'eu.example', isDraining: false }
  ])
  eu.pump.onSettings({ ...usualSettings, isToDrain: true })
  t.match(eu.terms.at(-1), { drain: 'draining', endpoints: [{ isDraining: true }, {}] })
  while (us.terms.at(-1)?.endpoints[1]?.isDraining !== true) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  t.equal(us.terms.at(-1)?.drain, 'none')
})
