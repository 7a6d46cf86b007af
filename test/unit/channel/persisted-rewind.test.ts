import t from 'tap'
import { archiveLimits } from '../../../src/base/archive-limits.ts'
import { limits } from '../../../src/base/limits.ts'
import type { Kept } from '../../../src/channel/channel-archive.ts'
import { decodeArchived } from '../../../src/log/archive.ts'
import { weightOf } from '../../../src/peer/weight.ts'
import type { Backfilled } from '../../../src/peer/message.ts'
import type { Rewind } from '../../../src/wire/params.ts'
import { CHANNEL, type Life, World } from './partition-world.ts'
import { TestArchive } from './test-archive.ts'

const KEPT: Kept = { keptMs: 24 * 3_600_000 }
const MINUTES_MS = 60_000

/** Masters of a persisted channel; `archive` may be one that has seen other lineages. */
class Rig {
  readonly world = new World()
  readonly archive: TestArchive
  readonly life: Life
  #requestNo = 0

  constructor(kept: Kept, archive = new TestArchive(), nowMs?: number) {
    this.archive = archive
    this.world.archive = archive
    this.world.keeping = { version: 1, kept: () => kept }
    if (nowMs !== undefined) {
      this.world.name = 'another life'
      this.world.nowMs = nowMs
    }
    this.life = this.world.master()
    this.life.join()
    this.settle()
  }

  settle(): void {
    for (let turn = 0; turn < 10; turn++) {
      this.archive.settle()
      this.life.settle()
    }
  }

  publish(first: number, last: number): void {
    for (let no = first; no <= last; no++) this.life.publish(`a:${no}`)
    this.settle()
  }

  /** Lets all that is held grow so old that it is let go. */
  pass(ms = 10 * MINUTES_MS): void {
    const endMs = this.world.nowMs + ms
    while (this.world.nowMs < endMs) {
      this.world.pass(Math.min(10_000, ms / 10), this.life)
      this.settle()
    }
  }

  ask(rewind: Rewind): () => Backfilled | undefined {
    const requestNo = ++this.#requestNo
    const { epoch } = this.life.master
    this.life.tell({
      kind: 'backfill', channel: CHANNEL, clientId: 'k', requestNo, epoch, from: undefined, rewind
    })
    this.settle()
    return () => this.life.said.find((each): each is Backfilled =>
      each.kind === 'backfilled' && each.requestNo === requestNo)
  }

  /** The seqs that are told of it: of each older part, and what is held. */
  rewound(rewind: Rewind): number[][] {
    const { older = [], publications } = this.ask(rewind)()!
    return [...older.map((part) => part.publications.map(({ seq }) => seq)),
      publications.map(({ seq }) => seq)]
  }
}

t.test('[22, C3] a rewind goes back into the archive, as far as it asks', async (t) => {
  const rig = new Rig(KEPT)
  rig.publish(1, 250)
  rig.pass()
  t.same(rig.rewound({ count: 3 }), [[248, 249, 250], []], 'nothing is held any more')
  rig.publish(251, 252)
  t.same(rig.rewound({ count: 4 }), [[249, 250], [251, 252]])
  t.same(rig.rewound({ count: 2 }), [[251, 252]], 'where enough is held the archive is not asked')
  t.equal(rig.rewound({ count: 100 })[0]!.length, 98)
  t.same(rig.rewound({ count: 100, forMs: 5 * MINUTES_MS }), [[251, 252]])
  t.equal(rig.rewound({ count: 100, forMs: 60 * MINUTES_MS })[0]!.length, 98)
})

t.test('[22, C3] where messages are let go by the rule, they are not told', async (t) => {
  const rig = new Rig({ keptMs: 5 * MINUTES_MS })
  rig.publish(1, 3)
  rig.pass()
  t.same(rig.rewound({ count: 3 }), [[]])
})

