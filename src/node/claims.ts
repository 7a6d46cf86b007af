/**
 * A worker's side of the talk with the registers (rule 20): it asks for connections that clients
 * have come with, tells which keys are proven, and answers for the sessions that it holds.
 *
 * What it asks it asks again until it is answered, of whoever masters the connection's partition
 * by then: first soon, then less often, and at once when the view changes.
 */

import type { ConnectionFacts } from '../auth/connection-key.ts'
import type { Now } from '../base/clock.ts'
import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { Random } from '../base/random.ts'
import type {
  Claim,
  ClaimGranted,
  FromRegister,
  Holding,
  Life,
  Prove,
  StillHeld,
  ToRegister
} from '../peer/claim-message.ts'
import type { Place } from '../peer/place.ts'
import type { ErrorInfo } from '../wire/errors.ts'
import { UnheardClaims } from './unheard-claims.ts'

/** The sessions of this worker, as registers ask for them. */
export interface Holder {
  holdingOf(connectionId: string): Holding
  /** The connection cannot be resumed any more. */
  endHeld(connectionId: string): void
  /** Every session of the connection below `claim` is over. */
  onSuperseded(connectionId: string, claim: number): void
}

export interface DeskPorts {
  readonly self: Life
  readonly deadlines: Deadlines
  readonly random: Random
  now(): Now
  viewVersion(): number
  /** Where it is said that there was a view of this version. */
  readonly outbox: { heardView(version: number, from: string | undefined): void }
  /** Sends to the connection's register, if anybody is known to be it. */
  askRegister(connectionId: string, message: ToRegister): void
  answerRegister(to: Place, message: ToRegister): void
}

export type ClaimDecision =
  | ({ readonly kind: 'granted' } & Pick<ClaimGranted, 'claim' | 'lineage' | 'past'>)
  | { readonly kind: 'refused'; readonly error: ErrorInfo }

/** Undecided: nobody has answered in time. It may be granted yet, so the client comes again. */
export type ClaimOutcome = ClaimDecision | { readonly kind: 'undecided' }

/** A request that is sent again until it is answered. */
interface Asking {
  readonly message: Claim | Prove
  readonly untilMs: number
  retryMs: number
  retry: Deadline | undefined
  /** Nobody waits for it: it is not asked again. */
  isResting: boolean
  readonly onOutcome: (outcome: ClaimOutcome) => void
}

export class ClaimDesk {
  readonly #ports: DeskPorts
  readonly #holder: Holder
  /** When this life of the worker was told its first view. */
  #bornAtMs: number | undefined
  readonly #claims = new Map<string, Asking>()
  readonly #proofs = new Map<string, Asking>()
  readonly #unheard = new UnheardClaims()

  constructor(ports: DeskPorts, holder: Holder) {
    this.#ports = ports
    this.#holder = holder
  }

  /** Questions to registers. */
  get count(): number {
    return this.#claims.size + this.#proofs.size
  }

  *sizes(): Generator<Size> {
    yield* this.#unheard.sizes()
  }

  /**
   * Asks for a connection; `onOutcome` is called once, later. Returns what `rest` wants.
   */
  claim(facts: ConnectionFacts, onOutcome: (outcome: ClaimOutcome) => void): string {
    const { connectionId, claim: keyClaim, home, lineage } = facts
    const claimId = this.#ports.random.id(12)
    const { generation } = this.#ports.self
    // Whoever is behind the view of the key may not know who issued it; and where the ring object
    // was restored from an older state, nobody would ever come as far again of himself.
    const known = this.#ports.viewVersion()
    const viewVersion = Math.max(known, facts.viewVersion)
    if (viewVersion > known) this.#ports.outbox.heardView(viewVersion, undefined)
    const message: Claim = {
      kind: 'claim', connectionId, claimId, generation, keyClaim, home, lineage, viewVersion
    }
    const untilMs = this.#ports.now().monoMs + limits.claimAnswerMs
    this.#claims.set(claimId, this.#asked(message, untilMs, onOutcome))
    return claimId
  }

  /**
   * Nobody waits for this claim any more. It is not asked for again, for the client may have gone
   * elsewhere; but one that was granted already is ours.
   */
  rest(claimId: string): void {
    const asking = this.#claims.get(claimId)
    if (asking === undefined) return
    asking.isResting = true
  }

