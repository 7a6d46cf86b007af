/** A node's ChannelClients of one worker: made when wanted, and let go when nobody uses them. */

import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import type { ChannelClient } from '../channel/client.ts'
import type { Part, ToClientFromMaster } from '../peer/message.ts'
import type { Place } from '../peer/place.ts'

const SWEEP_MS = 5_000

export interface ClientsPorts {
  readonly deadlines: Deadlines
  now(): Now
}

/** What they need from their worker's channels. */
export interface ClientsOwner {
  make(channel: string): ChannelClient
  send(to: Place, message: Part): void
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

  /** Makes the one of a channel that has none. */
  make(channel: string): ChannelClient {
    const client = this.#owner.make(channel)
    this.#clients.set(channel, client)
    this.#sweepLater()
    return client
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
