/**
 * Answers (rules 3, 17 and 18). On each socket they cover exactly the publishes received on it, in
 * order, contiguous, never twice; what is acknowledged is in the log, as what was sent, under the
 * serials that are told; what is refused never gets there; and an id is in the log once. An id that
 * a client chose outlives its connection, and may be taken anew when it is no longer known.
 */

import type { Origin } from '../../../src/peer/message.ts'
import { channelKey } from '../app.ts'
import { type Committed, isOutlived } from '../committed.ts'
import type { Ledger, Taken } from '../ledger.ts'
import type { Accepted } from '../log.ts'
import type { Region } from '../region.ts'
import type { SimSocket } from '../sockets.ts'
import { OUTCOME_UNKNOWN } from '../submissions.ts'
import { Does, type Wire, type WireError } from '../wire.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'

interface Received {
  readonly msgSerial: number
  readonly channel: string
  /** Undefined for presence, which is known by its id alone. */
  readonly texts: readonly string[] | undefined
  readonly id: string
  /** It was received before on another socket, so an earlier try may have been taken. */
  readonly isRepeat: boolean
}

interface Mark {
  readonly isLost: boolean
}

export class Acks implements Check {
  readonly #region: Region
  readonly #ledger: Ledger
  readonly #owed = new Map<SimSocket, Received[]>()
  /** In all regions. */
  readonly #receivedIds: Set<string>
  readonly #committedIds = new Map<string, { readonly mark: Mark; readonly atMs: number }>()
  /** Presence ops that nobody sees, by partition: they are known by what they changed of owners. */
  readonly #unseen = new Map<number, { isLost: boolean }[]>()
  /** Ids that were ever in the log. */
  readonly #knownIds = new Set<string>()
  ackedCount = 0
  /** Hears of every publish that its publisher is told to be committed. */
  onAcknowledged: ((committed: Committed) => void) | undefined
  refusedCount = 0

  /** `receivedIds`: of whoever else hears the same clients. */
  constructor(region: Region, receivedIds = new Set<string>()) {
    this.#region = region
    this.#receivedIds = receivedIds
    this.#ledger = region.ledger
  }

  onAppended({ append, committed, lineage, isStray }: Taken, { partition }: Accepted): void {
    for (const each of committed) this.#onTaken(lineage, each.channel, each, each)
    const unseen = this.#unseen.get(partition) ?? []
    this.#unseen.set(partition, unseen)
    for (const entry of append.entries) {
      if (entry.kind === 'ownership' && entry.idSpace !== 'master') {
        const mark = { isLost: isStray }
        unseen.push(mark)
        this.#onTaken(lineage, entry.channel, entry, mark)
      } else if (entry.kind === 'publication') {
        const { idSpace, id } = entry.publication
        this.#knownIds.add(`${entry.channel} ${idSpace} ${id}`)
      }
    }
  }

  onRolledBack(partition: number): void {
    for (const mark of this.#unseen.get(partition) ?? []) mark.isLost = true
  }

  onClientSays(socket: SimSocket, message: Wire): void {
    const isPresence = message.action === Does.PRESENCE
    if (!isPresence && message.action !== Does.MESSAGE) return
    const messages = message.messages ?? []
    const ownId = messages[0]?.id
    const space = ownId === undefined ? 'connection' : 'client'
    const id = ownId ?? `${socket.connectionId}:${message.msgSerial}`
    const key = `${channelKey(message.channel!)} ${space} ${id}`
    const owed = this.#owed.get(socket) ?? []
    this.#owed.set(socket, owed)
    owed.push({
      msgSerial: message.msgSerial!,
      channel: channelKey(message.channel!),
      texts: isPresence ? undefined : messages.map(({ data }) => data ?? ''),
      id: key,
      isRepeat: this.#receivedIds.has(key)
    })
    this.#receivedIds.add(key)
  }

  onServerSays(socket: SimSocket, message: Wire): void {
    const { action } = message
    if (action === Does.CONNECTED) socket.connectionId = message.connectionId!
    if (action !== Does.ACK && action !== Does.NACK) return
    const owed = this.#owed.get(socket) ?? []
    const count = message.count ?? 0
    if (count < 1) throw new Violation('acks', `${socket.id}: an answer to nothing`)
    for (let at = 0; at < count; at++) {
      const received = owed.shift()
      if (received?.msgSerial !== message.msgSerial! + at) {
        throw new Violation('acks', `${socket.id}: an answer to ${message.msgSerial! + at}, ` +
          `where ${received?.msgSerial ?? 'nothing'} is next`)
      }
      if (action === Does.ACK) this.#onAck(socket, received, message.res?.[at]?.serials)
      else this.#onNack(socket, received, message.error!)
    }
  }

  /** What its publisher was told to be refused is nowhere, and stays so. */
  onTick(): void {
    for (const { name, submissions } of this.#region.clients) {
      const published = submissions.refusedAtOnce.find((text) => {
        return this.#ledger.withText(text).some(({ channel, lineage, isLost, origin }) =>
          !isLost && lineage === this.#ledger.lineageOf(channel) && this.#stands(channel, origin))
      })
      if (published === undefined) continue
      throw new Violation('refused', `${name} was refused ${published}, which is published`)
    }
  }

  /** False where the log that it was born in has lost it, so that it could be refused there. */
  #stands(channel: string, origin: Origin | undefined): boolean {
    const region = this.#region.abroad?.regions.find(({ name }) => name === origin?.region)
    return region === undefined || region.ledger.lineageOf(channel) === origin?.lineage
  }

