/**
 * What a worker wants done at the end of its turn. The core only appends here; the shell drains.
 *
 * Socket writes are the hot part. In one turn many sockets are given the same frames in the same
 * order, so what a socket is to be written is not a list of its own but a node in a trie of frame
 * sequences: giving a frame to a socket moves it to the child for that frame, which exists already
 * when another socket came the same way. Each sequence's bytes are joined once and written to all
 * sockets that ended there.
 *
 * Cost per delivery: one comparison and one pointer. Per distinct sequence and turn: one copy of
 * its bytes. Per socket and turn: one write.
 */

import { limits } from '../base/limits.ts'
import type {
  ArchiveAnswer, ArchiveAsk, ArchiveOutbox, ArchiveRequest
} from '../log/archive.ts'
import type { LogAnswer, LogOutbox, LogRequest } from '../log/port.ts'
import type { LinkFrame } from '../peer/link.ts'
import type { Place } from '../peer/place.ts'
import type { StatsAnswer, StatsOutbox, StatsQuestion, StatsRequest } from '../stats/port.ts'
import type { Frame } from '../wire/frame.ts'
import type { Responder, Response } from './request.ts'
import { Tickets } from './tickets.ts'

/** One transport of one session, as the core sees it. */
export interface Socket {
  /** How many bytes it was given that its client has not taken. */
  readonly queuedBytes: number
  write(batch: FrameSequence): void
  /** Sends a protocol-level ping, where the transport has one. */
  ping(): void
  /** Closes after what was written is out. */
  close(): void
  /** Told once, to transports that have to know, which connection they carry by which claim. */
  carries?(connectionId: string, claim: number): void
  /** True for one that is a part of the core: it is written before the links' batches close. */
  readonly isInner?: boolean
  /** What events call it (protocol 7.9). */
  readonly transport?: 'web_socket' | 'comet' | 'sse'
}

/** An answer that leaves when the sockets are written. */
export interface Draining {
  drain(): void
}

/** Frames that one or many sockets are to be written in this turn, in order. */
export class FrameSequence {
  readonly #parent: FrameSequence | undefined
  readonly #frame: Frame | undefined
  readonly byteLength: number
  #lastFrame: Frame | undefined
  #lastChild: FrameSequence | undefined
  #others: Map<Frame, FrameSequence> | undefined
  #bytes: Uint8Array | undefined

  constructor(parent?: FrameSequence, frame?: Frame) {
    this.#parent = parent
    this.#frame = frame
    this.byteLength = (parent?.byteLength ?? 0) + (frame?.bytes.byteLength ?? 0)
  }

