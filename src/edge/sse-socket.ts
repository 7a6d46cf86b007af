/**
 * A stream of server-sent events as the core's Socket (protocol 18): a session attaches its
 * channels for it, and what the session is told becomes events.
 *
 *   opening ──CONNECTED──▶ attaching ──all ATTACHED──▶ live: 200, events
 *     any, before that ──▶ refused: a status and `{error}`
 *     live ──an error, or a loss──▶ ended: an error event, with the id to go on from
 *
 * Who is present is told when a channel begins, as presence events with the action PRESENT; who
 * goes on is told only if it was not told all of them. Whoever reads too slowly is cut off, and
 * comes back with the id of the last event it got.
 */

import { limits } from '../base/limits.ts'
import type { FrameSequence, Socket } from '../node/outbox.ts'
import { Action, Flag } from '../wire/actions.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import type { Frame } from '../wire/frame.ts'
import type { ProtocolMessage } from '../wire/protocol-message.ts'
import { channelSerialBefore } from '../wire/serial.ts'
import type { RawAnswer } from './raw-answer.ts'
import type { SseFrame, SseFrames, SseItem } from './sse-events.ts'
import { type Point, pointsId } from './sse-points.ts'
import type { SseRequest } from './sse-request.ts'

const MODES = Flag.SUBSCRIBE | Flag.PRESENCE_SUBSCRIBE

export interface SsePorts {
  /** Says something to the session, as its client. */
  send(socket: SseSocket, message: ProtocolMessage): void
  /** The client took what it was sent so far. */
  onHeard(socket: SseSocket): void
  readonly frames: SseFrames
}

/** It was told up to a message of a rewind; where it is not told that one again, a loss. */
interface Doubt {
  readonly taken: string
  readonly error: ErrorInfo
}

export class SseSocket implements Socket {
  readonly transport = 'sse'
  readonly #asked: SseRequest
  readonly #answer: RawAnswer
  readonly #ports: SsePorts
  readonly #points: Map<string, Point>
  readonly #attaching: Set<string>
  /** Channels whose messages are told as deltas. */
  readonly #withDeltas = new Set<string>()
  /** Channels that are rewound again, of which it is not known yet whether anything is missing. */
  readonly #doubts = new Map<string, Doubt>()
  /** Events of channels that are attached, until all are. */
  #early = ''
  /** It was begun: what goes wrong now is an event. */
  #isLive = false
  #isRefused = false
  #isOver = false

  constructor(asked: SseRequest, answer: RawAnswer, ports: SsePorts) {
    this.#asked = asked
    this.#answer = answer
    this.#ports = ports
    this.#attaching = new Set(asked.channels)
    this.#points = new Map()
    for (const channel of asked.channels) {
      const point = asked.points.get(channel)
      if (point !== undefined) this.#points.set(channel, point)
    }
  }

  get queuedBytes(): number {
    return this.#early.length + this.#answer.waitingBytes
  }

  write(batch: FrameSequence): void {
    let events = ''
    for (const frame of batch.frames()) {
      if (this.#isOver) break
      events += this.#eventsOf(frame)
    }
    if (!this.#isRefused) this.#emit(events)
  }

  ping(): void {
    if (this.#isOver || !this.#isLive) return
    if (this.#answer.waitingBytes === 0) this.#ports.onHeard(this)
    this.#answer.write(this.#asked.hasBeats ? 'event: heartbeat\ndata: \n\n' : ':keepalive\n\n')
  }

  close(): void {
    this.#isOver = true
    if (this.#isLive) this.#answer.end(200, undefined)
    else if (!this.#isRefused) this.#refuse(errors.disconnected('The connection was closed').info)
  }

  #eventsOf(frame: Frame): string {
    const read = this.#ports.frames.read(frame)
    const { message } = read
    switch (message.action) {
      case Action.CONNECTED:
        this.#attach()
        return ''
      case Action.ATTACHED:
        return this.#onAttached(message)
      case Action.MESSAGE:
      case Action.PRESENCE:
        return this.#onItems(read)
      case Action.SYNC:
        return this.#onSync(read)
      case Action.ERROR:
      case Action.DETACHED:
      case Action.DISCONNECTED:
        return this.#onError(message.error ?? errors.internal().info)
      default:
        return ''
    }
  }

  #attach(): void {
    const { channels, params } = this.#asked
    for (const channel of channels) {
      const stood = this.#points.get(channel)?.channelSerial
      const channelSerial = stood === '' ? undefined : stood
      const flags = MODES
      this.#ports.send(this, { action: Action.ATTACH, channel, flags, params, channelSerial })
    }
  }

  #onAttached(message: ProtocolMessage): string {
    const { channel = '', channelSerial = '', flags = 0, error, params } = message
    const isResumed = (flags & Flag.RESUMED) !== 0
    const known = this.#points.get(channel)
    if (isResumed && known !== undefined && !this.#attaching.has(channel)) {
      // It was told all that it rewinds to, or nothing for long; its client keeps the id, though
      // there is no event.
      this.#points.set(channel, { channelSerial, takenCount: 0, isSyncing: known.isSyncing })
      return `id: ${pointsId(this.#points)}\n\n`
    }
    this.#attaching.delete(channel)
    if (params?.['delta'] !== undefined) this.#withDeltas.add(channel)
    const isAnybody = (flags & Flag.HAS_PRESENCE) !== 0
    const isSyncing = isAnybody && (!isResumed || known?.isSyncing === true) ? true : undefined
    if (isResumed && known !== undefined) {
      // Where it goes on is known, and what was told of what follows is not told again.
      this.#points.set(channel, { ...known, isSyncing, isRewinding: undefined })
      return ''
    }
    const isRewinding = (flags & Flag.HAS_BACKLOG) !== 0 ? true : undefined
    // Until it is told something of what it rewinds to, its client begins anew.
    const start = isRewinding === true ? '' : channelSerial
    this.#points.set(channel, { channelSerial: start, takenCount: 0, isSyncing, isRewinding })
    if (error === undefined) return ''
    const taken = isRewinding === true && known?.isRewinding === true ? known.taken : undefined
    if (taken === undefined) return this.#onLoss(error)
    this.#doubts.set(channel, { taken, error })
    return ''
  }

  #onItems({ message: { channel = '', channelSerial = '' }, items }: SseFrame): string {
    const loss = this.#lossBefore(channel, items[0])
    if (loss !== undefined) return this.#onLoss(loss)
    const before = this.#pointOf(channel)
    const { isRewinding, takenCount } = before
    const told = this.#toldOf(channel, items, before)
    // What is rewound to may be begun by a publish of which the place before was not told.
    const start = isRewinding === true ? channelSerialBefore(channelSerial) ?? ''
      : before.channelSerial
    let taken = told
    let events = ''
    for (const [no, item] of items.entries()) {
      if (no < takenCount || isTold(item, told)) continue
      const { serial } = item
      taken = serial ?? taken
      const isLast = no === items.length - 1
      this.#points.set(channel, isLast ? after(before, channelSerial, told, taken)
        : { ...before, channelSerial: start, takenCount: serial === undefined ? no + 1 : 0, taken })
      events += this.#event(item)
    }
    this.#points.set(channel, after(before, channelSerial, told, taken))
    return events
  }

  /** Up to which message its client was told the channel, as far as it is not told that again. */
  #toldOf(channel: string, items: readonly SseItem[], { taken }: Point): string | undefined {
    const isWhole = items.every((item) => isTold(item, taken))
    // The next message builds on this frame, and nobody knows what its client still has of it.
    return isWhole && this.#withDeltas.has(channel) ? undefined : taken
  }

