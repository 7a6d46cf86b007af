/**
 * One worker of a region of one node, alone in its process, over a real NATS: everything that a
 * publish passes on its way into a replicated log and back. Arguments: the URL of NATS, the prefix
 * of subjects, the plan of the log as JSON, and where there are other regions, the name of this one
 * and as JSON what those are called and the prefixes of theirs. Tells its parent the port and an
 * API key, and when it is asked, how often the archive was and how much CPU time it took.
 */

import { AppDirectory, parseApps } from '../../src/auth/app.ts'
import { ConnectionKeys } from '../../src/auth/connection-key.ts'
import { Random } from '../../src/base/random.ts'
import { Tally } from '../../src/base/tally.ts'
import { NatsMesh } from '../../src/bus/nats.ts'
import { WorkerBus } from '../../src/bus/worker-bus.ts'
import { startEdge } from '../../src/edge/server.ts'
import type { LogPlan } from '../../src/node/member-ports.ts'
import { Outbox } from '../../src/node/outbox.ts'
import { Worker } from '../../src/node/worker.ts'
import { Pump } from '../../src/ops/pump.ts'
import { systemClock } from '../../src/ops/system-clock.ts'
import { makeView, type View } from '../../src/ring/view.ts'
import { JetStreamArchive } from '../../src/store/jetstream-archive.ts'
import { JetStreamLog } from '../../src/store/jetstream.ts'
import { JetStreamStats } from '../../src/store/jetstream-stats.ts'

const PARTITIONS = 4_096
const [url = '', prefix = '', planText = '{}', name = 'bench', abroadText = '[]'] =
  process.argv.slice(2)
const plan = JSON.parse(planText) as LogPlan
const abroad = JSON.parse(abroadText) as readonly { readonly region: string; prefix: string }[]
const note = (text: string): void => void process.stderr.write(`log server: ${text}\n`)
const nothing = (): void => undefined

const self = { incarnation: name, worker: 0 }
const view = viewOf(name)
const events = { onUp: nothing, onDown: nothing, note }
const mesh = await NatsMesh.connect(
  { servers: [url], name }, events, new AbortController().signal
)
const log = new JetStreamLog(mesh.connection, prefix)
log.use(plan)
let archiveTrips = 0
class CountedArchive extends JetStreamArchive {
  override last: JetStreamArchive['last'] = (...question) => {
    archiveTrips++
    return super.last(...question)
  }

  override next: JetStreamArchive['next'] = (...question) => {
    archiveTrips++
    return super.next(...question)
  }

  override page: JetStreamArchive['page'] = (...question) => {
    archiveTrips++
    return super.page(...question)
  }
}
const archive = new CountedArchive(mesh.connection, prefix)
archive.use(plan)
const outbox = new Outbox()
const worker = new Worker(
  {
    self, generation: 1, workers: 1, serverId: name, siteCode: name,
    connectionKeys: new ConnectionKeys(new Uint8Array(32)),
    allocate: (bytes) => Buffer.allocUnsafeSlow(bytes), tally: new Tally()
  },
  outbox,
  new Random(name)
)
const bus = new WorkerBus(self, prefix, mesh, (frame) => pump.input({ kind: 'peerFrame', frame }))
const pump = new Pump(worker, outbox, {
  clock: systemClock, bus, log, archive, stats: new JetStreamStats(mesh.connection, prefix),
  onViewHeard: nothing, onSettled: nothing, onRevokedKnown: nothing,
  onFlushed: nothing, note
})
pump.input({ kind: 'view', view, generations: new Map([[name, [1]]]), gone: new Set() })
if (abroad.length > 0) {
  const foreign = abroad.map(({ region, prefix: theirs }) => ({
    region, prefix: theirs, view: viewOf(region), generations: new Map([[region, [1]]])
  }))
  bus.learn(foreign)
  pump.input({ kind: 'world', foreign, absent: [] })
}
const keys = [{ id: 'k', secret: 's', capability: { '*': ['*'] } }]
const namespaces = [{ id: 'kept', persisted: true }]
const parsed = parseApps({ apps: [{ appId: 'bench', keys, namespaces, limits: {} }] })
if (!parsed.ok) throw new Error(parsed.problems.join())
pump.input({ kind: 'apps', directory: new AppDirectory(parsed.apps, 1) })
const edge = await startEdge({ host: '127.0.0.1', port: 0, connectionsMax: Infinity }, {
  input: (input) => pump.input(input),
  note
})
process.send?.({ port: edge.port, key: 'bench.k:s' })
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.({ archiveTrips, cpuSeconds: (user + system) / 1e6 })
})
process.on('disconnect', () => process.exit(0))

/** Of a region that has one node, which is called like it. */
function viewOf(node: string): View {
  return makeView({
    version: 1, partitionCount: PARTITIONS, successorCount: 0, tombstones: [], log: plan,
    table: new Uint16Array(PARTITIONS),
    members: [{
      node, uid: node, incarnation: node, startedAt: 0, workers: 1, zone: '', meshVersion: 1,
      host: '127.0.0.1', privatePort: 0, state: 'serving'
    }]
  })
}
