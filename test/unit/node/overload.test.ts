import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Overload } from '../../../src/node/overload.ts'
import { memoryShareOf } from '../../../src/ops/load-gauge.ts'

const late = { lagMs: limits.strainedLagMs, memoryShare: 0.1 }
const calm = { lagMs: 0, memoryShare: 0.1 }

function look(overload: Overload, strain: typeof calm, times: number): void {
  for (let no = 0; no < times; no++) overload.onStrain(strain)
}

t.test('one late look is a hiccup, several in a row are strain', async (t) => {
  const overload = new Overload()
  for (let no = 0; no < 20; no++) {
    look(overload, late, limits.strainedLooks - 1)
    look(overload, calm, 1)
    t.notOk(overload.isStrained)
  }
  look(overload, late, limits.strainedLooks)
  t.ok(overload.isStrained)
  t.notOk(overload.isDire, 'memory there is')
})

t.test('it is over when it has been over for a while, and not before', async (t) => {
  const overload = new Overload()
  look(overload, late, limits.strainedLooks)
  for (let no = 0; no < 20; no++) {
    look(overload, calm, limits.calmLooks - 1)
    look(overload, { ...calm, lagMs: limits.calmLagMs }, 1)
    t.ok(overload.isStrained, 'half calm is not calm')
  }
  look(overload, calm, limits.calmLooks)
  t.notOk(overload.isStrained)
})

t.test('scarce memory is strain at once, and dire when nothing is left', async (t) => {
  const overload = new Overload()
  look(overload, { ...calm, memoryShare: limits.strainedMemoryShare }, 1)
  t.ok(overload.isStrained)
  t.notOk(overload.isDire)
  look(overload, { ...calm, memoryShare: limits.direMemoryShare }, 1)
  t.ok(overload.isDire)
  look(overload, { ...calm, memoryShare: limits.calmMemoryShare }, 100)
  t.notOk(overload.isDire)
  t.ok(overload.isStrained, 'until there is more to spare')
  look(overload, calm, limits.calmLooks)
  t.notOk(overload.isStrained)
})

t.test('memory is what the thread or the process may have, whichever is scarcer', async (t) => {
  const facts = { heapUsed: 1, heapMax: 10, resident: 20, constrained: 0, installed: 100 }
  t.equal(memoryShareOf(facts), 0.2)
  t.equal(memoryShareOf({ ...facts, heapUsed: 9 }), 0.9)
  t.equal(memoryShareOf({ ...facts, constrained: 40 }), 0.5)
  t.equal(memoryShareOf({ ...facts, constrained: 2 ** 60 }), 0.2, 'no bound is no bound')
})
