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

export class Activity {
  readonly #tell: (channel: string, isActive: boolean) => void
  /** The active ones, with the time since when nobody uses them. */
  readonly #active = new Map<string, { unusedSinceMs: number | undefined }>()

  constructor(tell: (channel: string, isActive: boolean) => void) {
    this.#tell = tell
  }

  /** Somebody wants something of the channel; `isKnown`: that is nothing new to anybody. */
  onUsed(channel: string, isKnown: boolean): void {
    const active = this.#active.get(channel)
    if (active !== undefined) {
      active.unusedSinceMs = undefined
      return
    }
    this.#active.set(channel, { unusedSinceMs: undefined })
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
    this.#tell(channel, false)
  }

  /** The mastership is over: the next one tells. */
  clear(): void {
    this.#active.clear()
  }
}