t.test('[4, 22] what was said in lineages that are over is told as theirs', async (t) => {
  const former = new Rig(KEPT)
  former.publish(1, 5)
  const rig = new Rig(KEPT, former.archive, former.world.nowMs + MINUTES_MS)
  rig.publish(1, 2)
  rig.pass()
  rig.publish(3, 3)
  t.same(rig.rewound({ count: 6 }), [[3, 4, 5], [1, 2], [3]])
  const { older, standing } = rig.ask({ count: 6 })()!
  t.equal(older![1]!.lineage, standing.lineage)
  t.not(older![0]!.lineage, standing.lineage)
})

t.test('[22, 25] nobody waits long for an archive that does not answer', async (t) => {
  const rig = new Rig(KEPT)
  rig.publish(1, 5)
  rig.pass()
  rig.publish(6, 6)
  rig.archive.isSilent = true
  const answer = rig.ask({ count: 3 })
  t.equal(answer(), undefined)
  rig.pass(archiveLimits.archiveSilentMs)
  t.match(answer(), { publications: [{ seq: 6 }], older: undefined })
  rig.archive.isSilent = false
  rig.settle()
  const answers = rig.life.said.filter(({ kind }) => kind === 'backfilled')
  t.equal(answers.length, 1, 'and it is answered once')
})

t.test('[22, C3] a copy that lags is asked again', async (t) => {
  const rig = new Rig(KEPT)
  for (let no = 1; no <= 5; no++) rig.publish(no, no)
  rig.pass()
  rig.archive.copy = () => rig.archive.records.toSpliced(1, 1)
  const answer = rig.ask({ count: 5 })
  t.equal(answer(), undefined)
  rig.archive.copy = () => rig.archive.records
  rig.pass(1_000)
  t.same(answer()!.older![0]!.publications.map(({ seq }) => seq), [1, 2, 3, 4, 5])
})

t.test('[22, C3] what the archive owes stands between it and what is held', async (t) => {
  const rig = new Rig(KEPT)
  rig.publish(1, 2)
  rig.archive.mood = () => ({ kind: 'busy' })
  rig.publish(3, 4)
  rig.pass()
  t.same(rig.rewound({ count: 3 }), [[2], [3, 4], []])
  t.same(rig.rewound({ count: 1 }), [[4], []])
})

t.test('[22, C3] the last message is kept where the rule says that', async (t) => {
  const rig = new Rig({ isLastKept: true })
  for (let no = 1; no <= 40; no++) rig.publish(no, no)
  t.ok(rig.archive.seqs('last').length < 30, 'those before it are let go now and then')
  t.equal(rig.archive.records.length, 0)
  rig.pass()
  t.same(rig.rewound({ count: 5 }), [[40], []])
  t.same(rig.rewound({ count: 5, forMs: MINUTES_MS }), [[]])
  rig.publish(41, 41)
  t.same(rig.rewound({ count: 5 }), [[41]])
  const next = new Rig({ isLastKept: true }, rig.archive, rig.world.nowMs + MINUTES_MS)
  t.same(next.rewound({ count: 1 }), [[41], []], 'in another lineage, too')
})

t.test('[22] it is answered when the archive has it, on each shelf that it is for', async (t) => {
  const rig = new Rig({ ...KEPT, isLastKept: true })
  const acked = (): number => rig.life.serials().length
  rig.archive.mood = (store, of) => (of === 'last' ? { kind: 'busy' } : store())
  rig.publish(1, 1)
  t.same([rig.archive.seqs(), acked()], [[1], 0])
  rig.archive.mood = undefined
  rig.pass(3_000)
  t.equal(acked(), 1)
  t.same([rig.archive.seqs(), rig.archive.seqs('last')], [[1], [1]])
})

t.test('[22, 25] a crowd of rewinds waits its turn, and all are told', async (t) => {
  const rig = new Rig(KEPT)
  rig.publish(1, 5)
  rig.pass()
  rig.archive.isSilent = true
  const count = 3 * archiveLimits.archiveReadingsMax
  const answers = Array.from({ length: count }, () => rig.ask({ count: 2 }))
  const sizes = new Map(rig.life.master.sizes())
  t.equal(sizes.get('archiveReadingsMax'), archiveLimits.archiveReadingsMax)
  rig.archive.isSilent = false
  rig.settle()
  for (const answer of answers) {
    t.same(answer()?.older?.[0]!.publications.map(({ seq }) => seq), [4, 5])
  }
})

