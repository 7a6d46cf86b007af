import { decode, encode } from '@msgpack/msgpack'
import t from 'tap'
import { EMPTY } from '../../../src/channel/occupancy.ts'
import { PeerCodec } from '../../../src/peer/codec.ts'
import { publicationFields } from '../../../src/peer/fields.ts'
import type { PeerMessage, PublishOp } from '../../../src/peer/message.ts'
import {
  type RelayJoin, relayMessageFields, relayMessageFrom
} from '../../../src/peer/relay-message.ts'

const channel = 'app/c'
const from = { lineage: 'l', seq: 3, epoch: 4, entry: 5 }
const question = { kind: 'backfill', channel, clientId: 'x', requestNo: 7, epoch: 4 } as const
const owner = { incarnation: 'n0-1', worker: 2, generation: 3, claim: 0 }
const publication = { seq: 3, entry: 5, timestamp: 7, counter: 0, id: 'c:1', messageCount: 1,
  idSpace: 'connection' as const, connectionId: 'c', payload: Uint8Array.of(0x90) }
const revocation = { keyName: 'app.k', target: 'clientId:ann', issuedBeforeMs: 9, appliesAtMs: 0 }
const relay = { channel, region: 'us', relayId: 'r', joinNo: 2 }
const op: PublishOp = { id: 'c:1', idSpace: 'connection', connectionId: 'c', messageCount: 2,
  payload: Uint8Array.of(0x90) }

const messages: readonly PeerMessage[] = [
  { ...question, from },
  { ...question, from: undefined, rewind: { count: 100, forMs: 1_500 } },
  { ...question, from: undefined, rewind: { count: 0 } },
  ...[
    op, { ...op, ephemeralCount: 1 }, { ...op, ephemeralCount: 0, rateMax: 5 },
    { ...op, owner, membersMax: undefined }, { ...op, idSpace: 'client' as const, msgSerial: 7 },
    { ...op, said: { count: 2, bytes: 7, isRest: false } },
    { ...op, ifNew: { code: 40160, statusCode: 401, message: 'no' } },
    { ...op, said: { count: 2, bytes: 7, isRest: true },
      ifNew: { code: 40160, statusCode: 401, message: 'no' } }
  ].map((each) => ({
    kind: 'publish' as const, channel, clientId: 'x', epoch: 4, opNo: 1, answeredThrough: 0,
    op: each
  })),
  ...[
    { wantsDeliveries: true, hasMembers: true, hasUnanswered: false, from },
    { wantsDeliveries: false, hasMembers: false, hasUnanswered: true, from: undefined }
  ].map((each) => ({
    kind: 'join' as const, channel, joinNo: 2, clientId: 'x', viewVersion: 9, ...each
  })),
  ...[[], [{ lineage: 'old', publications: [{ ...publication, isLastKept: true as const }] },
    { lineage: 'l', publications: [{ ...publication, keptMs: 5 }] },
    { lineage: 'l', publications: [{ ...publication, isGlobal: true as const },
      { ...publication, keptMs: 5, isLastKept: true as const, isGlobal: true as const }] }]
  ].map((older) => ({
    kind: 'backfilled' as const, channel, clientId: 'x', requestNo: 7, epoch: 4,
    isContinuation: true, standing: from, publications: [publication], older
  })),
  { kind: 'listenersAsked', channel },
  { kind: 'joinAgain', channel, clientId: 'x' },
  { kind: 'listenersTold', channel, isWatched: true },
  { kind: 'occupancyWanted', channel, epoch: 4, clientId: 'x', isWanted: true },
  { kind: 'censusWanted', channel, epoch: 4, isWanted: false },
  { kind: 'census', channel, epoch: 4, clientId: 'x', count: { ...EMPTY, subscribers: 3 } },
  { kind: 'occupancy', channel, epoch: 4, timestamp: 7,
    occupancy: { ...EMPTY, presenceMembers: 5 } },
  { ...relay, kind: 'relayJoin', viewVersion: 3, from, sinceMs: 0, wantsMembers: false,
    wantsCount: true },
  { ...relay, kind: 'relayJoin', viewVersion: 3, from: undefined, sinceMs: 9, wantsMembers: true,
    wantsCount: false, ageMs: 5 },
  { ...relay, kind: 'relayJoin', viewVersion: 3, from, sinceMs: 0, wantsMembers: false,
    wantsCount: true, only: 'held' },
  { ...relay, kind: 'relayJoin', viewVersion: 3, from: undefined, sinceMs: 9, wantsMembers: false,
    wantsCount: true, ageMs: 5, only: 'nothing' },
  { kind: 'relayCountWanted', channel, region: 'us', relayId: 'r', isWanted: true },
  { kind: 'relayCount', channel, region: 'us', count: { ...EMPTY, subscribers: 3 } },
  { ...relay, kind: 'relayMembers', members: [{ connectionId: 'c', clientId: 'anna', id: 'c:1:0',
    timestamp: 5, data: undefined, encoding: undefined, extras: undefined, owner }] },
  { ...relay, kind: 'relayJoined', epoch: 4, standing: from, isContinuation: true, isWhole: true,
    publications: [publication, { ...publication, origin: { region: 'eu', ...from } },
      { ...publication, origin: { region: 'eu', ...from }, isBreak: true as const }],
    members: 'told', wantsWritten: true },
  { kind: 'relayWritten', channel, region: 'us', lineage: 'L', after: 3, seq: 7 },
  { kind: 'relayHold', channel, region: 'us', since: from },
  { ...relay, kind: 'relayDormant', anew: undefined },
  { ...relay, kind: 'relayDormant', anew: from },
  { kind: 'relayDeliver', channel, region: 'us', epoch: 4, after: 2, publications: [publication] },
  { kind: 'revokedAbroad', digest: 7, revocations: [revocation] },
  { kind: 'revokedDiffers' },
  { kind: 'revokedAll', revocations: [revocation] },
  { kind: 'relayAgain', channel, region: 'us' },
  { kind: 'relayAsk', channel, region: 'us', askId: '7/1', from },
  { kind: 'relayTold', channel, region: 'us', askId: '7/1', isContinuation: true, standing: from,
    publications: [publication], isWhole: false, origins: [{ region: 'eu', ...from }],
    bornThrough: 3 },
  { kind: 'backfilled', channel, clientId: 'x', requestNo: 7, epoch: 4, isContinuation: true,
    standing: from, publications: [], older: [{ lineage: 'l', publications: [publication] }],
    isElsewhere: true },
  { kind: 'relayPart', channel, region: 'us', relayId: 'r' }
]

