/*
A list-watch: the objects of one selection, as the API server has them, kept current.

        start                                    410, periodic relist
          │                              ┌──────────────────────────────┐
          ▼        complete list         ▼           opened             │
     ┌─ listing ───────────────────▶ between ─────────────────▶ watching┤
     │    ▲ │                            ▲                              │ ended, inactive,
     └────┘ failure: backoff             └──────────────────────────────┘ cut: same version

What it promises:
- The cache and `onChange` follow the server's order, per object, without repeats: every object
  is ADDED once, MODIFIED only when its resourceVersion changed, DELETED once, even when the end
  was not seen (it is then told at the next list, with the last known state).
- It never gives up. Each failure is told to `onProblem` and tried again with backoff; the
  resourceVersion is kept over cuts, and moved on by bookmarks, so that a quiet selection on a
  busy server does not fall out of the server's history.
- A silent watch is not trusted: the server sends a bookmark about once a minute, so 90 s without
  a line is a dead connection. Belt and braces: a whole list every ten minutes.
- After `stop()`, nothing is called. Each start has a generation; what is left over from an
  earlier one finds itself outdated and does nothing.

What it must never do: draw conclusions. A missing object may be a lost event, and a quiet server
may be a dead one; `lastActivityAtMs` says how much the silence is worth.
*/
import { type BackoffOptions, backoffMs } from './backoff.ts'
import type { KubeClient, WatchStream } from './client.ts'
import { KubeError, isGone } from './kube-error.ts'
import { type ChangeEvent, ObjectCache } from './object-cache.ts'
import type { KubeObject, ObjectName, Resource } from './resource.ts'
import { systemTimers, type Timers } from './timers.ts'

export type { ChangeEvent } from './object-cache.ts'

/** Why a watch was opened anew; a closed set, fit for a metric label. */
export type RestartReason =
  'ended' | 'gone' | 'inactive' | 'network' | 'throttled' | 'unauthorized' | 'refused' | 'relist'

export interface ListWatchMetrics {
  onRestart? (reason: RestartReason): void
  /** A complete list was taken, the first one included. */
  onRelist? (): void
  /** A sign of life of the server: a list, or any line of the watch. */
  onActivity? (wallMs: number): void
}

export interface Problem {
  during: 'list' | 'watch' | 'handler'
  error: unknown
}

export interface ListWatchOptions<T extends KubeObject> {
  client: Pick<KubeClient, 'listPage' | 'watch'>
  resource: Resource
  /** Absent: every namespace. */
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  onChange: (event: ChangeEvent<T>) => void
  /** Failures: of the API server (retried for ever) and of `onChange` (caught). */
  onProblem: (problem: Problem) => void
  metrics?: ListWatchMetrics
  timers?: Timers
  /** 0 ≤ x < 1. */
  random?: () => number
  pageLimit?: number
  relistMs?: number
  inactivityMs?: number
}

/** The server ends a watch by itself within this range, so that load spreads over servers. */
const watchSecondsMin = 240
const watchSecondsMax = 480
const backoff: BackoffOptions = Object.freeze({ baseMs: 200, maxMs: 30_000 })

export class ListWatch<T extends KubeObject> {
  /** Settles when the first complete list has been handed to `onChange`; never, if stopped. */
  readonly synced: Promise<void>
  readonly #options: ListWatchOptions<T>
  readonly #timers: Timers
  readonly #random: () => number
  readonly #cache = new ObjectCache<T>()
  readonly #settleSynced: () => void
  #hasSynced = false
  #generation = 0
  #abort: AbortController | undefined
  /** Empty: the next step is a list. */
  #resourceVersion = ''
  #failureCount = 0
  #lastActivityAtMs = -Infinity
  #isRelistDue = false
  /** Who wait for a list that begins after they asked. */
  #asked: Array<() => void> = []
  #stream: WatchStream | undefined
  #cancelRelist: () => void = () => {}

  constructor (options: ListWatchOptions<T>) {
    this.#options = options
    this.#timers = options.timers ?? systemTimers
    this.#random = options.random ?? Math.random
    const { promise, resolve } = Promise.withResolvers<void>()
    this.synced = promise
    this.#settleSynced = resolve
  }

