/**
 * Whom I watch and who watches me. The members stand on a circle in the order of a hash of their
 * incarnations; each is watched by the next three. So nobody watches more than three, whatever the
 * size of the region, and neighbours on the circle are not neighbours in start order or rack.
 *
 * What one watcher knows of one member:
 * ```
 * heard ──no beat for silenceMs──▶ silent, probing ──▶ silent, answered / silent, failed
 *   ▲                                    ▲                          │
 *   │                                    └── suspicionRepeatMs ─────┘
 *   └──────────────────── any message of its own ────────────────────
 * ```
 * Its suspicions are told as a whole list, on every change and again while there are any. A
 * watcher whose own mesh is down, or that stood still, suspects nobody: its clocks start anew.
 */

import { hash32 } from '../base/hash.ts'
import type { Member, Suspicion } from '../peer/membership.ts'
import { ringLimits, type Timing } from './timing.ts'
import type { View } from './view.ts'

/** What a watcher wants done now. */
export interface WatchDuties {
  /** To whom a beat shall be sent. */
  readonly beatTo: readonly string[]
  /** Whose private ports shall be probed; the answer comes back by `onProbed`. */
  readonly probes: readonly Member[]
  /** The list to be told to all, if it shall be told now. */
  readonly suspicions: readonly Suspicion[] | undefined
}

interface Watchee {
  readonly member: Member
  heardAtMs: number
  isSilent: boolean
  isProbing: boolean
  isProbeFailed: boolean
  probeAtMs: number
}

/** The incarnations that watch `incarnation`: its next ones on the circle. */
export function watchersOf(incarnation: string, members: readonly Member[]): string[] {
  const circle = circleOf(members)
  const at = circle.indexOf(incarnation)
  if (at < 0) return []
  const count = Math.min(ringLimits.watchersPerMember, circle.length - 1)
  return Array.from({ length: count }, (_, step) => circle[(at + 1 + step) % circle.length]!)
}

function circleOf(members: readonly Member[]): string[] {
  return members
    .map(({ incarnation }) => ({ incarnation, place: hash32(incarnation) }))
    .sort((a, b) => a.place - b.place || (a.incarnation < b.incarnation ? -1 : 1))
    .map(({ incarnation }) => incarnation)
}

export class Watcher {
  readonly #self: string
  readonly #timing: Timing
  #watchers: readonly string[] = []
  #watchees = new Map<string, Watchee>()
  #isMeshUp = false
  #beatAtMs = 0
  #tellAtMs = Infinity
  #lastTold = ''

  constructor(self: string, timing: Timing) {
    this.#self = self
    this.#timing = timing
  }

  /** Who gets this node's beats. */
  get watchers(): readonly string[] {
    return this.#watchers
  }

  /** A member that is new to this watcher has the whole silence time to be heard. */
  onView(view: View, nowMs: number): void {
    const { members } = view
    this.#watchers = watchersOf(this.#self, members)
    const watchees = new Map<string, Watchee>()
    for (const member of this.#watchedBy(members)) {
      const known = this.#watchees.get(member.incarnation)
      watchees.set(member.incarnation, { ...(known ?? fresh(member, nowMs)), member })
    }
    this.#watchees = watchees
    this.#beatAtMs = Math.min(this.#beatAtMs, nowMs)
  }

  /** Any message of its own proves that `incarnation` lives and can be heard. */
  onHeard(incarnation: string, nowMs: number): void {
    const watchee = this.#watchees.get(incarnation)
    if (watchee === undefined) return
    watchee.heardAtMs = nowMs
    watchee.isSilent = false
    watchee.isProbeFailed = false
  }

  onMesh(isUp: boolean, nowMs: number): void {
    this.#isMeshUp = isUp
    this.restart(nowMs)
    this.#beatAtMs = nowMs
  }

  /** Forgets every silence: this node could not have heard anybody. */
  restart(nowMs: number): void {
    for (const { incarnation } of [...this.#watchees.values()].map(({ member }) => member)) {
      this.onHeard(incarnation, nowMs)
    }
  }

  /** The private port of a silent member answered (`isFailed` false) or did not. */
  onProbed(incarnation: string, isFailed: boolean, nowMs: number): void {
    const watchee = this.#watchees.get(incarnation)
    if (watchee === undefined) return
    watchee.isProbing = false
    watchee.probeAtMs = nowMs + this.#timing.suspicionRepeatMs
    watchee.isProbeFailed = isFailed && watchee.isSilent
  }

  /** What is due now; each duty is named once. */
  duties(nowMs: number): WatchDuties {
    if (!this.#isMeshUp) return { beatTo: [], probes: [], suspicions: undefined }
    const probes: Member[] = []
    for (const watchee of this.#watchees.values()) {
      if (nowMs - watchee.heardAtMs < this.#timing.silenceMs) continue
      if (!watchee.isSilent) {
        watchee.isSilent = true
        watchee.probeAtMs = nowMs
      }
      if (watchee.isProbing || watchee.probeAtMs > nowMs) continue
      watchee.isProbing = true
      probes.push(watchee.member)
    }
    const isBeatDue = nowMs >= this.#beatAtMs
    if (isBeatDue) this.#beatAtMs = nowMs + this.#timing.beatMs
    const suspicions = this.#suspicionsDue(nowMs)
    return { beatTo: isBeatDue ? this.#watchers : [], probes, suspicions }
  }

  /** All that this watcher suspects. */
  suspicions(): Suspicion[] {
    return [...this.#watchees.values()]
      .filter(({ isSilent }) => isSilent)
      .map(({ member, isProbeFailed }) => ({ incarnation: member.incarnation, isProbeFailed }))
  }

  /** When `duties` will have something to say, or Infinity. */
  nextDeadlineMs(): number {
    if (!this.#isMeshUp) return Infinity
    let next = this.#watchers.length > 0 ? this.#beatAtMs : Infinity
    for (const { isSilent, isProbing, heardAtMs, probeAtMs } of this.#watchees.values()) {
      if (!isSilent) next = Math.min(next, heardAtMs + this.#timing.silenceMs)
      else if (!isProbing) next = Math.min(next, probeAtMs)
    }
    return Math.min(next, this.#tellAtMs)
  }

  #suspicionsDue(nowMs: number): Suspicion[] | undefined {
    const suspects = this.suspicions()
    const told = suspects.map((s) => `${s.incarnation} ${s.isProbeFailed}`).join()
    if (told === this.#lastTold && nowMs < this.#tellAtMs) return undefined
    this.#lastTold = told
    this.#tellAtMs = suspects.length > 0 ? nowMs + this.#timing.suspicionRepeatMs : Infinity
    return suspects
  }

  #watchedBy(members: readonly Member[]): Member[] {
    const circle = circleOf(members)
    const at = circle.indexOf(this.#self)
    if (at < 0) return []
    const count = Math.min(ringLimits.watchersPerMember, circle.length - 1)
    const watched = new Set(Array.from({ length: count }, (_, step) =>
      circle[(at - 1 - step + circle.length) % circle.length]!))
    return members.filter(({ incarnation }) => watched.has(incarnation))
  }
}

function fresh(member: Member, nowMs: number): Watchee {
  return {
    member, heardAtMs: nowMs, isSilent: false, isProbing: false, isProbeFailed: false, probeAtMs: 0
  }
}
