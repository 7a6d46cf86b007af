import { decode } from '@ably/vcdiff-decoder'
import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { encodeMessages, serialOf } from '../../../src/channel/encoding.ts'
import type { BroadcastItem, Publication } from '../../../src/peer/message.ts'
import type { Message } from '../../../src/wire/protocol-message.ts'
import {
  ClientBench, json, msgpack, ofKind, publication, publications, read, standing
} from './parts.ts'

const SIMPLE = { intervalMs: 100, isConflating: false }
const CONFLATING = { intervalMs: 100, isConflating: true }
const filtered = { ...json, wireName: '[filter=x]c', filter: 'name == `"a"`' }

function publish(seq: number, ...messages: readonly Message[]): Publication {
  return publication(seq, { payload: encodeMessages(messages), messageCount: messages.length })
}

function presence(seq: number): Publication {
  const owner = { incarnation: 'n0#1', worker: 0, generation: 1, claim: 0 }
  return publication(seq, { owner, messageCount: 0, payload: Uint8Array.of(0x90) })
}

/** A client with one live attachment of this variant, whose channel's rules are these. */
function batching(rules = SIMPLE, variant: object = json): ClientBench {
  const bench = new ClientBench()
  bench.batching = rules
  bench.attach({ variant: variant as typeof json })
  bench.join({ standing: standing(0) })
  bench.told()
  return bench
}

function itemsTold(bench: ClientBench): BroadcastItem[] {
  return ofKind(bench.told(), 'broadcast').flatMap(({ items }) => items)
}

/** The ids of the messages in each frame of one variant that was told. */
function idsTold(items: readonly BroadcastItem[], variantId = 0): (string | undefined)[][] {
  return items.map(({ frames }) => frames[variantId]).filter((frame) => frame !== undefined)
    .map((frame) => read(frame).messages!.map(({ id }) => id))
}

t.test('those of an interval are told in one frame, when it is over', async (t) => {
  for (const variant of [json, msgpack]) {
    const bench = batching(SIMPLE, variant)
    bench.deliver(publications(1, 2))
    bench.pass(60)
    bench.deliver([publish(3, { name: 'n', data: 'a' }, { data: 'b' })])
    bench.pass(39)
    t.same(itemsTold(bench), [], 'the interval began with the first')
    bench.pass(1)
    const items = itemsTold(bench)
    t.equal(items.length, 1)
    const told = read(items[0]!.frames[0]!)
    t.equal(told.channelSerial, serialOf(standing(3)))
    t.match(told.messages, [
      { id: 'pub:1:0', connectionId: 'pub', timestamp: 1_001, data: 'm1' },
      { id: 'pub:2:0', connectionId: 'pub', timestamp: 1_002, data: 'm2' },
      { id: 'pub:3:0', timestamp: 1_003, name: 'n', data: 'a' },
      { id: 'pub:3:1', timestamp: 1_003, data: 'b' }
    ])
    t.equal(new Set(told.messages!.map(({ serial }) => serial)).size, 4)
    t.equal(items[0]!.frames[0]!.itemCount, 4)
    bench.pass(1_000)
    t.same(itemsTold(bench), [], 'and once')
    t.match(bench.meter.simpleBatches, { inbound: 4, generated: 1, discarded: 0 })
  }
})

t.test('one alone is told as it is where nothing is put together', async (t) => {
  const bench = batching()
  bench.deliver([publish(1, { data: 'a' }, { data: 'b' })])
  bench.pass(100)
  const { id, connectionId, messages } = read(itemsTold(bench)[0]!.frames[0]!)
  t.match({ id, connectionId }, { id: 'pub:1', connectionId: 'pub' })
  t.equal(messages!.length, 2)
})

t.test('of those that are conflated the last of each name, in order', async (t) => {
  const bench = batching(CONFLATING)
  bench.deliver([
    publish(1, { name: 'a' }, { name: 'b' }),
    publish(2, { data: 'without' }), publish(3, { name: 'a' }),
    publish(4, { data: 'a name' }, { name: 'c' }, { data: 'last' })
  ])
  bench.pass(100)
  const items = itemsTold(bench)
  t.same(idsTold(items), [['pub:1:1', 'pub:3:0', 'pub:4:1', 'pub:4:2']])
  t.match(bench.meter.conflatingBatches, { inbound: 7, generated: 1, discarded: 3 })
  bench.deliver([publish(5, { name: 'a' }, { name: 'a' })])
  bench.pass(100)
  t.same(idsTold(itemsTold(bench)), [['pub:5:1']], 'also where only one publish is left')
})

t.test('a filter sees what is left; one that is shown nothing is told nothing', async (t) => {
  const bench = batching(CONFLATING, filtered)
  bench.deliver([publish(1, { name: 'a' }, { name: 'b' }), publish(2, { name: 'a' })])
  bench.pass(100)
  t.same(idsTold(itemsTold(bench)), [['pub:2:0']])
  bench.deliver([publish(3, { name: 'b' }), publish(4, { name: 'c' })])
  bench.pass(100)
  t.same(idsTold(itemsTold(bench)), [])
})

