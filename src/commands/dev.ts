/**
 * `ringcast dev`: a region in one process, for a laptop. The nodes are the production code, worker
 * threads included; only mesh, membership and store are the process's own.
 */

import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { MessageChannel } from 'node:worker_threads'
import type { AppConfig } from '../auth/app.ts'
import { Hub } from '../bus/hub.ts'
import type { PodFact } from '../node/member-ports.ts'
import { makeLogger } from '../ops/notes.ts'
import { DevApps } from './dev-apps.ts'
import { type DevStoreOptions, type DevStores, openDevStores } from './dev-stores.ts'
import { freePorts } from './free-ports.ts'
import { LocalRing } from './local-ring.ts'
import { type NodePorts, NodeRuntime } from './node-runtime.ts'

const READY_CHECK_MS = 20
const PARTITION_COUNT = 4096
const PORT_MAX = 65_535
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

export interface DevOptions extends DevStoreOptions {
  readonly nodes: number
  /** The first node's port; the others take the ones after it. 0: free ones. */
  readonly port: number
  readonly host: string
  /** Per node; 0: as many as cores, shared out. */
  readonly workers: number
  readonly logLevel: string
}

/** A running dev region. */
export interface DevRegion {
  readonly urls: readonly string[]
  /** `appId.keyId:secret`, allowed everything. */
  readonly key: string
  readonly nodes: readonly NodeRuntime[]
  /** Gives an app of the sandbox other keys or rules; resolves once every worker knows. */
  changeApp(appId: string, change: (app: AppConfig) => AppConfig): Promise<void>
  stop(): Promise<void>
}

/**
 * Starts a region and resolves when every node serves. Rejects with an Error that names the cause
 * (a port in use, say).
 */
export async function startDevRegion(options: DevOptions): Promise<DevRegion> {
  checkOptions(options)
  const hub = new Hub()
  const ring = new LocalRing(PARTITION_COUNT)
  const names = Array.from({ length: options.nodes }, (_, index) => `dev-${index}`)
  const runtimes: NodeRuntime[] = []
  // All workers of a node share one port, so it must be known before they start.
  const ports = await freePorts(options.host, options.port, options.nodes)
  const authority = options.host.includes(':') ? `[${options.host}]` : options.host
  const urls = ports.map((port) => `http://${authority}:${port}`)
  const stores = openDevStores(options)
  const apps = new DevApps(async (list) => {
    await Promise.all(runtimes.map((runtime) => runtime.appsKnown(list)))
  }, () => urls[0]!, stores)
  const key = apps.first()
  const secret = randomBytes(32)
  for (const [index, node] of names.entries()) {
    const logger = makeLogger(options.logLevel, { node })
    const share = Math.max(1, Math.floor(availableParallelism() / names.length))
    const workers = options.workers || share
    runtimes.push(new NodeRuntime(
      {
        region: 'dev',
        siteCode: 'dev',
        redundancy: 3,
        node,
        uid: `uid-${node}`,
        zone: '',
        workers,
        publicHost: options.host,
        publicPort: ports[index]!,
        privateHost: '127.0.0.1',
        privatePort: 0,
        advertisedHost: '127.0.0.1',
        world: undefined,
        endpoint: '',
        isDev: true,
        drainMs: 2_000,
        secret
      },
      devPorts(hub, stores, ring, apps, names, logger)
    ))
  }
  const end = async (): Promise<void> => {
    apps.stop()
    await Promise.all(runtimes.map((runtime) => runtime.stop()))
    stores.close()
  }
  let ending: Promise<void> | undefined
  const stop = (): Promise<void> => ending ??= end()
  try {
    for (const runtime of runtimes) await runtime.start()
    await Promise.all(runtimes.map(servingOrFailed))
  } catch (error) {
    await stop()
    throw error
  }
  return {
    urls, key, nodes: runtimes, changeApp: (appId, change) => apps.change(appId, change), stop
  }
}

function checkOptions({ nodes, port, logLevel }: DevOptions): void {
  if (nodes < 1) throw new Error('--nodes must be 1 or more')
  const lastPort = port + nodes - 1
  if (port > 0 && lastPort > PORT_MAX) {
    throw new Error(`${nodes} nodes from port ${port} on would need port ${lastPort}; ` +
      `the highest is ${PORT_MAX}`)
  }
  if (!LOG_LEVELS.includes(logLevel)) {
    throw new Error(`--log-level ${logLevel} is none of ${LOG_LEVELS.join(', ')}`)
  }
}

/** Runs until interrupted, and prints how to use it. */
export async function devCommand(options: DevOptions): Promise<void> {
  const region = await startDevRegion(options)
  process.stdout.write(greeting(region))
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve)
    process.once('SIGTERM', resolve)
  })
  await region.stop()
}

function devPorts(
  hub: Hub,
  { log, archive, stats }: DevStores,
  ring: LocalRing,
  apps: DevApps,
  names: readonly string[],
  logger: ReturnType<typeof makeLogger>
): NodePorts {
  return {
    logger,
    ringStore: ring,
    ringIdentity: async () => ({ uid: 'dev', madeAtMs: 0 }),
    connectMesh: async () => hub.mesh(),
    logScale: () => log,
    workerMesh: () => {
      const [mesh, records, kept, counts] = [
        new MessageChannel(), new MessageChannel(), new MessageChannel(), new MessageChannel()
      ]
      hub.serve(mesh.port1)
      log.serve(records.port1)
      archive.serve(kept.port1)
      stats.serve(counts.port1)
      const ports = {
        port: mesh.port2, log: records.port2, archive: kept.port2, stats: counts.port2
      }
      return { settings: { kind: 'hub' as const, ...ports }, transfer: Object.values(ports) }
    },
    watchPods: (onPods) => {
      const pods = names.map(podOf)
      onPods(pods)
      return { stop: () => undefined, list: async () => pods }
    },
    watchApps: (onApps) => {
      onApps(apps.list())
      return () => undefined
    },
    provision: (request) => apps.provision(request)
  }
}

/** In dev mode every node of the process is there, and stays. */
function podOf(node: string): PodFact {
  return {
    node,
    uid: `uid-${node}`,
    phase: 'Running',
    isReady: true,
    host: '127.0.0.1',
    zone: '',
    isTerminating: false,
    isTerminated: false,
    containerEndedAtMs: undefined
  }
}

function servingOrFailed(runtime: NodeRuntime): Promise<void> {
  return new Promise((resolve, reject) => {
    const check = setInterval(() => {
      const { unreadyBecause } = runtime.facts()
      if (unreadyBecause === undefined) {
        clearInterval(check)
        resolve()
      } else if (unreadyBecause.startsWith('cannot listen')) {
        clearInterval(check)
        reject(new Error(unreadyBecause))
      }
    }, READY_CHECK_MS)
  })
}

function greeting(region: DevRegion): string {
  const url = new URL(region.urls[0]!)
  const urls = region.urls.join('  ')
  return `
Ringcast is ready.

  URL      ${urls}
  API key  ${region.key}

Paste this into a file.mjs (npm install ably):

  import * as Ably from 'ably'
  const options = { key: '${region.key}', endpoint: '${url.hostname}' }
  const client = new Ably.Realtime({ ...options, port: ${url.port}, tls: false })
  await client.channels.get('hello').subscribe((message) => console.log(message.data))
  await client.channels.get('hello').publish('greeting', 'Hello, ring!')

`
}
