/**
 * What the operator counts, for Prometheus. Every label is from a closed set: kinds, outcomes,
 * verbs and codes, never names.
 */

import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { RequestReport } from '../kube/client.ts'
import type { ListWatchMetrics } from '../kube/list-watch.ts'
import type { Resource } from '../kube/resource.ts'
import type { WorkQueueMetrics } from '../kube/work-queue.ts'
import type { OperatorMetrics } from '../operator/controller.ts'

const secondsBuckets = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60]

export class OperatorMeter implements OperatorMetrics {
  readonly queue: WorkQueueMetrics
  readonly #registry = new Registry()
  readonly #passes
  readonly #passSeconds
  readonly #lastPassAt
  readonly #leader
  readonly #requests
  readonly #watchRestarts
  readonly #lastEventAt

  constructor () {
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    this.#passes = new Counter({
      name: 'ringcast_operator_passes_total',
      help: 'Passes over an object, by kind and outcome.',
      labelNames: ['kind', 'outcome'],
      registers
    })
    this.#passSeconds = new Histogram({
      name: 'ringcast_operator_pass_seconds',
      help: 'How long passes took.',
      labelNames: ['kind'],
      buckets: secondsBuckets,
      registers
    })
    this.#lastPassAt = new Gauge({
      name: 'ringcast_operator_last_successful_pass_timestamp_seconds',
      help: 'When a pass last succeeded.',
      labelNames: ['kind'],
      registers
    })
    this.#leader = new Gauge({
      name: 'ringcast_operator_is_leader', help: '1 while this operator acts.', registers
    })
    this.#requests = new Counter({
      name: 'ringcast_operator_api_requests_total',
      help: 'Requests to the API server; code 0 is no answer.',
      labelNames: ['verb', 'resource', 'code'],
      registers
    })
    this.#watchRestarts = new Counter({
      name: 'ringcast_operator_watch_restarts_total',
      help: 'Watches opened anew, by reason.',
      labelNames: ['resource', 'reason'],
      registers
    })
    this.#lastEventAt = new Gauge({
      name: 'ringcast_operator_watch_last_activity_timestamp_seconds',
      help: 'Last sign of life on a watch.',
      labelNames: ['resource'],
      registers
    })
    this.queue = this.#queueMetrics(registers)
  }

  get contentType (): string {
    return this.#registry.contentType
  }

  /** All metrics, in the text format of Prometheus. */
  async text (): Promise<string> {
    return await this.#registry.metrics()
  }

  onRequest ({ verb, resource, code }: RequestReport): void {
    this.#requests.inc({ verb, resource, code })
  }

  onPass (kind: 'region' | 'app', outcome: 'done' | 'failed', durationMs: number): void {
    this.#passes.inc({ kind, outcome })
    this.#passSeconds.observe({ kind }, durationMs / 1000)
    if (outcome === 'done') this.#lastPassAt.set({ kind }, Date.now() / 1000)
  }

  onLeader (isLeader: boolean): void {
    this.#leader.set(isLeader ? 1 : 0)
  }

  watchOf (resource: Resource): ListWatchMetrics {
    const { plural } = resource
    return {
      onRestart: reason => this.#watchRestarts.inc({ resource: plural, reason }),
      onActivity: wallMs => this.#lastEventAt.set({ resource: plural }, wallMs / 1000)
    }
  }

  #queueMetrics (registers: Registry[]): WorkQueueMetrics {
    const depth = new Gauge({
      name: 'ringcast_operator_queue_depth', help: 'Objects that wait for a pass.', registers
    })
    const waited = new Histogram({
      name: 'ringcast_operator_queue_wait_seconds',
      help: 'How long objects waited for a pass.',
      buckets: secondsBuckets,
      registers
    })
    const retries = new Counter({
      name: 'ringcast_operator_queue_retries_total',
      help: 'Passes tried again after a failure.',
      registers
    })
    return {
      onDepth: count => depth.set(count),
      onStart: waitedMs => waited.observe(waitedMs / 1000),
      onRetry: () => retries.inc()
    }
  }
}
