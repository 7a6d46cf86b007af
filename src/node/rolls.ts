/**
 * Rolls that other masters have called (channel/roll.ts), at a node: each is answered as soon as
 * every ChannelClient of the partition has joined that very mastership and declared its members.
 * A roll that cannot be answered is forgotten when its caller has stopped to wait.
 */

import { limits } from '../base/limits.ts'
import type { ChannelClient } from '../channel/client.ts'
import type { PeerMessage, RollCalled } from '../peer/message.ts'
import type { Place } from '../peer/place.ts'

interface Called {
  readonly from: Place
  readonly call: RollCalled
  readonly clients: readonly ChannelClient[]
  readonly untilMs: number
}

export class Rolls {
  /** The last one of each partition. */
  readonly #called = new Map<number, Called>()

  /** `clients`: those of the partition. */
  onCalled(from: Place, call: RollCalled, clients: readonly ChannelClient[], nowMs: number): void {
    const untilMs = nowMs + limits.rollMs
    this.#called.set(call.partition, { from, call, clients, untilMs })
    for (const client of clients) client.onRollCalled(call.epoch)
  }

  /** Answers those for which everybody has declared. */
  flush(send: (to: Place, message: PeerMessage) => void, nowMs: number): void {
    for (const [partition, { from, call, clients, untilMs }] of this.#called) {
      const isAnswered = clients.every((client) => client.hasDeclared(call.epoch))
      if (isAnswered) send(from, { kind: 'rollAnswered', partition, epoch: call.epoch })
      if (isAnswered || nowMs > untilMs) this.#called.delete(partition)
    }
  }
}
