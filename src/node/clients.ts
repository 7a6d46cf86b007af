/** A node's ChannelClients of one worker: made when wanted, and let go when nobody uses them. */

import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import type { ChannelClient } from '../channel/client.ts'

const SWEEP_MS = 5_000

export interface ClientsPorts {
  readonly deadlines: Deadlines
  now(): Now
}

export class Clients {
  readonly #ports: ClientsPorts
  readonly #new: (channel: string) => ChannelClient
  readonly #onSwept: () => void
  readonly #clients = new Map<string, ChannelClient>()
  #isSweeping = false

  /** `onSwept` is called when some may have said their last. */
  constructor(
    ports: ClientsPorts, makeNew: (channel: string) => ChannelClient, onSwept: () => void
  ) {
    this.#ports = ports
    this.#new = makeNew
    this.#onSwept = onSwept
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
    const client = this.#new(channel)
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
      this.#onSwept()
      if (this.#clients.size > 0) this.#sweepLater()
    })
  }
}
