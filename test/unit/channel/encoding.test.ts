import t from 'tap'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { Meter } from '../../../src/base/meter.ts'
import { EncodedPublication, encodeMessages, serialOf } from '../../../src/channel/encoding.ts'
import { Doors } from '../../../src/channel/doors.ts'
import { Filters } from '../../../src/channel/filters.ts'
import type { PeerMessage, Variant } from '../../../src/peer/message.ts'
import type { Message } from '../../../src/wire/protocol-message.ts'
import { parseChannelSerial } from '../../../src/wire/serial.ts'
import {
  CHANNEL,
  json,
  msgpack,
  ofKind,
  publication,
  publications,
  read,
  seqsOf,
  standing
} from './parts.ts'

/** An allocator that counts. */
function counting() {
  let count = 0
  const allocate = (bytes: number): Uint8Array => {
    count++
    return new Uint8Array(bytes)
  }
  return { allocate, count: () => count }
}

function encoded(messages: Message[], variant: Variant) {
  const payload = encodeMessages(messages)
  const whole = publication(3, { payload, messageCount: messages.length, counter: 4 })
  const { allocate } = counting()
  return read(new EncodedPublication(whole, standing(3, { epoch: 9 }), allocate, new Filters())
    .frame(variant)!)
}

t.test('both formats say the same: what was published, and what the master decided', async (t) => {
  const messages: Message[] = [
    { name: 'n', data: 'text', encoding: undefined, clientId: 'me', extras: { headers: { a: 1 } } },
    { data: '{"a":[1,null]}', encoding: 'json', id: 'mine:1' }
  ]
  const [first, second] = [encoded(messages, json), encoded(messages, msgpack)]
  t.same(first, second)
  t.match(first, {
    action: 15, id: 'pub:3', connectionId: 'pub', channel: 'c', timestamp: 1_003,
    messages: [
      { name: 'n', data: 'text', clientId: 'me', extras: { headers: { a: 1 } }, action: 0,
        serial: '00000000001003-004@L1:000' },
      { id: 'mine:1', data: '{"a":[1,null]}', encoding: 'json', action: 0,
        serial: '00000000001003-004@L1:001' }
    ]
  })
  t.same(parseChannelSerial(first.channelSerial!), { lineage: 'L1', seq: 3, epoch: '9', entry: 3 })
})

t.test('binary data survive both formats', async (t) => {
  const data = new Uint8Array([0, 1, 254, 255])
  for (const variant of [json, msgpack]) {
    const [message] = encoded([{ data, encoding: undefined }], variant).messages!
    t.same(Buffer.from(message!.data as Uint8Array), Buffer.from(data), variant.format)
    t.equal(message!.encoding, undefined)
  }
})

t.test('a client has no say in action and serial, whatever its bytes hold', async (t) => {
  const forged: Message = { data: 'x', encoding: undefined, action: 2, serial: 'mine' }
  const [message] = encoded([forged], json).messages!
  t.match(message, { action: 0, serial: '00000000001003-004@L1:000' })
})

t.test('one decode and one encode per variant; the same object for equal variants', async (t) => {
  const { allocate, count } = counting()
  const payload = publication(1).payload
  let readCount = 0
  const whole = {
    ...publication(1),
    get payload() {
      readCount++
      return payload
    }
  }
  const publicationOnce = new EncodedPublication(whole, standing(1), allocate, new Filters())
  readCount = 0
  const frame = publicationOnce.frame(json)
  t.equal(publicationOnce.frame({ ...json }), frame)
  const others = [msgpack, { format: 'json', wireName: '[?a=b]c' }] as const
  for (const variant of others) {
    t.not(publicationOnce.frame(variant), frame)
    t.equal(publicationOnce.frame({ ...variant }), publicationOnce.frame(variant))
  }
  t.equal(count(), 3)
  t.equal(readCount, 1)
  t.equal(read(publicationOnce.frame(others[1])!).channel, '[?a=b]c')
})

function attachOf(variantId: number, variant: Variant) {
  return { kind: 'attach', channel: CHANNEL, attachId: 1, variantId, variant, from: undefined } as
    const
}

/** Doors, and what they say to each worker. */
function doorsBench() {
  const told: { worker: number; message: PeerMessage }[] = []
  const { allocate, count } = counting()
  const doors = new Doors(CHANNEL, {
    allocate,
    deadlines: new Deadlines(),
    nowMs: () => 0,
    batching: () => undefined,
    meter: new Meter('app'),
    toGroup: (worker, message) => void told.push({ worker, message })
  })
  const attach = (worker: number, variantId: number, variant: Variant): void =>
    doors.onAttach(worker, attachOf(variantId, variant))
  return { doors, told, count, attach }
}

t.test('each group is given its own variants by its own numbers', async (t) => {
  const { doors, told, count, attach } = doorsBench()
  attach(0, 0, json)
  attach(1, 0, msgpack)
  attach(1, 2, json)
  doors.broadcast(publications(1, 2), standing(2))
  t.equal(count(), 4, 'two publications in two variants')
  t.same(told.map(({ worker }) => worker), [0, 1], 'one message each')
  const [first, second] = ofKind(told.map(({ message }) => message), 'broadcast')
  t.same([seqsOf(first!.items), seqsOf(second!.items, 2)], [[1, 2], [1, 2]])
  t.equal(first!.items[0]!.frames[0], second!.items[0]!.frames[2])
  t.equal(second!.items[0]!.frames[1], undefined)
})

t.test('each publication of a broadcast bears its own place as channelSerial', async (t) => {
  const { doors, told, attach } = doorsBench()
  attach(0, 0, json)
  doors.broadcast(publications(4, 6), standing(6, { epoch: 3 }))
  const [broadcast] = ofKind(told.map(({ message }) => message), 'broadcast')
  const serials = broadcast!.items.map(({ frames }) => read(frames[0]!).channelSerial)
  t.same(serials, [4, 5, 6].map((seq) => serialOf(standing(seq, { epoch: 3 }))))
})

t.test('a backlog is for one variant of one group, whoever else is there', async (t) => {
  const { doors, told, count, attach } = doorsBench()
  attach(0, 0, json)
  attach(1, 1, msgpack)
  attach(1, 0, json)
  const missed = publications(1, 3)
  const arrival = { worker: 1, attach: attachOf(1, msgpack), missed, isRewinding: false }
  doors.sayAttached(arrival, standing(3), true)
  const [attached] = ofKind(told.map(({ message }) => message), 'attached')
  const { backlog } = attached!
  t.same([seqsOf(backlog, 1), seqsOf(backlog, 0)], [[1, 2, 3], []])
  t.equal(count(), 3)
  t.equal(told.length, 1)
})

t.test('a group that is empty or gone is told nothing and costs nothing', async (t) => {
  const { doors, told, count, attach } = doorsBench()
  attach(0, 0, json)
  attach(1, 0, msgpack)
  t.ok(doors.isAnyAttached)
  doors.onGroupEmpty(0)
  doors.forget(1)
  for (const worker of [1, 2]) {
    doors.onGroupEmpty(worker)
    doors.onVariantUnused(worker, 0)
  }
  t.notOk(doors.isAnyAttached)
  doors.broadcast(publications(1, 2), standing(2))
  doors.sayContinuityLost(standing(2))
  t.same([told, count()], [[], 0])
  attach(0, 0, json)
  doors.sayContinuityLost(standing(2))
  t.match(told, [{ worker: 0, message: {
    kind: 'continuityLost', channel: CHANNEL, standing: standing(2), error: { code: 90003 }
  } }])
})
