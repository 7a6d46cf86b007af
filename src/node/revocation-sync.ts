/**
 * What is revoked in one region is revoked in all (docs/decisions/0024-regions.md). Of each region
 * one worker speaks, the first of its view: as every worker it knows all that is revoked there.
 *
 *   something is revoked here, or half a minute is over ──revokedAbroad: digest, news──▶ theirs
 *   theirs knows something else ──revokedDiffers──▶ ours ──revokedAll──▶ theirs stores what is new
 *
 * Both do so, so that whatever was lost on the way, or said while a region was away, is told
 * within half a minute; and what is stored in a region all its workers learn.
 */

import { hash32 } from '../base/hash.ts'
import type { Deadline, Deadlines } from '../base/deadlines.ts'
import type { Now } from '../base/clock.ts'
import { limits } from '../base/limits.ts'
import type { Revocation } from '../auth/revocation.ts'
import { isSamePlace, type Place } from '../peer/place.ts'
import type { RevokedAbroad, RevocationMessage } from '../peer/revocation-message.ts'

export interface RevocationSyncPorts {
  readonly self: Place
  readonly deadlines: Deadlines
  now(): Now
  /** Every worker of the region, in the order of its view. */
  places(): readonly Place[]
  /** Who speaks for each of the other regions. */
  speakers(): readonly Place[]
  /** All that is revoked, and does not end within a minute. */
  known(): readonly Revocation[]
  /** Stores what of this is not known. */
  store(revocations: readonly Revocation[]): void
  send(to: Place, message: RevocationMessage): void
}

export class RevocationSync {
  readonly #ports: RevocationSyncPorts
  #beat: Deadline | undefined
  /** What other regions have told lately, and is being stored: nobody needs to hear of it again. */
  readonly #told = new Set<string>()

  constructor(ports: RevocationSyncPorts) {
    this.#ports = ports
  }

  /** How many deadlines it has: one while there are other regions. */
  get beatCount(): number {
    return this.#beat === undefined ? 0 : 1
  }

  /** Regions have come, or gone. */
  onWorld(): void {
    this.#tell([])
    this.#wait()
  }

  /** These were not known before, here or in another region. */
  onFresh(revocations: readonly Revocation[]): void {
    const own = revocations.filter((each) => !this.#told.delete(textOf(each)))
    if (own.length > 0) this.#tell(own)
  }

  onMessage(from: Place, message: Exclude<RevocationMessage, { kind: 'revoked' }>): void {
    switch (message.kind) {
      case 'revokedAbroad':
        this.#onAbroad(from, message)
        return
      case 'revokedDiffers':
        for (const revocations of pagesOf(this.#ports.known())) {
          if (revocations.length > 0) this.#ports.send(from, { kind: 'revokedAll', revocations })
        }
        return
      case 'revokedAll':
        this.#store(message.revocations)
        return
    }
  }

  #onAbroad(from: Place, { digest, revocations }: RevokedAbroad): void {
    const { known, send } = this.#ports
    const mine = known()
    if (digestOf(mine) === digest) return
    const keys = new Set(mine.map(textOf))
    const union = [...mine, ...revocations.filter((each) => !keys.has(textOf(each)))]
    this.#store(revocations)
    // What it has told now is all that was missing, or there is more.
    if (digestOf(union) !== digest) send(from, { kind: 'revokedDiffers' })
  }

  #store(revocations: readonly Revocation[]): void {
    for (const each of revocations) this.#told.add(textOf(each))
    this.#ports.store(revocations)
  }

  #tell(revocations: readonly Revocation[]): void {
    const { self, places, speakers, known, send } = this.#ports
    const [first] = places()
    if (first === undefined || !isSamePlace(first, self)) return
    const others = speakers()
    if (others.length === 0) return
    const digest = digestOf(known())
    for (const to of others) {
      for (const page of pagesOf(revocations)) {
        send(to, { kind: 'revokedAbroad', digest, revocations: page })
      }
    }
  }

  #wait(): void {
    const { deadlines, now, speakers } = this.#ports
    deadlines.cancel(this.#beat)
    this.#beat = undefined
    if (speakers().length === 0) return
    this.#beat = deadlines.at(now().monoMs + limits.revocationSyncMs, () => {
      this.#told.clear()
      this.#tell([])
      this.#wait()
    })
  }
}

/** The same for the same revocations, in whatever order. */
function digestOf(revocations: readonly Revocation[]): number {
  return revocations.reduce((sum, each) => (sum ^ hash32(textOf(each))) >>> 0, 0)
}

function textOf({ keyName, target, issuedBeforeMs, appliesAtMs }: Revocation): string {
  return `${keyName} ${issuedBeforeMs} ${appliesAtMs} ${target}`
}

/** So many as fit in one message; at least one page. */
function pagesOf(revocations: readonly Revocation[]): Revocation[][] {
  const pages: Revocation[][] = []
  for (let at = 0; at < Math.max(1, revocations.length); at += limits.revocationsPerPage) {
    pages.push(revocations.slice(at, at + limits.revocationsPerPage))
  }
  return pages
}
