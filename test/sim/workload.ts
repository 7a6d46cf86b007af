/**
 * What clients do while the weather rages: they come, attach, publish one by one and in bursts,
 * detach, drop and come back. Each seed draws its own crowd.
 */

import type { Random } from '../../src/base/random.ts'
import { METACHANNELS } from './checks/metachannels.ts'
import { SimClient } from './clients.ts'
import type { Region } from './region.ts'
import { RestClient, type RestWitness } from './rest-client.ts'
import { Revoker, type RevokerWitness } from './revoker.ts'
import { RoughClient } from './rough-client.ts'
import { derivedOf, isDerived, Mode } from './wire.ts'

const { PRESENCE, PUBLISH, SUBSCRIBE, PRESENCE_SUBSCRIBE } = Mode
/** Most ask for nothing, and are granted everything. */
const MODES = [PRESENCE | PUBLISH | SUBSCRIBE, PRESENCE | PUBLISH | PRESENCE_SUBSCRIBE]

/** One client in so many speaks comet. */
const COMET_EVERY = 4
/** Some ask for more than others. */
const PARAMS: readonly Readonly<Record<string, string>>[] = [
  { rewind: '1' }, { rewind: '2m', rewindLimit: '7', delta: 'vcdiff' }, { occupancy: 'metrics' },
  { rewind: '3', occupancy: 'metrics.subscribers,metrics.presenceMembers' }, { delta: 'vcdiff' },
  { delta: 'vcdiff', rewind: '3' }, { delta: 'vcdiff', occupancy: 'metrics' }
]
const CHATTER = ' says much the same as before, and so much of it that a delta pays,'

/**
 * Where nodes are wrong about others somebody waits for what requests publish on these so seldom
 * that nothing else wakes their masters. Each has a partition (of 16) for itself.
 */
const SELDOM = [0, 2, 4, 13, 18, 19, 23, 38].map((no) => `seldom${no}`)
const SELDOM_MS = 3_000

/** One run in so many has a client that keeps to nothing. */
const ROUGH_EVERY = 3

export interface WorkloadOptions {
  /** Every other channel is persisted. */
  readonly isKeeping: boolean
  readonly isBatching: boolean
  readonly clientCount: number
  readonly channelCount: number
  /** Publishes of one client per second, on average. */
  readonly publishRate: number
  readonly misbeliefs: number
}

export class Workload {
  readonly channels: readonly string[]
  readonly clients: SimClient[] = []
  #rough: RoughClient | undefined
  readonly #listeners: SimClient[] = []
  rest: RestClient | undefined
  #revoker: Revoker | undefined
  readonly #region: Region
  readonly #witness: RestWitness & { readonly revocations: RevokerWitness }
  readonly #options: WorkloadOptions
  readonly #random: Random
  #isOn = false

  constructor(
    region: Region, options: WorkloadOptions,
    witness: RestWitness & { readonly revocations: RevokerWitness }
  ) {
    this.#witness = witness
    this.#region = region
    this.#options = options
    this.#random = region.world.fork('workload')
    this.channels = Array.from({ length: options.channelCount }, (_, at) =>
      options.isKeeping && at % 2 === 1 ? `kept:ch${at}`
        : options.isBatching && at % 2 === 0 ? `together:ch${at}` : `ch${at}`)
  }

