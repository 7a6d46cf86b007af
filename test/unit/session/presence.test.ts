import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Flag } from '../../../src/wire/actions.ts'
import type { PresenceMessage } from '../../../src/wire/protocol-message.ts'
import { credentials, SessionBench } from './session-bench.ts'

const ENTER = 2
const LEAVE = 3

/** A session that is attached to `c`, and says things of presence. */
function attached(
  clientId = '*',
  modeBits?: number,
  capability?: Record<string, string[]>
): SessionBench {
  const bench = new SessionBench({ credentials: credentials(capability, clientId) })
  bench.send({ action: 10, channel: 'c', flags: modeBits })
  bench.door.seats[0]!.ears.onAttached({
    channelSerial: 's', isResumed: false, hasBacklog: false, hasPresence: false, error: undefined
  })
  bench.said()
  return bench
}

function say(bench: SessionBench, presence: PresenceMessage[], msgSerial = 0): void {
  bench.send({ action: 14, channel: 'c', msgSerial, presence })
}

/** The code of the NACK that a frame is answered with; undefined if it goes on its way. */
function refusal(bench: SessionBench, presence: PresenceMessage[]): number | undefined {
  say(bench, presence)
  const [answer] = bench.said()
  return bench.door.presents.length === 0 ? answer?.error?.code : undefined
}

t.test('what is admitted goes on its way with names and ids, and is answered by its outcome',
  async (t) => {
    const bench = attached('ann')
    say(bench, [{ action: ENTER, data: 'x' }, { action: LEAVE, clientId: 'ann', id: 'mine' }], 7)
    const [{ channel, said, settle }] = bench.door.presents as [typeof bench.door.presents[0]]
    t.equal(channel, 'app/c')
    t.match(said, { id: 'conn:7', connectionId: 'conn', claim: 0, items: [
      { action: ENTER, clientId: 'ann', id: 'conn:7:0', data: 'x' },
      { action: LEAVE, clientId: 'ann', id: 'mine' }
    ] })
    t.same(bench.said(), [])
    settle({ kind: 'committed', serials: [] })
    t.match(bench.said(), [{ action: 1, msgSerial: 7, count: 1 }])
  })

t.test('[18] answers of presence and of publishes are one row', async (t) => {
  const bench = attached('ann')
  bench.publish(0)
  say(bench, [{ action: ENTER }], 1)
  bench.door.presents[0]!.settle({ kind: 'committed', serials: [] })
  t.same(bench.said(), [], 'the publish comes first')
  bench.door.submits[0]!.settle({ kind: 'committed', serials: ['s'] })
  t.match(bench.said(), [{ action: 1, msgSerial: 0, count: 2, res: [{ serials: ['s'] },
    { serials: [] }] }])
})

t.test('who may speak for whom', async (t) => {
  t.equal(refusal(attached('ann'), [{ action: ENTER, clientId: 'bob' }]), 40012)
  t.equal(refusal(attached('*'), [{ action: ENTER }]), 91000)
  t.equal(refusal(attached('*'), [{ action: ENTER, clientId: '*' }]), 40012)
  t.equal(refusal(attached('*'), [{ action: ENTER, clientId: 'x' }, { action: ENTER }]), 91000)
  const bench = attached('*')
  say(bench, [{ action: ENTER, clientId: 'bob' }])
  t.equal(bench.door.presents.length, 1)
})

t.test('what a frame of presence must be', async (t) => {
  t.equal(refusal(attached('ann'), []), 40001)
  for (const action of [0, 1, 5]) t.equal(refusal(attached('ann'), [{ action }]), 40001)
  const many = Array.from({ length: limits.presenceItemsMax + 1 }, () => ({ action: ENTER }))
  t.equal(refusal(attached('ann'), many), 40034)
  t.equal(refusal(attached('ann'), [{ action: ENTER, data: 'x'.repeat(65_537) }]), 40009)
  const bench = attached('ann')
  bench.send({ action: 14, channel: 'c', presence: [{ action: ENTER }] })
  t.equal(bench.door.presents.length, 1, 'a msgSerial that is left out is 0')
})