t.test('[25] a rewind is one message, however much there is', async (t) => {
  const rig = new Rig(KEPT)
  rig.publish(1, 150)
  rig.pass()
  rig.publish(151, 300)
  const { older, publications } = rig.ask({ count: 300 })()!
  const told = older!.flatMap((part) => part.publications)
  t.equal(publications.length + told.length, 300)
  t.ok(weightOf(rig.ask({ count: 300 })()!) > 300 * 1_000, 'and weighs what it has')
  const { backlogPageBytesMax } = limits
  Object.assign(limits, { backlogPageBytesMax: 100_000 })
  t.teardown(() => void Object.assign(limits, { backlogPageBytesMax }))
  const cut = rig.ask({ count: 300 })()!
  const bytes = [...cut.older!.flatMap((part) => part.publications), ...cut.publications]
    .reduce((sum, { payload }) => sum + payload.byteLength, 0)
  t.ok(bytes <= 1.5 * limits.backlogPageBytesMax + 1_000, `${bytes} bytes`)
})

t.test('[4, 22] who is not the master leaves alone what was said last', async (t) => {
  const former = new Rig({ isLastKept: true })
  former.publish(1, 3)
  former.archive.mood = () => ({ kind: 'unknown', reason: 'lost' })
  former.publish(4, 4)
  former.archive.mood = undefined
  const next = new Rig({ isLastKept: true }, former.archive, former.world.nowMs + MINUTES_MS)
  next.publish(1, 1)
  former.world.isLogAway = true
  former.pass(5_000)
  next.pass()
  const [lineage] = former.archive.recordsOf('last').slice(-1)
    .map(({ bytes }) => decodeArchived(bytes)!.lineage)
  t.equal(lineage, next.ask({ count: 1 })()!.older![0]!.lineage)
  t.same(next.rewound({ count: 1 }), [[1], []])
})

t.test('[22] what was said last is kept where the rule is newer than the message', async (t) => {
  const rig = new Rig({})
  rig.publish(1, 3)
  rig.world.keeping = { version: 2, kept: () => ({ isLastKept: true }) }
  const next = rig.world.master()
  next.settle()
  rig.settle()
  t.same(rig.archive.seqs('last'), [3])
})

t.test('[22] history of one message knows what the archive is owed', async (t) => {
  const rig = new Rig({ isLastKept: true })
  rig.publish(1, 1)
  rig.archive.mood = () => ({ kind: 'refused', reason: 'full' })
  rig.publish(2, 2)
  rig.pass()
  rig.life.tell({
    kind: 'ask', channel: CHANNEL, askNo: 1, question: {
      kind: 'history', of: 'messages', isBackwards: true, startMs: undefined, endMs: undefined,
      from: undefined, until: undefined, countMax: 2
    }
  })
  rig.pass(3_000)
  t.match(rig.life.said.findLast(({ kind }) => kind === 'answered'), {
    answer: { publications: [{ seq: 2 }] }
  })
})

t.test('[5, 22] a channel that is older than its rule asks for its past, too', async (t) => {
  const former = new Rig(KEPT)
  former.pass()
  former.publish(1, 1)
  const { timestamp } = decodeArchived(former.archive.records[0]!.bytes)!.publications[0]!
  // Its clock is behind.
  const rig = new Rig({}, former.archive, timestamp - MINUTES_MS)
  rig.world.keeping = { version: 2, kept: () => KEPT }
  rig.publish(1, 1)
  const [at, behind] = rig.archive.records
    .flatMap(({ bytes }) => decodeArchived(bytes)!.publications)
  t.equal(at!.timestamp, timestamp)
  const isBehind = behind!.timestamp > timestamp || behind!.counter > at!.counter
  t.ok(isBehind, 'its serial sorts behind')
})
