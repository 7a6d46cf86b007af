/* What a relay asks of another region's master, and what it gives on. */

import t from 'tap'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import type { PresenceMember } from '../../../src/peer/message.ts'
import type {
  Relayed, RelayJoin, RelayJoined, RelayToMaster, Stretch
} from '../../../src/peer/relay-message.ts'
import { Relay, type RelayStart } from '../../../src/region/relay.ts'
import { CHANNEL, publications, standing } from '../channel/parts.ts'
import { member } from '../channel/presence-world.ts'

/** When the relay begins. */
const WALL_MS = 1_000_000

class RelayBench {
  readonly relay: Relay
  readonly taken: Relayed[] = []
  hasRoom = true
  nobodyCount = 0
  readonly silences: boolean[] = []
  readonly behind: boolean[] = []
  /** Of connections. */
  readonly counts: number[] = []
  answeredCount = 0
  /** So far the clock was set back. */
  setBackMs = 0
  /** What of what was born there is written here. */
  written: Stretch | undefined
  #said: RelayToMaster[] = []
  #nowMs = 0
  readonly #deadlines = new Deadlines()

  constructor(start: RelayStart = { kind: 'from', standing: standing(5) }) {
    this.relay = new Relay(CHANNEL, 'here', start, {
      deadlines: this.#deadlines,
      random: new Random('relay'),
      nowMs: () => this.#nowMs,
      wallMs: () => WALL_MS + this.#nowMs - this.setBackMs,
      viewVersion: () => 3,
      send: (message) => void this.#said.push(message),
      hasRoom: () => this.hasRoom,
      onSilent: (isSilent) => void this.silences.push(isSilent),
      onBehind: (isBehind) => void this.behind.push(isBehind),
      take: (relayed) => {
        if (this.hasRoom) this.taken.push(relayed)
        return this.hasRoom
      },
      takeNobody: () => {
        if (this.hasRoom) this.nobodyCount++
        return this.hasRoom
      },
      onCount: (count) => void this.counts.push(count.connections),
      written: () => this.written,
      onAnswered: () => void this.answeredCount++
    })
    this.relay.begin()
  }

