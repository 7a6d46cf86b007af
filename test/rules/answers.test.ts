import type { Test } from 'tap'
import { errorOf, until } from '../support/ably-clients.ts'
import { PlainSocket, type Told } from '../support/plain-socket.ts'
import { plainAttach } from './support/attach.ts'
import { ruleFile, type Stage } from './support/rule.ts'

const ACK = 1
const NACK = 2
const PRESENCE = 14
const MESSAGE = 15
const OBJECT = 19
const ANNOTATION = 21
const PUBLISH = 1 << 17
const SUBSCRIBE = 1 << 18

/** ACKs and NACKs that a socket was told, once they answer so many frames. */
async function answersTo(socket: PlainSocket, frameCount: number): Promise<Told[]> {
  const answers = (): Told[] =>
    socket.all.filter(({ action }) => action === ACK || action === NACK)
  await until(`${frameCount} answers`, () =>
    answers().reduce((sum, { count = 0 }) => sum + count, 0) >= frameCount)
  return answers()
}

/** Holds that the ranges of answers follow each other from 0 without a gap. */
function isGapless(t: Test, answers: readonly Told[]): void {
  let next = 0
  for (const { msgSerial, count } of answers) {
    t.equal(msgSerial, next)
    next += count!
  }
}

/** The answer to a frame that is said alone. */
async function answerTo(socket: PlainSocket, frame: object): Promise<Told> {
  socket.send(frame)
  return socket.next(({ action }) => action === ACK || action === NACK)
}

/** Data and encodings as a plain socket of this format is told them. */
async function hearing(
  t: Test, on: Stage, name: string, format: 'json' | 'msgpack'
): Promise<(count: number) => Promise<unknown[][]>> {
  const socket = await PlainSocket.connected(t, on.url(2), { format, params: { key: on.key } })
  await plainAttach(socket, name)
  return async (count) => {
    const told = () => socket.all.filter(({ action }) => action === MESSAGE)
      .flatMap(({ messages }) => messages!)
    await until('all', () => told().length >= count)
    return told().map(({ data, encoding }) =>
      [data instanceof Uint8Array ? Buffer.from(data) : data, encoding])
  }
}

const BYTES = Buffer.from([0, 1, 254, 255])
const BASE64 = BYTES.toString('base64')

/** As JSON says it, and as MessagePack does. */
const CHAINS: [string, unknown, string | undefined, unknown, string | undefined][] = [
  ['binary', BASE64, 'base64', BYTES, undefined],
  ['a cipher', BASE64, 'json/utf-8/cipher+aes-128-cbc/base64',
    BYTES, 'json/utf-8/cipher+aes-128-cbc'],
  ['unknown steps of bytes', BASE64, 'utf-8/nonsense/base64', BYTES, 'utf-8/nonsense'],
  ['JSON', '{"a":[1]}', 'json', '{"a":[1]}', 'json'],
  ['a text in base64, under another name', BASE64, 'notbase64', BASE64, 'notbase64'],
  ['unknown steps of a text', 'zz', 'foo/bar', 'zz', 'foo/bar'],
  ['text of bytes', BASE64, 'utf-8/base64', BYTES, 'utf-8']
]

