/**
 * What a region costs that nobody uses, from 3 nodes to 1,000: messages on the mesh per node and
 * second, which must not grow with the region, and what the death of one node makes everybody
 * read. `node test/sim/report.ts [3,10,30,…]` prints it.
 */

import { parseArgs } from 'node:util'
import { encodeMembership } from '../../src/peer/membership-codec.ts'
import { recordOf, type View } from '../../src/ring/view.ts'
import { withoutRealTime } from './poison.ts'
import { defaultRegion, Region } from './region.ts'

const SETTLE_MS = 3_000
const IDLE_MS = 10_000
const DEATH_MS = 15_000
/** From this size on most messages go as frozen objects, and one in this many is encoded. */
const BIG = 300
const BIG_CODEC_SHARE = 0.05

export interface IdleReport {
  readonly nodeCount: number
  readonly messagesPerNodeAndSecond: number
  /** Of those that were encoded. */
  readonly bytesPerMessage: number
  readonly kinds: Readonly<Record<string, number>>
  /** The whole view as one message. */
  readonly viewBytes: number
  /** What the death of a node made the others send, per node that is left. */
  readonly deathMessagesPerNode: number
  /** How long it took until all held the view without it; −1: they never did. */
  readonly deathMs: number
}

export function idleReport(nodeCount: number): IdleReport {
  return withoutRealTime(() => measure(nodeCount))
}

function measure(nodeCount: number): IdleReport {
  const region = new Region({
    ...defaultRegion,
    seed: `report/${nodeCount}`,
    nodeCount,
    workers: 1,
    partitionCount: 4_096,
    successorCount: Math.min(2, nodeCount - 1),
    codecShare: nodeCount >= BIG ? BIG_CODEC_SHARE : 1,
    isChecking: nodeCount < BIG
  })
  const { world, mesh, kube } = region
  region.startListed()
  world.run(SETTLE_MS)
  mesh.counts.clear()
  world.run(IDLE_MS)
  const idle = totals(region)
  const kinds: Record<string, number> = {}
  for (const [kind, { messages }] of mesh.counts) kinds[kind] = messages
  const viewBytes = sizeOf(kube.view!)
  mesh.counts.clear()
  const diedAtMs = world.nowMs
  region.loseMachine(region.nodes.get('n1')!, 10)
  const isHeld = (): boolean => region.running.every(({ life }) =>
    (life?.adopted?.view.version ?? 0) >= 2)
  const isDone = world.runUntil(isHeld, DEATH_MS, 50)
  const death = totals(region)
  const seconds = IDLE_MS / 1_000
  return {
    nodeCount,
    messagesPerNodeAndSecond: idle.messages / nodeCount / seconds,
    bytesPerMessage: idle.bytes / Math.max(1, idle.encoded),
    kinds,
    viewBytes,
    deathMessagesPerNode: death.messages / (nodeCount - 1),
    deathMs: isDone ? world.nowMs - diedAtMs : -1
  }
}

function totals({ mesh }: Region): { messages: number; bytes: number; encoded: number } {
  const sum = { messages: 0, bytes: 0, encoded: 0 }
  for (const { messages, bytes, encoded } of mesh.counts.values()) {
    sum.messages += messages
    sum.bytes += bytes
    sum.encoded += encoded
  }
  return sum
}

function sizeOf(view: View): number {
  const sender = { node: 'n0', uid: 'uid', incarnation: 'n0-1.1' }
  const envelope = { formatVersion: 1, viewVersion: view.version, sender }
  return encodeMembership({ ...envelope, kind: 'viewFull', view: recordOf(view) }).length
}

function row(report: IdleReport): string {
  const { nodeCount, messagesPerNodeAndSecond, bytesPerMessage, viewBytes } = report
  const { deathMessagesPerNode, deathMs } = report
  return [
    nodeCount, messagesPerNodeAndSecond.toFixed(2), bytesPerMessage.toFixed(0), viewBytes,
    deathMessagesPerNode.toFixed(1), deathMs.toFixed(0)
  ].map((cell) => String(cell).padStart(11)).join('')
}

function main(): void {
  const { positionals } = parseArgs({ allowPositionals: true })
  const sizes = (positionals[0] ?? '3,10,30,100,300,1000').split(',').map(Number)
  console.log('      nodes  msgs/node/s  bytes/msg view bytes death msgs   death ms')
  for (const size of sizes) console.log(row(idleReport(size)))
}

if (import.meta.main) main()
