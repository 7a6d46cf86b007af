import t from 'tap'
import { Random } from '../../../src/base/random.ts'
import { Action } from '../../../src/wire/actions.ts'
import {
  decodeBody, decodeFrame, decodeProtocolMessage, encodeBody, encodeProtocolMessage
} from '../../../src/wire/codec.ts'
import type {
  Format, Message, ProtocolMessage
} from '../../../src/wire/protocol-message.ts'

const FORMATS: readonly Format[] = ['json', 'msgpack']

function decoded(source: Uint8Array | string, format: Format): ProtocolMessage {
  const result = decodeProtocolMessage(source, format)
  if (!result.ok) throw new Error(result.error.info.message)
  return result.message
}

function refused(source: Uint8Array | string, format: Format) {
  const result = decodeProtocolMessage(source, format)
  if (result.ok) throw new Error(`not refused: ${JSON.stringify(result.message)}`)
  return result
}

/** What is left when undefined fields are left out, bytes shown as hex. */
function shown(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_key, inner) =>
    inner instanceof Uint8Array ? { hex: Buffer.from(inner).toString('hex') } : inner))
}

/** JSON sees a Buffer's toJSON before any replacer does, so drawn data is a bare Uint8Array. */
function drawnData(random: Random): string | Uint8Array | undefined {
  const kind = random.below(4)
  if (kind === 0) return undefined
  if (kind === 1) return ''
  if (kind === 2) return `t\u00e9xt \u{1f600} ${random.id(random.below(300))}`
  return Uint8Array.from({ length: random.below(300) }, () => random.below(256))
}

function drawnMessage(random: Random): Message {
  const steps = ['json', 'utf-8/cipher+aes-128-cbc', 'nonsense', undefined]
  return {
    id: random.below(2) === 0 ? undefined : random.id(12),
    name: ['', 'greeting', '名', undefined][random.below(4)],
    data: drawnData(random),
    encoding: steps[random.below(4)],
    clientId: random.below(2) === 0 ? undefined : 'me',
    timestamp: random.below(2) === 0 ? undefined : 1726232498871 + random.below(1000),
    extras: random.below(2) === 0 ? undefined : { headers: { a: [1, 2.5, null, -7, true] } }
  }
}

function drawnFrame(random: Random): ProtocolMessage {
  return {
    action: Action.MESSAGE,
    channel: `room:${random.id(6)}`,
    msgSerial: random.below(70000),
    flags: random.below(2 ** 26),
    messages: Array.from({ length: 1 + random.below(8) }, () => drawnMessage(random)),
    params: { rewind: '1' }
  }
}

t.test('any frame survives both formats, bytes included, and says the same in each', async t => {
  const random = new Random('codec')
  for (let turn = 0; turn < 300; turn++) {
    const frame = drawnFrame(random)
    for (const format of FORMATS) {
      const again = decoded(encodeProtocolMessage(frame, format), format)
      t.strictSame(shown(again), shown(frame))
    }
  }
})

t.test('bytes published in MessagePack reach JSON as base64, and the other way round', async t => {
  const item = { data: Uint8Array.of(0, 255, 16), encoding: 'cipher+aes-128-cbc' }
  const frame = { action: Action.MESSAGE, channel: 'c', messages: [item] }
  const packed = decoded(encodeProtocolMessage(frame, 'msgpack'), 'msgpack')
  const json = JSON.parse(Buffer.from(encodeProtocolMessage(packed, 'json')).toString())
  t.strictSame(json.messages, [{ data: 'AP8Q', encoding: 'cipher+aes-128-cbc/base64' }])
  const back = decoded(JSON.stringify(json), 'json')
  t.strictSame(shown(back.messages), shown([item]))
})

t.test('fields that are undefined are left out, not written as null', async t => {
  const frame = { action: Action.HEARTBEAT, id: undefined, messages: undefined }
  t.equal(Buffer.from(encodeProtocolMessage(frame, 'json')).toString(), '{"action":0}')
  const bytes = encodeProtocolMessage(frame, 'msgpack')
  t.equal(Buffer.from(bytes).toString('hex'), '81a6616374696f6e00')
})

t.test('times go out in MessagePack as 64-bit unsigned integers', async t => {
  const timestamp = 1726232498871
  const bytes = encodeProtocolMessage({ action: 0, timestamp }, 'msgpack')
  const uint64 = `cf${timestamp.toString(16).padStart(16, '0')}`
  t.ok(Buffer.from(bytes).toString('hex').endsWith(uint64))
})

t.test('an undefined inside a list, as SDKs write it, is read', async t => {
  const extras = '82a76865616465727381a16191d40000a161c0'
  const frame = `83a6616374696f6e0fa76368616e6e656ca163a86d65737361676573` +
    `9181a6657874726173${extras}`
  const message = decoded(Buffer.from(frame, 'hex'), 'msgpack').messages?.[0]
  t.strictSame(message?.extras, { headers: { a: [undefined] }, a: null })
})

