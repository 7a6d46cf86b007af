/**
 * Gives what goes to a channel's log its place in the order: the next seq, and where it is born
 * here the next serial and, if nobody else did, an id. What a place was given to waits for the log.
 */

import { limits } from '../base/limits.ts'
import type { Origin, Publication, PublishOp } from '../peer/message.ts'
import { SerialClock, type Tick } from '../wire/serial.ts'
import type { PublishRule } from './channel-archive.ts'
import type { MasterPorts } from './master-ports.ts'
import { BREAK, type Transplant } from './transplant.ts'

/** What is kept of a publish for longer, and when it is acknowledged, by its namespace's rule. */
export type RuleFor = (op: PublishOp) => PublishRule

export class Sequencer {
  readonly #channel: string
  readonly #ports: Pick<MasterPorts, 'lineage' | 'now' | 'append'>
  readonly #ruleFor: RuleFor
  readonly #clock = new SerialClock()
  /** The highest seq that was given out, or is in the log. */
  lastSeq: number

  constructor(
    channel: string,
    lastSeq: number,
    ports: Pick<MasterPorts, 'lineage' | 'now' | 'append'>,
    ruleFor: RuleFor
  ) {
    this.#channel = channel
    this.lastSeq = lastSeq
    this.#ports = ports
    this.#ruleFor = ruleFor
  }

  /** The serial clock's last tick. */
  get tick(): Tick { return this.#clock.last() }

  /** No serial is given out any more that would sort before this tick. */
  followTick(tick: Tick): void { this.#clock.followTick(tick) }

  /** The same of another region's clock, which may be too far ahead to be followed. */
  followAbroad(tick: Tick): void {
    if (tick.ms <= this.#ports.now().wallMs + limits.relayLeadMs) this.#clock.followTick(tick)
  }

  /** `origin`: what is decided here of another region's members, whose clock may be ahead. */
  publish(op: PublishOp, origin?: Origin, earliestMs = 0): Omit<Publication, 'entry'> {
    return this.#append(op, origin === undefined ? {} : { origin }, earliestMs)
  }

  /** Something that was born elsewhere, before `origin`, may be missing from here on. */
  breakOff(origin: Origin): void {
    this.#append(BREAK, { origin, isBreak: true })
  }

  /** What was born elsewhere keeps its id and serial, and sorts before what is born here next. */
  bring(transplant: Transplant): void {
    const { timestamp: ms, counter } = transplant
    this.followAbroad({ ms, counter })
    this.#ports.append(this.#channel, { ...transplant, seq: ++this.lastSeq })
  }

  #append(
    op: PublishOp, of: Pick<Publication, 'origin' | 'isBreak'>, earliestMs = 0
  ): Omit<Publication, 'entry'> {
    const { id, idSpace, messageCount, ephemeralCount, owner } = op
    const { ms, counter } = this.#clock.next(this.#ports.now().wallMs)
    const timestamp = Math.max(ms, earliestMs)
    const seq = ++this.lastSeq
    const ownId = idSpace === 'master' ? `${this.#ports.lineage}:${seq}` : id
    const isLasting = owner !== undefined || messageCount > (ephemeralCount ?? 0)
    const { isGlobal, ...rule } = of.origin === undefined ? this.#ruleFor(op) : {}
    const kept = { ...(isLasting && rule), ...(isGlobal === true && { isGlobal }) }
    const { connectionId, msgSerial, payload, said } = op
    const publication = { seq, id: ownId, idSpace, connectionId, msgSerial, timestamp, counter,
      messageCount, payload, ephemeralCount, owner, said, ...kept, ...of }
    this.#ports.append(this.#channel, publication)
    return publication
  }
}
