/**
 * Prometheus metrics of a node, read from what its workers last said. Labels are closed sets:
 * nothing is labelled by channel, app or client.
 */

import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import type { RelayStanding } from '../region/relay-gauge.ts'
import type { WorkerStatus } from './thread-messages.ts'

/** What metrics are read from at each scrape. */
export interface MetricSource {
  statuses(): readonly (WorkerStatus | undefined)[]
  viewVersion(): number
  memberCount(): number
  standing(): string
  /** How full the log is, from 0 to 1, and how many of its streams take no publishes. */
  logFill(): { readonly share: number; readonly fullCount: number }
  workerRestarts(): number
}

const STANDINGS = ['waiting', 'candidate', 'joining', 'serving', 'leaving', 'left', 'removed']

/** A registry whose values are read from `source` when it is scraped. */
export function nodeMetrics(source: MetricSource): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'ringcast_' })
  const meter = new Meter(registry, source)
  const { read, count, sum } = meter
  read('ringcast_connections', 'Open client connections', () => sum((s) => s.counts.connections))
  read('ringcast_attachments', 'Live attachments', () => sum((s) => s.counts.attachments))
  read('ringcast_channel_clients', 'ChannelClients', () => sum((s) => s.counts.clients))
  read('ringcast_partitions', 'Partitions with a running master',
    () => sum((s) => s.counts.partitions))
  read('ringcast_link_unconfirmed_bytes', 'Bytes on links without confirmation',
    () => sum((s) => s.counts.unconfirmedBytes))
  count('ringcast_publishes_total', 'Publishes admitted',
    () => sum((s) => s.tally.publishCount ?? 0))
  count('ringcast_messages_total', 'Messages admitted', () => sum((s) => s.tally.messageCount ?? 0))
  count('ringcast_refusals_total', 'Publishes refused', () => sum((s) => s.tally.refusedCount ?? 0))
  count('ringcast_deliveries_total', 'Frames delivered to sockets by fan-out',
    () => sum((s) => s.tally.deliveryCount ?? 0))
  count('ringcast_sockets_opened_total', 'Connections accepted',
    () => sum((s) => s.tally.openedCount ?? 0))
  count('ringcast_sockets_turned_away_total', 'Connections refused',
    () => sum((s) => s.tally.turnedAwayCount ?? 0))
  addOverload(meter)
  addRelays(meter)
  read('ringcast_workers_with_mesh', 'Workers whose mesh connection is up',
    () => sum((s) => (s.isMeshUp ? 1 : 0)))
  read('ringcast_log_filled_ratio', 'How full the fullest stream of the log is, or its account',
    () => source.logFill().share)
  read('ringcast_log_full_streams', 'Streams of the log that take no publishes',
    () => source.logFill().fullCount)
  count('ringcast_worker_restarts_total', 'Worker threads started anew', source.workerRestarts)
  read('ringcast_view_version', 'Version of the view this node holds', source.viewVersion)
  read('ringcast_view_members', 'Members of that view', source.memberCount)
  new Gauge({
    name: 'ringcast_standing',
    help: '1 for the standing of this node in its ring',
    labelNames: ['standing'],
    registers: [registry],
    collect() {
      for (const standing of STANDINGS) {
        this.set({ standing }, standing === source.standing() ? 1 : 0)
      }
    }
  })
  return registry
}

/** Who was not let in, who waits, and why. */
function addOverload({ registry, source, read, count, sum }: Meter): void {
  new Counter({
    name: 'ringcast_sockets_refused_total',
    help: 'Connections refused because there was no room: busy, or the app has too many',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset()
      this.inc({ reason: 'busy' }, sum((s) => s.tally.busyCount ?? 0))
      this.inc({ reason: 'app-limit' }, sum((s) => s.tally.appFullCount ?? 0))
    }
  })
  read('ringcast_sockets_waiting', 'Connections that wait for their turn to be let in',
    () => sum((s) => s.counts.waiting))
  read('ringcast_workers_strained', 'Workers that refuse new connections, being overloaded',
    () => sum((s) => (s.strain.isStrained ? 1 : 0)))
  read('ringcast_loop_lag_ms', 'How late the event loop of the latest worker was at its last look',
    () => Math.max(0, ...source.statuses().map((s) => s?.strain.lagMs ?? 0)))
  count('ringcast_slow_consumers_total', 'Connections ended because they took too slowly',
    () => sum((s) => s.tally.slowCount ?? 0))
  count('ringcast_clients_sent_away_total', 'Connections ended because the region drains',
    () => sum((s) => s.tally.sentAwayCount ?? 0))
}

/** How channels are kept one with those of other regions. */
function addRelays({ read, sum, source }: Meter): void {
  const sumOf = (pick: (relays: RelayStanding) => number) => () =>
    sum(({ relays }) => relays.reduce((total, each) => total + pick(each), 0))
  read('ringcast_relays', 'Relays of channels to other regions', sumOf((each) => each.channels))
  read('ringcast_relays_behind', 'Relays that are not up to date with the other region',
    sumOf((each) => each.behind))
  read('ringcast_relay_lag_seconds_max', 'How long a relay has not been up to date, at most',
    () => Math.max(0, ...source.statuses().flatMap((status) =>
      (status?.relays ?? []).map(({ behindMs }) => behindMs / 1000))))
}

/** Metrics whose values are read when they are scraped. */
class Meter {
  readonly registry: Registry
  readonly source: MetricSource

  constructor(registry: Registry, source: MetricSource) {
    this.registry = registry
    this.source = source
  }

  readonly read = (name: string, help: string, value: () => number): void => {
    new Gauge({ name, help, registers: [this.registry], collect() { this.set(value()) } })
  }

  readonly count = (name: string, help: string, value: () => number): void => {
    new Counter({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.reset()
        this.inc(value())
      }
    })
  }

  /** Over all workers. */
  readonly sum = (pick: (status: WorkerStatus) => number): number => {
    let total = 0
    for (const status of this.source.statuses()) if (status !== undefined) total += pick(status)
    return total
  }
}
