import t from 'tap'
import { Mastership } from '../../../src/node/mastership.ts'
import { homeWorkerOf, masterOf, type Member, ownersOf, type View } from '../../../src/ring/view.ts'
import { after, memberNo, membersOf, viewOf } from '../ring/regions.ts'

const nobodyGone: ReadonlySet<string> = new Set()
const self = { incarnation: 'n0#1', worker: 0 }
const view = viewOf(membersOf(4), 16)

/** What the node knows of worker generations: all `generation`, but for those named. */
function lives(of: View, named: Readonly<Record<string, number[]>> = {}): Map<string, number[]> {
  return new Map(of.members.map(({ incarnation }): [string, number[]] =>
    [incarnation, named[incarnation] ?? [1, 1]]))
}

function knowing(known = view): Mastership {
  const mastership = new Mastership(self, 2)
  mastership.learn(known, lives(known), nobodyGone)
  return mastership
}

/** A channel of that partition. */
function channelIn(partition: number): string {
  const mastership = knowing()
  for (let no = 0; ; no++) {
    if (mastership.partitionOf(`app/c${no}`) === partition) return `app/c${no}`
  }
}

t.test('[14] every channel has one master, and one worker there is its home', async (t) => {
  const mine: number[] = []
  for (let partition = 0; partition < 16; partition++) {
    const channel = channelIn(partition)
    const master = masterOf(partition, view)!
    const worker = homeWorkerOf(partition, master)
    const { incarnation } = master
    t.same(knowing().masterPlace(channel), { incarnation, worker })
    t.equal(knowing().homeWorker(channel), partition % 2)
    if (knowing().isMine(partition)) mine.push(partition)
    t.equal(knowing().isMine(partition), incarnation === 'n0#1' && worker === 0)
  }
  t.ok(mine.length > 0, 'the example masters something')
})

t.test('before any view nobody masters anything', async (t) => {
  const mastership = new Mastership(self, 2)
  t.equal(mastership.viewVersion, 0)
  t.equal(mastership.masterPlace('app/c'), undefined)
  t.equal(mastership.masterLife('app/c'), 'nobody')
  t.notOk(mastership.isMine(3))
})

t.test('[10] the next owner acts for one known to be gone, and all agree on it', async (t) => {
  const [master, next, last] = ownersOf(5, view) as [Member, Member, Member]
  const at = (gone: Member[]): Mastership[] =>
    view.members.map(({ incarnation }) => {
      const mastership = new Mastership({ incarnation, worker: 1 }, 2)
      mastership.learn(view, lives(view), new Set(gone.map((each) => each.incarnation)))
      return mastership
    })
  for (const [gone, acting] of [[[], master], [[master], next], [[master, next], last]] as const) {
    for (const each of at([...gone])) {
      t.equal(each.masterPlace(channelIn(5))?.incarnation, acting.incarnation)
    }
    const mine = at([...gone]).map((each) => each.isMine(5))
    t.same(mine.filter(Boolean).length, 1, 'one of them, and only one, takes it')
  }
  const all = at([...view.members])
  t.equal(all[0]!.masterPlace(channelIn(5)), undefined, 'with all owners gone nobody does')
})

t.test('[14] the life of a master changes with the place and with its worker', async (t) => {
  const channel = channelIn(2)
  const { incarnation } = masterOf(2, view)!
  const mastership = knowing()
  const first = mastership.masterLife(channel)
  mastership.learn(view, lives(view, { [incarnation]: [1, 2] }), nobodyGone)
  t.equal(mastership.masterLife(channel), first, 'the other worker is not its home')
  mastership.learn(view, lives(view, { [incarnation]: [2, 2] }), nobodyGone)
  t.not(mastership.masterLife(channel), first)
  const second = mastership.masterLife(channel)
  mastership.learn(view, lives(view, { [incarnation]: [2, 2] }), new Set([incarnation]))
  t.not(mastership.masterLife(channel), second)
})

t.test('who is no longer in the view has ended, with all its workers, once', async (t) => {
  const mastership = knowing()
  const next = after(view, { removed: new Map([['n2#1', 'test']]) })
  const { ended } = mastership.learn(next, lives(next), nobodyGone)
  t.same(ended, [{ incarnation: 'n2#1', worker: 0 }, { incarnation: 'n2#1', worker: 1 }])
  t.same(mastership.learn(next, lives(next), nobodyGone).ended, [])
})

t.test('[13] who spoke to us and came and went in views that we never saw has ended, once',
  async (t) => {
    const mastership = knowing()
    const place = { incarnation: 'n9#1', worker: 1 }
    mastership.hear(place, 1)
    const joined = after(view, { joined: [memberNo(9)] })
    const next = after(joined, { removed: new Map([['n9#1', 'test']]) })
    t.same(mastership.learn({ ...view, version: 2 }, lives(view), nobodyGone).ended, [],
      'not as long as it may be in a view to come')
    t.same(mastership.learn(next, lives(next), nobodyGone).ended, [place])
    t.same(mastership.learn(next, lives(next), nobodyGone).ended, [])
  })

t.test('[11] a worker whose generation changed lives anew; this one itself does not', async (t) => {
  const mastership = knowing()
  const told = lives(view, { 'n1#1': [1, 2], 'n0#1': [2, 1] })
  const { anew, heardAnew } = mastership.learn(view, told, nobodyGone)
  t.same(anew, [{ incarnation: 'n1#1', worker: 1 }])
  t.same(heardAnew, [])
  t.same(mastership.learn(view, told, nobodyGone).anew, [], 'told once')
  const joined = after(view, { joined: [memberNo(9, { state: 'joining' })] })
  const unknown = mastership.learn(joined, lives(joined, { 'n9#1': [7, 7], ...Object.fromEntries(
    told) }), nobodyGone)
  t.same(unknown.anew, [], 'who was not known has no former life to forget')
})

t.test('[C2] a new life that spoke before it was told of is told apart', async (t) => {
  const mastership = knowing()
  const place = { incarnation: 'n1#1', worker: 1 }
  mastership.hear(place, 3)
  mastership.hear(place, 2)
  const told = (generation: number) =>
    mastership.learn(view, lives(view, { 'n1#1': [1, generation] }), nobodyGone)
  t.same(told(3).heardAnew, [place], 'what it said is not to be forgotten')
  const next = told(4)
  t.same([next.anew, next.heardAnew], [[place], []], 'the life after has not spoken')
})

t.test('[14] views that were skipped are noticed, the first one is none', async (t) => {
  const mastership = new Mastership(self, 2)
  const versions = [5, 6, 6, 9, 10]
  const skips = versions.map((version) =>
    mastership.learn({ ...view, version }, lives(view), nobodyGone).hasSkipped)
  t.same(skips, [false, false, false, true, false])
  t.equal(mastership.viewVersion, 10)
})

t.test('[7] the removed are known as long as their tombstones stand', async (t) => {
  const mastership = knowing()
  const place = { incarnation: 'n2#1', worker: 1 }
  t.notOk(mastership.isRemoved(place))
  const next = after(view, { removed: new Map([['n2#1', 'test']]) })
  mastership.learn(next, lives(next), nobodyGone)
  t.ok(mastership.isRemoved(place))
  t.notOk(mastership.isRemoved({ incarnation: 'n9#1', worker: 1 }), 'a stranger may be new')
})