  /** Everybody comes, some sooner than others. */
  start(): void {
    this.#isOn = true
    for (let at = 0; at < this.#options.clientCount; at++) {
      const random = this.#random.fork(`c${at}`)
      const client = new SimClient(this.#region, {
        name: `c${at}`,
        format: random.below(2) === 0 ? 'json' : 'msgpack',
        echo: random.below(4) > 0,
        hasOwnIds: random.below(3) === 0,
        clientId: random.below(3) === 0 ? `c${at}` : undefined,
        modes: MODES[random.below(8)],
        params: PARAMS[random.below(10)],
        hasTokens: random.fork('tokens').below(3) === 0,
        chatter: random.below(3) > 0 ? CHATTER : undefined,
        isComet: random.fork('comet').below(COMET_EVERY) === 0
      })
      this.clients.push(client)
      this.#region.world.after(random.below(2_000), () => {
        client.connect()
        for (const channel of this.channels) if (random.below(2) === 0) client.attach(channel)
      })
      this.#live(client, random)
    }
    this.rest = new RestClient(this.#region, 'rest', this.channels, this.#witness)
    this.#revoker = new Revoker(this.#region, this.#witness.revocations)
    this.#listen('listener', METACHANNELS)
    if (this.#options.misbeliefs > 0) {
      this.#listen('patient', SELDOM)
      this.#publishSeldom(this.#random.fork('seldom'))
    }
    if (this.#random.below(ROUGH_EVERY) > 0) return
    this.#rough = new RoughClient(this.#region, 'rough')
    this.#rough.connect()
  }

  /** Nobody does anything of itself any more. */
  stop(): void {
    this.#isOn = false
    this.#rough?.leave()
    this.rest?.stop()
    this.#revoker?.stop()
  }

  /** Everybody publishes once on every channel it holds. */
  publishEverywhere(): void {
    for (const client of this.clients) {
      for (const channel of client.channels.keys()) {
        if (!isDerived(channel)) client.publish(channel)
      }
    }
    for (const channel of this.channels) this.rest?.publish(channel, 1, true)
  }

  closeAll(but?: SimClient): void {
    for (const client of this.clients) if (client !== but) client.close()
    for (const listener of this.#listeners) listener.close()
  }

  /** One goes away without a word, and is waited for until nobody knows of it any more. */
  sleep(): SimClient {
    const sleeper = this.clients.find(({ channels }) => channels.size > 0) ?? this.clients[0]!
    sleeper.stayAway(Infinity)
    return sleeper
  }

  /** It comes back, as if nothing had happened, and publishes where it was. */
  wake(sleeper: SimClient): void {
    sleeper.stayAway(0)
    for (const channel of sleeper.channels.keys()) {
      if (!isDerived(channel)) sleeper.publish(channel)
    }
  }

  /** Somebody does nothing but listen: to what becomes of connections and channels, or others. */
  #listen(name: string, channels: readonly string[]): void {
    const listener = new SimClient(this.#region, {
      name, format: 'json', echo: true, hasOwnIds: false, modes: Mode.SUBSCRIBE
    })
    this.#listeners.push(listener)
    listener.connect()
    for (const channel of channels) listener.attach(channel)
  }

  #publishSeldom(random: Random): void {
    this.#region.world.after(random.jitter(SELDOM_MS, 0.9), () => {
      if (!this.#isOn) return
      this.rest?.publish(SELDOM[random.below(SELDOM.length)]!, 1, true)
      this.#publishSeldom(random)
    })
  }

  #live(client: SimClient, random: Random): void {
    const { world } = this.#region
    const pauseMs = random.jitter(1_000 / this.#options.publishRate, 0.9)
    world.after(pauseMs, () => {
      if (!this.#isOn) return
      this.#act(client, random)
      this.#live(client, random)
    })
  }

  #act(client: SimClient, random: Random): void {
    const channel = this.channels[random.below(this.channels.length)]!
    const dice = random.below(100)
    if (dice < 55) {
      client.publish(channel, dice < 5 ? 3 : 1, dice % 9 === 0 ? '~' : '')
    } else if (dice < 63) {
      for (let count = 2 + random.below(8); count > 0; count--) client.publish(channel)
    } else if (dice < 80) {
      this.#bePresent(client, channel, random)
    } else if (dice < 90) {
      const listens = ((client.options.modes ?? SUBSCRIBE) & SUBSCRIBE) !== 0
      if (client.channels.has(channel)) client.change(channel)
      client.attach(dice < 83 && listens ? derivedOf(channel) : channel)
    } else if (dice < 95) {
      client.detach(dice < 91 ? derivedOf(channel) : channel)
    } else if (dice < 98) {
      client.dropSocket()
    } else {
      client.sync(channel)
    }
  }

  /** Somebody comes, says something new, or goes; often several at once. */
  #bePresent({ members, name, options }: SimClient, channel: string, random: Random): void {
    const { clientId } = options
    // One name is everybody's: members are told apart by their connections too.
    const names = clientId === undefined ? [`${name}-a`, `${name}-b`, 'all'] : [clientId]
    const first = random.below(names.length)
    const who = names.slice(first, first + 1 + random.below(names.length))
    const dice = random.below(10)
    if (dice < 7) members.enter(channel, who, dice < 2)
    else members.leave(channel, who)
  }
}
