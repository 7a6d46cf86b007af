import t from 'tap'
import { MemberNode } from '../../../src/node/member.ts'
import type { MemberInput, MemberOutput } from '../../../src/node/member-ports.ts'
import { ViewDesk } from '../../../src/node/member-views.ts'
import { MEMBERSHIP_FORMAT_VERSION } from '../../../src/peer/membership.ts'
import { defaultTiming as timing } from '../../../src/ring/timing.ts'
import { makeView, type View } from '../../../src/ring/view.ts'
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
  reads(view: View | undefined): boolean {
    const [read] = this.taken('readRing')
    if (read === undefined) return false
    const stored = { resourceVersion: `${view?.version}`, partitionCount: 16, view }
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

t.test('[4, 7] the view that is held yields to a newer one, never to an older', async (t) => {
  const desk = new ViewDesk(timing, () => undefined)
  const older = makeView({ ...ours, version: ours.version - 1 })
  t.ok(desk.yieldsTo(older), 'who holds none takes any')
  desk.hold(ours)
  t.notOk(desk.yieldsTo(older))
  t.notOk(desk.yieldsTo(makeView({ ...ours })), 'nor to itself')
  t.ok(desk.yieldsTo(makeView({ ...ours, version: ours.version + 1 })))
  const other = makeView({ ...viewOf(membersOf(3), 16), version: ours.version })
  t.ok(desk.yieldsTo(other), 'between two of one version the object decides')
})

t.test('[4, 7] an object that was restored, or emptied, is written again above all', async (t) => {
  for (const restored of [makeView({ ...ours, version: 1 }), undefined]) {
    const rig = new Rig()
    const held = makeView({ ...ours, version: ours.version + 5 })
    rig.reads(held)
    rig.taken('writeRing')
    rig.monoMs += 2 * timing.ringRefreshMs
    rig.turn({ kind: 'deadline' })
    rig.reads(restored)
    rig.monoMs += timing.joinSettleMs
    rig.turn({ kind: 'deadline' })
    const [write] = rig.taken('writeRing')
    t.equal(write?.view.version, held.version + 1)
    t.same(write?.view.members, held.members)
  }
})

t.test('[4, 7] who has found the object empty is told of the ring that there is', async (t) => {
  const { node, uid, incarnation, ...rest } = memberNo(7)
  const sender = { node, uid, incarnation }
  const hello = (viewVersion: number): MemberInput => ({
    kind: 'peer',
    message: {
      kind: 'hello', formatVersion: MEMBERSHIP_FORMAT_VERSION, viewVersion, sender,
      member: { ...rest, ...sender, state: 'joining' },
      generations: { incarnation, version: 1, generations: [1] }
    }
  })
  const rig = new Rig()
  rig.reads(ours)
  rig.taken('send')
  rig.turn(hello(ours.version))
  const told = (): string[] => rig.taken('send').flatMap(({ to, message }) =>
    (message.kind === 'viewFull' ? [`${to} ${message.view.version}`] : []))
  t.same(told(), [], 'who knows it needs nothing')
  rig.turn(hello(0))
  t.same(told(), [`${incarnation} ${ours.version}`])
})
