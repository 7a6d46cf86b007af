/*
Which of several processes acts: the holder of one Lease.

   idle ──start──▶ candidate ──record written──▶ leader ──┬─ stop ──▶ released
                     │  ▲                                 └─ not renewed in time, or taken ──▶ lost
                     └──┘ held by another, or lost a race: look again every 2 s

Safety rests on two rules and no clock but each process's own monotonic one:
- A candidate takes a held Lease only when it has itself watched the record stand still for the
  whole lease duration (15 s). The times written in it are for people; nobody compares clocks.
- A leader counts from the moment it *sent* its last successful renewal, and stops believing
  10 s later (`isLeader`), 5 s before anyone can take over. It reads the clock when asked, so
  a process that was paused or stalled knows on its first instruction, before any timer fires.
Every write is a compare-and-swap, so of two candidates one wins.

Lost leadership is final: the caller exits, since work already begun cannot be called back.
*/
import type { KubeClient } from './client.ts'
import { isAlreadyExists, isConflict } from './kube-error.ts'
import type { KubeObject, Resource } from './resource.ts'
import { systemTimers, type Timers } from './timers.ts'

export interface ElectorOptions {
  client: Pick<KubeClient, 'get' | 'create' | 'replace'>
  namespace: string
  /** Name of the Lease. */
  name: string
  /** Unique among the candidates, over restarts too: pod name and uid, say. */
  identity: string
  onElected: () => void
  /** Leadership is gone without our asking: the caller exits the process. Called once. */
  onLost: (reason: string) => void
  /** A failed read or write of the Lease; it is tried again. */
  onProblem: (error: unknown) => void
  /** How long others wait after the last renewal they saw. Default 15 s. */
  leaseDurationMs?: number
  /** How long a leader believes in its last renewal. Default 10 s; below `leaseDurationMs`. */
  renewDeadlineMs?: number
  /** Default 2 s. */
  retryPeriodMs?: number
  timers?: Timers
  /** 0 ≤ x < 1. */
  random?: () => number
}

interface LeaseSpec {
  holderIdentity?: string | null
  leaseDurationSeconds?: number
  acquireTime?: string
  renewTime?: string
  leaseTransitions?: number
}

export interface Lease extends KubeObject {
  spec?: LeaseSpec
}

export const leases: Resource = Object.freeze({
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  namespaced: true
})

/** A time as `MicroTime` fields demand it: exactly six fractional digits. */
export function microTime (wallMs: number): string {
  return new Date(wallMs).toISOString().replace('Z', '000Z')
}

type State = 'idle' | 'candidate' | 'leader' | 'lost' | 'released'

export class Elector {
  readonly #options: ElectorOptions
  readonly #timers: Timers
  readonly #leaseDurationMs: number
  readonly #renewDeadlineMs: number
  readonly #retryPeriodMs: number
  #state: State = 'idle'
  /** The record as last seen or written, and since when it has stood still. */
  #lease: Lease | undefined
  #stillSinceMs = 0
  #validUntilMs = -Infinity
  #cancelTurn: () => void = () => {}
  #cancelDeadline: () => void = () => {}
  #turnUnderWay: Promise<void> = Promise.resolve()

