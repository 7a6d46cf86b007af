/**
 * A worker's parts of channels, and the way between them: its LocalGroups, the ChannelClients and
 * the partitions' masters whose home it is. This is where `session` and `channel` meet, and the
 * only place that knows both the ring's view and the channels.
 *
 * The home worker of a channel, on every node, is that of its partition (ring/view.ts). A message
 * between parts of this worker is handled in the same turn, without a link.
 */

import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { MeterSource } from '../base/meter.ts'
import type { Random } from '../base/random.ts'
import type { Size } from '../base/sizes.ts'
import type { Tally } from '../base/tally.ts'
import type { ChannelClient } from '../channel/client.ts'
import type { Allocate } from '../channel/encoding.ts'
import { UsedChannels } from '../channel/used-channels.ts'
import { ampleRoom, isFullFor, type LogRoom } from '../log/room.ts'
import { type ClaimMessage, type FromRegister, isClaimMessage } from '../peer/claim-message.ts'
import { type CometMessage, isCometMessage } from '../peer/comet-message.ts'
import type { PeerMessage, RollCalled, ToClientFromMaster } from '../peer/message.ts'
import { isNonceMessage, type NonceMessage, type Spent } from '../peer/nonce-message.ts'
import { isSamePlace, type Place } from '../peer/place.ts'
import type { Enumerate } from '../peer/question-message.ts'
import { isRelayMessage, isToRelay, type RelayMessage } from '../peer/relay-message.ts'
import { isRevocationMessage, type RevocationMessage } from '../peer/revocation-message.ts'
import type { View } from '../ring/view.ts'
import { tellActivity } from './channel-events.ts'
import { questionsOf } from './channel-questions.ts'
import { Clients } from './clients.ts'
import { Groups } from './groups.ts'
import { Loop } from './loop.ts'
import { type Generations, Mastership } from './mastership.ts'
import { askMembersBy } from './members-reading.ts'
import { MetaEvents } from './meta-events.ts'
import { noRules } from './namespace-rules.ts'
import type { Outbox } from './outbox.ts'
import { Partitions } from './partitions.ts'
import type { Questions } from './questions.ts'
import { Registers } from './registers.ts'
import { relaysOf, toRelays } from './relayed-masters.ts'
import type { Relays } from './relays.ts'
import { Rolls } from './rolls.ts'

export interface ChannelsOptions {
  readonly self: Place
  readonly generation: number
  /** How many workers this node has. */
  readonly workers: number
  /** Where the node is, for people. */
  readonly siteCode: string
}

export interface ChannelsPorts {
  readonly outbox: Outbox
  readonly deadlines: Deadlines
  readonly random: Random
  readonly allocate: Allocate
  readonly tally: Tally
  readonly meters: MeterSource
  now(): Now
  /** Sends over the link to another place. */
  send(to: Place, message: PeerMessage): void
  /** The link to a place that is gone can be forgotten. */
  dropLink(to: Place): void
  /** A register of connections says something to this worker's sessions. */
  onClaimMessage(from: Place, message: FromRegister): void
  onCometMessage(from: Place, message: CometMessage): void
  /** What was said to or by this place may be lost. */
  onPlaceLost(place: Place): void
  onSpent(message: Spent): void
  /** There are other regions now than before. */
  onWorld(): void
  onRevocationMessage(from: Place, message: RevocationMessage): void
}

export class Channels {
  readonly registers: Registers
  /** What sessions ask of channels. */
  readonly groups: Groups
  /** What is told on metachannels. */
  readonly events: MetaEvents
  /** What requests ask of channels. */
  readonly questions: Questions
  rules = noRules
  regionGraceMs: number = limits.regionGraceMs
  readonly #options: ChannelsOptions
  readonly #ports: ChannelsPorts
  readonly #clients: Clients
  readonly #partitions: Partitions
  readonly #mastership: Mastership
  /** What the view says about places. */
  readonly places: Pick<Mastership, 'isRemoved' | 'isListed' | 'hear'>
  /** What is born in other regions on its way here. */
  readonly relays: Relays
  readonly #rolls = new Rolls()
  readonly #loop: Loop<PeerMessage>
  #room = ampleRoom

