import { setImmediate as immediate } from 'node:timers/promises'
import t from 'tap'
import { Gate } from '../../../src/store/gate.ts'

t.test('[25] so many are under way, so many wait in order, the others are turned away',
  async (t) => {
    const gate = new Gate(2, 2)
    const begun: number[] = []
    const ends: (() => void)[] = []
    const run = (no: number): Promise<number | undefined> => gate.run(() => {
      begun.push(no)
      return new Promise((resolve) => ends.push(() => resolve(no)))
    })
    const runs = [1, 2, 3, 4, 5].map(run)
    await immediate()
    t.same(begun, [1, 2])
    t.equal(await runs[4], undefined)
    ends.shift()!()
    t.equal(await runs[0], 1)
    t.same(begun, [1, 2, 3])
    const sixth = run(6)
    for (let end = ends.shift(); end !== undefined; end = ends.shift()) {
      end()
      await immediate()
    }
    t.same(await Promise.all([...runs, sixth]), [1, 2, 3, 4, undefined, 6])
    t.same(begun, [1, 2, 3, 4, 6])
  })

t.test('[25] a task that fails makes room too', async (t) => {
  const gate = new Gate(1, 1)
  const failing = gate.run(() => Promise.reject(new Error('no')))
  const next = gate.run(async () => 'done')
  await t.rejects(failing, /no/)
  t.equal(await next, 'done')
})
