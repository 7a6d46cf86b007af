/**
 * `make bench-resume`: a node of a region of three ends, and all its clients go on at the other
 * two, 2,000 a second; beside them somebody publishes and somebody listens.
 *
 *   node test/bench/resumes.ts [--clients 6000] [--per-second 2000] [--after-ms 0]
 *
 * The first clients come before the ring knows of the death: whose register was the dead node's
 * wait for its heir. With `--after-ms 4000` they come when it is over.
 */

import { parseArgs } from 'node:util'
import { Latencies } from './latencies.ts'
import { LiveTraffic } from './live-traffic.ts'
import { readBuffer } from './raw-socket.ts'
import { pause, RegionProcess } from './region-process.ts'
import { type Outcome, ResumingClient } from './resuming-client.ts'

const CHANNELS = 100
const OPENING_AT_ONCE = 32
const QUIET_MS = 3_000
const CLIENTS_MAX = 15_000

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '6000' },
    'per-second': { type: 'string', default: '2000' },
    'after-ms': { type: 'string', default: '0' }
  }
})
const clientCount = Math.min(CLIENTS_MAX, Number(values.clients))
const perSecond = Number(values['per-second'])

const region = await RegionProcess.start()
const { ports, key } = region
const clients = await opened()
const live = await LiveTraffic.start(ports[0]!, ports[1]!, key)
await pause(QUIET_MS)
live.tell('live traffic before')
region.endNode()
const afterMs = Number(values['after-ms'])
await pause(afterMs)
if (afterMs > 0) live.tell('live traffic at the death')
const [startedAtMs, cpuBefore] = [performance.now(), await region.cpuTime()]
const outcomes = await resumed()
const seconds = (performance.now() - startedAtMs) / 1_000
report(outcomes, seconds)
console.log(`  ${await region.cpuSince(cpuBefore)}`)
live.tell('live traffic meanwhile')
await pause(QUIET_MS)
live.tell('live traffic after')
for (const client of clients) client.close()
live.end()
region.end()

async function opened(): Promise<ResumingClient[]> {
  const buffer = readBuffer()
  const all = Array.from({ length: clientCount }, (_, no) =>
    new ResumingClient(`bench-${no % CHANNELS}`, key, buffer))
  const waiting = [...all]
  const next = async (): Promise<void> => {
    for (let client = waiting.pop(); client !== undefined; client = waiting.pop()) {
      await client.begin(ports.at(-1)!)
    }
  }
  await Promise.all(Array.from({ length: OPENING_AT_ONCE }, next))
  return all
}

/** All of them, evenly to both nodes, at the pace. */
async function resumed(): Promise<Outcome[]> {
  const under: Promise<Outcome>[] = []
  const beganAtMs = performance.now()
  while (under.length < clients.length) {
    const due = Math.min(clients.length, ((performance.now() - beganAtMs) / 1_000) * perSecond)
    while (under.length < due) under.push(clients[under.length]!.resume(ports[under.length % 2]!))
    await pause(2)
  }
  return Promise.all(under)
}

function report(all: readonly Outcome[], took: number): void {
  const connected = new Latencies()
  const attached = new Latencies()
  let [lost, discontinued, retries] = [0, 0, 0]
  for (const outcome of all) {
    connected.add(outcome.connectedMs * 1_000)
    attached.add(outcome.attachedMs * 1_000)
    if (!outcome.isSame) lost++
    if (!outcome.isContinued) discontinued++
    retries += outcome.retries
  }
  const ms = (of: Latencies, share: number): string => of.quantileMs(share).toFixed(1)
  console.log(`${all.length} resumes offered at ${perSecond}/s, done in ${took.toFixed(2)} s: ` +
    `${Math.round(all.length / took)}/s`)
  console.log(`  CONNECTED after p50 ${ms(connected, 0.5)} ms, p99 ${ms(connected, 0.99)} ms`)
  console.log(`  ATTACHED after p50 ${ms(attached, 0.5)} ms, p99 ${ms(attached, 0.99)} ms`)
  console.log(`  asked to come again ${retries} times; connections lost ${lost}, ` +
    `channels not continued ${discontinued}`)
  if (lost > 0 || discontinued > 0) process.exitCode = 1
}
