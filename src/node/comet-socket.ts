/**
 * The transport of a comet connection, as its session knows it: a Socket. What it is given leaves
 * by HTTP responses (protocol 16), in order and once: by one that goes on, where the client can
 * read that and its requests come here; else by one response for each request of the client.
 *
 *   connecting ──CONNECTED──▶ streamed       lines of frames; ended at a bound, then:
 *              └────────────▶ polled         a request waits: what comes is its answer, or a
 *                                            beat; none does: frames are kept, up to a bound
 *   any ──the session ends──▶ closing        the last frames wait for the client
 *   any ──an answer did not arrive──▶ torn   its client may close it yet, but hears nothing more
 *   any ──nobody comes──▶ lost               the session is parked
 *
 * What was put into a response is not kept. A client that did not get it knows, for its request
 * failed, and resumes; and where we learn of it the transport is torn, so that nobody goes on
 * behind a hole. It must never answer two requests with the same frame.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'
import type { Now } from '../base/clock.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { Place } from '../peer/place.ts'
import { errors } from '../wire/errors.ts'
import { payloadOf } from '../wire/frame.ts'
import { readJson } from '../wire/json.ts'
import { type CometReply, errorBody, lineOf } from './comet-reply.ts'
import type { FrameSequence, Socket } from './outbox.ts'

const LOST = 'The transport is lost; connect again'
const BEAT = Buffer.from('[{"action":0}]\n', 'utf8')

/** A request that waits for what the connection has to say. */
export interface Poll {
  /** Where it came in, and its number there; undefined: here. */
  readonly from: { readonly place: Place; readonly askId: number } | undefined
  /** The response, where it may go on. */
  readonly stream: CometReply | undefined
  /** True once frames are in its answer: what became of that matters. */
  hasFrames: boolean
  answer(statusCode: number, body: Uint8Array | undefined): void
}

export interface CometSocketPorts {
  readonly deadlines: Deadlines
  now(): Now
  /** It carries this connection from now on. */
  onCarries(socket: CometSocket, connectionId: string, claim: number): void
  onHeard(socket: CometSocket): void
  onSlow(socket: CometSocket): void
  /** Nobody came for what it had to say, or what it said did not arrive. */
  onLost(socket: CometSocket): void
  /** There is nothing left to be said. */
  onSpent(socket: CometSocket): void
}

export class CometSocket implements Socket {
  readonly isInner = true
  readonly transport = 'comet'
  readonly #ports: CometSocketPorts
  #payloads: Uint8Array[] = []
  #bytes = 0
  /** What it was given at once when it had taken everything: that does not make a client slow. */
  #burstBytes = 0
  #poll: Poll | undefined
  #stream: CometReply | undefined
  #streamedBytes = 0
  #lastPlace: Place | undefined
  #isCarrying = false
  #isClosing = false
  #isTorn = false
  #isSpent = false
  #deadline: Deadline | undefined

  constructor(connect: Poll, ports: CometSocketPorts) {
    this.#poll = connect
    this.#ports = ports
  }

  /** Where its requests came in last, if elsewhere. */
  get lastPlace(): Place | undefined {
    return this.#lastPlace
  }

  carries(connectionId: string, claim: number): void {
    this.#isCarrying = true
    this.#ports.onCarries(this, connectionId, claim)
  }

  get queuedBytes(): number {
    return this.#bytes + (this.#stream?.queuedBytes ?? 0)
  }

