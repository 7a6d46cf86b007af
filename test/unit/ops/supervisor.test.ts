import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Supervisor } from '../../../src/ops/supervisor.ts'
import type { FromWorker, ToWorker, WorkerStart } from '../../../src/ops/thread-messages.ts'

/** Threads take their time to start on a busy machine. */
const PATIENCE_MS = 3_000

class Rig {
  readonly notes: string[] = []
  readonly generations: (readonly number[])[] = []
  readonly told: string[] = []
  isMeshUp = true
  readonly supervisor: Supervisor

  constructor(t: Test) {
    this.supervisor = new Supervisor({
      workers: 2,
      patienceMs: PATIENCE_MS,
      entry: new URL('./stub-worker.ts', import.meta.url),
      startOf: () => ({ start: {} as WorkerStart, transfer: [] })
    }, {
      onMessage: (worker, message: FromWorker) => {
        if (message.kind === 'note') this.told.push(`${worker} ${message.text}`)
      },
      onGenerations: (generations) => this.generations.push(generations),
      note: (_, text) => this.notes.push(text),
      isMeshUp: () => this.isMeshUp
    })
    t.teardown(() => this.supervisor.stop())
    this.supervisor.start()
  }

  do(worker: number, kind: 'fail' | 'hang' | 'loseMesh'): void {
    this.supervisor.tell(worker, { kind } as unknown as ToWorker)
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await delay(5)
  }

  /** Both are there; resolves with their generations. */
  async whole(): Promise<number[]> {
    const { supervisor } = this
    await this.until(() => supervisor.listening.length === supervisor.generations.length)
    return supervisor.generations
  }
}

t.test('[11, A2] a worker that fails is followed by an heir, a new generation', async (t) => {
  const rig = new Rig(t)
  t.notOk(rig.supervisor.isListening)
  t.same(await rig.whole(), [1, 1])
  t.ok(rig.supervisor.isListening)
  rig.supervisor.tellAll({ kind: 'apps', apps: [], ticket: 1 })
  await rig.until(() => rig.told.includes('1 told apps'))
  rig.told.length = 0
  rig.do(1, 'fail')
  await rig.until(() => rig.generations.length > 0)
  t.same(rig.generations, [[1, 2]], 'which is told, to be spread')
  t.same(rig.supervisor.listening, [0])
  t.ok(rig.supervisor.isListening, 'its sibling takes who comes')
  await rig.until(() => rig.told.includes('1 told apps'))
  t.ok(rig.told.includes('0 told sibling'), 'its sibling is joined to the heir')
  t.same(await rig.whole(), [1, 2])
  t.match(rig.notes.join('; '), /worker 1 failed: .*told to.*worker 1 ended; its heir starts/s)
})

t.test('[11, E1] a worker that makes no turn is ended', async (t) => {
  const rig = new Rig(t)
  await rig.whole()
  rig.do(0, 'hang')
  await rig.until(() => rig.generations.length > 0)
  t.same(await rig.whole(), [2, 1])
  t.match(rig.notes, [/worker 0 makes no turn/, /worker 0 ended/])
})

t.test('[11, E1] a worker that alone has no mesh tells its clients, and is ended', async (t) => {
  const rig = new Rig(t)
  await rig.whole()
  rig.do(1, 'loseMesh')
  await rig.until(() => rig.generations.length > 0)
  t.ok(rig.told.includes('1 told drain'))
  t.notOk(rig.told.includes('0 told drain'))
  t.same(await rig.whole(), [1, 2])
  t.match(rig.notes, [/worker 1 alone has no mesh/, /worker 1 ended/])
})

t.test('[10, H1] a mesh that is away from the whole node ends nobody', async (t) => {
  const rig = new Rig(t)
  await rig.whole()
  rig.isMeshUp = false
  rig.do(0, 'loseMesh')
  rig.do(1, 'loseMesh')
  await rig.until(() => rig.supervisor.statuses.every((status) => status?.isMeshUp === false))
  // A worker that hangs is ended after the same patience: by then the others would have been.
  rig.do(0, 'hang')
  await rig.until(() => rig.generations.length > 0)
  t.same(await rig.whole(), [2, 1])
  t.match(rig.notes, [/worker 0 makes no turn/, /worker 0 ended/])
})
