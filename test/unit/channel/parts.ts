/**
 * Makers of what channel parts are given in tests, and a ChannelClient on a bench: a clock that
 * the test moves, and everything that the client says, kept in order until the test takes it.
 */

import { Deadlines } from '../../../src/base/deadlines.ts'
import { Meter } from '../../../src/base/meter.ts'
import { Random } from '../../../src/base/random.ts'
import type { Batching } from '../../../src/channel/batching.ts'
import { ChannelClient } from '../../../src/channel/client.ts'
import { decodeMessages, encodeMessages } from '../../../src/channel/encoding.ts'
import type {
  Attach,
  BroadcastItem,
  Deliver,
  Joined,
  PeerMessage,
  Publication,
  PublishOp,
  Result,
  Standing,
  Variant
} from '../../../src/peer/message.ts'
import { decodeProtocolMessage } from '../../../src/wire/codec.ts'
import { type Frame, payloadOf } from '../../../src/wire/frame.ts'
import type { ProtocolMessage } from '../../../src/wire/protocol-message.ts'

export const CHANNEL = 'app/c'
export const LINEAGE = 'L1'
export const json: Variant = { format: 'json', wireName: 'c' }
export const msgpack: Variant = { format: 'msgpack', wireName: 'c' }

/** The messages that have one kind, or some. */
export function ofKind<K extends PeerMessage['kind']>(
  messages: readonly PeerMessage[],
  kind: K
): Extract<PeerMessage, { kind: K }>[] {
  return messages.filter((message) => message.kind === kind) as never
}

export function standing(seq: number, over: Partial<Standing> = {}): Standing {
  return { lineage: LINEAGE, seq, epoch: 1, entry: seq, ...over }
}

/** A publish of one message whose data is its id. */
export function op(id: string, over: Partial<PublishOp> = {}): PublishOp {
  const payload = encodeMessages([{ data: id, encoding: undefined }])
  const connectionId = id.split(':')[0]
  return { id, idSpace: 'connection', connectionId, messageCount: 1, payload, ...over }
}

/** A committed publish; `data` is `m<seq>`, the publisher `pub`. */
export function publication(seq: number, over: Partial<Publication> = {}): Publication {
  return {
    seq, entry: seq, id: `pub:${seq}`, idSpace: 'connection', connectionId: 'pub',
    timestamp: 1_000 + seq, counter: 0, messageCount: 1,
    payload: encodeMessages([{ data: `m${seq}`, encoding: undefined }]), ...over
  }
}

/** Publications `from` to `to`, both included. */
export function publications(from: number, to: number): Publication[] {
  const list: Publication[] = []
  for (let seq = from; seq <= to; seq++) list.push(publication(seq))
  return list
}

/** What a frame says to the client that reads it. */
export function read(frame: Frame): ProtocolMessage {
  const decoded = decodeProtocolMessage(payloadOf(frame), frame.isBinary ? 'msgpack' : 'json')
  if (!decoded.ok) throw new Error(decoded.error.info.message)
  return decoded.message
}

/** The data of the messages in a publish's payload. */
export function dataOf(payload: Uint8Array): unknown[] {
  return decodeMessages(payload).map(({ data }) => data)
}

/** The seqs of items that have a frame for `variantId`. */
export function seqsOf(items: readonly BroadcastItem[], variantId = 0): number[] {
  return items.filter(({ frames }) => frames[variantId] !== undefined).map(({ seq }) => seq)
}

/** A ChannelClient, and what it says to the master and to its node's groups. */
export class ClientBench {
  readonly deadlines = new Deadlines()
  readonly client: ChannelClient
  nowMs = 0
  allocatedCount = 0
  batching: Batching | undefined
  readonly meter = new Meter('app')
  #toMaster: PeerMessage[] = []
  #toGroups: { worker: number; message: PeerMessage }[] = []
  #attachId = 0
  #submitId = 0

  constructor(seed = 'client') {
    this.client = new ChannelClient(CHANNEL, {
      deadlines: this.deadlines,
      random: new Random(seed),
      allocate: (bytes) => {
        this.allocatedCount++
        return new Uint8Array(bytes)
      },
      nowMs: () => this.nowMs,
      viewVersion: () => 1,
      batching: () => this.batching,
      meter: this.meter,
      toMaster: (_, message) => {
        this.#toMaster.push(message)
        return true
      },
      toGroup: (worker, message) => void this.#toGroups.push({ worker, message })
    })
  }

  /** What was said to the master since the last call. */
  said(): PeerMessage[] {
    return this.#toMaster.splice(0)
  }

  /** What was said to groups since the last call, or to the group of one worker. */
  told(worker?: number): PeerMessage[] {
    const all = this.#toGroups
    this.#toGroups = all.filter((each) => worker !== undefined && each.worker !== worker)
    return all.filter((each) => worker === undefined || each.worker === worker)
      .map(({ message }) => message)
  }

  /** Lets time pass to the next deadline, or by `ms`. */
  pass(ms = this.deadlines.nextMs() - this.nowMs): void {
    this.nowMs += ms
    this.deadlines.fire(this.nowMs)
  }

  attach(over: Partial<Attach> & { worker?: number } = {}): number {
    const { worker = 0, ...rest } = over
    const attachId = ++this.#attachId
    const attach: Attach = {
      kind: 'attach', channel: CHANNEL, attachId, variantId: 0, variant: json, from: undefined,
      ...rest
    }
    this.client.onGroupMessage(worker, attach)
    return attachId
  }

  submit(op: PublishOp, worker = 0): number {
    const submitId = ++this.#submitId
    this.client.onGroupMessage(worker, {
      kind: 'submit', channel: CHANNEL, submitId, answeredThrough: 0, op
    })
    return submitId
  }

  /** Answers the last Join that was said (it must be among what is not taken yet). */
  join(over: Partial<Joined> = {}): PeerMessage[] {
    const said = this.said()
    const { joinNo } = ofKind(said, 'join').at(-1)!
    const where = over.standing ?? standing(0)
    const startsAfter = where.seq - (over.backlog?.length ?? 0)
    this.client.onMasterMessage({
      kind: 'joined', channel: CHANNEL, joinNo, epoch: 1, standing: where, isContinuation: true,
      startsAfter, backlog: [], isWhole: true, nextOpNo: 1, ...over
    })
    return said
  }

  deliver(publications: readonly Publication[], epoch = 1): void {
    const deliver: Deliver = { kind: 'deliver', channel: CHANNEL, epoch, publications }
    this.client.onMasterMessage(deliver)
  }

  /** The outcome of a publish that the client said. */
  result(publish: Extract<PeerMessage, { kind: 'publish' }>, over: Partial<Result> = {}): void {
    const { clientId, epoch, opNo } = publish
    this.client.onMasterMessage({
      kind: 'result', channel: CHANNEL, clientId, epoch, opNo,
      outcome: { kind: 'committed', serials: [`serial of ${publish.op.id}`] }, ...over
    })
  }
}

/** A client that is live at seq 5 with one attached group on worker 0. */
export function liveAt5(): ClientBench {
  const bench = new ClientBench()
  bench.attach()
  bench.join({ standing: standing(5) })
  bench.told()
  return bench
}

/** The seqs that the group of `worker` was broadcast since it was last asked. */
export function heard(bench: ClientBench, worker = 0): number[] {
  return ofKind(bench.told(worker), 'broadcast').flatMap(({ items }) => seqsOf(items))
}
