/**
 * The views as they travel: the one this node holds, the few before it (to answer who is a little
 * behind with a delta), and the pull of a newer one that was heard of. Every message between nodes
 * carries the sender's view version, so whoever is behind finds out by the next message of anybody,
 * asks that one, and asks the next who is ahead if no answer comes (rules 9 and 14).
 */

import type { Size } from '../base/sizes.ts'
import type { MembershipBody, ViewDelta, ViewRecord } from '../peer/membership.ts'
import { applyDelta, deltaBetween } from '../ring/delta.ts'
import { type RingLimitName, ringLimits, type Timing } from '../ring/timing.ts'
import { digestOf, recordOf, viewFromRecord, type View } from '../ring/view.ts'

/** Sends to an incarnation or to `all`. */
export type Send = (to: string, body: MembershipBody) => void

export class ViewDesk {
  readonly #timing: Timing
  readonly #send: Send
  #former: View[] = []
  #current: View | undefined
  #digest = 0
  #heardVersion = 0
  #aheadSinceMs = Infinity
  #pullAtMs = -Infinity

  constructor(timing: Timing, send: Send) {
    this.#timing = timing
    this.#send = send
  }

  get current(): View | undefined {
    return this.#current
  }

  *sizes(): Generator<Size<RingLimitName>> {
    yield ['formerViewsMax', this.#former.length]
    yield ['membersMax', this.#current?.members.length ?? 0]
    yield ['tombstonesMax', this.#current?.tombstones.length ?? 0]
  }

  /** The version of the view that is held; 0 for none. */
  get version(): number {
    return this.#current?.version ?? 0
  }

  /** The digest of the view that is held; 0 for none. */
  get digest(): number {
    return this.#digest
  }

  /** The highest version that anybody was heard to hold, this node included. */
  get highestVersion(): number {
    return Math.max(this.version, this.#heardVersion)
  }

  /** True while a newer view is known to exist and there is hope to be given it. */
  isBehind(nowMs: number): boolean {
    return this.#heardVersion > this.version &&
      nowMs - this.#aheadSinceMs < 4 * this.#timing.pullRetryMs
  }

  /**
   * True if `view`, read from the ring object, takes the place of the one held: it is newer, or
   * the first one, or another one of the same version. The object decides between those; they
   * happen where it was restored from a backup.
   */
  yieldsTo(view: View): boolean {
    if (this.#current === undefined || view.version > this.version) return true
    return view.version === this.version && digestOf(view) !== this.#digest
  }

  /** Holds `view` from now on. */
  hold(view: View): void {
    if (this.#current !== undefined) this.#former.push(this.#current)
    if (this.#former.length > ringLimits.formerViewsMax) this.#former.shift()
    this.#current = view
    this.#digest = view.version === 0 ? 0 : digestOf(view)
    if (this.#heardVersion <= view.version) this.#aheadSinceMs = Infinity
  }

  /** Tells everybody of the view held, which must surely be written. */
  announce(): void {
    const { version } = this
    const former = this.#former.at(-1)
    if (former === undefined || former.version === 0) this.#sendFull('all')
    else if (version > 0) this.#sendDelta('all', former)
  }

  /**
   * Somebody holds `version`; when that is newer, `from` is asked for it. Where only a log tells of
   * it there is nobody to ask: true says that the ring object is to be read (rule 2).
   */
  onHeard(version: number, from: string | undefined, nowMs: number): boolean {
    if (version <= this.version) return false
    if (version > this.#heardVersion) {
      this.#heardVersion = version
      this.#aheadSinceMs = nowMs
    }
    if (nowMs < this.#pullAtMs) return false
    this.#pullAtMs = nowMs + this.#timing.pullRetryMs
    if (from === undefined) return true
    this.#send(from, { kind: 'viewPull', viewDigest: this.#digest })
    return false
  }

  /** Answers who is behind with what leads from its view to the one held. */
  onPull(from: string, version: number, digest: number): void {
    if (this.version === 0 || version >= this.version) return
    const base = this.#former.find((view) => view.version === version)
    const isSame = base !== undefined && version > 0 && digestOf(base) === digest
    if (isSame) this.#sendDelta(from, base)
    else this.#sendFull(from)
  }

  /** The view that the delta leads to, or undefined: not a newer one, or it starts elsewhere. */
  onDelta(delta: ViewDelta, from: string, nowMs: number): View | undefined {
    if (delta.version <= this.version) return undefined
    const view = this.#current === undefined ? undefined : applyDelta(this.#current, delta)
    if (view === undefined) this.onHeard(delta.version, from, nowMs)
    return view
  }

  /** The view of the record, or undefined: not a newer one, or none at all. */
  onFull(record: ViewRecord): View | undefined {
    if (record.version <= this.version) return undefined
    const reading = viewFromRecord(record)
    return reading.outcome === 'view' ? reading.view : undefined
  }

  #sendDelta(to: string, base: View): void {
    const delta = deltaBetween(base, this.#current!)
    if (delta === undefined) this.#sendFull(to)
    else this.#send(to, { kind: 'viewDelta', delta })
  }

  #sendFull(to: string): void {
    this.#send(to, { kind: 'viewFull', view: recordOf(this.#current!) })
  }
}
