/**
 * What a globalmaster counts, for Prometheus. No label is a name: of its peers it tells how many
 * are in which condition, and the worst round trip.
 */

import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client'
import type { RequestReport } from '../kube/client.ts'
import type { PeerReport } from '../region/globalmaster-ports.ts'

export class GlobalmasterMeter {
  readonly #registry = new Registry()
  readonly #leader
  readonly #peers
  readonly #conditions
  readonly #roundTrip
  readonly #lag
  readonly #requests
  readonly #writes

  constructor() {
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    this.#leader = new Gauge({
      name: 'ringcast_globalmaster_is_leader', help: '1 while this globalmaster acts.', registers
    })
    this.#peers = new Gauge({
      name: 'ringcast_globalmaster_peers', help: 'Other regions that are known.', registers
    })
    this.#conditions = new Gauge({
      name: 'ringcast_globalmaster_peer_conditions',
      help: 'Other regions of which a condition is True.',
      labelNames: ['condition'],
      registers
    })
    this.#roundTrip = new Gauge({
      name: 'ringcast_globalmaster_round_trip_seconds_max',
      help: 'Longest round trip to another region.',
      registers
    })
    this.#lag = new Gauge({
      name: 'ringcast_globalmaster_lag_seconds_max',
      help: 'Most that a round trip is above the least of the last minutes, or a relay behind.',
      registers
    })
    this.#requests = new Counter({
      name: 'ringcast_globalmaster_api_requests_total',
      help: 'Requests to the API server; code 0 is no answer.',
      labelNames: ['verb', 'resource', 'code'],
      registers
    })
    this.#writes = new Counter({
      name: 'ringcast_globalmaster_status_writes_total',
      help: 'Writes of the peers in the status of the region.',
      registers
    })
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** All metrics, in the text format of Prometheus. */
  async text(): Promise<string> {
    return await this.#registry.metrics()
  }

  onRequest({ verb, resource, code }: RequestReport): void {
    this.#requests.inc({ verb, resource, code })
  }

  onElected(): void {
    this.#leader.set(1)
  }

  onWritten(): void {
    this.#writes.inc()
  }

  onReport(peers: readonly PeerReport[]): void {
    this.#peers.set(peers.length)
    for (const condition of ['Synced', 'Unreachable', 'Drift', 'NotParticipating']) {
      const holding = peers.filter(({ judgements }) => judgements.some(({ type, status }) =>
        type === condition && status === 'True'))
      this.#conditions.set({ condition }, holding.length)
    }
    const worst = (of: 'roundTripMs' | 'lagMs'): number =>
      Math.max(0, ...peers.map((peer) => peer[of] ?? 0)) / 1000
    this.#roundTrip.set(worst('roundTripMs'))
    this.#lag.set(worst('lagMs'))
  }
}
