/**
 * `ringcast globalmaster`: wires the machine that keeps the list of regions (region/globalmaster)
 * to the mesh of its region, to the ConfigMap in which the operator tells what the cluster knows,
 * to the status of its RealtimeRegion, and to the Lease that says who of several acts.
 */

import type { Server } from 'node:http'
import { NatsMesh } from '../bus/nats.ts'
import type { KubeClient } from '../kube/client.ts'
import { Elector } from '../kube/elector.ts'
import { ListWatch } from '../kube/list-watch.ts'
import {
  type Environment, globalmasterConfig, type GlobalmasterConfig, kubeConfig
} from '../ops/config.ts'
import { GlobalmasterPump } from '../ops/globalmaster-pump.ts'
import { type Logger, makeLogger } from '../ops/notes.ts'
import { systemClock } from '../ops/system-clock.ts'
import { readWorldFile, type WorldFile } from '../ops/world-file.ts'
import { worldEntry } from '../operator/globalmaster-manifests.ts'
import type { PeerReport } from '../region/globalmaster-ports.ts'
import { GlobalmasterMeter } from './globalmaster-meter.ts'
import { serveHealth } from './health.ts'
import { CONFIG_MAPS, type ConfigMap, kubeClient } from './kube-access.ts'
import { Leaving } from './leaving.ts'
import { natsOptions } from './nats-access.ts'
import { formerPeersOf, PeerStatusWriter } from './peer-status.ts'

/**
 * Runs until SIGTERM or SIGINT, or until leadership is lost. Throws an Error that names what is
 * misconfigured. An API server or a NATS that does not answer is no reason to end.
 */
export async function globalmasterCommand(
  environment: Environment, version: string
): Promise<void> {
  const config = globalmasterConfig(environment)
  const log = makeLogger(config.RINGCAST_LOG_LEVEL, {
    role: 'globalmaster', region: config.RINGCAST_REGION
  })
  const meter = new GlobalmasterMeter()
  const client = await kubeClient(kubeConfig(environment), `ringcast-globalmaster/${version}`, {
    onRequest: (report) => meter.onRequest(report),
    onWarning: (warning) => log.warn({ warning }, `the API server warns: ${warning}`)
  })
  const { promise: ended, resolve: end } = Promise.withResolvers<string>()
  process.once('SIGTERM', () => end(''))
  process.once('SIGINT', () => end(''))
  const master = new Master(config, client, meter, log, end)
  await master.start()
  const endedBecause = await ended
  if (endedBecause !== '') {
    // Another may act already: nothing of ours may be written any more.
    log.error({ reason: endedBecause }, `ending: ${endedBecause}`)
    process.exit(1)
  }
  await master.stop()
  client.close()
  process.exit(0)
}

/** One process: it stands by, and acts when it is elected. */
class Master {
  readonly #config: GlobalmasterConfig
  readonly #client: KubeClient
  readonly #meter: GlobalmasterMeter
  readonly #log: Logger
  readonly #end: (reason: string) => void
  readonly #aborter = new AbortController()
  readonly #elector: Elector
  readonly #writer: PeerStatusWriter
  readonly #watch: ListWatch<ConfigMap>
  readonly #leaving: Leaving
  #mesh: NatsMesh | undefined
  #file: WorldFile | undefined
  #pump: GlobalmasterPump | undefined
  #health: Server | undefined

