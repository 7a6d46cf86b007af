/**
 * What is measured. Each function measures every server once, each in a process of its own, and
 * all in one run, so that what the machine does meanwhile hits all alike.
 */

import { subscriberOf } from './dialect.ts'
import { LoadProcess, Server, type ServerKind } from './processes.ts'
import { type Measure, type Shape, Traffic } from './traffic.ts'

export const SERVER_KINDS: readonly ServerKind[] = ['bare ws', 'ringcast, 1 worker', 'ringcast']

/** The pace grows by this until a server does not keep up. */
const LADDER = 1.5
const RUNGS_MAX = 16
/** Ringcast starts so far above what was too much for the bare server. */
const HEAD_START = 3

export type ByServer<T> = ReadonlyMap<ServerKind, T>

export interface FanOut {
  /** At the pace that was too much for the bare server. */
  readonly atBareLimit: Measure
  /** At the first pace that was too much for this one. */
  readonly atLimit: Measure
}

export interface FanOutPlan {
  readonly subscriberCount: number
  /** Publishes a second, to begin with. */
  readonly startPerSecond: number
  readonly seconds: number
}

/** One channel, many subscribers. */
export async function fanOut(plan: FanOutPlan): Promise<ByServer<FanOut>> {
  const { subscriberCount, startPerSecond, seconds } = plan
  const shape = { channelCount: 1, subscribersPerChannel: subscriberCount }
  const sample = await sampleOf(shape)
  const results = new Map<ServerKind, FanOut>()
  let barePerSecond = 0
  for (const kind of SERVER_KINDS) {
    const traffic = await Traffic.start(kind, shape, [sample])
    try {
      await traffic.measure(startPerSecond, 1)
      if (traffic.server.isBare) {
        const atLimit = await climb(traffic, startPerSecond, seconds)
        barePerSecond = atLimit.offeredPerSecond
        results.set(kind, { atBareLimit: atLimit, atLimit })
      } else {
        const atBareLimit = await traffic.measure(barePerSecond, seconds)
        const atLimit = await climb(traffic, barePerSecond * HEAD_START, seconds)
        results.set(kind, { atBareLimit, atLimit })
      }
    } finally {
      await traffic.end()
    }
  }
  return results
}

export interface OneToOnePlan {
  readonly channelCount: number
  readonly perSecond: number
  readonly seconds: number
}

/** Many channels, each with one publisher and one subscriber, at one pace for all servers. */
export async function oneToOne(plan: OneToOnePlan): Promise<ByServer<Measure>> {
  const { channelCount, perSecond, seconds } = plan
  const shape = { channelCount, subscribersPerChannel: 1 }
  const sample = await sampleOf({ channelCount: 1, subscribersPerChannel: 1 })
  const results = new Map<ServerKind, Measure>()
  for (const kind of SERVER_KINDS) {
    const traffic = await Traffic.start(kind, shape, [sample])
    try {
      await traffic.measure(perSecond, 1)
      results.set(kind, await traffic.measure(perSecond, seconds))
    } finally {
      await traffic.end()
    }
  }
  return results
}

export interface MemoryPlan {
  readonly connectionCount: number
  /** Connected before the counting starts, so that code and pools are not counted. */
  readonly warmCount: number
  readonly channelCount: number
}

/** Resident bytes for each further idle connection that is attached to a channel. */
export async function idleMemory(plan: MemoryPlan): Promise<ByServer<number>> {
  const results = new Map<ServerKind, number>()
  for (const kind of SERVER_KINDS) results.set(kind, await idleMemoryOf(kind, plan))
  return results
}

/** See `idleMemory`. */
export async function idleMemoryOf(kind: ServerKind, plan: MemoryPlan): Promise<number> {
  const { connectionCount, warmCount, channelCount } = plan
  const server = await Server.start(kind)
  const load = new LoadProcess()
  const open = async (count: number): Promise<void> => {
    const sockets = Array.from({ length: count }, (_, index) => {
      return subscriberOf(server, `bench-${index % channelCount}`)
    })
    await load.perform({ kind: 'open', port: server.port, concurrency: 32, sockets })
  }
  try {
    await open(warmCount)
    const before = await server.settledBytes()
    await open(connectionCount)
    const after = await server.settledBytes()
    return (after - before) / connectionCount
  } finally {
    await Promise.all([load.end(), server.end()])
  }
}

/** A frame as a subscriber of Ringcast gets it. */
async function sampleOf(shape: Shape): Promise<string> {
  const traffic = await Traffic.start('ringcast, 1 worker', { ...shape, subscribersPerChannel: 1 },
    [])
  try {
    await traffic.measure(1, 1)
    return await traffic.sample()
  } finally {
    await traffic.end()
  }
}

async function climb(traffic: Traffic, perSecond: number, seconds: number): Promise<Measure> {
  let measure = await traffic.measure(perSecond, seconds)
  for (let rung = 1; rung < RUNGS_MAX && !measure.isSaturated; rung++) {
    measure = await traffic.measure(Math.round(measure.offeredPerSecond * LADDER), seconds)
  }
  return measure
}
