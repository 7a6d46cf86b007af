import t from 'tap'
import type { ConnectionFacts } from '../../../src/auth/connection-key.ts'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { ClaimDesk, type ClaimOutcome } from '../../../src/node/claims.ts'
import { UnheardClaims } from '../../../src/node/unheard-claims.ts'
import type { Claim, Holding, ToRegister } from '../../../src/peer/claim-message.ts'

const register = { incarnation: 'r', worker: 0 }

const certain = { past: { doubtfulThrough: -1, saidThrough: -1 } }

const facts: ConnectionFacts = {
  connectionId: 'c', appId: 'app', keyName: 'app.k', clientId: '*', claim: 0, lineage: undefined,
  home: { incarnation: 'home', worker: 0, generation: 1 }, viewVersion: 3,
  isRecovered: false
}

class Rig {
  readonly deadlines = new Deadlines()
  readonly asked: ToRegister[] = []
  readonly answered: ToRegister[] = []
  readonly outcomes: ClaimOutcome[] = []
  readonly ended: string[] = []
  /** Versions of views that it has told of. */
  readonly heard: number[] = []
  holding: Holding = { kind: 'ended', error: { code: 80008, statusCode: 400, message: '' } }
  nowMs = 5_000
  readonly desk = new ClaimDesk({
    self: { incarnation: 'n', worker: 0, generation: 3 },
    deadlines: this.deadlines,
    random: new Random('desk'),
    now: () => ({ monoMs: this.nowMs, wallMs: 0 }),
    viewVersion: () => 4,
    outbox: { heardView: (version) => void this.heard.push(version) },
    askRegister: (_, message) => void this.asked.push(message),
    answerRegister: (_, message) => void this.answered.push(message)
  }, {
    holdingOf: () => this.holding,
    endHeld: (id) => void this.ended.push(id),
    onSuperseded: (id, claim) => void this.ended.push(`${id} ${claim}`)
  })

  claim(viewVersion = facts.viewVersion): Claim {
    this.desk.claim({ ...facts, viewVersion }, (outcome) => void this.outcomes.push(outcome))
    return this.asked.at(-1) as Claim
  }

  pass(ms: number): void {
    const endMs = this.nowMs + ms
    while (this.nowMs < endMs) {
      this.nowMs = Math.min(endMs, this.nowMs + 50)
      this.deadlines.fire(this.nowMs)
    }
  }

  ask(generation: number, heldAs?: string, mustEnd = false): Holding {
    this.desk.onMessage(register, {
      kind: 'stillHeld', connectionId: 'c', claimId: 'x', generation, heldAs, mustEnd
    })
    const answer = this.answered.at(-1)!
    if (answer.kind !== 'holding') throw new Error(answer.kind)
    return answer.holding
  }
}

t.test('[20] a claim is asked for again, as the same, until it is answered', async (t) => {
  const rig = new Rig()
  const first = rig.claim()
  t.match(first, { generation: 3, keyClaim: 0, home: facts.home, viewVersion: 4 })
  rig.pass(3_000)
  t.ok(rig.asked.length > 2 && rig.asked.length < 10, `${rig.asked.length} times`)
  for (const each of rig.asked) t.same(each, first)
  const { claimId } = first
  for (let no = 0; no < 2; no++) {
    rig.desk.onMessage(register, {
      kind: 'claimGranted', connectionId: 'c', claimId, claim: 1, lineage: 'l', ...certain
    })
  }
  t.same(rig.outcomes, [{ kind: 'granted', claim: 1, lineage: 'l', ...certain }], 'once')
  rig.pass(60_000)
  t.equal(rig.deadlines.size, 0)
  t.not(rig.claim().claimId, claimId)
})

t.test('[7, 20] a claim is for whoever knows our view, and that of the key', async (t) => {
  const rig = new Rig()
  t.equal(rig.claim(3).viewVersion, 4)
  t.equal(rig.claim(5).viewVersion, 5, 'its home may be of that one')
  t.same(rig.heard, [5], 'which the ring may have lost')
})