  constructor(
    config: GlobalmasterConfig, client: KubeClient, meter: GlobalmasterMeter, log: Logger,
    end: (reason: string) => void
  ) {
    this.#config = config
    this.#client = client
    this.#meter = meter
    this.#log = log
    this.#end = end
    this.#elector = this.#newElector()
    const [namespace, name] = [config.RINGCAST_NAMESPACE, config.RINGCAST_REGION]
    this.#writer = new PeerStatusWriter({
      client,
      region: { namespace, name },
      isLeader: () => this.#elector.isLeader(),
      wallMs: () => systemClock.now().wallMs,
      note: (text) => log.warn(text),
      onWritten: () => meter.onWritten()
    })
    this.#leaving = new Leaving({
      client,
      region: { namespace, name },
      isInWorld: () => this.#file?.config !== undefined,
      leave: () => this.#leave()
    })
    this.#watch = new ListWatch<ConfigMap>({
      client,
      resource: CONFIG_MAPS,
      namespace,
      fieldSelector: `metadata.name=${config.RINGCAST_GLOBALMASTER}`,
      onChange: ({ type, object }) => {
        // What is gone is somebody's mistake, or the end of us: what was told last stands.
        if (type === 'DELETED') void this.#leaving.onConfigMapGone()
        else this.#onConfigMap(object)
      },
      onProblem: ({ during, error }) => {
        log.warn({ during }, `watching the ConfigMap: ${String((error as Error).message)}`)
      }
    })
  }

  async start(): Promise<void> {
    const nats = await natsOptions(this.#config)
    this.#health = await serveHealth(this.#config.RINGCAST_PRIVATE_PORT, {
      unreadyBecause: () => this.#unreadyBecause(), metrics: this.#meter
    })
    this.#watch.start()
    const name = this.#config.RINGCAST_POD_NAME
    const events = {
      onUp: () => this.#log.info('the mesh is up'),
      onDown: () => this.#log.warn('the mesh is down'),
      note: (text: string) => this.#log.warn(text)
    }
    // Only a stop ends the attempts, and then nobody waits for it.
    void NatsMesh.connect({ ...nats, name }, events, this.#aborter.signal).then(
      (mesh) => {
        this.#mesh = mesh
        this.#begin()
      },
      (error: unknown) => this.#log.debug(String(error))
    )
  }

  async stop(): Promise<void> {
    this.#aborter.abort()
    if (this.#elector.isLeader() && await this.#hasLeft()) this.#leave()
    this.#watch.stop()
    this.#pump?.stop()
    this.#health?.close()
    this.#health?.closeAllConnections()
    await this.#elector.stop()
    await this.#mesh?.close()
  }

  /** Who stands by says nothing any more, either. */
  #leave(): void {
    if (!this.#elector.isLeader()) return this.#pump?.stop()
    this.#log.info('the region leaves its world')
    this.#pump?.leave()
  }

  /**
   * Mostly another one goes on. The ConfigMap goes with the region, and with its world; and before
   * our pod does.
   */
  async #hasLeft(): Promise<boolean> {
    if (this.#file?.config === undefined) return false
    // While it asks, the watch may tell.
    return await this.#writer.isGone() || this.#leaving.isConfigMapGone
  }

  #newElector(): Elector {
    const config = this.#config
    return new Elector({
      client: this.#client,
      namespace: config.RINGCAST_NAMESPACE,
      name: config.RINGCAST_GLOBALMASTER,
      // A container that starts again in its pod may go on with the Lease of its former life.
      identity: `${config.RINGCAST_POD_NAME}_${config.RINGCAST_POD_UID}`,
      onElected: () => void this.#onElected(),
      onLost: (reason) => this.#end(`leadership is lost: ${reason}`),
      onProblem: (error) => {
        const cause = String((error as Error).message)
        this.#log.warn(`cannot renew the Lease: ${cause}; trying again`)
      }
    })
  }

  /** Of this life: clocks and what was heard begin anew with the next. */
  #instance(): string {
    const { RINGCAST_POD_NAME: name, RINGCAST_POD_UID: uid } = this.#config
    return `${name}_${uid}_${Math.round(performance.timeOrigin)}`
  }

  #unreadyBecause(): string | undefined {
    if (this.#file === undefined) return 'nothing is known of the world yet'
    if (this.#pump === undefined) return 'waiting for the ring and the mesh'
    return this.#mesh?.isUp === true ? undefined : 'the mesh is down'
  }

  #onConfigMap({ data }: ConfigMap): void {
    this.#leaving.onConfigMap()
    if (this.#leaving.hasLeft) return this.#end('the region is in a world again')
    try {
      this.#file = readWorldFile(data?.[worldEntry] ?? '')
    } catch (error) {
      this.#log.warn(`${worldEntry} is not understood: ${String((error as Error).message)}`)
      return
    }
    const { config } = this.#file
    if (config === undefined || this.#pump === undefined) return this.#begin()
    // Subjects, and all that was heard, are of the former ring.
    if (!this.#pump.configure(config)) this.#end('the ring of the region was made anew')
  }

  /** Once the mesh is there, and it is known of which ring we are. */
  #begin(): void {
    const config = this.#file?.config
    const mesh = this.#mesh
    if (this.#pump !== undefined || config === undefined || mesh === undefined) return
    if (this.#leaving.hasLeft) return
    this.#pump = new GlobalmasterPump(this.#config.RINGCAST_REGION, this.#instance(), config, {
      clock: systemClock,
      mesh,
      onReport: (peers) => this.#onReport(peers),
      onDeposed: () => this.#end('another globalmaster speaks for the region'),
      note: (text) => this.#log.warn(text)
    })
    this.#elector.start()
  }

  async #onElected(): Promise<void> {
    this.#log.info('this globalmaster acts')
    this.#meter.onElected()
    const former = formerPeersOf(await this.#writer.read(), systemClock.now().wallMs)
    this.#pump?.elected(this.#elector.term(), former)
  }

  #onReport(peers: readonly PeerReport[]): void {
    this.#meter.onReport(peers)
    for (const { region, judgements } of peers) {
      const conditions = judgements.map(({ type, status, reason }) => `${type} ${status} ${reason}`)
      this.#log.info({ peer: region, conditions }, `of ${region}: ${conditions.join(', ')}`)
    }
    this.#writer.write(peers, this.#file?.generation ?? 0)
  }
}
