/**
 * Loaded first in every thread of a region that a test steers: it keeps the bounds that the test
 * wants, ends a worker that the test wants dead, as a crash would, and holds up one that it wants
 * late, as too much work would.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { BroadcastChannel, isMainThread, workerData } from 'node:worker_threads'
import { limits } from '../../../src/base/limits.ts'

/** What a test says to the threads. */
export interface Steer {
  readonly limits?: Partial<Record<keyof typeof limits, number>>
  /** The node whose worker is to die. */
  readonly dies?: string
  /** The node whose worker is to be late: its event loop stands still for so long, so often. */
  readonly lags?: { readonly node: string; readonly forMs: number; readonly count: number }
}

const GAP_MS = 20

export const STEERING = 'steering'
export const FIRST_LIMITS = 'STEERED_LIMITS'

Object.assign(limits, JSON.parse(process.env[FIRST_LIMITS] ?? '{}'))
const channel = new BroadcastChannel(STEERING)
channel.onmessage = (event) => {
  const { limits: some, dies, lags } = (event as { data: Steer }).data
  Object.assign(limits, some)
  if (isMainThread) return
  const { node } = workerData as { node?: string }
  if (node === dies) process.exit(1)
  if (node === lags?.node) void lag(lags!)
}
channel.unref()

async function lag({ forMs, count }: NonNullable<Steer['lags']>): Promise<void> {
  const nothing = new Int32Array(new SharedArrayBuffer(4))
  for (let no = 0; no < count; no++) {
    Atomics.wait(nothing, 0, 0, forMs)
    await delay(GAP_MS)
  }
}
