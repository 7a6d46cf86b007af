import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { InTurns } from '../../../src/node/in-turns.ts'

const numbers = Array.from({ length: 3 * limits.questionsPerRequestMax }, (_, at) => at)

t.test('results that come at once', async (t) => {
  const all: unknown[] = []
  new InTurns<number, number>(numbers, (item, onResult) => onResult(2 * item),
    (results) => void all.push(...results)).begin()
  t.same(all, numbers.map((each) => 2 * each))
})

t.test('nothing to do is done', async (t) => {
  let doneCount = 0
  new InTurns<number, number>([], () => t.fail('nothing to run'), () => void doneCount++).begin()
  t.equal(doneCount, 1)
})

t.test('a few at a time, in order whoever is first', async (t) => {
  const open: (() => void)[] = []
  const all: unknown[] = []
  const turns = new InTurns<number, number>(
    numbers,
    (item, onResult) => void open.push(() => onResult(item)),
    (results) => void all.push(results)
  )
  turns.begin()
  while (open.length > 0) {
    t.ok(open.length <= limits.questionsPerRequestMax)
    open.pop()!()
  }
  t.same(all, [numbers])
})

t.test('stopped, it begins no more and has what there is', async (t) => {
  const open: (() => void)[] = []
  const all: (readonly (number | undefined)[])[] = []
  const turns = new InTurns<number, number>(
    numbers,
    (item, onResult) => void open.push(() => onResult(item)),
    (results) => void all.push([...results])
  )
  turns.begin()
  open[1]!()
  turns.stop()
  turns.stop()
  const begunCount = open.length
  for (const end of [open[0]!, ...open.slice(2)]) end()
  t.equal(open.length, begunCount)
  t.equal(all.length, 1)
  t.equal(all[0]!.length, numbers.length)
  t.equal(all[0]![1], 1)
  t.equal(all[0]!.filter((each) => each !== undefined).length, 1)
})
