import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import t from 'tap'
import { EmbeddedStats, PortStats } from '../../../src/store/embedded-stats.ts'
import { StatsFile } from '../../../src/store/stats-file.ts'
import { bytesOf, listed, statsContract } from './stats-contract.ts'

const MEGABYTE = 1024 * 1024

t.test('embedded statistics, as the main thread sees them', async (t) => {
  const stats = new EmbeddedStats(MEGABYTE)
  await statsContract(t, async () => stats)
})

t.test('embedded statistics, as workers see them', async (t) => {
  const stats = new EmbeddedStats(MEGABYTE)
  await statsContract(t, async () => {
    const { port1, port2 } = new MessageChannel()
    stats.serve(port1)
    t.teardown(() => port2.close())
    return new PortStats(port2)
  })
})

t.test('embedded statistics in a file: whoever opens it has them', async (t) => {
  const path = join(t.testdir(), 'data.db')
  const stats = new EmbeddedStats(MEGABYTE, Date.now, new StatsFile(path))
  await statsContract(t, async () => stats)
  const all = await listed(stats, 'a1/tally/')
  t.ok(all.length > 0)
  const first = await stats.put('f/tally/1', 0, bytesOf('x'), 60_000)
  await stats.put('f/tally/2', 0, bytesOf('removed'), 60_000)
  await stats.put('f/tally/3', 0, bytesOf('over'), 1_000)
  await stats.put('g/tally/1', 0, bytesOf('forgotten'), 60_000)
  await stats.remove('f/tally/2')
  stats.forget('g')
  stats.close()
  const later = new EmbeddedStats(MEGABYTE, () => Date.now() + 1_000, new StatsFile(path))
  t.teardown(() => later.close())
  t.same(await listed(later, 'a1/tally/'), all)
  t.same(await listed(later, 'f/tally/'), ['f/tally/1 x'])
  t.same(await listed(later, 'g/tally/'), [])
  const expectedSeq = first.kind === 'written' ? first.seq : 0
  t.match(await later.put('f/tally/1', expectedSeq, bytesOf('y'), 60_000), { kind: 'written' })
})

t.test('what a file cannot take is refused, and not there', async (t) => {
  const file = new StatsFile(join(t.testdir(), 'data.db'))
  const stats = new EmbeddedStats(MEGABYTE, Date.now, file)
  file.close()
  t.match(await stats.put('a/tally/1', 0, bytesOf('x'), 1_000), { kind: 'refused' })
  t.same(await listed(stats, 'a/tally/'), [])
})

t.test('records are gone when their time is over', async (t) => {
  let nowMs = 0
  const stats = new EmbeddedStats(MEGABYTE, () => nowMs)
  await stats.put('a/tally/1', 0, bytesOf('x'), 1_000)
  await stats.put('a/tally/2', 0, bytesOf('y'), 2_000)
  nowMs = 1_000
  t.same(await listed(stats, 'a/tally/'), ['a/tally/2 y'])
  t.match(await stats.put('a/tally/1', 0, bytesOf('z'), 1_000), { kind: 'written' })
})

t.test('what is full refuses, until something has gone', async (t) => {
  const stats = new EmbeddedStats(1_000)
  const put = (key: string, expectedSeq = 0) => stats.put(key, expectedSeq, bytesOf('x'), 1_000)
  const kinds: string[] = []
  for (let no = 0; no < 6; no++) kinds.push((await put(`a/tally/${no}`)).kind)
  t.same(kinds, ['written', 'written', 'written', 'written', 'refused', 'refused'])
  const page = await stats.list('a/tally/0', 0)
  t.equal((await put('a/tally/0', page.records[0]!.seq)).kind, 'written', 'in the place of another')
  await stats.remove('a/tally/1')
  t.equal((await put('a/tally/5')).kind, 'written')
  stats.forget('a')
  t.same(await stats.names('a/tally/'), [])
  for (let no = 0; no < 4; no++) t.equal((await put(`b/tally/${no}`)).kind, 'written')
})