  constructor(options: ChannelsOptions, ports: ChannelsPorts) {
    this.#options = options
    this.#ports = ports
    this.#loop = new Loop((message) => this.#dispatch(options.self, message))
    this.places = this.#mastership = new Mastership(options.self, options.workers)
    this.#clients = new Clients(ports, {
      self: options.self,
      mastership: this.#mastership,
      rules: () => this.rules,
      send: (to, message) => this.#send(to, message),
      onSwept: () => this.runLoop()
    })
    const { deadlines, tally, meters, now } = ports
    this.groups = new Groups(options, {
      deadlines, tally, meters, now,
      askMembers: askMembersBy(() => this.questions),
      toClient: (message) => {
        const { incarnation } = options.self
        this.#send({ incarnation, worker: this.#mastership.homeWorker(message.channel) }, message)
      }
    })
    this.events = new MetaEvents({
      deadlines,
      nowMs: () => now().monoMs,
      ask: (channel) => {
        const master = this.#mastership.masterPlace(channel)
        if (master !== undefined) this.#send(master, { kind: 'listenersAsked', channel })
      },
      publish: (channel, event) => this.groups.tell(channel, event)
    })
    this.questions = questionsOf(options, ports, this.#mastership, () => this.relays,
      (to, message) => this.#send(to, message))
    this.registers = new Registers(this.#mastership, {
      deadlines, random: ports.random.fork('holders'),
      now: () => ports.now(),
      send: (to, message) => this.#send(to, message),
      partition: (no) => this.#partitions.wanted(no),
      onClaimMessage: (from, message) => ports.onClaimMessage(from, message),
      onSpent: (message) => ports.onSpent(message)
    })
    this.#partitions = new Partitions(options, this.#mastership, {
      outbox: ports.outbox,
      room: () => this.#room,
      keeping: () => this.rules,
      deadlines,
      random: ports.random,
      meters, now,
      send: (to, message) => this.#send(to, message),
      fateOf: (incarnation) => this.registers.fateOf(incarnation),
      onActivity: (channel, isActive) => {
        tellActivity(this.events, channel, isActive, options.siteCode)
      },
      ...toRelays(() => this.relays),
      askAbroad: (channel, questionTo, onAnswers) => {
        const asked = new Map(this.relays.names.map((name) => [name, questionTo(name)]))
        this.questions.askAbroad({ isOver: false }, channel, asked, onAnswers)
      },
      regionGraceMs: () => this.regionGraceMs
    })
    this.relays = relaysOf(options, ports, this, (to, message) => this.#send(to, message),
      (channel) => this.#partitions.channelOf(channel))
  }

  get viewVersion(): number { return this.#mastership.viewVersion }

  /** The view by which we speak to a place; those of different regions have nothing in common. */
  viewVersionFor(to: Place): number {
    return this.relays.isForeign(to) ? 0 : this.viewVersion
  }

  /** True for who is in no view, neither in ours nor in that of another region. */
  isStranger(place: Place): boolean {
    return this.#mastership.isStranger(place) && !this.relays.isForeign(place)
  }

  /** True for a channel whose master would be here. */
  isMine(channel: string): boolean {
    return this.viewVersion > 0 && this.#mastership.isMine(this.#mastership.partitionOf(channel))
  }

  /** Counts for metrics. */
  counts() {
    return {
      groups: this.groups.size,
      clients: this.#clients.size,
      partitions: this.#partitions.size,
      attachments: this.groups.liveCount,
      ...this.#partitions.counts()
    }
  }

  *sizes(): Generator<Size> {
    yield* this.#partitions.sizes()
    yield* this.events.sizes()
    for (const client of this.#clients.values()) yield* client.sizes()
  }

  /** A new view, or new generations of workers: masters start and stop, clients Join again. */
  onView(view: View, generations: Generations, gone: ReadonlySet<string>): void {
    const before = new Map<ChannelClient, string>()
    for (const client of this.#clients.values()) {
      before.set(client, this.#mastership.masterLife(client.channel))
    }
    this.registers.learn(view, gone)
    const news = this.#mastership.learn(view, generations, gone)
    const { ended, anew, heardAnew, hasSkipped } = news
    for (const place of ended) this.onPlaceEnded(place)
    for (const place of anew) this.onPeerRestarted(place)
    for (const place of heardAnew) this.onLinkReset(place)
    this.#partitions.onView()
    for (const [client, life] of before) {
      const isAnother = this.#mastership.masterLife(client.channel) !== life
      if (isAnother || hasSkipped) client.onMasterUncertain()
    }
    this.#partitions.onPlaces()
    this.questions.onView()
    this.runLoop()
  }

  /** What room the log has; where it is full, what nobody needed is tidied up. */
  onLogRoom(room: LogRoom): void {
    this.#room = room
    if (!room.isFull.includes(true)) return
    let tidiedCount = 0
    for (const no of this.#mastership.partitions()) {
      if (!isFullFor(no, room) || this.#partitions.isWanted(no)) continue
      if (++tidiedCount > limits.tidiedAtOnceMax) return
      this.#partitions.wanted(no).takeOver()
    }
  }

  /**
   * A place is out of the view; or no view lists it, and it does not answer: whoever knew that it
   * was removed has lost that with the ring object (scenario H3).
   */
  onPlaceEnded(place: Place): void {
    this.#forgetPlace(place)
    this.#ports.dropLink(place)
    this.#ports.onPlaceLost(place)
  }

  onPeerMessage(from: Place, message: PeerMessage): void {
    this.#dispatch(from, message)
    this.runLoop()
  }

  /** What was said to `place` may be lost. */
  onLinkReset(place: Place): void {
    this.#ports.onPlaceLost(place)
    this.#partitions.onLinkReset(place)
    this.relays.onLinkReset(place)
    this.questions.onLinkReset(place)
    for (const client of this.#clients.values()) {
      const master = this.#mastership.masterPlace(client.channel)
      if (master !== undefined && isSamePlace(master, place)) client.onMasterUncertain()
    }
    if (place.incarnation !== this.#options.self.incarnation) return
    this.groups.onHomeLost((channel) => this.#mastership.homeWorker(channel) === place.worker)
  }

  /** A place is a new life: its clients and groups are gone, and what it mastered or homed. */
  onPeerRestarted(place: Place): void {
    this.#forgetPlace(place)
    this.onLinkReset(place)
  }

  /** Handles what parts of this worker said to each other, until nobody says anything. */
  runLoop(): void {
    this.#loop.run()
  }

  /** End of a turn: what the masters decided goes to the log. */
  flush(nowMs: number): void {
    this.#rolls.flush((to, message) => this.#send(to, message), nowMs)
    this.runLoop()
    this.#partitions.flush(nowMs)
  }

  /** Everything here in one line each, for /debug. */
  describe(): string[] {
    const clients = [...this.#clients.values()].map((client) => client.describe())
    const relays = this.relays.describe()
    return [...this.#partitions.describe(), ...clients, ...this.groups.describe(), ...relays]
  }

  #dispatch(from: Place, message: PeerMessage): void {
    if (isClaimMessage(message)) this.registers.onMessage(from, message)
    else if (isCometMessage(message)) this.#ports.onCometMessage(from, message)
    else if (isNonceMessage(message)) this.registers.onNonceMessage(from, message)
    else if (isRevocationMessage(message)) this.#ports.onRevocationMessage(from, message)
    else if (isRelayMessage(message)) this.#onRelayMessage(from, message)
    else this.#toParts(from, message)
  }

  /**
   * Another region says something to a relay, or to a master. Who is known not to be of it has its
   * name and is another one, or is new there and asks again. A node that has just begun hears of
   * regions seconds later, and answers meanwhile.
   */
  #onRelayMessage(from: Place, message: RelayMessage): void {
    if (!this.relays.mayBeOf(message.region, from)) return
    if (isToRelay(message)) this.relays.onMessage(from, message)
    else this.#partitions.onMessage(from, message)
    if (message.kind === 'relayJoin' || message.kind === 'relayHold') this.relays.wake(message)
  }

  #toParts(
    from: Place,
    message: Exclude<
      PeerMessage, ClaimMessage | CometMessage | NonceMessage | RelayMessage | RevocationMessage
    >
  ): void {
    switch (message.kind) {
      case 'answered':
      case 'enumerated':
        this.questions.onAnswer(message)
        return
      case 'enumerate':
        this.#onEnumerate(from, message)
        return
      case 'attach':
      case 'submit':
      case 'attachGone':
      case 'groupEmpty':
      case 'variantUnused':
      case 'syncWanted':
      case 'declared':
      case 'counted':
        this.#clients.onGroupMessage(from.worker, message)
        return
      case 'attached':
      case 'attachRefused':
      case 'submitted':
      case 'broadcast':
      case 'continuityLost':
      case 'synced':
      case 'declareWanted':
      case 'countWanted':
      case 'occupied':
        this.groups.onClientMessage(message)
        return
      case 'join':
      case 'part':
      case 'publish':
      case 'backfill':
      case 'declare':
      case 'occupancyWanted':
      case 'census':
      case 'ask':
        this.#partitions.onMessage(from, message)
        return
      case 'rollCalled':
        this.#onRollCalled(from, message)
        return
      case 'rollAnswered':
        this.#partitions.onRollAnswered(from, message)
        return
      case 'handedOver':
        this.#partitions.onHandedOver(message)
        return
      case 'listenersAsked':
        this.#partitions.onListenersAsked(from, message)
        return
      case 'listenersTold':
        this.events.onListenersTold(message)
        return
      default:
        this.#clients.onMasterMessage(from, message)
    }
  }

  #onEnumerate(from: Place, question: Enumerate): void {
    const used = new UsedChannels(question)
    this.groups.list(used)
    this.#partitions.list(used)
    this.#send(from, used.answer())
  }

  #onRollCalled(from: Place, call: RollCalled): void {
    const clients = [...this.#clients.values()].filter(({ channel }) =>
      this.#mastership.partitionOf(channel) === call.partition)
    this.#rolls.onCalled(from, call, clients, this.#ports.now().monoMs)
  }

  #send(to: Place, message: PeerMessage | ToClientFromMaster): void {
    const { self } = this.#options
    if (isSamePlace(to, self)) this.#loop.push(message)
    // Who was removed hears nobody, and a link there would be asked for ever. What has it to answer
    // may learn of that late: a master that hands over, a roll, a claim.
    else if (!this.#mastership.isRemoved(to)) this.#ports.send(to, message)
  }

  #forgetPlace(place: Place): void {
    this.#partitions.onPlaceGone((other) => isSamePlace(other, place))
    if (place.incarnation !== this.#options.self.incarnation) return
    for (const client of this.#clients.values()) client.onWorkerGone(place.worker)
  }
}
