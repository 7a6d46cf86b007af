/**
 * A whole worker minus its I/O: the only way in is `turn`, the only way out is the outbox. The
 * same code runs in production, in dev mode and under simulation.
 *
 * A turn handles one input to the end. When all that is due is handled the shell calls `settle`,
 * which sends answers, gives the log what waits and closes the links' batches, and then drains the
 * outbox. Nothing waits for time to pass: an idle worker sends at once.
 */

import type { AppDirectory } from '../auth/app.ts'
import type { ConnectionKeys } from '../auth/connection-key.ts'
import { exhaustive } from '../base/assert.ts'
import type { Now } from '../base/clock.ts'
import { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import type { Size } from '../base/sizes.ts'
import type { Tally } from '../base/tally.ts'
import type { Allocate } from '../channel/encoding.ts'
import { weightOf } from '../peer/weight.ts'
import { type LinkFrame, Links } from '../peer/link.ts'
import type { Life } from '../peer/claim-message.ts'
import type { Place } from '../peer/place.ts'
import type { WorldTerms } from '../region/terms.ts'
import { AtOnce } from './at-once.ts'
import { Channels } from './channels.ts'
import { ClientEvents } from './client-events.ts'
import { Comet } from './comet.ts'
import { Gatekeeper, type GatekeeperPorts } from './gatekeeper.ts'
import { NamespaceRules } from './namespace-rules.ts'
import { NonceDesk } from './nonces.ts'
import type { Outbox } from './outbox.ts'
import type { WorkerInput } from './ports.ts'
import { Requests } from './requests.ts'
import { RevocationDesk } from './revocations.ts'
import { Sessions } from './sessions.ts'
import { statsKeeperOf } from './stats-keeper.ts'
import type { Keeper } from '../stats/keeper.ts'
import { Recorder } from '../stats/recorder.ts'

export interface WorkerOptions {
  readonly self: Place
  readonly generation: number
  readonly workers: number
  /** Told in connectionDetails, for people who debug. */
  readonly serverId: string
  readonly siteCode: string
  readonly connectionKeys: ConnectionKeys
  readonly allocate: Allocate
  readonly tally: Tally
}

/** What metrics want to know of a worker. */
export interface WorkerCounts {
  readonly connections: number
  readonly attachments: number
  readonly groups: number
  readonly clients: number
  readonly partitions: number
  /** Channels of which this worker is the master. */
  readonly channels: number
  /** Connections that were taken over, and nonces that were used, as its partitions know them. */
  readonly registered: number
  /** Questions to masters, of channels, connections and nonces. */
  readonly questions: number
  /** Sessions without a socket. */
  readonly parked: number
  /** HTTP requests that have no answer yet. */
  readonly requests: number
  /** Comet transports, and comet requests that other workers have to answer. */
  readonly comet: number
  readonly unconfirmedBytes: number
  /** But for those that are there as long as the worker is. */
  readonly deadlines: number
  /** Sockets that wait for their turn to be let in. */
  readonly waiting: number
}

/** What keys of statistics hold no names with. */
const NOT_IN_KEYS = /[^\w-]/g

export class Worker {
  readonly #deadlines = new Deadlines()
  readonly #outbox: Outbox
  readonly #links: Links
  readonly #channels: Channels
  readonly #gate: Gatekeeper
  readonly #nonces: NonceDesk
  readonly #revocations: RevocationDesk
  readonly #sessions: Sessions
  readonly #events: ClientEvents
  readonly #requests: Requests
  readonly #comet: Comet
  readonly #recorder: Recorder
  readonly #keeper: Keeper
  /** Undefined where the region is in no world. */
  #terms: WorldTerms | undefined
  #now: Now = { monoMs: 0, wallMs: 0 }

  constructor(options: WorkerOptions, outbox: Outbox, random: Random) {
    this.#outbox = outbox
    const { self, generation, workers, serverId, siteCode } = options
    const now = (): Now => this.#now
    const meters = this.#recorder = this.#newRecorder({ ...self, generation })
    this.#links = new Links(
      { self, generation, viewVersion: (to) => this.#channels.viewVersionFor(to) },
      {
        sendFrame: (to, frame) => outbox.send(to, frame),
        onLinkReset: (place) => this.#channels.onLinkReset(place),
        onMute: (...mute) => this.#channels.relays.onMute(...mute),
        onPeerRestarted: (place) => this.#channels.onPeerRestarted(place),
        onPeerMessage: (from, message) => this.#channels.onPeerMessage(from, message),
        isStranger: (place) => this.#channels.isStranger(place),
        isForeign: (place) => this.#channels.relays.isForeign(place),
        onStrangerSilent: (place) => this.#channels.onPlaceEnded(place)
      },
      this.#deadlines, random.fork('links')
    )
    this.#channels = new Channels(
      { self, generation, workers, siteCode },
      {
        outbox,
        deadlines: this.#deadlines,
        random: random.fork('channels'),
        allocate: options.allocate, tally: options.tally, meters, now,
        send: (to, message) => {
          this.#links.send(to, message, weightOf(message), this.#now.monoMs)
        },
        dropLink: (to) => this.#links.drop(to),
        onClaimMessage: (from, message) => this.#sessions.onClaimMessage(from, message),
        onCometMessage: (from, message) => this.#comet.onMessage(from, message),
        onPlaceLost: (place) => this.#comet.onPlaceLost(place),
        onSpent: (message) => this.#nonces.onSpent(message),
        onWorld: () => this.#revocations.onWorld(),
        onRevocationMessage: (from, message) => this.#revocations.onMessage(from, message)
      }
    )
    this.#revocations = this.#newRevocations(self, random, now)
    this.#gate = this.#newGate({ ...self, generation }, options.connectionKeys)
    this.#events = new ClientEvents(this.#channels.events, siteCode, meters)
    this.#sessions = new Sessions(
      { self: { ...self, generation }, workers, serverId, siteCode },
      {
        channels: this.#channels.groups,
        events: this.#events,
        outbox,
        deadlines: this.#deadlines,
        random: random.fork('ids'),
        gate: this.#gate,
        connectionKeys: options.connectionKeys,
        tally: options.tally, meters, now,
        viewVersion: () => this.#channels.viewVersion,
        askRegister: (id, message) => this.#channels.registers.ask(id, message),
        answerRegister: (to, message) => this.#channels.registers.answer(to, message)
      }
    )
    this.#nonces = new NonceDesk({
      deadlines: this.#deadlines,
      random: random.fork('nonces'),
      now,
      askMaster: (message) => this.#channels.registers.spend(message)
    })
    this.#comet = this.#newComet({ ...self, generation }, options.connectionKeys, now)
    this.#requests = this.#requestsOf(options, random)
    this.#keeper = statsKeeperOf(this.#channels, this.#gate, {
      store: outbox, deadlines: this.#deadlines, random: random.fork('keeper'), now
    })
  }

  #newGate(self: Life, connectionKeys: ConnectionKeys): Gatekeeper {
    const viewVersion = (): number => this.#channels.viewVersion
    const judge: GatekeeperPorts['judge'] = (proven) => this.#revocations.judge(proven)
    return new Gatekeeper({ self, connectionKeys, now: () => this.#now, viewVersion, judge })
  }

  #newRecorder({ incarnation, worker, generation }: Life): Recorder {
    const source = `${incarnation}_${worker}_${generation}`.replaceAll(NOT_IN_KEYS, '_')
    return new Recorder(source, {
      store: this.#outbox,
      deadlines: this.#deadlines,
      now: () => this.#now,
      isKnown: (appId) => this.#gate.directory?.app(appId) !== undefined
    })
  }

  #newRevocations(self: Place, random: Random, now: () => Now): RevocationDesk {
    return new RevocationDesk({
      self,
      outbox: this.#outbox,
      deadlines: this.#deadlines,
      random: random.fork('revocations'),
      now,
      directory: () => this.#gate.directory,
      places: () => this.#channels.questions.places(),
      speakers: () => this.#channels.relays.speakers(),
      send: (to, message) => {
        if (!this.#channels.places.isRemoved(to)) {
          this.#links.send(to, message, weightOf(message), this.#now.monoMs)
        }
      },
      review: (review) => this.#sessions.review(review)
    })
  }

  #newComet(self: Life, connectionKeys: ConnectionKeys, now: () => Now): Comet {
    return new Comet({
      self,
      outbox: this.#outbox,
      deadlines: this.#deadlines,
      sessions: this.#sessions,
      now,
      prove: (shown) => this.#gate.prove(shown),
      factsOf: (connectionKey) => connectionKeys.open(connectionKey),
      isListed: (place) => this.#channels.places.isListed(place),
      send: (to, message) => {
        this.#links.send(to, message, weightOf(message), this.#now.monoMs)
      }
    })
  }

  /** Handles one input. */
  turn(input: WorkerInput, now: Now): void {
    this.#now = now
    switch (input.kind) {
      case 'socketOpened':
        this.#sessions.onOpened(input.opening)
        break
      case 'socketFrame':
        this.#sessions.onFrame(input.socket, input.data, input.isBinary)
        break
      case 'socketHeard':
        this.#sessions.onHeard(input.socket)
        break
      case 'socketClosed':
        this.#sessions.onClosed(input.socket)
        break
      case 'request':
        this.#requests.onRequest(input.request, input.responder)
        break
      case 'comet':
        this.#comet.onRequest(input.request, input.responder)
        break
      case 'cometGone':
        this.#comet.onGone(input.responder)
        break
      case 'socketFull':
        this.#sessions.onSlow(input.socket)
        break
      case 'peerFrame':
        this.#onPeerFrame(input.frame)
        break
      case 'log':
      case 'archive':
      case 'stats':
        this.#onStored(input)
        break
      case 'view':
        this.#channels.onView(input.view, input.generations, input.gone)
        this.#sessions.onView()
        this.#nonces.onView()
        break
      case 'world':
        this.#channels.relays.onWorld(input.foreign, input.absent)
        break
      case 'apps':
        this.#onApps(input.directory)
        break
      case 'flush':
        this.#recorder.flush(() => this.#outbox.flushed())
        break
      case 'logRoom':
        this.#channels.onLogRoom(input.room)
        break
      case 'strain':
        this.#sessions.onStrain(input.strain)
        break
      case 'drain':
        this.#sessions.departures.leave(input.withinMs)
        break
      case 'terms':
        this.#onTerms(input.terms)
        break
      case 'deadline':
        this.#deadlines.fire(now.monoMs)
        break
      default:
        exhaustive(input, 'worker input')
    }
    this.#channels.runLoop()
  }

  /** Ends a turn: everything that was decided is in the outbox afterwards. */
  settle(now: Now): void {
    this.#now = now
    this.#channels.flush(now.monoMs)
    this.#sessions.flush()
    this.#outbox.drainInner()
    this.#links.flush(now.monoMs)
  }

  /** When `turn({kind: 'deadline'})` is next due (monotonic), or Infinity. */
  nextDeadlineMs(): number {
    return this.#deadlines.nextMs()
  }

  counts(): WorkerCounts {
    const { askedCount, parkedCount } = this.#sessions
    return {
      connections: this.#sessions.count,
      ...this.#channels.counts(),
      questions: this.#channels.questions.count + askedCount + this.#nonces.count +
        this.#channels.registers.holders.count,
      parked: parkedCount,
      requests: this.#requests.count,
      comet: this.#comet.count,
      unconfirmedBytes: this.#links.unconfirmedBytes(),
      deadlines: this.#deadlines.size - this.#recorder.beatCount - this.#keeper.beatCount -
        this.#revocations.beatCount,
      waiting: this.#sessions.waitingCount
    }
  }

  /** All that was ever revoked is known: from then on everybody can be judged who comes. */
  get knowsRevoked(): boolean { return this.#revocations.isKnown }

  relayStandings() { return this.#channels.relays.standings() }

  /** Everything that grows here, against its bounds. */
  *sizes(): Generator<Size> {
    yield* this.#links.sizes()
    for (const part of [this.#channels, this.#sessions, this.#requests, this.#comet]) {
      yield* part.sizes()
    }
    yield* this.#revocations.sizes()
  }

  /** True while new connections are sent elsewhere, and how late the event loop was last. */
  strain(): { readonly isStrained: boolean; readonly lagMs: number } {
    const { isStrained, lagMs } = this.#sessions.overload
    return { isStrained, lagMs }
  }

  describe(): string[] {
    return [...this.#channels.describe(), ...this.#sessions.describe()]
  }

  #requestsOf({ serverId, connectionKeys, tally }: WorkerOptions, random: Random): Requests {
    return new Requests(serverId, {
      channels: this.#channels.groups,
      questions: this.#channels.questions,
      events: this.#events,
      outbox: this.#outbox,
      deadlines: this.#deadlines,
      random: random.fork('requests'),
      gate: this.#gate,
      nonces: this.#nonces,
      holders: this.#channels.registers.holders,
      enumerations: new AtOnce(limits.enumerationsPerAppMax),
      revocations: this.#revocations,
      connectionKeys,
      tally,
      meters: this.#recorder,
      endpoints: () => this.#terms?.endpoints,
      now: () => this.#now
    })
  }

  #onApps(directory: AppDirectory): void {
    if (this.#gate.directory === undefined) this.#keeper.begin()
    this.#channels.rules = new NamespaceRules(directory)
    const review = this.#gate.onApps(directory)
    if (review !== undefined) this.#sessions.review(review)
    this.#revocations.onApps(directory)
  }

  #onTerms(terms: WorldTerms): void {
    this.#terms = terms
    this.#channels.regionGraceMs = terms.lostRegionGraceMs
    this.#sessions.departures.evacuate(terms.departuresPerSecond)
  }

  #onStored(input: WorkerInput & { readonly kind: 'log' | 'archive' | 'stats' }): void {
    if (input.kind === 'log') this.#outbox.onLogAnswer(input.answer)
    else if (input.kind === 'archive') this.#outbox.onArchiveAnswer(input.answer)
    else this.#outbox.onStatsAnswer(input.answer)
  }

  #onPeerFrame(frame: LinkFrame): void {
    const { viewVersion, from } = frame
    const { relays, places } = this.#channels
    if (viewVersion > this.#channels.viewVersion && !relays.isForeign(from)) {
      this.#outbox.heardView(viewVersion, from.incarnation)
    }
    if (places.isRemoved(from)) return
    this.#links.onFrame(frame, this.#now.monoMs)
    if (frame.kind !== 'batch') return
    for (const each of [places, relays]) each.hear(from, frame.stream.generation)
  }
}
