import type { Writable } from 'node:stream'
import t from 'tap'
import * as ws from 'ws'
import { Action } from '../../../src/wire/actions.ts'
import { decodeProtocolMessage, encodeProtocolMessage } from '../../../src/wire/codec.ts'
import type { Frame } from '../../../src/wire/frame.ts'
import { encodeFrame, frameOf, payloadOf } from '../../../src/wire/frame.ts'
import type { Format } from '../../../src/wire/protocol-message.ts'

/** The package exports it; its types do not say so. */
const { Receiver } = ws as unknown as { Receiver: new (options: object) => Writable }

/** What another WebSocket implementation makes of the bytes, all frames at once. */
async function received(frames: readonly Frame[]): Promise<[Buffer, boolean][]> {
  const receiver = new Receiver({ isServer: false, allowSynchronousEvents: true })
  const heard: [Buffer, boolean][] = []
  receiver.on('message', (data: Buffer, isBinary: boolean) => heard.push([data, isBinary]))
  const failed = new Promise<never>((_resolve, reject) => receiver.on('error', reject))
  const done = new Promise<void>((resolve) => receiver.on('finish', resolve))
  receiver.end(Buffer.concat(frames.map((frame) => frame.bytes)))
  await Promise.race([done, failed])
  return heard
}

t.test('frames of every length class are read by another implementation', async t => {
  const sizes: readonly [number, number][] = [
    [0, 2], [1, 2], [125, 2], [126, 4], [65535, 4], [65536, 10], [200000, 10]
  ]
  const payloads = sizes.map(([size]) => Buffer.alloc(size, 'x'))
  const frames = payloads.map((payload, at) => frameOf(payload, at % 2 === 0))
  for (const [at, [size, payloadStart]] of sizes.entries()) {
    t.equal(frames[at]?.payloadStart, payloadStart, `header of ${size} bytes`)
  }
  const heard = await received(frames)
  t.equal(heard.length, frames.length)
  for (const [at, [data, isBinary]] of heard.entries()) {
    t.equal(isBinary, at % 2 === 0)
    t.ok(data.equals(payloads[at]!), `payload of ${data.length} bytes`)
  }
})

t.test('a message framed at once is the frame of the encoded message', async t => {
  const message = {
    action: Action.MESSAGE,
    channel: 'naïve 名 \u{1f600}',
    messages: [{ data: 'é'.repeat(70) }, { data: Uint8Array.of(1, 2, 255) }]
  }
  for (const format of ['json', 'msgpack'] satisfies Format[]) {
    const frame = encodeFrame(message, format)
    const whole = frameOf(encodeProtocolMessage(message, format), format === 'msgpack')
    t.strictSame(Buffer.from(frame.bytes), Buffer.from(whole.bytes))
    t.equal(frame.isBinary, format === 'msgpack')
    t.ok(decodeProtocolMessage(payloadOf(frame), format).ok)
  }
})

t.test('frames are built where the caller says, in one piece, in shared memory too', async t => {
  const shared = new SharedArrayBuffer(4096)
  let used = 100
  const sizes: number[] = []
  const allocate = (size: number): Uint8Array => {
    sizes.push(size)
    used += size
    return new Uint8Array(shared, used - size, size)
  }
  const message = { action: Action.MESSAGE, channel: 'ü', messages: [{ data: 'ö'.repeat(200) }] }
  for (const format of ['json', 'msgpack'] satisfies Format[]) {
    const frame = encodeFrame(message, format, allocate)
    t.equal(frame.bytes.buffer, shared)
    t.strictSame(Buffer.from(frame.bytes), Buffer.from(encodeFrame(message, format).bytes))
  }
  t.equal(sizes.length, 2, 'one allocation per frame')
  t.equal(new Uint8Array(shared)[99], 0, 'nothing is written before it')
  t.equal(new Uint8Array(shared)[used], 0, 'nothing is written behind it')
})

t.test('frames encoded one after the other do not share memory', async t => {
  const first = encodeFrame({ action: Action.HEARTBEAT, id: 'first' }, 'msgpack')
  const before = Buffer.from(first.bytes)
  encodeFrame({ action: Action.HEARTBEAT, id: 'other' }, 'msgpack')
  t.strictSame(Buffer.from(first.bytes), before)
})
