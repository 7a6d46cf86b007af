/**
 * Who is present on a channel, as an SDK keeps it from PRESENCE and SYNC frames (protocol 8.1 and
 * 8.4): events of one connection are compared by msgSerial and index, those that servers decided
 * by time; a sync leaves nobody whom it did not list.
 */

import type { Wire } from './wire.ts'

export const Presence = { ABSENT: 0, PRESENT: 1, ENTER: 2, LEAVE: 3, UPDATE: 4 } as const
export const HAS_PRESENCE = 1

/** A member, or an event of one, with everything that frames hoist. */
export interface Shown {
  readonly action: number
  readonly connectionId: string
  readonly clientId: string
  readonly id: string
  readonly timestamp: number
  readonly data: string
}

/** The items of a PRESENCE or SYNC frame. */
export function shownIn(message: Wire): Shown[] {
  return (message.presence ?? []).map((item, index) => ({
    action: item.action!,
    connectionId: item.connectionId ?? message.connectionId ?? '',
    clientId: item.clientId ?? '',
    id: item.id ?? `${message.id}:${index}`,
    timestamp: item.timestamp ?? message.timestamp ?? 0,
    data: item.data ?? ''
  }))
}

/** True if a SYNC frame is the last one of its sync. */
export function isLastOfSync({ channelSerial }: Wire): boolean {
  return channelSerial === undefined || channelSerial.endsWith(':')
}

export function memberKeyOf({ connectionId, clientId }: Shown): string {
  return `${connectionId}:${clientId}`
}

/** Everything of a member that all who show it must show alike. */
export function memberWords({ connectionId, clientId, id, timestamp, data }: Shown): string {
  return `${connectionId}:${clientId} ${id} ${timestamp} ${data}`
}

export class PresenceMap {
  readonly #members = new Map<string, Shown>()
  /** While a sync is under way: who was there before and was not listed yet. */
  #residual: Set<string> | undefined

  get isSyncing(): boolean {
    return this.#residual !== undefined
  }

  /** Another sync begins; one that was under way, on a former socket perhaps, is given up. */
  onAttached(hasPresence: boolean): void {
    if (hasPresence) {
      this.#residual = new Set(this.#members.keys())
      return
    }
    this.#members.clear()
    this.#residual = undefined
  }

  onSync(message: Wire): void {
    this.#startSync()
    for (const item of shownIn(message)) this.take(item)
    if (isLastOfSync(message)) this.#endSync()
  }

  /** Takes an event; false if it is not newer than what is known. */
  take(item: Shown): boolean {
    const key = memberKeyOf(item)
    const isLeave = item.action === Presence.LEAVE || item.action === Presence.ABSENT
    if (!isLeave) this.#residual?.delete(key)
    const known = this.#members.get(key)
    if (known !== undefined && !isNewer(item, known)) return false
    if (!isLeave) this.#members.set(key, { ...item, action: Presence.PRESENT })
    else if (this.isSyncing) this.#members.set(key, { ...item, action: Presence.ABSENT })
    else this.#members.delete(key)
    return true
  }

  /** Who is present. */
  get members(): Shown[] {
    return [...this.#members.values()].filter(({ action }) => action === Presence.PRESENT)
  }

  #startSync(): void {
    this.#residual ??= new Set(this.#members.keys())
  }

  #endSync(): void {
    for (const key of this.#residual ?? []) this.#members.delete(key)
    for (const [key, { action }] of this.#members) {
      if (action === Presence.ABSENT) this.#members.delete(key)
    }
    this.#residual = undefined
  }
}

function isNewer(item: Shown, known: Shown): boolean {
  const here = orderOf(item)
  const there = orderOf(known)
  if (here === undefined || there === undefined) return item.timestamp >= known.timestamp
  return here.serial === there.serial ? here.index > there.index : here.serial > there.serial
}

/** Undefined for what a server decided of itself. */
function orderOf({ id, connectionId }: Shown): { serial: number; index: number } | undefined {
  if (!id.startsWith(connectionId)) return undefined
  const [, serial, index] = id.split(':')
  return { serial: Number(serial), index: Number(index) }
}
