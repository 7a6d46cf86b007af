import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { op } from './parts.ts'
import { PartitionBench, SharedLog } from './partition-bench.ts'

const NODE = { incarnation: 'n', worker: 0 }

/** A master whose snapshot makes its first records superfluous, once they are old enough. */
function withSnapshot(log = new SharedLog()): PartitionBench {
  const bench = new PartitionBench(log).settle()
  bench.join(NODE)
  bench.settle()
  const payload = new Uint8Array(limits.snapshotEveryBytes / 2)
  for (let no = 1; no <= 3; no++) {
    bench.publish(NODE, no, op(`a:${no}`, { payload }))
    bench.settle()
  }
  return bench
}

function kindsAsked({ questions }: PartitionBench): string[] {
  return questions.map(({ request }) => request.kind)
}

t.test('[6, 11] a trim waits for an append that shows that this is still the master',
  async (t) => {
    const bench = withSnapshot()
    const before = bench.log.records.length
    t.ok(bench.log.content().includes('snapshotEnd'))
    bench.pass(limits.tailMs)
    t.same(kindsAsked(bench), ['append'])
    bench.settle()
    t.equal(bench.log.content().at(-1), 'confirm')
    t.ok(bench.log.records.length < before, 'and then goes on its way')
    const { length } = bench.log.records
    bench.pass(5_000)
    bench.settle()
    t.equal(bench.log.records.length, length, 'nothing is confirmed where nothing may go')
  })

t.test('[4, 6] who slept while the log was rolled back trims nothing of what came since',
  async (t) => {
    const bench = withSnapshot()
    const { log } = bench
    log.records = []
    const heir = new PartitionBench(log, 2).settle()
    heir.join(NODE)
    heir.settle()
    heir.publish(NODE, 1, 'b:1')
    heir.settle()
    const content = log.content()
    t.equal(content.at(-1), '1 b:1')
    bench.pass(limits.tailMs)
    bench.settle()
    t.same(log.content().slice(0, content.length), content)
    t.notOk(kindsAsked(bench).includes('trim'))
  })

t.test('[3, 6] an append that was accepted long ago shows nothing', async (t) => {
  const bench = withSnapshot()
  bench.publish(NODE, 4, 'a:4')
  bench.flush()
  bench.pass(limits.tailMs)
  t.same(kindsAsked(bench), ['append'], 'of before')
  bench.answer()
  t.notOk(kindsAsked(bench).includes('trim'))
  bench.pass(5_000)
  bench.answer()
  t.ok(kindsAsked(bench).includes('trim'), 'one that began since then does')
})
