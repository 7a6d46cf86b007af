/**
 * A WebSocket as the core's Socket. The `ws` package does the protocol (handshake, unmasking,
 * fragments, pongs, the closing handshake); what we send is written past it, straight to the
 * stream: whole frames, built once for all sockets, joined per turn. Both write only whole frames
 * synchronously and no extension is negotiated, so the two never mix inside a frame.
 */

import type { Socket as Stream } from 'node:net'
import type { WebSocket } from 'ws'
import { limits } from '../base/limits.ts'
import type { FrameSequence, Socket } from '../node/outbox.ts'

/** An empty ping (RFC 6455, 5.5.2); clients answer it by themselves. */
const PING_FRAME = Buffer.from([0x89, 0x00])

export class WebSocketTransport implements Socket {
  readonly transport = 'web_socket'
  readonly webSocket: WebSocket
  readonly #stream: Stream

  constructor(webSocket: WebSocket, stream: Stream) {
    this.webSocket = webSocket
    this.#stream = stream
  }

  get queuedBytes(): number {
    return this.#stream.writableLength
  }

  write(batch: FrameSequence): void {
    if (this.#stream.writable) this.#stream.write(batch.bytes())
  }

  ping(): void {
    if (this.#stream.writable) this.#stream.write(PING_FRAME)
  }

  /** Answers a client's ping, unless it reads nothing and only pings. */
  pong(data: Uint8Array): void {
    if (!this.#stream.writable || this.#stream.writableLength > limits.socketRoomBytes) return
    this.#stream.write(Buffer.concat([Buffer.of(0x8a, data.byteLength), data]))
  }

  close(): void {
    this.webSocket.close()
  }
}
