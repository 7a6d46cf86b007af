/**
 * Preloaded into every thread of a Ringcast whose work is counted rather than timed. It stands
 * where the work becomes real: at the streams of sockets, and where a publication becomes a frame.
 */

import { Socket } from 'node:net'
import { BroadcastChannel } from 'node:worker_threads'
import { EncodedPublication } from '../../src/channel/encoding.ts'
import { Outbox } from '../../src/node/outbox.ts'
import type { Frame } from '../../src/wire/frame.ts'
import { PROBE_CHANNEL, type ProbeMessage } from './probe-messages.ts'

class Counter {
  turns = 0
  writes = 0
  writesPerTurnMax = 0
  publications = 0
  encodes = 0
  /** Writes of each stream since the last drain ended. */
  readonly #thisTurn = new Map<Socket, number>()
  #publications = new WeakSet<EncodedPublication>()
  #frames = new WeakSet<Frame>()

  onWrite(stream: Socket): void {
    this.writes++
    const count = (this.#thisTurn.get(stream) ?? 0) + 1
    this.#thisTurn.set(stream, count)
    this.writesPerTurnMax = Math.max(this.writesPerTurnMax, count)
  }

  onDrained(): void {
    if (this.#thisTurn.size > 0) this.turns++
    this.#thisTurn.clear()
  }

  onFrame(publication: EncodedPublication, frame: Frame): void {
    if (!this.#publications.has(publication)) this.publications++
    if (!this.#frames.has(frame)) this.encodes++
    this.#publications.add(publication)
    this.#frames.add(frame)
  }
}

let counter = new Counter()

/** An empty ping (RFC 6455, 5.5.2) belongs to no turn: it comes when nothing else has for long. */
function isPing(bytes: unknown): boolean {
  return bytes instanceof Uint8Array && bytes.byteLength === 2 && bytes[0] === 0x89
}

const { write } = Socket.prototype
Socket.prototype.write = function (this: Socket, ...args: unknown[]) {
  if (!isPing(args[0])) counter.onWrite(this)
  return write.apply(this, args as Parameters<typeof write>)
} as typeof write

const { drainSockets } = Outbox.prototype
Outbox.prototype.drainSockets = function (this: Outbox) {
  const full = drainSockets.call(this)
  counter.onDrained()
  return full
}

const { frame } = EncodedPublication.prototype
EncodedPublication.prototype.frame = function (this: EncodedPublication, variant) {
  const encoded = frame.call(this, variant)
  if (encoded !== undefined) counter.onFrame(this, encoded)
  return encoded
}

const channel = new BroadcastChannel(PROBE_CHANNEL)
channel.onmessage = ({ data }) => {
  const { kind } = data as ProbeMessage
  if (kind === 'countAnew') counter = new Counter()
  if (kind !== 'counts') return
  const { turns, writes, writesPerTurnMax, publications, encodes } = counter
  const counts = { turns, writes, writesPerTurnMax, publications, encodes }
  channel.postMessage({ kind: 'counted', counts } satisfies ProbeMessage)
}
channel.unref()
