import { decode } from '@ably/vcdiff-decoder'
import t from 'tap'
import { encodeMessages } from '../../../src/channel/encoding.ts'
import type { BroadcastItem, Publication } from '../../../src/peer/message.ts'
import type { Message } from '../../../src/wire/protocol-message.ts'
import { frameOf, GroupBench, item, Listener } from './group-bench.ts'
import { ClientBench, json, msgpack, ofKind, publication, read, standing } from './parts.ts'

const WORDS = 'the same words over and over again, so that there is something to gain, '
const delta = { ...json, delta: true } as const

function publish(seq: number, messages: readonly Message[]): Publication {
  return publication(seq, { payload: encodeMessages(messages), messageCount: messages.length })
}

/** A client whose only attachment wants this variant; the items of what is delivered to it. */
function telling(variant: typeof delta | { format: 'json' | 'msgpack'; wireName: string }) {
  const bench = new ClientBench()
  bench.attach({ variant })
  bench.join({ standing: standing(0) })
  const deliver = (...publications: Publication[]): BroadcastItem[] => {
    bench.told()
    bench.deliver(publications)
    return ofKind(bench.told(), 'broadcast').flatMap(({ items }) => items)
  }
  return { bench, deliver }
}

/** What the item says as a delta. */
function deltaIn(item: BroadcastItem) {
  const found = item.deltas?.[0]
  return found && { buildsOn: found.buildsOn, messages: read(found.frame).messages! }
}

t.test('[C5] each message is a delta on the one before; the whole stands beside it', async (t) => {
  const { deliver } = telling(delta)
  const texts = [1, 2, 3].map((no) => `${WORDS}${no}`)
  const items = deliver(...texts.map((data, at) => publish(at + 1, [{ data }])))
  t.equal(deltaIn(items[0]!), undefined, 'there is nothing before the first')
  for (const no of [1, 2]) {
    const { buildsOn, messages: [message] } = deltaIn(items[no]!)!
    t.equal(buildsOn, no)
    t.match(message, { encoding: 'utf-8/vcdiff',
      extras: { delta: { from: `pub:${no}:0`, format: 'vcdiff' } } })
    const made = decode(message!.data as Uint8Array, Buffer.from(texts[no - 1]!))
    t.equal(Buffer.from(made).toString(), texts[no])
    t.equal(read(items[no]!.frames[0]!).messages![0]!.data, texts[no])
  }
})

t.test('[C5] in each format, of text, JSON and bytes; other extras stay', async (t) => {
  for (const variant of [delta, { ...msgpack, delta: true } as const]) {
    const { deliver } = telling(variant)
    const extras = { headers: { a: 1 } }
    const text = `{"a":"${WORDS}"}`
    const items = deliver(
      publish(1, [{ data: text }]),
      publish(2, [{ data: text.replace('same', 'very'), encoding: 'json', extras }]),
      publish(3, [{ data: Buffer.from(text) }]),
      publish(4, [{ data: Buffer.from(text), encoding: 'utf-8' }]),
      publish(5, [{ data: Buffer.from(text), encoding: 'json/utf-8' }])
    )
    const messages = items.slice(1).map((each) => deltaIn(each)!.messages[0]!)
    t.same(messages.map(({ encoding }) => encoding),
      ['json/utf-8/vcdiff', 'vcdiff', 'utf-8/vcdiff', 'json/utf-8/vcdiff'])
    t.match(messages[0]!.extras, { headers: { a: 1 }, delta: { from: 'pub:1:0' } })
  }
})

t.test('[C6] no delta that is no gain, none on or of what a client may not read', async (t) => {
  const { deliver } = telling(delta)
  const data = `{"a":"${WORDS}"}`
  const unread: readonly Message[] = [
    { data: Buffer.from(data), encoding: 'utf-8/cipher+aes-128-cbc' },
    { data: WORDS, encoding: 'json' }, { data, encoding: 'utf-8' }, { data, encoding: 'mine' },
    { name: 'n' }, { data: 'x'.repeat(300_000) }
  ]
  let seq = 0
  for (const message of unread) {
    const items = deliver(publish(++seq, [{ data }]), publish(++seq, [message]),
      publish(++seq, [{ data }]), publish(++seq, [{ data }]))
    t.same(items.slice(1).map((each) => deltaIn(each) !== undefined), [false, false, true],
      String(message.encoding))
  }
  const noise = deliver(publish(++seq, [{ data: 'what shares nothing' }]), publish(++seq,
    [{ data: '0123456789' }]))
  t.same(noise.map(deltaIn), [undefined, undefined])
})

