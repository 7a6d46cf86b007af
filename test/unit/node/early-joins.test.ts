import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { EarlyJoins } from '../../../src/node/early-joins.ts'
import type { Join } from '../../../src/peer/message.ts'

const place = { incarnation: 'n', worker: 0 }

function join(channel: string, joinNo: number): Join {
  return {
    kind: 'join', channel, joinNo, clientId: 'k', viewVersion: 2, from: undefined,
    wantsDeliveries: true
  }
}

t.test('[9] a Join that came again takes the place of the former one', async (t) => {
  const early = new EarlyJoins()
  early.keep(place, join('a', 1))
  early.keep(place, join('b', 1))
  early.keep(place, join('a', 2))
  t.same(early.takeAll().map((kept) => [kept.join.channel, kept.join.joinNo]), [['a', 2], ['b', 1]])
  t.same(early.takeAll(), [])
})

t.test('[9, 13] nobody waits who has left, or whose link was reset', async (t) => {
  const early = new EarlyJoins()
  const other = { incarnation: 'o', worker: 0 }
  for (const channel of ['a', 'b']) early.keep(place, join(channel, 1))
  early.keep(other, join('a', 1))
  early.forget(place, 'a')
  const kept = early.takeAll().map(({ from, join }) => [from, join.channel])
  t.same(kept, [[place, 'b'], [other, 'a']])
  for (const channel of ['a', 'b']) early.keep(place, join(channel, 1))
  early.keep(other, join('a', 1))
  early.forget(place)
  t.same(early.takeAll().map(({ from }) => from), [other])
})

t.test('[25] above the bound none is kept: they come again of themselves', async (t) => {
  const early = new EarlyJoins()
  for (let no = 0; no < limits.earlyJoinsMax + 5; no++) early.keep(place, join(`c${no}`, 1))
  t.equal(early.takeAll().length, limits.earlyJoinsMax)
})
