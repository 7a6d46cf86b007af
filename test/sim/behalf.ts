/**
 * Connections that somebody else publishes for, by keys that their clients showed them: those of
 * the workload, which mostly are there, and those of guests, who closed theirs.
 */

import type { Random } from '../../src/base/random.ts'
import { SimClient } from './clients.ts'
import type { Region } from './region.ts'
import { Violation, type World } from './world.ts'

/** A home that is taken for dead, and does not stand still, has ended its sockets by then. */
const LATER_MS = 15_000
const LOOK_MS = 1_000
const GUEST_EVERY_MS = 6_000
const GUESTS_MAX = 4
const STAY_MS = 2_000
const GONE_MS = 500

/** One of them: what its client holds of it when that is asked, and once it is answered. */
export class Behalf {
  readonly connectionKey: string
  readonly connectionId: string
  readonly #client: SimClient
  readonly #world: World

  constructor(client: SimClient, connectionKey: string, world: World) {
    this.#client = client
    this.#world = world
    this.connectionKey = connectionKey
    this.connectionId = client.connectionId
  }

  /** One of the clients that ever had a connection. */
  static ofSome(clients: readonly SimClient[], random: Random, world: World): Behalf | undefined {
    const client = clients[random.below(clients.length)]
    const key = client?.connectionKey
    return client === undefined || key === undefined ? undefined : new Behalf(client, key, world)
  }

  /** True: its client closed it, and was told so. */
  get isClosed(): boolean {
    return this.#client.isToldClosed && this.#client.connectionKey === this.connectionKey
  }

  /** Its key was refused: it must be over by then, or its home is taken for dead. */
  onRefused(): void {
    const { socket } = this.#client
    let turningMs = 0
    const look = (): void => {
      if (!this.#isThere() || this.#client.socket !== socket) return
      turningMs = socket!.server.isTurning ? turningMs + LOOK_MS : 0
      if (turningMs > LATER_MS) {
        throw new Violation('behalf', `${this.#client.name} is there, and its key is refused`)
      }
      this.#world.after(LOOK_MS, look)
    }
    look()
  }

  #isThere(): boolean {
    const { connectionKey, state, socket } = this.#client
    const isLive = socket?.isOpen === true && !socket.isCut && socket.server.isAlive
    return isLive && state === 'connected' && connectionKey === this.connectionKey
  }
}

/** Now and then somebody comes, shows its key and leaves for good. */
export class Guests {
  readonly #region: Region
  readonly #random: Random
  readonly #onLeft: (behalf: Behalf) => void
  #count = 0
  #isOn = true

  constructor(region: Region, random: Random, onLeft: (behalf: Behalf) => void) {
    this.#region = region
    this.#random = random
    this.#onLeft = onLeft
    this.#goOn()
  }

  /** Nobody comes any more. */
  stop(): void {
    this.#isOn = false
  }

  #goOn(): void {
    if (++this.#count > GUESTS_MAX) return
    this.#region.world.after(this.#random.jitter(GUEST_EVERY_MS, 0.5), () => {
      if (!this.#isOn) return
      this.#invite(`guest${this.#count}`)
      this.#goOn()
    })
  }

  #invite(name: string): void {
    const { world } = this.#region
    const client = new SimClient(this.#region, {
      name, format: 'json', echo: true, hasOwnIds: false
    })
    client.connect()
    world.after(STAY_MS, () => {
      client.close()
      world.after(GONE_MS, () => {
        const key = client.connectionKey
        if (client.isToldClosed && key !== undefined) this.#onLeft(new Behalf(client, key, world))
      })
    })
  }
}
