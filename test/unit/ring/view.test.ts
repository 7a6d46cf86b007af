import t from 'tap'
import { Random } from '../../../src/base/random.ts'
import {
  decodeTable, digestOf, emptyView, encodeTable, flawOf, homeWorkerOf, isTombstoned, makeView,
  masterOf, memberOf, NOBODY, ownersOf, recordOf, statusFromView, type View, viewFromRecord,
  viewFromStatus
} from '../../../src/ring/view.ts'
import { after, memberNo, membersOf, viewOf } from './regions.ts'

const stone = { node: 'old', incarnation: 'old#1', removedAtMs: 5 }
const whole: View = makeView({ ...viewOf(membersOf(5, 3)), version: 7, tombstones: [stone] })

/** What a store or a mesh gives back: the same data, nothing of the same objects. */
const travelled = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T

t.test('[7] a view comes back from the object and from a peer as it was', async (t) => {
  const status = travelled(statusFromView(whole, 'n0', '2026-01-01T00:00:00Z'))
  t.equal(status.memberCount, whole.members.length, 'kubectl shows how many there are')
  const read = viewFromStatus(status, { partitionCount: 64 })
  t.equal(read.outcome, 'view')
  if (read.outcome !== 'view') return
  t.same(read.view, whole)
  t.equal(digestOf(read.view), digestOf(whole))
  const told = viewFromRecord(travelled(recordOf(whole)))
  t.equal(told.outcome, 'view')
  if (told.outcome === 'view') t.same(told.view, whole)
})

t.test('what a newer release adds is let pass and not kept', async (t) => {
  const status = travelled(statusFromView(whole, 'n0', ''))
  const members = status.members.map((each) => ({ ...each, color: 'red' }))
  const read = viewFromStatus({ ...status, members, mood: 1 }, { partitionCount: 64 })
  t.equal(read.outcome, 'view')
  if (read.outcome === 'view') t.same(read.view, whole)
})

t.test('an object that a person spoiled is refused with a reason', async (t) => {
  const status = statusFromView(whole, 'n0', '') as unknown as Record<string, unknown>
  const [first, ...others] = whole.members
  const spoiled: [string, unknown, RegExp][] = [
    ['nothing', undefined, /not an object/],
    ['a list', [status], /not an object/],
    ['a negative version', { ...status, version: -1 }, /version/],
    ['a fraction', { ...status, version: 1.5 }, /version/],
    ['too many successors', { ...status, successorCount: 17 }, /successorCount/],
    ['members by name', { ...status, members: {} }, /members is not a list/],
    ['no uid', { ...status, members: [{ ...first, uid: '' }, ...others] }, /members\[0\]: uid/],
    ['no worker', { ...status, members: [{ ...first, workers: 0 }, ...others] }, /workers/],
    ['a new state', { ...status, members: [{ ...first, state: 'dead' }, ...others] }, /state/],
    ['a null', { ...status, members: [null, ...others] }, /members\[0\]/],
    ['a node twice', { ...status, members: [{ ...first, node: 'n1' }, ...others] }, /twice/],
    ['a life twice', { ...status, members: [{ ...first, incarnation: 'n1#1' }, ...others] },
      /incarnation is listed twice/],
    ['a tombstone half', { ...status, tombstones: [{ node: 'x' }] }, /tombstones\[0\]/],
    ['a risen dead', { ...status, tombstones: [{ ...stone, incarnation: 'n1#1' }] },
      /removed incarnation/],
    ['no table', { ...status, assignment: undefined }, /assignment/],
    ['no base64', { ...status, assignment: `*${String(status['assignment']).slice(1)}` },
      /assignment/],
    ['half a table', { ...status, assignment: encodeTable(whole.table.subarray(0, 96)) },
      /assignment/],
    ['a stranger owns', { ...status, members: whole.members.slice(0, 4) }, /not listed/]
  ]
  for (const [what, value, reason] of spoiled) {
    const read = viewFromStatus(value, { partitionCount: 64 })
    t.equal(read.outcome, 'malformed', what)
    if (read.outcome === 'malformed') t.match(read.reason, reason, what)
  }
  t.equal(viewFromStatus(status, { partitionCount: 65 }).outcome, 'malformed')
  t.equal(viewFromStatus(status, { partitionCount: 64 }).outcome, 'view')
})

