/**
 * What a worker thread runs: the core's Worker with its mesh, its log and its public port.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { randomBytes } from 'node:crypto'
import { AppDirectory } from '../auth/app.ts'
import { ConnectionKeys } from '../auth/connection-key.ts'
import { present } from '../base/assert.ts'
import { Random } from '../base/random.ts'
import { Tally } from '../base/tally.ts'
import { HubMesh } from '../bus/hub.ts'
import type { Mesh } from '../bus/mesh.ts'
import { NatsMesh } from '../bus/nats.ts'
import { WorkerBus } from '../bus/worker-bus.ts'
import { connectionsMaxOf } from '../edge/public-port.ts'
import { startEdge } from '../edge/server.ts'
import type { LogPlan } from '../node/member-ports.ts'
import { Outbox } from '../node/outbox.ts'
import type { Archive, Log, Place, StatsStore } from '../node/ports.ts'
import { Worker } from '../node/worker.ts'
import { heapUsedBytes, watchLoad } from '../ops/load-gauge.ts'
import { NoteLimit } from '../ops/note-limit.ts'
import { Pump } from '../ops/pump.ts'
import { privateMemory, sharedSlabs } from '../ops/slabs.ts'
import { systemClock } from '../ops/system-clock.ts'
import type {
  FromWorker,
  ProvisionAnswer,
  ProvisionRequest,
  ToWorker,
  WorkerStart
} from '../ops/thread-messages.ts'
import { PortLog } from '../store/embedded.ts'
import { PortArchive } from '../store/embedded-archive.ts'
import { PortStats } from '../store/embedded-stats.ts'
import { JetStreamArchive } from '../store/jetstream-archive.ts'
import { JetStreamLog } from '../store/jetstream.ts'
import { JetStreamStats } from '../store/jetstream-stats.ts'
import type { ErrorInfo } from '../wire/errors.ts'
import { Opening } from './opening.ts'

const STATUS_MS = 1_000

const start = workerData as WorkerStart
const main = present(parentPort, 'a worker thread has a parent')

function say(message: FromWorker): void {
  main.postMessage(message)
}

const noteLimit = new NoteLimit((text) => say({ kind: 'note', level: 'info', text }),
  systemClock.now().monoMs)

function note(text: string): void {
  noteLimit.note(text, systemClock.now().monoMs)
}

interface World {
  readonly mesh: Mesh
  readonly log: Log
  readonly stats: StatsStore
  readonly archive: Archive
  /** Takes note of what the view says about the log. */
  onPlan(plan: LogPlan | undefined): void
}

async function joinWorld(): Promise<World> {
  if (start.mesh.kind === 'hub') {
    const { port, log, archive, stats } = start.mesh
    return {
      mesh: new HubMesh(port),
      log: new PortLog(log),
      archive: new PortArchive(archive),
      stats: new PortStats(stats),
      onPlan: () => undefined
    }
  }
  const name = `${start.node}/${start.worker}`
  const events = {
    onUp: () => note('mesh is up'),
    onDown: () => say({ kind: 'note', level: 'warn', text: 'mesh is down' }),
    note
  }
  const mesh = await NatsMesh.connect({ ...start.mesh, name }, events, new AbortController().signal)
  const log = new JetStreamLog(mesh.connection, start.prefix)
  const archive = new JetStreamArchive(mesh.connection, start.prefix)
  const stats = new JetStreamStats(mesh.connection, start.prefix)
  return { mesh, log, archive, stats, onPlan: (plan) => followPlan(log, archive, plan) }
}

/**
 * Uses the log once its streams are made. A log of another generation knows nothing of what this
 * worker's masters have written: it ends, and its heir begins with what is there.
 */
function followPlan(
  log: JetStreamLog, archive: JetStreamArchive, plan: LogPlan | undefined
): void {
  if (plan === undefined || plan.maker !== undefined) return
  if (log.generation !== undefined && log.generation !== plan.generation) {
    throw new Error(`the ring's log is ${plan.generation} now, not ${log.generation}`)
  }
  log.use(plan)
  archive.use(plan)
}

/** Sandbox requests on their way to the main thread. */
class Provisioning {
  readonly #open = new Map<number, (answer: ProvisionAnswer) => void>()
  #ticket = 0

