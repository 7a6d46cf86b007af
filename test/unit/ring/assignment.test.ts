import t from 'tap'
import { Random } from '../../../src/base/random.ts'
import { assign } from '../../../src/ring/assignment.ts'
import { renumber } from '../../../src/ring/delta.ts'
import { flawOf, type Member, NOBODY, type View } from '../../../src/ring/view.ts'
import { after, anyChange, loadsOf, memberNo, membersOf, movedCount, viewOf } from './regions.ts'

/** How many partitions, and over how many zones. */
const SHAPES = [[4_096, 3], [1_024, 1], [64, 2], [256, 5]] as const
const SIZES = [3, 4, 5, 7, 16, 31, 50, 100, 200]

/** Why some node masters too much or too little, if one does. */
function imbalanceOf(view: View): string | undefined {
  const serving = view.members.flatMap(({ state }, at) => (state === 'serving' ? [at] : []))
  const { masters } = loadsOf(view)
  const mean = view.partitionCount / serving.length
  const most = Math.max(...serving.map((at) => masters[at]!))
  const least = Math.min(...serving.map((at) => masters[at]!))
  // What cannot be divided is not imbalance.
  if (most > Math.max(1.1 * mean, Math.ceil(mean))) return `most ${most} of mean ${mean}`
  if (least < Math.min(0.95 * mean, Math.floor(mean))) return `least ${least} of mean ${mean}`
  return undefined
}

/** The first row whose owners share a zone although another zone was free, or that is short. */
function zoneFlawOf(view: View): string | undefined {
  const serving = view.members.filter(({ state }) => state === 'serving')
  const zoneCount = new Set(serving.map(({ zone }) => zone)).size
  const width = 1 + view.successorCount
  for (let from = 0; from < view.table.length; from += width) {
    const row = [...view.table.subarray(from, from + width)].filter((cell) => cell !== NOBODY)
    const zones = new Set(row.map((cell) => view.members[cell]!.zone))
    if (row.length !== Math.min(width, serving.length)) return `row of ${row.length} at ${from}`
    if (zones.size !== Math.min(zoneCount, row.length)) return `row ${row.join()} at ${from}`
  }
  return undefined
}

function flawsOf(view: View): string | undefined {
  return flawOf(view) ?? imbalanceOf(view) ?? zoneFlawOf(view)
}

t.test('balanced and spread over zones, from 3 nodes to 200', async (t) => {
  for (const size of SIZES) {
    for (const [partitionCount, zoneCount] of SHAPES) {
      const view = viewOf(membersOf(size, zoneCount), partitionCount)
      t.equal(flawsOf(view), undefined, `${size} nodes, ${partitionCount} partitions`)
    }
  }
})

t.test('successor roles are levelled too', async (t) => {
  for (const [size, zoneCount] of [[3, 1], [6, 3], [10, 1], [30, 3]] as const) {
    let view = viewOf(membersOf(size, zoneCount), 4_096)
    for (let newcomer = size; newcomer <= size + zoneCount; newcomer++) {
      const { successors } = loadsOf(view)
      const mean = 4_096 * 2 / successors.length
      const isEven = view.members.length % zoneCount === 0
      const most = Math.max(...successors)
      if (isEven) t.ok(most <= 1.1 * mean, `${successors.length} nodes: ${most} of ${mean}`)
      const zone = `z${newcomer % zoneCount}`
      view = after(view, { joined: [memberNo(newcomer, { state: 'joining', zone })] })
      view = after(view, { promoted: new Set([`n${newcomer}#1`]) })
    }
  }
})

t.test('who joins takes its share and nobody else moves anything', async (t) => {
  for (const size of SIZES) {
    const before = viewOf(membersOf(size, 3), 4_096)
    const joining = after(before, {
      joined: [memberNo(size, { state: 'joining', zone: `z${size % 3}` })]
    })
    t.equal(movedCount(before, joining), 0, 'a joining node owns nothing')
    t.same(joining.table, before.table)
    const view = after(joining, { promoted: new Set([`n${size}#1`]) })
    t.equal(flawsOf(view), undefined, `${size} nodes and one`)
    const moved = movedCount(before, view)
    t.ok(moved <= 1.2 * 4_096 / (size + 1), `${size} and one: ${moved}`)
    t.equal(moved, loadsOf(view).masters[size], 'what moved went to who came')
  }
})

