import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { itemBytes } from '../../../src/channel/presence-pages.ts'
import {
  type MembersSource, readAllMembers, type Taking
} from '../../../src/node/members-reading.ts'
import type { PresenceMember } from '../../../src/peer/message.ts'

const owner = { incarnation: 'a', worker: 0, generation: 1, claim: 0 }

function membersOf(count: number): PresenceMember[] {
  return Array.from({ length: count }, (_, at) => ({
    connectionId: 'c', clientId: String(at).padStart(5, '0'), id: `c:${at}:0`, timestamp: at,
    data: 'x', encoding: undefined, extras: undefined, owner
  }))
}

/** A master that tells so many members at a time. */
function sourceOf(members: readonly PresenceMember[], pageMax: number): MembersSource {
  return (_, { after = '', countMax }, onAnswer) => {
    const rest = members.filter(({ clientId }) => `c:${clientId}` > after)
    const told = rest.slice(0, Math.min(countMax, pageMax))
    onAnswer({ kind: 'presence', members: told, isWhole: told.length === rest.length })
  }
}

function readAll(count: number, taking: Taking): readonly PresenceMember[] | undefined {
  let told: readonly PresenceMember[] | undefined
  let calls = 0
  readAllMembers('app/c', {}, taking, sourceOf(membersOf(count), 300), (all) => {
    told = all
    calls++
  })
  t.equal(calls, 1)
  return told
}

t.test('all members, page by page', async (t) => {
  for (const count of [0, 1, 299, limits.pageItemsMax, 2 * limits.pageItemsMax + 7]) {
    const taking = { bytes: 0, bytesMax: Infinity }
    t.same(readAll(count, taking), membersOf(count))
    t.equal(taking.bytes, count * itemBytes(membersOf(1)[0]!))
  }
})

t.test('what would be too much is given up, and others have its room', async (t) => {
  const bytesMax = 1_500 * itemBytes(membersOf(1)[0]!)
  const taking = { bytes: 0, bytesMax }
  t.equal(readAll(400, taking)!.length, 400)
  t.equal(readAll(2_500, taking), undefined)
  t.equal(readAll(1_101, taking), undefined)
  t.equal(readAll(1_100, taking)!.length, 1_100)
  t.equal(taking.bytes, bytesMax)
})
