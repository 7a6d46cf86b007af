/*
Events for people: `kubectl describe` shows what the operator did and why.

The recorder never waits and never throws; events are a courtesy, and the API server comes first.
- A repeat (same object, reason, action and note) is counted in the series of the first event,
  whose count is written at most every ten seconds.
- New events of one object come from a small budget, so that a confused loop cannot flood it.
- Everything is bounded; what does not fit is dropped and counted.

    absent ──record──▶ new ──created──▶ written ──repeat──▶ counting ──patched──▶ written
                        │ refused for good, or too often                             │ 6 min quiet
                        ▼                                                            ▼
                      absent ◀─────────────────────────────────────────────────── absent
*/
import { backoffMs } from './backoff.ts'
import type { KubeClient } from './client.ts'
import { microTime } from './elector.ts'
import { KubeError, isAlreadyExists, isNotFound } from './kube-error.ts'
import type { KubeObject, Resource } from './resource.ts'
import { systemTimers, type Timers } from './timers.ts'

export interface EventNote {
  /** The object the event is about. */
  regarding: KubeObject
  /** A second object that played a part. */
  related?: KubeObject
  type: 'Normal' | 'Warning'
  /** Why, in CamelCase, from a closed set. */
  reason: string
  /** What was being done, in CamelCase. */
  action: string
  /** For people; at most 1,024 characters are kept. */
  note: string
}

export interface EventRecorderOptions {
  client: Pick<KubeClient, 'create' | 'mergePatch'>
  /** Such as `ringcast.dev/operator`. */
  reportingController: string
  /** Pod name. */
  reportingInstance: string
  /** An event that could not be written and is given up. */
  onProblem: (error: unknown) => void
  timers?: Timers
  /** 0 ≤ x < 1. */
  random?: () => number
}

interface ObjectReference {
  apiVersion: string
  kind: string
  namespace?: string
  name?: string
  uid?: string
  resourceVersion?: string
}

export interface KubeEvent extends KubeObject {
  eventTime: string
  reportingController: string
  reportingInstance: string
  type: string
  reason: string
  action: string
  regarding: ObjectReference
  related?: ObjectReference
  note: string
  series?: { count: number, lastObservedTime: string }
}

export const events: Resource = Object.freeze({
  group: 'events.k8s.io', version: 'v1', plural: 'events', kind: 'Event', namespaced: true
})

/** One event and its repeats. */
interface Series {
  event: KubeEvent
  state: 'new' | 'written'
  count: number
  writtenCount: number
  lastSeenAtMs: number
  lastSeenWallMs: number
  writtenAtMs: number
  failureCount: number
}

interface Budget {
  tokenCount: number
  filledAtMs: number
}

/** Limits of the API: a longer note, reason or action is refused. */
const noteLengthMax = 1024
const wordLengthMax = 128

const seriesCountMax = 1000
const budgetCountMax = 1000
/** client-go's figures: 25 events per object at once, then one every five minutes. */
const budgetBurst = 25
const budgetRefillMs = 300_000
const seriesQuietMs = 360_000
const seriesWriteEveryMs = 10_000
const attemptCountMax = 6
const backoff = Object.freeze({ baseMs: 500, maxMs: 30_000 })

export class EventRecorder {
  readonly #options: EventRecorderOptions
  readonly #timers: Timers
  readonly #random: () => number
  /** By what makes two notes the same; the longest unseen first. */
  readonly #series = new Map<string, Series>()
  /** By uid of the object; the longest unused first. */
  readonly #budgets = new Map<string, Budget>()
  #sequence = 0
  #droppedCount = 0
  #isStopped = false
  #cancelTurn: (() => void) | undefined
  #writing: Promise<void> | undefined

  constructor (options: EventRecorderOptions) {
    this.#options = options
    this.#timers = options.timers ?? systemTimers
    this.#random = options.random ?? Math.random
  }