  onSocketGone(socket: SimSocket): void {
    this.#owed.delete(socket)
  }

  #onTaken(
    lineage: string,
    channel: string,
    { id, idSpace, origin }: {
      readonly id: string; readonly idSpace: string; readonly origin?: Committed['origin']
    },
    mark: Mark
  ): void {
    const key = `${channel} ${idSpace} ${id}`
    // A region whose log is lost may publish again what another region has of it.
    const born = idSpace === 'client' || origin === undefined ? '' : ` ${origin.lineage}`
    const inLineage = `${lineage}${born} ${key}`
    const atMs = this.#region.world.nowMs
    const known = this.#committedIds.get(inLineage)
    if (known?.mark.isLost === false && !isOutlived({ idSpace, atMs: known.atMs }, atMs)) {
      throw new Violation('once', `${key} is published twice`)
    }
    this.#committedIds.set(inLineage, { mark, atMs })
    this.#knownIds.add(key)
  }

  #onAck(
    socket: SimSocket,
    { texts, channel, msgSerial, id }: Received,
    serials: readonly (string | null)[] | undefined
  ): void {
    this.ackedCount++
    const who = `${socket.client.name} (${socket.id}) ${msgSerial}`
    if (texts === undefined) {
      if (this.#knownIds.has(id)) return
      throw new Violation('committed', `${who}: ${id} is acknowledged and not in the log`)
    }
    const found = this.#ledger.withText(texts[0]!).filter((each) =>
      each.channel === channel && each.texts.join() === texts.join())
    if (found.length === 0) {
      throw new Violation('committed', `${who}: ${texts} is acknowledged and not in the log`)
    }
    const told = serials?.join(' ')
    const committed = found.find((each) => serialsOf(each) === told)
    if (committed !== undefined) this.onAcknowledged?.(committed)
    else {
      throw new Violation('acks', `${who}: told ${told}, the log has ${found.map(serialsOf)}`)
    }
  }

  #onNack(socket: SimSocket, { id, channel, isRepeat }: Received, error: WireError): void {
    this.refusedCount++
    if (isRepeat || error.code === OUTCOME_UNKNOWN) return
    // What the log has lost, or a former lineage had, is not there any more.
    const taken = this.#committedIds.get(`${this.#ledger.lineageOf(channel)} ${id}`)
    if (taken === undefined || taken.mark.isLost) return
    throw new Violation('refused', `${socket.id}: ${id} is published and then refused`)
  }
}

/** The serials of a publish, as its publisher must be told them. */
export function serialsOf({ timestamp, counter, lineage, origin, texts }: Committed): string {
  const digits = (value: number, width: number): string => String(value).padStart(width, '0')
  return texts.map((_, at) =>
    `${digits(timestamp, 14)}-${digits(counter, 3)}@${origin?.lineage ?? lineage}:` +
    digits(at, 3)).join(' ')
}
