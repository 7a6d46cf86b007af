import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { type FrameSequence, Outbox, type Socket, SocketSlot } from '../../../src/node/outbox.ts'
import { type Frame, frameOf } from '../../../src/wire/frame.ts'

class Sink implements Socket {
  readonly writes: Uint8Array[] = []
  closes = 0
  queuedBytes = 0

  write(batch: FrameSequence): void {
    this.writes.push(batch.bytes())
  }

  ping(): void {}

  close(): void {
    this.closes++
  }
}

const frame = (text: string): Frame => frameOf(Buffer.from(text), false)

t.test('one write per socket and turn, with everything in order', async (t) => {
  const outbox = new Outbox()
  const sink = new Sink()
  const slot = new SocketSlot(sink, outbox)
  const frames = ['a', 'bb', 'ccc'].map(frame)
  for (const each of frames) slot.write(each)
  outbox.drainSockets()
  t.equal(sink.writes.length, 1)
  t.same(Buffer.from(sink.writes[0]!), Buffer.concat(frames.map(({ bytes }) => bytes)))
  outbox.drainSockets()
  t.equal(sink.writes.length, 1, 'an idle socket is not written to')
})

t.test('sockets given the same frames share one run of bytes', async (t) => {
  const outbox = new Outbox()
  const sinks = Array.from({ length: 100 }, () => new Sink())
  const slots = sinks.map((sink) => new SocketSlot(sink, outbox))
  const [one, two, own] = [frame('one'), frame('two'), frame('own')]
  for (const slot of slots) slot.write(one)
  slots[7]!.write(own)
  for (const slot of slots) slot.write(two)
  outbox.drainSockets()
  const shared = new Set(sinks.map(({ writes }) => writes[0]))
  t.equal(shared.size, 2, 'those alike, and the one that is not')
  t.same(Buffer.from(sinks[7]!.writes[0]!), Buffer.concat([one.bytes, own.bytes, two.bytes]))
})

t.test('any interleaving gives each socket its own frames in order', async (t) => {
  const random = new Random('interleaving')
  const frames = Array.from({ length: 6 }, (_, at) => frame(`f${at}`))
  for (let round = 0; round < 300; round++) {
    const outbox = new Outbox()
    const sinks = Array.from({ length: 5 }, () => new Sink())
    const slots = sinks.map((sink) => new SocketSlot(sink, outbox))
    const wanted = sinks.map((): Uint8Array[] => [])
    for (let step = 0; step < 30; step++) {
      const [to, which] = [random.below(5), random.below(6)]
      slots[to]!.write(frames[which]!)
      wanted[to]!.push(frames[which]!.bytes)
    }
    outbox.drainSockets()
    for (const [at, sink] of sinks.entries()) {
      const given = Buffer.from(sink.writes[0] ?? new Uint8Array())
      if (!given.equals(Buffer.concat(wanted[at]!))) t.fail(`round ${round}, socket ${at}`)
    }
  }
})

t.test('a closing socket is written what it was given, and nothing after', async (t) => {
  const outbox = new Outbox()
  const sink = new Sink()
  const slot = new SocketSlot(sink, outbox)
  slot.write(frame('last'))
  slot.close()
  slot.write(frame('too late'))
  outbox.drainSockets()
  t.equal(sink.closes, 1)
  t.same(Buffer.from(sink.writes[0]!), Buffer.from(frame('last').bytes))
})

t.test('[25] what a socket has no room for is not written, and the core is told', async (t) => {
  const outbox = new Outbox()
  const [slow, quick] = [new Sink(), new Sink()]
  const slots = [slow, quick].map((sink) => new SocketSlot(sink, outbox))
  const news = frame('news')
  slow.queuedBytes = limits.socketQueueBytesMax - news.bytes.byteLength
  for (const slot of slots) slot.write(news)
  t.same(outbox.drainSockets(), [], 'up to the bound there is room')
  slow.queuedBytes++
  for (const slot of slots) slot.write(news)
  t.same(outbox.drainSockets(), [slow])
  t.same([slow.writes.length, quick.writes.length], [1, 2])
  slots[0]!.write(news)
  slots[0]!.write(frame('goodbye'))
  slots[0]!.close()
  t.same(outbox.drainSockets(), [])
  t.match(String(slow.writes[1]), String(frame('goodbye').bytes), 'its end it is told in any case')
  t.equal(slow.closes, 1)
})

t.test('[25] who has taken everything is never too slow, however much comes at once', async (t) => {
  const outbox = new Outbox()
  const sink = new Sink()
  const slot = new SocketSlot(sink, outbox)
  const large = frameOf(new Uint8Array(limits.socketQueueBytesMax / 2), false)
  t.ok(slot.hasRoom)
  for (let times = 0; times < 3; times++) slot.write(large)
  t.notOk(slot.hasRoom, 'what it is given this turn counts')
  t.same(outbox.drainSockets(), [])
  t.equal(sink.writes.length, 1)
  t.ok(slot.hasRoom)
})

t.test('[25] and what it is given next does not cut it off, up to the bound', async (t) => {
  const outbox = new Outbox()
  const sink = new Sink()
  const slot = new SocketSlot(sink, outbox)
  const burst = frameOf(new Uint8Array(2 * limits.socketQueueBytesMax), false)
  slot.write(burst)
  t.same(outbox.drainSockets(), [])
  sink.queuedBytes = burst.bytes.byteLength
  slot.write(frame('news'))
  t.same(outbox.drainSockets(), [], 'it is not behind with anything else')
  sink.queuedBytes += limits.socketQueueBytesMax
  slot.write(frame('more'))
  t.same(outbox.drainSockets(), [sink])
})