t.test('attachment, mode and capability', async (t) => {
  const elsewhere = attached('ann')
  elsewhere.send({ action: 14, channel: 'd', msgSerial: 0, presence: [{ action: ENTER }] })
  t.match(elsewhere.said(), [{ action: 2, error: { code: 91001 } }])
  const early = new SessionBench({ credentials: credentials(undefined, 'ann') })
  early.attach('c')
  say(early, [{ action: ENTER }])
  t.equal(early.door.presents.length, 1, 'while it is being attached it is let in')
  early.door.seats[0]!.ears.onAttachRefused({ code: 90007, statusCode: 408, message: '' })
  t.same(early.door.leaves, ['app/c conn 0 15000'], 'and out in the end when nobody answers')
  const deaf = attached('ann', Flag.PRESENCE_SUBSCRIBE)
  t.equal(refusal(deaf, [{ action: ENTER }]), 40160)
  const mute = attached('ann', undefined, { '*': ['subscribe'] })
  t.equal(refusal(mute, [{ action: ENTER }]), 40160)
})

t.test('modes say who hears of presence; ATTACHED says that SYNC follows', async (t) => {
  for (const hasPresence of [true, false]) {
    const bench = new SessionBench({ credentials: credentials(undefined, 'ann') })
    bench.send({ action: 10, channel: 'c', flags: hasPresence ? 0 : Flag.PRESENCE })
    const { ears } = bench.door.seats[0]!
    t.equal(ears.hearsPresence, hasPresence)
    ears.onAttached({
      channelSerial: 's', isResumed: false, hasBacklog: false, hasPresence, error: undefined
    })
    ears.onContinuityLost('s', { code: 90003, statusCode: 404, message: '' }, hasPresence)
    for (const { flags } of bench.said()) {
      t.equal((flags! & Flag.HAS_PRESENCE) !== 0, hasPresence)
    }
  }
})

t.test('SYNC is asked of the channel, by who is attached', async (t) => {
  const bench = attached('ann')
  bench.send({ action: 16, channel: 'c', channelSerial: 's1:5' })
  bench.send({ action: 16, channel: 'elsewhere' })
  t.same(bench.door.syncs, ['app/c'])
  t.same(bench.said(), [])
})

t.test('[21] leaves: at once by DETACH, CLOSE and errors, after a grace without a socket',
  async (t) => {
    const grace = { credentials: credentials(undefined, 'ann'), remainPresentForMs: 700 }
    for (const [how, afterMs] of [
      [(bench: SessionBench) => bench.send({ action: 12, channel: 'c' }), 0],
      [(bench: SessionBench) => bench.send({ action: 7 }), 0],
      [(bench: SessionBench) => bench.send({ action: 5 }), 700],
      [(bench: SessionBench) => bench.session.onSocketClosed(), 700],
      [(bench: SessionBench) => bench.session.disconnect({ code: 1, statusCode: 503, message: '' }),
        700]
    ] as const) {
      const bench = new SessionBench(grace)
      bench.attach('c')
      how(bench)
      t.same(bench.door.leaves, [`app/c conn 0 ${afterMs}`])
    }
  })

/** A session whose ATTACHes of these names have got no answer. */
function unanswered(names: readonly string[], over = {}): SessionBench {
  const bench = new SessionBench(over)
  for (const name of names) {
    bench.send({ action: 10, channel: name })
    bench.door.taken.at(-1)!.ears.onAttachRefused({ code: 90007, statusCode: 408, message: '' })
  }
  return bench
}

t.test('[21] a channel that did not answer: members leave by DETACH and CLOSE', async (t) => {
  const waits = 'app/c conn 0 15000'
  const now = 'app/c conn 0 0'
  const left = (name: string, how: (bench: SessionBench) => void, over = {}): string[] => {
    const bench = unanswered([name], over)
    how(bench)
    return bench.door.leaves
  }
  const close = (bench: SessionBench): void => bench.send({ action: 7 })
  const detach = (bench: SessionBench): void => bench.send({ action: 12, channel: 'c' })
  t.same(left('c', close), [waits, now])
  t.same(left('c', detach), [waits, now])
  t.same(left('c', (bench) => [detach, detach, close].forEach((say) => say(bench))), [waits, now],
    'once')
  t.same(left('c', (bench) => bench.send({ action: 12, channel: 'd' })), [waits])
  t.same(left('c', (bench) => bench.send({ action: 5 })), [waits], 'their time goes on')
  const filtered = { credentials: credentials({ '[*]*': ['*'] }) }
  t.same(left('[filter=YQ==]c', close, filtered), [waits], 'nobody lives by what is filtered')
})

