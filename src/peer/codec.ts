/**
 * Link frames between nodes, as MessagePack. Objects become arrays in a fixed order of fields, so
 * that names cost nothing; a message that goes to many nodes is encoded once and its bytes are
 * put into each node's batch. Talk between threads of one node is not encoded at all.
 *
 * Cost of one delivered publish to N nodes: one encode of the Deliver, N copies into batches.
 */

import { Decoder, Encoder } from '@msgpack/msgpack'
import { exhaustive } from '../base/assert.ts'
import type { Rewind } from '../wire/params.ts'
import { censusMessageFields, censusMessageFrom } from './census-codec.ts'
import { CENSUS_KINDS, isCensusKind, isCensusMessage } from './census-message.ts'
import { claimMessageFields, claimMessageFrom } from './claim-codec.ts'
import { CLAIM_KINDS, type ClaimMessage, isClaimKind, isClaimMessage } from './claim-message.ts'
import { cometMessageFields, cometMessageFrom } from './comet-codec.ts'
import { COMET_KINDS, type CometMessage, isCometKind, isCometMessage } from './comet-message.ts'
import { questionMessageFields, questionMessageFrom } from './question-codec.ts'
import {
  isQuestionKind, isQuestionMessage, QUESTION_KINDS, type QuestionMessage
} from './question-message.ts'
import type { LinkFrame } from './link.ts'
import type { Confirmation, Stream } from './link-state.ts'
import { LISTENERS_KINDS, type ListenersMessage } from './listeners-message.ts'
import {
  COPY_KINDS, isRelayKind, isRelayMessage, RELAY_KINDS, type RelayMessage, relayMessageFields,
  relayMessageFrom
} from './relay-message.ts'
import {
  isRevocationKind, isRevocationMessage, REVOCATION_KINDS, type RevocationMessage,
  revocationMessageFields, revocationMessageFrom
} from './revocation-message.ts'
import {
  isNonceMessage, NONCE_KINDS, type NonceMessage, nonceMessageFields, nonceMessageFrom
} from './nonce-message.ts'
import { MESH_FORMAT_VERSION } from './message.ts'
import {
  type Fields,
  memberFields,
  memberFrom,
  olderFields,
  olderFrom,
  opFields,
  opFrom,
  outcomeFields,
  outcomeFrom,
  publicationFields,
  publicationFrom,
  standingFields,
  standingFrom
} from './fields.ts'
import type {
  HandedOver,
  PeerMessage,
  RollMessage,
  ToClientFromMaster,
  ToMaster
} from './message.ts'

/** What crosses the mesh; the other messages never leave their node. */
export type MeshMessage =
  ToMaster | ToClientFromMaster | RollMessage | HandedOver | ClaimMessage | ListenersMessage |
  CometMessage | NonceMessage | QuestionMessage | RevocationMessage | RelayMessage

/**
 * A message's number is its place here: nodes and regions of another release know it by that, so
 * what is new stands last.
 */
const KINDS = [
  'join',
  'part',
  'publish',
  'backfill',
  'joined',
  'notMaster',
  'result',
  'deliver',
  'backfilled',
  'joinAgain',
  'members',
  'declare',
  'rollCalled',
  'rollAnswered',
  ...CLAIM_KINDS,
  'handedOver',
  ...CENSUS_KINDS,
  ...LISTENERS_KINDS,
  ...COMET_KINDS,
  ...NONCE_KINDS,
  ...QUESTION_KINDS,
  'revoked',
  ...RELAY_KINDS,
  ...REVOCATION_KINDS,
  ...COPY_KINDS
] as const satisfies readonly MeshMessage['kind'][]

const FRAME_KINDS = ['batch', 'confirm', 'ask', 'unknownStream'] as const

const encoder = new Encoder()
const decoder = new Decoder()

/** Encodes and decodes link frames; remembers the encoding of messages that many links carry. */
export class PeerCodec {
  readonly #encoded = new WeakMap<PeerMessage, Uint8Array>()

  /** A whole frame as bytes for the bus. */
  encodeFrame(frame: LinkFrame): Uint8Array {
    const head = [
      frame.formatVersion,
      FRAME_KINDS.indexOf(frame.kind),
      frame.from.incarnation,
      frame.from.worker,
      frame.to.incarnation,
      frame.to.worker,
      frame.viewVersion
    ]
    switch (frame.kind) {
      case 'batch': {
        const messages = frame.messages.map((message) => this.#message(message))
        const confirms = frame.confirms === undefined ? null : confirmationFields(frame.confirms)
        const body = [...streamFields(frame.stream), frame.batchNo, confirms, messages]
        return encoder.encode([...head, ...body])
      }
      case 'confirm':
        return encoder.encode([...head, confirmationFields(frame.confirms)])
      case 'ask':
        return encoder.encode([...head, ...streamFields(frame.stream), frame.lastBatchNo])
      case 'unknownStream':
        return encoder.encode([...head, ...streamFields(frame.stream)])
      default:
        return exhaustive(frame, 'link frame')
    }
  }

  /**
   * A frame from bytes of the bus; undefined for what is not a frame of a version we speak (the
   * sender is told nothing: a link asks again, and members speak the lowest version of the View).
   * A message that only a later release knows is let pass: whoever waits for its answer does not
   * get one, and the rest of the link's talk goes on.
   */
  decodeFrame(bytes: Uint8Array): LinkFrame | undefined {
    try {
      const fields = decoder.decode(bytes) as Fields
      if (!Array.isArray(fields) || fields[0] !== MESH_FORMAT_VERSION) return undefined
      return frameFromFields(fields)
    } catch {
      return undefined // Not MessagePack: nobody of this mesh wrote it.
    }
  }

  #message(message: PeerMessage): Uint8Array {
    const known = this.#encoded.get(message)
    if (known !== undefined) return known
    const bytes = encoder.encode(messageFields(message))
    if (message.kind === 'deliver' || message.kind === 'relayDeliver') {
      this.#encoded.set(message, bytes)
    }
    return bytes
  }
}

