import t from 'tap'
import { Beliefs } from '../../../src/node/member-beliefs.ts'
import { GenerationsDesk } from '../../../src/node/member-generations.ts'
import type { MemberOutput } from '../../../src/node/member-ports.ts'
import { Roster } from '../../../src/ring/roster.ts'
import { defaultTiming as timing } from '../../../src/ring/timing.ts'
import type { View } from '../../../src/ring/view.ts'
import { after, memberNo, membersOf, viewOf } from '../ring/regions.ts'

const { unwrittenMs } = timing

/** What n0 of three nodes is told to believe. */
class Rig {
  readonly roster = new Roster(timing)
  readonly #outputs: MemberOutput[] = []
  readonly #beliefs: Beliefs
  view = viewOf(membersOf(3), 16)

  constructor() {
    const generations = new GenerationsDesk('n0#1', timing, () => undefined)
    this.#beliefs = new Beliefs(timing, this.roster, generations, this.#outputs)
    this.take(this.view)
  }

  take(view: View): void {
    this.view = view
    this.roster.onView(view, 0)
  }

  /** Who is told to be gone then; undefined where nothing is told. */
  told(nowMs: number, isApiAway = false): string | undefined {
    this.#beliefs.tell(this.view, isApiAway, nowMs)
    const [told] = this.#outputs.splice(0)
    return told?.kind === 'adopt' ? [...told.gone].join(' ') : undefined
  }

  get dueMs(): number {
    return this.#beliefs.nextDeadlineMs()
  }
}

t.test('[10] who stays listed in spite of the evidence is gone after a while', async (t) => {
  const rig = new Rig()
  t.equal(rig.told(0), '', 'the view is news')
  t.equal(rig.dueMs, Infinity)
  rig.roster.onFoundGone('n1#1', 'met another')
  t.equal(rig.told(1_000), undefined, 'the view may say so yet')
  t.equal(rig.dueMs, 1_000 + unwrittenMs)
  rig.roster.onFoundGone('n2#1', 'met another')
  t.equal(rig.told(2_000), undefined)
  t.equal(rig.told(1_000 + unwrittenMs), 'n1#1')
  t.equal(rig.dueMs, 2_000 + unwrittenMs)
  t.equal(rig.told(2_000 + unwrittenMs), 'n1#1 n2#1')
  t.equal(rig.dueMs, Infinity)
})

t.test('[10] nobody waits where watches say that the API is away', async (t) => {
  const rig = new Rig()
  rig.told(0)
  rig.roster.onFoundGone('n1#1', 'met another')
  t.equal(rig.told(1_000, true), 'n1#1')
  t.equal(rig.dueMs, Infinity)
  t.equal(rig.told(1_500), '', 'and when it is back the view has its time')
  t.equal(rig.told(1_000 + unwrittenMs), 'n1#1')
})

t.test('[10] such a belief ends with its evidence, and begins anew with it', async (t) => {
  const rig = new Rig()
  rig.told(0)
  rig.roster.onFoundGone('n1#1', 'met another')
  rig.told(1_000)
  t.equal(rig.told(1_000 + unwrittenMs), 'n1#1')
  rig.roster.onHeard('n1#1', 5_000)
  t.equal(rig.told(5_000), '', 'it was heard')
  rig.roster.onFoundGone('n1#1', 'met another')
  t.equal(rig.told(6_000), undefined)
  t.equal(rig.told(6_000 + unwrittenMs), 'n1#1')
})

t.test('[10] a newer view that lists it says otherwise', async (t) => {
  const rig = new Rig()
  rig.told(0)
  rig.roster.onFoundGone('n1#1', 'met another')
  rig.told(1_000)
  t.equal(rig.told(1_000 + unwrittenMs), 'n1#1')
  rig.take(after(rig.view, { joined: [memberNo(3)] }))
  t.equal(rig.told(5_000), '')
  t.equal(rig.told(5_000 + unwrittenMs), 'n1#1')
  rig.take(after(rig.view, { removed: new Map([['n1#1', 'gone']]) }))
  t.equal(rig.told(9_000), '', 'it is out')
})
