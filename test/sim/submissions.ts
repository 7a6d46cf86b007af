/**
 * What a client has sent, or is to send, and has no answer to: in order, numbered by msgSerial,
 * sent again on the next socket, numbered anew on another connection.
 */

import { Violation } from './world.ts'
import { Does, type Wire, type WireError, type WirePresence } from './wire.ts'

/** The error that says that nobody knows, documented. */
export const OUTCOME_UNKNOWN = 50003

/** True for the text of a message that is for those alone who are there. */
export function isEphemeral(text: string): boolean {
  return text.endsWith('~')
}

/** The name of the message with this text: that of one in two passes the filter of `derivedOf`. */
export function nameOf(text: string): string {
  return /[13579]\D*$/.test(text) ? 'f' : 'm'
}

/** A publish, or a word about presence, that has no answer yet. */
export interface Pending {
  readonly channel: string
  /** The data of its messages, or of its presence items where they are said for the first time. */
  readonly texts: readonly string[]
  readonly id: string | undefined
  readonly presence: readonly WirePresence[] | undefined
  msgSerial: number
  sendCount: number
}

export class Submissions {
  /** Texts by what became of them. */
  readonly acknowledged = new Set<string>()
  readonly refused = new Map<string, WireError>()
  /** Those of them that were sent once, so that nothing of them can be on its way. */
  readonly refusedAtOnce: string[] = []
  readonly #name: string
  #pending: Pending[] = []
  #msgSerial = 0

  constructor(name: string) {
    this.#name = name
  }

  get pending(): readonly Pending[] {
    return this.#pending
  }

  add(said: Pick<Pending, 'channel' | 'texts' | 'id' | 'presence'>): Pending {
    const pending = { ...said, msgSerial: -1, sendCount: 0 }
    this.#pending.push(pending)
    return pending
  }

  /** Nobody waits for anything any more. */
  clear(): void {
    this.#pending = []
  }

  /** On another connection everything is numbered anew. */
  renumber(): void {
    this.#msgSerial = 0
    for (const pending of this.#pending) pending.msgSerial = -1
  }

  /** The frame that says it. */
  frameOf(pending: Pending): Wire {
    if (pending.msgSerial < 0) pending.msgSerial = this.#msgSerial++
    pending.sendCount++
    const { texts, id, channel, msgSerial, presence } = pending
    if (presence !== undefined) return { action: Does.PRESENCE, channel, msgSerial, presence }
    const messages = texts.map((data, at) => {
      const name = nameOf(data)
      const item = isEphemeral(data) ? { name, data, extras: { ephemeral: true } } : { name, data }
      return id === undefined ? item : { ...item, id: texts.length === 1 ? id : `${id}:${at}` }
    })
    return { action: Does.MESSAGE, channel, msgSerial, messages }
  }

  /** Takes an ACK or NACK; what it answers, in order. */
  onAnswer({ action, msgSerial, count = 1, error }: Wire): Pending[] {
    const answered: Pending[] = []
    for (let at = 0; at < count; at++) {
      const pending = this.#pending.shift()
      if (pending?.msgSerial !== msgSerial! + at) {
        throw new Violation('acks', `${this.#name} has no publish ${msgSerial! + at}`)
      }
      answered.push(pending)
      for (const text of pending.texts) {
        if (action === Does.ACK) this.acknowledged.add(text)
        else this.#onRefused(text, pending, error!)
      }
    }
    return answered
  }

  #onRefused(text: string, pending: Pending, error: WireError): void {
    this.refused.set(text, error)
    // What is said of presence is said again whenever its client is attached.
    const isSaidOnce = pending.sendCount === 1 && pending.presence === undefined
    if (isSaidOnce && error.code !== OUTCOME_UNKNOWN) this.refusedAtOnce.push(text)
  }
}