  ask(request: ProvisionRequest): Promise<ProvisionAnswer> {
    const ticket = ++this.#ticket
    say({ kind: 'provision', ticket, request })
    return new Promise((resolve) => this.#open.set(ticket, resolve))
  }

  onAnswer(ticket: number, answer: ProvisionAnswer): void {
    this.#open.get(ticket)?.(answer)
    this.#open.delete(ticket)
  }

  async createApp(body: unknown) {
    const answer = await this.ask({ kind: 'createApp', body })
    if (answer.kind === 'created') return { app: answer.app }
    if (answer.kind === 'refused') return { error: answer.error }
    throw new Error('the main thread answered something else')
  }

  async deleteApp(appId: string): Promise<boolean> {
    const answer = await this.ask({ kind: 'deleteApp', appId })
    return answer.kind === 'deleted' && answer.existed
  }

  async addStats(key: string, body: unknown): Promise<ErrorInfo | undefined> {
    const answer = await this.ask({ kind: 'addStats', key, body })
    return answer.kind === 'refused' ? answer.error : undefined
  }
}

/** Listens, and says so. */
function listen(pump: Pump, provisioning: Provisioning): void {
  const { host, port, isDev } = start
  const provisioner = isDev ? provisioning : undefined
  startEdge(
    { host, port, provisioner, connectionsMax: connectionsMaxOf(start.workers) },
    {
      input: (input) => pump.input(input),
      note
    }
  ).then(
    (edge) => say({ kind: 'listening', port: edge.port }),
    (error: Error) => say({ kind: 'failed', reason: error.message })
  )
}

function newOpening(pump: Pump, provisioning: Provisioning): Opening {
  return new Opening({
    begin: (view) => pump.input(view),
    listen: () => listen(pump, provisioning)
  })
}

function newWorker(self: Place, outbox: Outbox, tally: Tally): Worker {
  return new Worker(
    {
      self,
      generation: start.generation,
      workers: start.workers,
      serverId: `${start.node}.${start.worker}`,
      siteCode: start.siteCode,
      connectionKeys: new ConnectionKeys(start.secret, start.formerSecrets),
      allocate: start.workers > 1 ? sharedSlabs() : privateMemory(),
      tally
    },
    outbox,
    new Random(randomBytes(16).toString('hex'))
  )
}

function newPump(
  worker: Worker, outbox: Outbox, bus: WorkerBus, world: World, onRevokedKnown: () => void
): Pump {
  const { log, archive, stats } = world
  return new Pump(worker, outbox, {
    clock: systemClock,
    bus,
    log,
    archive,
    stats,
    onViewHeard: (version, from) => say({ kind: 'heardView', version, from }),
    onSettled: (viewVersion) => say({ kind: 'settled', viewVersion }),
    onRevokedKnown,
    onFlushed: () => say({ kind: 'flushed' }),
    note
  })
}

async function run(): Promise<void> {
  const self = { incarnation: start.incarnation, worker: start.worker }
  const outbox = new Outbox()
  const tally = new Tally()
  const worker = newWorker(self, outbox, tally)
  const world = await joinWorld()
  const { mesh, onPlan } = world
  const bus = new WorkerBus(self, start.prefix, mesh, (frame) => {
    pump.input({ kind: 'peerFrame', frame })
  })
  const pump = newPump(worker, outbox, bus, world, () => opening.onRevokedKnown())
  const provisioning = new Provisioning()
  const opening = newOpening(pump, provisioning)
  let appsVersion = 0
  let isDraining = false
  main.on('message', (message: ToWorker) => {
    switch (message.kind) {
      case 'sibling':
        bus.connectSibling(message.worker, message.port)
        return
      case 'view': {
        const { view, generations, gone } = message
        onPlan(view.log)
        opening.onView({ kind: 'view', view, generations, gone })
        return
      }
      case 'world':
        bus.learn(message.regions)
        pump.input({ kind: 'world', foreign: message.regions, absent: message.absent })
        return
      case 'apps':
        pump.input({ kind: 'apps', directory: new AppDirectory(message.apps, ++appsVersion) })
        opening.onApps()
        say({ kind: 'appsKnown', ticket: message.ticket })
        return
      case 'flush':
      case 'logRoom':
      case 'terms':
        pump.input(message)
        return
      case 'drain':
        isDraining = true
        pump.input({ kind: 'drain', withinMs: message.withinMs })
        return
      case 'provisioned':
        provisioning.onAnswer(message.ticket, message.answer)
        return
      case 'describe':
        say({ kind: 'described', ticket: message.ticket, lines: worker.describe() })
        return
      case 'stop':
        process.exit(0)
    }
  })
  const report = (): void => {
    const { turnCount } = pump
    const counts = worker.counts()
    const heapBytes = heapUsedBytes()
    const { isUp: isMeshUp } = mesh
    const relays = worker.relayStandings()
    const status = {
      turnCount, isMeshUp, isDraining, counts, relays, tally: { ...tally }, heapBytes,
      strain: worker.strain()
    }
    say({ kind: 'status', status })
  }
  watchLoad((strain) => pump.input({ kind: 'strain', strain }))
  report()
  setInterval(report, STATUS_MS)
}

await run()
