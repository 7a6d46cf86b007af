/**
 * Connections (rule 20). A resume continues the connection that was asked for or none; it fails
 * only where the connection's state may be gone, and never for being undecided: then its client
 * is asked to come again. Once the weather has cleared nobody has two homes: one socket is left
 * of each connection.
 */

import { partitionOf } from '../../../src/base/hash.ts'
import { limits } from '../../../src/base/limits.ts'
import { memberOf } from '../../../src/ring/view.ts'
import type { Region } from '../region.ts'
import type { SimSocket } from '../sockets.ts'
import { Does, type Wire } from '../wire.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'

/** Clocks run a little wrong, and a resume takes its time. */
const STATE_SLACK = 0.85

export class Sessions implements Check {
  readonly #region: Region
  /** By client: when the last socket was opened that it was connected by. */
  readonly #openedAtMs = new Map<string, number>()
  /** By connection: when its client was last seen on a socket of it. */
  readonly #seenAtMs = new Map<string, number>()
  readonly #open = new Map<SimSocket, string>()
  /** Partitions whose registers may have forgotten what they had claimed. */
  readonly #rolledBack = new Set<number>()
  resumedCount = 0
  cometCount = 0
  failedCount = 0
  lateCount = 0

  constructor(region: Region) {
    this.#region = region
  }

  onRolledBack(partition: number): void {
    this.#rolledBack.add(partition)
  }

  onServerSays(socket: SimSocket, message: Wire): void {
    if (message.action !== Does.CONNECTED) return
    const { world } = this.#region
    const { client: { name }, openedAtMs } = socket
    const connectionId = message.connectionId!
    // Its client has shown another token: it is told once more who it is.
    if (this.#open.get(socket) === connectionId) return
    this.#open.set(socket, connectionId)
    if (socket.isComet === true) this.cometCount++
    // Its client has given it up, and was connected by another since: it hears nothing of this,
    // and its key may be retired by now (rule 20).
    if (openedAtMs < (this.#openedAtMs.get(name) ?? 0)) return
    this.#openedAtMs.set(name, openedAtMs)
    this.#seenAtMs.set(connectionId, world.nowMs)
    // What it asks for counts: a connection that it was given and never heard of it cannot know.
    const { resumesId } = socket
    if (resumesId === connectionId) {
      this.resumedCount++
      return
    }
    const seenAtMs = resumesId === undefined ? undefined : this.#seenAtMs.get(resumesId)
    if (seenAtMs === undefined) return
    this.failedCount++
    this.#mayFail(socket, seenAtMs, message)
  }

  onClientSays(socket: SimSocket): void {
    this.#seen(socket)
  }

  onSocketGone(socket: SimSocket): void {
    // That an answer to a comet request was lost its home knows long before its client does.
    if (socket.isComet !== true) this.#seen(socket)
    this.#open.delete(socket)
  }

  /**
   * Its home lives: one that stands still, or has no mesh, may be taken for dead by then, and one
   * that the view lists no more is, though its sockets are open yet.
   */
  #seen(socket: SimSocket): void {
    if (socket.isComet === true && socket.isCut) return
    const connectionId = this.#open.get(socket)
    const { kube, nodes, world } = this.#region
    const { life, machine } = socket.server
    const isImpaired = nodes.get(machine)?.isImpaired === true
    const isListed = kube.view === undefined ||
      memberOf(life.split('/')[0]!, kube.view) !== undefined
    if (connectionId === undefined || !isListed || isImpaired) return
    this.#seenAtMs.set(connectionId, world.nowMs)
  }

  missing(): string[] {
    const homes = new Map<string, SimSocket>()
    const missing: string[] = []
    for (const [socket, connectionId] of this.#open) {
      if (!socket.isOpen) continue
      const other = homes.get(connectionId)
      if (other !== undefined) missing.push(`${connectionId} has ${other.id} and ${socket.id}`)
      homes.set(connectionId, socket)
    }
    return missing
  }

  #mayFail(socket: SimSocket, seenAtMs: number, message: Wire): void {
    const { nowMs } = this.#region.world
    const { name } = socket.client
    if (message.error === undefined) {
      throw new Violation('sessions', `${name} gets another connection and is not told why`)
    }
    const awayMs = nowMs - seenAtMs
    const isLate = awayMs > limits.connectionStateTtlMs * STATE_SLACK
    if (isLate) this.lateCount++
    const { partitionCount } = this.#region.options
    // The ring object tells who died lately to those who were not there.
    const isForgotten = this.#region.kube.isRestored ||
      this.#rolledBack.has(partitionOf(socket.resumesId!, partitionCount))
    if (isLate || isForgotten) return
    throw new Violation('sessions', `${name} was away for ${Math.round(awayMs)} ms and cannot ` +
      `resume: ${JSON.stringify(message.error)}`)
  }
}
