import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { DEFAULT_MODE_BITS, Flag } from '../../../src/wire/actions.ts'
import { errors } from '../../../src/wire/errors.ts'
import { encodeFrame } from '../../../src/wire/frame.ts'
import type { ProtocolMessage } from '../../../src/wire/protocol-message.ts'
import { channelSerial } from '../../../src/wire/serial.ts'
import { credentials, SessionBench, type TestSeat } from './session-bench.ts'

const serial = channelSerial({ lineage: 'L1', seq: 7, epoch: '3', entry: 9 })
const begins = {
  channelSerial: serial, isResumed: false, hasBacklog: false, hasPresence: false,
  error: undefined
}
const lost = errors.continuityLost().info

/** A session with one attachment to `c` that asked so, not answered yet. */
function attaching(over: Partial<ProtocolMessage> = {}) {
  const bench = new SessionBench()
  bench.attach('c', over)
  return { bench, seat: bench.door.seats[0]! }
}

function message(data: string) {
  return encodeFrame({ action: 15, channel: 'c', messages: [{ data, encoding: undefined }] },
    'json')
}

/** Actions with what tells their frames apart. */
function story(said: readonly ProtocolMessage[]): string[] {
  return said.map(({ action, channel, error, messages }) =>
    [action, channel, error?.code, messages?.[0]?.data].filter((part) => part !== undefined)
      .join(' '))
}

t.test('an ATTACH is passed on with its name, format and place, and answered by ATTACHED',
  async (t) => {
    const { bench, seat } = attaching({ channelSerial: serial })
    t.match(seat, {
      channel: 'app/c', variant: { format: 'json', wireName: 'c' },
      from: { lineage: 'L1', seq: 7, epoch: '3', entry: 9 }
    })
    t.same(bench.said(), [])
    seat.ears.onAttached(begins)
    seat.ears.onFrame(message('live'))
    const said = bench.said()
    t.same(story(said), ['11 c', '15 c live'])
    t.match(said[0], { channelSerial: serial, params: undefined })
    t.equal((said[0]!.flags! & (Flag.RESUMED | Flag.HAS_BACKLOG)), 0)
    t.ok(said[0]!.flags! & Flag.SUBSCRIBE)
  })

t.test('[19] RESUMED and HAS_BACKLOG are said as the channel says them', async (t) => {
  for (const isResumed of [true, false]) {
    for (const hasBacklog of [true, false]) {
      const { bench, seat } = attaching({ channelSerial: serial })
      seat.ears.onAttached({ ...begins, isResumed, hasBacklog })
      const flags = bench.said()[0]!.flags!
      t.equal((flags & Flag.RESUMED) !== 0, isResumed)
      t.equal((flags & Flag.HAS_BACKLOG) !== 0, hasBacklog)
    }
  }
})

t.test('[4] a channelSerial that nobody here wrote is lost continuity, never fatal', async (t) => {
  for (const foreign of ['108uyDJAgBOihn12345678', 'rc1~a~b']) {
    const { bench, seat } = attaching({ channelSerial: foreign })
    t.equal(seat.from, undefined, foreign)
    seat.ears.onAttached(begins)
    t.match(bench.said(), [{ action: 11, error: { code: 90003 } }])
  }
  for (const channelSerial of [undefined, '']) {
    const { bench, seat } = attaching({ channelSerial })
    seat.ears.onAttached(begins)
    t.same(bench.said()[0]!.error, undefined, 'who stood nowhere lost nothing')
  }
})

t.test('the channel\'s own cause is the one that is told', async (t) => {
  const { bench, seat } = attaching({ channelSerial: 'foreign' })
  seat.ears.onAttached({ ...begins, error: errors.channelOpTimeout('attach').info })
  t.same(story(bench.said()), ['11 c 90007'])
})