/** By number, as nodes and regions of other releases know them: what is new stands last. */
const NUMBERED = ('join part publish backfill joined notMaster result deliver backfilled ' +
  'joinAgain members declare rollCalled rollAnswered claim claimGranted claimRefused stillHeld ' +
  'holding superseded prove proved handedOver occupancyWanted censusWanted census occupancy ' +
  'listenersAsked listenersTold cometAsked cometAnswered cometLeft spend spent ask answered ' +
  'enumerate enumerated revoked relayJoin relayJoined relayDormant relayDeliver relayAgain ' +
  'relayPart relayMembers relayAsk relayTold relayCountWanted relayCount revokedAbroad ' +
  'revokedDiffers revokedAll relayWritten relayHold').split(' ')

const codec = new PeerCodec()

function batchOf(messages: readonly PeerMessage[]): Uint8Array {
  return codec.encodeFrame({
    kind: 'batch', formatVersion: 1, from: { incarnation: 'n0-1', worker: 0 },
    to: { incarnation: 'n1-1', worker: 1 }, viewVersion: 9,
    stream: { generation: 1, number: 1 }, batchNo: 1, confirms: undefined, messages
  })
}

t.test('questions and publishes cross the mesh as they are', async (t) => {
  const frame = codec.decodeFrame(batchOf(messages))
  t.same(frame?.kind === 'batch' && frame.messages, messages)
})

t.test('a message keeps its number for ever', async (t) => {
  const encoded = (decode(batchOf(messages)) as unknown[]).at(-1) as Uint8Array[]
  for (const [at, { kind }] of messages.entries()) {
    const [number] = decode(encoded[at]!) as number[]
    t.equal(NUMBERED[number!], kind)
  }
})

t.test('what a later release says is let pass, and the rest is heard', async (t) => {
  const fields = decode(batchOf(messages.slice(0, 2))) as unknown[]
  const encoded = fields.at(-1) as Uint8Array[]
  encoded.splice(1, 0, encode([250, 'app/c']), encode([NUMBERED.indexOf('ask'), 'c', 1, [99]]))
  const frame = codec.decodeFrame(encode(fields))
  t.same(frame?.kind === 'batch' && frame.messages, messages.slice(0, 2))
})

t.test('what is held in two regions is told where former releases see nothing', async (t) => {
  const global = { ...publication, isGlobal: true as const }
  for (const each of [global, { ...global, keptMs: 5, isLastKept: true as const }]) {
    const fields = publicationFields(each)
    t.equal(fields.length, 15, 'an origin would be behind')
    t.ok(typeof fields.at(-1) === 'number')
  }
})

t.test('how long ago a time was is told where former releases see nothing', async (t) => {
  const [said, told] = messages.filter((each): each is RelayJoin => each.kind === 'relayJoin')
    .map((join) => relayMessageFields(join))
  t.same(told!.slice(-4), [9, true, false, 5], 'behind all that they know')
  t.notOk('ageMs' in relayMessageFrom('relayJoin', said!.slice(0, -1)), 'and they say nothing')
})
