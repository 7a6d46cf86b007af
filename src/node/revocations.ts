/**
 * What a worker makes of revocations: tokens that are revoked prove nothing any more, and who is
 * connected with one is told so at once, wherever the revocation came from (ably-protocol 4.6,
 * 11.6). Where clients have time for another token they are asked for one, and looked at again
 * when that time is over.
 *
 * Who is connected with a JWT is told when the second of the revocation is over: a JWT that took
 * its place within that second would be revoked as well, and its client told so twice
 * (docs/decisions/0022). Until then, at most a second, the JWT proves nothing to anybody new.
 *
 * A new revocation costs a look at every session of the worker, or two; sessions without a token,
 * or with another key's, cost a comparison. Until everything that was ever revoked is known, tokens
 * that could be revoked prove nothing: a worker does not listen yet, or sends their clients away.
 */

import type { AppDirectory } from '../auth/app.ts'
import type { Authenticated, Credentials } from '../auth/key.ts'
import { endOfSecond, type Revocation } from '../auth/revocation.ts'
import type { Now } from '../base/clock.ts'
import type { Deadline, Deadlines } from '../base/deadlines.ts'
import type { Random } from '../base/random.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { LogOutbox } from '../log/port.ts'
import { isSamePlace, type Place } from '../peer/place.ts'
import type { RevocationMessage } from '../peer/revocation-message.ts'
import { errors } from '../wire/errors.ts'
import type { Review } from './gatekeeper.ts'
import { RevocationLog, type StoreOutcome } from './revocation-log.ts'
import { RevocationSync } from './revocation-sync.ts'

/** No second is waited for longer, whatever the clocks say. */
const SECOND_MS = 1_000

export interface RevocationDeskPorts {
  readonly self: Place
  readonly outbox: LogOutbox
  readonly deadlines: Deadlines
  readonly random: Random
  now(): Now
  directory(): AppDirectory | undefined
  /** Every worker of the region, this one too. */
  places(): readonly Place[]
  /** Who speaks for each of the other regions. */
  speakers(): readonly Place[]
  send(to: Place, message: RevocationMessage): void
  /** Looks at everybody who was let in. */
  review(review: Review): void
}

export class RevocationDesk {
  readonly #ports: RevocationDeskPorts
  readonly #log: RevocationLog
  readonly #sync: RevocationSync
  /** When some apply that did not yet: milliseconds of the next half minute. */
  readonly #dueAtMs = new Set<number>()
  #due: Deadline | undefined
  /** Seconds of revocations that are not over: their ends, and the same by the monotonic clock. */
  readonly #seconds = new Map<number, number>()
  #secondOver: Deadline | undefined

