/**
 * Committed publications as frames for clients: decoded once per node, encoded once per variant
 * (format and wire name) whatever the number of attachments, groups and workers.
 *
 * Cost of one publication on a node: one MessagePack decode of its payload, then per variant one
 * encode into memory that all workers can write from. With one variant and 10,000 subscribers
 * that is one decode and one encode, and 10,000 writes of the same bytes. A filter judges each of
 * its messages once per node, and a delta is made once per chain (channel/delta-chain.ts).
 */

import { Decoder, Encoder } from '@msgpack/msgpack'
import type { Publication, Standing, Variant } from '../peer/message.ts'
import { Action } from '../wire/actions.ts'
import { encodeFrame, type Frame } from '../wire/frame.ts'
import { publishSize } from '../wire/message.ts'
import type { Message, PresenceMessage, ProtocolMessage } from '../wire/protocol-message.ts'
import { type ChannelSerial, channelSerial, messageSerial } from '../wire/serial.ts'
import type { Taken } from './dedupe.ts'
import type { Filters } from './filters.ts'
import { decodeItems, eventId } from './presence.ts'

const encoder = new Encoder({ ignoreUndefined: true })
const decoder = new Decoder()

/**
 * Gives out memory for frames; shared between threads where there are several. `isKept`: the frame
 * will be there for long, and must not hold the memory of others.
 */
export type Allocate = (bytes: number, isKept?: boolean) => Uint8Array

/** The canonical bytes of a publish's messages, as they stand in logs and on the mesh. */
export function encodeMessages(messages: readonly Message[]): Uint8Array {
  return encoder.encode(messages)
}

/** The inverse of `encodeMessages`. */
export function decodeMessages(payload: Uint8Array): Message[] {
  return decoder.decode(payload) as Message[]
}

/** The channelSerial of a standing: the position after the message that carries it. */
export function serialOf(standing: Standing): string {
  const { lineage, seq, epoch, entry } = standing
  return channelSerial({ lineage, seq, epoch: String(epoch), entry })
}

/** The inverse, for what a client sent. */
export function standingOf(serial: ChannelSerial | undefined): Standing | undefined {
  if (serial === undefined) return undefined
  const { lineage, seq, epoch, entry } = serial
  return { lineage, seq, epoch: Number(epoch), entry }
}

/** The serials of a publish's messages. */
export function serialsOf(
  { timestamp, counter, messageCount, bornIn }: Taken, lineage: string
): string[] {
  const parts = { ms: timestamp, counter, site: bornIn ?? lineage }
  const serials: string[] = []
  for (let index = 0; index < messageCount; index++) serials.push(messageSerial(parts, index))
  return serials
}

/** A message that is shown, and the id that it has there. */
export interface Shown {
  readonly message: Message
  readonly id: string
}

/** The messages of a publication as all are shown them: its client's fields, and the master's. */
export function shownMessages(
  { timestamp, counter, payload, origin }: Publication, lineage: string
): Message[] {
  const parts = { ms: timestamp, counter, site: origin?.lineage ?? lineage }
  const messages = decodeMessages(payload)
  for (const [index, message] of messages.entries()) {
    message.action = 0
    message.serial = messageSerial(parts, index)
  }
  return messages
}

/** The same of presence events. */
export function shownEvents(publication: Publication): PresenceMessage[] {
  return decodeItems(publication.payload).map((event, index) => {
    return { ...event, id: eventId(publication, event, index) }
  })
}

/** One publication on its way to the groups of one node. */
export class EncodedPublication {
  readonly publication: Publication
  readonly lineage: string
  readonly #standing: Standing
  readonly #allocate: Allocate
  readonly #filters: Filters
  readonly #frames = new Map<string, Frame | undefined>()
  readonly #shown = new Map<string | undefined, readonly Shown[]>()
  /** True: not all of it is shown, whatever a filter says. */
  #isCut = false
  #messages: Message[] | undefined
  #events: PresenceMessage[] | undefined

  constructor(
    publication: Publication, standing: Standing, allocate: Allocate, filters: Filters
  ) {
    this.publication = publication
    this.lineage = standing.lineage
    this.#standing = standing
    this.#allocate = allocate
    this.#filters = filters
  }

