/* Persisted channels in a world: each region keeps what was born in it, and tells that alone. */

import t from 'tap'
import type { Kept } from '../../../src/channel/channel-archive.ts'
import type { HistoryAnswer, HistoryQuestion } from '../../../src/peer/question-message.ts'
import { publications, standing } from './parts.ts'
import { CHANNEL, type Life, World } from './partition-world.ts'
import { TestArchive } from './test-archive.ts'

const KEPT: Kept = { keptMs: 24 * 3_600_000 }
const LONG_MS = 600_000

const question: HistoryQuestion = {
  kind: 'history', of: 'messages', isBackwards: true, startMs: undefined, endMs: undefined,
  from: undefined, until: undefined, countMax: 100, isOfWorld: true
}

class Rig {
  readonly world = new World()
  readonly archive: TestArchive
  life: Life
  #askNo = 0
  #brought = 40

  constructor(kept: Kept, archive = new TestArchive()) {
    this.archive = archive
    this.world.archive = archive
    this.world.keeping = { version: 1, kept: () => kept }
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

  publish(no: number): void {
    this.life.publish(`a:${no}`)
    this.settle()
  }

  /** Something comes that was born elsewhere. */
  bring(): void {
    const seq = ++this.#brought
    this.life.master.channelOf(CHANNEL)!.relaying.take('there', {
      isBroken: false, publications: publications(seq, seq),
      standing: standing(seq, { lineage: 'T1' }), members: undefined
    })
    this.settle()
  }

  /** Lets all that is held grow so old that it is let go. */
  pass(ms = LONG_MS): void {
    for (let passed = 0; passed < ms; passed += 10_000) {
      this.world.pass(10_000, this.life)
      this.settle()
    }
  }

  /** Another mastership, of what the log has. */
  takeOver(): void {
    this.life = this.world.master()
    this.life.join()
    this.settle()
  }

  ask(over: Partial<HistoryQuestion> = {}): HistoryAnswer {
    const askNo = ++this.#askNo
    this.life.tell({ kind: 'ask', channel: CHANNEL, askNo, question: { ...question, ...over } })
    this.settle()
    const answered = this.life.said.find((each) =>
      each.kind === 'answered' && each.askNo === askNo)
    return (answered as unknown as { answer: HistoryAnswer }).answer
  }

  seqs(over: Partial<HistoryQuestion> = {}): number[] | undefined {
    return this.ask(over).publications?.map(({ seq }) => seq)
  }
}

t.test('[22] what was born elsewhere is not archived, by the next master neither', async (t) => {
  const rig = new Rig({ ...KEPT, isLastKept: true })
  rig.publish(1)
  rig.bring()
  rig.publish(2)
  rig.bring()
  t.same([rig.archive.seqs(), rig.archive.seqs('last')], [[1, 3], [1, 3]])
  rig.takeOver()
  t.same([rig.archive.seqs(), rig.archive.seqs('last')], [[1, 3], [1, 3]])
  t.same(rig.seqs(), [3, 1])
  rig.pass()
  t.same(rig.seqs(), [3, 1], 'nor told when it is not held any more')
  t.same(rig.seqs({ isBackwards: false }), [1, 3])
})

t.test('what was there at a place is told with how far others were', async (t) => {
  const rig = new Rig(KEPT)
  rig.publish(1)
  rig.bring()
  const until = rig.life.master.channelOf(CHANNEL)!.here().standing
  rig.bring()
  const nextMs = rig.world.nowMs
  rig.publish(2)
  rig.bring()
  const held = rig.ask({ until })
  t.match(held, { publications: [{ seq: 1 }], elsewhere: { isExact: true, nextMs } })
  t.match(held.elsewhere!.origins, [{ region: 'there', lineage: 'T1', seq: 41 }])
  rig.pass()
  const gone = rig.ask({ until })
  t.match(gone, { publications: [{ seq: 1 }], elsewhere: { isExact: false, nextMs } },
    'the archive says when the next one was born here')
  t.match(gone.elsewhere!.origins, [{ region: 'there', seq: 43 }])
  const forwards = rig.ask({ until, isBackwards: false })
  t.match(forwards, { publications: [{ seq: 1 }], elsewhere: { isExact: false, nextMs } })
})

t.test('what is kept as the last that was said is told as that, in a world', async (t) => {
  const rig = new Rig({ isLastKept: true })
  rig.publish(1)
  t.equal(rig.ask({ countMax: 2 }).isOfLast, undefined, 'while it is held it is one of others')
  rig.pass()
  t.match(rig.ask({ countMax: 2 }), { publications: [{ seq: 1 }], isOfLast: true })
  const { standing: until } = rig.life.master.channelOf(CHANNEL)!.here()
  t.match(rig.ask({ until, wantsLast: true }), { publications: [{ seq: 1 }], isOfLast: true },
    'who rewinds elsewhere wants it, whatever else')
  t.match(rig.ask({ until: { ...until, seq: 0, entry: 0 }, wantsLast: true }), {
    publications: [], isOfLast: undefined
  })
  const { isOfWorld: _, ...alone } = question
  const asked = { ...alone, countMax: 2, isOfWorld: undefined as never }
  t.match(rig.ask(asked), { publications: [{ seq: 1 }], isOfLast: undefined })
})