function streamFields(stream: Stream): Fields {
  return [stream.generation, stream.number]
}

function confirmationFields(confirms: Confirmation): Fields {
  return [...streamFields(confirms.stream), confirms.batchNo, confirms.isGap]
}

function confirmationFrom(fields: Fields): Confirmation {
  const [generation, number, batchNo, isGap] = fields as [number, number, number, boolean]
  return { stream: { generation, number }, batchNo, isGap }
}

function frameFromFields(fields: Fields): LinkFrame {
  const [formatVersion, kindNo, fromNode, fromWorker, toNode, toWorker, viewVersion, ...body] =
    fields as [number, number, string, number, string, number, number, ...unknown[]]
  const head = {
    formatVersion,
    from: { incarnation: fromNode, worker: fromWorker },
    to: { incarnation: toNode, worker: toWorker },
    viewVersion
  }
  const stream = { generation: body[0] as number, number: body[1] as number }
  const kind = FRAME_KINDS[kindNo]
  switch (kind) {
    case 'batch': {
      const confirms = body[3] === null ? undefined : confirmationFrom(body[3] as Fields)
      const messages = (body[4] as Uint8Array[]).flatMap(messagesFrom)
      return { ...head, kind, stream, batchNo: body[2] as number, confirms, messages }
    }
    case 'confirm':
      return { ...head, kind, confirms: confirmationFrom(body[0] as Fields) }
    case 'ask':
      return { ...head, kind, stream, lastBatchNo: body[2] as number }
    case 'unknownStream':
      return { ...head, kind, stream }
    default:
      throw new RangeError(`unknown frame kind ${kindNo}`)
  }
}

/** One message, or none that we know. */
function messagesFrom(bytes: Uint8Array): MeshMessage[] {
  const fields = decoder.decode(bytes) as Fields
  try {
    return [messageFromFields(fields)]
  } catch {
    return []
  }
}

function rewindFields(rewind: Rewind | undefined): Fields {
  return rewind === undefined ? [] : [rewind.count, rewind.forMs ?? null]
}

function rewindFrom(
  count: number | undefined, forMs: number | null | undefined
): { rewind?: Rewind } {
  if (count === undefined) return {}
  return { rewind: forMs === null || forMs === undefined ? { count } : { count, forMs } }
}

function messageFields(message: PeerMessage): Fields {
  const m = message as MeshMessage
  const code = KINDS.indexOf(m.kind)
  if (isClaimMessage(m)) return [code, ...claimMessageFields(m)]
  if (isNonceMessage(m)) return [code, ...nonceMessageFields(m)]
  if (isCensusMessage(m)) return [code, ...censusMessageFields(m)]
  if (isCometMessage(m)) return [code, ...cometMessageFields(m)]
  if (isQuestionMessage(m)) return [code, ...questionMessageFields(m)]
  if (isRelayMessage(m)) return [code, ...relayMessageFields(m)]
  if (m.kind !== 'revoked' && isRevocationMessage(m)) {
    return [code, ...revocationMessageFields(m)]
  }
  switch (m.kind) {
    case 'join':
      return [code, m.channel, m.joinNo, m.clientId, m.viewVersion, standingFields(m.from),
        m.wantsDeliveries, m.hasMembers ?? false, m.hasUnanswered ?? false]
    case 'part':
      return [code, m.channel, m.clientId]
    case 'publish':
      return [code, m.channel, m.clientId, m.epoch, m.opNo, m.answeredThrough, opFields(m.op)]
    case 'backfill':
      return [code, m.channel, m.clientId, m.requestNo, m.epoch, standingFields(m.from),
        ...rewindFields(m.rewind)]
    case 'joined':
      return [code, m.channel, m.joinNo, m.epoch, standingFields(m.standing), m.isContinuation,
        m.startsAfter, m.isWhole, m.nextOpNo, m.backlog.map(publicationFields),
        m.members ?? null, m.hasYours ?? false]
    case 'notMaster':
      return [code, m.channel, m.joinNo, m.viewVersion]
    case 'result':
      return [code, m.channel, m.clientId, m.epoch, m.opNo, outcomeFields(m.outcome)]
    case 'deliver':
      return [code, m.channel, m.epoch, m.publications.map(publicationFields)]
    case 'backfilled':
      return [code, m.channel, m.clientId, m.requestNo, m.epoch, m.isContinuation,
        standingFields(m.standing), m.publications.map(publicationFields),
        ...(m.older === undefined ? [] : [olderFields(m.older), m.isElsewhere === true])]
    case 'joinAgain':
      return [code, m.channel, m.clientId ?? null]
    case 'members':
      return [code, m.channel, m.joinNo, m.seq, m.members.map(memberFields), m.isFirst, m.isLast]
    case 'declare':
      return [code, m.channel, m.epoch, m.worker, m.generation,
        m.members.map(memberFields), m.isFirst, m.isLast]
    case 'listenersAsked':
      return [code, m.channel]
    case 'listenersTold':
      return [code, m.channel, m.isWatched]
    case 'rollCalled':
    case 'rollAnswered':
      return [code, m.partition, m.epoch]
    case 'handedOver':
      return [code, m.partition, m.lastSeq]
    case 'revoked':
      return [code, m.seq]
    default:
      return exhaustive(m, 'mesh message')
  }
}

