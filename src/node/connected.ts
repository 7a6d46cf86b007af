/** A socket that is open, and the session behind it. */

import { Session } from '../session/session.ts'
import type { SessionOptions, SessionPorts, Transport } from '../session/session-ports.ts'
import type { Frame } from '../wire/frame.ts'
import type { Socket, SocketSlot } from './outbox.ts'

export interface ConnectedOwner {
  readonly sessionPorts: SessionPorts
  /** The socket is closed, or about to be: nothing of it counts any more. */
  forget(socket: Socket): void
}

export class Connected implements Transport {
  readonly slot: SocketSlot
  readonly row: Set<Connected>
  readonly session: Session
  readonly #owner: ConnectedOwner

  constructor(
    slot: SocketSlot, row: Set<Connected>, owner: ConnectedOwner, options: SessionOptions
  ) {
    this.slot = slot
    this.row = row
    this.#owner = owner
    this.session = new Session(options, this, owner.sessionPorts)
  }

  get name(): string | undefined {
    return this.slot.socket.transport
  }

  get hasRoom(): boolean {
    return this.slot.hasRoom
  }

  write(frame: Frame): void {
    this.slot.write(frame)
  }

  close(): void {
    this.slot.close()
    this.#owner.forget(this.slot.socket)
  }
}
