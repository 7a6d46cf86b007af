/**
 * The answer to one HTTP request that may be given in pieces. The core says what goes out; the
 * outbox writes it when the turn is over, as it writes sockets.
 */

import type { ErrorInfo } from '../wire/errors.ts'
import { jsonText } from '../wire/json.ts'
import type { CometResponder } from './comet-ports.ts'
import type { Outbox } from './outbox.ts'

const OPENING = 0x5b
const COMMA = 0x2c
const CLOSING = 0x5d
const NEWLINE = 0x0a

export class CometReply {
  readonly responder: CometResponder
  readonly #outbox: Outbox
  #pieces: Uint8Array[] = []
  #ending: { readonly statusCode: number; readonly body: Uint8Array | undefined } | undefined
  #isDue = false

  constructor(responder: CometResponder, outbox: Outbox) {
    this.responder = responder
    this.#outbox = outbox
  }

  /** Bytes of earlier turns that the client has not taken yet. */
  get queuedBytes(): number {
    return this.responder.queuedBytes
  }

  /** Something of a response that goes on. */
  write(piece: Uint8Array): void {
    this.#pieces.push(piece)
    this.#drainLater()
  }

  /** The whole response, or the end of it. */
  end(statusCode: number, body?: Uint8Array): void {
    if (this.#ending !== undefined) return
    this.#ending = { statusCode, body }
    this.#drainLater()
  }

  refuse(error: ErrorInfo): void {
    this.end(error.statusCode, errorBody(error))
  }

  /** For the outbox. */
  drain(): void {
    this.#isDue = false
    const pieces = this.#pieces
    this.#pieces = []
    for (const piece of pieces) this.responder.write(piece)
    if (this.#ending !== undefined) this.responder.end(this.#ending.statusCode, this.#ending.body)
  }

  #drainLater(): void {
    if (this.#isDue) return
    this.#isDue = true
    this.#outbox.drainLater(this)
  }
}

/** The body of an answer that refuses. */
export function errorBody(error: ErrorInfo): Uint8Array {
  return Buffer.from(jsonText({ error }), 'utf8')
}

/** Frames as one line: a JSON array, copied out of whatever memory they stand in. */
export function lineOf(payloads: readonly Uint8Array[]): Uint8Array {
  let size = 2 + Math.max(1, payloads.length)
  for (const payload of payloads) size += payload.byteLength
  const line = Buffer.allocUnsafeSlow(size)
  let at = 0
  line[at++] = OPENING
  for (const [no, payload] of payloads.entries()) {
    if (no > 0) line[at++] = COMMA
    line.set(payload, at)
    at += payload.byteLength
  }
  line[at++] = CLOSING
  line[at] = NEWLINE
  return line
}
