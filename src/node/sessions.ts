/**
 * A worker's sockets and the sessions behind them: who may open one, as whom, who is silent too
 * long, and how everybody is asked to go when the node leaves. What outlives a socket is parked.
 */

import type { ConnectionKeys } from '../auth/connection-key.ts'
import type { Credentials } from '../auth/key.ts'
import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { MeterSource } from '../base/meter.ts'
import type { Random } from '../base/random.ts'
import type { Size } from '../base/sizes.ts'
import type { Tally } from '../base/tally.ts'
import type { FromRegister, Holding, Life, Past, ToRegister } from '../peer/claim-message.ts'
import type { Place } from '../peer/place.ts'
import type { ChannelDoor } from '../session/door.ts'
import { type Parked, Parking } from '../session/parking.ts'
import { nothingSaid } from '../session/past.ts'
import type { Session } from '../session/session.ts'
import type { Ending, SessionPorts } from '../session/session-ports.ts'
import { Action } from '../wire/actions.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import { encodeFrame } from '../wire/frame.ts'
import { AppConnections } from './app-connections.ts'
import { Beats } from './beats.ts'
import { type ClaimDecision, ClaimDesk, type Holder } from './claims.ts'
import type { ClientEvents } from './client-events.ts'
import { Connected, type ConnectedOwner } from './connected.ts'
import { Departures, type Door } from './departures.ts'
import { Entrance, type EntranceOwner } from './entrance.ts'
import type { Connection, Gatekeeper, Review } from './gatekeeper.ts'
import type { EarlyFrames, Newcomer } from './newcomer.ts'
import type { Outbox, Socket } from './outbox.ts'
import { Overload, type Strain } from './overload.ts'
import type { SocketOpening } from './ports.ts'
import { resumeRefusal, Resumes, type ResumesOwner, type Resuming } from './resumes.ts'

const HEARTBEATS = {
  json: encodeFrame({ action: Action.HEARTBEAT }, 'json'),
  msgpack: encodeFrame({ action: Action.HEARTBEAT }, 'msgpack')
}

export interface SessionsOptions {
  readonly self: Life
  /** How many workers the node has. */
  readonly workers: number
  readonly serverId: string
  readonly siteCode: string
}

export interface SessionsPorts {
  readonly channels: ChannelDoor
  /** What becomes of connections, for those who want to know. */
  readonly events: ClientEvents
  readonly outbox: Outbox
  readonly deadlines: Deadlines
  readonly random: Random
  readonly gate: Gatekeeper
  readonly connectionKeys: ConnectionKeys
  readonly tally: Tally
  readonly meters: MeterSource
  now(): Now
  viewVersion(): number
  /** Sends to the connection's register, if anybody is known to be it; answers one that asked. */
  askRegister(connectionId: string, message: ToRegister): void
  answerRegister(to: Place, message: ToRegister): void
}

/** Which connection a session is: a new one, or one that goes on. */
interface Identity extends Connection {
  readonly past: Past
}

export class Sessions implements Holder, ResumesOwner, EntranceOwner, ConnectedOwner, Door {
  /** What every session is given. */
  readonly sessionPorts: SessionPorts
  readonly #options: SessionsOptions
  readonly #ports: SessionsPorts
  readonly #connected = new Map<Socket, Connected>()
  readonly #beats: Beats<Connected>
  readonly #ready = new Set<Session>()
  readonly #byConnection = new Map<string, Session>()
  readonly #parking: Parking
  readonly #desk: ClaimDesk
  readonly #resumes: Resumes
  readonly #entrance: Entrance
  readonly #apps: AppConnections
  readonly #overload = new Overload()
  /** How clients are sent elsewhere. */
  readonly departures: Departures