  constructor (options: ElectorOptions) {
    this.#options = options
    this.#timers = options.timers ?? systemTimers
    this.#leaseDurationMs = options.leaseDurationMs ?? 15_000
    this.#renewDeadlineMs = options.renewDeadlineMs ?? 10_000
    this.#retryPeriodMs = options.retryPeriodMs ?? 2_000
    if (!(this.#leaseDurationMs > this.#renewDeadlineMs &&
        this.#renewDeadlineMs > 1.2 * this.#retryPeriodMs)) {
      throw new Error('an election needs leaseDuration > renewDeadline > 1.2 × retryPeriod')
    }
  }

  /** Begins to stand for election. */
  start (): void {
    if (this.#state !== 'idle') return
    this.#state = 'candidate'
    this.#turn()
  }

  /**
   * Ends the candidacy and gives the Lease back if held, so that a successor need not wait. The
   * caller must have ended its writes before, and exits after.
   */
  async stop (): Promise<void> {
    if (this.#state !== 'lost') this.#state = 'released'
    this.#cancelTurn()
    this.#cancelDeadline()
    // A write under way may still land: whether we hold the record is known after it only.
    await this.#turnUnderWay
    if (this.#state === 'released') await this.#release()
  }

  /** Ask at the moment of every write: false as soon as our time is up, stalls included. */
  isLeader (): boolean {
    return this.#state === 'leader' && this.#timers.monotonicMs() < this.#validUntilMs
  }

  /** Identity of the holder as last seen; empty when nobody holds the Lease. */
  holder (): string {
    return this.#lease?.spec?.holderIdentity ?? ''
  }

  /** How often the holder had changed by the time we last saw the Lease. */
  term (): number {
    return this.#lease?.spec?.leaseTransitions ?? 0
  }

  #turn (): void {
    this.#turnUnderWay = this.#tryOnce().catch(error => {
      if (this.#isStanding()) this.#options.onProblem(error)
    }).then(() => {
      if (!this.#isStanding()) return
      // Candidates wait an uneven time, so that they do not race in step.
      const random = this.#options.random ?? Math.random
      const spread = this.#state === 'candidate' ? 1 + 0.2 * random() : 1
      this.#cancelTurn = this.#timers.after(this.#retryPeriodMs * spread, () => this.#turn())
    })
  }

  #isStanding (): boolean {
    return this.#state === 'candidate' || this.#state === 'leader'
  }

  async #tryOnce (): Promise<void> {
    // A leader writes on what it wrote last; only a conflict makes it look first.
    if (this.#state !== 'leader') await this.#observe()
    if (!this.#isStanding() || !this.#mayWrite()) return
    try {
      await this.#write()
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error)) throw error
      // A race lost, or an own write whose answer was lost: the record tells which.
      await this.#observe()
      if (this.#state !== 'leader') return
      if (this.holder() !== this.#options.identity) {
        return this.#lose(`the lease was taken by ${this.holder() || 'nobody'}`)
      }
      await this.#write()
    }
  }

  async #observe (): Promise<void> {
    const { client, namespace, name } = this.#options
    const lease = await client.get<Lease>(leases, { namespace, name }, {
      timeoutMs: this.#callTimeoutMs()
    })
    const isStill = lease !== undefined && this.#lease !== undefined &&
      lease.metadata.uid === this.#lease.metadata.uid &&
      lease.metadata.resourceVersion === this.#lease.metadata.resourceVersion
    if (!isStill) this.#stillSinceMs = this.#timers.monotonicMs()
    this.#lease = lease
  }

  #mayWrite (): boolean {
    const holder = this.holder()
    if (holder === '' || holder === this.#options.identity) return true
    const promisedMs = (this.#lease?.spec?.leaseDurationSeconds ?? 0) * 1000
    const patienceMs = Math.max(promisedMs, this.#leaseDurationMs)
    return this.#timers.monotonicMs() - this.#stillSinceMs >= patienceMs
  }

  async #write (): Promise<void> {
    const { client, namespace, name, identity } = this.#options
    const known = this.#lease
    const now = microTime(this.#timers.wallMs())
    const isRenewal = known?.spec?.holderIdentity === identity
    const spec: LeaseSpec = {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#leaseDurationMs / 1000),
      acquireTime: isRenewal ? known?.spec?.acquireTime ?? now : now,
      renewTime: now,
      leaseTransitions: (known?.spec?.leaseTransitions ?? 0) + (isRenewal || !known ? 0 : 1)
    }
    const sentAtMs = this.#timers.monotonicMs()
    const options = { timeoutMs: this.#callTimeoutMs() }
    const written = known === undefined
      ? await client.create<Lease>(leases, {
        apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { namespace, name }, spec
      }, options)
      : await client.replace<Lease>(leases, { ...known, spec }, options)
    this.#lease = written
    this.#stillSinceMs = this.#timers.monotonicMs()
    this.#onWritten(sentAtMs)
  }

  #onWritten (sentAtMs: number): void {
    const { onElected, onProblem } = this.#options
    if (!this.#isStanding()) return
    const nowMs = this.#timers.monotonicMs()
    if (this.#state === 'leader' && nowMs >= this.#validUntilMs) {
      // The answer came after our time was up; somebody asked isLeader and was told no.
      return this.#lose('the lease was renewed too late')
    }
    const validUntilMs = sentAtMs + this.#renewDeadlineMs
    // So slow an acquisition is no leadership; the next turn renews the record we now hold.
    if (nowMs >= validUntilMs) return
    this.#validUntilMs = validUntilMs
    this.#cancelDeadline()
    this.#cancelDeadline = this.#timers.after(validUntilMs - nowMs, () => {
      this.#lose(`the lease could not be renewed for ${this.#renewDeadlineMs} ms`)
    })
    if (this.#state === 'leader') return
    this.#state = 'leader'
    try {
      onElected()
    } catch (error) {
      onProblem(error)
    }
  }

  #lose (reason: string): void {
    if (this.#state !== 'leader') return
    this.#state = 'lost'
    this.#cancelTurn()
    this.#cancelDeadline()
    this.#options.onLost(reason)
  }

  async #release (): Promise<void> {
    const { client, identity, onProblem } = this.#options
    const known = this.#lease
    if (known?.spec?.holderIdentity !== identity) return
    try {
      this.#lease = await client.replace<Lease>(leases, {
        ...known,
        spec: { ...known.spec, holderIdentity: '', renewTime: microTime(this.#timers.wallMs()) }
      }, { timeoutMs: this.#retryPeriodMs })
    } catch (error) {
      // Nothing is lost but time: the others wait the lease out.
      onProblem(error)
    }
  }

  /** Bounded so that a leader has a second attempt before its deadline. */
  #callTimeoutMs (): number {
    const halfMs = this.#renewDeadlineMs / 2
    if (this.#state !== 'leader') return halfMs
    return Math.max(1, Math.min(halfMs, this.#validUntilMs - this.#timers.monotonicMs()))
  }
}
