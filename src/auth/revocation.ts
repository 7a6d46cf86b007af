/**
 * Revocations: tokens of a key that are refused before their time (ably-protocol 11.6, 4.6). One
 * names a target, which is what its tokens have in common: the clientId or the revocation key that
 * they were issued with, or a resource of their capability, as it is written there. It means the
 * tokens that were issued before an instant, and applies at once or from another instant on. JWTs
 * say in whole seconds when they were issued: of those of the instant's own second nobody can tell
 * which were before, so all of them are meant.
 *
 * A revocation is kept until no token that it could mean can live any more. Of one target only
 * those are kept that say something which no other one says: an older one that applies no earlier
 * is a part of a newer one.
 */

import { limits } from '../base/limits.ts'
import type { Credentials } from './key.ts'

export const targetTypes = ['clientId', 'revocationKey', 'channel'] as const
export type TargetType = (typeof targetTypes)[number]

export interface Revocation {
  readonly keyName: string
  /** `<type>:<value>`, as it was asked for. */
  readonly target: string
  /** Tokens with an earlier time of issue are meant; wall time. */
  readonly issuedBeforeMs: number
  /** Wall time; 0: at once, whatever the clocks say. */
  readonly appliesAtMs: number
}

/** Of one target: what is meant from when on. */
interface Step {
  readonly issuedBeforeMs: number
  readonly appliesAtMs: number
}

/** No node takes a token any more that this revocation could mean; wall time. */
export function endOf({ issuedBeforeMs }: Pick<Revocation, 'issuedBeforeMs'>): number {
  return issuedBeforeMs + limits.revocableTokenLifeMs + limits.clockSkewMs
}

/** When the second of this instant is over; one that begins a second is of none. */
export function endOfSecond(atMs: number): number {
  return Math.ceil(atMs / SECOND_MS) * SECOND_MS
}

/** The target of that type, or undefined for a text that names none. */
export function parseTarget(text: string): string | undefined {
  const colon = text.indexOf(':')
  const isOne = (targetTypes as readonly string[]).includes(text.slice(0, colon)) &&
    colon + 1 < text.length && text.length <= limits.revocationTargetBytesMax &&
    text.isWellFormed() &&
    Buffer.byteLength(JSON.stringify(text)) <= limits.revocationTargetBytesMax
  return isOne ? text : undefined
}

/** All revocations that a worker knows, by key and target. */
export class Revocations {
  readonly #byKey = new Map<string, Map<string, readonly Step[]>>()
  #prunedAtMs = 0

  /** How many targets of the key have revocations. */
  countOf(keyName: string): number {
    return this.#byKey.get(keyName)?.size ?? 0
  }

  /** True if what this one says is known. */
  covers({ keyName, target, issuedBeforeMs, appliesAtMs }: Revocation): boolean {
    const steps = this.#byKey.get(keyName)?.get(target) ?? []
    return steps.some((step) =>
      step.issuedBeforeMs >= issuedBeforeMs && step.appliesAtMs <= appliesAtMs)
  }

  /** Takes note of one; false if it says nothing new. */
  add(revocation: Revocation): boolean {
    if (this.covers(revocation)) return false
    const { keyName, target, issuedBeforeMs, appliesAtMs } = revocation
    const targets = this.#byKey.get(keyName) ?? new Map<string, readonly Step[]>()
    this.#byKey.set(keyName, targets)
    const kept = (targets.get(target) ?? []).filter((step) =>
      step.issuedBeforeMs > issuedBeforeMs || step.appliesAtMs < appliesAtMs)
    targets.set(target, bounded([...kept, { issuedBeforeMs, appliesAtMs }]))
    return true
  }

  /** From when on a token is refused; undefined: it is not revoked. */
  appliesAtOf(credentials: Credentials): number | undefined {
    const steps = this.#stepsOf(credentials)
    return steps.length === 0 ? undefined : Math.min(...steps.map((step) => step.appliesAtMs))
  }

