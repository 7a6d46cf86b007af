import { decode, encode } from '@msgpack/msgpack'
import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { decodeWorldMessage, encodeWorldMessage } from '../../../src/region/world-codec.ts'
import type {
  Announcement, Ask, RegionIdentity, Still, WorldRoster
} from '../../../src/region/world-message.ts'
import { recordOf } from '../../../src/ring/view.ts'
import { membersOf, viewOf } from '../ring/regions.ts'

const identity: RegionIdentity = {
  name: 'eu', ownName: 'main', uid: 'u-1', madeAtMs: 5, prefix: 'ringcast.main.u-1', endpoint: ''
}
const announcement: Announcement = {
  kind: 'region', formatVersion: 1, ...identity, view: recordOf(viewOf(membersOf(3))),
  generations: [['n0#1', [1, 2]], ['n1#1', []]]
}
const still: Still = {
  kind: 'still', formatVersion: 1, ...identity, viewVersion: 7, digest: 5
}
const ask: Ask = { kind: 'ask', formatVersion: 1, uid: 'u-1' }
const roster: WorldRoster = { kind: 'roster', formatVersion: 1, madeAtMs: 5, uids: ['u-1', 'u-2'] }

function uidsOf(count: number): string[] {
  return Array.from({ length: count }, (_, no) => `u${no}`)
}

t.test('what is said is what is heard', async (t) => {
  const full = { ...roster, uids: uidsOf(limits.worldRegionsMax + 1) }
  const named = { ...roster, names: ['eu', 'us'] }
  const absent = [['u-3', 'ap', 5]] as const
  const more = [{ world: 'acme' }, { absent }].flatMap((fields) =>
    [{ ...announcement, ...fields }, { ...still, ...fields }])
  for (const message of [announcement, still, ask, roster, full, named, ...more]) {
    const bytes = encodeWorldMessage(message)!
    t.same(decodeWorldMessage(bytes), message)
    const later = encode({ ...decode(bytes) as object, more: 1 })
    t.same(decodeWorldMessage(later), message, 'a later release may say more')
  }
})

t.test('what is not well formed is nothing', async (t) => {
  const wrong: [object, object][] = [
    [announcement, { formatVersion: 2 }], [announcement, { kind: 'other' }],
    [announcement, { name: '' }], [announcement, { name: undefined }],
    [announcement, { name: 'x'.repeat(limits.announcementTextMax + 1) }],
    [announcement, { ownName: 5 }], [announcement, { uid: [] }],
    [announcement, { madeAtMs: -1 }], [announcement, { madeAtMs: '5' }],
    [announcement, { madeAtMs: NaN }], [announcement, { prefix: 'ringcast' }],
    [announcement, { prefix: 'ringcast.*.u-1' }], [announcement, { prefix: 'ringcast.main.>' }],
    [announcement, { prefix: 'ringcast.main.u-1.in' }], [announcement, { prefix: '$JS.API.x' }],
    [announcement, { prefix: 'ringcast.ma in.u' }], [announcement, { endpoint: null }],
    [announcement, { world: '' }], [still, { world: 5 }],
    [announcement, { view: undefined }], [announcement, { view: [] }],
    [announcement, { generations: {} }], [announcement, { generations: [['n0#1']] }],
    [announcement, { generations: [[5, [1]]] }], [announcement, { generations: [['n', [1.5]]] }],
    [still, { absent: ['ap'] }], [still, { absent: [['u-3', 'ap', -1]] }],
    [still, { absent: uidsOf(limits.worldRegionsMax + 1).map((uid) => [uid, 'ap', 1]) }],
    [still, { uid: '' }], [still, { viewVersion: '7' }], [still, { digest: 0.5 }],
    [ask, { uid: undefined }], [roster, { madeAtMs: undefined }], [roster, { uids: 'u-1' }],
    [roster, { uids: [''] }], [roster, { names: ['eu'] }], [roster, { names: ['eu', 5] }],
    [roster, { uids: uidsOf(limits.worldRegionsMax + 2) }]
  ]
  for (const [message, fields] of wrong) {
    const bytes = encode({ ...message, ...fields }, { ignoreUndefined: true })
    t.equal(decodeWorldMessage(bytes), undefined, JSON.stringify(fields).slice(0, 80))
  }
  for (const value of [null, 5, 'text', [announcement], new Date(5)]) {
    t.equal(decodeWorldMessage(encode(value)), undefined)
  }
  for (const bytes of ['', 'ff', 'c1', '82a46b696e64'].map((hex) => Buffer.from(hex, 'hex'))) {
    t.equal(decodeWorldMessage(bytes), undefined)
  }
})

t.test('what is too large is neither sent nor read', async (t) => {
  const endpoint = 'x'.repeat(limits.announcementBytesMax)
  t.equal(encodeWorldMessage({ ...announcement, endpoint }), undefined)
  t.equal(decodeWorldMessage(encode({ ...announcement, more: endpoint })), undefined)
})