  /** Begins with a list. Starting twice is the same as once. */
  start (): void {
    if (this.#abort !== undefined) return
    this.#abort = new AbortController()
    this.#resourceVersion = ''
    this.#failureCount = 0
    void this.#run(++this.#generation, this.#abort.signal)
  }

  /** Ends at once; the cache keeps the last known state. It can be started again. */
  stop (): void {
    this.#generation++
    this.#cancelRelist()
    this.#abort?.abort()
    this.#abort = undefined
    this.#stream?.close()
    this.#stream = undefined
  }

  /**
   * Lists anew, whatever the watch says; settles when a list that began after this call has been
   * handed to `onChange`; never, if stopped.
   */
  relist (): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#asked.push(resolve)
    this.#hurryRelist()
    return promise
  }

  hasSynced (): boolean { return this.#hasSynced }

  get (target: ObjectName): T | undefined { return this.#cache.get(target) }

  getByUid (uid: string): T | undefined { return this.#cache.getByUid(uid) }

  list (): T[] { return this.#cache.objects() }

  /** Monotonic time of the last sign of life of the server; -Infinity before the first. */
  lastActivityAtMs (): number { return this.#lastActivityAtMs }

  describe (): string {
    const { plural } = this.#options.resource
    const state = this.#abort === undefined
      ? 'stopped'
      : this.#stream === undefined ? 'connecting' : 'watching'
    return `${plural}: ${state}, ${this.#cache.size} objects at ${this.#resourceVersion || '-'}, ` +
      `${this.#failureCount} failures in a row`
  }

  async #run (generation: number, signal: AbortSignal): Promise<void> {
    while (generation === this.#generation) {
      const during = this.#resourceVersion === '' ? 'list' : 'watch'
      try {
        if (during === 'list') await this.#relist(generation, signal)
        else await this.#watch(generation, signal)
      } catch (error) {
        if (generation !== this.#generation) return
        await this.#recover(during, error, signal)
      }
    }
  }

  async #relist (generation: number, signal: AbortSignal): Promise<void> {
    const { client, resource, pageLimit, metrics } = this.#options
    const objects: T[] = []
    let next: string | undefined
    let resourceVersion = ''
    this.#isRelistDue = false
    const askedCount = this.#asked.length
    do {
      const page = await client.listPage<T>(resource, {
        ...this.#selection(), limit: pageLimit, continue: next, signal
      })
      if (generation !== this.#generation) return
      objects.push(...page.items)
      next = page.continue
      resourceVersion = page.resourceVersion
    } while (next !== undefined)
    if (resourceVersion === '') {
      throw new KubeError({
        status: 0, reason: 'BadAnswer', message: `a list of ${resource.plural} has no version`
      })
    }
    this.#onAlive()
    metrics?.onRelist?.()
    this.#resourceVersion = resourceVersion
    this.#scheduleRelist()
    this.#tell(generation, this.#cache.replaceAll(objects))
    if (generation !== this.#generation) return
    this.#hasSynced = true
    this.#settleSynced()
    for (const settle of this.#asked.splice(0, askedCount)) settle()
  }

  async #watch (generation: number, signal: AbortSignal): Promise<void> {
    if (this.#isRelistDue) return this.#beginRelist()
    const { client, resource } = this.#options
    const spread = watchSecondsMax - watchSecondsMin
    const openedAtMs = this.#timers.monotonicMs()
    const stream = await client.watch(resource, {
      ...this.#selection(),
      resourceVersion: this.#resourceVersion,
      timeoutSeconds: watchSecondsMin + Math.floor(this.#random() * (spread + 1)),
      allowBookmarks: true,
      signal
    })
    if (generation !== this.#generation || this.#isRelistDue) {
      stream.close()
      if (generation === this.#generation) this.#beginRelist()
      return
    }
    this.#stream = stream
    const ending = await this.#follow(generation, stream)
    if (generation !== this.#generation) return
    this.#stream = undefined
    if (this.#isRelistDue) return this.#beginRelist()
    const isQuick = this.#timers.monotonicMs() - openedAtMs < 1000
    // A server that opens and ends at once, without a line, would otherwise be hammered.
    if (ending.reason === 'ended' && isQuick && ending.lineCount === 0) {
      throw new KubeError({
        status: 0, reason: 'EndedEarly', message: `a watch of ${resource.plural} ended at once`
      })
    }
    // Long enough is a success, though nothing happened in it.
    if (ending.reason === 'ended') this.#failureCount = 0
    this.#options.metrics?.onRestart?.(ending.reason)
  }

  /** Takes the lines until the end, under the watchdog. */
  async #follow (
    generation: number, stream: WatchStream
  ): Promise<{ reason: 'ended' | 'inactive', lineCount: number }> {
    const { inactivityMs = 90_000 } = this.#options
    let reason: 'ended' | 'inactive' = 'ended'
    let lineCount = 0
    const bite = () => {
      reason = 'inactive'
      stream.close()
    }
    let calm = this.#timers.after(inactivityMs, bite)
    try {
      for await (const event of stream) {
        if (generation !== this.#generation) break
        calm()
        calm = this.#timers.after(inactivityMs, bite)
        lineCount++
        this.#failureCount = 0
        this.#onAlive()
        const object = event.object as T
        this.#resourceVersion = object.metadata.resourceVersion ?? this.#resourceVersion
        if (event.type === 'BOOKMARK') continue
        this.#tell(generation, event.type === 'DELETED'
          ? this.#cache.delete(object)
          : this.#cache.put(object))
      }
    } finally {
      calm()
    }
    return { reason, lineCount }
  }

  /** Decides what a failure means: list anew at once, or the same again after a while. */
  async #recover (during: 'list' | 'watch', error: unknown, signal: AbortSignal): Promise<void> {
    this.#stream = undefined
    const reason = reasonOf(error)
    this.#options.metrics?.onRestart?.(reason)
    this.#options.onProblem({ during, error })
    this.#failureCount++
    if (reason === 'gone') {
      // A list whose pages outlived the history begins again too; only a repeat has to wait.
      this.#resourceVersion = ''
      if (this.#failureCount === 1) return
    }
    const askedMs = error instanceof KubeError ? error.retryAfterMs ?? 0 : 0
    const ownMs = backoffMs(backoff, this.#failureCount, this.#random())
    // All who were told the same time come a little later than told, each by an own amount.
    const waitMs = askedMs > 0 ? askedMs + this.#random() * Math.min(askedMs, 1000) : 0
    await this.#wait(Math.max(waitMs, ownMs), signal)
  }

  #tell (generation: number, events: Array<ChangeEvent<T>>): void {
    for (const event of events) {
      // The handler itself may have stopped us.
      if (generation !== this.#generation) return
      try {
        this.#options.onChange(event)
      } catch (error) {
        this.#options.onProblem({ during: 'handler', error })
      }
    }
  }

  #scheduleRelist (): void {
    const { relistMs = 600_000 } = this.#options
    this.#cancelRelist()
    this.#cancelRelist = this.#timers.after(relistMs * (1 + this.#random() / 10), () => {
      this.#hurryRelist()
    })
  }

  #hurryRelist (): void {
    this.#isRelistDue = true
    this.#stream?.close()
  }

  #beginRelist (): void {
    this.#options.metrics?.onRestart?.('relist')
    this.#resourceVersion = ''
  }

  #onAlive (): void {
    this.#lastActivityAtMs = this.#timers.monotonicMs()
    this.#options.metrics?.onActivity?.(this.#timers.wallMs())
  }

  #selection () {
    const { namespace, labelSelector, fieldSelector } = this.#options
    return { namespace, labelSelector, fieldSelector }
  }

  async #wait (ms: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>(resolve => {
      const cancel = this.#timers.after(ms, () => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      })
      const onAbort = () => {
        cancel()
        resolve()
      }
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}

function reasonOf (error: unknown): RestartReason {
  if (!(error instanceof KubeError)) return 'refused'
  if (isGone(error)) return 'gone'
  if (error.reason === 'EndedEarly') return 'ended'
  if (error.status === 401 || error.reason === 'Credentials') return 'unauthorized'
  if (error.status === 429 || error.status === 503) return 'throttled'
  return error.status === 0 ? 'network' : 'refused'
}
