/**
 * Loaded first in every thread of a region that a test steers: it keeps the bounds that the test
 * wants, and ends a worker that the test wants dead, as a crash would.
 */

import { BroadcastChannel, isMainThread, workerData } from 'node:worker_threads'
import { limits } from '../../../src/base/limits.ts'

/** What a test says to the threads. */
export interface Steer {
  readonly limits?: Partial<Record<keyof typeof limits, number>>
  /** The node whose worker is to die. */
  readonly dies?: string
}

export const STEERING = 'steering'
export const FIRST_LIMITS = 'STEERED_LIMITS'

Object.assign(limits, JSON.parse(process.env[FIRST_LIMITS] ?? '{}'))
const channel = new BroadcastChannel(STEERING)
channel.onmessage = (event) => {
  const { limits: some, dies } = (event as { data: Steer }).data
  Object.assign(limits, some)
  if (!isMainThread && dies === (workerData as { node?: string }).node) process.exit(1)
}
channel.unref()