ruleFile('answers', (rule) => {
  rule('P6', 'an attachment without the mode PUBLISH', async (t, on) => {
    const name = on.name('modes')
    const client = on.client(t, 0)
    const mute = client.channels.get(name, { modes: ['SUBSCRIBE'] })
    await mute.attach()
    t.match(await errorOf(mute.publish('n', 'x')), { code: 40165, statusCode: 401 })
    await client.channels.get(on.name('other')).publish('n', 'x')
    const socket = await on.socket(t, 1)
    await plainAttach(socket, name, { flags: SUBSCRIBE })
    const frame = { action: MESSAGE, channel: name, messages: [{ data: 'x' }] }
    t.match(await answerTo(socket, { ...frame, msgSerial: 0 }),
      { action: NACK, msgSerial: 0, count: 1, error: { code: 40165, statusCode: 401 } })
    await plainAttach(socket, name, { flags: PUBLISH })
    t.equal((await answerTo(socket, { ...frame, msgSerial: 1 })).action, ACK)
  })

  rule('P8', 'ranges without a gap; a serial for each message, as subscribers are told it',
    async (t, on) => {
      const name = on.name('acks')
      const listener = await on.socket(t, 2)
      await plainAttach(listener, name)
      const socket = await on.socket(t, 0)
      const count = 300
      for (let msgSerial = 0; msgSerial < count; msgSerial++) {
        const messages = Array.from({ length: 1 + msgSerial % 3 }, (_, no) => ({ data: `${no}` }))
        socket.send({ action: MESSAGE, channel: name, msgSerial, messages })
      }
      const answers = await answersTo(socket, count)
      isGapless(t, answers)
      t.ok(answers.every(({ action }) => action === ACK))
      t.ok(answers.length < count, `${answers.length} frames: some answer several publishes`)
      for (const { count: covered, res } of answers) t.equal(res!.length, covered)
      const serials = answers.flatMap(({ res }) => res!.map((each) => each.serials))
      t.same(serials.map(({ length }) => length),
        Array.from({ length: count }, (_, no) => 1 + no % 3))
      const heard = () => listener.all.filter(({ action }) => action === MESSAGE)
        .flatMap(({ messages }) => messages!.map(({ serial }) => serial))
      await until('all', () => heard().length >= serials.flat().length)
      t.same(serials.flat(), heard())
    })

  rule('P8', 'refusals have ranges, too, in their places', async (t, on) => {
    const name = on.name('nacks')
    const socket = await on.socket(t, 0)
    const count = 120
    for (let msgSerial = 0; msgSerial < count; msgSerial++) {
      const isWrong = msgSerial % 12 >= 6
      const messages = [{ data: 'x', name: isWrong ? 7 : 'n' }]
      socket.send({ action: MESSAGE, channel: name, msgSerial, messages })
    }
    const answers = await answersTo(socket, count)
    isGapless(t, answers)
    const nacks = answers.filter(({ action }) => action === NACK)
    t.ok(nacks.some(({ count: covered }) => covered! > 1), 'one NACK for several in a row')
    for (const { msgSerial, count: covered = 0, error, action } of answers) {
      const isRefused = action === NACK
      t.equal(error?.code, isRefused ? 40016 : undefined)
      for (let no = msgSerial!; no < msgSerial! + covered; no++) {
        t.equal(no % 12 >= 6, isRefused, `publish ${no}`)
      }
    }
  })

  rule('P9', 'what is no publish, each by its code', async (t, on) => {
    const name = on.name('wrong')
    const listener = await on.socket(t, 2)
    await plainAttach(listener, name)
    const socket = await on.socket(t, 1)
    const many = Array.from({ length: 1_001 }, () => ({ data: 'x' }))
    const cases: [unknown, number][] = [
      [[], 40001], [undefined, 40001], ['x', 40001], [['x'], 40001],
      [[{ data: 'x', action: 'create' }], 40001], [[{ data: 'x', serial: 5 }], 40001],
      [[{ data: 5 }], 40013], [[{ data: true }], 40013], [[{ data: 'x', encoding: 5 }], 40013],
      [[{ data: { a: 1 }, encoding: 'json' }], 40013],
      [[{ data: 'x', name: 5 }], 40016], [[{ data: 'x', name: ['n'] }], 40016],
      [[{ data: 'x', extras: 'x' }], 40032], [[{ data: 'x', extras: [1] }], 40032],
      [many, 40034], [[{ data: 'x' }, { data: 5 }], 40013],
      [[{ data: 'x', id: 'x'.repeat(1_025) }], 40031],
      [[{ data: 'x', encoding: 'x'.repeat(1_025) }], 40013],
      ...[1, 2, 3, 4, 5].map((action): [unknown, number] =>
        [[{ action, serial: 'x', data: 'y' }], 93002])
    ]
    for (const [msgSerial, [messages, code]] of cases.entries()) {
      const told = await answerTo(socket, { action: MESSAGE, channel: name, msgSerial, messages })
      t.match(told, { action: NACK, msgSerial, count: 1, error: { code, statusCode: 400 } },
        JSON.stringify(messages)?.slice(0, 60))
    }
    const last = { action: MESSAGE, channel: name, msgSerial: cases.length,
      messages: [{ data: 'fine' }] }
    t.equal((await answerTo(socket, last)).action, ACK, 'the connection goes on')
    const heard = await listener.next(({ action }) => action === MESSAGE)
    t.match(heard.messages, [{ data: 'fine' }], 'nothing else was taken')
  })

  rule('P9', 'changes of messages, where a namespace would have them; annotations; objects',
    async (t, on) => {
      const namespaces = [{ id: 'm', mutableMessages: true }]
      const { keys } = await on.app({ keys: [{}], namespaces })
      const socket = await on.socket(t, 0, { params: { key: keys[0]! } })
      const channel = on.name('m:x')
      await plainAttach(socket, channel, { flags: SUBSCRIBE })
      const update = [{ action: 1, serial: 'x', data: 'y' }]
      const told = await answerTo(socket, { action: MESSAGE, channel, msgSerial: 0,
        messages: update })
      t.equal(told.error!.code, 40165)
      const other = on.name('m:y')
      const refused = await answerTo(socket, { action: MESSAGE, channel: other, msgSerial: 1,
        messages: update })
      t.match(refused.error, { code: 93002, statusCode: 400, message: /not supported/ })
      const annotations = [{ action: 0, type: 'x:total.v1', messageSerial: 'y' }]
      const frames = [
        { action: ANNOTATION, annotations },
        { action: OBJECT, state: [{ operation: { action: 4, objectId: 'counter:x@1' } }] }
      ]
      for (const [no, frame] of frames.entries()) {
        const answer = await answerTo(socket, { ...frame, channel, msgSerial: no + 2 })
        t.match(answer, { action: NACK, error: { code: 40021, statusCode: 400 } })
      }
      const rest = await answerTo(socket, { action: PRESENCE, channel, msgSerial: 4,
        presence: [{ action: 2, clientId: 'ann' }] })
      t.equal(rest.error!.code, 40160, 'no mode PRESENCE')
    })

  rule('P10', 'encodings pass untouched, but for the base64 of bytes in JSON', async (t, on) => {
    const name = on.name('chains')
    const [json, packed] = [
      await hearing(t, on, name, 'json'), await hearing(t, on, name, 'msgpack')
    ]
    const socket = await on.socket(t, 0)
    for (const [no, [, text, textSteps, packedData, packedSteps]] of CHAINS.entries()) {
      const [data, encoding] = on.format === 'json' ? [text, textSteps]
        : [packedData, packedSteps]
      const messages = [encoding === undefined ? { data } : { data, encoding }]
      socket.send({ action: MESSAGE, channel: name, msgSerial: no, messages })
    }
    const [heardByJson, heardByPacked] =
      [await json(CHAINS.length), await packed(CHAINS.length)]
    for (const [no, [title, text, textSteps, packedData, packedSteps]] of CHAINS.entries()) {
      t.same(heardByJson[no], [text, textSteps], `${title}, told in JSON`)
      t.same(heardByPacked[no], [packedData, packedSteps], `${title}, told in MessagePack`)
    }
  })

  rule('P10', 'a cipher of one client is read by another of the other format', async (t, on) => {
    const name = on.name('secret')
    const cipher = { key: Buffer.alloc(32, 7) }
    const reader = on.client(t, 2, { useBinaryProtocol: on.format === 'json' })
      .channels.get(name, { cipher })
    const heard: unknown[] = []
    await reader.subscribe(({ data }) => void heard.push(data))
    const writer = on.client(t, 0).channels.get(name, { cipher })
    await writer.publish('n', 'a text')
    await writer.publish('n', { a: [1] })
    await writer.publish('n', BYTES)
    await until('all three', () => heard.length === 3)
    t.same(heard.slice(0, 2), ['a text', { a: [1] }])
    t.same(Buffer.from(heard[2] as Buffer), BYTES)
  })
})