  /**
   * Why its client is told of a loss now, if it is: it was cut off in a rewind, could not go on
   * from there, and is rewound again, but not back to what it was told.
   */
  #lossBefore(channel: string, first: SseItem | undefined): ErrorInfo | undefined {
    const doubt = this.#doubts.get(channel)
    if (doubt === undefined) return undefined
    this.#doubts.delete(channel)
    const { taken, error } = doubt
    if (first === undefined || !isTold(first, taken)) return error
    this.#points.set(channel, { ...this.#pointOf(channel), taken })
    return undefined
  }

  /** A page of those who are present: the place in the stream stays what it was. */
  #onSync({ message: { channel = '', channelSerial = '' }, items }: SseFrame): string {
    const known = this.#pointOf(channel)
    if (known.isSyncing !== true) return ''
    const isLastPage = channelSerial === '' || channelSerial.endsWith(':')
    let events = ''
    for (const [no, item] of items.entries()) {
      const isOver = isLastPage && no === items.length - 1
      if (isOver) this.#points.set(channel, { ...known, isSyncing: undefined })
      events += this.#event(item)
    }
    return events
  }

  #pointOf(channel: string): Point {
    return this.#points.get(channel) ?? { channelSerial: '', takenCount: 0 }
  }

  #event({ name, enveloped, plain }: SseItem): string {
    const data = this.#asked.isEnveloped ? enveloped : plain
    return `id: ${pointsId(this.#points)}\nevent: ${name}\n${data}\n\n`
  }

  /** An error ends the stream, or comes instead of it. */
  #onError(error: ErrorInfo): string {
    if (this.#isLive) return this.#onLoss(error)
    this.#isOver = true
    this.#refuse(error)
    return ''
  }

  /** The id says where its client can go on. */
  #onLoss(error: ErrorInfo): string {
    this.#isOver = true
    return `id: ${pointsId(this.#points)}\nevent: error\ndata: ${JSON.stringify(error)}\n\n`
  }

  #refuse(error: ErrorInfo): void {
    this.#isRefused = true
    this.#answer.end(error.statusCode, Buffer.from(JSON.stringify({ error }), 'utf8'))
    this.#ports.send(this, { action: Action.CLOSE })
  }

  #emit(events: string): void {
    this.#early += events
    if (!this.#isOver && this.#attaching.size > 0) {
      if (this.#early.length > limits.sseQueueBytesMax) this.#answer.destroy()
      return
    }
    const text = this.#isLive ? this.#early : `:ok\n\n${this.#early}`
    this.#isLive = true
    this.#early = ''
    if (text !== '') this.#answer.write(text)
    if (this.#answer.waitingBytes > limits.sseQueueBytesMax) this.#answer.destroy()
    if (!this.#isOver) return
    this.#answer.end(200, undefined)
    this.#ports.send(this, { action: Action.CLOSE })
  }
}

/** Where a channel stands after a frame, of which messages were told up to `taken`. */
function after(
  before: Point, channelSerial: string, told: string | undefined, taken: string | undefined
): Point {
  // Those that were told before it may be still to come, and in a rewind they may come again.
  const isKept = before.isRewinding === true || taken === told
  return { ...before, channelSerial, takenCount: 0, taken: isKept ? taken : undefined }
}

/** True of a message up to which, or beyond which, its client was told the channel. */
function isTold({ serial }: SseItem, taken: string | undefined): boolean {
  return serial !== undefined && taken !== undefined && serial <= taken
}