  /** The client was heard on the socket of this claim: older keys are of no use to it. */
  prove(connectionId: string, claim: number): void {
    const former = this.#proofs.get(connectionId)
    this.#ports.deadlines.cancel(former?.retry)
    const message: Prove = { kind: 'prove', connectionId, claim }
    const untilMs = this.#ports.now().monoMs + limits.idKeptMs
    this.#proofs.set(connectionId, this.#asked(message, untilMs, () => undefined))
  }

  /** Somebody else may be the register now. */
  onView(): void {
    this.#bornAtMs ??= this.#ports.now().monoMs
    for (const asking of [...this.#claims.values(), ...this.#proofs.values()]) {
      this.#ports.deadlines.cancel(asking.retry)
      asking.retryMs = limits.joinRetryMs
      this.#ask(asking)
    }
  }

  onMessage(from: Place, message: FromRegister): void {
    const { connectionId } = message
    switch (message.kind) {
      case 'claimGranted': {
        if (this.#claims.has(message.claimId)) this.#unheard.delete(connectionId)
        const { claim, lineage, past } = message
        this.#settle(message.claimId, { kind: 'granted', claim, lineage, past })
        return
      }
      case 'claimRefused':
        this.#settle(message.claimId, { kind: 'refused', error: message.error })
        return
      case 'stillHeld':
        this.#onStillHeld(from, message)
        return
      case 'superseded':
        this.#holder.onSuperseded(connectionId, message.claim)
        return
      case 'proved': {
        const proof = this.#proofs.get(connectionId)?.message
        if (proof?.kind === 'prove' && proof.claim <= message.claim) this.#endProof(connectionId)
        return
      }
    }
  }

  #onStillHeld(from: Place, asked: StillHeld): void {
    const { connectionId, claimId, generation, heldAs, mustEnd } = asked
    const isFormer = generation < this.#ports.self.generation
    const nowMs = this.#ports.now().monoMs
    const livedMs = nowMs - (this.#bornAtMs ?? nowMs)
    let holding: Holding = this.#holder.holdingOf(connectionId)
    if (holding.kind !== 'held') {
      const isOnItsWay = heldAs !== undefined &&
        (this.#claims.has(heldAs) || this.#unheard.has(connectionId, nowMs))
      if (isOnItsWay) holding = onItsWay
      else if (isFormer) holding = { kind: 'formerLife', livedMs }
    }
    if (mustEnd) this.#holder.endHeld(connectionId)
    this.#ports.answerRegister(from, { kind: 'holding', connectionId, claimId, holding })
  }

  #asked(message: Asking['message'], untilMs: number, onOutcome: Asking['onOutcome']): Asking {
    const asking: Asking = {
      message, untilMs, retryMs: limits.joinRetryMs, retry: undefined, isResting: false, onOutcome
    }
    this.#ask(asking)
    return asking
  }

  #ask(asking: Asking): void {
    const { message, untilMs } = asking
    const pauseMs = this.#ports.random.jitter(asking.retryMs, 0.3)
    asking.retryMs = Math.min(asking.retryMs * 2, limits.joinRetryMaxMs)
    const atMs = Math.min(this.#ports.now().monoMs + pauseMs, untilMs)
    asking.retry = this.#ports.deadlines.at(atMs, () => {
      if (atMs === untilMs) this.#giveUp(asking)
      else this.#ask(asking)
    })
    if (!asking.isResting) this.#ports.askRegister(message.connectionId, message)
  }

  #giveUp({ message }: Asking): void {
    if (message.kind === 'prove') {
      this.#endProof(message.connectionId)
    } else {
      this.#unheard.add(message.connectionId, this.#ports.now().monoMs)
      this.#settle(message.claimId, { kind: 'undecided' })
    }
  }

  #settle(claimId: string, outcome: ClaimOutcome): void {
    const asking = this.#claims.get(claimId)
    if (asking === undefined) return
    this.#claims.delete(claimId)
    this.#ports.deadlines.cancel(asking.retry)
    asking.onOutcome(outcome)
  }

  #endProof(connectionId: string): void {
    this.#ports.deadlines.cancel(this.#proofs.get(connectionId)?.retry)
    this.#proofs.delete(connectionId)
  }
}

const onItsWay: Holding = {
  kind: 'held', claim: 0, isProven: false, past: { doubtfulThrough: -1, saidThrough: undefined }
}
