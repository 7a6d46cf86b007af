/**
 * Answers (rules 3, 17 and 18). On each socket they cover exactly the publishes received on it, in
 * order, contiguous, never twice; what is acknowledged is in the log, as what was sent, under the
 * serials that are told; what is refused never gets there; and an id is in the log once.
 */

import { channelKey, Does, OUTCOME_UNKNOWN } from '../clients.ts'
import type { Committed, Ledger, Taken } from '../ledger.ts'
import type { Region } from '../region.ts'
import type { SimSocket } from '../sockets.ts'
import type { Wire, WireError } from '../wire.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'

interface Received {
  readonly msgSerial: number
  readonly channel: string
  readonly texts: readonly string[]
  readonly id: string
  /** It was received before on another socket, so an earlier try may have been taken. */
  readonly isRepeat: boolean
}

export class Acks implements Check {
  readonly #region: Region
  readonly #ledger: Ledger
  readonly #owed = new Map<SimSocket, Received[]>()
  readonly #receivedIds = new Set<string>()
  readonly #committedIds = new Map<string, Committed>()
  ackedCount = 0
  refusedCount = 0

  constructor(region: Region) {
    this.#region = region
    this.#ledger = region.ledger
  }

  onAppended({ committed }: Taken): void {
    for (const each of committed) {
      const { lineage, channel, idSpace, id } = each
      const key = `${channel} ${idSpace} ${id}`
      const inLineage = `${lineage} ${key}`
      if (this.#committedIds.get(inLineage)?.isLost === false) {
        throw new Violation('once', `${key} is published twice`)
      }
      this.#committedIds.set(inLineage, each)
    }
  }

  onClientSays(socket: SimSocket, message: Wire): void {
    if (message.action !== Does.MESSAGE) return
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
      texts: messages.map(({ data }) => data ?? ''),
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
    for (const { name, refusedAtOnce } of this.#region.clients) {
      const published = refusedAtOnce.find((text) => this.#ledger.withText(text).length > 0)
      if (published === undefined) continue
      throw new Violation('refused', `${name} was refused ${published}, which is published`)
    }
  }

  onSocketGone(socket: SimSocket): void {
    this.#owed.delete(socket)
  }

  #onAck(
    socket: SimSocket,
    { texts, channel, msgSerial }: Received,
    serials: readonly (string | null)[] | undefined
  ): void {
    this.ackedCount++
    const who = `${socket.client.name} (${socket.id}) ${msgSerial}`
    const found = this.#ledger.withText(texts[0]!).filter((each) =>
      each.channel === channel && each.texts.join() === texts.join())
    if (found.length === 0) {
      throw new Violation('committed', `${who}: ${texts} is acknowledged and not in the log`)
    }
    const told = serials?.join(' ')
    if (!found.some((each) => serialsOf(each) === told)) {
      throw new Violation('acks', `${who}: told ${told}, the log has ${found.map(serialsOf)}`)
    }
  }

  #onNack(socket: SimSocket, { id, isRepeat, texts }: Received, error: WireError): void {
    this.refusedCount++
    if (isRepeat || error.code === OUTCOME_UNKNOWN) return
    const key = id.slice(id.indexOf(' ') + 1)
    const isCommitted = this.#ledger.withText(texts[0]!).some((each) =>
      `${each.idSpace} ${each.id}` === key)
    if (isCommitted) {
      throw new Violation('refused', `${socket.id}: ${texts} is published and then refused`)
    }
  }
}

function serialsOf({ timestamp, counter, lineage, texts }: Committed): string {
  const digits = (value: number, width: number): string => String(value).padStart(width, '0')
  return texts.map((_, at) =>
    `${digits(timestamp, 14)}-${digits(counter, 3)}@${lineage}:${digits(at, 3)}`).join(' ')
}