  /** Never throws, never waits: repeats are counted, floods are dropped. */
  record (note: EventNote): void {
    if (this.#isStopped) return
    const nowMs = this.#timers.monotonicMs()
    this.#forgetQuiet(nowMs)
    const key = sameness(note)
    const known = this.#series.get(key)
    if (known !== undefined) {
      known.count++
      known.lastSeenAtMs = nowMs
      known.lastSeenWallMs = this.#timers.wallMs()
      this.#series.delete(key)
      this.#series.set(key, known)
    } else {
      if (!this.#spend(note.regarding.metadata.uid ?? key, nowMs) || !this.#makeRoom()) {
        this.#droppedCount++
        return
      }
      this.#series.set(key, {
        event: this.#eventOf(note),
        state: 'new',
        count: 1,
        writtenCount: 0,
        lastSeenAtMs: nowMs,
        lastSeenWallMs: this.#timers.wallMs(),
        writtenAtMs: -Infinity,
        failureCount: 0
      })
    }
    this.#schedule()
  }

  /** Notes that were never written: over a budget, over the bound, or refused. */
  droppedCount (): number { return this.#droppedCount }

  /** Writes what is pending, up to the first failure; later notes are ignored. */
  async stop (): Promise<void> {
    this.#isStopped = true
    this.#cancelTurn?.()
    await this.#writing
    for (const [key, series] of [...this.#series]) {
      if (series.count > series.writtenCount) await this.#write(key, series)
      // A server that does not answer now must not hold up the process's end.
      if (series.failureCount > 0) break
    }
    this.#series.clear()
  }

  /** One turn at a time, at the earliest moment any series may be written. */
  #schedule (): void {
    if (this.#writing !== undefined || this.#isStopped) return
    this.#cancelTurn?.()
    this.#cancelTurn = undefined
    const nowMs = this.#timers.monotonicMs()
    let dueAtMs = Infinity
    for (const series of this.#series.values()) {
      if (series.count > series.writtenCount) dueAtMs = Math.min(dueAtMs, this.#dueAtMs(series))
    }
    if (dueAtMs === Infinity) return
    this.#cancelTurn = this.#timers.after(Math.max(0, dueAtMs - nowMs), () => {
      this.#writing = this.#writeDue().then(() => {
        this.#writing = undefined
        this.#schedule()
      })
    })
  }

  #dueAtMs (series: Series): number {
    if (series.failureCount > 0) {
      // Without jitter here: the series of one process are written one after another anyway.
      return series.writtenAtMs + backoffMs(backoff, series.failureCount, 0)
    }
    return series.writtenAtMs + seriesWriteEveryMs
  }

  async #writeDue (): Promise<void> {
    for (const [key, series] of [...this.#series]) {
      if (this.#isStopped) return
      const isPending = series.count > series.writtenCount
      if (isPending && this.#dueAtMs(series) <= this.#timers.monotonicMs()) {
        await this.#write(key, series)
      }
    }
  }

  async #write (key: string, series: Series): Promise<void> {
    const { client, onProblem } = this.#options
    const count = series.count
    try {
      if (series.state === 'new') await this.#create(series)
      if (count > 1) {
        const { name, namespace } = series.event.metadata
        const lastObservedTime = microTime(series.lastSeenWallMs)
        await client.mergePatch(events, { name: `${name}`, namespace }, {
          series: { count, lastObservedTime }
        })
      }
      series.writtenCount = count
      series.failureCount = 0
    } catch (error) {
      series.failureCount++
      if (isNotFound(error) && series.state === 'written') {
        // The event has expired on the server, as events do; the next one is a new one.
        this.#series.delete(key)
      } else if (isFinal(error) || series.failureCount >= attemptCountMax) {
        this.#series.delete(key)
        this.#droppedCount++
        onProblem(error)
      }
    }
    series.writtenAtMs = this.#timers.monotonicMs()
  }

  async #create (series: Series): Promise<void> {
    try {
      await this.#options.client.create(events, series.event)
    } catch (error) {
      // The name is our own, so a former attempt whose answer was lost has made it.
      if (!isAlreadyExists(error)) throw error
    }
    series.state = 'written'
  }

  #eventOf (note: EventNote): KubeEvent {
    const { reportingController, reportingInstance } = this.#options
    const wallMs = this.#timers.wallMs()
    const salt = Math.floor(this.#random() * 2 ** 32).toString(16)
    const unique = `${wallMs.toString(16)}${(this.#sequence++ % 4096).toString(16)}${salt}`
    const { name = 'unnamed', namespace } = note.regarding.metadata
    return {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      // Objects of the whole cluster have their events in the namespace `default`.
      metadata: { name: `${name.slice(0, 200)}.${unique}`, namespace: namespace ?? 'default' },
      eventTime: microTime(wallMs),
      reportingController,
      reportingInstance: reportingInstance.slice(0, wordLengthMax),
      type: note.type,
      reason: note.reason.slice(0, wordLengthMax),
      action: note.action.slice(0, wordLengthMax),
      regarding: referenceTo(note.regarding),
      related: note.related === undefined ? undefined : referenceTo(note.related),
      note: note.note.slice(0, noteLengthMax)
    }
  }

  #spend (owner: string, nowMs: number): boolean {
    const known = this.#budgets.get(owner) ?? { tokenCount: budgetBurst, filledAtMs: nowMs }
    const filled = (nowMs - known.filledAtMs) / budgetRefillMs
    const tokenCount = Math.min(budgetBurst, known.tokenCount + filled)
    const isGranted = tokenCount >= 1
    this.#budgets.delete(owner)
    this.#budgets.set(owner, {
      tokenCount: isGranted ? tokenCount - 1 : tokenCount, filledAtMs: nowMs
    })
    if (this.#budgets.size > budgetCountMax) {
      const [oldest] = this.#budgets.keys()
      if (oldest !== undefined) this.#budgets.delete(oldest)
    }
    return isGranted
  }

  /** Gives up the longest unseen series with nothing pending; false when all have something. */
  #makeRoom (): boolean {
    if (this.#series.size < seriesCountMax) return true
    for (const [key, series] of this.#series) {
      if (series.count === series.writtenCount) return this.#series.delete(key)
    }
    return false
  }

  #forgetQuiet (nowMs: number): void {
    for (const [key, series] of this.#series) {
      if (nowMs - series.lastSeenAtMs < seriesQuietMs) return
      if (series.count === series.writtenCount) this.#series.delete(key)
    }
  }
}

function sameness ({ regarding, related, type, reason, action, note }: EventNote): string {
  return JSON.stringify([
    regarding.kind, regarding.metadata.uid ?? regarding.metadata.name,
    related?.metadata.uid ?? related?.metadata.name, type, reason, action, note
  ])
}

function referenceTo ({ apiVersion, kind, metadata }: KubeObject): ObjectReference {
  const { namespace, name, uid, resourceVersion } = metadata
  return { apiVersion, kind, namespace, name, uid, resourceVersion }
}

/** The server has understood, and will say the same next time. */
function isFinal (error: unknown): boolean {
  return error instanceof KubeError && error.status >= 400 && error.status < 500 &&
    error.status !== 401 && error.status !== 409 && error.status !== 429
}
