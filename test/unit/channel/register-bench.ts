/** A register alone, with a log that takes entries when the test says. */

import { Deadlines } from '../../../src/base/deadlines.ts'
import { ClaimRegister, type Fate } from '../../../src/channel/claims.ts'
import type { Entry } from '../../../src/log/entry.ts'
import type { Claim, FromRegister, Holding } from '../../../src/peer/claim-message.ts'
import { epochOf } from '../../../src/peer/epoch.ts'
import { type Place, placeKey } from '../../../src/peer/place.ts'

export const home: Place = { incarnation: 'home', worker: 0 }
export const n1: Place = { incarnation: 'n1', worker: 1 }
export const n2: Place = { incarnation: 'n2', worker: 0 }

/** No publish is without outcome. */
export const certain = { past: { doubtfulThrough: -1, saidThrough: -1 } }

/** A claim of connection `c` with its first key, issued by `home`. */
export function claim(claimId: string, over: Partial<Claim> = {}): Claim {
  return {
    kind: 'claim', connectionId: 'c', claimId, generation: 1, keyClaim: 0,
    home: { ...home, generation: 1 }, lineage: undefined, viewVersion: 1, ...over
  }
}

export class RegisterBench {
  readonly register: ClaimRegister
  readonly deadlines = new Deadlines()
  readonly fates = new Map<string, Fate>()
  /** What waits for the log. */
  entries: { entry: Entry; number: number }[] = []
  nowMs = 1_000
  viewVersion = 1
  #entryNo = 0
  readonly #said = new Map<string, FromRegister[]>()

  constructor() {
    this.register = new ClaimRegister({
      deadlines: this.deadlines,
      now: () => ({ monoMs: this.nowMs, wallMs: this.nowMs }),
      viewVersion: () => this.viewVersion,
      fateOf: (incarnation) => this.fates.get(incarnation) ?? 'listed',
      send: (place, message) => {
        const key = placeKey(place)
        this.#said.set(key, [...(this.#said.get(key) ?? []), message])
      },
      append: (entry) => {
        this.entries.push({ entry, number: ++this.#entryNo })
        return this.#entryNo
      }
    })
    this.register.begin('lin', epochOf(1, 1))
  }

  claim(from: Place, message: Claim): void {
    this.register.onMessage(from, message)
  }

  hold(from: Place, claimId: string, holding: Holding, connectionId = 'c'): void {
    this.register.onMessage(from, { kind: 'holding', connectionId, claimId, holding })
  }

  /** Everything that waits is in the log. */
  commit(): void {
    for (const { entry, number } of this.entries.splice(0)) {
      this.register.onCommitted(entry, number)
    }
  }

  pass(ms: number): void {
    this.nowMs += ms
    this.deadlines.fire(this.nowMs)
    this.register.expire(this.nowMs)
  }

  /** Connection `c`, held at its home, is granted to `to`. */
  grant(to: Place, claimId: string): void {
    this.claim(to, claim(claimId))
    this.hold(home, claimId, { kind: 'held', claim: 0, isProven: true, ...certain })
    this.commit()
    this.take(to)
    this.take(home)
  }

  /** What was said to a place since the last call. */
  take(place: Place): string[] {
    const key = placeKey(place)
    const said = this.#said.get(key) ?? []
    this.#said.delete(key)
    return said.map(wordsOf)
  }
}

function wordsOf(message: FromRegister): string {
  switch (message.kind) {
    case 'claimGranted':
      return `claimGranted ${message.claimId} ${message.claim} ${message.lineage}`
    case 'claimRefused':
      return `claimRefused ${message.claimId} ${message.error.code}`
    case 'stillHeld': {
      const ends = message.mustEnd ? ' mustEnd' : ''
      return `stillHeld ${message.claimId} ${message.generation}${ends}`
    }
    default:
      return `${message.kind} ${message.claim}`
  }
}
