/**
 * `make bench-history`: persisted history, on one nats-server with its files on disk.
 *
 *   a page of 100 messages at depth 1, 1,000 and 100,000, backwards and forwards, by links, and
 *   found by time; with what is asked of the archive for it
 *   publish to ACK on a channel that is persisted, and on one that is not, in turn
 */

import type { ChildProcess } from 'node:child_process'
import { encode } from '@msgpack/msgpack'
import { connect } from 'nats'
import { partitionOf } from '../../src/base/hash.ts'
import { encodeArchived } from '../../src/log/archive.ts'
import type { LogPlan } from '../../src/node/member-ports.ts'
import { JetStreamArchive } from '../../src/store/jetstream-archive.ts'
import { JetStreamStreams } from '../../src/store/jetstream-streams.ts'
import { startNatsServer } from '../support/nats-server.ts'
import { missingTools } from '../support/tools.ts'
import {
  AckedSocket, heardOf, type LogServer, quantile, startLogServer
} from './acked-socket.ts'

const PREFIX = 'ringcast.bench.uid'
const PLAN: LogPlan = { generation: 'g', streamCount: 4, redundancy: 1 }
const PARTITIONS = 4_096
const APP = 'bench'
const CHANNEL = 'kept:deep'
const PAGE = 100
const DEPTHS = [1, 1_000, 100_000]
const DEEPEST = Math.max(...DEPTHS)
/** Pages around a depth that are measured. */
const AROUND = 15
const FILL_AT_ONCE = 256
const DAY_MS = 24 * 3_600_000
const ROUNDS = 1_500
const WARM_ROUNDS = 200
const AIM = 2

interface Page {
  readonly next: string | undefined
  readonly count: number
  readonly ms: number
  readonly trips: number
}

const missing = missingTools('nats-server')
if (missing !== false) {
  console.log(`skipped: ${missing}`)
  process.exit(0)
}
const nats = await startNatsServer({ jetstream: true })
const connection = await connect({ servers: nats.url })
try {
  const problem = await new JetStreamStreams(connection, PREFIX).make(PLAN)
  if (problem !== undefined) throw new Error(problem)
  const beganAtMs = await fill()
  const server = await startLogServer(nats.url, PREFIX, PLAN)
  for (const direction of ['backwards', 'forwards'] as const) await pages(server, direction)
  await byTime(server, beganAtMs)
  await publishes(server)
  server.child.kill('SIGKILL')
} finally {
  await connection.close()
  await nats.stop()
}

/** One message a record, the dearest case; gives the time of the first. */
async function fill(): Promise<number> {
  const archive = new JetStreamArchive(connection, PREFIX)
  archive.use(PLAN)
  const channel = `${APP}/${CHANNEL}`
  const shelf = { partition: partitionOf(channel, PARTITIONS), channel, of: 'messages' as const }
  const count = DEEPEST + AROUND * PAGE
  const beganAtMs = Date.now() - count - 1_000
  const payload = encode([{ name: 'tick', data: 'x'.repeat(128) }])
  // Nobody else writes to the stream, so its sequences are known beforehand.
  const write = async (seq: number): Promise<void> => {
    const timestamp = beganAtMs + seq
    const bytes = encodeArchived(channel, {
      lineage: 'bench', epoch: 1, before: seq - 1, back: Math.max(1, seq - PAGE),
      backCount: PAGE, tick: { ms: timestamp, counter: 0 },
      publications: [{
        seq, entry: seq, timestamp, counter: 0, id: `c:${seq}`, idSpace: 'connection',
        connectionId: 'c', messageCount: 1, payload, keptMs: DAY_MS
      }]
    })
    const outcome = await archive.append(shelf, seq - 1, bytes, DAY_MS)
    if (outcome.kind !== 'appended') throw new Error(JSON.stringify(outcome))
  }
  for (let first = 1; first <= count; first += FILL_AT_ONCE) {
    const size = Math.min(FILL_AT_ONCE, count - first + 1)
    await Promise.all(Array.from({ length: size }, (_, at) => write(first + at)))
  }
  return beganAtMs
}

