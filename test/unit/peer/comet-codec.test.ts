import t from 'tap'
import { PeerCodec } from '../../../src/peer/codec.ts'
import { weightOf } from '../../../src/peer/weight.ts'
import { COMET_KINDS, type CometMessage } from '../../../src/peer/comet-message.ts'
import type { LinkFrame } from '../../../src/peer/link.ts'

const connectionId = 'aBc0123456'
const asked = { kind: 'cometAsked', askId: 7, connectionId, claim: 3 } as const

const messages: readonly CometMessage[] = [
  { ...asked, wish: 'recv', frames: [], hasMore: false },
  { ...asked, wish: 'send', frames: ['{"action":0}', '{"channel":"é"}'], hasMore: true },
  { ...asked, wish: 'close', frames: [], hasMore: false },
  { ...asked, wish: 'disconnect', frames: [], hasMore: false },
  { kind: 'cometAnswered', askId: 7, statusCode: 200, body: Uint8Array.of(1, 2) },
  { kind: 'cometAnswered', askId: 7, statusCode: 204, body: undefined },
  { kind: 'cometLeft', askId: 7, connectionId, claim: 0, hasMissed: true },
  { kind: 'cometLeft', askId: 7, connectionId, claim: 0, hasMissed: false }
]

t.test('every comet message crosses the mesh as it is', async (t) => {
  const frame: LinkFrame = {
    formatVersion: 1, from: { incarnation: 'a', worker: 0 }, to: { incarnation: 'b', worker: 1 },
    viewVersion: 3, kind: 'batch', stream: { generation: 1, number: 1 }, batchNo: 1,
    confirms: undefined, messages
  }
  const codec = new PeerCodec()
  t.same(codec.decodeFrame(codec.encodeFrame(frame)), frame)
  t.same(new Set(messages.map(({ kind }) => kind)), new Set(COMET_KINDS), 'all of them')
})

t.test('what they carry counts on a link', async (t) => {
  const frames = ['é'.repeat(1_000), 'x'.repeat(1_000)]
  t.ok(weightOf({ ...asked, wish: 'send', frames, hasMore: false }) >= 3_000)
  const body = new Uint8Array(5_000)
  t.ok(weightOf({ kind: 'cometAnswered', askId: 1, statusCode: 200, body }) >= 5_000)
  t.ok(weightOf({ kind: 'cometLeft', askId: 1, connectionId, claim: 0, hasMissed: false }) < 200)
})