t.test('[C6] messages of one publish build on each other', async (t) => {
  const { deliver } = telling(delta)
  const messages = ['a', 'b', 'c'].map((letter) => ({ data: WORDS + letter }))
  const [first, second] = deliver(publish(1, messages), publish(2, messages))
  t.equal(deltaIn(first!), undefined, 'as long as the first of them is whole, all are')
  const found = deltaIn(second!)!
  t.equal(found.buildsOn, 1)
  const from = found.messages.map(({ extras }) => (extras!['delta'] as { from: string }).from)
  t.same(from, ['pub:1:2', 'pub:2:0', 'pub:2:1'])
})

t.test('[C7] presence is nothing between; lost continuity begins anew', async (t) => {
  const { bench, deliver } = telling(delta)
  const owner = { incarnation: 'n0#1', worker: 0, generation: 1, claim: 0 }
  const items = deliver(publish(1, [{ data: WORDS }]),
    publication(2, { owner, messageCount: 0, payload: Uint8Array.of(0x90) }),
    publish(3, [{ data: `${WORDS}!` }]))
  t.same(items.map((each) => each.deltas?.[0]?.buildsOn), [undefined, undefined, 1])
  bench.client.onMasterUncertain()
  bench.join({ standing: standing(1, { lineage: 'L2' }), isContinuation: false })
  bench.told()
  bench.deliver([publish(2, [{ data: WORDS }]), publish(3, [{ data: WORDS }])])
  const later = ofKind(bench.told(), 'broadcast').flatMap(({ items }) => items)
  t.same(later.map((each) => each.deltas?.[0]?.buildsOn), [undefined, 2])
})

t.test('[C5] one delta per chain and format, none where nobody wants one', async (t) => {
  const { bench, deliver } = telling(delta)
  bench.attach({ variant: json, variantId: 1 })
  bench.attach({ variant: { ...msgpack, delta: true }, variantId: 2, worker: 1 })
  const before = bench.allocatedCount
  const items = deliver(publish(1, [{ data: WORDS }]), publish(2, [{ data: WORDS }]))
  t.equal(bench.allocatedCount - before, 6, 'two wholes each, and one delta each')
  t.equal(items[1]!.frames[0], items[1]!.frames[1], 'who wants none shares the whole')
  t.equal(items[1]!.deltas![1], undefined)
  for (const [worker, variantId] of [[0, 0], [1, 2]] as const) {
    bench.client.onGroupMessage(worker, { kind: 'variantUnused', channel: 'app/c', variantId })
  }
  t.equal(deliver(publish(3, [{ data: WORDS }]))[0]!.deltas, undefined)
})

t.test('[C8] what was missed is a chain of its own, whose first is whole', async (t) => {
  const { bench, deliver } = telling(delta)
  const missed = [1, 2, 3].map((seq) => publish(seq, [{ data: `${WORDS}${seq}` }]))
  deliver(...missed)
  bench.said()
  bench.attach({ variant: delta, from: standing(0) })
  const [ask] = ofKind(bench.said(), 'backfill')
  bench.client.onMasterMessage({
    kind: 'backfilled', channel: 'app/c', clientId: ask!.clientId, requestNo: ask!.requestNo,
    epoch: 1, isContinuation: true, standing: standing(3), publications: missed
  })
  const [attached] = ofKind(bench.told(), 'attached')
  t.same(attached!.backlog.map((each) => each.deltas?.[0]?.buildsOn), [undefined, 1, 2])
})

t.test('[C8] what follows is a delta on what was missed, also where nobody was', async (t) => {
  const bench = new ClientBench()
  bench.attach({ variant: delta, from: standing(1) })
  bench.join({ standing: standing(3) })
  const texts = [1, 2, 3, 4].map((seq) => publish(seq, [{ data: `${WORDS}${seq}` }]))
  const [ask] = ofKind(bench.said(), 'backfill')
  bench.client.onMasterMessage({
    kind: 'backfilled', channel: 'app/c', clientId: ask!.clientId, requestNo: ask!.requestNo,
    epoch: 1, isContinuation: true, standing: standing(3), publications: texts.slice(1, 3)
  })
  bench.told()
  bench.deliver(texts.slice(3))
  const [broadcast] = ofKind(bench.told(), 'broadcast')
  t.equal(broadcast!.items[0]!.deltas?.[0]?.buildsOn, 3)
})