t.test('every width of integer, string and binary is read', async t => {
  const head = '82a6616374696f6e'
  const serials: readonly [string, number][] = [
    ['05', 5], ['cc05', 5], ['cd0005', 5], ['ce00000005', 5], ['cf0000000000000005', 5],
    ['d005', 5], ['d10005', 5], ['d200000005', 5], ['d30000000000000005', 5],
    ['ca40a00000', 5], ['cb4014000000000000', 5]
  ]
  for (const [hex, value] of serials) {
    const bytes = Buffer.from(`${head}00a96d736753657269616c${hex}`, 'hex')
    t.equal(decoded(bytes, 'msgpack').msgSerial, value, hex)
  }
  for (const hex of ['a163', 'd90163', 'da000163', 'db0000000163']) {
    const bytes = Buffer.from(`${head}0aa76368616e6e656c${hex}`, 'hex')
    t.equal(decoded(bytes, 'msgpack').channel, 'c', hex)
  }
})

t.test('frames that are no protocol message end the connection with 80013', async t => {
  const endsConnection = { scope: 'connection', info: { code: 80013, statusCode: 400 } }
  const nested = '['.repeat(70000) + ']'.repeat(70000)
  const json = ['', '{', 'nonsense', '[]', '1', 'null', '"text"', '{"action":"x"}',
    '{"action":-1}', '{"action":1.5}', nested]
  for (const text of json) {
    const { error } = refused(text, 'json')
    t.match(error, endsConnection, text.slice(0, 20))
  }
  const packed = ['', 'c1', '90', 'c0', '81a6616374696f6e', '81a6616374696f6e0000',
    'dd7fffffff', 'dfffffffff', 'dbffffffff', '91'.repeat(100) + 'c0', '81c0c0',
    '81a95f5f70726f746f5f5f80', '81a6616374696f6ed40100', '81d9']
  for (const hex of packed) {
    const { error } = refused(Buffer.from(hex, 'hex'), 'msgpack')
    t.match(error, endsConnection, hex.slice(0, 40))
  }
})

t.test('JSON in a binary frame is read as what it is', async t => {
  const text = '{"action":15,"channel":"c","messages":[{"data":"x"}]}'
  for (const data of [text, Buffer.from(text), Buffer.from(` ${text}`)]) {
    const read = decodeFrame(data, true)
    t.match(read.ok && read.message, { action: 15, channel: 'c', messages: [{ data: 'x' }] })
  }
  const packed = encodeProtocolMessage({ action: 10, channel: 'c' }, 'msgpack')
  for (const [data, isBinary, isRead] of [
    [packed, true, true], [packed, false, false], [Buffer.from('{"action":'), true, false],
    [Buffer.from([]), true, false], ['', false, false]
  ] as const) {
    const read = decodeFrame(data, isBinary)
    t.equal(read.ok, isRead)
    t.match(read, isRead ? { message: { action: 10 } } : { error: { info: { code: 80013 } } })
  }
})

t.test('text is not taken for MessagePack', async t => {
  t.equal(refused('{"action":0}', 'msgpack').error.info.code, 80013)
})

t.test('no mutation of a frame makes the decoder throw', async t => {
  const random = new Random('mutations')
  let readCount = 0
  for (let turn = 0; turn < 20000; turn++) {
    const format = FORMATS[turn % 2]!
    const bytes = Uint8Array.from(encodeProtocolMessage(drawnFrame(random.fork('frame')), format))
    const cut = random.below(8) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes
    for (let flips = 1 + random.below(4); flips > 0 && cut.length > 0; flips--) {
      cut[random.below(cut.length)] = random.below(256)
    }
    const result = decodeProtocolMessage(cut, format)
    if (!result.ok) continue
    readCount++
    for (const target of FORMATS) encodeProtocolMessage(result.message, target)
  }
  t.ok(readCount > 1000, 'many mutations leave a frame that can be read and encoded again')
})

t.test('random bytes never make the decoder throw', async t => {
  const random = new Random('noise')
  let refusedCount = 0
  for (let turn = 0; turn < 20000; turn++) {
    const bytes = Uint8Array.from({ length: random.below(40) }, () => random.below(256))
    if (bytes.length > 0 && turn % 2 === 0) bytes[0] = 0x80 + random.below(16)
    const result = decodeProtocolMessage(bytes, 'msgpack')
    if (!result.ok) refusedCount++
  }
  t.ok(refusedCount > 19_900, 'and few of them happen to be a protocol message that says nothing')
})

t.test('a body is read and written in both formats; a malformed one is 40001', async t => {
  for (const format of FORMATS) {
    const body = decodeBody(encodeBody([{ name: 'n', data: 'd' }], format), format)
    t.strictSame(body, { ok: true, value: [{ name: 'n', data: 'd' }] })
    const bad = decodeBody(Buffer.from('c1', 'hex'), format)
    t.match(bad, { ok: false, error: { scope: 'request', info: { code: 40001 } } })
  }
})