async function pages(server: LogServer, direction: 'backwards' | 'forwards'): Promise<void> {
  console.log(`A page of ${PAGE}, ${direction}`)
  const first = `/channels/${CHANNEL}/messages?limit=${PAGE}&direction=${direction}`
  const byDepth = new Map<number, Page[]>(DEPTHS.map((depth) => [depth, []]))
  for (let round = 0; round < AROUND; round++) byDepth.get(1)!.push(await read(server, first))
  let path: string | undefined = first
  for (let depth = 0; path !== undefined; depth += PAGE) {
    const page: Page = await read(server, path)
    if (page.count !== PAGE) break
    for (const wanted of DEPTHS) {
      const isNear = Math.abs(depth - wanted) <= AROUND * PAGE / 2
      if (wanted > 1 && isNear) byDepth.get(wanted)!.push(page)
    }
    path = page.next
  }
  const p50s = DEPTHS.map((depth) => show(`at depth ${depth}`, byDepth.get(depth)!))
  const ratio = p50s.at(-1)! / p50s[0]!
  console.log(`  aim ${ratio <= AIM ? 'met' : 'missed'}: p50 at depth ${DEEPEST} is ` +
    `${ratio.toFixed(2)} × that at 1 (aim ≤ ${AIM} ×)`)
}

async function byTime(server: LogServer, beganAtMs: number): Promise<void> {
  console.log('The same, begun at a time')
  for (const depth of DEPTHS) {
    const end = beganAtMs + DEEPEST + AROUND * PAGE - depth
    const found: Page[] = []
    for (let round = 0; round < AROUND; round++) {
      found.push(await read(server, `/channels/${CHANNEL}/messages?limit=${PAGE}&end=${end}`))
    }
    show(`at depth ${depth}`, found)
  }
}

async function read({ child, port, key }: LogServer, path: string): Promise<Page> {
  const before = await tripsOf(child)
  const startMs = performance.now()
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { authorization: `Basic ${Buffer.from(key).toString('base64')}` }
  })
  const items = (await answer.json()) as unknown[]
  const ms = performance.now() - startMs
  if (answer.status !== 200) throw new Error(JSON.stringify(items))
  const trips = (await tripsOf(child)) - before
  const [, next] = /<([^>]*)>; rel="next"/.exec(answer.headers.get('link') ?? '') ?? []
  const base = new URL(path, 'http://bench')
  const nextUrl = next === undefined ? undefined : new URL(next, base)
  return { next: nextUrl && `${nextUrl.pathname}${nextUrl.search}`, count: items.length, ms, trips }
}

async function tripsOf(child: ChildProcess): Promise<number> {
  const answer = heardOf<{ archiveTrips: number }>(child)
  child.send('trips')
  return (await answer).archiveTrips
}

/** In turn, so that both meet the same machine. */
async function publishes(server: LogServer): Promise<void> {
  const socket = await AckedSocket.open(server)
  const channels = ['plain', 'kept:acks']
  const samples: number[][] = channels.map(() => [])
  const data = 'x'.repeat(128)
  for (let round = 0; round < 2 * (WARM_ROUNDS + ROUNDS); round++) {
    const which = round % 2
    const ackMs = await socket.publish(channels[which]!, data)
    if (round >= 2 * WARM_ROUNDS) samples[which]!.push(ackMs)
  }
  socket.close()
  console.log('Publish to ACK, one after the other')
  const [plain, kept] = samples.map((each, at) => {
    const [p50, p99] = [quantile(each, 0.5), quantile(each, 0.99)]
    const what = at === 0 ? 'not persisted' : 'persisted'
    console.log(`  ${what.padEnd(24)}p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`)
    return p50
  })
  const ratio = (kept! / plain!).toFixed(2)
  console.log(`  persisted is ${ratio} × (it is stored twice, one after the other)`)
}

function show(what: string, found: readonly Page[]): number {
  const times = found.map(({ ms }) => ms)
  const trips = Math.max(...found.map((page) => page.trips))
  const [p50, worst] = [quantile(times, 0.5), Math.max(...times)]
  console.log(`  ${what.padEnd(24)}p50 ${p50.toFixed(2)} ms, worst ${worst.toFixed(2)} ms, ` +
    `at most ${trips} round trips`)
  return p50
}