t.test('who goes gives what it had to its successors, and nobody else moves much', async (t) => {
  for (const size of SIZES.filter((each) => each > 3)) {
    const before = viewOf(membersOf(size, 3), 4_096)
    const had = loadsOf(before).masters[1]!
    for (const how of ['removed', 'leaving'] as const) {
      const change = how === 'removed' ? { removed: new Map([['n1#1', 'test']]) }
        : { leaving: new Set(['n1#1']) }
      const view = after(before, change)
      t.equal(flawsOf(view), undefined, `${size} but one ${how}`)
      const moved = movedCount(before, view)
      t.ok(moved <= 1.2 * had, `${size} but one ${how}: ${moved} for ${had}`)
      const former = renumber(before, view.members)
      let warmCount = 0
      for (let from = 0; from < view.table.length; from += 3) {
        const wasOwned = former.subarray(from, from + 3).includes(view.table[from]!)
        if (wasOwned) warmCount++
      }
      const coldCount = 4_096 - warmCount
      t.ok(coldCount <= 0.2 * had, `${size}: ${coldCount} of ${had} fell to the cold`)
    }
  }
})

t.test('a zone that fails leaves an owner in every row', async (t) => {
  const before = viewOf(membersOf(9, 3), 1_024)
  const gone = before.members.filter(({ zone }) => zone === 'z1')
  const view = after(before, { removed: new Map(gone.map((each) => [each.incarnation, 'zone'])) })
  const former = renumber(before, view.members)
  for (let from = 0; from < former.length; from += 3) {
    const left = former.subarray(from, from + 3).some((cell) => cell !== NOBODY)
    if (!left) t.fail(`row ${from / 3} lost all`)
  }
  t.equal(flawsOf(view), undefined)
})

t.test('[7] the same former table and members give the same table, always', async (t) => {
  const random = new Random('same')
  let no = 1_000
  let view = viewOf(membersOf(12, 3), 256)
  for (let step = 0; step < 40; step++) {
    const change = anyChange(view, random, () => memberNo(no++, { state: 'joining' }))
    const one = after(view, change)
    const other = after(structuredClone(view), structuredClone(change))
    t.same(one.table, other.table)
    view = one
  }
})

t.test('[7] a table that another release made stands as long as it is level', async (t) => {
  const members = membersOf(6, 2)
  // In order around the table, as no release of ours would: within the bounds all the same.
  const table = new Uint16Array(600 * 3)
  for (let row = 0; row < 600; row++) {
    for (let at = 0; at < 3; at++) table[row * 3 + at] = (row + at) % 6
  }
  const next = assign(table, members, 600, 2)
  const isMaster = (_: number, at: number): boolean => at % 3 === 0
  t.same(next.filter(isMaster), table.filter(isMaster))
  const kept = next.filter((cell, at) => cell === table[at]).length
  t.ok(kept > 0.6 * table.length, `${kept} of ${table.length} kept, zones allowing`)
  t.same(assign(next, members, 600, 2), next, 'and then nothing moves at all')
})

t.test('any history keeps every row whole and everybody level', async (t) => {
  for (let seed = 0; seed < 12; seed++) {
    const random = new Random(`history/${seed}`)
    const zoneCount = 1 + random.below(4)
    let no = 1_000
    const fresh = (): Member =>
      memberNo(no++, { state: 'joining', zone: `z${random.below(zoneCount)}` })
    let view = viewOf(membersOf(3 + random.below(20), zoneCount), 128)
    for (let step = 0; step < 40; step++) {
      view = after(view, anyChange(view, random, fresh))
      if (!view.members.some(({ state }) => state === 'serving')) continue
      const flaw = flawsOf(view)
      if (flaw !== undefined) t.fail(`seed ${seed}, view ${view.version}: ${flaw}`)
      const owners = new Set(view.table)
      for (const [at, { state }] of view.members.entries()) {
        if (state !== 'serving' && owners.has(at)) t.fail(`view ${view.version}: ${state} owns`)
      }
    }
  }
})

t.test('leaving nodes keep all while nobody else serves; without either nobody owns', async (t) => {
  const three = viewOf(membersOf(3), 64)
  const leaving = after(three, { leaving: new Set(['n0#1', 'n1#1', 'n2#1']) })
  t.same(leaving.table, three.table)
  const joined = after(leaving, { joined: [memberNo(9, { state: 'joining' })] })
  t.same(joined.table, three.table, 'a joining one does not own yet')
  const served = after(joined, { promoted: new Set(['n9#1']) })
  t.same([...new Set(served.table)], [3, NOBODY], 'whoever serves takes all')
  const all = new Map(three.members.map(({ incarnation }) => [incarnation, 'test']))
  const nobody = after(three, { removed: all })
  t.same([...new Set(nobody.table)], [NOBODY])
  t.equal(flawOf(nobody), undefined)
})

t.test('more nodes than partitions: one each, and none twice', async (t) => {
  const view = viewOf(membersOf(40, 3), 16)
  t.equal(Math.max(...loadsOf(view).masters), 1)
  t.equal(flawsOf(view), undefined)
  const alone = viewOf(membersOf(1), 16)
  t.same([...alone.table.subarray(0, 3)], [0, NOBODY, NOBODY])
})
