import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { GroupBench, item, Listener } from './group-bench.ts'
import { ClientBench, json, ofKind, standing } from './parts.ts'

const filtered = { format: 'json', wireName: '[filter=eA==]c', filter: 'x' } as const

function make(over: Partial<Listener> = {}): Listener {
  return Object.assign(new Listener(), over)
}

t.test('who is told nothing of a channel that moves is told where it stands', async (t) => {
  const bench = new GroupBench()
  const members = {
    all: make(), filtered: make(), alone: make({ hearsItself: false }),
    presence: make({ subscribes: false }), messages: make({ hearsPresence: false }),
    none: make({ subscribes: false, hearsPresence: false, hearsNothing: true })
  }
  for (const member of Object.values(members)) {
    bench.seat(member, 1, member === members.filtered ? filtered : json)
  }
  const taken = () => Object.values(members).map((member) => member.take().join())
  taken()
  bench.pass(10 * limits.quietMs)
  t.same(taken(), ['', '', '', '', '', ''], 'a channel at rest costs nothing')
  bench.broadcast(item(2, [0], 'me'))
  bench.pass(limits.quietMs - 1)
  t.same(taken(), ['2', '', '', '', '2', ''])
  bench.pass(1)
  const stands = 'attached 2 resumed'
  t.same(taken(), ['', stands, stands, stands, '', ''])
  bench.broadcast(item(3, [0], 'me'), item(4, [0], 'other'))
  bench.broadcast({ ...item(5, [0], 'me'), isPresence: true })
  taken()
  bench.pass(limits.quietMs)
  t.same(taken(), ['', 'attached 5 resumed', '', '', '', ''], 'something was heard by the others')
  bench.broadcast({ ...item(6, [0], 'x'), isPresence: true })
  bench.broadcast(item(7, [1], 'x'))
  t.same(taken(), ['6', '7', '6', '6', '', ''])
  bench.pass(limits.quietMs)
  t.same(taken(), ['', '', '', '', 'attached 7 resumed', ''])
  bench.pass(10 * limits.quietMs)
  t.same(taken(), ['', '', '', '', '', ''], 'once')
})

t.test('publishes of no connection are heard by all; of a crowd some are told at a time',
  async (t) => {
    const bench = new GroupBench()
    const alone = make({ hearsItself: false })
    bench.seat(alone, 1)
    bench.broadcast({ ...item(2), connectionId: undefined }, item(3, [0], 'me'))
    alone.take()
    bench.pass(limits.quietMs)
    t.same(alone.take(), [])
    const crowd = Array.from({ length: limits.quietToldAtOnce + 5 }, () => make())
    const seats = crowd.map((member) => bench.seat(member, 3, filtered))
    const toldCount = () => crowd.filter((member) => member.take().length > 0).length
    toldCount()
    bench.broadcast(item(4))
    bench.group.detach(seats.at(-1)!)
    crowd.at(-2)!.hasRoom = false
    bench.pass(limits.quietMs)
    t.equal(toldCount(), limits.quietToldAtOnce)
    bench.pass(limits.socketLookMs)
    t.equal(toldCount(), 3, 'neither who has left, nor who has much to take')
  })

t.test('who hears nothing goes on in the same lineage, whatever has passed', async (t) => {
  const bench = new ClientBench()
  bench.attach()
  bench.join({ standing: standing(5) })
  bench.said()
  bench.told()
  const answers = () => ofKind(bench.told(), 'attached').map(({ isResumed }) => isResumed)
  bench.attach({ from: standing(1), hearsNothing: true })
  t.same([answers(), bench.said()], [[true], []], 'nobody is asked what is still there')
  for (const from of [standing(1, { lineage: 'other' }), standing(9)]) {
    bench.attach({ from, hearsNothing: true })
    t.same([answers(), ofKind(bench.said(), 'backfill').length], [[], 1])
  }
  bench.attach({ from: standing(1) })
  t.same([answers(), ofKind(bench.said(), 'backfill').length], [[], 1])
})