t.test('[C8] the chain goes on for one that attaches anew', async (t) => {
  const { bench, deliver } = telling(delta)
  deliver(publish(1, [{ data: WORDS }]))
  for (const kind of ['variantUnused', 'groupEmpty'] as const) {
    bench.client.onGroupMessage(0, { kind, channel: 'app/c', variantId: 0 })
  }
  bench.attach({ variant: delta, from: standing(1) })
  t.equal(deliver(publish(2, [{ data: WORDS }]))[0]!.deltas?.[0]?.buildsOn, 1)
})

t.test('[C5] a filter has a chain of its own', async (t) => {
  const filter = 'name == `"a"`'
  const { deliver } = telling({ ...delta, wireName: '[filter=eA==]c', filter } as typeof delta)
  const items = deliver(
    publish(1, [{ name: 'a', data: WORDS }]),
    publish(2, [{ name: 'b', data: WORDS }]),
    publish(3, [{ name: 'b', data: 'x' }, { name: 'a', data: `${WORDS}.` }])
  )
  t.same(items.map(({ frames }) => frames[0] !== undefined), [true, false, true])
  const { buildsOn, messages } = deltaIn(items[2]!)!
  t.equal(buildsOn, 1)
  t.match(messages, [{ id: 'pub:3:1', name: 'a', extras: { delta: { from: 'pub:1:0' } } }])
  t.match(read(items[2]!.frames[0]!).messages, [{ id: 'pub:3:1', data: `${WORDS}.` }])
})

/** An item whose delta (frame 100 + seq) builds on `buildsOn`. */
function both(seq: number, buildsOn: number, from = 'pub'): BroadcastItem {
  return { ...item(seq, [0], from), deltas: [{ frame: frameOf(100 + seq), buildsOn }] }
}

t.test('[C7] a seat is given a delta if what it builds on came last, else the whole', async (t) => {
  const bench = new GroupBench()
  const [all, quiet, late] = [new Listener(), new Listener(), new Listener()]
  quiet.hearsItself = false
  bench.seat(all, 0, delta)
  bench.seat(quiet, 0, delta)
  bench.broadcast(both(1, 0), both(2, 1, 'me'), both(3, 2))
  bench.seat(late, 3, delta)
  bench.broadcast(both(4, 3), { ...item(5), isPresence: true }, both(6, 4))
  for (const member of [all, quiet, late]) member.heard.shift()
  t.same(all.take(), ['1', '102', '103', '104', '5', '106'])
  t.same(quiet.take(), ['1', '3', '104', '5', '106'], 'its own was not for it')
  t.same(late.take(), ['4', '5', '106'])
})

t.test('[C7] after a backlog, a rewind that was cut, and lost continuity', async (t) => {
  const bench = new GroupBench()
  const members = [new Listener(), new Listener(), new Listener()]
  const backlogs = [[item(4), item(5)], [{ ...item(5), isCut: true }], []]
  for (const [no, member] of members.entries()) {
    bench.group.attach(member, delta, standing(3))
    const [attach] = ofKind(bench.said(), 'attach')
    bench.answer(attach!, 5, { isResumed: true, backlog: backlogs[no]! })
    member.take()
  }
  bench.broadcast(both(6, 5))
  t.same(members.map((member) => member.take()), [['106'], ['6'], ['6']])
  bench.group.onClientMessage({ kind: 'continuityLost', channel: 'app/c', standing: standing(6),
    error: { code: 90003, statusCode: 404, message: '' } })
  for (const member of members) member.take()
  bench.broadcast(both(7, 6))
  t.same(members.map((member) => member.take()), [['7'], ['7'], ['7']])
})

t.test('[C7] after the occupancy, which is told as a message too', async (t) => {
  const bench = new GroupBench()
  const member = new Listener()
  bench.seat(member, 0, { ...delta, occupancy: '' })
  bench.broadcast(both(1, 0), both(2, 1))
  bench.group.onClientMessage({ kind: 'occupied', channel: 'app/c', frames: [frameOf(50)] })
  bench.broadcast(both(3, 2), both(4, 3))
  t.same(member.take().slice(1), ['1', '102', '50', '3', '104'])
})
