/**
 * One ring of another region, as far as a globalmaster has heard of it: from its nodes, which
 * announce themselves, and from its own globalmaster.
 *
 * That it hears us is known from its echoes alone, and as of when we said what it echoes: an echo
 * that it goes on repeating proves nothing new. A round trip is what passed between, less what the
 * other one took; no clock but our own is read.
 */

import type { GlobalmasterHello } from './globalmaster-message.ts'
import { globalmasterLimits } from './globalmaster-ports.ts'
import { RelayWords } from './relay-words.ts'

/** What is said of a round trip follows it slowly: it is for people. */
const SMOOTHING = 0.25
/** The least round trip of so long ago is what the way takes by itself. */
const FLOOR_MS = 600_000

/** What its nodes say of it. */
export interface AnnouncedRing {
  readonly region: string
  readonly uid: string
  /** In ms since the Unix epoch, by the clock of its API server. */
  readonly madeAtMs: number
  /** Where clients reach it from anywhere: a host or host:port; may be empty. */
  readonly endpoint: string
  /** It is to send its clients to others. */
  readonly isToDrain?: boolean
}

/** Its globalmaster, as last heard. */
export interface FarMaster {
  readonly instance: string
  readonly term: number
  readonly world: string
  readonly roster: readonly string[]
  readonly apps: ReadonlyMap<string, string>
  readonly areAppsUnknown: boolean
  readonly sentAtMs: number
  readonly firstHeardAtMs: number
  readonly heardAtMs: number
}

export class FarRing {
  readonly uid: string
  /** When anything of it was heard first; Infinity as long as nothing was. */
  firstHeardAtMs = Infinity
  nodesHeardAtMs = -Infinity
  /** Since when they are heard again, or at all, without a silence in between. */
  nodesHeardSinceMs = -Infinity
  /** Our own time as of which it hears us. */
  hearsUsAtMs = -Infinity
  /** When our former globalmaster heard it last, and held it to be in the world. */
  restoredAtMs = -Infinity
  /** Our cluster listed it and does so no more: it is in the world as long as it is heard. */
  isRetired = false
  /** What our nodes tell of their relays to it. */
  readonly relays = new RelayWords()
  region: string
  madeAtMs: number
  endpoint = ''
  isToDrain = false
  master: FarMaster | undefined
  #leavingUntilMs = -Infinity
  #roundTripMs: number | undefined
  #lagMs = 0
  /** The least of the running period, and of the one before. */
  #floorMs = Infinity
  #formerFloorMs = Infinity
  #floorSinceMs = -Infinity

  constructor(uid: string, region: string, madeAtMs: number) {
    this.uid = uid
    this.region = region
    this.madeAtMs = madeAtMs
  }

  /** When anything of it was heard last; -Infinity for never. */
  get heardAtMs(): number {
    return Math.max(this.nodesHeardAtMs, this.master?.heardAtMs ?? -Infinity)
  }

  /** Smoothed, in milliseconds; undefined before the first. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs
  }

  /** By how much the last round trip was above the least of late. */
  get lagMs(): number {
    return this.#lagMs
  }

  onAnnounced(
    { region, madeAtMs, endpoint, isToDrain = false }: AnnouncedRing, nowMs: number
  ): void {
    this.region = region
    this.madeAtMs = madeAtMs
    this.endpoint = endpoint
    this.isToDrain = isToDrain
    const isBack = nowMs >= this.nodesHeardAtMs + globalmasterLimits.nodesSilentAfterMs
    if (isBack) this.nodesHeardSinceMs = nowMs
    this.nodesHeardAtMs = nowMs
    this.firstHeardAtMs = Math.min(this.firstHeardAtMs, nowMs)
  }

  /**
   * False for one that is passed over: another instance with a higher term spoke for it within
   * `rivalMs`, or its object has just gone.
   */
  onHello(hello: GlobalmasterHello, ownInstance: string, rivalMs: number, nowMs: number): boolean {
    if (nowMs < this.#leavingUntilMs) return false
    const former = this.master
    const { region, madeAtMs, instance, term, world, roster, apps, sentAtMs } = hello
    const { areAppsUnknown = false } = hello
    const isOther = former !== undefined && former.instance !== instance
    if (isOther && term < former.term && nowMs < former.heardAtMs + rivalMs) return false
    const isLate = former !== undefined && !isOther && sentAtMs < former.sentAtMs
    if (isLate) return true
    this.region = region
    this.madeAtMs = madeAtMs
    this.firstHeardAtMs = Math.min(this.firstHeardAtMs, nowMs)
    const firstHeardAtMs = former?.firstHeardAtMs ?? nowMs
    this.master = {
      instance, term, world, roster, apps, areAppsUnknown, sentAtMs, firstHeardAtMs,
      heardAtMs: nowMs
    }
    const echo = hello.echoes.find((each) => each.instance === ownInstance)
    if (echo !== undefined && echo.sentAtMs > this.hearsUsAtMs && echo.sentAtMs <= nowMs) {
      this.hearsUsAtMs = echo.sentAtMs
      this.#measured(Math.max(0, nowMs - echo.sentAtMs - echo.heldMs), nowMs)
    }
    return true
  }

  /**
   * Its object is gone, or names the world no more. Its globalmaster may speak until it has
   * heard of that; who does so long afterwards lives all the same.
   */
  onObjectGone(nowMs: number): void {
    this.master = undefined
    this.restoredAtMs = -Infinity
    this.isRetired = true
    this.#leavingUntilMs = nowMs + globalmasterLimits.leavingMs
  }

  /** It is listed, with an object of its own or by the name of its region. */
  onListed(hasObject: boolean): void {
    this.isRetired = false
    if (hasObject) this.#leavingUntilMs = -Infinity
  }

  /** The world that it is in, ours being `own`, as far as its words go; undefined: none counts. */
  worldAt(nowMs: number, own: string): string | undefined {
    const { forgottenAfterMs, retiredAfterMs } = globalmasterLimits
    const heardAtMs = Math.max(this.heardAtMs, this.restoredAtMs)
    if (this.isRetired && nowMs >= heardAtMs + retiredAfterMs) return undefined
    const { master } = this
    if (master !== undefined && nowMs < master.heardAtMs + forgottenAfterMs) return master.world
    return nowMs < this.restoredAtMs + forgottenAfterMs ? own : undefined
  }

  #measured(ms: number, nowMs: number): void {
    if (nowMs >= this.#floorSinceMs + FLOOR_MS) {
      this.#formerFloorMs = this.#floorMs
      this.#floorMs = Infinity
      this.#floorSinceMs = nowMs
    }
    this.#floorMs = Math.min(this.#floorMs, ms)
    const before = this.#roundTripMs
    this.#roundTripMs = before === undefined ? ms : before + SMOOTHING * (ms - before)
    this.#lagMs = ms - Math.min(this.#floorMs, this.#formerFloorMs)
  }
}
