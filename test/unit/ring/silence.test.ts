import t from 'tap'
import { Silences } from '../../../src/ring/silence.ts'
import { defaultTiming } from '../../../src/ring/timing.ts'

const { atOnceMs, silenceMs, suspectSettleMs, suspicionKeptMs } = defaultTiming
const STEP_MS = 100

/** What n0 thinks of `count` nodes whose silence n0 and n1 tell of, and no view is written. */
class Rig {
  readonly #silences = new Silences(defaultTiming)
  readonly #living: ReadonlySet<string>
  readonly #heardAtMs = new Map<string, number>()
  nowMs = 100_000

  constructor(count: number) {
    this.#living = new Set(Array.from({ length: count }, (_, at) => `n${at}`))
  }

  hear(incarnation: string): void {
    this.#heardAtMs.set(incarnation, this.nowMs)
    this.#silences.onHeard(incarnation)
  }

  /** For so long these are missed; undefined: nobody tells anything. Who is gone then. */
  miss(names: string | undefined, forMs: number): string {
    const endMs = this.nowMs + forMs
    const suspects = (names ?? '').split(' ').filter((name) => name !== '')
      .map((incarnation) => ({ incarnation, isProbeFailed: true }))
    for (;;) {
      for (const watcher of names === undefined ? [] : ['n0', 'n1']) {
        this.#silences.onSuspicions(watcher, suspects, this.nowMs)
      }
      const heardAtMs = (name: string): number => this.#heardAtMs.get(name) ?? -Infinity
      const gone = this.#silences.gone(this.#living, heardAtMs, this.nowMs)
      if (this.nowMs >= endMs) return gone.join(' ')
      this.nowMs += STEP_MS
    }
  }

  /** It is missed until it is long gone. */
  lose(names: string): string {
    return this.miss(names, suspectSettleMs + atOnceMs)
  }
}

t.test('[8, 10] who was lost long ago was not lost at once with who is lost now', async (t) => {
  const rig = new Rig(5)
  t.equal(rig.lose('n4'), 'n4')
  t.equal(rig.miss('n3 n4', suspectSettleMs), 'n3 n4')
  t.equal(rig.miss('n3 n4', 60_000), 'n3 n4')
})

t.test('[8] a little earlier is at once, and stays so', async (t) => {
  const rig = new Rig(5)
  t.equal(rig.miss('n4', suspectSettleMs + atOnceMs - STEP_MS), 'n4')
  t.equal(rig.miss('n3 n4', suspectSettleMs), '')
  t.equal(rig.miss('n3 n4', 60_000), '', 'an outage that lasts is no more evidence')
  t.equal(rig.miss('n4', 0), 'n4')
  t.equal(rig.miss('n3 n4', suspectSettleMs), '', 'nor one with a break')
})

t.test('[8] an outage says nothing of who was lost long before', async (t) => {
  const rig = new Rig(9)
  t.equal(rig.lose('n8'), 'n8')
  t.equal(rig.miss('n5 n6 n7 n8', atOnceMs), 'n8', 'three of eight are more than a third')
  t.equal(rig.miss('n5 n6 n8', suspectSettleMs), 'n5 n6 n8', 'two of eight are not')
})

t.test('[8, 10] where half is not heard of nobody is gone, however slowly it came', async (t) => {
  const rig = new Rig(9)
  t.equal(rig.lose('n8'), 'n8')
  t.equal(rig.lose('n7 n8'), 'n7 n8')
  t.equal(rig.lose('n6 n7 n8'), 'n6 n7 n8')
  t.equal(rig.lose('n5 n6 n7 n8'), 'n5 n6 n7 n8', 'five of nine are the greater part')
  t.equal(rig.miss('n4 n5 n6 n7 n8', 0), '')
  t.equal(rig.lose('n4 n5 n6 n7 n8'), '', 'now this may be the part that is cut off')
  rig.hear('n4')
  t.equal(rig.miss('n5 n6 n7 n8', 0), 'n5 n6 n7 n8')
  const four = new Rig(4)
  t.equal(four.lose('n3'), 'n3')
  t.equal(four.lose('n2 n3'), '', 'of two halves neither acts')
})

t.test('[8] who was heard again and falls silent with others falls silent at once', async (t) => {
  const rig = new Rig(5)
  t.equal(rig.lose('n4'), 'n4')
  rig.hear('n4')
  t.equal(rig.miss('n3 n4', 0), '')
  t.equal(rig.miss('n3 n4', silenceMs + suspectSettleMs), '')
  t.equal(rig.miss('n3 n4', 60_000), '')
})

t.test('[8] what nobody tells is no evidence; told again it is no new loss', async (t) => {
  const rig = new Rig(5)
  t.equal(rig.lose('n4'), 'n4')
  t.equal(rig.lose('n3 n4'), 'n3 n4')
  t.equal(rig.miss(undefined, suspicionKeptMs), '', 'the watchers had no mesh')
  t.equal(rig.miss('n3 n4', suspectSettleMs), 'n3 n4')
  t.equal(rig.miss(undefined, suspicionKeptMs), '')
  t.equal(rig.miss('n2', suspectSettleMs), '', 'the others are missing all the same')
})