  /** Beside what came at once to a client that had taken everything. */
  *sizes(): Generator<Size> {
    yield ['cometQueueBytesMax', this.queuedBytes - this.#burstBytes]
  }

  write(batch: FrameSequence): void {
    if (this.#isSpent || this.#isTorn) return
    // What is kept must not hold on to the slabs of memory that frames are cut from.
    const isKept = this.#poll === undefined && this.#stream === undefined
    if (this.queuedBytes === 0) this.#burstBytes = batch.byteLength
    for (const frame of batch.frames()) {
      const payload = payloadOf(frame)
      this.#bytes += payload.byteLength
      this.#payloads.push(isKept ? payload.slice() : payload)
    }
    this.#serve()
    if (this.#bytes > limits.cometQueueBytesMax + this.#burstBytes) this.#tooSlow()
  }

  /** Shows a streamed client that we live; one that took all so far does, too. */
  ping(): void {
    if (this.#stream === undefined) return
    if (this.#stream.queuedBytes === 0) this.#ports.onHeard(this)
    this.#stream.write(BEAT)
  }

  close(): void {
    if (this.#isSpent) return
    this.#isClosing = true
    if (this.#stream !== undefined) {
      this.#stream.end(200)
    } else if (!this.#isCarrying) {
      this.#poll?.answer(statusOf(this.#payloads.at(-1)), lineOf(this.#payloads))
    } else {
      this.#serve()
      if (this.#payloads.length > 0) return
      this.#poll?.answer(200, lineOf([]))
    }
    this.#end()
  }

  /** A request wants what there is, or what comes next; it takes the place of one before it. */
  recv(poll: Poll): void {
    if (this.#isTorn) {
      poll.answer(503, errorBody(errors.disconnected(LOST).info))
      this.lose()
      return
    }
    this.#ports.onHeard(this)
    this.#poll?.answer(410, errorBody(errors.connectionReplaced().info))
    this.#stream?.end(200)
    this.#stream = undefined
    this.#poll = poll
    this.#lastPlace = poll.from?.place
    this.#watch()
    this.#serve()
    if (this.#isClosing && this.#payloads.length === 0) {
      this.#poll?.answer(200, lineOf([]))
      this.#end()
    }
  }

  /** Whoever sent this poll does not wait any more; it was not answered. */
  onLeft(poll: Poll): void {
    if (this.#poll !== poll) return
    this.#poll = undefined
    if (this.#isCarrying) this.#watch()
    else this.lose()
  }

  /**
   * Something that it said did not arrive. An SDK that closes a connection hangs up first, so what
   * it has to say yet is waited for.
   */
  tear(): void {
    if (this.#isSpent) return
    if (this.#poll !== undefined) {
      this.lose()
      return
    }
    this.#isTorn = true
    this.#stream = undefined
    this.#payloads = []
    this.#bytes = 0
    this.#watch()
  }

  /** The poll that waits, if one does. */
  get poll(): Poll | undefined {
    return this.#poll
  }

  /** Nobody listens any more: the client has to come again. */
  lose(): void {
    if (this.#isSpent) return
    this.#poll?.answer(503, errorBody(errors.disconnected(LOST).info))
    this.#stream?.end(200)
    this.#end()
    this.#ports.onLost(this)
  }

  #serve(): void {
    if (!this.#isCarrying) return
    if (this.#payloads.length > 0 && this.#poll !== undefined) this.#answer(this.#poll)
    if (this.#payloads.length > 0 && this.#stream !== undefined) this.#writeLine(this.#stream)
  }

  #answer(poll: Poll): void {
    this.#poll = undefined
    poll.hasFrames = true
    if (poll.stream !== undefined) {
      this.#stream = poll.stream
      this.#streamedBytes = 0
      this.#watch()
      return
    }
    let [count, bytes] = [0, 0]
    for (const { byteLength } of this.#payloads) {
      if (count > 0 && bytes + byteLength > limits.cometResponseBytesMax) break
      count++
      bytes += byteLength
    }
    this.#bytes -= bytes
    poll.answer(200, lineOf(this.#payloads.splice(0, count)))
    this.#watch()
  }

  #writeLine(stream: CometReply): void {
    this.#streamedBytes += this.#bytes
    const line = lineOf(this.#payloads)
    const before = stream.queuedBytes
    if (before === 0) this.#burstBytes = line.byteLength
    stream.write(line)
    this.#payloads = []
    this.#bytes = 0
    if (before + line.byteLength > limits.cometQueueBytesMax + this.#burstBytes) {
      this.#ports.onSlow(this)
    } else if (this.#streamedBytes > limits.cometStreamBytesMax) {
      // Browsers keep all of a response while it goes on.
      stream.end(200)
      this.#stream = undefined
      this.#watch()
    }
  }

  #tooSlow(): void {
    this.#payloads = []
    this.#bytes = 0
    this.#ports.onSlow(this)
  }

  /** What is to happen if no request comes, and nothing to be said to one that waits. */
  #watch(): void {
    const { deadlines, now } = this.#ports
    deadlines.cancel(this.#deadline)
    this.#deadline = undefined
    if (this.#isSpent || this.#stream !== undefined) return
    const isWaiting = this.#poll !== undefined
    const afterMs = this.#isTorn ? limits.cometTornMs
      : isWaiting ? limits.cometIdleMs : limits.cometAbsentMs
    this.#deadline = deadlines.at(now().monoMs + afterMs, () => {
      if (isWaiting) this.#beat()
      else this.lose()
    })
  }

  #beat(): void {
    const poll = this.#poll
    this.#poll = undefined
    poll?.answer(200, BEAT)
    this.#watch()
  }

  #end(): void {
    this.#isSpent = true
    this.#payloads = []
    this.#bytes = 0
    this.#poll = undefined
    this.#stream = undefined
    this.#watch()
    this.#ports.onSpent(this)
  }
}

/** The status of the error that a frame tells, if it tells one. */
function statusOf(payload: Uint8Array | undefined): number {
  const read = payload === undefined ? undefined : readJson(payload)
  if (read?.ok !== true) return 200
  const { error } = read.value as { readonly error?: { readonly statusCode: number } }
  return error?.statusCode ?? 200
}