  said(): RelayToMaster[] { return this.#said.splice(0) }

  /** The last Join since the last call; fails where there was none. */
  join(): RelayJoin {
    return this.said().filter((message) => message.kind === 'relayJoin').at(-1)!
  }

  joined(over: Partial<RelayJoined> = {}, join = this.join()): void {
    const { relayId, joinNo } = join
    this.relay.onMessage({
      kind: 'relayJoined', channel: CHANNEL, region: 'there', relayId, joinNo, epoch: 7,
      standing: standing(5), isContinuation: true, isWhole: true, publications: [],
      members: 'told', wantsWritten: false, ...over
    })
  }

  deliver(from: number, to: number, after = from - 1, epoch = 7): void {
    this.relay.onMessage({
      kind: 'relayDeliver', channel: CHANNEL, region: 'there', epoch, after,
      publications: publications(from, to)
    })
  }

  /** It is asked to ask again. */
  again(): void {
    this.relay.onMessage({ kind: 'relayAgain', channel: CHANNEL, region: 'there' })
  }

  /** It is let in, and asks again, for who is present; returns that Join. */
  askingAgain(): RelayJoin {
    this.joined({ members: 'later' })
    this.pass(limits.joinRetryMs)
    this.again()
    return this.join()
  }

  members(join: RelayJoin, members: readonly PresenceMember[]): void {
    const { relayId, joinNo } = join
    this.relay.onMessage({
      kind: 'relayMembers', channel: CHANNEL, region: 'there', relayId, joinNo, members
    })
  }

  pass(ms: number): void {
    for (const endMs = this.#nowMs + ms; this.#nowMs < endMs; this.#nowMs += 10) {
      this.#deadlines.fire(this.#nowMs)
    }
  }

  /** The seqs that were given on, in order. */
  seqs(): number[] {
    return this.taken.flatMap((each) => each.publications.map(({ seq }) => seq))
  }
}

t.test('it goes on from where we stand, with what it missed and what follows', async (t) => {
  const bench = new RelayBench()
  const join = bench.join()
  t.match(join, { from: standing(5), wantsMembers: true, viewVersion: 3, region: 'here' })
  bench.joined({ standing: standing(7), publications: publications(6, 7) }, join)
  bench.deliver(8, 9)
  t.same(bench.seqs(), [6, 7, 8, 9])
  t.equal(bench.answeredCount, 1)
  t.ok(bench.relay.isLive)
})

t.test('repeats are passed over, and a hole is asked for', async (t) => {
  const bench = new RelayBench()
  bench.joined()
  bench.deliver(6, 7)
  bench.deliver(6, 8, 5)
  t.same(bench.seqs(), [6, 7, 8])
  bench.deliver(10, 11)
  t.same(bench.seqs(), [6, 7, 8])
  t.same(bench.behind, [true, false, true], 'and it is behind meanwhile')
  t.match(bench.join(), { from: standing(8, { epoch: 7 }), wantsMembers: false })
})

t.test('who only asks again goes on to take what follows', async (t) => {
  const bench = new RelayBench()
  const join = bench.askingAgain()
  bench.deliver(6, 7)
  bench.deliver(8, 9)
  t.same(bench.seqs(), [6, 7, 8, 9], 'though nobody answers')
  bench.deliver(11, 11)
  t.same([bench.seqs().length, bench.said()], [4, []], 'a hole is in the answer')
  bench.joined({ standing: standing(11), publications: publications(6, 11) }, join)
  t.same(bench.seqs(), [6, 7, 8, 9, 10, 11], 'of which only what is new is given on')
  t.ok(bench.relay.isLive)
  bench.deliver(12, 12)
  t.same(bench.seqs().at(-1), 12)
})

t.test('a break is believed by who stands where it asked', async (t) => {
  const bench = new RelayBench()
  const join = bench.askingAgain()
  bench.deliver(6, 7)
  bench.joined({ standing: standing(9), isContinuation: false }, join)
  const next = bench.join()
  t.match(next, { from: standing(7, { epoch: 7 }) })
  bench.joined({ standing: standing(9), isContinuation: false }, next)
  t.same(bench.taken.map(({ isBroken }) => isBroken), [false, false, true])
})

t.test('what is told while the master is uncertain or silent is not taken', async (t) => {
  const bench = new RelayBench()
  bench.joined()
  bench.relay.onMasterUncertain()
  bench.deliver(6, 6)
  t.same(bench.seqs(), [])
  bench.joined()
  bench.again()
  bench.pass(limits.relaySilentMs + 1_000)
  t.same(bench.silences, [true])
  bench.deliver(6, 6)
  t.same(bench.seqs(), [])
})

t.test('what another mastership delivers is not taken', async (t) => {
  const bench = new RelayBench()
  bench.joined()
  bench.deliver(6, 6, 5, 8)
  t.same(bench.seqs(), [])
})

t.test('what is not held there any more is missing, and members come anew', async (t) => {
  const bench = new RelayBench()
  bench.joined({ standing: standing(50), isContinuation: false, members: 'told' })
  t.match(bench.taken, [{ isBroken: true, publications: [], standing: standing(50), members: [] }])
  bench.deliver(51, 51)
  t.same(bench.seqs(), [51])
})

t.test('where nothing was ever taken it takes what there is, and says if not all', async (t) => {
  const bench = new RelayBench({ kind: 'since', monoMs: undefined })
  const join = bench.join()
  t.match(join, { from: undefined, sinceMs: 0, ageMs: undefined })
  const page = { standing: standing(7), publications: publications(6, 7), isWhole: false }
  bench.joined({ ...page, members: 'later' }, join)
  t.match(bench.taken, [{ isBroken: false, members: undefined }])
  t.same(bench.seqs(), [6, 7])
  t.match(bench.join(), { from: standing(7), wantsMembers: true })
  const late = new RelayBench({ kind: 'since', monoMs: undefined })
  late.joined({ standing: standing(7), isContinuation: false })
  t.match(late.taken, [{ isBroken: true, publications: [] }])
})

t.test('it says how long ago its channel was first used, whenever that is heard', async (t) => {
  const bench = new RelayBench({ kind: 'since', monoMs: -1_000 })
  const said: { readonly atMs: number, readonly ageMs: number }[] = []
  for (let atMs = 0; atMs < 10_000; atMs += 10) {
    const joins = bench.said() as RelayJoin[]
    said.push(...joins.map(({ ageMs }) => ({ atMs, ageMs: ageMs! })))
    bench.pass(10)
  }
  t.ok(said.length > 3)
  for (const [index, { atMs }] of said.slice(1).entries()) {
    const { ageMs } = said[index]!
    t.ok(ageMs >= 1_000 + atMs - 20, 'though it is under way until another one is said')
    t.ok(ageMs <= 1_000 + atMs + 20, 'and no longer')
  }
})

t.test('and however the clock is set meanwhile', async (t) => {
  const bench = new RelayBench({ kind: 'since', monoMs: -1_000 })
  bench.pass(10_000)
  bench.said()
  bench.setBackMs = 60_000
  bench.relay.onMasterUncertain()
  const { relayId, joinNo, ageMs, sinceMs } = bench.join()
  t.ok(ageMs! >= 11_000)
  t.equal(sinceMs, WALL_MS - 61_000, 'former releases go by the clock as it is')
  const dormant = { kind: 'relayDormant' as const, channel: CHANNEL, region: 'there' }
  bench.relay.onMessage({ ...dormant, relayId, joinNo, anew: undefined })
  bench.setBackMs = 200_000
  bench.relay.wake()
  t.ok(bench.join().ageMs! >= limits.tailMs)
})

t.test('a page of more is asked on for, and one that finds no room once more', async (t) => {
  const bench = new RelayBench()
  bench.joined({
    standing: standing(6), publications: publications(6, 6), isWhole: false, members: 'later'
  })
  bench.hasRoom = false
  bench.joined({ standing: standing(7), publications: publications(7, 7) })
  t.same(bench.seqs(), [6])
  t.same(bench.behind, [true], 'it is behind all the time')
  bench.hasRoom = true
  bench.pass(limits.joinRetryMaxMs)
  const again = bench.join()
  t.match(again, { from: standing(6) })
  bench.joined({ standing: standing(7), publications: publications(7, 7) }, again)
  t.same(bench.seqs(), [6, 7])
})

t.test('an answer to an earlier Join is none', async (t) => {
  const bench = new RelayBench()
  const first = bench.join()
  bench.relay.onMasterUncertain()
  bench.joined({ standing: standing(6), publications: publications(6, 6) }, first)
  t.same(bench.seqs(), [])
})

t.test('who is present comes in parts, those of an earlier Join do not count', async (t) => {
  const bench = new RelayBench()
  const first = bench.join()
  bench.members(first, [member('old', 'c:0:0')])
  bench.relay.onMasterUncertain()
  const second = bench.join()
  bench.members(first, [member('late', 'c:0:1')])
  bench.members(second, [member('anna', 'c:1:0')])
  bench.members(second, [member('bert', 'c:1:1')])
  bench.joined({}, second)
  t.same(bench.taken[0]!.members?.map(({ clientId }) => clientId), ['anna', 'bert'])
  bench.relay.onMasterUncertain()
  t.match(bench.join(), { wantsMembers: false })
})

t.test('who is present is asked again where nobody could say yet', async (t) => {
  const bench = new RelayBench()
  bench.joined({ members: 'later' })
  bench.pass(limits.joinRetryMs)
  bench.relay.onMessage({ kind: 'relayAgain', channel: CHANNEL, region: 'there' })
  t.match(bench.join(), { wantsMembers: true })
})

t.test('it rests where nobody uses the channel, until somebody does', async (t) => {
  const bench = new RelayBench()
  const { relayId, joinNo } = bench.join()
  const dormant = { kind: 'relayDormant' as const, channel: CHANNEL, region: 'there' }
  bench.relay.onMessage({ ...dormant, relayId, joinNo, anew: undefined })
  t.equal(bench.nobodyCount, 1)
  t.equal(bench.answeredCount, 1)
  bench.relay.onMasterUncertain()
  bench.pass(limits.joinRetryMaxMs)
  t.same(bench.said(), [])
  t.same(bench.behind, [true, false])
  bench.relay.wake()
  t.match(bench.join(), { from: undefined, sinceMs: WALL_MS - limits.tailMs, wantsMembers: true })
  t.same(bench.taken, [], 'nothing was said there that it would have missed')
})

t.test('that nobody uses the channel is not believed once somebody has asked since', async (t) => {
  const bench = new RelayBench()
  const { relayId, joinNo } = bench.join()
  const dormant = { kind: 'relayDormant' as const, channel: CHANNEL, region: 'there', relayId }
  bench.relay.wake()
  bench.relay.onMessage({ ...dormant, joinNo, anew: undefined })
  t.equal(bench.nobodyCount, 0)
  const again = bench.join()
  bench.relay.onMessage({ ...dormant, joinNo: again.joinNo, anew: undefined })
  t.equal(bench.nobodyCount, 1)
})

t.test('it is missing what was said in a log that is another one by now', async (t) => {
  const bench = new RelayBench()
  const { relayId, joinNo } = bench.join()
  const anew = standing(9, { lineage: 'L9' })
  const dormant = { kind: 'relayDormant' as const, channel: CHANNEL, region: 'there', anew }
  bench.hasRoom = false
  bench.relay.onMessage({ ...dormant, relayId, joinNo })
  bench.hasRoom = true
  bench.pass(limits.joinRetryMaxMs)
  const again = bench.join()
  t.match(again, { from: standing(5) }, 'it asks again where there is no room to say so')
  bench.relay.onMessage({ ...dormant, relayId, joinNo: again.joinNo })
  t.match(bench.taken, [{ isBroken: true, publications: [], standing: anew }])
  t.equal(bench.nobodyCount, 1)
})

t.test('how many are attached there is told while somebody wants to know', async (t) => {
  const bench = new RelayBench()
  const count = { connections: 4, publishers: 0, subscribers: 0, presenceConnections: 0,
    presenceSubscribers: 0, objectPublishers: 0, objectSubscribers: 0 }
  const told = { kind: 'relayCount' as const, channel: CHANNEL, region: 'there', count }
  bench.joined()
  bench.relay.onMessage(told)
  t.same(bench.counts, [], 'nobody has asked')
  bench.relay.wantCount(true)
  bench.relay.wantCount(true)
  t.match(bench.said(), [{ kind: 'relayCountWanted', isWanted: true }])
  bench.relay.onMessage(told)
  t.same(bench.counts, [4])
  bench.relay.onMasterUncertain()
  const join = bench.join()
  t.match(join, { wantsCount: true }, 'another master is asked, too')
  const { relayId, joinNo } = join
  const dormant = { kind: 'relayDormant' as const, channel: CHANNEL, region: 'there' }
  bench.relay.onMessage({ ...dormant, relayId, joinNo, anew: undefined })
  t.same(bench.counts, [4, 0], 'nobody is attached where nobody uses the channel')
})

t.test('who is not answered for long does not know who is present there', async (t) => {
  const bench = new RelayBench()
  bench.joined()
  bench.relay.onMasterUncertain()
  t.match(bench.join(), { wantsMembers: false })
  bench.pass(limits.relaySilentMs + 20)
  t.same(bench.silences, [true])
  const join = bench.join()
  bench.joined({}, join)
  t.same(bench.silences, [true, false])
})

t.test('a page of more is no silence, and may be without who came and went', async (t) => {
  const bench = new RelayBench()
  bench.joined()
  bench.relay.onMasterUncertain()
  t.match(bench.join(), { wantsMembers: false })
  bench.pass(limits.relaySilentMs - 1_000)
  const page = { isWhole: false, publications: publications(6, 7), standing: standing(7) }
  bench.joined({ ...page, members: 'later' })
  t.match(bench.join(), { from: standing(7), wantsMembers: true })
  bench.pass(2_000)
  t.same(bench.silences, [])
  bench.joined({ standing: standing(8), publications: publications(8, 8), members: 'told' })
  t.same(bench.seqs(), [6, 7, 8])
})

t.test('it asks again where it was asked while it was answered', async (t) => {
  const bench = new RelayBench()
  const { relayId, joinNo } = bench.join()
  bench.relay.wake()
  const dormant = { kind: 'relayDormant' as const, channel: CHANNEL, region: 'there' }
  bench.relay.onMessage({ ...dormant, relayId, joinNo, anew: undefined })
  t.ok(bench.join())
})

t.test('one that is closed says so, unless nobody there knows of it', async (t) => {
  const bench = new RelayBench()
  bench.joined()
  bench.relay.close()
  t.match(bench.said(), [{ kind: 'relayPart', channel: CHANNEL, region: 'here' }])
  bench.pass(limits.joinRetryMaxMs)
  bench.deliver(6, 6)
  t.same(bench.seqs(), [])
  t.same(bench.said(), [])
})
