/** Faults of presence: who is there, who may say so, and who is told. */

import { limits } from '../../src/base/limits.ts'
import { Legacies } from '../../src/channel/legacies.ts'
import { MemberMap } from '../../src/channel/presence.ts'
import { MasterPresence } from '../../src/channel/presence-master.ts'
import { OwnMembers } from '../../src/channel/own-members.ts'
import { Replica } from '../../src/channel/replica.ts'
import { Roll } from '../../src/channel/roll.ts'
import { decodeItems, encodeItems } from '../../src/channel/presence.ts'
import { SerialClock } from '../../src/wire/serial.ts'
import { Presence } from './presence-map.ts'
import { busy, type Planted, replace, replaceGetter } from './planting.ts'

const comingAndGoing = { clientDrops: 25, clientAways: 8, stormMs: 30_000 }

export const ofPresence: readonly Planted[] = [
  {
    name: 'the old home\'s leave is accepted',
    rule: '21',
    foundBy: ['leave'],
    mix: { ...comingAndGoing, pauses: 4 },
    plant: () => replace(MasterPresence, 'judge', (former) => function (this: MasterPresence, op) {
      if (op.idSpace !== 'node') return former.call(this, op)
      return former.call(this, { ...op, owner: { ...op.owner!, claim: 1_000 } })
    })
  },
  {
    name: 'an ENTER is de-duplicated by its id',
    rule: '21',
    foundBy: ['whole', 'leave'],
    mix: { ...comingAndGoing, clientAways: 20 },
    plant: () => {
      const known = new WeakMap<MasterPresence, Set<string>>()
      return replace(MasterPresence, 'judge', (former) => function (this: MasterPresence, op) {
        const seen = known.get(this) ?? new Set()
        known.set(this, seen)
        const items = decodeItems(op.payload).filter(({ action, id = '' }) => {
          return action === Presence.LEAVE || !seen.has(id)
        })
        for (const { id = '' } of items) seen.add(id)
        return former.call(this, { ...op, payload: encodeItems(items) })
      })
    }
  },
  {
    name: 'a leave is stamped by a slow clock',
    rule: '21',
    foundBy: ['masters', 'whole'],
    mix: { ...busy, skewMs: 1_500, clockSteps: 10 },
    plant: () => replace(SerialClock, 'followTick', () => () => undefined)
  },
  {
    name: 'who takes a channel over has forgotten who is present',
    rule: '21',
    foundBy: ['presence', 'whole', 'continuity'],
    mix: busy,
    plant: () => replace(MasterPresence, 'onCommitted', (former) => {
      return function (this: MasterPresence, publication, isRestored) {
        if (!isRestored) former.call(this, publication, isRestored)
      }
    })
  },
  {
    name: 'members of a dead node do not leave',
    rule: '21',
    foundBy: ['whole', 'ghost'],
    mix: { crashes: 10, clientAways: 20, stormMs: 25_000 },
    plant: () => replace(MasterPresence, 'checkOwners', () => () => undefined)
  },
  {
    name: 'members are given no grace',
    rule: '21',
    foundBy: ['leave'],
    mix: comingAndGoing,
    plant: () => void Object.assign(limits, { presenceGraceMs: 500 })
  },
  {
    name: 'who lost its socket never leaves',
    rule: '21',
    foundBy: ['whole', 'ghost'],
    mix: comingAndGoing,
    plant: () => replace(OwnMembers, 'leave', (former) => {
      return function (this: OwnMembers, departure) {
        if (departure.afterMs <= 0) former.call(this, departure)
      }
    })
  },
  {
    name: 'who recovers a connection has nobody\'s members',
    rule: 'protocol 4.3',
    foundBy: ['whole'],
    mix: { recoveries: 30, stormMs: 30_000 },
    plant: () => replace(Legacies, 'inherit', () => () => undefined)
  },
  {
    name: 'a node shows a set that it does not keep up',
    rule: '21',
    foundBy: ['presence'],
    plant: () => replace(Replica, 'apply', () => () => undefined)
  },
  {
    name: 'an older word of a connection takes the place of a newer one',
    rule: '21',
    foundBy: ['presence', 'whole', 'continuity'],
    mix: { ...busy, clientDrops: 40 },
    plant: () => replace(MemberMap, 'get', (former) => function (this: MemberMap, key) {
      const member = former.call(this, key)
      return member === undefined ? undefined : { ...member, id: `${member.connectionId}:-1:0` }
    })
  },
  {
    name: 'SYNC is not held after a new lineage',
    rule: '21',
    foundBy: ['roll'],
    mix: { logAnews: 12 },
    plant: () => replaceGetter(Roll, 'isOpen', () => false)
  }
]
