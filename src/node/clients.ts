/** A node's ChannelClients of one worker: made when wanted, and let go when nobody uses them. */

import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import type { MeterSource } from '../base/meter.ts'
import type { Random } from '../base/random.ts'
import { ChannelClient } from '../channel/client.ts'
import type { Allocate } from '../channel/encoding.ts'
import type { PeerMessage, ToClientFromGroup, ToClientFromMaster, ToGroup }
  from '../peer/message.ts'
import type { Place } from '../peer/place.ts'
import type { Mastership } from './mastership.ts'
import { batchingOf, type ChannelRules } from './namespace-rules.ts'

const SWEEP_MS = 5_000

export interface ClientsPorts {
  readonly deadlines: Deadlines
  readonly random: Random
  readonly allocate: Allocate
  readonly meters: MeterSource
  now(): Now
}

/** What they need from their worker's channels. */
export interface ClientsOwner {
  readonly self: Place
  readonly mastership: Mastership
  rules(): ChannelRules
  send(to: Place, message: PeerMessage): void
  /** Some may have said their last. */
  onSwept(): void
}

export class Clients {
  readonly #ports: ClientsPorts
  readonly #owner: ClientsOwner
  readonly #clients = new Map<string, ChannelClient>()
  #isSweeping = false

  constructor(ports: ClientsPorts, owner: ClientsOwner) {
    this.#ports = ports
    this.#owner = owner
  }

  get size(): number {
    return this.#clients.size
  }

  get(channel: string): ChannelClient | undefined {
    return this.#clients.get(channel)
  }

  values(): MapIterator<ChannelClient> {
    return this.#clients.values()
  }

  /** A group says something to the client of its channel, which is made where that begins it. */
  onGroupMessage(worker: number, message: ToClientFromGroup): void {
    const { channel } = message
    const client = this.#clients.get(channel)
    const isWorth = message.kind === 'attach' || message.kind === 'submit' ||
      (message.kind === 'declared' && message.members.length > 0)
    if (client !== undefined) client.onGroupMessage(worker, message)
    else if (isWorth) this.#make(channel).onGroupMessage(worker, message)
  }

  /** A master says something to the client of a channel; it may wait for one that has left. */
  onMasterMessage(from: Place, message: ToClientFromMaster): void {
    const { channel } = message
    const client = this.#clients.get(channel)
    if (client !== undefined) client.onMasterMessage(message)
    else if (message.kind === 'joinAgain' && message.clientId !== undefined) {
      this.#owner.send(from, { kind: 'part', channel, clientId: message.clientId })
    }
  }

  #make(channel: string): ChannelClient {
    const { deadlines, random, allocate, meters, now } = this.#ports
    const { self, mastership, rules, send } = this.#owner
    const client = new ChannelClient(channel, {
      deadlines, random, allocate, meter: meters.ofChannel(channel),
      nowMs: () => now().monoMs, viewVersion: () => mastership.viewVersion,
      batching: batchingOf(channel, rules),
      toMaster: (name, message) => {
        if (message.kind === 'part') {
          for (const place of mastership.doubtedMasters(name)) send(place, message)
        }
        const master = mastership.masterPlace(name)
        if (master !== undefined) send(master, message)
        return master !== undefined
      },
      toGroup: (worker, message) => {
        send({ incarnation: self.incarnation, worker }, message as ToGroup)
      }
    })
    this.#clients.set(channel, client)
    this.#sweepLater()
    return client
  }

  #sweepLater(): void {
    if (this.#isSweeping) return
    this.#isSweeping = true
    this.#ports.deadlines.at(this.#ports.now().monoMs + SWEEP_MS, (nowMs) => {
      this.#isSweeping = false
      for (const [name, client] of this.#clients) {
        if (!client.isSpent(nowMs)) continue
        client.close()
        this.#clients.delete(name)
      }
      this.#owner.onSwept()
      if (this.#clients.size > 0) this.#sweepLater()
    })
  }
}
