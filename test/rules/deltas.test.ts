import vcdiff from '@ably/vcdiff-decoder'
import type * as Ably from 'ably'
import type { Test } from 'tap'
import { until } from '../support/ably-clients.ts'
import { ruleFile, type Stage } from './support/rule.ts'

const ATTACH = 10
const ATTACHED = 11
const DETACH = 12
const MESSAGE = 15
const RESUMED = 4
const WORDS = 'the same words over and over again, so that there is something to gain, '
const OUR_CLIENTS = { '[*]*': ['*'] }

/** A decoder that counts, and fails when it is told to. */
function decoder() {
  const counting = {
    count: 0,
    failsAt: -1,
    decode(delta: Uint8Array, base: Uint8Array): Uint8Array {
      if (++counting.count === counting.failsAt) throw new Error('as the test wants it')
      return vcdiff.decode(delta, base)
    }
  }
  return counting
}

/** A subscriber with deltas on `node`, and what it hears. */
async function subscriber(
  t: Test, on: Stage, node: number, name: string, options: object = {}, params: object = {}
) {
  const decodes = decoder()
  const client = on.client(t, node, { plugins: { vcdiff: decodes }, ...options })
  const channel = client.channels.get(name, { params: { delta: 'vcdiff', ...params } })
  const heard: Ably.Message[] = []
  await channel.subscribe((message) => void heard.push(message))
  return { channel, heard, decodes, data: () => heard.map(({ data }) => data) }
}

