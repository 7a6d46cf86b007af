import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { SyncPages } from '../../../src/channel/sync-pages.ts'
import type { PresenceMember, Variant } from '../../../src/peer/message.ts'
import { type Frame, payloadOf } from '../../../src/wire/frame.ts'
import type { ProtocolMessage } from '../../../src/wire/protocol-message.ts'

const JSON_VARIANT: Variant = { format: 'json', wireName: 'room' }
const PAGE = limits.presencePageMax

const owner = { incarnation: 'n', worker: 0, generation: 0, claim: 0 }

function member(no: number, id = 0, data = 'x'): [string, PresenceMember] {
  const clientId = `c${no}`
  const said = { data, encoding: undefined, extras: undefined }
  return [clientId, { connectionId: 'k', clientId, id: `k:${id}:0`, timestamp: 1, owner, ...said }]
}

/** Pages with a count of what was encoded since the last look. */
class Bench {
  encodedCount = 0
  pages: SyncPages

  constructor(count: number) {
    this.pages = this.made(Array.from({ length: count }, (_, no) => member(no)))
  }

  made(members: Iterable<[string, PresenceMember]>): SyncPages {
    return new SyncPages('s1', members, (bytes, isKept) => {
      if (isKept !== true) throw new Error('it is kept')
      this.encodedCount++
      return new Uint8Array(bytes)
    })
  }

  /** What is told, with how many pages were encoded for it. */
  told(variant = JSON_VARIANT): { messages: ProtocolMessage[]; encodedCount: number } {
    this.encodedCount = 0
    const messages = this.pages.frames(variant).map(readFrame)
    return { messages, encodedCount: this.encodedCount }
  }
}

function readFrame(frame: Frame): ProtocolMessage {
  return JSON.parse(Buffer.from(payloadOf(frame)).toString()) as ProtocolMessage
}

const idsOf = (messages: readonly ProtocolMessage[]): Map<string, string> =>
  new Map(messages.flatMap(({ presence }) =>
    presence!.map(({ clientId, id }): [string, string] => [clientId!, id!])))

t.test('[8.4] pages of one syncId, the last with an empty cursor; one page has none', async (t) => {
  const { messages } = new Bench(3 * PAGE).told()
  t.same(messages.map(({ channelSerial }) => channelSerial), ['s1:1', 's1:2', 's1:'])
  t.same(messages.map(({ presence }) => presence!.length), [PAGE, PAGE, PAGE])
  t.match(messages[0]!.presence![0], { action: 1, clientId: 'c0', connectionId: 'k', id: 'k:0:0' })
  t.same(new Bench(PAGE).told().messages.map(({ channelSerial }) => channelSerial), [undefined])
  t.same(new Bench(0).told().messages.map(({ presence }) => presence), [[]])
})

t.test('a change costs one page per variant, not the set', async (t) => {
  const bench = new Bench(10 * PAGE)
  const other: Variant = { format: 'json', wireName: '[?delta=vcdiff]room' }
  t.equal(bench.told().encodedCount, 10)
  t.equal(bench.told().encodedCount, 0, 'however many attach')
  t.equal(bench.told(other).encodedCount, 10)
  bench.pages.set(...member(5, 7))
  t.equal(bench.told().encodedCount, 1)
  t.equal(bench.told(other).encodedCount, 1)
  bench.pages.delete('c555')
  t.equal(bench.told().encodedCount, 1)
  bench.pages.set(...member(5_000, 8))
  const { messages, encodedCount } = bench.told()
  t.equal(encodedCount, 2, 'a page began, and another one is not the last any more')
  const ids = idsOf(messages)
  t.equal(ids.size, 10 * PAGE)
  t.same([ids.get('c5'), ids.get('c555'), ids.get('c5000')], ['k:7:0', undefined, 'k:8:0'])
})

t.test('variants that nobody asks for any more are forgotten', async (t) => {
  const bench = new Bench(1)
  const variants = Array.from({ length: limits.syncVariantsMax + 1 }, (_, no): Variant => (
    { format: 'json', wireName: `[?rewind=${no}]room` }))
  for (const variant of variants) t.equal(bench.told(variant).encodedCount, 1)
  t.equal(bench.told(variants[0]).encodedCount, 1)
  t.equal(bench.told(variants.at(-1)).encodedCount, 0)
})

t.test('whoever comes and goes, the set is told as it is, on few pages', async (t) => {
  const random = new Random('sync pages')
  const bench = new Bench(0)
  const model = new Map<string, PresenceMember>()
  let madeCount = 0
  for (let round = 0; round < 300; round++) {
    const grows = round % 100 < 60
    for (let change = 0; change < 40; change++) {
      const no = random.below(2_000)
      if (random.below(10) < (grows ? 8 : 2)) {
        const size = random.below(50) === 0 ? limits.presencePageBytesMax : random.below(300)
        const [key, entered] = member(no, round, 'x'.repeat(size))
        bench.pages.set(key, entered)
        model.set(key, entered)
      } else {
        bench.pages.delete(`c${no}`)
        model.delete(`c${no}`)
      }
    }
    if (bench.pages.isSparse) {
      bench.pages = bench.made(model)
      madeCount++
    }
    t.notOk(bench.pages.isSparse)
    const { messages } = bench.told()
    t.same(idsOf(messages), new Map([...model].map(([key, { id }]) => [key, id])))
    t.ok(messages.every(({ presence }) => presence!.length <= PAGE))
    const cursors = messages.map(({ channelSerial }) => channelSerial)
    t.equal(new Set(cursors).size, cursors.length)
    t.ok(messages.length === 1 ? cursors[0] === undefined : cursors.at(-1) === 's1:')
  }
  t.ok(madeCount < 30, `made ${madeCount} times`)
  for (const key of [...model.keys()].slice(0, -1)) bench.pages.delete(key)
  t.equal(bench.told().messages.length, 1)
})