t.test('[3] continuity lost is an ATTACHED without RESUMED; before ATTACHED it is nothing',
  async (t) => {
    const { bench, seat } = attaching({ params: { modes: 'subscribe' } })
    seat.ears.onContinuityLost(serial, lost, false)
    t.same(bench.said(), [])
    seat.ears.onAttached({ ...begins, isResumed: true })
    seat.ears.onContinuityLost(serial, lost, false)
    const [first, second, ...more] = bench.said()
    t.same(more, [])
    t.equal(first!.flags! & ~Flag.RESUMED, second!.flags)
    t.match(second, { action: 11, channelSerial: serial, error: { code: 90003 } })
    t.match(second!.params, { modes: 'subscribe' })
  })

t.test('a DETACH while attaching: DETACHED, and the seat is given back', async (t) => {
  const { bench, seat } = attaching()
  bench.send({ action: 12, channel: 'c' })
  t.same(story(bench.said()), ['13 c'])
  t.ok(seat.isDetached)
  t.equal(bench.session.attachmentCount, 0)
  bench.send({ action: 12, channel: 'c' })
  bench.send({ action: 12, channel: 'never' })
  t.same(story(bench.said()), ['13 c', '13 never'], 'a DETACH always has its answer')
})

t.test('attach twice: the former seat is given back, the latter stands as it says', async (t) => {
  const { bench, seat } = attaching({ params: { modes: 'publish' } })
  seat.ears.onAttached(begins)
  bench.attach('c', { params: { modes: 'subscribe' }, channelSerial: serial })
  const [former, latter] = bench.door.seats as [TestSeat, TestSeat]
  t.same([former.isDetached, latter.isDetached], [true, false])
  t.equal(latter.from!.seq, 7)
  t.equal(latter.former, former, 'and is owed what the former one was')
  t.same([former.ears.subscribes, latter.ears.subscribes], [false, true])
  latter.ears.onAttached(begins)
  t.equal(bench.session.attachmentCount, 1)
  const [first, second] = bench.said()
  t.equal(first!.flags! & Flag.SUBSCRIBE, 0)
  t.equal(second!.flags! & Flag.PUBLISH, 0)
  bench.publish(0)
  t.match(bench.said(), [{ action: 2, error: { code: 40165 } }], 'the latter\'s modes hold')
})

t.test('attached again without a place: it goes on from where it stood, and is not rewound',
  async (t) => {
    const params = { rewind: '3' }
    const { bench, seat } = attaching({ params })
    t.same(seat.rewind, { count: 3 })
    bench.attach('c', { params })
    const [, second] = bench.door.seats as [TestSeat, TestSeat]
    t.same(second.rewind, { count: 3 }, 'the first was not attached yet')
    second.ears.onAttached(begins)
    second.stands = { lineage: 'l', seq: 9, epoch: '1', entry: 9 }
    bench.attach('c', { params })
    const third = bench.door.seats[2]!
    t.match(third, { rewind: undefined, from: { seq: 9 } })
    bench.attach('d', { params, flags: Flag.ATTACH_RESUME })
    t.match(bench.door.seats[3], { rewind: undefined, from: undefined })
  })

t.test('who asks for something else goes on where it was, who asks for the same where it says',
  async (t) => {
    const { bench, seat } = attaching({ params: { rewind: '3' } })
    seat.ears.onAttached(begins)
    seat.stands = { lineage: 'l', seq: 9, epoch: '1', entry: 9 }
    bench.attach('c', { params: { rewind: '3' }, channelSerial: serial })
    t.equal(bench.door.seats[1]!.from!.seq, 7, 'it could not read what came since')
    const changes = [{ params: { delta: 'vcdiff' } }, { params: { delta: 'vcdiff' }, flags:
      Flag.SUBSCRIBE }, {}, { flags: Flag.SUBSCRIBE | Flag.TRANSIENT | Flag.PUBLISH }]
    for (const [no, change] of changes.entries()) {
      const former = bench.door.seats[no + 1]!
      former.ears.onAttached(begins)
      former.stands = { lineage: 'l', seq: 20 + no, epoch: '1', entry: 9 }
      bench.attach('c', { ...change, channelSerial: serial })
      t.equal(bench.door.seats[no + 2]!.from!.seq, 20 + no, JSON.stringify(change))
    }
  })

