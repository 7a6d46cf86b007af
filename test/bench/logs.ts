/**
 * `make bench-logs`: what the replicated log costs, on one nats-server with its files on disk.
 *
 *   publish to ACK, through a worker's socket, beside a bare append to the same server
 *   the time of one takeover, by what there is to read: a tail of messages, or a snapshot
 *   partitions taken over in a second
 */

import { connect, headers, type NatsConnection } from 'nats'
import { startNatsServer } from '../support/nats-server.ts'
import { missingTools } from '../support/tools.ts'
import type { PartitionMaster } from '../../src/channel/partition.ts'
import type { LogPlan } from '../../src/node/member-ports.ts'
import { partitionSubject } from '../../src/store/log-names.ts'
import { JetStreamLog } from '../../src/store/jetstream.ts'
import { JetStreamStreams } from '../../src/store/jetstream-streams.ts'
import { AckedSocket, quantile, startLogServer } from './acked-socket.ts'
import { MasterHost } from './master-host.ts'

const PREFIX = 'ringcast.bench.uid'
const PLAN: LogPlan = { generation: 'g', streamCount: 4, redundancy: 1 }
const ROUNDS = 2_000
const WARM_ROUNDS = 200
const TAILS = [0, 1_000, 10_000, 50_000]
/** The members of snapshots, and the first of the partitions that they are in. */
const SNAPSHOTS = [0, 1_000, 5_000, 10_000]
const SNAPSHOT_PARTITION = 20
const PARTITIONS_AT_ONCE = 500
const BARE_PARTITION = 4_000

const missing = missingTools('nats-server')
if (missing !== false) {
  console.log(`skipped: ${missing}`)
  process.exit(0)
}
const server = await startNatsServer({ jetstream: true })
const nats = await connect({ servers: server.url })
try {
  const problem = await new JetStreamStreams(nats, PREFIX).make(PLAN)
  if (problem !== undefined) throw new Error(problem)
  await publishToAck(nats)
  await takeovers(nats)
} finally {
  await nats.close()
  await server.stop()
}

async function publishToAck(connection: NatsConnection): Promise<void> {
  const logServer = await startLogServer(server.url, PREFIX, PLAN)
  const socket = await AckedSocket.open(logServer)
  const acks: number[] = []
  const appends: number[] = []
  const data = 'x'.repeat(128)
  let lastSeq = 0
  for (let round = 0; round < WARM_ROUNDS + ROUNDS; round++) {
    const ackMs = await socket.publish('bench', data)
    const startMs = performance.now()
    lastSeq = await bareAppend(connection, lastSeq)
    if (round < WARM_ROUNDS) continue
    acks.push(ackMs)
    appends.push(performance.now() - startMs)
  }
  socket.close()
  logServer.child.kill('SIGKILL')
  const ratio = quantile(acks, 0.5) / quantile(appends, 0.5)
  console.log('One publish after the other, one server, files')
  show('publish to ACK', acks)
  show('bare append', appends)
  const verdict = ratio <= 3 ? 'met' : 'missed'
  console.log(`  aim ${verdict}: p50 of publish to ACK: ${ratio.toFixed(2)} × (aim ≤ 3 ×)`)
}

async function bareAppend(connection: NatsConnection, lastSeq: number): Promise<number> {
  const expectation = headers()
  expectation.set('Nats-Expected-Last-Subject-Sequence', String(lastSeq))
  const subject = partitionSubject(PREFIX, PLAN, BARE_PARTITION)
  const reply = await connection.request(subject, new Uint8Array(300), {
    timeout: 5_000, headers: expectation
  })
  return reply.json<{ seq: number }>().seq
}

async function takeovers(connection: NatsConnection): Promise<void> {
  const log = new JetStreamLog(connection, PREFIX)
  log.use(PLAN)
  const host = new MasterHost(log, 'bench')
  console.log('\nOne takeover, by messages of 300 bytes in the log')
  const partition = 17
  let [master] = await host.takeOver([partition])
  let written = 0
  for (const tail of TAILS) {
    await host.publish(master!, tail - written, written)
    written = tail
    master = await oneTakeover(host, partition, tail)
  }
  const many = Array.from({ length: PARTITIONS_AT_ONCE }, (_, at) => 100 + at)
  for (const each of await host.takeOver(many)) await host.publish(each, 10, 0)
  const startMs = performance.now()
  await host.takeOver(many)
  const seconds = (performance.now() - startMs) / 1_000
  console.log(`\n${PARTITIONS_AT_ONCE} partitions of 10 messages, all at once: ` +
    `${Math.round(PARTITIONS_AT_ONCE / seconds)} taken over in a second`)
  host.end()
  await snapshots(log)
}

async function snapshots(log: JetStreamLog): Promise<void> {
  console.log('\nOne takeover, by members in a snapshot, and nothing else in the log')
  for (const [no, members] of SNAPSHOTS.entries()) {
    const partition = SNAPSHOT_PARTITION + no
    const host = new MasterHost(log, `snapshot ${no}`)
    const [entered] = await host.takeOver([partition])
    await host.enter(entered!, members)
    await host.age()
    await oneTakeover(host, partition, members)
    host.end()
  }
}

async function oneTakeover(
  host: MasterHost, partition: number, size: number
): Promise<PartitionMaster> {
  const [startMs, startBytes] = [performance.now(), host.readBytes]
  const [master] = await host.takeOver([partition])
  const took = (performance.now() - startMs).toFixed(1)
  const kib = ((host.readBytes - startBytes) / 1_024).toFixed(0)
  console.log(`  ${String(size).padEnd(30)}${took} ms, ${kib} KiB read`)
  return master!
}

function show(what: string, samples: number[]): void {
  const [p50, p99] = [quantile(samples, 0.5), quantile(samples, 0.99)]
  console.log(`  ${what.padEnd(30)}p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`)
}
