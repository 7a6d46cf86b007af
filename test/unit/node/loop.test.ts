import t from 'tap'
import { AssertionError } from '../../../src/base/assert.ts'
import { Loop } from '../../../src/node/loop.ts'

t.test('what is said while it runs is handled too, in order', async (t) => {
  const handled: number[] = []
  const loop = new Loop<number>((no) => {
    handled.push(no)
    if (no < 3) loop.push(no + 10)
  })
  for (const no of [1, 2, 3]) loop.push(no)
  loop.run()
  t.same(handled, [1, 2, 3, 11, 12])
  loop.run()
  t.equal(handled.length, 5)
})

t.test('who answer each other without end are wrong', async (t) => {
  const loop = new Loop<number>((no) => loop.push(no + 1))
  loop.push(0)
  t.throws(() => loop.run(), AssertionError)
})
