/*
A queue of names of things to look at, with workers that look: client-go's semantics, and its
promises, in the form a controller needs.

             add                  a worker is free               resolved
  (absent) ──────▶ waiting ─────────────────────▶ under way ──────────────▶ (absent)
                     ▲ │ add: nothing               │ add: dirty
                     └─┘                            │ resolved or rejected, while dirty
                     ▲──────────────────────────────┘

- A key waits at most once, however often it is added: the handler reads the world as it is, not
  the events that led to it.
- A key added while its handler runs is handled once more afterwards, never by two at a time.
- A handler that fails is tried again after a backoff of its own, and all retries together keep
  to one budget (a token bucket), so that a broken cluster is not hammered either.
*/
import { type BackoffOptions, backoffMs } from './backoff.ts'
import { systemTimers, type Timers } from './timers.ts'

export interface WorkQueueMetrics {
  /** Keys waiting, after every change. */
  onDepth? (depth: number): void
  /** Time a key waited before a worker took it. */
  onStart? (waitedMs: number): void
  onDone? (workMs: number, isFailed: boolean): void
  onRetry? (): void
}

export interface WorkQueueOptions {
  /**
   * Handles one key to the end. Resolving forgets its failures, and looks again after the time
   * asked for, if any; rejecting tries again with backoff, no sooner than the error's
   * `retryAfterMs` where it has one (a `KubeError` of a busy server).
   */
  handle: (key: string) => Promise<{ afterMs: number } | void>
  onError: (key: string, error: unknown) => void
  /** Keys handled at once. Default 1. */
  workerCount?: number
  /** Per key. Default 5 ms doubling up to 5 minutes. */
  backoff?: BackoffOptions
  /** Retries of all keys together. Default 10 per second, 100 at once. */
  bucket?: { perSecond: number, burst: number }
  metrics?: WorkQueueMetrics
  timers?: Timers
  /** 0 ≤ x < 1. */
  random?: () => number
}

interface Delayed {
  dueAtMs: number
  cancel: () => void
}

const defaultBackoff: BackoffOptions = Object.freeze({ baseMs: 5, maxMs: 300_000 })

export class WorkQueue {
  readonly #options: WorkQueueOptions
  readonly #timers: Timers
  readonly #random: () => number
  readonly #workerCount: number
  /** Keys that wait, oldest first, with the time they came. */
  readonly #waiting = new Map<string, number>()
  readonly #startedAtMs = new Map<string, number>()
  readonly #dirty = new Set<string>()
  readonly #delayed = new Map<string, Delayed>()
  readonly #failureCounts = new Map<string, number>()
  readonly #bucket: TokenBucket
  #state: 'new' | 'running' | 'stopped' = 'new'
  #onIdle: () => void = () => {}

  constructor (options: WorkQueueOptions) {
    this.#options = options
    this.#timers = options.timers ?? systemTimers
    this.#random = options.random ?? Math.random
    this.#workerCount = options.workerCount ?? 1
    const { perSecond, burst } = options.bucket ?? { perSecond: 10, burst: 100 }
    this.#bucket = new TokenBucket(perSecond, burst, this.#timers.monotonicMs())
  }

