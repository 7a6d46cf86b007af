/**
 * Who is present, from what a plain socket is told and nothing else: SYNC pages and events, in the
 * order in which they come. It holds the pages to their form on the way (protocol 8.4).
 */

import type { Test } from 'tap'
import type { PlainSocket, Told } from '../../support/plain-socket.ts'
import { until } from '../../support/ably-clients.ts'
import type { Stage } from './rule.ts'

export const ATTACH = 10
export const PRESENCE = 14
export const SYNC = 16
export const HAS_PRESENCE = 1

const PAGE_MAX = 100
const MANY_MS = 20_000

/** What is said of one member. */
export interface Item {
  readonly action: number
  readonly clientId?: string
  readonly connectionId?: string
  readonly id?: string
  readonly data?: unknown
}

export class Present {
  readonly clientIds = new Set<string>()
  readonly problems: string[] = []
  syncIds: string[] = []
  pageCount = 0
  #listed: Set<string> | undefined
  #read = 0
  readonly #socket: PlainSocket
  readonly #channel: string

  constructor(socket: PlainSocket, channel: string) {
    this.#socket = socket
    this.#channel = channel
  }

  /** Takes in what has come since; returns how many complete SYNCs there have been. */
  read(): number {
    for (; this.#read < this.#socket.all.length; this.#read++) {
      const told = this.#socket.all[this.#read]!
      if (told.channel !== this.#channel) continue
      if (told.action === SYNC) this.#onPage(told)
      if (told.action === PRESENCE) this.#onEvents(told)
    }
    return this.syncIds.length - (this.#listed === undefined ? 0 : 1)
  }

  /** Resolves once so many SYNCs were complete. */
  async synced(count = 1): Promise<void> {
    await until(`SYNC number ${count}`, () => this.read() >= count, MANY_MS)
  }

  /** Resolves once so many are present. */
  async become(count: number): Promise<void> {
    await until(`${count} members`, () => {
      this.read()
      return this.clientIds.size === count
    }, MANY_MS)
  }

  #onPage({ channelSerial, presence = [] }: Told): void {
    const [syncId, cursor] = channelSerial?.split(':') ?? ['', '']
    this.pageCount++
    if (presence.length > PAGE_MAX) this.problems.push(`a page of ${presence.length}`)
    if (this.#listed === undefined) {
      this.syncIds.push(syncId!)
      this.#listed = new Set()
    }
    if (syncId !== this.syncIds.at(-1)) this.problems.push('a SYNC begins within another')
    if (channelSerial !== undefined && !/^[\w-]+:[\w-]*$/.test(channelSerial)) {
      this.problems.push(`the cursor ${channelSerial}`)
    }
    for (const { action, clientId } of presence as unknown as Item[]) {
      if (action !== 1) this.problems.push(`action ${action} in a SYNC`)
      if (this.#listed.has(clientId!)) this.problems.push(`${clientId} is listed twice`)
      this.#listed.add(clientId!)
      this.clientIds.add(clientId!)
    }
    if (cursor !== '') return
    for (const each of this.clientIds) if (!this.#listed.has(each)) this.clientIds.delete(each)
    this.#listed = undefined
  }

  #onEvents({ presence = [] }: Told): void {
    for (const { action, clientId } of presence as unknown as Item[]) {
      if (action === 3) this.clientIds.delete(clientId!)
      else this.clientIds.add(clientId!)
      // While a SYNC is under way what was just said counts as listed, and what left does not.
      if (action === 3) this.#listed?.delete(clientId!)
      else this.#listed?.add(clientId!)
    }
  }
}

/** Attaches; resolves with ATTACHED. */
export function attached(socket: PlainSocket, channel: string, more: object = {}): Promise<Told> {
  socket.send({ action: ATTACH, channel, ...more })
  return socket.next((told) => told.action === 11 && told.channel === channel)
}

/** Says something of members; resolves with the ACK or NACK. */
export function said(
  socket: PlainSocket, channel: string, msgSerial: number, presence: readonly Item[]
): Promise<Told> {
  socket.send({ action: PRESENCE, channel, msgSerial, presence })
  return socket.next((told) =>
    (told.action === 1 || told.action === 2) && told.msgSerial === msgSerial, MANY_MS)
}

/** Two sockets of different nodes, attached: one who speaks, and one who watches. */
export async function pair(t: Test, on: Stage, name: string, params = {}): Promise<PlainSocket[]> {
  const [speaker, watcher] = [await on.socket(t, 0, { params }), await on.socket(t, 2)]
  await attached(speaker!, name)
  await attached(watcher!, name)
  return [speaker!, watcher!]
}

/** What a socket heard of presence. */
export function events(socket: PlainSocket): Item[] {
  return socket.all.filter(({ action }) => action === PRESENCE)
    .flatMap(({ presence = [] }) => presence as unknown as Item[])
}

/** What is told of the one member, some of it perhaps for the frame as a whole. */
export function facts(told: Told): object {
  const frame = told as unknown as Record<string, unknown>
  const item = told.presence![0]!
  const fields = ['id', 'timestamp', 'clientId', 'connectionId', 'data', 'encoding', 'extras']
  return Object.fromEntries(fields.map((field) => [field, item[field] ?? frame[field]]))
}
