/** Who is told of a revocation, and when: in virtual time, with a log that answers. */

import t from 'tap'
import { AppDirectory } from '../../../src/auth/app.ts'
import { DEFAULT_CAPABILITY } from '../../../src/auth/capability.ts'
import type { Credentials } from '../../../src/auth/key.ts'
import type { Revocation } from '../../../src/auth/revocation.ts'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import type { LogAnswer, LogRequest } from '../../../src/log/port.ts'
import type { StoreOutcome } from '../../../src/node/revocation-log.ts'
import { RevocationDesk } from '../../../src/node/revocations.ts'
import { SimulatedLog } from './simulated-log.ts'

/** The beginning of a second. */
const EPOCH_MS = 1_750_000_000_000
const STEP_MS = 5
const MARGIN_MS = 30_000

const key = {
  id: 'k', secret: 's', capability: DEFAULT_CAPABILITY, revocableTokens: true
}
const APPS = new AppDirectory([{ appId: 'app', keys: [key], namespaces: [], limits: {} }])

/** A worker whose sessions are credentials, by name; its clock may be behind. */
class Worker {
  readonly told: [at: number, name: string, what: 'ended' | 'asked'][] = []
  readonly desk: RevocationDesk
  readonly sessions = new Map<string, Credentials>()
  readonly #deadlines = new Deadlines()
  readonly #log = new SimulatedLog()
  readonly #asked: { request: LogRequest, onAnswer: ((answer: LogAnswer) => void) | undefined }[] =
    []
  nowMs = 0

  constructor(behindMs = 0) {
    const self = { incarnation: 'n', worker: 0 }
    this.desk = new RevocationDesk({
      self, deadlines: this.#deadlines, random: new Random('desk'),
      outbox: { ask: (request, onAnswer) =>
        void this.#asked.push({ request: { ...request, ticket: 0 } as LogRequest, onAnswer }) },
      now: () => ({ monoMs: this.nowMs, wallMs: EPOCH_MS + this.nowMs - behindMs }),
      directory: () => APPS, places: () => [self], speakers: () => [], send: () => undefined,
      review: (review) => {
        for (const [name, credentials] of this.sessions) {
          const reviewed = review(credentials)
          if (reviewed === undefined || !('end' in reviewed)) continue
          this.told.push([this.nowMs, name, reviewed.end === undefined ? 'asked' : 'ended'])
          if (reviewed.end !== undefined) this.sessions.delete(name)
        }
      }
    })
    this.desk.onApps(APPS)
  }

  run(untilMs: number): void {
    for (; this.nowMs < untilMs; this.nowMs += STEP_MS) {
      this.#deadlines.fire(this.nowMs)
      for (const { request, onAnswer } of this.#asked.splice(0)) {
        const answer = this.#log.perform(request, 'fine')
        if (answer !== undefined) onAnswer?.(answer)
      }
    }
  }

  /** Somebody with a token for ann that was issued then. */
  enters(name: string, kind: 'jwt' | 'ably', issuedMs: number): void {
    const issuedAtMs = EPOCH_MS + issuedMs
    const token = { kind, issuedAtMs, expiresAtMs: issuedAtMs + 3_600_000, issuedTo: 'ann' }
    this.sessions.set(name, {
      appId: 'app', keyName: 'app.k', capability: DEFAULT_CAPABILITY, clientId: 'ann', token
    })
  }

  /** Revokes ann's tokens now, by the clock of who was asked to, which may be ahead. */
  revokes(marginMs = 0, aheadMs = 0): void {
    const issuedBeforeMs = EPOCH_MS + this.nowMs + aheadMs
    const appliesAtMs = marginMs === 0 ? 0 : issuedBeforeMs + marginMs
    const each = { keyName: 'app.k', target: 'clientId:ann', issuedBeforeMs, appliesAtMs }
    this.desk.revoke('app.k', [each], () => undefined)
  }

  /** Another region tells all that is revoked there. */
  hearsOf(revocations: readonly Revocation[]): void {
    this.desk.onMessage({ incarnation: 'far', worker: 0 }, { kind: 'revokedAll', revocations })
  }

  isGood(name: string): boolean {
    return this.desk.judge({ ok: true, credentials: this.sessions.get(name)! }).ok
  }
}

function begun(behindMs = 0): Worker {
  const worker = new Worker(behindMs)
  worker.run(2_200)
  return worker
}

t.test('who holds a JWT is told when the second is over, others at once', async t => {
  const worker = begun()
  worker.enters('signed', 'jwt', 1_000)
  worker.enters('given', 'ably', 1_000)
  worker.revokes()
  worker.run(2_900)
  t.same(worker.told.map(([, ...told]) => told), [['given', 'ended']])
  t.notOk(worker.isGood('signed'), 'it proves nothing any more')
  worker.enters('of the same second', 'jwt', 2_000)
  t.notOk(worker.isGood('of the same second'))
  worker.run(3_100)
  t.same(worker.told.slice(1), [[3_000, 'signed', 'ended'], [3_000, 'of the same second', 'ended']])
  worker.enters('of the next', 'jwt', 3_000)
  t.ok(worker.isGood('of the next'))
  worker.run(40_000)
  t.equal(worker.told.length, 3)
})

t.test('with a margin they are asked then, once, and end later', async t => {
  const worker = begun()
  worker.enters('signed', 'jwt', 1_000)
  worker.enters('given', 'ably', 1_000)
  worker.revokes(MARGIN_MS)
  worker.run(2_900)
  t.same(worker.told.map(([, ...told]) => told), [['given', 'asked']])
  worker.run(3_100)
  t.same(worker.told.slice(1), [[3_000, 'signed', 'asked']])
  worker.enters('renewed', 'jwt', 3_000)
  worker.run(40_000)
  t.same(worker.told.slice(2), [[32_200, 'signed', 'ended'], [32_200, 'given', 'ended']])
})

t.test('by a clock that is far behind, after a second all the same', async t => {
  const worker = begun(20_000)
  worker.enters('signed', 'jwt', 1_000)
  worker.revokes()
  worker.run(3_100)
  t.same(worker.told, [])
  worker.run(3_300)
  t.same(worker.told.map(([, ...told]) => told), [['signed', 'ended']])
})

t.test('who is revoked again meanwhile waits for the first second alone', async t => {
  const worker = begun()
  worker.enters('signed', 'jwt', 1_000)
  worker.revokes()
  worker.run(2_600)
  worker.revokes(0, 500)
  worker.run(3_050)
  t.same(worker.told, [[3_000, 'signed', 'ended']])
})

t.test('a page of another region is stored, however many it has, and what comes after it', t => {
  const worker = begun()
  worker.enters('given', 'ably', 1_000)
  const each = { keyName: 'app.k', issuedBeforeMs: EPOCH_MS + 2_000, appliesAtMs: 0 }
  const others = Array.from({ length: limits.revocationsPerPage - 1 },
    (_, n) => ({ ...each, target: `clientId:c${n}` }))
  worker.hearsOf([...others, { ...each, target: 'clientId:ann' }])
  const outcomes: StoreOutcome[] = []
  const own = { ...each, target: 'clientId:own' }
  worker.desk.revoke('app.k', [own], (outcome) => void outcomes.push(outcome))
  worker.run(3_100)
  t.same(worker.told.map(([, ...told]) => told), [['given', 'ended']])
  t.same(outcomes, ['stored'])
  t.end()
})
