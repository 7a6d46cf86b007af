/**
 * Revocations: what was answered as revoked is revoked everywhere, soon; and nobody is told that
 * a token is revoked who has not shown one that the log has revoked, as somebody asked for. A
 * worker that does not reach the log, or stands still, has its time from when it does again.
 *
 * Who names no time of issue means all tokens until a worker takes the request up (protocol 11.6),
 * and a machine that stands still does so long after it was asked. So the log tells which tokens
 * are meant, and what it tells must have been asked for, and not be of a time that is yet to come.
 */

import { decodeRevocations } from '../../../src/auth/revocation.ts'
import { REVOCATIONS_PARTITION } from '../../../src/node/revocation-log.ts'
import { EPOCH_MS } from '../clock.ts'
import type { Accepted } from '../log.ts'
import { REVOCABLE_KEY } from '../app.ts'
import type { Region } from '../region.ts'
import type { RevokerWitness } from '../revoker.ts'
import type { SimSocket } from '../sockets.ts'
import { Does, REVOKED, type Wire } from '../wire.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'

/** Within this, whatever the weather does to what is said and read. */
const BOUND_MS = 6_000
const MARGIN_MS = 30_000
/** What clocks may be wrong by. */
const SKEW_MS = 5_000

interface Revoked {
  readonly target: string
  readonly issuedBeforeMs: number
  /** From then on nobody with such a token may be served. */
  readonly dueAtMs: number
}

interface Facts {
  readonly iat: number
  readonly targets: readonly string[]
}

export class Revocations implements Check, RevokerWitness {
  readonly #region: Region
  readonly #open = new Set<SimSocket>()
  readonly #asked = new Set<string>()
  /** By target: tokens that were issued before are revoked, by all that the log ever had. */
  readonly #storedMs = new Map<string, number>()
  #revoked: Revoked[] = []
  /** When a machine last was in trouble of its own. */
  readonly #troubledAtMs = new Map<string, number>()
  readonly #facts = new Map<string, Facts>()
  revokedCount = 0
  endedCount = 0

  constructor(region: Region) {
    this.#region = region
  }

  onRevoking(targets: readonly string[]): void {
    for (const target of targets) this.#asked.add(target)
  }

  onRevocationsStored({ bytes, atMs }: Accepted): void {
    for (const { target, issuedBeforeMs } of decodeRevocations(bytes)?.revocations ?? []) {
      const isYetToCome = issuedBeforeMs > EPOCH_MS + atMs + 2 * SKEW_MS
      if (isYetToCome || !this.#asked.has(target)) {
        throw new Violation('revocations', `${target} is revoked before ` +
          `${issuedBeforeMs - EPOCH_MS}, at ${atMs}, and nobody asked for that`)
      }
      const earlierMs = this.#storedMs.get(target) ?? 0
      this.#storedMs.set(target, Math.max(earlierMs, issuedBeforeMs))
    }
  }

  onRevoked(target: string, issuedBeforeMs: number, hasMargin: boolean): void {
    this.revokedCount++
    const afterMs = hasMargin ? MARGIN_MS + SKEW_MS : 0
    const dueAtMs = this.#region.world.nowMs + afterMs + BOUND_MS
    this.#revoked.push({ target, issuedBeforeMs, dueAtMs })
  }

  /** What it has lost those who know it store again; where nobody lives any more, it is lost. */
  onRolledBack(partition: number): void {
    if (partition === REVOCATIONS_PARTITION) this.#revoked = []
  }

  onServerSays(socket: SimSocket, message: Wire): void {
    if (message.action === Does.CONNECTED) this.#open.add(socket)
    if (message.error?.code === REVOKED) this.#mustBeMeant(socket)
    else if (message.action !== Does.DISCONNECTED) this.#mustNotBeOver(socket)
  }

  onSocketGone(socket: SimSocket): void {
    this.#open.delete(socket)
  }

  onTick(): void {
    const { nodes, log, world } = this.#region
    for (const [machine, { isImpaired }] of nodes) {
      const isAway = log.faults.isAway || log.awayStreams.size > 0
      const isTroubled = isImpaired || isAway || log.cutOff.has(machine)
      if (isTroubled) this.#troubledAtMs.set(machine, world.nowMs)
    }
    for (const socket of this.#open) if (socket.isComet !== true) this.#mustNotBeOver(socket)
  }

  missing(): string[] {
    return [...this.#open].filter((socket) => socket.isOpen && this.#revocationOf(socket))
      .map(({ id, client }) => `${client.name} goes on with a revoked token on ${id}`)
  }

  #mustNotBeOver(socket: SimSocket): void {
    const revoked = this.#revocationOf(socket)
    // Any machine may have been asked for what a comet client is told.
    const machines = socket.isComet === true ? this.#region.nodes.keys() : [socket.server.machine]
    if (revoked === undefined || machines.some((machine) => this.#isTroubled(machine))) return
    throw new Violation('revocations', `${socket.client.name} is served on ${socket.id} by ` +
      `${socket.server.life}, though ${revoked.target} was revoked`)
  }

  #mustBeMeant(socket: SimSocket): void {
    this.endedCount++
    const isMeant = socket.tokens.some((token) => {
      const { iat, targets } = this.#factsOf(token)
      return targets.some((target) => iat * 1_000 < (this.#storedMs.get(target) ?? 0))
    })
    if (isMeant) return
    throw new Violation('revocations', `${socket.client.name} is told of a revocation on ` +
      `${socket.id} that means none of its tokens`)
  }

  /** What was revoked long enough ago, if that is so of every token that it has shown. */
  #revocationOf({ tokens }: SimSocket): Revoked | undefined {
    let last: Revoked | undefined
    for (const token of tokens) {
      const { iat, targets } = this.#factsOf(token)
      last = this.#revoked.find(({ target, issuedBeforeMs, dueAtMs }) =>
        dueAtMs < this.#region.world.nowMs && iat * 1_000 < issuedBeforeMs &&
        targets.includes(target))
      if (last === undefined) return undefined
    }
    return last
  }

  #factsOf(token: string): Facts {
    let facts = this.#facts.get(token)
    if (facts === undefined) {
      facts = factsOf(token)
      this.#facts.set(token, facts)
    }
    return facts
  }

  #isTroubled(machine: string): boolean {
    const atMs = this.#troubledAtMs.get(machine)
    return atMs !== undefined && this.#region.world.nowMs < atMs + BOUND_MS
  }
}

/** What a token says of itself; those of the key that is not revocable have no targets. */
function factsOf(token: string): Facts {
  const [head, body] = token.split('.').slice(0, 2).map((part) =>
    JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as Record<string, any>)
  const iat = body!['iat'] as number
  if (head!['kid'] !== REVOCABLE_KEY.split(':')[0]) return { iat, targets: [] }
  const resources = Object.keys(JSON.parse(body!['x-ably-capability']) as object)
  const targets = [
    `clientId:${body!['x-ably-clientId']}`, `revocationKey:${body!['x-ably-revocation-key']}`,
    ...resources.map((resource) => `channel:${resource}`)
  ]
  return { iat, targets }
}