  /**
   * From when on another token in the place of this one is not revoked, if it is issued then; wall
   * time. A JWT says the second of its issue alone, so that is when the second is over in which
   * the last of what revokes it was. Undefined: it is not revoked.
   */
  renewableAtOf(credentials: Credentials): number | undefined {
    const steps = this.#stepsOf(credentials)
    if (steps.length === 0) return undefined
    const issuedBeforeMs = Math.max(...steps.map((step) => step.issuedBeforeMs))
    return credentials.token?.kind === 'jwt' ? endOfSecond(issuedBeforeMs) : issuedBeforeMs
  }

  /** All that revokes a token. */
  #stepsOf({ keyName, capability, token }: Credentials): readonly Step[] {
    const targets = this.#byKey.get(keyName)
    if (targets === undefined || token === undefined) return NONE
    const { issuedAtMs, issuedTo, revocationKey, claimed = capability } = token
    const meant: Step[] = []
    const look = (target: string): void => {
      for (const step of targets.get(target) ?? NONE) {
        if (step.issuedBeforeMs > issuedAtMs) meant.push(step)
      }
    }
    if (issuedTo !== undefined) look(`clientId:${issuedTo}`)
    if (revocationKey !== undefined) look(`revocationKey:${revocationKey}`)
    for (const resource of claimed.keys()) look(`channel:${resource}`)
    return meant
  }

  /** Those that still count at this wall time. */
  all(nowMs: number): Revocation[] {
    const all: Revocation[] = []
    for (const [keyName, targets] of this.#byKey) {
      for (const [target, steps] of targets) {
        for (const step of steps) if (endOf(step) > nowMs) all.push({ keyName, target, ...step })
      }
    }
    return all
  }

  /** Forgets, now and then, what means no living token any more. */
  prune(nowMs: number): void {
    if (nowMs < this.#prunedAtMs + PRUNE_MS) return
    this.#prunedAtMs = nowMs
    for (const [keyName, targets] of this.#byKey) {
      for (const [target, steps] of targets) {
        if (steps.every((step) => endOf(step) <= nowMs)) targets.delete(target)
      }
      if (targets.size === 0) this.#byKey.delete(keyName)
    }
  }
}

const NONE: readonly Step[] = []
const PRUNE_MS = 60_000
const SECOND_MS = 1_000

/** Above the bound the one that would apply last applies as early as the one before it. */
function bounded(steps: Step[]): readonly Step[] {
  if (steps.length <= limits.revocationStepsMax) return steps
  steps.sort((one, other) => one.appliesAtMs - other.appliesAtMs)
  const [last, before] = [steps.pop()!, steps.pop()!]
  const issuedBeforeMs = Math.max(last.issuedBeforeMs, before.issuedBeforeMs)
  return [...steps, { issuedBeforeMs, appliesAtMs: before.appliesAtMs }]
}

// -- as the log keeps them --------------------------------------------------------------------

/** What one append says: who wrote it, so that it is known again, and what is revoked. */
export interface RevocationRecord {
  readonly id: string
  readonly revocations: readonly Revocation[]
}

const FORMAT_VERSION = 1

export function encodeRevocations({ id, revocations }: RevocationRecord): Uint8Array {
  const rows = revocations.map((each) =>
    [each.keyName, each.target, each.issuedBeforeMs, each.appliesAtMs])
  return Buffer.from(JSON.stringify([FORMAT_VERSION, id, rows]))
}

/** The inverse; undefined for what a later release wrote in another form. */
export function decodeRevocations(bytes: Uint8Array): RevocationRecord | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
  const fields = JSON.parse(text) as [number, string, [string, string, number, number][]]
  if (fields[0] !== FORMAT_VERSION) return undefined
  const revocations = fields[2].map(([keyName, target, issuedBeforeMs, appliesAtMs]) =>
    ({ keyName, target, issuedBeforeMs, appliesAtMs }))
  return { id: fields[1], revocations }
}
