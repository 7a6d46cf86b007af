import t from 'tap'
import { decodeRevocations, type Revocation } from '../../../src/auth/revocation.ts'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import type { LogAnswer, LogRecord, LogRequest } from '../../../src/log/port.ts'
import {
  REVOCATIONS_PARTITION, RevocationLog, type StoreOutcome
} from '../../../src/node/revocation-log.ts'
import { type AppendFate, SimulatedLog } from './simulated-log.ts'

const EPOCH_MS = 1_750_000_000_000
const STEP_MS = 5

/** One worker's view of the log. */
class Reader {
  readonly log: RevocationLog
  readonly deadlines = new Deadlines()
  readonly learnt: string[] = []
  readonly asked: (LogRequest & { onAnswer?: (answer: LogAnswer) => void })[] = []
  isAlive = true

  constructor(world: World, name: string) {
    const { deadlines } = this
    this.log = new RevocationLog({
      outbox: {
        ask: (request, onAnswer) => void this.asked.push({ ...request, ticket: 0, onAnswer })
      },
      deadlines,
      random: new Random(`${name} ${world.readers.length}`),
      now: () => ({ monoMs: world.nowMs, wallMs: EPOCH_MS + world.nowMs }),
      onRevocations: (fresh) => this.learnt.push(...fresh.map(({ target }) => target)),
      onStored: (seq) => {
        for (const other of world.readers) {
          if (other !== this && !world.isDeaf) other.log.onStoredElsewhere(seq)
        }
      }
    })
    world.readers.push(this)
    this.log.want(true)
  }

  knows(target: string): boolean {
    return this.learnt.includes(target)
  }
}

/** Several workers and one log, in virtual time; what is asked is done one step later. */
class World {
  readonly readers: Reader[] = []
  log = new SimulatedLog()
  nowMs = 0
  isDeaf = false
  fate: () => AppendFate = () => 'fine'
  /** From which record on a read shows nothing: it is answered by a copy that lags. */
  endOf: (records: readonly LogRecord[]) => number = (records) => records.length
  trimmedBelow = 0
  isUnreadable = false

  reader(): Reader {
    return new Reader(this, `reader ${this.readers.length}`)
  }

  run(forMs: number): void {
    for (const untilMs = this.nowMs + forMs; this.nowMs < untilMs; this.nowMs += STEP_MS) {
      for (const reader of this.readers) {
        if (!reader.isAlive) continue
        reader.deadlines.fire(this.nowMs)
        for (const { onAnswer, ...request } of reader.asked.splice(0)) {
          const answer = this.#perform(request)
          if (answer !== undefined) onAnswer?.(answer)
        }
      }
    }
  }

  targets(): string[] {
    return this.log.records(REVOCATIONS_PARTITION).flatMap(({ bytes }) =>
      decodeRevocations(bytes)!.revocations.map(({ target }) => target))
  }

  #perform(request: LogRequest): LogAnswer | undefined {
    if (request.kind === 'trim') {
      const records = this.log.records(request.partition)
      records.splice(0, records.findIndex(({ seq }) => seq >= request.below))
      this.trimmedBelow = request.below
    }
    if (request.kind === 'read' && this.isUnreadable) {
      return { kind: 'read', ticket: 0, outcome: { kind: 'unreadable', reason: 'away' } }
    }
    const answer = this.log.perform(request, this.fate())
    if (answer?.kind !== 'read' || answer.outcome.kind !== 'page') return answer
    const { outcome } = answer
    const end = this.endOf(outcome.records)
    const isEnd = outcome.isEnd || end < outcome.records.length
    return { ...answer, outcome: { ...outcome, records: outcome.records.slice(0, end), isEnd } }
  }
}

let count = 0

function revocation(world: World, over: Partial<Revocation> = {}): Revocation {
  const issuedBeforeMs = EPOCH_MS + world.nowMs
  return {
    keyName: 'app.k', target: `clientId:c${++count}`, issuedBeforeMs, appliesAtMs: 0, ...over
  }
}

function store(world: World, reader: Reader): { target: string; outcomes: StoreOutcome[] } {
  const outcomes: StoreOutcome[] = []
  const each = revocation(world)
  reader.log.store([each], (outcome) => outcomes.push(outcome))
  return { target: each.target, outcomes }
}

t.test('what one stores all know, and who comes later', async (t) => {
  const world = new World()
  const readers = [world.reader(), world.reader(), world.reader()]
  t.notOk(readers[0]!.log.isKnown, 'nobody knows before it has read')
  world.run(200)
  for (const { log } of readers) t.ok(log.isKnown)
  const stored = readers.map((reader) => store(world, reader))
  world.run(100)
  for (const { target, outcomes } of stored) {
    t.same(outcomes, ['stored'])
    for (const reader of readers) t.ok(reader.knows(target))
  }
  const late = world.reader()
  world.run(100)
  for (const { target } of stored) t.ok(late.knows(target))
  t.equal(late.learnt.length, 3, 'each is told once')
})