t.test('[7] no view has a row that nobody could act on', async (t) => {
  const row = (cells: number[]): Uint16Array => {
    const table = whole.table.slice()
    table.set(cells, 30)
    return table
  }
  t.match(flawOf({ ...whole, table: row([1, 1, 2]) }), /partition 10: an owner stands twice/)
  t.match(flawOf({ ...whole, table: row([NOBODY, 1, 2]) }), /follows a gap/)
  t.match(flawOf({ ...whole, table: row([0, 1, 5]) }), /not listed/)
  t.equal(flawOf({ ...whole, table: row([0, 1, NOBODY]) }), undefined)
  t.equal(flawOf({ ...whole, table: row([NOBODY, NOBODY, NOBODY]) }), undefined)
  const joining = whole.members.map((each, at) =>
    (at === 3 ? { ...each, state: 'joining' as const } : each))
  t.match(flawOf({ ...whole, members: joining }), /a joining node owns/)
  t.throws(() => makeView({ ...whole, table: row([1, 1, 2]) }), /a view is whole/)
})

t.test('a table is two bytes a cell, whatever the machine, and nothing else', async (t) => {
  const random = new Random('tables')
  for (const length of [0, 1, 2, 3, 100, 4_096]) {
    const table = Uint16Array.from({ length }, () => random.below(65_536))
    const bytes = Buffer.alloc(length * 2)
    for (const [at, cell] of table.entries()) bytes.writeUInt16LE(cell, at * 2)
    const text = encodeTable(table)
    t.equal(text, bytes.toString('base64'))
    t.same(decodeTable(text, length), table)
    t.equal(decodeTable(text, length + 1), undefined)
  }
  for (const text of ['AAA', 'AAA=\n', ' AAA', 'A===', 'AA-_', 'AAAA=']) {
    t.equal(decodeTable(text, 1), undefined, JSON.stringify(text))
  }
})

t.test('the digest tells views apart by everything that matters', async (t) => {
  const [first, ...others] = whole.members
  const cell = whole.table.slice()
  cell[3] = (cell[3]! + 1) % 5
  const different: View[] = [
    whole, { ...whole, version: 8 }, { ...whole, table: cell }, { ...whole, tombstones: [] },
    { ...whole, members: [...whole.members].reverse() }, { ...whole, members: others },
    ...(['startedAt', 'workers', 'meshVersion', 'privatePort'] as const).map((field) =>
      ({ ...whole, members: [{ ...first!, [field]: 9 }, ...others] })),
    ...(['node', 'uid', 'incarnation', 'zone', 'host', 'state'] as const).map((field) =>
      ({ ...whole, members: [{ ...first!, [field]: 'other' }, ...others] }))
  ]
  const digests = new Set(different.map(digestOf))
  t.equal(digests.size, different.length)
  t.notOk(digests.has(0))
  t.equal(digestOf({ ...whole, table: whole.table.slice() }), digestOf(whole))
})

t.test('owners stand in their order; a table of nobody has none', async (t) => {
  for (let partition = 0; partition < 64; partition++) {
    const owners = ownersOf(partition, whole)
    const cells = whole.table.subarray(partition * 3, partition * 3 + 3)
    t.same(owners.map(({ node }) => node), [...cells].map((cell) => `n${cell}`))
    t.equal(masterOf(partition, whole), owners[0])
    t.equal(homeWorkerOf(partition, owners[0]!), partition % 2)
  }
  const empty = emptyView(64, 2)
  t.same(ownersOf(3, empty), [])
  t.equal(masterOf(3, empty), undefined)
  t.throws(() => masterOf(64, whole), /partition 64 exists/)
  t.throws(() => ownersOf(-1, whole))
})

t.test('a view is a value: what it was made of can change, it cannot', async (t) => {
  const members = [{ ...memberNo(0) }]
  const view = makeView({ ...emptyView(4, 0), version: 1, members })
  members[0]!.node = 'other'
  t.equal(view.members[0]!.node, 'n0')
  t.throws(() => {
    (view as { version: number }).version = 2
  }, TypeError)
  t.throws(() => (view.members as unknown[]).push(memberNo(1)), TypeError)
  const next = after(whole, { removed: new Map([['n2#1', 'test']]) }, 77)
  t.ok(memberOf('n2#1', whole), 'a change makes another view')
  t.equal(memberOf('n2#1', next), undefined)
  t.ok(isTombstoned('n2#1', next) && !isTombstoned('n2#1', whole))
})
