/**
 * Where a channel's master takes publishes (rules 16 to 18): the client's next one only, known
 * ids are answered with the outcome of the first, and what cannot be taken is refused with a
 * reason, again and again until the client has heard it.
 */

import { TokenBucket } from '../base/rate.ts'
import type { PeerMessage, Publish, PublishOp, PublishOutcome } from '../peer/message.ts'
import { type Place, placeKey } from '../peer/place.ts'
import { errors } from '../wire/errors.ts'
import type { ErrorInfo } from '../wire/protocol-message.ts'
import type { Dedupe, Taken } from './dedupe.ts'
import { serialsOf } from './encoding.ts'
import type { Interest, Interests } from './interests.ts'
import { Patience, type PatiencePorts } from './patience.ts'
import type { MasterPresence } from './presence-master.ts'

export interface DeskPorts extends PatiencePorts {
  /** Of the mastership. */
  readonly epoch: number
  readonly lineage: string
  send(place: Place, message: PeerMessage): void
  /** Gives the op its place in the order. */
  publish(op: PublishOp): void
  /** Why nothing can be taken at present. */
  refusal(op: PublishOp): ErrorInfo | undefined
  /** True if it is acknowledged once another region has it. */
  isGlobal(op: PublishOp): boolean
  /** True if something of its kind waits for another region: the rule may have been another. */
  isOwedAbroad(op: PublishOp): boolean
}

interface Parts {
  readonly dedupe: Dedupe
  readonly interests: Interests
  readonly presence: MasterPresence
}

export class PublishDesk {
  readonly #channel: string
  readonly #dedupe: Dedupe
  readonly #interests: Interests
  readonly #presence: MasterPresence
  readonly #ports: DeskPorts
  readonly #patience: Patience
  /** Where the app says how much a channel may take. */
  #rate: TokenBucket | undefined

  constructor(channel: string, { dedupe, interests, presence }: Parts, ports: DeskPorts) {
    this.#channel = channel
    this.#dedupe = dedupe
    this.#interests = interests
    this.#presence = presence
    this.#ports = ports
    this.#patience = new Patience(ports)
  }

  /** Takes the client's next publish; anything but the next is a repeat or comes too early. */
  onPublish(place: Place, publish: Publish, nowMs: number): void {
    const interest = this.#interests.get(placeKey(place))
    if (interest === undefined || interest.clientId !== publish.clientId) return
    for (const opNo of interest.refused.keys()) {
      if (opNo <= publish.answeredThrough) interest.refused.delete(opNo)
    }
    const { opNo } = publish
    if (opNo > interest.nextOpNo) return
    const refused = interest.refused.get(opNo)
    if (refused !== undefined) {
      this.#answer(place, publish, { kind: 'refused', error: refused })
      return
    }
    const isRepeat = opNo < interest.nextOpNo
    if (!isRepeat) interest.nextOpNo++
    this.#take(place, interest, publish, isRepeat, nowMs)
  }

  #take(
    place: Place,
    interest: Interest,
    publish: Publish,
    isRepeat: boolean,
    nowMs: number
  ): void {
    const { op } = publish
    const say = (taken: Taken | undefined): void => {
      // Whoever asked may be gone, or live anew and know nothing of it.
      if (this.#interests.get(placeKey(place)) !== interest) return
      if (taken === undefined) {
        const { info: error } = errors.timeout('No other region has it yet; say it again')
        interest.refused.set(publish.opNo, error)
        this.#answer(place, publish, { kind: 'refused', error })
        return
      }
      if (taken.messageCount !== op.messageCount) {
        // A part of it was never taken, so that no serials can be told of all.
        const { info: error } = errors.invalidMessageId('The id was used by another publish')
        this.#answer(place, publish, { kind: 'refused', error })
        return
      }
      const { timestamp } = taken
      const serials = serialsOf(taken, this.#ports.lineage)
      const committed = { kind: 'committed' as const, serials }
      this.#answer(place, publish, op.owner ? { ...committed, timestamp } : committed)
    }
    const known = this.#dedupe.find(op)
    if (known !== 'new') this.#dedupe.onRepeated(op, nowMs)
    if (known === 'pending' || known === 'held') {
      const isBounded = this.#ports.isGlobal(op) || this.#ports.isOwedAbroad(op)
      this.#dedupe.wait(op, isBounded ? this.#patience.bounded(say, nowMs) : say)
      return
    }
    if (known !== 'new' && known !== 'lapsed') {
      say(known)
      return
    }
    if (isRepeat || known === 'lapsed') {
      // It was decided once, and so long ago that nobody knows how, or nobody will ever know that
      // another region has it: it must not be taken again.
      this.#answer(place, publish, { kind: 'refused', error: errors.timeout().info })
      return
    }
    const isOvertaken = this.#dedupe.isOvertaken(op)
    const changes = op.owner === undefined || isOvertaken ? undefined : this.#presence.judge(op)
    const refusal = op.ifNew !== undefined ? op.ifNew
      : isOvertaken ? errors.overtaken().info
      : changes?.kind === 'refused' ? changes.error : this.#refusal(op, nowMs)
    if (refusal !== undefined) {
      interest.refused.set(publish.opNo, refusal)
      this.#answer(place, publish, { kind: 'refused', error: refusal })
      return
    }
    const isBounded = this.#ports.isGlobal(op)
    this.#dedupe.admit(op, isBounded ? this.#patience.bounded(say, nowMs) : say)
    if (changes?.kind === 'taken') this.#presence.write(op, changes, nowMs)
    else this.#ports.publish(op)
  }

  #refusal(op: PublishOp, nowMs: number): ErrorInfo | undefined {
    const { rateMax, messageCount } = op
    const refusal = this.#ports.refusal(op)
    if (refusal !== undefined) return refusal
    if (!this.#dedupe.hasRoom) return errors.rateLimited('Too many publishes on this channel').info
    if (rateMax === undefined) return undefined
    this.#rate ??= new TokenBucket(rateMax, nowMs)
    return this.#rate.take(nowMs, messageCount) ? undefined : errors.channelRateExceeded().info
  }

  #answer(place: Place, publish: Publish, outcome: PublishOutcome): void {
    this.#ports.send(place, {
      kind: 'result',
      channel: this.#channel,
      clientId: publish.clientId,
      epoch: this.#ports.epoch,
      opNo: publish.opNo,
      outcome
    })
  }
}
