import t from 'tap'
import { Random } from '../../../src/base/random.ts'
import {
  SerialClock, channelSerial, channelSerialBefore, messageSerial, parseChannelSerial,
  parseMessageSerial
} from '../../../src/wire/serial.ts'

t.test('a message serial has the form that SDKs know', async t => {
  const parts = { ms: 1726232498871, counter: 1, site: 'abcdefghij' }
  t.equal(messageSerial(parts, 2), '01726232498871-001@abcdefghij:002')
  t.strictSame(parseMessageSerial('01726232498871-001@abcdefghij:002'), { ...parts, index: 2 })
})

t.test('what is no message serial of ours reads as none', async t => {
  const foreign = ['', 'x', '1726232498871-001@abc:002', '01726232498871-001@abc',
    '01726232498871-001@:002', '01726232498871-1000@abc:002', '01726232498871-001@a:b:002',
    '01726232498871-001@abc:002 ']
  for (const text of foreign) t.equal(parseMessageSerial(text), undefined, text)
})

t.test('[5] serials rise as texts, whatever the wall clock does and whoever goes on', async t => {
  const random = new Random('serials')
  let clock = new SerialClock()
  let wallMs = 1726232498871
  let last = ''
  for (let turn = 0; turn < 20000; turn++) {
    wallMs += random.below(100) === 0 ? random.below(2000) - 1000 : 0
    const tick = { ...clock.next(wallMs), site: random.id(8) }
    const count = 1 + random.below(3)
    for (let index = 0; index < count; index++) {
      const serial = messageSerial(tick, index)
      if (serial <= last) t.fail(`${serial} after ${last}`)
      last = serial
    }
    if (random.below(500) === 0) {
      clock = new SerialClock()
      clock.follow(last)
    }
  }
  t.ok(last > '00000000000000-000@aaa:000')
})

t.test('a thousand ticks within one millisecond run ahead rather than break the order', async t => {
  const clock = new SerialClock()
  const serials: string[] = []
  for (let turn = 0; turn < 3500; turn++) {
    serials.push(messageSerial({ ...clock.next(1000), site: 's' }, 0))
  }
  t.strictSame(serials, serials.toSorted())
  t.equal(new Set(serials).size, 3500)
  t.strictSame(clock.last(), { ms: 1003, counter: 499 })
})

t.test('serials of different publishes part before their last colon', async t => {
  const clock = new SerialClock()
  const bases = [1, 2, 3].map(() => messageSerial({ ...clock.next(5), site: 's' }, 0).split(':')[0])
  t.equal(new Set(bases).size, 3)
})

t.test('following an earlier or foreign serial changes nothing', async t => {
  const clock = new SerialClock()
  clock.next(1000)
  clock.follow('00000000000999-500@s:000')
  clock.follow('not a serial')
  t.strictSame(clock.next(900), { ms: 1000, counter: 1 })
})

t.test('a channelSerial comes back as what it was made of', async t => {
  const random = new Random('channel serials')
  for (let turn = 0; turn < 2000; turn++) {
    const parts = {
      lineage: random.id(1 + random.below(20)),
      seq: Math.floor(random.unit() * 2 ** random.below(54)),
      epoch: `${random.below(1000)}.${random.below(10)}`,
      entry: Math.floor(random.unit() * 2 ** random.below(54))
    }
    const text = channelSerial(parts)
    t.strictSame(parseChannelSerial(text), parts)
    t.equal(encodeURIComponent(text), text, 'it needs no escaping')
  }
})

t.test('a foreign or malformed channelSerial reads as none', async t => {
  const foreign = ['', 'rc1', 'rc1~', 'rc1~a~b~1', 'rc1~a~b~1~1~1', 'rc2~a~b~1~1', 'rc1~~b~1~1',
    'rc1~a~b~~1', 'rc1~a~b~-1~1', 'rc1~a~b~1.5~1', 'rc1~a~b~zzzzzzzzzzz~1', 'rc1~a b~b~1~1',
    'e91Abc:1726232498871', '01726232498871-001@abc:002', `rc1~${'a'.repeat(65)}~b~1~1`]
  for (const text of foreign) t.equal(parseChannelSerial(text), undefined, text)
})

t.test('the place before another one is of the same history, one step earlier', async t => {
  const parts = { lineage: 'L1', seq: 36, epoch: '3', entry: 72 }
  t.strictSame(parseChannelSerial(channelSerialBefore(channelSerial(parts))!),
    { ...parts, seq: 35, entry: 71 })
  for (const none of ['', 'foreign', channelSerial({ ...parts, seq: 0 })]) {
    t.equal(channelSerialBefore(none), undefined)
  }
})