  constructor(options: SessionsOptions, ports: SessionsPorts) {
    this.#options = options
    this.#ports = ports
    const { channels, deadlines, tally, meters, outbox, now, gate, events } = ports
    this.sessionPorts = {
      channels,
      deadlines, tally, meters, now,
      answersReady: (session) => void this.#ready.add(session),
      proven: ({ connectionId, claim }) => {
        if (claim > 0) this.#desk.prove(connectionId, claim)
      },
      ended: (session, ending, error) => this.#onEnded(session, ending, error),
      channelFailed: (session, wireName, error) => events.onError(session, error, wireName),
      note: (text) => outbox.note(text),
      authenticate: (accessToken, clientId) => gate.prove({ accessToken, clientId }),
      connectionKeyOf: (connection, credentials) => gate.keyOf(connection, credentials),
      namespaceOf: (appId, base) => gate.namespaceOf(appId, base)
    }
    this.#beats = new Beats({ deadlines, now, beat: (each, nowMs) => this.#beat(each, nowMs) })
    const nowMs = (): number => ports.now().monoMs
    const onLetGo = (parked: Parked): void => events.onLetGo(parked)
    this.#parking = new Parking({ deadlines, nowMs, onLetGo })
    this.#desk = new ClaimDesk({ ...ports, self: options.self }, this)
    this.#resumes = new Resumes(this, this.#desk)
    this.#apps = new AppConnections(options.workers, ports)
    this.#entrance = new Entrance(this, { ...ports, apps: this.#apps, overload: this.#overload })
    this.departures = new Departures(this, {
      deadlines, tally, now,
      count: () => this.#connected.size,
      sessions: () => this.#sessions()
    })
  }

  get count(): number {
    return this.#connected.size + this.#resumes.count + this.#entrance.count
  }

