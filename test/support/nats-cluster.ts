/**
 * Several real nats-servers with JetStream as one cluster, on the loopback. Each keeps its ports
 * and its disk over restarts, so that clients and the others find it again; and lets no server of
 * another cluster in, which would join one of the same name.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startNatsServer, type NatsServer } from './nats-server.ts'
import { freePorts } from './server-process.ts'

const PORT_TRIES_MAX = 5
const LOOK_MS = 5

export interface NatsCluster {
  /** Addresses of all servers, whether they run or not. */
  readonly urls: readonly string[]
  /** The server called `n<index>`; undefined while it does not run. */
  readonly servers: readonly (NatsServer | undefined)[]
  /** Ends one as a crash would. */
  kill(index: number): Promise<void>
  /** Ends one, and its disk is gone. */
  lose(index: number): Promise<void>
  /** Makes one stand still (SIGSTOP); resolves when no thread of it runs any more. */
  freeze(index: number): Promise<void>
  /** Lets one go on that stands still. */
  thaw(index: number): void
  /** Starts one again on its old disk. */
  start(index: number): Promise<void>
  /** Ends everything and removes the disks. */
  stop(): Promise<void>
}

/** Starts `count` servers; resolves when each accepts clients (not yet: has a leader). */
export async function startNatsCluster(count: number, config = ''): Promise<NatsCluster> {
  for (let attempt = 1; ; attempt++) {
    const cluster = new Cluster(count, config, await freePorts(2 * count))
    try {
      await Promise.all(Array.from({ length: count }, (_, index) => cluster.start(index)))
      return cluster
    } catch (error) {
      await cluster.stop()
      // Somebody took one of the ports that were free a moment ago.
      if (attempt === PORT_TRIES_MAX) throw error
    }
  }
}

class Cluster implements NatsCluster {
  readonly servers: (NatsServer | undefined)[]
  readonly #folder = mkdtempSync(join(tmpdir(), 'ringcast-nats-cluster-'))
  readonly #clientPorts: readonly number[]
  readonly #routePorts: readonly number[]
  readonly #config: string
  readonly #ended: NatsServer[] = []

  constructor(count: number, config: string, ports: readonly number[]) {
    this.#config = config
    this.#clientPorts = ports.slice(0, count)
    this.#routePorts = ports.slice(count)
    this.servers = Array.from({ length: count })
  }

  get urls(): readonly string[] {
    return this.#clientPorts.map((port) => `nats://127.0.0.1:${port}`)
  }

  async start(index: number): Promise<void> {
    const routes = this.#routePorts.map((port) => `"nats://127.0.0.1:${port}"`)
    this.servers[index] = await startNatsServer({
      jetstream: true,
      port: this.#clientPorts[index]!,
      storeFolder: join(this.#folder, `n${index}`),
      config: [
        `server_name: n${index}`,
        'cluster {',
        `  name: ${basename(this.#folder)}`,
        `  listen: "127.0.0.1:${this.#routePorts[index]}"`,
        `  routes: [${routes.join(', ')}]`,
        '}',
        this.#config
      ].join('\n')
    })
  }

  async kill(index: number): Promise<void> {
    const server = this.servers[index]
    this.servers[index] = undefined
    if (server === undefined) return
    await server.process.kill()
    this.#ended.push(server)
  }

  async lose(index: number): Promise<void> {
    await this.kill(index)
    rmSync(join(this.#folder, `n${index}`), { recursive: true })
  }

  async freeze(index: number): Promise<void> {
    const pid = this.servers[index]!.process.pid
    process.kill(pid, 'SIGSTOP')
    // On a busy machine the other threads go on until the one that has the signal gets a turn.
    while (!standsStill(pid)) await delay(LOOK_MS)
  }

  thaw(index: number): void {
    process.kill(this.servers[index]!.process.pid, 'SIGCONT')
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((_, index) => this.kill(index)))
    await Promise.all(this.#ended.map((server) => server.stop()))
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Whether every thread of the process is stopped, as proc(5) tells it. */
function standsStill(pid: number): boolean {
  const tasks = join('/proc', String(pid), 'task')
  return readdirSync(tasks).every((task) => {
    const line = readFileSync(join(tasks, task, 'stat'), 'utf8')
    return line.slice(line.lastIndexOf(')')).startsWith(') T')
  })
}
