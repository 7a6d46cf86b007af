/**
 * The way in for sockets: what a client asks for is read, its turn is waited for, who it is gets
 * proven, and there has to be room for it. Who is not let in is told why, in a way that says
 * whether to come again.
 */

import type { ConnectionKeys } from '../auth/connection-key.ts'
import type { Authenticated, Credentials } from '../auth/key.ts'
import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { Tally } from '../base/tally.ts'
import { Action } from '../wire/actions.ts'
import { type ErrorInfo, errors, isPassing, type ProtocolError } from '../wire/errors.ts'
import { encodeFrame } from '../wire/frame.ts'
import { parseConnectParams } from '../wire/params.ts'
import type { Format } from '../wire/protocol-message.ts'
import { Admissions, type AdmissionsOwner } from './admissions.ts'
import type { AppConnections } from './app-connections.ts'
import type { ClientEvents } from './client-events.ts'
import type { Gatekeeper } from './gatekeeper.ts'
import { EarlyFrames, type EarlyFrame, type Newcomer } from './newcomer.ts'
import { type Outbox, type Socket, SocketSlot } from './outbox.ts'
import type { Overload } from './overload.ts'
import type { SocketOpening } from './ports.ts'

export interface EntranceOwner {
  /** All sockets that are there, or on their way in. */
  readonly count: number
  enter(newcomer: Newcomer, credentials: Credentials): void
}

export interface EntrancePorts {
  readonly connectionKeys: ConnectionKeys
  readonly apps: AppConnections
  readonly outbox: Outbox
  readonly deadlines: Deadlines
  readonly overload: Overload
  readonly gate: Gatekeeper
  readonly events: ClientEvents
  readonly tally: Tally
  now(): Now
}

export class Entrance implements AdmissionsOwner {
  readonly #owner: EntranceOwner
  readonly #ports: EntrancePorts
  readonly #admissions: Admissions
  #closedBecause: ErrorInfo | undefined

  constructor(owner: EntranceOwner, ports: EntrancePorts) {
    this.#owner = owner
    this.#ports = ports
    this.#admissions = new Admissions(this, ports)
  }

  /** How many wait for their turn. */
  get count(): number {
    return this.#admissions.count
  }

  sizes(): Generator<Size> {
    return this.#admissions.sizes()
  }

  onOpened({ socket, query, isTls }: SocketOpening): void {
    const slot = new SocketSlot(socket, this.#ports.outbox)
    const parsed = parseConnectParams(query)
    if (parsed.ok) {
      const params = { ...parsed.params, isTls }
      const key = params.resume ?? params.recover
      const facts = key === undefined ? undefined : this.#ports.connectionKeys.open(key)
      const newcomer = { slot, params, facts, early: new EarlyFrames() }
      if (this.#closedBecause === undefined) this.#admissions.arrive(newcomer)
      else this.turnAway(newcomer, this.#closedBecause)
    } else {
      const format = query.get('format') === 'msgpack' ? 'msgpack' : 'json'
      this.#turnAway(slot, format, parsed.error.info)
    }
  }

  onFrame(socket: Socket, frame: EarlyFrame): void {
    this.#admissions.onFrame(socket, frame)
  }

  onClosed(socket: Socket): void {
    this.#admissions.onClosed(socket)
  }

  /** Nobody is let in any more, unless it is opened again. */
  close(because: ErrorInfo): void {
    this.#closedBecause = because
    this.#admissions.turnAwayAll(because)
  }

  open(): void {
    this.#closedBecause = undefined
  }

  letIn(newcomer: Newcomer): void {
    const admitted = this.#admit(newcomer)
    if (admitted.ok) this.#owner.enter(newcomer, admitted.credentials)
    else this.turnAway(newcomer, admitted.error.info)
  }

  /**
   * Why no connection may begin for `newcomer`, if there is no room. Who goes on with one needs
   * none: it was here before, and its former socket may not be known to be dead.
   */
  refusalOfNew({ facts }: Newcomer, { appId }: Credentials): ProtocolError | undefined {
    const { apps, gate, overload } = this.#ports
    // It was let in, strained as we are, for the sake of a connection that cannot go on.
    if (facts !== undefined && overload.isStrained) return errors.capacity()
    const countMax = gate.directory?.app(appId)?.limits.connectionCountMax
    return apps.isFull(appId, countMax) ? errors.tooManyConnections(countMax!) : undefined
  }

  turnAway({ slot, params }: Newcomer, error: ErrorInfo): void {
    const { events, gate } = this.#ports
    events.onRefused(params, gate.directory, error, slot.socket.transport)
    this.#turnAway(slot, params.format, error)
  }

  #admit({ params }: Newcomer): Authenticated {
    if (this.#owner.count < limits.socketsPerWorkerMax) return this.#ports.gate.prove(params)
    return { ok: false, error: errors.capacity() }
  }

  #turnAway(slot: SocketSlot, format: Format, error: ErrorInfo): void {
    const { tally } = this.#ports
    tally.turnedAwayCount++
    if (error.code === errors.capacity().info.code) tally.busyCount++
    else if (error.code === errors.tooManyConnections(0).info.code) tally.appFullCount++
    const action = isPassing(error) ? Action.DISCONNECTED : Action.ERROR
    slot.write(encodeFrame({ action, error }, format))
    slot.close()
  }
}