ruleFile('deltas', (rule) => {
  rule('C5', 'n similar messages are one whole and n - 1 deltas, of every kind', async (t, on) => {
    const kinds: Record<string, readonly unknown[]> = {
      JSON: [1, 2, 3, 4].map((count) => ({ foo: 'bar', count, status: 'active' })),
      text: [1, 2, 3, 4].map((count) => `${WORDS}${count} – ☃`),
      binary: [1, 2, 3, 4].map((count) => Buffer.from(`${WORDS}${count}`))
    }
    for (const [kind, sent] of Object.entries(kinds)) {
      const name = on.name(kind)
      const here = await subscriber(t, on, 1, name)
      const other = { useBinaryProtocol: on.format === 'json' }
      const there = await subscriber(t, on, 2, name, other)
      const plain = on.client(t, 2).channels.get(name)
      const whole: Ably.Message[] = []
      await plain.subscribe((message) => void whole.push(message))
      const publisher = on.client(t, 0).channels.get(name)
      for (const data of sent) await publisher.publish('n', data)
      await until(kind, () => [here.heard, there.heard, whole].every(({ length }) => length === 4))
      for (const { data, decodes } of [here, there]) {
        t.same(data().map(asText), sent.map(asText), kind)
        t.equal(decodes.count, sent.length - 1, kind)
      }
      t.same(whole.map(({ data }) => asText(data)), sent.map(asText))
      t.notOk(whole.some(({ extras }) => extras?.delta !== undefined))
      t.match(here.heard[1]!.extras, { delta: { from: here.heard[0]!.id, format: 'vcdiff' } })
    }
  })

  rule('C5', 'a small change of two kilobytes is a small frame', async (t, on) => {
    const name = on.name('small')
    const socket = await on.socket(t, 1)
    socket.send({ action: ATTACH, channel: name, params: { delta: 'vcdiff' } })
    t.match(await socket.next(({ action }) => action === ATTACHED), { params: { delta: 'vcdiff' } })
    const publisher = on.client(t, 0).channels.get(name)
    const words = Array.from({ length: 300 }, (_, no) => `word${no}`)
    await publisher.publish('n', words.join(' '))
    words[77] = 'other'
    await publisher.publish('n', words.join(' '))
    await socket.next(({ action }) => action === MESSAGE)
    const { messages } = await socket.next(({ action }) => action === MESSAGE)
    const [message] = messages!
    const suffix = on.format === 'json' ? '/base64' : ''
    t.equal(message!['encoding'], `utf-8/vcdiff${suffix}`)
    t.ok((message!['data'] as string | Uint8Array).length < 205, 'under a tenth')
  })

  rule('C6', 'what shares nothing, is encrypted or of no data goes whole', async (t, on) => {
    const name = on.name('whole')
    const { heard, decodes } = await subscriber(t, on, 2, name)
    const publisher = on.client(t, 0).channels.get(name)
    await publisher.publish('n', WORDS)
    await publisher.publish('n', '0123456789')
    await publisher.publish('n', WORDS)
    await publisher.publish({ name: 'none' })
    await publisher.publish('n', WORDS)
    await publisher.publish({ data: Buffer.from(WORDS), encoding: 'utf-8/cipher+aes-128-cbc' })
    await publisher.publish('n', WORDS)
    await until('seven', () => heard.length === 7)
    t.equal(decodes.count, 0)
    await publisher.publish('n', WORDS)
    await until('eight', () => heard.length === 8)
    t.equal(decodes.count, 1)
  })

  rule('C7', 'whole to who comes, and to who did not hear the one before', async (t, on) => {
    const name = on.name('holes')
    const first = await subscriber(t, on, 1, name, { echoMessages: false })
    const publisher = on.client(t, 0).channels.get(name)
    const sent = Array.from({ length: 8 }, (_, no) => `${WORDS}${no}`)
    for (const data of sent.slice(0, 3)) await publisher.publish('n', data)
    const late = await subscriber(t, on, 1, name, {}, { rewind: '1' })
    await until('rewound', () => late.heard.length === 1)
    await first.channel.publish('n', sent[3])
    for (const data of sent.slice(4)) await publisher.publish('n', data)
    await until('all', () => late.data().includes(sent[7]) && first.data().includes(sent[7]))
    t.same(late.data(), sent.slice(2))
    t.equal(late.decodes.count, 5, 'it goes on from what it was rewound to')
    t.same(first.data(), sent.filter((_, no) => no !== 3))
    t.equal(first.decodes.count, 5, 'whole are the first, and the one after its own')
    const later = await subscriber(t, on, 2, name, {}, { rewind: '6' })
    await until('six', () => later.heard.length === 6)
    await publisher.publish('n', `${WORDS}8`)
    await until('one more', () => later.heard.length === 7)
    t.same(later.data(), [...sent.slice(2), `${WORDS}8`])
    t.equal(later.decodes.count, 6, 'the first of what it rewound to is whole, the rest deltas')
  })

  rule('C8', 'of what was missed the first is whole, the rest are deltas', async (t, on) => {
    const name = on.name('missed')
    const socket = await on.socket(t, 1)
    const params = { delta: 'vcdiff' }
    socket.send({ action: ATTACH, channel: name, params })
    await socket.next(({ action }) => action === ATTACHED)
    const publisher = on.client(t, 0).channels.get(name)
    for (let no = 0; no < 4; no++) await publisher.publish('n', `${WORDS}${no}`)
    const told = []
    for (let no = 0; no < 4; no++) told.push(await socket.next(({ action }) => action === MESSAGE))
    const { channelSerial } = told[0]!
    socket.send({ action: DETACH, channel: name })
    socket.send({ action: ATTACH, channel: name, params, channelSerial })
    t.ok((await socket.next(({ action }) => action === ATTACHED)).flags! & RESUMED)
    for (const isWhole of [true, false, false]) {
      const { messages } = await socket.next(({ action }) => action === MESSAGE)
      t.equal(messages![0]!['extras'] === undefined, isWhole)
    }
    await publisher.publish('n', `${WORDS}4`)
    const { messages } = await socket.next(({ action }) => action === MESSAGE)
    t.match(messages![0], { extras: { delta: { format: 'vcdiff' } } }, 'and so it goes on')
  })

  rule('C7', 'several messages in one publish build on each other', async (t, on) => {
    const name = on.name('several')
    const { data, decodes, heard } = await subscriber(t, on, 2, name)
    const publisher = on.client(t, 0).channels.get(name)
    const sent = Array.from({ length: 6 }, (_, no) => `${WORDS}${no}`)
    await publisher.publish(sent.slice(0, 3).map((each) => ({ data: each })))
    await publisher.publish(sent.slice(3).map((each) => ({ data: each })))
    await until('all', () => heard.length === 6)
    t.same(data(), sent)
    t.equal(decodes.count, 3)
  })

  rule('C8', 'who cannot read one goes on from the last good one', async (t, on) => {
    const name = on.name('recovery')
    const { channel, data, decodes, heard } = await subscriber(t, on, 1, name)
    const sent = Array.from({ length: 20 }, (_, no) => `${WORDS}${no}`)
    decodes.failsAt = 4
    const reasons: unknown[] = []
    channel.on('attaching', ({ reason }) => void reasons.push(reason?.code))
    const publisher = on.client(t, 0).channels.get(name)
    for (const each of sent) await publisher.publish('n', each)
    await until('all', () => heard.length === sent.length)
    t.same(data(), sent)
    t.same(reasons, [40018])
    const before = decodes.count
    for (const each of sent.slice(0, 3)) await publisher.publish('n', each)
    await until('three more', () => heard.length === sent.length + 3)
    t.equal(decodes.count, before + 3, 'and deltas go on')
  })

  rule('C9', 'deltas of a derived channel build on what it shows', async (t, on) => {
    const app = await on.app({ keys: [{ capability: JSON.stringify(OUR_CLIENTS) }] })
    const name = on.name('derived')
    const decodes = decoder()
    const client = on.client(t, 2, { plugins: { vcdiff: decodes } }, app.keys[0])
    const channel = client.channels.getDerived(name, { filter: 'name == `"a"`' },
      { params: { delta: 'vcdiff' } })
    const heard: unknown[] = []
    await channel.subscribe(({ data }) => void heard.push(data))
    const publisher = on.client(t, 0, {}, app.keys[0]).channels.get(name)
    for (const [no, each] of ['a', 'b', 'a', 'b', 'a'].entries()) {
      await publisher.publish(each, `${WORDS}${no}`)
    }
    await until('three', () => heard.length === 3)
    t.same(heard, [`${WORDS}0`, `${WORDS}2`, `${WORDS}4`])
    t.equal(decodes.count, 2)
  })
})

function asText(data: unknown): string {
  if (typeof data === 'string') return data
  return data instanceof ArrayBuffer || ArrayBuffer.isView(data)
    ? Buffer.from(data as ArrayBuffer).toString() : JSON.stringify(data)
}
