/**
 * What happens in apps, told on their metachannels (protocol 7.9) by the worker where it happens.
 *
 *   unknown, or too old ──event──▶ asking ──answered──▶ watched: events are published
 *                                    │                  unwatched: events are dropped, unmade
 *                                    └ no answer in time: dropped
 *
 * A metachannel is a channel of its own, `appId/[meta]name`; its master is asked whether somebody
 * is attached, at most every `metaAskMs` and only when something happens. So an event that nobody
 * hears costs a look-up, and who has just attached may miss those of the first seconds.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import { TokenBucket } from '../base/rate.ts'
import type { ListenersTold } from '../peer/listeners-message.ts'

/** The metachannels that events are told on. */
export type MetaName =
  | 'channel.lifecycle'
  | 'connection.lifecycle'
  | 'clientEvents:connections'
  | 'clientEvents:apiRequests'
  | 'log'

/** One event, as its message says it. */
export interface MetaEvent {
  readonly name: string
  readonly data: object
}

export interface MetaEventsPorts {
  readonly deadlines: Deadlines
  nowMs(): number
  /** Asks the channel's master whether anybody listens; the answer may never come. */
  ask(channel: string): void
  publish(channel: string, event: MetaEvent): void
}

/** What a worker knows of one metachannel. */
interface Watch {
  isWatched: boolean
  answeredAtMs: number
  /** While it is being asked: until when. */
  asking: Deadline | undefined
  /** Events that wait for the answer. */
  held: (() => MetaEvent)[]
}

export class MetaEvents {
  readonly #ports: MetaEventsPorts
  readonly #watches = new Map<string, Watch>()
  readonly #rate: TokenBucket

  constructor(ports: MetaEventsPorts) {
    this.#ports = ports
    this.#rate = new TokenBucket(limits.metaEventsPerSecondMax, ports.nowMs())
  }

  /** Something happened; `make` says what, if anybody wants to know. */
  tell(appId: string, meta: MetaName, make: () => MetaEvent): void {
    const channel = `${appId}/[meta]${meta}`
    const nowMs = this.#ports.nowMs()
    const watch = this.#watch(channel)
    const ageMs = nowMs - watch.answeredAtMs
    if (ageMs >= limits.metaAskMs && watch.asking === undefined) this.#ask(channel, watch)
    // While the next answer is on its way the last one holds, unless it is from long ago.
    if (watch.isWatched && ageMs < 2 * limits.metaAskMs) this.#publish(channel, make)
    else if (watch.asking !== undefined && watch.held.length < limits.metaEventsHeldMax) {
      watch.held.push(make)
    }
  }

  *sizes(): Generator<Size> {
    yield ['metaWatchesMax', this.#watches.size]
    for (const { held } of this.#watches.values()) yield ['metaEventsHeldMax', held.length]
  }

  onListenersTold({ channel, isWatched }: ListenersTold): void {
    const watch = this.#watches.get(channel)
    if (watch !== undefined) this.#answered(channel, watch, isWatched)
  }

  #watch(channel: string): Watch {
    let watch = this.#watches.get(channel)
    if (watch !== undefined) return watch
    watch = { isWatched: false, answeredAtMs: -Infinity, asking: undefined, held: [] }
    this.#watches.set(channel, watch)
    if (this.#watches.size <= limits.metaWatchesMax) return watch
    for (const [oldest, { asking }] of this.#watches) {
      this.#ports.deadlines.cancel(asking)
      this.#watches.delete(oldest)
      break
    }
    return watch
  }

  #ask(channel: string, watch: Watch): void {
    const { deadlines, nowMs } = this.#ports
    watch.asking = deadlines.at(nowMs() + limits.metaAskMs, () => {
      this.#answered(channel, watch, false)
    })
    this.#ports.ask(channel)
  }

  #answered(channel: string, watch: Watch, isWatched: boolean): void {
    this.#ports.deadlines.cancel(watch.asking)
    watch.asking = undefined
    watch.answeredAtMs = this.#ports.nowMs()
    watch.isWatched = isWatched
    const held = watch.held.splice(0)
    if (!isWatched) return
    for (const make of held) this.#publish(channel, make)
  }

  #publish(channel: string, make: () => MetaEvent): void {
    if (this.#rate.take(this.#ports.nowMs())) this.#ports.publish(channel, make())
  }
}
