/* What relays of other regions missed of a persisted channel, and is not held any more. */

import t from 'tap'
import { archiveLimits } from '../../../src/base/archive-limits.ts'
import { limits } from '../../../src/base/limits.ts'
import type { PublishRule } from '../../../src/channel/channel-archive.ts'
import { decodeState, emptyState, encodeState } from '../../../src/channel/partition-state.ts'
import type { Standing } from '../../../src/peer/message.ts'
import type { RelayJoined } from '../../../src/peer/relay-message.ts'
import { publications, standing } from './parts.ts'
import { CHANNEL, type Life, World } from './partition-world.ts'
import { TestArchive } from './test-archive.ts'

const KEPT: PublishRule = { keptMs: 24 * 3_600_000 }
const LONG_MS = 200_000

class Rig {
  readonly world = new World()
  readonly archive = new TestArchive()
  life: Life
  #no = 0
  #joinNo = 0
  #brought = 40
  #version = 1

  constructor() {
    this.world.archive = this.archive
    this.keep(KEPT)
    this.life = this.world.master()
    this.life.join()
    this.settle()
  }

  /** The rules of the channel's namespace from now on. */
  keep(kept: PublishRule): void {
    this.world.keeping = { version: ++this.#version, kept: () => kept }
  }

  settle(): void {
    for (let turn = 0; turn < 20; turn++) {
      this.archive.settle()
      this.life.settle()
    }
  }

  /** Publishes, so often; returns where the channel stands then. */
  publish(count = 1): Standing {
    for (let no = 0; no < count; no++) {
      this.life.publish(`a:${this.#no++}`)
      this.settle()
    }
    return this.life.master.channelOf(CHANNEL)!.here().standing
  }

  /** Something comes that was born elsewhere. */
  bring(): void {
    const seq = ++this.#brought
    this.life.master.channelOf(CHANNEL)!.relaying.take('us', {
      isBroken: false, publications: publications(seq, seq),
      standing: standing(seq, { lineage: 'T1' }), members: undefined
    })
    this.settle()
  }

  /** So long that nothing is held any more of what was said before. */
  pass(ms = LONG_MS): void {
    for (let passed = 0; passed < ms; passed += 5_000) {
      this.world.pass(5_000, this.life)
      this.settle()
    }
  }

  /** Another mastership, of what the log has. */
  takeOver(): void {
    this.life = this.world.master()
    this.life.join()
    this.settle()
  }

  /** A relay of a region Joins; nothing is answered yet. */
  ask(from: Standing | undefined, region = 'us', wantsMembers = false, sinceMs = 0): number {
    const joinNo = ++this.#joinNo
    this.life.master.onMessage({ incarnation: region, worker: 0 }, {
      kind: 'relayJoin', channel: CHANNEL, region, relayId: region, joinNo, viewVersion: 1, from,
      sinceMs, wantsMembers, wantsCount: false
    })
    return joinNo
  }

  answersTo(joinNo: number): RelayJoined[] {
    return this.life.said.filter((each): each is RelayJoined =>
      each.kind === 'relayJoined' && each.joinNo === joinNo)
  }

  /** Asks until it is told all. */
  pages(from: Standing, region?: string): RelayJoined[] {
    const pages: RelayJoined[] = []
    for (let at = from; pages.at(-1)?.isWhole !== true; at = pages.at(-1)!.standing) {
      const joinNo = this.ask(at, region, pages.length > 0)
      this.settle()
      pages.push(this.answersTo(joinNo)[0]!)
    }
    return pages
  }
}

function seqsOf(pages: readonly RelayJoined[]): number[] {
  return pages.flatMap((page) => page.publications.map(({ seq }) => seq))
}

t.test('what is not held is read from the archive, and followed by what is', async (t) => {
  const rig = new Rig()
  const from = rig.publish(2)
  rig.publish(3)
  rig.bring()
  rig.publish(1)
  rig.pass()
  const last = rig.publish(2)
  const pages = rig.pages(from)
  t.same(pages.map((page) => seqsOf([page])), [[3, 4, 5, 7], [8, 9]])
  t.same(pages.filter(({ isContinuation }) => !isContinuation), [])
  t.match(pages.at(-1), { isWhole: true, standing: last, members: 'told' },
    'it is told anew who is present')
  t.same(new Set(pages.slice(0, -1).map(({ members }) => members)), new Set(['later']))
  rig.publish()
  t.match(rig.life.said.findLast(({ kind }) => kind === 'relayDeliver'), {
    after: 9, publications: [{ seq: 10 }]
  }, 'and then what follows')
})

t.test('who was never told anything is told what was said since it waits for that', async (t) => {
  const rig = new Rig()
  rig.publish(2)
  rig.pass(10_000)
  const sinceMs = rig.world.nowMs
  rig.publish(3)
  rig.pass()
  rig.publish(1)
  const answer = (ms: number): RelayJoined => {
    const joinNo = rig.ask(undefined, 'us', true, ms)
    rig.settle()
    return rig.answersTo(joinNo)[0]!
  }
  const page = answer(sinceMs)
  t.match(page, { isContinuation: true, isWhole: false, members: 'later' })
  t.same(seqsOf([page]), [3, 4, 5])
  t.same(seqsOf(rig.pages(page.standing)), [6])
  t.same(seqsOf([answer(1)]), [1, 2, 3, 4, 5], 'of all that was said here')
  t.match(answer(0), { isContinuation: false }, 'but not where nobody knows since when it waits')
  const another = new Rig()
  another.keep({})
  another.publish(1)
  another.keep(KEPT)
  another.publish(2)
  another.pass()
  const joinNo = another.ask(undefined, 'us', true, 1)
  another.settle()
  t.match(another.answersTo(joinNo), [{ isContinuation: false }], 'nor where some was not kept')
})

t.test('page by page, as many as it takes, over masterships and trims', async (t) => {
  const { backlogPageBytesMax } = limits
  t.teardown(() => Object.assign(limits, { backlogPageBytesMax }))
  const rig = new Rig()
  const from = rig.publish(1)
  rig.publish(9)
  rig.pass()
  rig.publish(2)
  Object.assign(limits, { backlogPageBytesMax: 2_500 })
  const seqs: number[] = []
  let at = from
  for (let no = 0; no < 3; no++) {
    const joinNo = rig.ask(at)
    rig.settle()
    const [page] = rig.answersTo(joinNo)
    t.equal(page!.publications.length, 2)
    seqs.push(...seqsOf([page!]))
    at = page!.standing
    if (no === 0) rig.takeOver()
    else rig.pass()
  }
  t.same([...seqs, ...seqsOf(rig.pages(at))], [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
})

t.test('of how many pages it may be, it waits with one deadline', async (t) => {
  const { backlogPageBytesMax } = limits
  t.teardown(() => Object.assign(limits, { backlogPageBytesMax }))
  const rig = new Rig()
  const from = rig.publish(1)
  rig.publish(20)
  rig.pass()
  Object.assign(limits, { backlogPageBytesMax: 1 })
  const { deadlines } = rig.world
  const { size } = deadlines
  t.equal(rig.pages(from).length, 21)
  t.ok(deadlines.size <= size + 1, `${deadlines.size} after ${size}`)
})

t.test('regions that ask at once are told each; who asks again is told once', async (t) => {
  const rig = new Rig()
  const from = rig.publish(1)
  rig.publish(2)
  rig.pass()
  const asked = [rig.ask(from, 'us'), rig.ask(from, 'ap'), rig.ask(from, 'us')]
  rig.settle()
  t.same(asked.map((no) => seqsOf(rig.answersTo(no))), [[], [2, 3], [2, 3]])
  t.equal(rig.archive.asked.splice(0).filter(({ kind }) => kind === 'page').length, 2)
  const asks = [[60_000, 1], [59_000, 0], [54_900, 0], [50_000, 1], [60_000, 0]] as const
  for (const [ms, count] of asks) {
    rig.ask(undefined, 'us', false, ms)
    rig.life.settle()
    t.equal(rig.archive.asked.splice(0).length, count, 'it is read anew if it is for more')
  }
})

t.test('a relay that parts waits for nothing', async (t) => {
  const rig = new Rig()
  const from = rig.publish(1)
  rig.publish(2)
  rig.pass()
  rig.ask(from)
  rig.life.settle()
  const sizes = (): number =>
    [...rig.life.master.sizes()].find(([name]) => name === 'archiveReadingsMax')![1]
  t.equal(sizes(), 1)
  const place = { incarnation: 'us', worker: 0 }
  rig.life.master.onMessage(place, {
    kind: 'relayPart', channel: CHANNEL, region: 'us', relayId: 'us'
  })
  t.equal(sizes(), 0)
  rig.settle()
  t.same(rig.life.said.filter(({ kind }) => kind === 'relayJoined'), [])
})

t.test('what the archive still owes is told before what is held', async (t) => {
  const rig = new Rig()
  const from = rig.publish(1)
  rig.publish(2)
  rig.archive.mood = () => ({ kind: 'refused', reason: 'full' })
  rig.publish(1)
  rig.pass()
  t.same(rig.archive.seqs(), [1, 2, 3])
  const pages = rig.pages(from)
  t.same(seqsOf(pages), [2, 3, 4])
  t.same(pages.filter(({ isContinuation }) => !isContinuation), [])
  const owed = rig.pages({ ...from, seq: 3, entry: pages[0]!.standing.entry })
  t.match([seqsOf(owed), owed.length], [[4], 1])
})

t.test('the first that was ever said follows, whatever else came before', async (t) => {
  const rig = new Rig()
  const from = rig.life.master.channelOf(CHANNEL)!.here().standing
  rig.bring()
  rig.bring()
  rig.publish(2)
  rig.pass()
  t.same(seqsOf(rig.pages(from)), [3, 4])
  const state = rig.life.master.channelOf(CHANNEL)!.state()
  const { channels } = decodeState(encodeState({ ...emptyState, channels: [state] }))
  t.match([state, ...channels], [{ keptSince: { from: 3 } }, { keptSince: { from: 3 } }])
  rig.archive.records.shift()
  t.match(rig.pages(from)[0], { isContinuation: false }, 'but not what was said later')
})

t.test('where nothing was said meanwhile, what is held follows', async (t) => {
  const rig = new Rig()
  rig.publish(1)
  rig.bring()
  const from = rig.life.master.channelOf(CHANNEL)!.here().standing
  rig.bring()
  rig.pass()
  const pages = rig.pages(from)
  t.match(pages, [{ isContinuation: true, publications: [], members: 'kept' }])
})

t.test('what was never kept is not sought in the archive', async (t) => {
  const rig = new Rig()
  const from = rig.life.master.channelOf(CHANNEL)!.here().standing
  rig.bring()
  rig.pass()
  t.match(rig.pages(from), [{ isContinuation: true, publications: [] }], 'nothing was said')
  rig.archive.mood = () => ({ kind: 'refused', reason: 'full' })
  rig.publish(1)
  rig.pass()
  t.same(rig.archive.seqs(), [])
  const pages = rig.pages(from)
  t.match([seqsOf(pages), pages.length], [[2], 1], 'nor is anything stored yet')
  t.match(pages, [{ isContinuation: true }])
})

t.test('something may be missing', async (t) => {
  const broken = (rig: Rig, from: Standing): boolean => rig.pages(from)[0]!.isContinuation
  t.test('of another lineage', async (t) => {
    const rig = new Rig()
    const from = rig.publish(1)
    rig.publish(2)
    rig.pass()
    t.notOk(broken(rig, { ...from, lineage: 'other' }))
  })
  t.test('where something was not to be kept', async (t) => {
    const rig = new Rig()
    const from = rig.publish(1)
    rig.keep({})
    const later = rig.publish(1)
    rig.keep(KEPT)
    rig.publish(1)
    rig.pass()
    t.notOk(broken(rig, from))
    t.ok(broken(rig, later), 'before the place it does not matter')
    rig.bring()
    const state = rig.life.master.channelOf(CHANNEL)!.state()
    const { channels } = decodeState(encodeState({ ...emptyState, channels: [state] }))
    const keptSince = { after: 2 }
    t.match([state, ...channels], [{ keptSince }, { keptSince }], 'a snapshot says so')
    rig.takeOver()
    rig.pass()
    t.notOk(broken(rig, from), 'as the next master knows')
    t.ok(broken(rig, later))
  })
  t.test('where the archive does not reach back so far', async (t) => {
    const rig = new Rig()
    const from = rig.publish(1)
    const later = rig.publish(2)
    rig.publish(2)
    rig.pass()
    rig.archive.records.splice(0, 2)
    t.notOk(broken(rig, from))
    t.ok(broken(rig, later))
    const gone = rig.archive.records.splice(0)
    t.notOk(broken(rig, later), 'nor where nothing is left')
    t.equal(gone.length, 3)
  })
  t.test('where a record between has had its time', async (t) => {
    const rig = new Rig()
    const from = rig.publish(1)
    rig.publish(4)
    rig.pass()
    rig.archive.records.splice(2, 1)
    t.notOk(broken(rig, from))
  })
  t.test('where the archive does not answer in time', async (t) => {
    const rig = new Rig()
    const from = rig.publish(1)
    rig.publish(2)
    rig.pass()
    rig.archive.isSilent = true
    const joinNo = rig.ask(from)
    rig.settle()
    t.same(rig.answersTo(joinNo), [])
    rig.pass(archiveLimits.archiveHoleMs + 5_000)
    t.match(rig.answersTo(joinNo), [{ isContinuation: false, members: 'told' }])
  })
})

t.test('what is left out does not count as written, if that is waited for', async (t) => {
  const { tailBytesMax } = limits
  t.teardown(() => Object.assign(limits, { tailBytesMax }))
  for (const ephemeralCount of [0, 1]) {
    const rig = new Rig()
    rig.keep({ ...KEPT, isGlobal: true })
    Object.assign(limits, { tailBytesMax: 2_500 })
    const from = rig.publish(1)
    rig.life.publish('b:0', CHANNEL, { ephemeralCount })
    rig.publish(3)
    const [page] = rig.pages(from)
    t.equal(page!.isContinuation, ephemeralCount === 0)
  }
})

t.test('a copy that lags is asked again', async (t) => {
  const rig = new Rig()
  const from = rig.publish(1)
  rig.publish(4)
  rig.pass()
  const { records } = rig.archive
  rig.archive.copy = () => records.filter((_, at) => at !== 2)
  const joinNo = rig.ask(from)
  rig.settle()
  rig.archive.copy = () => []
  rig.world.pass(1_000, rig.life)
  rig.settle()
  t.same(rig.answersTo(joinNo), [])
  rig.archive.copy = () => records
  rig.world.pass(1_000, rig.life)
  rig.settle()
  t.same(seqsOf(rig.answersTo(joinNo)), [2, 3, 4, 5])
})

t.test('where too many readings are under way it waits its turn', async (t) => {
  const { archiveReadingsMax } = archiveLimits
  t.teardown(() => Object.assign(archiveLimits, { archiveReadingsMax }))
  const rig = new Rig()
  const from = rig.publish(1)
  rig.publish(2)
  rig.pass()
  Object.assign(archiveLimits, { archiveReadingsMax: 1 })
  const asked = ['us', 'ap', 'sa'].map((region) => rig.ask(from, region))
  rig.settle()
  t.same(asked.map((no) => seqsOf(rig.answersTo(no))), [[2, 3], [2, 3], [2, 3]])
})