  /** The last of these frames alone. */
  ending(): FrameSequence {
    return new FrameSequence(undefined, this.#frame)
  }

  /** This sequence and then `frame`. */
  then(frame: Frame): FrameSequence {
    if (this.#lastFrame === frame) return this.#lastChild!
    let child = this.#others?.get(frame)
    if (child !== undefined) return child
    child = new FrameSequence(this, frame)
    if (this.#lastFrame !== undefined) {
      this.#others ??= new Map()
      this.#others.set(this.#lastFrame, this.#lastChild!)
    }
    this.#lastFrame = frame
    this.#lastChild = child
    return child
  }

  /** The frames, first to last. */
  frames(): Frame[] {
    const frames: Frame[] = []
    let at: FrameSequence | undefined = this
    while (at !== undefined && at.#frame !== undefined) {
      frames.push(at.#frame)
      at = at.#parent
    }
    return frames.reverse()
  }

  /** All bytes in one run, joined at the first call. */
  bytes(): Uint8Array {
    if (this.#bytes !== undefined) return this.#bytes
    const frames = this.frames()
    this.#bytes = frames.length === 1 ? frames[0]!.bytes : joined(frames)
    return this.#bytes
  }
}

function joined(frames: readonly Frame[]): Uint8Array {
  let size = 0
  for (const frame of frames) size += frame.bytes.byteLength
  const bytes = Buffer.allocUnsafeSlow(size)
  let at = 0
  for (const frame of frames) {
    bytes.set(frame.bytes, at)
    at += frame.bytes.byteLength
  }
  return bytes
}

/** A socket with what it is to be written this turn. */
export class SocketSlot {
  readonly socket: Socket
  readonly isInner: boolean
  readonly #outbox: Outbox
  #sequence: FrameSequence | undefined
  #burstBytes = 0
  isClosing = false

  constructor(socket: Socket, outbox: Outbox) {
    this.socket = socket
    this.isInner = socket.isInner === true
    this.#outbox = outbox
  }

  write(frame: Frame): void {
    if (this.isClosing) return
    if (this.#sequence === undefined) this.#sequence = this.#outbox.begin(this)
    this.#sequence = this.#sequence.then(frame)
  }

  /** False: there is much that its client has not taken, what it is given now included. */
  get hasRoom(): boolean {
    const givenBytes = this.#sequence?.byteLength ?? 0
    return this.socket.queuedBytes + givenBytes < limits.socketRoomBytes
  }

  /** Closes once what was given so far is written. */
  close(): void {
    if (this.isClosing) return
    this.isClosing = true
    if (this.#sequence === undefined) this.#outbox.begin(this)
  }

  /**
   * True: its client takes too slowly to be written this, too. What was given at once to one that
   * had taken everything does not count, however much it is: a set of members must not cut off
   * whoever asks for it, each time anew.
   */
  isTooMuch({ byteLength }: FrameSequence): boolean {
    const { queuedBytes } = this.socket
    if (queuedBytes === 0) {
      this.#burstBytes = byteLength
      return false
    }
    return queuedBytes + byteLength > limits.socketQueueBytesMax + this.#burstBytes
  }

  /** For the drain: what is to be written, if anything; the slot is empty afterwards. */
  take(): FrameSequence | undefined {
    const sequence = this.#sequence
    this.#sequence = undefined
    return sequence
  }
}

export interface OutgoingFrame {
  readonly to: Place
  readonly frame: LinkFrame
}

/** The answer to a request, on its way to who asked. */
export interface OutgoingResponse {
  readonly responder: Responder
  readonly response: Response
}

/** A view that is newer than ours; `from` is an incarnation that has it, if it was one. */
export interface HeardView {
  readonly version: number
  readonly from: string | undefined
}

/** The outbox of one worker. */
export class Outbox implements LogOutbox, ArchiveOutbox, StatsOutbox {
  #root = new FrameSequence()
  #dirty: SocketSlot[] = []
  #inner: SocketSlot[] = []
  #draining: Draining[] = []
  #frames: OutgoingFrame[] = []
  #responses: OutgoingResponse[] = []
  #logRequests: LogRequest[] = []
  readonly #logTickets = new Map<number, (answer: LogAnswer) => void>()
  #archiveRequests: ArchiveRequest[] = []
  readonly #archiveTickets = new Map<number, (answer: ArchiveAnswer) => void>()
  #ticket = 0
  readonly #stats = new Tickets<StatsRequest, StatsAnswer>()
  #isFlushed = false
  #notes: string[] = []
  #heardView: HeardView | undefined
  #settledVersion: number | undefined

  /** For slots: the empty sequence of this turn; the slot is drained at its end. */
  begin(slot: SocketSlot): FrameSequence {
    if (slot.isInner) this.#inner.push(slot)
    else this.#dirty.push(slot)
    return this.#root
  }

  /** `draining` is drained with the sockets of this turn. */
  drainLater(draining: Draining): void {
    this.#draining.push(draining)
  }

  send(to: Place, frame: LinkFrame): void {
    this.#frames.push({ to, frame })
  }

  /** Answers a request. */
  respond(responder: Responder, response: Response): void {
    this.#responses.push({ responder, response })
  }

  /** Something an operator may want to read; never a secret. */
  note(text: string): void {
    this.#notes.push(text)
  }

  ask(
    request: Parameters<LogOutbox['ask']>[0],
    onAnswer?: (answer: LogAnswer) => void
  ): void {
    const ticket = ++this.#ticket
    if (onAnswer !== undefined) this.#logTickets.set(ticket, onAnswer)
    this.#logRequests.push({ ...request, ticket })
  }

  /** Gives an answer to whoever asked. */
  onLogAnswer(answer: LogAnswer): void {
    const onAnswer = this.#logTickets.get(answer.ticket)
    this.#logTickets.delete(answer.ticket)
    onAnswer?.(answer)
  }

  askStats(question: StatsQuestion, onAnswer: (answer: StatsAnswer) => void): void {
    this.#stats.ask((ticket) => ({ ...question, ticket }), onAnswer)
  }

  onStatsAnswer(answer: StatsAnswer): void {
    this.#stats.onAnswer(answer)
  }

  takeStatsRequests(): StatsRequest[] {
    return this.#stats.take()
  }

  /** All that was counted is written: the worker can end. */
  flushed(): void {
    this.#isFlushed = true
  }

  takeFlushed(): boolean {
    const isFlushed = this.#isFlushed
    this.#isFlushed = false
    return isFlushed
  }

  askArchive(request: ArchiveAsk, onAnswer: (answer: ArchiveAnswer) => void): void {
    const ticket = ++this.#ticket
    this.#archiveTickets.set(ticket, onAnswer)
    this.#archiveRequests.push({ ...request, ticket })
  }

  /** Gives an answer to whoever asked. */
  onArchiveAnswer(answer: ArchiveAnswer): void {
    const onAnswer = this.#archiveTickets.get(answer.ticket)
    this.#archiveTickets.delete(answer.ticket)
    onAnswer?.(answer)
  }

  /** Questions to log and archive, and to where statistics are kept, that have no answer yet. */
  get openTicketCount(): number {
    return this.#logTickets.size + this.#archiveTickets.size + this.#stats.openCount
  }

  takeArchiveRequests(): ArchiveRequest[] {
    const requests = this.#archiveRequests
    if (requests.length > 0) this.#archiveRequests = []
    return requests
  }

  takeLogRequests(): LogRequest[] {
    const requests = this.#logRequests
    if (requests.length > 0) this.#logRequests = []
    return requests
  }

  takeFrames(): OutgoingFrame[] {
    const frames = this.#frames
    if (frames.length > 0) this.#frames = []
    return frames
  }

  takeResponses(): OutgoingResponse[] {
    const responses = this.#responses
    if (responses.length > 0) this.#responses = []
    return responses
  }

  /** Somebody, or a log, has seen a newer view: whoever keeps the view is to ask for it. */
  heardView(version: number, from: string | undefined): void {
    if (version > (this.#heardView?.version ?? 0)) this.#heardView = { version, from }
  }

  /** The newest view that was heard of since the last call. */
  takeHeardView(): HeardView | undefined {
    const heard = this.#heardView
    this.#heardView = undefined
    return heard
  }

  /** This worker has what the view of this version gave it, and has read ahead. */
  settled(viewVersion: number): void {
    this.#settledVersion = viewVersion
  }

  /** The version of the view that it has settled with since the last call. */
  takeSettled(): number | undefined {
    const version = this.#settledVersion
    this.#settledVersion = undefined
    return version
  }

  takeNotes(): string[] {
    const notes = this.#notes
    if (notes.length > 0) this.#notes = []
    return notes
  }

  /** Writes the sockets that are a part of the core, and what that makes others say to them. */
  drainInner(): void {
    while (this.#inner.length > 0) {
      const inner = this.#inner
      this.#inner = []
      this.#root = new FrameSequence()
      for (const slot of inner) drainInner(slot)
    }
  }

  /**
   * Writes to every socket what this turn gave it: one write per socket. Returns those that were
   * not written, having no room for it: the core is to be told of each at once (`socketFull`).
   */
  drainSockets(): readonly Socket[] {
    const dirty = this.#dirty
    let full: Socket[] | undefined
    if (dirty.length > 0) {
      this.#dirty = []
      this.#root = new FrameSequence()
      for (const slot of dirty) {
        if (!drain(slot)) (full ??= []).push(slot.socket)
      }
    }
    if (this.#draining.length > 0) {
      const draining = this.#draining
      this.#draining = []
      for (const each of draining) each.drain()
    }
    return full ?? NONE
  }
}

const NONE: readonly Socket[] = []

/** What there is no room for in a part of the core is its own business. */
function drainInner(slot: SocketSlot): void {
  const sequence = slot.take()
  // It may be closed for what it is written, with last words that are still to come.
  const { isClosing } = slot
  if (sequence !== undefined) slot.socket.write(sequence)
  if (isClosing) slot.socket.close()
}

/** False: there was no room. A farewell is said in any case. */
function drain(slot: SocketSlot): boolean {
  const { socket } = slot
  const sequence = slot.take()
  const isFull = sequence !== undefined && slot.isTooMuch(sequence)
  if (sequence !== undefined) {
    if (!isFull) socket.write(sequence)
    else if (slot.isClosing) socket.write(sequence.ending())
  }
  if (slot.isClosing) socket.close()
  return !isFull || slot.isClosing
}