  constructor(ports: RevocationDeskPorts) {
    this.#ports = ports
    const { self, outbox, deadlines, random, now } = ports
    this.#sync = this.#newSync()
    this.#log = new RevocationLog({
      outbox,
      deadlines,
      random,
      now,
      onRevocations: (fresh) => this.#onRevocations(fresh),
      onStored: (seq) => {
        for (const place of ports.places()) {
          if (!isSamePlace(place, self)) ports.send(place, { kind: 'revoked', seq })
        }
      }
    })
  }

  /** How many deadlines it has, whatever happens. */
  get beatCount(): number {
    return this.#log.beatCount + this.#sync.beatCount
  }

  /** False: tokens that could be revoked prove nothing yet. It stays true. */
  get isKnown(): boolean {
    return this.#log.isKnown
  }

  sizes(): Generator<Size> {
    return this.#log.sizes()
  }

  onApps({ apps }: AppDirectory): void {
    this.#log.want(apps.some(({ keys }) => keys.some(({ revocableTokens }) => revocableTokens)))
  }

  /** The other regions are others now. */
  onWorld(): void { this.#sync.onWorld() }

  /** Another worker says that it has stored some, or another region what is revoked there. */
  onMessage(from: Place, message: RevocationMessage): void {
    if (message.kind === 'revoked') this.#log.onStoredElsewhere(message.seq)
    else this.#sync.onMessage(from, message)
  }

  /** What somebody has proven, unless it is revoked. Errors: 40141; 50005 if nobody knows yet. */
  judge(proven: Authenticated): Authenticated {
    if (!proven.ok || proven.credentials.token === undefined) return proven
    const { credentials } = proven
    const key = this.#ports.directory()?.key(credentials.keyName)?.key
    if (key?.revocableTokens === true && !this.#log.isKnown) {
      return { ok: false, error: errors.unavailable('It is not known yet what is revoked') }
    }
    const isOver = this.#isOver(this.#log.known.appliesAtOf(credentials))
    return isOver ? { ok: false, error: errors.tokenRevoked() } : proven
  }

  /**
   * Revokes tokens of one key, in the whole region, at most `revokeTargetsMax`; `onOutcome` is
   * called once that is stored, or cannot be. What is known already is not stored again.
   */
  revoke(
    keyName: string, revocations: readonly Revocation[],
    onOutcome: (outcome: StoreOutcome) => void
  ): void {
    const { known, isKnown } = this.#log
    const fresh = isKnown ? revocations.filter((each) => !known.covers(each)) : revocations
    if (fresh.length === 0) onOutcome('stored')
    else if (known.countOf(keyName) + fresh.length > limits.revocationsPerKeyMax) onOutcome('full')
    else this.#log.store(fresh, onOutcome)
  }

  #newSync(): RevocationSync {
    const { self, deadlines, now, places, speakers, send } = this.#ports
    return new RevocationSync({
      self, deadlines, now, places, speakers, send,
      known: () => this.#log.known.all(now().wallMs + limits.clockSkewMs),
      store: (revocations) => {
        for (const [keyName, some] of Map.groupBy(revocations, (each) => each.keyName)) {
          const isKey = this.#ports.directory()?.key(keyName) !== undefined
          if (isKey) this.#storeAbroad(keyName, some)
        }
      }
    })
  }

  /** A page of another region has more than one append carries. */
  #storeAbroad(keyName: string, revocations: readonly Revocation[]): void {
    for (let at = 0; at < revocations.length; at += limits.revokeTargetsMax) {
      // What could not be stored is told again.
      this.revoke(keyName, revocations.slice(at, at + limits.revokeTargetsMax), () => undefined)
    }
  }

  #onRevocations(fresh: readonly Revocation[]): void {
    this.#sync.onFresh(fresh)
    const keyNames = new Set(fresh.map(({ keyName }) => keyName))
    const { wallMs, monoMs } = this.#ports.now()
    for (const { appliesAtMs, issuedBeforeMs } of fresh) {
      if (appliesAtMs > wallMs) this.#dueAtMs.add(appliesAtMs)
      const endMs = endOfSecond(issuedBeforeMs)
      if (endMs <= wallMs || this.#seconds.has(endMs)) continue
      this.#seconds.set(endMs, monoMs + Math.min(SECOND_MS, endMs - wallMs))
    }
    this.#look((each) => keyNames.has(each.keyName) && !this.#isOfRunningSecond(each), true)
    this.#wait()
    this.#waitForSecond()
  }

  /** Ends sessions whose tokens are revoked; `asksOthers`: those that soon will be are asked. */
  #look(concerns: (credentials: Credentials) => boolean, asksOthers: boolean): void {
    const { known } = this.#log
    this.#ports.review((credentials) => {
      if (credentials.token === undefined || !concerns(credentials)) return undefined
      const appliesAtMs = known.appliesAtOf(credentials)
      if (this.#isOver(appliesAtMs)) return { end: errors.tokenRevoked().info }
      return appliesAtMs !== undefined && asksOthers ? { end: undefined } : undefined
    })
  }

  /** True if it is a JWT, and one that took its place now would be revoked like it. */
  #isOfRunningSecond(credentials: Credentials): boolean {
    return this.#seconds.size > 0 && credentials.token?.kind === 'jwt' &&
      this.#seconds.has(this.#log.known.renewableAtOf(credentials) ?? 0)
  }

  #isOver(appliesAtMs: number | undefined): boolean {
    return appliesAtMs !== undefined && appliesAtMs <= this.#ports.now().wallMs
  }

  /** One deadline, for the next second that is over: who holds a JWT of it is told then. */
  #waitForSecond(): void {
    const { deadlines, now } = this.#ports
    deadlines.cancel(this.#secondOver)
    this.#secondOver = undefined
    if (this.#seconds.size === 0) return
    this.#secondOver = deadlines.at(Math.min(...this.#seconds.values()), () => {
      const nowMs = now().monoMs
      const over = [...this.#seconds].filter(([, untilMs]) => untilMs <= nowMs)
        .map(([endMs]) => endMs)
      for (const endMs of over) this.#seconds.delete(endMs)
      // Who was revoked again meanwhile does not wait for that second, too.
      const firstMs = Math.min(...over)
      this.#look((each) => each.token?.kind === 'jwt' &&
        (this.#log.known.renewableAtOf(each) ?? 0) >= firstMs, true)
      this.#waitForSecond()
    })
  }

  /** One deadline, for the next that apply. Clocks differ, so it is looked at again then. */
  #wait(): void {
    const { deadlines, now } = this.#ports
    deadlines.cancel(this.#due)
    this.#due = undefined
    if (this.#dueAtMs.size === 0) return
    const { monoMs, wallMs } = now()
    const atMs = Math.min(...this.#dueAtMs)
    this.#due = deadlines.at(monoMs + Math.max(0, atMs - wallMs), () => {
      const nowMs = now().wallMs
      let isDue = false
      for (const each of this.#dueAtMs) {
        if (each > nowMs) continue
        this.#dueAtMs.delete(each)
        isDue = true
      }
      if (isDue) this.#look((each) => !this.#isOfRunningSecond(each), false)
      this.#wait()
    })
  }
}
