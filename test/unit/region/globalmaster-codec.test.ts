import { decode, encode } from '@msgpack/msgpack'
import t from 'tap'
import {
  decodeGlobalmaster, decodeRelayWords, encodeGlobalmaster, encodeRelayWords,
  GLOBALMASTER_REGIONS_MAX
} from '../../../src/region/globalmaster-codec.ts'
import {
  GLOBALMASTER_FORMAT_VERSION, type GlobalmasterHello
} from '../../../src/region/globalmaster-message.ts'

const hello: GlobalmasterHello = {
  kind: 'globalmaster', formatVersion: GLOBALMASTER_FORMAT_VERSION,
  world: 'acme', region: 'eu', ringUid: 'u1', madeAtMs: 1_700_000_000_000,
  instance: 'eu-1_x', term: 3, sentAtMs: 12.5,
  echoes: [{ instance: 'us-1_y', sentAtMs: 0.25, heldMs: 1_200 }],
  roster: ['u1', 'u2'],
  apps: new Map([['AbC123', '0123456789abcdef']])
}

t.test('what is said is heard', async (t) => {
  t.same(decodeGlobalmaster(encodeGlobalmaster(hello)!), hello)
  const empty = { ...hello, echoes: [], roster: [], apps: new Map() }
  t.same(decodeGlobalmaster(encodeGlobalmaster(empty)!), empty)
  const unknown = { ...hello, areAppsUnknown: true }
  t.same(decodeGlobalmaster(encodeGlobalmaster(unknown)!), unknown)
})

t.test('so is what nodes tell of their relays', async (t) => {
  const relays = [
    { uid: 'u2', heardAgoMs: 700, channels: 5, behind: 1, behindMs: 300, isFull: false },
    { uid: 'u3', channels: 0, behind: 0, behindMs: 0, isFull: true }
  ]
  const words = { kind: 'relays' as const, formatVersion: 1, incarnation: 'n0#1', relays }
  t.same(decodeRelayWords(encodeRelayWords(words)), words)
  t.same(decodeRelayWords(encodeRelayWords({ ...words, isFirst: true }))?.isFirst, true)
  t.ok(decodeRelayWords(encode({ ...words, more: 1 })), 'a later release may say more')
  const wrong = [
    { kind: 'globalmaster' }, { formatVersion: 2 }, { incarnation: '' }, { isFirst: 1 },
    { relays: {} },
    { relays: Array(GLOBALMASTER_REGIONS_MAX + 1).fill(relays[0]) }, { relays: [5] },
    ...[{ uid: 5 }, { heardAgoMs: -1 }, { channels: '5' }, { behind: null }, { behindMs: NaN },
      { isFull: 1 }].map((change) => ({ relays: [{ ...relays[0], ...change }] }))
  ]
  for (const change of wrong) {
    t.equal(decodeRelayWords(encode({ ...words, ...change })), undefined, JSON.stringify(change))
  }
  t.equal(decodeRelayWords(encodeGlobalmaster(hello)!), undefined)
})

t.test('what is not understood is nothing', async (t) => {
  const plain = decode(encodeGlobalmaster(hello)!) as Record<string, unknown>
  const wrong: Record<string, unknown>[] = [
    { kind: 'region' }, { formatVersion: 2 }, { world: '' }, { world: 1 }, { region: null },
    { ringUid: 'u'.repeat(513) }, { madeAtMs: -1 }, { madeAtMs: NaN }, { term: '3' },
    { sentAtMs: Infinity }, { echoes: {} }, { echoes: [['a', 1]] }, { echoes: [['a', 1, '2']] },
    { roster: [1] }, { roster: Array(GLOBALMASTER_REGIONS_MAX + 1).fill('u') }, { apps: {} },
    { apps: [['a']] }, { apps: [['a', 1]] }, { areAppsUnknown: 1 }
  ]
  t.ok(decodeGlobalmaster(encode(plain)))
  for (const change of wrong) {
    t.equal(decodeGlobalmaster(encode({ ...plain, ...change })), undefined, JSON.stringify(change))
  }
  for (const bytes of [encode(null), encode([]), encode('x'), new Uint8Array(), encode(7)]) {
    t.equal(decodeGlobalmaster(bytes), undefined)
  }
})

t.test('what is too much is not sent, and not read', async (t) => {
  const apps = new Map(Array.from({ length: 60_000 }, (_, no) => [`a${no}`, '0123456789abcdef']))
  t.equal(encodeGlobalmaster({ ...hello, apps }), undefined)
  const bytes = encode({ ...hello, echoes: [], apps: [...apps] })
  t.equal(decodeGlobalmaster(bytes), undefined)
})