t.test('known or not, a word that is another one is something else; `agent` is none',
  async (t) => {
    const long = (end: string) => ({ params: { mystery: 'x'.repeat(300) + end } })
    const asks: [Partial<ProtocolMessage>, Partial<ProtocolMessage>, boolean][] = [
      [{}, { params: {} }, true],
      [{}, { params: { agent: 'x/1' } }, true],
      [{ params: { agent: 'x/1', a: '1' } }, { params: { a: '1', agent: 'x/2' } }, true],
      [{ params: { a: '1', b: '2' } }, { params: { b: '2', a: '1' } }, true],
      [{}, { flags: Flag.ATTACH_RESUME }, true],
      [long('1'), long('1'), true],
      [long('1'), long('2'), false],
      [{}, { params: { a: '1' } }, false],
      [{}, { params: { remainPresentFor: '5000' } }, false],
      [{}, { flags: DEFAULT_MODE_BITS }, false]
    ]
    for (const [first, second, isSame] of asks) {
      const { bench, seat } = attaching(first)
      seat.ears.onAttached(begins)
      seat.stands = { lineage: 'l', seq: 9, epoch: '1', entry: 9 }
      bench.attach('c', { ...second, channelSerial: serial })
      t.equal(bench.door.seats[1]!.from!.seq, isSame ? 7 : 9, JSON.stringify(second).slice(0, 60))
    }
  })

t.test('who asks for something else twice at once is attached meanwhile, and goes on where it was',
  async (t) => {
    const { bench, seat } = attaching()
    seat.ears.onAttached(begins)
    for (const no of [1, 2]) {
      bench.door.seats.at(-1)!.stands = { lineage: 'l', seq: 9, epoch: '1', entry: 9 }
      bench.attach('c', { params: { appendMode: String(no) }, channelSerial: serial })
      t.equal(bench.door.seats[no]!.from!.seq, 9)
    }
    bench.attach('c', { params: { appendMode: '2' }, channelSerial: serial })
    t.equal(bench.door.seats[3]!.from!.seq, 7, 'not who asks again for the same')
  })

t.test('[18] a stream of events is rewound so that it goes on from any of them', async (t) => {
  const bench = new SessionBench({}, 'sse')
  bench.attach('c', { params: { rewind: '3' } })
  bench.attach('d')
  t.same(bench.door.seats.map(({ rewind }) => rewind), [{ count: 3, isPlaced: true }, undefined])
})

t.test('one channel under two wire names is two attachments', async (t) => {
  const bench = new SessionBench()
  bench.attach('c')
  bench.attach('[?echo=false]c')
  t.same(bench.door.taken.map(({ channel }) => channel), ['app/c', 'app/c'])
  t.same(bench.door.taken.map(({ ears }) => ears.hearsItself), [true, false])
  bench.send({ action: 12, channel: 'c' })
  t.same(bench.door.taken.map(({ variant }) => variant.wireName), ['[?echo=false]c'])
})

t.test('[19] refused by the channel: DETACHED with the cause, and free to try again', async (t) => {
  const { bench, seat } = attaching()
  seat.ears.onAttachRefused(errors.channelOpTimeout('attach').info)
  t.match(bench.said(), [{ action: 13, channel: 'c', error: { code: 90007 } }])
  t.equal(bench.session.attachmentCount, 0)
  bench.attach('c')
  bench.door.seats[1]!.ears.onAttached(begins)
  t.same(story(bench.said()), ['11 c'])
  bench.session.onSocketClosed()
  t.same(bench.door.seats.map(({ isDetached }) => isDetached), [false, true],
    'a seat that was refused is none')
})