t.test('who is told by nobody finds them by itself', async (t) => {
  const world = new World()
  const [one, other] = [world.reader(), world.reader()]
  world.run(200)
  world.isDeaf = true
  const { target } = store(world, one)
  world.run(1.5 * limits.revocationLookMs)
  t.ok(other.knows(target))
})

t.test('[2] a worker that read a lagging copy is not done before its mark is stored', async (t) => {
  const world = new World()
  const first = world.reader()
  world.run(100)
  const { target } = store(world, first)
  world.run(100)
  let isLagging = true
  world.endOf = ({ length }) => (isLagging ? 0 : length)
  const late = world.reader()
  world.run(300)
  t.notOk(late.log.isKnown)
  isLagging = false
  world.run(2_000)
  t.ok(late.log.isKnown)
  t.ok(late.knows(target))
})

t.test('[2] whatever becomes of appends, what is answered as stored is known to all', async (t) => {
  const fates: AppendFate[] = ['fine', 'fine', 'refused', 'busy', 'unknown, happened',
    'unknown, did not']
  for (let seed = 0; seed < 20; seed++) {
    const world = new World()
    const random = new Random(`fates ${seed}`)
    const readers = [world.reader(), world.reader(), world.reader()]
    world.fate = () => fates[random.below(fates.length)]!
    world.endOf = ({ length }) => (random.below(4) === 0 ? random.below(length + 1) : length)
    const asked: ReturnType<typeof store>[] = []
    for (let round = 0; round < 30; round++) {
      asked.push(store(world, readers[random.below(3)]!))
      world.run(random.below(100))
    }
    world.fate = () => 'fine'
    world.endOf = ({ length }) => length
    world.run(5_000)
    const inLog = world.targets()
    for (const { target, outcomes } of asked) {
      t.equal(outcomes.length, 1, `${seed} ${target}`)
      if (outcomes[0] === 'stored') {
        t.ok(inLog.includes(target), `${seed} ${target} is in the log`)
        for (const reader of readers) t.ok(reader.knows(target), `${seed} ${target} is known`)
      } else {
        t.notOk(inLog.includes(target), `${seed} ${target} was refused`)
      }
    }
  }
})

t.test('what a log has lost is stored again', async (t) => {
  const world = new World()
  const readers = [world.reader(), world.reader()]
  world.run(200)
  const stored = [store(world, readers[0]!), store(world, readers[1]!)]
  world.run(100)
  world.log = new SimulatedLog()
  world.run(20_000)
  const found = new Set(world.targets())
  for (const { target } of stored) t.ok(found.has(target))
  const late = world.reader()
  world.run(200)
  for (const { target } of stored) t.ok(late.knows(target))
})

t.test('how long a log was away has no part in how soon its loss is seen', async (t) => {
  const world = new World()
  const reader = world.reader()
  world.run(200)
  const { target } = store(world, reader)
  world.run(100)
  world.isUnreadable = true
  world.run(20_000)
  world.log = new SimulatedLog()
  world.isUnreadable = false
  world.run(2 * limits.revocationRetryMaxMs + 1_000)
  t.ok(world.targets().includes(target))
})

t.test('a log that was cut and written on is read anew', async (t) => {
  const world = new World()
  const reader = world.reader()
  world.run(100)
  const { target } = store(world, reader)
  world.run(100)
  world.log.forget(REVOCATIONS_PARTITION)
  const other = world.reader()
  world.run(5_000)
  t.ok(world.targets().includes(target))
  t.ok(other.knows(target))
})

t.test('records that mean nothing any more are trimmed, and their room is free', async (t) => {
  const world = new World()
  const reader = world.reader()
  world.run(100)
  for (let no = 0; no <= limits.revocationsDeadMax; no++) {
    store(world, reader)
    world.run(20)
  }
  world.nowMs += limits.revocableTokenLifeMs + limits.clockSkewMs + 1_000
  const { target } = store(world, reader)
  world.run(50)
  t.ok(world.trimmedBelow > 0)
  t.same(world.targets(), [target])
  t.equal(reader.log.known.countOf('app.k'), 1)
  const late = world.reader()
  world.run(100)
  t.same(late.learnt, [target])
})

t.test('above the bound nothing more waits, and nothing more is kept', async (t) => {
  const world = new World()
  const reader = world.reader()
  world.run(100)
  world.fate = () => 'busy'
  for (let no = 0; no < limits.revocationsWaitingMax + 1; no++) {
    reader.log.store([revocation(world)], () => undefined)
  }
  t.same(store(world, reader).outcomes, ['full'])
  world.fate = () => 'fine'
  const value = 'x'.repeat(limits.revocationTargetBytesMax)
  for (let bytes = 0; bytes < limits.revocationLogBytesMax;) {
    world.run(2_000)
    const many = Array.from({ length: limits.revokeTargetsMax }, (_, at) =>
      revocation(world, { target: `clientId:${value}${at}` }))
    reader.log.store(many, () => undefined)
    bytes += many.length * value.length
  }
  world.run(2_000)
  t.same(store(world, reader).outcomes, ['full'])
})
