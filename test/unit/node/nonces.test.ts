import t from 'tap'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { NonceDesk } from '../../../src/node/nonces.ts'
import type { Spend } from '../../../src/peer/nonce-message.ts'

class Bench {
  readonly deadlines = new Deadlines()
  asked: Spend[] = []
  readonly outcomes: string[] = []
  nowMs = 0
  readonly desk = new NonceDesk({
    deadlines: this.deadlines,
    random: new Random('nonces'),
    now: () => ({ monoMs: this.nowMs, wallMs: this.nowMs }),
    askMaster: (message) => void this.asked.push(message)
  })

  spend(digest: string): void {
    this.desk.spend({ digest, untilMs: 9 }, (outcome) => this.outcomes.push(`${digest} ${outcome}`))
  }

  pass(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += 10
      this.deadlines.fire(this.nowMs)
    }
  }
}

t.test('a question is asked again, as the same one, until it is answered', async (t) => {
  const bench = new Bench()
  bench.spend('d')
  const [first] = bench.asked
  t.match(first, { kind: 'spend', digest: 'd', untilMs: 9 })
  bench.pass(3_000)
  t.ok(bench.asked.length > 2)
  for (const message of bench.asked) t.same(message, first)
  bench.desk.onSpent({ kind: 'spent', spendId: first!.spendId, verdict: 'used' })
  bench.desk.onSpent({ kind: 'spent', spendId: first!.spendId, verdict: 'fresh' })
  t.same(bench.outcomes, ['d used'], 'and answered once')
  t.equal(bench.deadlines.size, 0)
})

t.test('a new view may know another master', async (t) => {
  const bench = new Bench()
  bench.spend('d')
  bench.pass(2_000)
  bench.asked = []
  bench.desk.onView()
  t.equal(bench.asked.length, 1)
})

t.test('two requests for one nonce are two questions', async (t) => {
  const bench = new Bench()
  bench.spend('d')
  bench.spend('d')
  const [one, other] = bench.asked
  t.not(one!.spendId, other!.spendId)
})

t.test('who has no answer in time is told that nobody knows', async (t) => {
  const bench = new Bench()
  bench.spend('d')
  bench.pass(limits.requestAnswerMs + 100)
  t.same(bench.outcomes, ['d unknown'])
  t.equal(bench.deadlines.size, 0)
})
