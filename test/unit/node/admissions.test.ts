import t from 'tap'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Admissions } from '../../../src/node/admissions.ts'
import { EarlyFrames, type Newcomer } from '../../../src/node/newcomer.ts'
import { Outbox, type Socket, SocketSlot } from '../../../src/node/outbox.ts'
import { Overload } from '../../../src/node/overload.ts'

/** What a key of the region says. */
const FACTS = {
  connectionId: 'c', appId: 'app', keyName: 'app.k', clientId: undefined,
  home: { incarnation: 'a', worker: 0, generation: 1 }, claim: 0, lineage: undefined,
  viewVersion: 1, isRecovered: false
}

class Bench {
  readonly deadlines = new Deadlines()
  readonly overload = new Overload()
  readonly admissions: Admissions
  /** Names of those let in, and of those turned away with the code, in order. */
  readonly told: string[] = []
  readonly early: string[] = []
  readonly #names = new Map<Newcomer, string>()
  nowMs = 1_000

  constructor() {
    this.admissions = new Admissions({
      letIn: (newcomer) => {
        this.told.push(`in ${this.#names.get(newcomer)}`)
        for (const { data } of newcomer.early.take()) this.early.push(String(data))
      },
      turnAway: (newcomer, { code }) => {
        this.told.push(`${code} ${this.#names.get(newcomer)}`)
      }
    }, {
      deadlines: this.deadlines,
      overload: this.overload,
      now: () => ({ monoMs: this.nowMs, wallMs: 0 })
    })
  }

  arrive(name: string, isResume = false): Socket {
    const socket: Socket = {
      queuedBytes: 0, write: () => undefined, ping: () => undefined, close: () => undefined
    }
    const params = {
      format: 'json', heartbeats: true, echo: true, version: 6, isTls: false,
      resume: isResume ? 'key' : undefined
    } as const
    const slot = new SocketSlot(socket, new Outbox())
    const facts = isResume ? FACTS : undefined
    const newcomer = { slot, params, facts, early: new EarlyFrames() }
    this.#names.set(newcomer, name)
    this.admissions.arrive(newcomer)
    return socket
  }

  pass(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs = Math.min(endMs, Math.max(this.nowMs, this.deadlines.nextMs()))
      this.deadlines.fire(this.nowMs)
    }
  }

  /** What was told since the last call. */
  take(): string[] {
    return this.told.splice(0)
  }
}

const perStep = limits.admissionsPerStep

t.test('[25] one after the other is let in at once; of a crowd so many at a time', async (t) => {
  const bench = new Bench()
  for (let no = 0; no < 10; no++) {
    bench.arrive(`${no}`)
    t.same(bench.take(), [`in ${no}`])
    bench.pass(limits.admissionStepMs)
  }
  for (let no = 0; no < 3 * perStep; no++) bench.arrive(`c${no}`)
  t.equal(bench.take().length, perStep)
  t.equal(bench.admissions.count, 2 * perStep)
  bench.pass(limits.admissionStepMs)
  t.equal(bench.take().length, perStep)
  bench.pass(limits.admissionStepMs)
  t.equal(bench.take().at(-1), `in c${3 * perStep - 1}`, 'in their order')
  t.equal(bench.admissions.count, 0)
  t.equal(bench.deadlines.size, 0)
})

t.test('[25] who goes on with a connection comes before who begins one', async (t) => {
  const bench = new Bench()
  for (let no = 0; no < 3 * perStep; no++) bench.arrive(`new${no}`)
  bench.take()
  for (let no = 0; no < perStep; no++) bench.arrive(`old${no}`, true)
  bench.pass(limits.admissionStepMs)
  t.same(bench.take(), Array.from({ length: perStep }, (_, no) => `in old${no}`))
  bench.pass(limits.admissionStepMs)
  t.equal(bench.take()[0], `in new${perStep}`)
})

t.test('[25] who has no turn in time is sent elsewhere, who has gone is forgotten', async (t) => {
  const bench = new Bench()
  const gone = []
  const steps = Math.ceil(limits.admissionWaitMs / limits.admissionStepMs)
  for (let no = 0; no < perStep; no++) bench.arrive(`first${no}`)
  for (let no = 0; no < 5; no++) gone.push(bench.arrive(`gone${no}`))
  for (let no = 0; no < 5; no++) bench.arrive(`new${no}`)
  for (const socket of gone) bench.admissions.onClosed(socket)
  for (let step = 0; step < steps; step++) {
    for (let no = 0; no < perStep; no++) bench.arrive(`old${step}.${no}`, true)
    bench.pass(limits.admissionStepMs)
  }
  const told = bench.take().filter((each) => !/ (old|first)/.test(each))
  t.same(told, Array.from({ length: 5 }, (_, no) => `50004 new${no}`))
})

t.test('[25] so many wait; above that newcomers have to go first', async (t) => {
  const bench = new Bench()
  for (let no = 0; no < perStep + limits.admissionsWaitingMax; no++) bench.arrive(`new${no}`)
  bench.take()
  t.equal(bench.admissions.count, limits.admissionsWaitingMax)
  bench.arrive('one more')
  t.same(bench.take(), ['50004 one more'])
  bench.arrive('old', true)
  t.same(bench.take(), [`50004 new${perStep}`])
  t.equal(bench.admissions.count, limits.admissionsWaitingMax)
  for (let no = 1; no < limits.admissionsWaitingMax; no++) bench.arrive(`old${no}`, true)
  bench.take()
  bench.arrive('one too many', true)
  t.same(bench.take(), ['50004 one too many'])
})

t.test('[25] under strain newcomers are sent elsewhere; when it is dire everybody', async (t) => {
  const bench = new Bench()
  const share = (memoryShare: number): void => bench.overload.onStrain({ lagMs: 0, memoryShare })
  share(limits.strainedMemoryShare)
  bench.arrive('new')
  bench.arrive('old', true)
  t.same(bench.take(), ['50004 new', 'in old'])
  share(limits.direMemoryShare)
  bench.arrive('old', true)
  t.same(bench.take(), ['50004 old'])
  for (let looks = 0; looks < limits.calmLooks; looks++) share(0)
  bench.arrive('new')
  t.same(bench.take(), ['in new'])
})

t.test('[25] what is said before its turn is heard then, up to a bound', async (t) => {
  const bench = new Bench()
  for (let no = 0; no < perStep; no++) bench.arrive(`${no}`)
  const [polite, rude] = [bench.arrive('polite'), bench.arrive('rude')]
  bench.take()
  for (const data of ['a', 'b']) bench.admissions.onFrame(polite, { data, isBinary: false })
  bench.admissions.onFrame(rude, { data: 'x'.repeat(limits.earlyBytesMax), isBinary: false })
  t.same(bench.take(), ['80003 rude'])
  bench.pass(limits.admissionStepMs)
  t.same(bench.take(), ['in polite'])
  t.same(bench.early, ['a', 'b'])
})

t.test('[25] when nobody can be let in any more, nobody waits', async (t) => {
  const bench = new Bench()
  for (let no = 0; no < perStep + 2; no++) bench.arrive(`${no}`, no % 2 === 0)
  bench.take()
  bench.admissions.turnAwayAll({ code: 50005, statusCode: 503, message: 'The node is leaving' })
  t.same(bench.take().map((told) => told.slice(0, 5)), ['50005', '50005'])
  t.equal(bench.admissions.count, 0)
})
