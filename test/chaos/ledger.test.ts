/* A judge that finds nothing must be one that would find something. */

import t from 'tap'
import { type FlawKind, Ledger, type Sent } from './ledger.ts'

const CHANNEL = 'c'
const [ANN, BOB] = ['ann', 'bob']

/** A ledger with two attached subscribers, and verbs for what happens. */
class Play {
  readonly ledger = new Ledger()
  #serial = 0

  constructor() {
    for (const who of [ANN, BOB]) this.ledger.attached(who, CHANNEL, false, '')
  }

  publish(key: number, publisher = 'p'): Sent {
    return this.ledger.sent(key, CHANNEL, publisher, key)
  }

  /** A publish that is acknowledged and shown to everybody. */
  whole(key: number, publisher = 'p'): Sent {
    const sent = this.publish(key, publisher)
    const serial = this.serial()
    this.ledger.acknowledged(sent, serial, key)
    for (const who of [ANN, BOB]) this.show(who, key, serial)
    return sent
  }

  serial(): string {
    return String(++this.#serial).padStart(4, '0')
  }

  show(who: string, key: number, serial: string, id = `x:${key}:0`): void {
    this.ledger.delivered(who, CHANNEL, { key, id, serial })
  }

  kinds(): FlawKind[] {
    return this.ledger.judge().map(({ kind }) => kind)
  }
}

t.test('what arrives everywhere once and in order is no flaw', async (t) => {
  const play = new Play()
  for (const key of [1, 2, 3]) play.whole(key)
  play.ledger.attached(ANN, CHANNEL, true, '')
  t.ok(play.ledger.hasAll(ANN))
  t.same(play.kinds(), [])
  t.match(play.ledger.counts, { sent: 3, acknowledged: 3, delivered: 6, resumedAttaches: 1 })
})

t.test('what was acknowledged and is missing somewhere is lost', async (t) => {
  const play = new Play()
  play.whole(1)
  const serial = play.serial()
  play.ledger.acknowledged(play.publish(2), serial, 2)
  play.show(ANN, 2, serial)
  t.ok(play.ledger.hasAll(ANN))
  t.notOk(play.ledger.hasAll(BOB))
  t.same(play.kinds(), ['lost', 'reordered'], 'and the two saw different things')
})

t.test('what is shown twice to one subscriber is repeated', async (t) => {
  const play = new Play()
  const { serial = '' } = play.whole(1)
  play.show(BOB, 1, serial)
  t.same(play.kinds(), ['repeated'])
})

t.test('one publish that was committed twice on one connection is repeated', async (t) => {
  const play = new Play()
  play.whole(1)
  const serial = play.serial()
  for (const who of [ANN, BOB]) play.show(who, 1, serial, 'x:2:0')
  t.same(play.kinds(), ['repeated'])
})

t.test('one that its client sent again as new on a new connection is repeated', async (t) => {
  const play = new Play()
  play.whole(1)
  const serial = play.serial()
  for (const who of [ANN, BOB]) play.show(who, 1, serial, 'y:0:0')
  t.same(play.kinds(), ['repeated'])
})

t.test('serials, or one publisher\'s numbers, that go back are reordered', async (t) => {
  const serials = new Play()
  for (const key of [1, 2]) serials.ledger.acknowledged(serials.publish(key), `${3 - key}`, key)
  for (const who of [ANN, BOB]) for (const key of [1, 2]) serials.show(who, key, `${3 - key}`)
  t.same(serials.kinds(), ['reordered', 'reordered'])

  const numbers = new Play()
  numbers.whole(2)
  numbers.whole(1)
  t.same(numbers.kinds(), ['reordered', 'reordered'])

  const two = new Play()
  two.whole(2, 'p')
  two.whole(1, 'q')
  t.same(two.kinds(), [], 'those of two publishers have no order')
})

t.test('history has what subscribers saw, whole, once and in their order', async (t) => {
  const playOf = (...remembered: number[]): FlawKind[] => {
    const play = new Play()
    const serials = [1, 2, 3].map((key) => play.whole(key).serial ?? '')
    const shown = remembered.map((key) => ({ key, id: `x:${key}:0`, serial: serials[key - 1]! }))
    play.ledger.remembered(CHANNEL, shown)
    t.equal(play.ledger.counts.remembered, remembered.length)
    t.equal(play.ledger.counts.delivered, 6)
    return play.kinds()
  }
  t.same(playOf(1, 2, 3), [])
  t.same(playOf(1, 3), ['lost', 'reordered'], 'and what it has is not what they saw')
  t.same(playOf(), ['lost', 'lost', 'lost', 'reordered'])
  t.same(playOf(1, 2, 2, 3), ['repeated'])
  t.ok(playOf(1, 3, 2).includes('reordered'))

  const unkept = new Play()
  unkept.whole(1)
  unkept.ledger.remembered('another', [])
  t.same(unkept.kinds(), [], 'only of channels that are persisted')
})

t.test('subscribers that see one order each, but not the same, are told of', async (t) => {
  const play = new Play()
  for (const key of [1, 2]) play.publish(key, `p${key}`)
  play.show(ANN, 1, '1')
  play.show(ANN, 2, '2')
  play.show(BOB, 2, '2')
  const kinds = new Set(play.kinds())
  t.ok(kinds.has('reordered'), 'even of what was never acknowledged')
})

t.test('a refusal of what was committed, and no answer at all, are flaws', async (t) => {
  const play = new Play()
  const refused = play.publish(1)
  play.ledger.refused(refused, '50003')
  t.equal(play.ledger.unansweredCount, 0)
  for (const who of [ANN, BOB]) play.show(who, 1, '1')
  play.ledger.refused(play.publish(2), '42911')
  play.publish(3)
  t.equal(play.ledger.unansweredCount, 1)
  t.same(play.kinds(), ['refused though committed', 'never answered'])
})

t.test('what nobody published, or is shown with another serial, is changed', async (t) => {
  const play = new Play()
  play.show(ANN, 7, '1')
  const sent = play.publish(8)
  play.ledger.acknowledged(sent, '2', 8)
  play.show(ANN, 8, '2')
  play.show(BOB, 8, '3')
  t.same(play.kinds(), ['changed', 'changed'])
  const other = new Play()
  other.ledger.acknowledged(other.publish(1), '9', 1)
  for (const who of [ANN, BOB]) other.show(who, 1, '1')
  t.same(other.kinds(), ['changed'])
})

t.test('every further ATTACHED without RESUMED, and every UPDATE, is false', async (t) => {
  const play = new Play()
  play.ledger.during = 'kill 0'
  play.ledger.attached(BOB, CHANNEL, false, '90003')
  play.ledger.continuityLost(ANN, CHANNEL, 'UPDATE (90003)')
  const flaws = play.ledger.judge()
  t.same(flaws.map(({ kind }) => kind), ['continuity falsely lost', 'continuity falsely lost'])
  t.match(flaws[0]?.text, /^\[kill 0\] bob on c: ATTACHED without RESUMED \(90003\)/)
})

t.test('a new connection id is lost continuity, the same once more is not', async (t) => {
  const play = new Play()
  for (const id of ['x', 'x', 'y']) play.ledger.connected(ANN, id)
  t.same(play.kinds(), ['continuity falsely lost'])
})
