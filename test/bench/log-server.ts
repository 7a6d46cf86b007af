/**
 * One worker of a region of one node, alone in its process, over a real NATS: everything that a
 * publish passes on its way into a replicated log and back. Arguments: the URL of NATS, the prefix
 * of subjects, and the plan of the log as JSON. Tells its parent the port and an API key, and when
 * it is asked, how often the archive was.
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
import type { Member } from '../../src/peer/membership.ts'
import { makeView } from '../../src/ring/view.ts'
import { JetStreamArchive } from '../../src/store/jetstream-archive.ts'
import { JetStreamLog } from '../../src/store/jetstream.ts'
import { JetStreamStats } from '../../src/store/jetstream-stats.ts'

const PARTITIONS = 4_096
const [url = '', prefix = '', planText = '{}'] = process.argv.slice(2)
const plan = JSON.parse(planText) as LogPlan
const note = (text: string): void => void process.stderr.write(`log server: ${text}\n`)
const nothing = (): void => undefined

const self = { incarnation: 'bench', worker: 0 }
const member: Member = {
  node: 'bench', uid: 'bench', incarnation: 'bench', startedAt: 0, workers: 1, zone: '',
  meshVersion: 1, host: '127.0.0.1', privatePort: 0, state: 'serving'
}
const view = makeView({
  version: 1, partitionCount: PARTITIONS, successorCount: 0, members: [member], tombstones: [],
  table: new Uint16Array(PARTITIONS), log: plan
})
const events = { onUp: nothing, onDown: nothing, note }
const mesh = await NatsMesh.connect(
  { servers: [url], name: 'bench' }, events, new AbortController().signal
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
    self, generation: 1, workers: 1, serverId: 'bench', siteCode: 'bench',
    connectionKeys: new ConnectionKeys(new Uint8Array(32)),
    allocate: (bytes) => Buffer.allocUnsafeSlow(bytes), tally: new Tally()
  },
  outbox,
  new Random('bench')
)
const bus = new WorkerBus(self, prefix, mesh, (frame) => pump.input({ kind: 'peerFrame', frame }))
const pump = new Pump(worker, outbox, {
  clock: systemClock, bus, log, archive, stats: new JetStreamStats(mesh.connection, prefix),
  onViewHeard: nothing, onSettled: nothing, onFlushed: nothing, note
})
pump.input({ kind: 'view', view, generations: new Map([['bench', [1]]]), gone: new Set() })
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
process.on('message', () => process.send?.({ archiveTrips }))
process.on('disconnect', () => process.exit(0))
