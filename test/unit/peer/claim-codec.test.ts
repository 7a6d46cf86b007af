import t from 'tap'
import { CLAIM_KINDS, type ClaimMessage } from '../../../src/peer/claim-message.ts'
import { PeerCodec } from '../../../src/peer/codec.ts'
import type { LinkFrame } from '../../../src/peer/link.ts'

const connectionId = 'aBc0123456'
const claimId = 'x'
const error = { code: 80008, statusCode: 400, message: 'expired', href: 'https://e' }
const home = { incarnation: 'n0-1', worker: 2, generation: 3 }

const messages: readonly ClaimMessage[] = [
  { kind: 'claim', connectionId, claimId, generation: 1, keyClaim: 2, home, lineage: 'l',
    viewVersion: 7 },
  { kind: 'claim', connectionId, claimId, generation: 1, keyClaim: 0, home, lineage: undefined,
    viewVersion: 7 },
  { kind: 'claimGranted', connectionId, claimId, claim: 3, lineage: 'l',
    past: { doubtfulThrough: -1, saidThrough: 7 } },
  { kind: 'claimGranted', connectionId, claimId, claim: 3, lineage: 'l',
    past: { doubtfulThrough: -1, saidThrough: undefined } },
  { kind: 'claimRefused', connectionId, claimId, error },
  { kind: 'stillHeld', connectionId, claimId, generation: 1, heldAs: 'y', mustEnd: true },
  { kind: 'stillHeld', connectionId, claimId, generation: 1, heldAs: undefined, mustEnd: false },
  { kind: 'holding', connectionId, claimId,
    holding: { kind: 'held', claim: 1, isProven: true,
      past: { doubtfulThrough: 12, saidThrough: 20 } } },
  { kind: 'holding', connectionId, claimId,
    holding: { kind: 'held', claim: 1, isProven: true,
      past: { doubtfulThrough: -1, saidThrough: undefined } } },
  { kind: 'holding', connectionId, claimId, holding: { kind: 'ended', error } },
  { kind: 'holding', connectionId, claimId, holding: { kind: 'formerLife', livedMs: 1.5 } },
  { kind: 'superseded', connectionId, claim: 4 },
  { kind: 'prove', connectionId, claim: 5 },
  { kind: 'proved', connectionId, claim: 6 }
]

t.test('every claim message crosses the mesh as it is', async (t) => {
  const head = {
    formatVersion: 1, from: { incarnation: 'a', worker: 0 }, to: { incarnation: 'b', worker: 1 },
    viewVersion: 3
  }
  const stream = { generation: 1, number: 1 }
  const frame: LinkFrame = {
    ...head, kind: 'batch', stream, batchNo: 1, confirms: undefined, messages
  }
  const codec = new PeerCodec()
  t.same(codec.decodeFrame(codec.encodeFrame(frame)), frame)
  t.same(new Set(messages.map(({ kind }) => kind)), new Set(CLAIM_KINDS), 'all of them')
})
