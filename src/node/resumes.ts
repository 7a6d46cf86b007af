/**
 * Sockets that came with a key of an earlier connection, until it is decided what becomes of them.
 * A socket that goes meanwhile is not forgotten: what is granted to it is parked, since its client
 * has no newer key and comes again with the same one.
 */

import { isSuccessor } from '../auth/connect.ts'
import type { ConnectionFacts } from '../auth/connection-key.ts'
import type { Credentials } from '../auth/key.ts'
import type { Past } from '../peer/claim-message.ts'
import type { ErrorInfo } from '../wire/errors.ts'
import { errors } from '../wire/errors.ts'
import type { ClaimDecision, ClaimDesk, ClaimOutcome } from './claims.ts'
import type { EarlyFrame, Newcomer } from './newcomer.ts'
import type { Socket } from './outbox.ts'

const UNDECIDED = 'It is not decided yet who holds the connection; connect again'

/** A socket that waits, with a key of the region. */
export interface Resuming extends Newcomer {
  readonly facts: ConnectionFacts
}

export interface ResumesOwner {
  onDecided(resuming: Resuming, decision: ClaimDecision): void
  /** The connection is ours, and nobody is there any more. */
  onGrantedLate(connectionId: string, claim: number, past: Past): void
  /** Asks the client to come again; its key stays good. */
  turnAway(resuming: Resuming, error: ErrorInfo): void
}

export class Resumes {
  readonly #owner: ResumesOwner
  readonly #desk: ClaimDesk
  readonly #waiting = new Map<Socket, { resuming: Resuming; claimId: string }>()

  constructor(owner: ResumesOwner, desk: ClaimDesk) {
    this.#owner = owner
    this.#desk = desk
  }

  get count(): number {
    return this.#waiting.size
  }

  /** Asks the register whether the connection can go on here. */
  wait(resuming: Resuming): void {
    const { facts } = resuming
    const { socket } = resuming.slot
    const claimId = this.#desk.claim(facts, (outcome) => {
      const isHere = this.#waiting.delete(socket)
      if (isHere) this.#onOutcome(resuming, outcome)
      else if (outcome.kind === 'granted') {
        this.#owner.onGrantedLate(facts.connectionId, outcome.claim, outcome.past)
      }
    })
    this.#waiting.set(socket, { resuming, claimId })
  }

  onFrame(socket: Socket, frame: EarlyFrame): void {
    const waiting = this.#waiting.get(socket)
    if (waiting === undefined || waiting.resuming.early.add(frame)) return
    this.#turnAway(socket, errors.tooEarly().info)
  }

  onClosed(socket: Socket): void {
    const waiting = this.#waiting.get(socket)
    if (waiting === undefined) return
    this.#waiting.delete(socket)
    this.#desk.rest(waiting.claimId)
  }

  /** Nobody can be taken on here any more. */
  turnAwayAll(error: ErrorInfo): void {
    for (const socket of [...this.#waiting.keys()]) this.#turnAway(socket, error)
  }

  /** Where nothing is proven a new connection would only repeat what the former one published. */
  #onOutcome(resuming: Resuming, outcome: ClaimOutcome): void {
    if (outcome.kind === 'undecided') {
      this.#owner.turnAway(resuming, errors.disconnected(UNDECIDED).info)
    } else if (outcome.kind === 'refused' && outcome.error.statusCode >= 500) {
      this.#owner.turnAway(resuming, outcome.error)
    } else {
      this.#owner.onDecided(resuming, outcome)
    }
  }

  #turnAway(socket: Socket, error: ErrorInfo): void {
    const { resuming } = this.#waiting.get(socket)!
    this.onClosed(socket)
    this.#owner.turnAway(resuming, error)
  }
}

/** Why somebody with these credentials may not go on with a connection, if they may not. */
export function resumeRefusal(
  facts: ConnectionFacts,
  credentials: Credentials
): ErrorInfo | undefined {
  const { appId, keyName } = credentials
  if (facts.appId !== appId || facts.keyName !== keyName) return errors.resumeIncompatible().info
  if (isSuccessor(facts, credentials)) return undefined
  return errors.incompatibleCredentials('The connection belongs to another clientId').info
}
