/**
 * A WebSocket client that costs next to nothing, so that on a small machine it is the server that
 * is measured: a plain socket that reads into a buffer shared by all, walks over frame headers,
 * and looks inside a frame only when asked to. It answers pings, as clients do.
 */

import { connect, type Socket } from 'node:net'

const READ_BYTES = 256 * 1024
const OPCODE_TEXT = 0x1
const OPCODE_CLOSE = 0x8
const OPCODE_PING = 0x9
const MASK = [0x17, 0x2b, 0x4d, 0x71] as const
const HANDSHAKE_END = '\r\n\r\n'
const FRAME_BYTES_MAX = 1024 * 1024

/** Called with a data frame's payload, valid only during the call. */
export type OnMessage = (bytes: Buffer, start: number, end: number) => void

/** All sockets of a process read one after the other, so one buffer serves them. */
export const readBuffer = (): Buffer => Buffer.allocUnsafe(READ_BYTES)

export interface RawSocketOptions {
  readonly port: number
  readonly path: string
  readonly buffer: Buffer
  readonly onOpen: () => void
  readonly onMessage: OnMessage
  readonly onClosed: (reason: string) => void
}

export class RawSocket {
  readonly #options: RawSocketOptions
  readonly #socket: Socket
  #isOpen = false
  #isClosed = false
  /** The part of a frame (or of the handshake's answer) that has come so far. */
  #rest: Buffer | undefined

  constructor(options: RawSocketOptions) {
    this.#options = options
    const { port, path, buffer } = options
    const onread = { buffer, callback: (count: number) => this.#onRead(count) }
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, onread })
    this.#socket.on('connect', () => this.#socket.write(handshake(path, port)))
    this.#socket.on('error', (error) => this.#end(error.message))
    this.#socket.on('close', () => this.#end('closed by the server'))
  }

  /** Sends a text frame. */
  send(text: string): void {
    this.#socket.write(maskedFrame(OPCODE_TEXT, Buffer.from(text)))
  }

  /** Ends the connection without ceremony. */
  close(): void {
    this.#isClosed = true
    this.#socket.destroy()
  }

  #onRead(count: number): boolean {
    let bytes = this.#options.buffer.subarray(0, count)
    if (this.#rest !== undefined) {
      bytes = Buffer.concat([this.#rest, bytes])
      this.#rest = undefined
    }
    let at = 0
    if (!this.#isOpen) {
      const end = bytes.indexOf(HANDSHAKE_END)
      if (end >= 0) {
        at = end + HANDSHAKE_END.length
        this.#onHandshake(bytes.toString('latin1', 0, end))
      }
    }
    if (this.#isOpen) at = this.#walk(bytes, at)
    // The buffer is for the next socket, so what is incomplete is kept as a copy.
    if (at < bytes.length) this.#rest = Buffer.from(bytes.subarray(at))
    return true
  }

  #onHandshake(answer: string): void {
    if (!answer.startsWith('HTTP/1.1 101')) {
      this.#end(`refused: ${answer.split('\r\n')[0]}`)
      return
    }
    this.#isOpen = true
    this.#options.onOpen()
  }

  /** Handles the complete frames from `at`; returns where the first incomplete one starts. */
  #walk(bytes: Buffer, at: number): number {
    const { onMessage } = this.#options
    while (at + 2 <= bytes.length) {
      let size = bytes[at + 1]!
      let start = at + 2
      if (size === 126) {
        if (at + 4 > bytes.length) return at
        size = bytes.readUInt16BE(at + 2)
        start = at + 4
      } else if (size === 127) {
        if (at + 10 > bytes.length) return at
        size = Number(bytes.readBigUInt64BE(at + 2))
        start = at + 10
        if (size > FRAME_BYTES_MAX) throw new Error(`a frame of ${size} bytes: out of step`)
      }
      const end = start + size
      if (end > bytes.length) return at
      const opcode = bytes[at]! & 0x0f
      if (opcode < OPCODE_CLOSE) onMessage(bytes, start, end)
      else if (opcode === OPCODE_PING) this.#pong(bytes.subarray(start, end))
      at = end
    }
    return at
  }

  #pong(payload: Buffer): void {
    this.#socket.write(maskedFrame(0xa, Buffer.from(payload)))
  }

  #end(reason: string): void {
    if (this.#isClosed) return
    this.close()
    this.#options.onClosed(reason)
  }
}

function handshake(path: string, port: number): string {
  return [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    // Any 16 bytes do: nobody here checks the answer to them.
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    '',
    ''
  ].join('\r\n')
}

/** A final frame as clients send it: masked (RFC 6455, 5.3). */
function maskedFrame(opcode: number, payload: Buffer): Buffer {
  const size = payload.length
  const maskAt = size < 126 ? 2 : 4
  const frame = Buffer.allocUnsafe(maskAt + 4 + size)
  frame[0] = 0x80 | opcode
  frame[1] = 0x80 | (size < 126 ? size : 126)
  if (size >= 126) frame.writeUInt16BE(size, 2)
  frame.set(MASK, maskAt)
  for (let at = 0; at < size; at++) frame[maskAt + 4 + at] = payload[at]! ^ MASK[at & 3]!
  return frame
}
