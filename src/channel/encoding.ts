/**
 * Committed publications as frames for clients: decoded once per node, encoded once per variant
 * (format and wire name) whatever the number of attachments, groups and workers.
 *
 * Cost of one publication on a node: one MessagePack decode of its payload, then per variant one
 * encode into memory that all workers can write from. With one variant and 10,000 subscribers
 * that is one decode and one encode, and 10,000 writes of the same bytes.
 */

import { Decoder, Encoder } from '@msgpack/msgpack'
import type { Publication, Standing, Variant } from '../peer/message.ts'
import { Action } from '../wire/actions.ts'
import { encodeFrame, type Frame } from '../wire/frame.ts'
import type { Message, PresenceMessage, ProtocolMessage } from '../wire/protocol-message.ts'
import { type ChannelSerial, channelSerial, messageSerial } from '../wire/serial.ts'
import type { Taken } from './dedupe.ts'
import { decodeItems, eventId } from './presence.ts'

const encoder = new Encoder({ ignoreUndefined: true })
const decoder = new Decoder()

/** Gives out memory for frames; shared between threads where there are several. */
export type Allocate = (bytes: number) => Uint8Array

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
export function serialsOf({ timestamp, counter, messageCount }: Taken, lineage: string): string[] {
  const parts = { ms: timestamp, counter, site: lineage }
  const serials: string[] = []
  for (let index = 0; index < messageCount; index++) serials.push(messageSerial(parts, index))
  return serials
}

/** One publication on its way to the groups of one node. */
export class EncodedPublication {
  readonly publication: Publication
  readonly #standing: Standing
  readonly #allocate: Allocate
  readonly #frames = new Map<string, Frame>()
  #messages: Message[] | undefined
  #events: PresenceMessage[] | undefined

  constructor(publication: Publication, standing: Standing, allocate: Allocate) {
    this.publication = publication
    this.#standing = standing
    this.#allocate = allocate
  }

  /** Its MESSAGE or PRESENCE as a frame of this variant; the same object for equal variants. */
  frame(variant: Variant): Frame {
    const key = `${variant.format}|${variant.wireName}`
    let frame = this.#frames.get(key)
    if (frame === undefined) {
      frame = encodeFrame(this.#protocolMessage(variant.wireName), variant.format, this.#allocate)
      this.#frames.set(key, frame)
    }
    return frame
  }

  #protocolMessage(wireName: string): ProtocolMessage {
    const { publication } = this
    const isPresence = publication.owner !== undefined
    if (isPresence) this.#events ??= this.#decodeEvents()
    else this.#messages ??= this.#decode()
    return {
      action: isPresence ? Action.PRESENCE : Action.MESSAGE,
      id: publication.id,
      connectionId: publication.connectionId,
      channel: wireName,
      channelSerial: serialOf(this.#standing),
      timestamp: publication.timestamp,
      messages: this.#messages,
      presence: this.#events
    }
  }

  #decodeEvents(): PresenceMessage[] {
    const { publication } = this
    return decodeItems(publication.payload).map((event, index) => {
      return { ...event, id: eventId(publication, event, index) }
    })
  }

  /** Items as subscribers see them: the client's fields, and what the master decided. */
  #decode(): Message[] {
    const { timestamp, counter, payload } = this.publication
    const parts = { ms: timestamp, counter, site: this.#standing.lineage }
    const messages = decodeMessages(payload)
    for (const [index, message] of messages.entries()) {
      message.action = 0
      message.serial = messageSerial(parts, index)
    }
    return messages
  }
}