t.test('[21] a channel that did not answer is asked for again, under its name or another',
  async (t) => {
    const again = unanswered(['c'])
    again.attach('c')
    again.send({ action: 12, channel: 'c' })
    again.send({ action: 7 })
    t.same(again.door.leaves.slice(1), ['app/c conn 0 0'], 'it is an attachment like others')
    const other = unanswered(['c'])
    other.attach('[?]c')
    other.send({ action: 12, channel: 'c' })
    t.equal(other.door.leaves.length, 1, 'nobody leaves while there is another attachment')
  })

t.test('[21] said again after a resume: taken before the channel is asked for', async (t) => {
  const resumed = (over = {}): SessionBench => {
    const past = { doubtfulThrough: -1, saidThrough: 0 }
    return new SessionBench({ claim: 1, past, credentials: credentials(undefined, 'ann'), ...over })
  }
  const saidBefore = (over = {}): SessionBench => {
    const bench = resumed(over)
    say(bench, [{ action: ENTER }], 0)
    return bench
  }
  const bench = saidBefore()
  t.match(bench.door.presents, [{ channel: 'app/c', said: { id: 'conn:0', claim: 1 } }])
  t.same(bench.door.leaves, ['app/c conn 1 15000'], 'it is to be attached in time')
  say(bench, [{ action: ENTER }], 1)
  t.equal(bench.door.presents.length, 1, 'what is new is not taken')
  bench.door.presents[0]!.settle({ kind: 'committed', serials: [] })
  t.match(bench.said(), [{ action: 1, msgSerial: 0 }, { action: 2, error: { code: 91001 } }])
  bench.send({ action: 7 })
  t.same(bench.door.leaves.slice(1), ['app/c conn 1 0'], 'CLOSE')
  const other = saidBefore()
  other.send({ action: 12, channel: 'c' })
  other.send({ action: 7 })
  t.same(other.door.leaves.slice(1), ['app/c conn 1 0, legacies too'], 'DETACH')
  const third = saidBefore()
  third.attach('c')
  third.send({ action: 5 })
  t.same(third.door.leaves.slice(1), ['app/c conn 1 15000'], 'it is an attachment like others')
  for (const said of [{ action: 12, channel: 'c' }, { action: 10, channel: 'd' }]) {
    const late = resumed()
    late.send(said)
    say(late, [{ action: ENTER }], 0)
    t.equal(late.door.presents.length, 0, 'which channels it will have is known by then')
  }
  const mute = saidBefore({ credentials: credentials({ '*': ['subscribe'] }, 'ann') })
  t.match(mute.said(), [{ action: 2, error: { code: 40160 } }])
  t.same(mute.door.leaves, [])
})

t.test('[25] channels that did not answer count as attachments do', async (t) => {
  const bench = unanswered(['a', 'b', 'c'], { channelCountMax: 3 })
  bench.attach('d')
  t.equal(bench.door.taken.at(-1)!.channel, 'app/d', 'and keep out nobody')
  bench.door.leaves.length = 0
  bench.send({ action: 7 })
  const all = ['app/d', 'app/b', 'app/c'].map((channel) => `${channel} conn 0 0`)
  t.same(bench.door.leaves, all, 'the oldest was given up')
})

t.test('members leave with the last attachment to the channel, not with one of two', async (t) => {
  const bench = new SessionBench()
  bench.attach('c')
  bench.attach('[?]c')
  bench.send({ action: 12, channel: 'c' })
  t.same(bench.door.leaves, [])
  bench.attach('[?]c')
  t.same(bench.door.leaves, [], 'nor when it is attached anew')
  bench.send({ action: 12, channel: '[?]c' })
  t.equal(bench.door.leaves.length, 1)
})