t.test('an ATTACH that cannot be granted fails the channel, and ends what was there', async (t) => {
  const asks: [string, Partial<ProtocolMessage>, number][] = [
    ['c', { params: { rewind: 'often' } }, 40003],
    ['c', { params: { modes: 'nonsense' } }, 40003],
    ['[meta]c', {}, 40160],
    ['', {}, 40010],
    [':c', {}, 40010]
  ]
  for (const [channel, over, code] of asks) {
    const { bench, seat } = attaching()
    seat.ears.onAttached(begins)
    bench.said()
    bench.attach(channel, over)
    t.same(story(bench.said()), [`9 ${channel} ${code}`])
    t.equal(seat.isDetached, channel === 'c')
    t.ok(bench.session.isOpen)
    t.equal(bench.closeCount, 0)
  }
})

t.test('[25] at the bound of attachments: refused, not for those who are there', async (t) => {
  const bench = new SessionBench()
  const max = limits.attachmentsPerSessionMax
  for (let no = 0; no < max; no++) bench.attach(`c${no}`)
  bench.attach('one-more')
  t.same(story(bench.said()), ['9 one-more 90010'])
  bench.attach('c5')
  t.same(bench.said(), [])
  t.equal(bench.door.taken.length, max)
  bench.send({ action: 12, channel: 'c7' })
  bench.attach('one-more')
  t.same(story(bench.said()), ['13 c7'])
  t.equal(bench.door.taken.length, max)
})

t.test('a connection that asked for no echo hears itself nowhere', async (t) => {
  const bench = new SessionBench({ echoes: false })
  bench.attach('c')
  bench.attach('d', { params: { echo: 'true' } })
  t.same(bench.door.seats.map(({ ears }) => ears.hearsItself), [false, false])
  t.same(bench.door.seats.map(({ ears }) => ears.connectionId), ['conn', 'conn'])
})

t.test('what the capability takes away is not in the answer', async (t) => {
  const bench = new SessionBench({ credentials: credentials({ c: ['subscribe'] }) })
  bench.attach('c')
  bench.attach('d')
  t.same(story(bench.said()), ['9 d 40160'])
  bench.door.seats[0]!.ears.onAttached(begins)
  const { flags } = bench.said()[0]!
  t.equal(flags! & Flag.PUBLISH, 0)
  t.ok(flags! & Flag.SUBSCRIBE)
})

t.test('whatever a client does: one seat per channel, each given back once', async (t) => {
  for (let seed = 0; seed < 100; seed++) {
    const random = new Random(`attachment/${seed}`)
    const bench = new SessionBench()
    const wanted = new Set<string>()
    const pending = new Map<string, TestSeat>()
    for (let step = 0; step < 60; step++) {
      const channel = `c${random.below(5)}`
      const draw = random.unit()
      if (draw < 0.5) {
        bench.attach(channel)
        wanted.add(channel)
        pending.set(channel, bench.door.seats.at(-1)!)
      } else if (draw < 0.7) {
        bench.send({ action: 12, channel })
        wanted.delete(channel)
        pending.delete(channel)
      } else if (pending.has(channel)) {
        const { ears } = pending.get(channel)!
        pending.delete(channel)
        if (draw < 0.9) {
          ears.onAttached(begins)
        } else {
          ears.onAttachRefused(lost)
          wanted.delete(channel)
          bench.door.seats.splice(bench.door.seats.findIndex((seat) => seat.ears === ears), 1)
        }
      }
      const names = bench.door.taken.map(({ variant }) => variant.wireName).sort()
      if (`${names}` !== `${[...wanted].sort()}`) t.fail(`seed ${seed} step ${step}: ${names}`)
    }
    t.equal(bench.session.attachmentCount, wanted.size)
    bench.session.onSocketClosed()
    t.same(bench.door.taken, [], `seed ${seed}`)
  }
})
