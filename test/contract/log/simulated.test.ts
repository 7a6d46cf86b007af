/**
 * The logs in which everything else is tested are logs, too: what the simulator and the tests of
 * the core show would be worth little if their log promised more, or less, than the real ones.
 */

import t from 'tap'
import type { AppendOutcome, LogAnswer, LogRequest, ReadOutcome } from '../../../src/log/port.ts'
import type { Log } from '../../../src/node/ports.ts'
import { type Asker, SimLog } from '../../sim/log.ts'
import { World } from '../../sim/world.ts'
import { SimulatedLog } from '../../unit/node/simulated-log.ts'
import {
  bytesOf, freshPartitions, logContract, stored, storedAll, wordsIn
} from './log-contract.ts'

/** Longer than any question is under way in calm weather. */
const QUESTION_MS = 5

type Ask = (request: LogRequest) => Promise<LogAnswer | undefined>

/** The port of a worker's shell over a log that is asked with values. */
class AskedLog implements Log {
  readonly #ask: Ask

  constructor(ask: Ask) {
    this.#ask = ask
  }

  async read(partition: number, from: number): Promise<ReadOutcome> {
    const answer = await this.#ask({ kind: 'read', ticket: 1, partition, from })
    return answer!.outcome as ReadOutcome
  }

  async append(partition: number, expectedSeq: number, bytes: Uint8Array): Promise<AppendOutcome> {
    const answer = await this.#ask({ kind: 'append', ticket: 1, partition, expectedSeq, bytes })
    return answer!.outcome as AppendOutcome
  }

  async trim(partition: number, below: number): Promise<void> {
    await this.#ask({ kind: 'trim', ticket: 1, partition, below })
  }

  release(partition: number): void {
    void this.#ask({ kind: 'release', ticket: 1, partition })
  }
}

/** What is asked in one turn is under way at once; then virtual time goes on. */
function simulated(): { world: World; log: SimLog; open(life: string): AskedLog } {
  const world = new World('contract')
  const log = new SimLog(world)
  const open = (life: string): AskedLog => {
    const asker: Asker = { life, machine: 'n0', isUp: true }
    return new AskedLog((request) => new Promise((resolve) => {
      log.ask(asker, request, resolve)
      setImmediate(() => {
        world.run(QUESTION_MS)
        if (request.kind === 'trim' || request.kind === 'release') resolve(undefined)
      })
    }))
  }
  return { world, log, open }
}

t.test('the simulator\'s log, in calm weather', async (t) => {
  const { open } = simulated()
  let count = 0
  const house = { fresh: freshPartitions(), open: async () => open(`life ${count++}`) }
  await logContract(t, house)
})

t.test('[2] an append that comes late is fenced like every other', async (t) => {
  const { world, log, open } = simulated()
  const [a, b] = [open('a'), open('b')]
  const lastSeq = await storedAll(a, 0, ['one', 'two'])
  Object.assign(log.faults, { lateChance: 1, lateMs: 1_000 })
  const unknown = a.append(0, lastSeq, bytesOf('of the first, late'))
  await new Promise(setImmediate)
  log.faults.lateChance = 0
  world.run(2_000)
  t.match(await unknown, { kind: 'unknown' })
  t.same(await wordsIn(b, 0), ['one', 'two', 'of the first, late'], 'nobody was faster')
  const { kind } = await b.append(0, lastSeq, bytesOf('of another'))
  t.equal(kind, 'conflict')
})

t.test('[6] a planted fault needs a log that trims its last record', async (t) => {
  const { log, open } = simulated()
  const asked = open('a')
  await storedAll(asked, 0, ['one', 'two'])
  log.isLastTrimmed = true
  await asked.trim(0, Infinity)
  t.same(await wordsIn(asked, 0), [])
  await stored(asked, 0, 0, 'as if it were new')
})

t.test('the log of the tests of the core', async (t) => {
  const log = new SimulatedLog()
  // An answer comes in a later turn, as over any port.
  const open = async (): Promise<AskedLog> => new AskedLog(async (request) => {
    await new Promise(setImmediate)
    return log.perform(request, 'fine')
  })
  await logContract(t, { fresh: freshPartitions(), open })
})
