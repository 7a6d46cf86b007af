import t from 'tap'
import { Random } from '../../../src/base/random.ts'

const draws = (random: Random, count = 50): number[] =>
  Array.from({ length: count }, () => random.uint32())

const PINNED = [1761933758, 1144565890, 200325826]

t.test('one seed is one stream, in every release', async (t) => {
  t.same(draws(new Random('ringcast'), 4), draws(new Random('ringcast'), 4))
  t.not(draws(new Random('ringcast')).join(), draws(new Random('ringcasu')).join())
  t.same(draws(new Random('pinned'), 3), PINNED, 'seeds that were written down stay what they were')
})

t.test('a fork is its own stream: draws in one place shift no other', async (t) => {
  const untouched = draws(new Random('world').fork('ids'))
  const parent = new Random('world')
  draws(parent, 17)
  t.same(draws(parent.fork('ids')), untouched)
  t.not(draws(parent.fork('jitter')).join(), untouched.join())
  t.not(draws(new Random('world')).join(), untouched.join())
})

t.test('draws stay inside what was asked for and reach all of it', async (t) => {
  const random = new Random('bounds')
  const seen = new Map<number, number>()
  for (let count = 0; count < 6_000; count++) {
    const drawn = random.below(6)
    seen.set(drawn, (seen.get(drawn) ?? 0) + 1)
    const unit = random.unit()
    if (unit < 0 || unit >= 1) t.fail(`unit ${unit}`)
    const pause = random.jitter(100, 0.3)
    if (pause < 70 || pause >= 130) t.fail(`jitter ${pause}`)
  }
  t.same([...seen.keys()].sort(), [0, 1, 2, 3, 4, 5])
  // Six standard deviations of a fair die.
  for (const [drawn, count] of seen) t.ok(Math.abs(count - 1_000) < 175, `${drawn}: ${count}`)
  t.equal(random.below(1), 0)
})

t.test('ids are of letters and digits, and do not repeat', async (t) => {
  const random = new Random('ids')
  const ids = new Set(Array.from({ length: 5_000 }, () => random.id(10)))
  t.equal(ids.size, 5_000)
  for (const id of ids) if (!/^[0-9A-Za-z]{10}$/.test(id)) t.fail(id)
  t.equal(random.id(0), '')
})