function messageFromFields(fields: Fields): MeshMessage {
  const [code, channel, ...f] = fields as [number, string, ...never[]]
  const kind = KINDS[code]
  if (isClaimKind(kind)) return claimMessageFrom(kind, fields.slice(1))
  if (kind === 'spend' || kind === 'spent') return nonceMessageFrom(kind, fields.slice(1))
  if (isCensusKind(kind)) return censusMessageFrom(kind, fields.slice(1))
  if (isCometKind(kind)) return cometMessageFrom(kind, fields.slice(1))
  if (isQuestionKind(kind)) return questionMessageFrom(kind, fields.slice(1))
  if (isRelayKind(kind)) return relayMessageFrom(kind, fields.slice(1))
  if (isRevocationKind(kind)) return revocationMessageFrom(kind, fields.slice(1))
  switch (kind) {
    case 'revoked':
      return { kind, seq: fields[1] as number }
    case 'join':
      return { kind, channel, joinNo: f[0]!, clientId: f[1]!, viewVersion: f[2]!,
        from: f[3] === null ? undefined : standingFrom(f[3]), wantsDeliveries: f[4]!,
        hasMembers: f[5]!, hasUnanswered: f[6]! }
    case 'part':
      return { kind, channel, clientId: f[0]! }
    case 'publish':
      return { kind, channel, clientId: f[0]!, epoch: f[1]!, opNo: f[2]!,
        answeredThrough: f[3]!, op: opFrom(f[4]) }
    case 'backfill':
      return { kind, channel, clientId: f[0]!, requestNo: f[1]!, epoch: f[2]!,
        from: f[3] === null ? undefined : standingFrom(f[3]), ...rewindFrom(f[4], f[5]) }
    case 'joined':
      return { kind, channel, joinNo: f[0]!, epoch: f[1]!, standing: standingFrom(f[2]),
        isContinuation: f[3]!, startsAfter: f[4]!, isWhole: f[5]!, nextOpNo: f[6]!,
        backlog: (f[7]! as unknown[]).map(publicationFrom),
        members: f[8] ?? undefined, hasYours: f[9]! }
    case 'notMaster':
      return { kind, channel, joinNo: f[0]!, viewVersion: f[1]! }
    case 'result':
      return { kind, channel, clientId: f[0]!, epoch: f[1]!, opNo: f[2]!,
        outcome: outcomeFrom(f[3]) }
    case 'deliver':
      return { kind, channel, epoch: f[0]!,
        publications: (f[1]! as unknown[]).map(publicationFrom) }
    case 'backfilled':
      return { kind, channel, clientId: f[0]!, requestNo: f[1]!, epoch: f[2]!,
        isContinuation: f[3]!, standing: standingFrom(f[4]),
        publications: (f[5]! as unknown[]).map(publicationFrom), ...olderFrom(f[6]),
        ...(f[7] === true && { isElsewhere: true }) }
    case 'joinAgain':
      return { kind, channel, clientId: f[0] ?? undefined }
    case 'members':
      return { kind, channel, joinNo: f[0]!, seq: f[1]!,
        members: (f[2]! as unknown[]).map(memberFrom), isFirst: f[3]!, isLast: f[4]! }
    case 'declare':
      return { kind, channel, epoch: f[0]!, worker: f[1]!, generation: f[2]!,
        members: (f[3]! as unknown[]).map(memberFrom), isFirst: f[4]!, isLast: f[5]! }
    case 'listenersAsked':
      return { kind, channel }
    case 'listenersTold':
      return { kind, channel, isWatched: f[0]! }
    case 'rollCalled':
    case 'rollAnswered':
      return { kind, partition: fields[1] as number, epoch: f[0]! }
    case 'handedOver':
      return { kind, partition: fields[1] as number, lastSeq: f[0]! }
    default:
      throw new RangeError(`unknown message kind ${code}`)
  }
}
