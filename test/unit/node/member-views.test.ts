import t from 'tap'
import { MemberNode } from '../../../src/node/member.ts'
import type { MemberInput, MemberOutput } from '../../../src/node/member-ports.ts'
import { defaultTiming as timing } from '../../../src/ring/timing.ts'
import type { View } from '../../../src/ring/view.ts'
import { memberNo, membersOf, viewOf } from '../ring/regions.ts'

/** A node that is told of its ring by nobody but the ring object. */
class Rig {
  readonly machine: MemberNode
  monoMs = 1_000
  readonly #outputs: MemberOutput[] = []

  constructor() {
    this.machine = new MemberNode({ identity: memberNo(0), seed: 'views' }, this.#outputs)
    this.turn({ kind: 'mesh', isUp: true })
  }

  turn(input: MemberInput): void {
    this.machine.turn(input, { monoMs: this.monoMs, wallMs: this.monoMs })
  }

  /** What it has asked for since the last call. */
  taken<K extends MemberOutput['kind']>(kind: K): Extract<MemberOutput, { kind: K }>[] {
    const isWanted = (output: MemberOutput): output is Extract<MemberOutput, { kind: K }> =>
      output.kind === kind
    const taken = this.#outputs.filter(isWanted)
    this.#outputs.splice(0)
    return taken
  }

  /** Answers the read that is under way; false if there is none. */
  reads(view: View): boolean {
    const [read] = this.taken('readRing')
    if (read === undefined) return false
    const stored = { resourceVersion: `${view.version}`, partitionCount: 16, view }
    this.turn({ kind: 'ringRead', ticket: read.ticket, reading: { outcome: 'found', stored } })
    return true
  }
}

const ours = viewOf(membersOf(2), 16)

t.test('[2, 9] a view that only a log has seen is fetched from the ring object', async (t) => {
  const rig = new Rig()
  rig.reads(ours)
  const version = ours.version + 2
  rig.turn({ kind: 'heardView', version, from: undefined })
  const without = { ...viewOf(membersOf(3).slice(1), 16), version }
  t.ok(rig.reads(without), 'it does not wait for the next look')
  const standing = rig.taken('standing').at(-1)
  t.equal(standing?.standing, 'removed', 'and finds that it is out')
})

t.test('it is asked for once in a while, however often it is heard of', async (t) => {
  const rig = new Rig()
  rig.reads(ours)
  const heard = { kind: 'heardView', version: ours.version + 2, from: undefined } as const
  let count = 0
  for (let no = 0; no < 10; no++) {
    rig.turn(heard)
    if (rig.reads(ours)) count++
  }
  t.equal(count, 1)
  rig.monoMs += timing.pullRetryMs
  rig.turn(heard)
  t.ok(rig.reads(ours))
  rig.monoMs += timing.pullRetryMs
  rig.turn({ ...heard, version: ours.version })
  t.notOk(rig.reads(ours), 'but not what is held')
})

t.test('[9] who holds a newer one is asked for it', async (t) => {
  const rig = new Rig()
  rig.reads(ours)
  const from = memberNo(1).incarnation
  rig.turn({ kind: 'heardView', version: ours.version + 1, from })
  const asked = rig.taken('send').filter(({ message }) => message.kind === 'viewPull')
  t.same(asked.map(({ to }) => to), [from])
})
