/**
 * An invariant. It reads what the simulated log, sockets, mesh and API saw and what clients were
 * told, and throws a Violation when that must not happen. It may know what was done to the region:
 * who was killed, stands still, or is cut off. It does not look into nodes, but for checks
 * that ask for what nothing else shows:
 *
 * - `bounds`: how much workers and nodes hold. A leak is seen by nobody until memory is full.
 * - `survey`, `removals`: whom nodes hold to be gone while the view cannot be written (rule 10).
 *   From then on others answer for them, and no view can say so.
 */

import type { LogAnswer, LogRequest } from '../../../src/log/port.ts'
import type { ProbeOutcome } from '../../../src/node/member-ports.ts'
import type { LinkFrame } from '../../../src/peer/link.ts'
import type { MembershipMessage } from '../../../src/peer/membership.ts'
import type { Place } from '../../../src/peer/place.ts'
import type { Accepted } from '../log.ts'
import type { Taken } from '../ledger.ts'
import type { SimNode } from '../node.ts'
import type { SimSocket } from '../sockets.ts'
import type { Wire } from '../wire.ts'

export interface Check {
  /** A record is in the log. */
  onAppended?(taken: Taken, accepted: Accepted): void
  /** A record is in the log of revocations. */
  onRevocationsStored?(accepted: Accepted): void
  /**
   * A worker's life hears what became of its question to the log. `turningMs`: by a clock of its
   * own, which stands still while it does.
   */
  onLogAnswer?(life: string, request: LogRequest, answer: LogAnswer, turningMs: number): void
  /** A worker's life is about to end, and is told to write what it has counted. */
  onFlushing?(life: string): void
  /** A worker's life is over, when its clock shows this; `isFlushed`: its counts were written. */
  onLifeEnded?(life: string, isFlushed: boolean, turningMs: number): void
  /** A node has said this to others about who is there. */
  onMeshSays?(message: MembershipMessage): void
  /** A node tells its workers what to believe of the ring. */
  onAdopted?(): void
  /** The membership of `life` hears a message of this incarnation, and does not stand still. */
  onMeshHears?(life: string, sender: string): void
  /** A worker says something to another one. */
  onPeerSays?(from: Place, frame: LinkFrame): void
  /** A node has asked the private port of another, and hears whether `incarnation` is there. */
  onProbed?(asker: SimNode, incarnation: string, outcome: ProbeOutcome): void
  /** The log has lost the last records of a partition: those above a sequence. */
  onRolledBack?(partition: number, keptSeq: number): void
  /** The server wrote this to a socket. */
  onServerSays?(socket: SimSocket, message: Wire): void
  /** The server received this from a socket. */
  onClientSays?(socket: SimSocket, message: Wire): void
  /** The server's end of a socket is gone. */
  onSocketGone?(socket: SimSocket): void
  /** Called every second. */
  onTick?(): void
  /** What is not as it must be once the weather has cleared; empty when all is well. */
  missing?(): string[]
  /** Everybody has left, and the time in which everything is let go has passed. */
  onEmpty?(): void
}