t.test('[20, B9] a claim that nobody answers in time is undecided, and may be granted yet',
  async (t) => {
    const rig = new Rig()
    const { claimId } = rig.claim()
    rig.pass(limits.claimAnswerMs - 1)
    t.same(rig.outcomes, [])
    rig.pass(1)
    t.same(rig.outcomes, [{ kind: 'undecided' }])
    t.equal(rig.deadlines.size, 0)
    t.equal(rig.ask(3, claimId).kind, 'held', 'whoever names it has found it in the log')
    t.equal(rig.ask(3).kind, 'ended', 'nobody else takes us for the holder')
    rig.pass(limits.connectionStateTtlMs - 100)
    t.equal(rig.ask(3, claimId).kind, 'held')
    rig.pass(100)
    t.equal(rig.ask(3, claimId).kind, 'ended', 'no parked session lives longer')
  })

t.test('[20] what came to us after all is ours, and its end is its end', async (t) => {
  const rig = new Rig()
  rig.claim()
  rig.pass(limits.claimAnswerMs)
  const { claimId } = rig.claim()
  rig.desk.onMessage(register, {
    kind: 'claimGranted', connectionId: 'c', claimId, claim: 2, lineage: 'l', ...certain
  })
  t.match(rig.outcomes, [{ kind: 'undecided' }, { kind: 'granted', claim: 2 }])
  t.equal(rig.ask(3, claimId).kind, 'ended')
})

t.test('[25] claims without an outcome are known for a time, and no more than a bound',
  async (t) => {
    const unheard = new UnheardClaims(2)
    for (const [at, id] of ['a', 'b', 'a', 'c'].entries()) unheard.add(id, at)
    t.same(['a', 'b', 'c'].map((id) => unheard.has(id, 5)), [true, false, true])
    unheard.add('d', limits.connectionStateTtlMs + 5)
    t.equal(unheard.size, 1, 'the old ones are gone')
  })

t.test('[20] a claim that nobody waits for is not asked for again', async (t) => {
  const rig = new Rig()
  const { claimId } = rig.claim()
  rig.desk.rest(claimId)
  rig.desk.onView()
  rig.pass(3_000)
  t.equal(rig.asked.length, 1, 'its client may have gone elsewhere')
  t.equal(rig.ask(3, claimId).kind, 'held', 'but what is on its way to us is ours')
  rig.desk.onMessage(register, {
    kind: 'claimGranted', connectionId: 'c', claimId, claim: 1, lineage: 'l', ...certain
  })
  t.match(rig.outcomes, [{ kind: 'granted' }])
})

t.test('[14] a new view: everything is asked for at once', async (t) => {
  const rig = new Rig()
  rig.claim()
  rig.desk.prove('d', 1)
  rig.pass(5_000)
  rig.asked.length = 0
  rig.desk.onView()
  t.same(rig.asked.map(({ kind }) => kind), ['claim', 'prove'])
})

t.test('[20, D2] a proof is told until the register has it', async (t) => {
  const rig = new Rig()
  rig.desk.prove('c', 1)
  rig.pass(2_000)
  t.ok(rig.asked.length > 1)
  rig.desk.prove('c', 2)
  rig.desk.onMessage(register, { kind: 'proved', connectionId: 'c', claim: 1 })
  rig.asked.length = 0
  rig.pass(1_000)
  t.match(rig.asked[0], { kind: 'prove', claim: 2 }, 'the newer one is not proved yet')
  rig.desk.onMessage(register, { kind: 'proved', connectionId: 'c', claim: 2 })
  t.equal(rig.deadlines.size, 0)
})

t.test('[11, 20] a holder answers for itself, and for the life before it', async (t) => {
  const rig = new Rig()
  rig.desk.onView()
  rig.pass(7_000)
  t.match(rig.ask(3), { kind: 'ended', error: { code: 80008 } })
  t.same(rig.ask(2), { kind: 'formerLife', livedMs: 7_000 })
  rig.holding = { kind: 'held', claim: 1, isProven: true, ...certain }
  t.same(rig.ask(3), rig.holding)
  t.same(rig.ask(2), rig.holding, 'it came back to us meanwhile')
  t.same(rig.ended, [])
  t.same(rig.ask(3, undefined, true), rig.holding, 'it was held, and is no longer')
  t.same(rig.ended, ['c'])
})