  /** Where those are who have been told it. */
  get channelSerial(): string {
    return serialOf(this.#standing)
  }

  /**
   * Its MESSAGE or PRESENCE as a frame of this variant; the same object for equal variants.
   * Undefined where the variant is shown nothing of it.
   */
  frame(variant: Variant): Frame | undefined {
    const { format, wireName } = variant
    const key = `${format}|${wireName}`
    if (!this.#frames.has(key)) this.#frames.set(key, this.#whole(variant))
    return this.#frames.get(key)
  }

  /** The same as what differs from the one before. */
  deltaFrame({ format, wireName }: Variant, { messages }: { readonly messages: readonly Shown[] })
    : Frame {
    const key = `${format}|${wireName}|delta`
    let frame = this.#frames.get(key)
    if (frame === undefined) {
      frame = this.#messageFrame(format, wireName, messages, this.#standing)
      this.#frames.set(key, frame)
    }
    return frame
  }

  /** The same publication, of which only these are shown to anybody. */
  only(some: readonly Shown[]): EncodedPublication {
    const isAll = some.length === this.publication.messageCount
    if (isAll) return this
    const [standing, allocate] = [this.#standing, this.#allocate]
    const rest = new EncodedPublication(this.publication, standing, allocate, this.#filters)
    rest.#shown.set(undefined, some)
    rest.#isCut = true
    return rest
  }

  /** Some of what is shown, for one attachment that stands at `standing` after it. */
  part({ format, wireName }: Variant, some: readonly Shown[], standing = this.#standing): Frame {
    return this.#messageFrame(format, wireName, some, standing)
  }

  /** What a filter lets through, or everything; of presence nothing. */
  shown(filter: string | undefined): readonly Shown[] {
    let shown = this.#shown.get(filter)
    if (shown === undefined) {
      shown = this.#lookAt(filter)
      this.#shown.set(filter, shown)
    }
    return shown
  }

  #lookAt(filter: string | undefined): readonly Shown[] {
    const { id, owner } = this.publication
    if (owner !== undefined) return []
    if (filter !== undefined) {
      return this.shown(undefined).filter(({ message }) => {
        return this.#filters.letsThrough(filter, message)
      })
    }
    this.#messages ??= shownMessages(this.publication, this.#standing.lineage)
    return this.#messages.map((message, at) => ({ message, id: message.id ?? `${id}:${at}` }))
  }

  #whole({ format, wireName, filter }: Variant): Frame | undefined {
    if (filter !== undefined || this.#isCut) {
      const shown = this.shown(filter)
      if (shown.length === 0) return undefined
      return this.#messageFrame(format, wireName, shown, this.#standing)
    }
    const head = this.#head(wireName, this.#standing)
    if (this.publication.owner !== undefined) {
      this.#events ??= shownEvents(this.publication)
      return this.#encoded(format, { ...head, action: Action.PRESENCE, presence: this.#events })
    }
    this.#messages ??= shownMessages(this.publication, this.#standing.lineage)
    return this.#encoded(format, { ...head, action: Action.MESSAGE, messages: this.#messages })
  }

  #messageFrame(
    format: Variant['format'], wireName: string, shown: readonly Shown[], standing: Standing
  ): Frame {
    // An index within a frame makes no id any more where some are left out (protocol 6.2).
    const isAll = shown.length === this.publication.messageCount
    const messages = shown.map(({ message, id }) => (isAll ? message : { ...message, id }))
    const head = this.#head(wireName, standing)
    return this.#encoded(format, { ...head, action: Action.MESSAGE, messages })
  }

  #head(wireName: string, standing: Standing): Omit<ProtocolMessage, 'action'> {
    const { id, connectionId, timestamp } = this.publication
    const channelSerial = serialOf(standing)
    return { id, connectionId, channel: wireName, channelSerial, timestamp }
  }

  #encoded(format: Variant['format'], message: ProtocolMessage): Frame {
    return encoded(message, format, this.#allocate)
  }
}

/** Several publications of messages in one frame per variant (channel/batching.ts). */
export class EncodedBatch {
  readonly #parts: readonly EncodedPublication[]
  readonly #allocate: Allocate
  readonly #frames = new Map<string, Frame | undefined>()

  /** Contiguous and in order; one at least. */
  constructor(parts: readonly EncodedPublication[], allocate: Allocate) {
    this.#parts = parts
    this.#allocate = allocate
  }

  /** The seq of the last. */
  get seq(): number {
    return this.#parts.at(-1)!.publication.seq
  }

  /** As EncodedPublication's. */
  frame(variant: Variant): Frame | undefined {
    const key = `${variant.format}|${variant.wireName}`
    if (!this.#frames.has(key)) this.#frames.set(key, this.#encoded(variant))
    return this.#frames.get(key)
  }

  /** Each message says itself whose it is, of when, and how it is named. */
  #encoded({ format, wireName, filter }: Variant): Frame | undefined {
    const messages = this.#parts.flatMap((part) => {
      const { connectionId, timestamp } = part.publication
      return part.shown(filter).map(({ message, id }): Message => {
        return { ...message, id, connectionId, timestamp }
      })
    })
    if (messages.length === 0) return undefined
    const { channelSerial, publication } = this.#parts.at(-1)!
    const { id, timestamp } = publication
    const head = { action: Action.MESSAGE, id, channel: wireName, channelSerial, timestamp }
    return encoded({ ...head, messages }, format, this.#allocate)
  }
}

function encoded(message: ProtocolMessage, format: Variant['format'], allocate: Allocate): Frame {
  const items = message.messages ?? message.presence ?? []
  const counts = { itemCount: items.length, itemBytes: publishSize(items) }
  return encodeFrame(message, format, allocate, counts)
}