  get overload(): Overload { return this.#overload }

  /** How many wait to be let in. */
  get waitingCount(): number {
    return this.#entrance.count
  }

  /** Sessions without a socket. */
  get parkedCount(): number {
    return this.#parking.size
  }

  /** Questions to registers. */
  get askedCount(): number {
    return this.#desk.count
  }

  *sizes(): Generator<Size> {
    yield ['socketsPerWorkerMax', this.#connected.size]
    yield* this.#parking.sizes()
    yield* this.#desk.sizes()
    yield* this.#entrance.sizes()
    for (const { session } of this.#connected.values()) {
      yield ['attachmentsPerSessionMax', session.attachmentCount]
      yield* session.sizes()
    }
  }

  /** A new view: registers may be elsewhere. */
  onView(): void {
    this.#desk.onView()
  }

  onClaimMessage(from: Place, message: FromRegister): void {
    this.#desk.onMessage(from, message)
  }

  /** Keys have changed, or tokens were revoked: sessions are ended or have other rights. */
  review(review: Review): void {
    for (const { session } of this.#connected.values()) {
      const reviewed = review(session.credentials)
      if (reviewed === undefined) continue
      if ('error' in reviewed) session.end(reviewed.error)
      else if ('credentials' in reviewed) session.become(reviewed.credentials)
      else if (reviewed.end !== undefined) session.disconnect(reviewed.end)
      else session.onExpiring()
    }
  }

  onOpened(opening: SocketOpening): void {
    this.#entrance.onOpened(opening)
  }

  onFrame(socket: Socket, data: Uint8Array | string, isBinary: boolean): void {
    const connected = this.#connected.get(socket)
    if (connected === undefined) {
      this.#resumes.onFrame(socket, { data, isBinary })
      this.#entrance.onFrame(socket, { data, isBinary })
      return
    }
    connected.session.onFrame(data, isBinary)
    if (!connected.session.isOpen) this.forget(socket)
  }

  onHeard(socket: Socket): void {
    this.#connected.get(socket)?.session.onHeard()
  }

  onClosed(socket: Socket): void {
    this.#connected.get(socket)?.session.onSocketClosed()
    this.#resumes.onClosed(socket)
    this.#entrance.onClosed(socket)
    this.forget(socket)
  }

  /** How much there is to do; who is behind with reading has to go when it is dire. */
  onStrain(strain: Strain): void {
    this.#overload.onStrain(strain)
    if (!this.#overload.isDire) return
    for (const socket of [...this.#connected.keys()]) {
      if (socket.queuedBytes > limits.direQueueBytesMax) this.onSlow(socket)
    }
  }

  /** It takes too slowly what it is told: it goes on with a new socket. */
  onSlow(socket: Socket): void {
    const connected = this.#connected.get(socket)
    if (connected === undefined) return
    this.#ports.tally.slowCount++
    connected.session.disconnect(errors.disconnectedSlowConsumer().info)
  }

  holdingOf(connectionId: string): Holding {
    const held = this.#byConnection.get(connectionId) ?? this.#parking.find(connectionId)
    if (held === undefined) return { kind: 'ended', error: this.#parking.endOf(connectionId) }
    const { claim, isProven, past } = held
    return { kind: 'held', claim, isProven, past }
  }

  endHeld(connectionId: string): void {
    this.#byConnection.get(connectionId)?.supersede()
    this.#parking.remove(connectionId)
  }

  onSuperseded(connectionId: string, claim: number): void {
    const session = this.#byConnection.get(connectionId)
    if (session !== undefined && session.claim < claim) session.supersede()
    const parked = this.#parking.find(connectionId)
    if (parked !== undefined && parked.claim < claim) this.#parking.remove(connectionId)
    this.#ports.channels.overrule(connectionId, claim)
  }

  onDecided(resuming: Resuming, outcome: ClaimDecision): void {
    // Keys and tokens may have ended meanwhile.
    const proven = this.#ports.gate.prove(resuming.params)
    const isGranted = outcome.kind === 'granted'
    const { connectionId } = resuming.facts
    if (!proven.ok) {
      if (isGranted) this.onGrantedLate(connectionId, outcome.claim, outcome.past)
      this.turnAway(resuming, proven.error.info)
    } else if (isGranted) {
      this.onSuperseded(connectionId, outcome.claim)
      const isRecovered = resuming.facts.isRecovered || resuming.params.resume === undefined
      this.#open(resuming, proven.credentials, { connectionId, isRecovered, ...outcome })
    } else {
      this.#begin(resuming, proven.credentials, outcome.error)
    }
    this.#hear(resuming.slot.socket, resuming.early)
  }

  onGrantedLate(connectionId: string, claim: number, past: Past): void {
    this.onSuperseded(connectionId, claim)
    this.#parking.park({ connectionId, claim, isProven: false, past })
  }

  turnAway(newcomer: Newcomer, error: ErrorInfo): void {
    this.#entrance.turnAway(newcomer, error)
  }

  close(because: ErrorInfo): void {
    this.#resumes.turnAwayAll(because)
    this.#entrance.close(because)
  }

  open(): void {
    this.#entrance.open()
  }

  *#sessions(): Generator<Session> {
    for (const { session } of this.#connected.values()) yield session
  }

  /** End of a turn: sends the answers that have become ready. */
  flush(): void {
    for (const session of this.#ready) {
      session.flushAnswers()
      this.departures.onAnswered(session)
    }
    this.#ready.clear()
  }

  describe(): string[] {
    const sessions = [...this.#connected.values()].map(({ session }) => session.describe())
    const [parked, resuming] = [this.#parking.size, this.#resumes.count]
    if (parked + resuming > 0) sessions.push(`${parked} sessions parked, ${resuming} resuming`)
    return sessions
  }

  enter(newcomer: Newcomer, credentials: Credentials): void {
    const { slot, params: { resume, recover }, facts, early } = newcomer
    const refusal = facts !== undefined ? resumeRefusal(facts, credentials)
      : (resume ?? recover) === undefined ? undefined : errors.invalidConnectionKey().info
    if (facts !== undefined && refusal === undefined) {
      this.#resumes.wait({ ...newcomer, facts })
      return
    }
    this.#begin(newcomer, credentials, refusal)
    this.#hear(slot.socket, early)
  }

  /** A new connection, if there is room; `because`: why the one of before does not go on. */
  #begin(newcomer: Newcomer, credentials: Credentials, because?: ErrorInfo): void {
    const refusal = this.#entrance.refusalOfNew(newcomer, credentials)
    if (refusal !== undefined) this.turnAway(newcomer, refusal.info)
    else this.#open(newcomer, credentials, this.#newIdentity(), because)
  }

  /** What its client sent without waiting for CONNECTED. */
  #hear(socket: Socket, early: EarlyFrames): void {
    for (const { data, isBinary } of early.take()) this.onFrame(socket, data, isBinary)
  }

  #newIdentity(): Identity {
    const connectionId = this.#ports.random.id(10)
    return { connectionId, claim: 0, lineage: undefined, isRecovered: false, past: nothingSaid }
  }

  #open(
    { slot, params }: Newcomer,
    credentials: Credentials,
    identity: Identity,
    error?: ErrorInfo
  ): void {
    const { format, echo, heartbeats, isTls, remainPresentForMs = limits.presenceGraceMs } = params
    const { serverId, siteCode } = this.#options
    const { connectionId } = identity
    const appLimits = this.#ports.gate.directory?.app(credentials.appId)?.limits
    this.#ports.tally.openedCount++
    const connected = new Connected(slot, this.#beats.nextRow(), this, {
      ...identity,
      connectionKey: this.#ports.gate.keyOf(identity, credentials),
      credentials,
      isTls,
      format,
      echoes: echo,
      heartbeats,
      remainPresentForMs: Math.min(remainPresentForMs, limits.connectionStateTtlMs),
      presenceMembersMax: appLimits?.presenceMemberCountMax,
      channelCountMax: appLimits?.channelCountMax ?? limits.attachmentsPerSessionMax,
      channelRateMax: appLimits?.channelPublishRateMax,
      messagesPerSecondMax: appLimits?.publishRateMax ?? limits.messagesPerSecondMax,
      messageBytesMax: appLimits?.messageBytesMax ?? limits.messageBytesMax,
      serverId,
      siteCode
    })
    this.#connected.set(slot.socket, connected)
    this.#byConnection.set(connectionId, connected.session)
    this.#apps.add(credentials.appId, identity.claim === 0)
    this.#beats.add(connected)
    slot.socket.carries?.(connectionId, identity.claim)
    connected.session.connected(error)
    const fate = identity.claim === 0 ? 'opened' : 'update'
    this.#ports.events.onConnection(connected.session, fate, error)
  }

  #onEnded(session: Session, ending: Ending, error?: ErrorInfo): void {
    const { connectionId, claim, isProven, past, credentials, account } = session
    if (this.#byConnection.get(connectionId) !== session) return
    this.#byConnection.delete(connectionId)
    if (ending === 'parked') {
      this.#parking.park({ connectionId, claim, credentials, isProven, past, account })
    } else if (ending === 'closed') {
      this.#parking.close(connectionId)
      const fate = error === undefined ? 'closed' : 'failed'
      this.#ports.events.onConnection(session, fate, error)
    }
  }

  /** The socket is closed, or about to be: nothing of it counts any more. */
  forget(socket: Socket): void {
    const connected = this.#connected.get(socket)
    if (connected === undefined) return
    connected.row.delete(connected)
    this.#connected.delete(socket)
    this.#apps.remove(connected.session.appId)
  }

  /** Shows a socket that we live; one that does not show it is dropped. */
  #beat({ slot, session }: Connected, nowMs: number): void {
    if (nowMs - session.heardAtMs > limits.socketSilenceMs) {
      session.disconnect(errors.idleTimeout().info)
    } else {
      if (session.wantsHeartbeats) slot.write(HEARTBEATS[session.format])
      slot.socket.ping()
    }
  }
}
