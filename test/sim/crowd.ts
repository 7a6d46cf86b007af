/**
 * What clients of several regions do while the weather rages: they publish, are present, come and
 * go; and some of them move from one region to another. In each region there are some that stay,
 * and a channel that nobody else uses.
 */

import type { Random } from '../../src/base/random.ts'
import type { Abroad } from './abroad.ts'
import { SimClient } from './clients.ts'
import type { Region } from './region.ts'
import { Revoker } from './revoker.ts'
import type { SimSocket } from './sockets.ts'
import type { Wire } from './wire.ts'

/** One client in so many moves. */
const MOVER_EVERY = 2
const CHATTER = ' says much the same as before, and so much of it that more than one page is told,'

export interface CrowdOptions {
  /** In each region. */
  readonly clientCount: number
  /** That all regions use. */
  readonly channelCount: number
  /** Publishes of one client per second, on average. */
  readonly publishRate: number
  /** Of one mover per minute. */
  readonly moves: number
  /** What is said on those channels is kept for long. */
  readonly isKept: boolean
}

/** The channel that nobody uses but the clients of a region. */
export function ownChannelOf({ name }: Pick<Region, 'name'>): string {
  return `own of ${name}`
}

/** A client of which everything that it takes is judged. */
export class Witnessed extends SimClient {
  onTaking: (client: SimClient, socket: SimSocket, message: Wire) => void = () => undefined

  override onSocketMessage(socket: SimSocket, message: Wire | undefined): void {
    if (message !== undefined && socket === this.socket) this.onTaking(this, socket, message)
    super.onSocketMessage(socket, message)
  }
}

export class Crowd {
  /** Hears of everything that a client is about to take from its socket. */
  onTaking: Witnessed['onTaking'] = () => undefined
  /** Those that all regions use. */
  readonly channels: readonly string[]
  readonly clients: SimClient[] = []
  readonly #abroad: Abroad
  readonly #options: CrowdOptions
  readonly #random: Random
  readonly #movers = new Set<SimClient>()
  readonly #revokers: Revoker[] = []
  #isOn = false
  moveCount = 0

  constructor(abroad: Abroad, options: CrowdOptions) {
    this.#abroad = abroad
    this.#options = options
    this.#random = abroad.world.fork('crowd')
    const isGlobal = this.#random.fork('global').below(2) === 0
    const [wide, everywhere] = options.isKept ? ['kept:wide', 'keptEverywhere:']
      : ['wide', 'everywhere:']
    this.channels = Array.from({ length: options.channelCount }, (_, at) =>
      isGlobal && at % 2 === 0 ? `${everywhere}${at}` : `${wide}${at}`)
  }

  /** True for one whose sockets may lead to any region. */
  isMover(client: object): boolean {
    return this.#movers.has(client as SimClient)
  }

  /** Everybody comes, some sooner than others. */
  start(): void {
    this.#isOn = true
    for (const region of this.#abroad.regions) {
      for (let at = 0; at < this.#options.clientCount; at++) {
        this.#come(region, `${region.name}c${at}`, at % MOVER_EVERY === MOVER_EVERY - 1)
      }
      this.#revokers.push(new Revoker(region, {
        onRevoking: () => undefined, onRevoked: () => undefined
      }))
    }
  }

  /** Nobody does anything of itself any more. */
  stop(): void {
    this.#isOn = false
    for (const revoker of this.#revokers) revoker.stop()
  }

  /** Everybody publishes once on every channel it holds. */
  publishEverywhere(): void {
    for (const client of this.clients) {
      for (const channel of client.channels.keys()) client.publish(channel)
    }
  }

  closeAll(): void {
    for (const client of this.clients) client.close()
  }

  #come(region: Region, name: string, isMover: boolean): void {
    const random = this.#random.fork(name)
    const client = new Witnessed(region, {
      name,
      format: random.below(2) === 0 ? 'json' : 'msgpack',
      echo: random.below(4) > 0,
      hasOwnIds: random.below(3) === 0,
      clientId: random.below(3) === 0 ? name : undefined,
      hasTokens: random.below(3) === 0,
      chatter: random.below(3) > 0 ? CHATTER : undefined,
      isComet: random.below(6) === 0
    })
    this.clients.push(client)
    client.onTaking = (...taking) => this.onTaking(...taking)
    if (isMover) this.#movers.add(client)
    const channels = isMover ? this.channels : [...this.channels, ownChannelOf(region)]
    this.#abroad.world.after(random.below(2_000), () => {
      client.connect()
      for (const channel of channels) if (random.below(3) > 0) client.attach(channel)
    })
    this.#live(client, channels, random.fork('life'))
    if (isMover && this.#options.moves > 0) this.#move(client, region, random.fork('moves'))
  }

  #move(client: SimClient, from: Region, random: Random): void {
    const { world, regions } = this.#abroad
    world.after(random.jitter(60_000 / this.#options.moves, 0.9), () => {
      if (!this.#isOn) return
      const others = regions.filter((region) => region !== from)
      const to = others[random.below(others.length)]!
      world.note(`${client.name} moves from ${from.name} to ${to.name}`)
      this.moveCount++
      client.moveTo(to)
      this.#move(client, to, random)
    })
  }

  #live(client: SimClient, channels: readonly string[], random: Random): void {
    const pauseMs = random.jitter(1_000 / this.#options.publishRate, 0.9)
    this.#abroad.world.after(pauseMs, () => {
      if (!this.#isOn) return
      this.#act(client, channels[random.below(channels.length)]!, random)
      this.#live(client, channels, random)
    })
  }

  #act(client: SimClient, channel: string, random: Random): void {
    const dice = random.below(100)
    if (dice < 55) client.publish(channel, dice < 5 ? 3 : 1)
    else if (dice < 63) for (let count = 2 + random.below(8); count > 0; count--) {
      client.publish(channel)
    } else if (dice < 80) this.#bePresent(client, channel, random)
    else if (dice < 90) client.attach(channel)
    else if (dice < 94) client.detach(channel)
    else if (dice < 98) client.dropSocket()
    else client.sync(channel)
  }

  #bePresent({ members, name, options }: SimClient, channel: string, random: Random): void {
    const { clientId } = options
    const names = clientId === undefined ? [`${name}-a`, `${name}-b`, 'all'] : [clientId]
    const who = names.slice(random.below(names.length))
    if (random.below(10) < 7) members.enter(channel, who, random.below(4) === 0)
    else members.leave(channel, who)
  }
}
