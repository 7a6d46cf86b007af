import t from 'tap'
import { Queue } from '../../../src/base/queue.ts'
import { Random } from '../../../src/base/random.ts'

t.test('any use of a queue is that of a list', async (t) => {
  for (let seed = 0; seed < 40; seed++) {
    const random = new Random(`queue/${seed}`)
    const queue = new Queue<number>()
    const list: { item: number; bytes: number }[] = []
    // Runs of pushes and of shifts, so that the front is cut off and refilled.
    let isFilling = true
    for (let step = 0; step < 3_000; step++) {
      if (random.unit() < 0.01) isFilling = !isFilling
      if (random.unit() < 0.001) {
        queue.clear()
        list.splice(0)
      } else if (isFilling) {
        const bytes = random.below(100)
        queue.push(step, bytes)
        list.push({ item: step, bytes })
      } else {
        const expected = list.shift()?.item
        if (queue.shift() !== expected) t.fail(`seed ${seed}, step ${step}`)
      }
      const bytes = list.reduce((sum, each) => sum + each.bytes, 0)
      const isSame = queue.length === list.length && queue.peek() === list[0]?.item &&
        queue.bytes === bytes
      if (!isSame) t.fail(`seed ${seed}, step ${step}: ${queue.length}, ${queue.bytes} bytes`)
    }
    t.same([...queue], list.map(({ item }) => item))
  }
})

t.test('an empty queue has nothing to give, however often it is asked', async (t) => {
  const queue = new Queue<string>()
  queue.push('only', 7)
  t.equal(queue.shift(), 'only')
  t.equal(queue.shift(), undefined)
  t.equal(queue.shift(), undefined)
  t.match(queue, { length: 0, bytes: 0 })
  queue.push('next')
  t.equal(queue.peek(), 'next')
  t.equal(queue.length, 1)
})