  /** Lets the workers begin; keys added before have waited. */
  start (): void {
    if (this.#state !== 'new') return
    this.#state = 'running'
    this.#dispatch()
  }

  /** For good. Resolves when the handlers under way have finished; what waited is dropped. */
  async stop (): Promise<void> {
    this.#state = 'stopped'
    for (const { cancel } of this.#delayed.values()) cancel()
    this.#delayed.clear()
    this.#waiting.clear()
    this.#dirty.clear()
    if (this.#startedAtMs.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const former = this.#onIdle
    this.#onIdle = () => {
      former()
      resolve()
    }
    await promise
  }

  add (key: string): void {
    if (this.#state === 'stopped') return
    if (this.#startedAtMs.has(key)) {
      this.#dirty.add(key)
      return
    }
    if (this.#waiting.has(key)) return
    this.#waiting.set(key, this.#timers.monotonicMs())
    this.#options.metrics?.onDepth?.(this.#waiting.size)
    this.#dispatch()
  }

  /** Adds later; of several times asked for the same key, the earliest counts. */
  addAfter (key: string, delayMs: number): void {
    if (this.#state === 'stopped') return
    if (delayMs <= 0) return this.add(key)
    const dueAtMs = this.#timers.monotonicMs() + delayMs
    const known = this.#delayed.get(key)
    if (known !== undefined) {
      if (known.dueAtMs <= dueAtMs) return
      known.cancel()
    }
    const cancel = this.#timers.after(delayMs, () => {
      this.#delayed.delete(key)
      this.add(key)
    })
    this.#delayed.set(key, { dueAtMs, cancel })
  }

  /** Adds after the key's backoff, counting one failure, and within the common budget. */
  addRateLimited (key: string): void {
    this.#retry(key, 0)
  }

  /** The key's next failure counts as its first. */
  forget (key: string): void {
    this.#failureCounts.delete(key)
  }

  /** Failures in a row. */
  failureCount (key: string): number {
    return this.#failureCounts.get(key) ?? 0
  }

  /** Keys waiting for a worker; those delayed and those under way are not counted. */
  depth (): number { return this.#waiting.size }

  /** How long the slowest handler under way has been running; 0 when none is. */
  longestRunningMs (): number {
    const nowMs = this.#timers.monotonicMs()
    let longestMs = 0
    for (const startedAtMs of this.#startedAtMs.values()) {
      longestMs = Math.max(longestMs, nowMs - startedAtMs)
    }
    return longestMs
  }

  #dispatch (): void {
    while (this.#state === 'running' && this.#startedAtMs.size < this.#workerCount) {
      const first = this.#waiting.entries().next().value
      if (first === undefined) return
      const [key, cameAtMs] = first
      this.#waiting.delete(key)
      const nowMs = this.#timers.monotonicMs()
      this.#startedAtMs.set(key, nowMs)
      this.#options.metrics?.onDepth?.(this.#waiting.size)
      this.#options.metrics?.onStart?.(nowMs - cameAtMs)
      void this.#work(key, nowMs)
    }
  }

  async #work (key: string, startedAtMs: number): Promise<void> {
    let isFailed = false
    try {
      // A handler that throws before its first await is a rejection like any other.
      const again = await (async () => await this.#options.handle(key))()
      this.forget(key)
      if (again !== undefined) this.addAfter(key, Math.max(again.afterMs, 1))
    } catch (error) {
      isFailed = true
      this.#options.onError(key, error)
      this.#retry(key, retryAfterMsOf(error))
    }
    this.#startedAtMs.delete(key)
    this.#options.metrics?.onDone?.(this.#timers.monotonicMs() - startedAtMs, isFailed)
    if (this.#dirty.delete(key)) this.add(key)
    this.#dispatch()
    if (this.#startedAtMs.size === 0) this.#onIdle()
  }

  #retry (key: string, askedMs: number): void {
    if (this.#state === 'stopped') return
    const failureCount = this.failureCount(key) + 1
    this.#failureCounts.set(key, failureCount)
    this.#options.metrics?.onRetry?.()
    const ownMs = backoffMs(this.#options.backoff ?? defaultBackoff, failureCount, this.#random())
    const budgetMs = this.#bucket.takeMs(this.#timers.monotonicMs())
    // At least a millisecond: a key's next attempt is never part of the one that failed.
    this.addAfter(key, Math.max(ownMs, budgetMs, askedMs, 1))
  }
}

/** A budget that fills steadily; whoever comes when it is empty is told how long to wait. */
class TokenBucket {
  readonly #perSecond: number
  readonly #burst: number
  /** Negative while tokens not yet there have been promised. */
  #tokenCount: number
  #filledAtMs: number

  constructor (perSecond: number, burst: number, nowMs: number) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokenCount = burst
    this.#filledAtMs = nowMs
  }

  takeMs (nowMs: number): number {
    const filled = (nowMs - this.#filledAtMs) / 1000 * this.#perSecond
    this.#tokenCount = Math.min(this.#burst, this.#tokenCount + filled) - 1
    this.#filledAtMs = nowMs
    return this.#tokenCount >= 0 ? 0 : -this.#tokenCount / this.#perSecond * 1000
  }
}

function retryAfterMsOf (error: unknown): number {
  const askedMs = (error as { retryAfterMs?: unknown } | null | undefined)?.retryAfterMs
  return typeof askedMs === 'number' && Number.isFinite(askedMs) ? askedMs : 0
}