t.test('without echo, and as deltas: each in a frame of its own, at the same time', async (t) => {
  const text = 'the same words over and over again, so that there is something to gain, '
  const bench = batching(SIMPLE, { ...json, isWithoutEcho: true })
  bench.attach({ variantId: 1, variant: json })
  bench.attach({ variantId: 2, variant: { ...json, delta: true } })
  bench.told()
  bench.deliver([1, 2].map((seq) => publish(seq, { data: `${text}${seq}` })))
  t.same(itemsTold(bench), [])
  bench.pass(100)
  const items = itemsTold(bench)
  t.same(idsTold(items, 1), [['pub:1:0', 'pub:2:0']])
  t.same(idsTold(items, 0), [[undefined], [undefined]])
  const singly = items.filter(({ frames }) => frames[0] !== undefined)
  t.same(singly.map(({ seq, connectionId }) => [seq, connectionId]), [[1, 'pub'], [2, 'pub']])
  const delta = singly[1]!.deltas![2]!
  t.equal(delta.buildsOn, 1)
  const [{ data }] = read(delta.frame).messages as [Message]
  t.equal(`${Buffer.from(decode(data as Uint8Array, Buffer.from(`${text}1`)))}`, `${text}2`)
})

t.test('what says where the channel stands is said after what waits', async (t) => {
  const bench = batching()
  bench.deliver(publications(1, 2))
  bench.attach({ worker: 1 })
  const told = bench.told()
  t.same(told.map(({ kind }) => kind), ['broadcast', 'broadcast', 'attached'])
  t.match(ofKind(told, 'attached')[0], { standing: standing(2), backlog: [] })
  bench.pass(100)
  t.same(itemsTold(bench), [], 'who came in was told nothing twice')

  bench.deliver([publication(3), presence(4), publication(5)])
  const kinds = (list: readonly BroadcastItem[]) => list.map(({ seq, isPresence = false }) => {
    return [seq, isPresence]
  })
  t.same(kinds(itemsTold(bench)), [[3, false], [3, false], [4, true], [4, true]], 'two groups')

  bench.client.onMasterUncertain()
  bench.join({ standing: standing(9, { lineage: 'L2' }), isContinuation: false })
  t.same(bench.told(0).map(({ kind }) => kind), ['broadcast', 'continuityLost'])
})

t.test('before who cannot go on from where it stood, and before the occupancy', async (t) => {
  const all = { ...json, occupancy: '' }
  const bench = batching(SIMPLE, all)
  bench.said()
  bench.deliver([publication(1)])
  bench.attach({ variant: all, from: standing(7, { lineage: 'L0' }) })
  const [ask] = ofKind(bench.said(), 'backfill')
  bench.deliver([publication(2)])
  bench.client.onMasterMessage({
    kind: 'backfilled', channel: 'app/c', clientId: ask!.clientId, requestNo: ask!.requestNo,
    epoch: 1, isContinuation: false, standing: standing(2), publications: []
  })
  t.same(bench.told().map(({ kind }) => kind), ['broadcast', 'attached'])

  bench.deliver([publication(3)])
  const occupancy = {
    connections: 1, publishers: 1, subscribers: 1, presenceConnections: 1, presenceMembers: 0,
    presenceSubscribers: 1, objectPublishers: 0, objectSubscribers: 0
  }
  bench.client.onMasterMessage({
    kind: 'occupancy', channel: 'app/c', epoch: 1, occupancy, timestamp: 7
  })
  t.same(bench.told().map(({ kind }) => kind), ['broadcast', 'occupied'])
})

t.test('rules that change hold at once, and a bound in between', async (t) => {
  const bench = batching()
  bench.deliver([publication(1)])
  bench.batching = undefined
  bench.deliver([publication(2)])
  t.same(idsTold(itemsTold(bench)), [['pub:1:0', 'pub:2:0']])
  bench.deliver(publications(3, 4))
  t.same(idsTold(itemsTold(bench)), [[undefined], [undefined]])
  t.match(bench.meter.simpleBatches, { inbound: 2, generated: 1 }, 'those are no batch')
  t.match(bench.meter.conflatingBatches, { generated: 0 })

  bench.batching = SIMPLE
  const data = 'x'.repeat(limits.togetherBytesMax / 4)
  bench.deliver([5, 6, 7, 8, 9].map((seq) => publish(seq, { data })))
  t.same(idsTold(itemsTold(bench)), [['pub:5:0', 'pub:6:0', 'pub:7:0']])
  t.ok([...bench.client.sizes()].some(([name, bytes]) => {
    return name === 'togetherBytesMax' && bytes > 0 && bytes <= limits.togetherBytesMax
  }))
  bench.pass(100)
  bench.told()
  bench.deliver([publish(10, { data: data.repeat(5) })])
  t.equal(itemsTold(bench).length, 1, 'one that is larger than the bound does not wait')

  bench.deliver([publish(11, { data })])
  bench.client.close()
  bench.pass(1_000)
  t.same(itemsTold(bench), [], 'nobody is there any more')
})
