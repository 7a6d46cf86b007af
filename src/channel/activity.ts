/**
 * Which channels of a partition are active, told when that changes (protocol 7.9): one becomes so
 * with its first client or publish, and is so no more when no node has had a client of it for the
 * linger time and nobody is present.
 *
 * It is this mastership's own knowledge. Channels that a takeover finds in the log, and those whose
 * clients come back from a former master, were active before, so that only their end is told; and
 * an end that the former master told may be told once more.
 */

import { limits } from '../base/limits.ts'

/** Hears of every change, with what is nothing new to anybody. */
type Count = (channel: string, isActive: boolean, isNew: boolean) => void

export class Activity {
  readonly #tell: (channel: string, isActive: boolean) => void
  readonly #count: Count
  /** The active ones, with the time since when nobody uses them. */
  readonly #active = new Map<string, { unusedSinceMs: number | undefined }>()

  constructor(tell: (channel: string, isActive: boolean) => void, count: Count) {
    this.#tell = tell
    this.#count = count
  }

  /** Somebody wants something of the channel; `isKnown`: that is nothing new to anybody. */
  onUsed(channel: string, isKnown: boolean): void {
    const active = this.#active.get(channel)
    if (active !== undefined) {
      active.unusedSinceMs = undefined
      return
    }
    this.#active.set(channel, { unusedSinceMs: undefined })
    this.#count(channel, true, !isKnown)
    if (!isKnown) this.#tell(channel, true)
  }

  /** Called now and then for each channel; `isOver`: it is let go. */
  judge(channel: string, isUsed: boolean, isOver: boolean, nowMs: number): void {
    const active = this.#active.get(channel)
    if (active === undefined) return
    if (isUsed) {
      active.unusedSinceMs = undefined
      return
    }
    active.unusedSinceMs ??= nowMs
    if (!isOver && nowMs - active.unusedSinceMs < limits.lingerMs) return
    this.#active.delete(channel)
    this.#count(channel, false, false)
    this.#tell(channel, false)
  }

  /** The mastership is over: the next one tells. */
  clear(): void {
    for (const channel of this.#active.keys()) this.#count(channel, false, false)
    this.#active.clear()
  }
}
