/**
 * Frames as events (protocol 18). A frame is read once, however many streams it goes to: what they
 * share is kept with it, and each adds only its own id.
 */

import { type Frame, payloadOf } from '../wire/frame.ts'
import { readJson } from '../wire/json.ts'
import type { ProtocolMessage } from '../wire/protocol-message.ts'

/** One message or presence event: its name, and its data lines in both forms. */
export interface SseItem {
  readonly name: 'message' | 'presence'
  /** That of a message of the channel: those after it have greater ones (protocol 6.4). */
  readonly serial: string | undefined
  readonly enveloped: string
  readonly plain: string
}

/** What a frame says to streams of events. */
export interface SseFrame {
  readonly message: ProtocolMessage
  readonly items: readonly SseItem[]
}

type Item = Readonly<Record<string, unknown>>

/** Reads frames, each once. */
export class SseFrames {
  readonly #known = new WeakMap<Frame, SseFrame>()

  read(frame: Frame): SseFrame {
    const known = this.#known.get(frame)
    if (known !== undefined) return known
    const read = readJson(payloadOf(frame))
    // The core wrote it: it is JSON, and a message.
    const message = (read.ok ? read.value : { action: -1 }) as ProtocolMessage
    const { messages, presence } = message as { messages?: Item[]; presence?: Item[] }
    const items = [
      ...(messages ?? []).map((item, no) => itemOf('message', message, item, no)),
      ...(presence ?? []).map((item, no) => itemOf('presence', message, item, no))
    ]
    const whole = { message, items }
    this.#known.set(frame, whole)
    return whole
  }
}

/** What a frame says of all its items is said of each (protocol 6.2). */
function itemOf(name: SseItem['name'], message: ProtocolMessage, item: Item, no: number): SseItem {
  const { id, connectionId, timestamp, channel } = message
  const serial = typeof item['serial'] === 'string' ? item['serial'] : undefined
  // Of messages that were told together each says its own time.
  const version = serial === undefined ? undefined
    : { serial, timestamp: item['timestamp'] ?? timestamp }
  const whole = { id: `${id}:${no}`, connectionId, timestamp, ...item, version, channel }
  const plain = dataLines(textOf(item['data']))
  return { name, serial, enveloped: dataLines(JSON.stringify(whole)), plain }
}

function textOf(data: unknown): string {
  return typeof data === 'string' ? data : ''
}

/** Text as the data of an event: a line of its own for each of its lines. */
function dataLines(text: string): string {
  return text.split(/\r\n|\r|\n/).map((line) => `data: ${line}`).join('\n')
}
