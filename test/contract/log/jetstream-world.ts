/** Connections, logs and waiting for the tests of the replicated log. */

import { setTimeout as delay } from 'node:timers/promises'
import { connect, type ConnectionOptions, type NatsConnection } from 'nats'
import type { Test } from 'tap'
import type { LogPlan } from '../../../src/node/member-ports.ts'
import { JetStreamArchive } from '../../../src/store/jetstream-archive.ts'
import { JetStreamLog } from '../../../src/store/jetstream.ts'
import { COPY_SILENT_MS, JetStreamStreams } from '../../../src/store/jetstream-streams.ts'

export const PREFIX = 'ringcast.test.uid'
const POLL_MS = 20
const PATIENCE_MS = 60_000

/** Waits until `isSo`; it is for the test's own time limit to end what never comes. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  await untilFine(what, async () => await isSo() ? undefined : 'it is not')
}

/** Waits until there is no problem any more; one that stays is told. */
export async function untilFine(
  what: string, problemOf: () => Promise<string | undefined>
): Promise<void> {
  const startMs = performance.now()
  for (;;) {
    const problem = await problemOf()
    if (problem === undefined) return
    if (performance.now() - startMs > PATIENCE_MS) throw new Error(`never so: ${what}: ${problem}`)
    await delay(POLL_MS)
  }
}

/** Connects as the mesh does, and closes when the test ends. */
export class JetStreamWorld {
  readonly #t: Test
  readonly #options: ConnectionOptions

  constructor(t: Test, servers: readonly string[], options: ConnectionOptions = {}) {
    this.#t = t
    this.#options = {
      servers: [...servers], maxReconnectAttempts: -1, reconnectTimeWait: 50, pingInterval: 500,
      waitOnFirstConnect: true, ...options
    }
  }

  async join(options: ConnectionOptions = {}): Promise<NatsConnection> {
    // Who asks for certain servers keeps to them, whatever the cluster says of others.
    const ignoreClusterUpdates = options.servers !== undefined
    const connection = await connect({ ...this.#options, ignoreClusterUpdates, ...options })
    this.#t.teardown(() => connection.close())
    return connection
  }

  async log(plan: LogPlan, options: ConnectionOptions = {}): Promise<JetStreamLog> {
    const log = new JetStreamLog(await this.join(options), PREFIX)
    log.use(plan)
    return log
  }

  async archive(plan: LogPlan, options: ConnectionOptions = {}): Promise<JetStreamArchive> {
    const archive = new JetStreamArchive(await this.join(options), PREFIX)
    archive.use(plan)
    return archive
  }

  async streams(options: ConnectionOptions = {}): Promise<JetStreamStreams> {
    return new JetStreamStreams(await this.join(options), PREFIX)
  }

  /** Which server of a cluster leads the stream of this name, once one does. */
  async leaderOf(name: string): Promise<number> {
    const manager = await (await this.join()).jetstreamManager({ checkAPI: false })
    let leader: string | undefined
    await until('a leader', async () => {
      const info = await manager.streams.info(name).catch(() => undefined)
      leader = info?.cluster?.leader
      return leader !== undefined
    })
    return Number(leader?.slice(1))
  }

  /** Makes the streams of `plan`, as often as it takes. */
  async make(plan: LogPlan): Promise<JetStreamStreams> {
    const streams = await this.streams()
    await untilFine('streams', () => streams.make(plan))
    return streams
  }
  /** Waits until every stream of `plan` has all its copies on the servers that run now. */
  async untilCopied(streams: JetStreamStreams, plan: LogPlan): Promise<void> {
    // Until then a server that has just come back, empty, may count as the one that it was.
    await delay(COPY_SILENT_MS)
    await untilFine('all copies', () => streams.setCopies(plan))
  }
}
