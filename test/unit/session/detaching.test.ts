import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { credentials, SessionBench } from './session-bench.ts'

const [ATTACH, DETACH, DETACHED, CLOSED] = [10, 12, 13, 8]

/** What is said of channels, `action channel`. */
function told(bench: SessionBench): string[] {
  return bench.said().map(({ action, channel }) => `${action} ${channel}`)
}

/** One that is attached to channels whose members take their time to leave. */
function slow(over = {}): SessionBench {
  const bench = new SessionBench(over)
  bench.attach('c')
  bench.door.isSlow = true
  bench.said()
  return bench
}

t.test('[C13] DETACHED is said when nobody of the connection is present any more', async (t) => {
  const bench = slow()
  bench.send({ action: DETACH, channel: 'c' })
  t.equal(bench.door.taken.length, 0, 'nothing more is told')
  t.same(told(bench), [])
  bench.door.leaving[0]!()
  t.same(told(bench), [`${DETACHED} c`])
  bench.pass(60_000)
  t.same(told(bench), [], 'once')
  bench.send({ action: DETACH, channel: 'never' })
  t.same(told(bench), [`${DETACHED} never`], 'at once where there is nothing to wait for')
  t.equal(bench.deadlines.size, 0)
})

t.test('[C13] where the log is away DETACHED is said nevertheless', async (t) => {
  const bench = slow()
  bench.send({ action: DETACH, channel: 'c' })
  bench.pass(limits.detachAnswerMs - 1)
  t.same(told(bench), [])
  bench.pass(1)
  t.same(told(bench), [`${DETACHED} c`])
  bench.door.leaving[0]!()
  t.same(told(bench), [])
})

t.test('[C13] a DETACH is answered once, before what is asked after it', async (t) => {
  const bench = slow()
  bench.send({ action: DETACH, channel: 'c' })
  bench.send({ action: ATTACH, channel: 'c' })
  t.same(told(bench), [`${DETACHED} c`])
  bench.door.taken[0]!.ears.onAttached({
    channelSerial: 's', isResumed: false, hasBacklog: false, hasPresence: false, error: undefined
  })
  bench.send({ action: DETACH, channel: 'c' })
  bench.send({ action: DETACH, channel: 'c' })
  t.same(told(bench), ['11 c'])
  bench.door.leaving[0]!()
  t.same(told(bench), [], 'that was the former one')
  bench.door.leaving[1]!()
  t.same(told(bench), [`${DETACHED} c`])
})

t.test('[C13] who closes, or has lost its socket, waits for nothing', async (t) => {
  const closing = slow()
  closing.send({ action: DETACH, channel: 'c' })
  closing.send({ action: 7 })
  t.same(told(closing), [`${CLOSED} undefined`])
  const lost = slow()
  lost.send({ action: DETACH, channel: 'c' })
  lost.session.onSocketClosed()
  for (const bench of [closing, lost]) {
    t.equal(bench.deadlines.size, 0)
    bench.door.leaving[0]!()
    t.same(told(bench), [])
  }
})

t.test('[C13] of a connection that went on, what it left on former sockets leaves too',
  async (t) => {
    const bench = new SessionBench({ claim: 1 })
    bench.attach('c')
    bench.attach('[filter=bmFtZQ]c')
    for (const channel of ['[filter=bmFtZQ]c', '[filter=bmFtZQ]d', '']) {
      bench.send({ action: DETACH, channel })
    }
    t.same(bench.door.leaves, [], 'nobody lives by what is filtered')
    for (const channel of ['c', '[?]d']) bench.send({ action: DETACH, channel })
    t.same(bench.door.leaves, ['app/c conn 1 0, legacies too', 'app/d conn 1 0, legacies too'],
      'also where it has not attached again')
    bench.attach('c')
    for (const channel of ['c', 'd']) bench.send({ action: DETACH, channel })
    t.same(bench.door.leaves.splice(2), ['app/c conn 1 0'], 'once')
    bench.attach('e')
    bench.nowMs += limits.connectionStateTtlMs
    bench.send({ action: DETACH, channel: 'e' })
    t.same(bench.door.leaves.slice(2), ['app/e conn 1 0'], 'later there is nothing left')
    bench.send({ action: DETACH, channel: 'f' })
    t.equal(bench.door.leaves.length, 3)
  })

t.test('[C13] names that nobody attached to are asked about as often as that is good',
  async (t) => {
    const bench = new SessionBench({ claim: 1, channelCountMax: 3 })
    for (let no = 0; no < 5; no++) bench.send({ action: DETACH, channel: `c${no}` })
    t.equal(bench.door.leaves.length, 3, 'of no more than it may attach to')
    t.equal(told(bench).length, 5, 'and each is answered')
    const fast = new SessionBench({ claim: 1, channelCountMax: 10_000 })
    for (let no = 0; no < limits.attachesPerSecondMax + 5; no++) {
      fast.send({ action: DETACH, channel: `c${no}` })
    }
    t.equal(fast.door.leaves.length, limits.attachesPerSecondMax)
  })

t.test('[C13] an attach that is refused: after DETACHED of before; it is to be tried again',
  async (t) => {
    const bench = slow({ claim: 1 })
    bench.send({ action: DETACH, channel: 'c' })
    bench.attach('c', { params: { rewind: 'nonsense' } })
    t.same(told(bench), [`${DETACHED} c`, '9 c'])
    for (let no = 0; no <= limits.attachesPerSecondMax; no++) bench.attach(`d${no}`)
    bench.attach('d0')
    t.same(told(bench).at(-1), `${DETACHED} d0`)
    t.same(bench.door.leaves.at(-1), 'app/d0 conn 1 0', 'and nobody is ended for that')
  })

t.test('[M23] members are inherited by who recovered the connection, lately', async (t) => {
  for (const [claim, isRecovered, ageMs, inherits] of [
    [1, true, 0, true], [1, false, 0, false], [1, true, limits.connectionStateTtlMs, false]
  ] as const) {
    const bench = new SessionBench({ claim, isRecovered })
    bench.nowMs += ageMs
    bench.attach('c')
    t.equal(bench.door.taken[0]!.ears.inheritsMembers, inherits)
  }
  const mute = new SessionBench({
    claim: 1, isRecovered: true, credentials: credentials({ '*': ['subscribe'] })
  })
  mute.attach('c')
  t.notOk(mute.door.taken[0]!.ears.inheritsMembers, 'and who may be present')
  const heir = new SessionBench({ claim: 1, isRecovered: true })
  heir.attach('c')
  heir.send({ action: 7 })
  t.same(heir.door.leaves, ['app/c conn 1 0, legacies too'], 'and end with it')
})
