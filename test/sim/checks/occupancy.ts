/**
 * Occupancy (protocol 7.10): it is told to those alone who asked, and of what they asked for; and
 * once the weather has cleared the last that each was told is true: so many are attached as
 * sockets were told that they are, and so many members are present as the log has.
 */

import { channelKey } from '../app.ts'
import type { Region } from '../region.ts'
import type { SimSocket } from '../sockets.ts'
import { Does, META, Mode, type Wire } from '../wire.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'

type Metrics = Readonly<Record<string, number>>

const MODE_METRICS = [
  ['publishers', Mode.PUBLISH],
  ['subscribers', Mode.SUBSCRIBE],
  ['presenceConnections', Mode.PRESENCE],
  ['presenceSubscribers', Mode.PRESENCE_SUBSCRIBE],
  ['objectPublishers', 0],
  ['objectSubscribers', 0]
] as const

interface Seat {
  /** What it asked for; undefined: nothing. */
  readonly occupancy: string | undefined
  /** The flags that it was granted; undefined while it is not attached. */
  modes: number | undefined
  told: Metrics | undefined
  isLeaving?: boolean
}

export class Occupancy implements Check {
  readonly #region: Region
  readonly #seats = new Map<SimSocket, Map<string, Seat>>()
  toldCount = 0

  constructor(region: Region) {
    this.#region = region
  }

  onClientSays(socket: SimSocket, { action, channel = '', params }: Wire): void {
    const leaving = this.#seats.get(socket)?.get(channel)
    // Whoever detaches is not counted any more, and is told so when its members have left.
    if (action === Does.DETACH && leaving !== undefined) leaving.isLeaving = true
    if (action !== Does.ATTACH) return
    let seats = this.#seats.get(socket)
    if (seats === undefined) {
      seats = new Map()
      this.#seats.set(socket, seats)
    }
    // One that is attached has its modes until it is told of others.
    const { told, modes } = seats.get(channel) ?? {}
    seats.set(channel, { occupancy: params?.['occupancy'], modes, told })
  }

  onServerSays(socket: SimSocket, message: Wire): void {
    const { action, channel = '', flags = 0 } = message
    const seat = this.#seats.get(socket)?.get(channel)
    if (action === Does.ATTACHED && seat !== undefined) seat.modes = flags
    if (action === Does.DETACHED || action === Does.ERROR) this.#seats.get(socket)?.delete(channel)
    const [first] = message.messages ?? []
    if (action === Does.MESSAGE && first?.action === META) {
      this.#onTold(socket, channel, seat, first.data ?? '')
    }
  }

  onSocketGone(socket: SimSocket): void {
    this.#seats.delete(socket)
  }

  missing(): string[] {
    const missing: string[] = []
    for (const [socket, seats] of this.#seats) {
      if (!socket.isOpen) continue
      for (const [channel, { occupancy, modes = 0, told }] of seats) {
        if (occupancy === undefined || (modes & Mode.SUBSCRIBE) === 0) continue
        const wanted = metricWords(asked(this.metricsOf(channel), occupancy))
        const heard = metricWords(told ?? {})
        if (heard === wanted) continue
        missing.push(`${socket.client.name} was told ${heard} of ${channel}, it is ${wanted}`)
      }
    }
    return missing
  }

  #onTold(socket: SimSocket, channel: string, seat: Seat | undefined, data: string): void {
    const who = `${socket.client.name} (${socket.id}) on ${channel}`
    const isWanted = seat?.occupancy !== undefined && ((seat.modes ?? 0) & Mode.SUBSCRIBE) !== 0
    if (!isWanted) throw new Violation('occupancy', `${who} is told the occupancy, unwanted`)
    const { metrics } = JSON.parse(data) as { metrics: Metrics }
    const all = { ...metrics, ...this.metricsOf(channel) }
    const wanted = Object.keys(asked(all, seat.occupancy!)).sort().join()
    if (Object.keys(metrics).sort().join() !== wanted) {
      throw new Violation('occupancy',
        `${who} asked for ${wanted}, is told ${metricWords(metrics)}`)
    }
    if (!Object.values(metrics).every((value) => Number.isSafeInteger(value) && value >= 0)) {
      throw new Violation('occupancy', `${who} is told ${metricWords(metrics)}`)
    }
    this.toldCount++
    seat.told = metrics
  }

  /** How it is used, as sockets were told and the log has it. */
  metricsOf(channel: string): Metrics {
    const all: number[] = []
    const key = channelKey(channel)
    for (const seats of this.#seats.values()) {
      // One channel may be attached to by several names.
      for (const [name, { modes, isLeaving = false }] of seats) {
        if (modes !== undefined && !isLeaving && channelKey(name) === key) all.push(modes)
      }
    }
    const byMode = MODE_METRICS.map(([name, bit]) =>
      [name, all.filter((modes) => (modes & bit) !== 0).length] as const)
    const connections = all.length
    return { connections, ...Object.fromEntries(byMode), ...this.#membersOf(channel) }
  }

  /** Nothing where nobody can say: the log has lost something, or a former master writes it. */
  #membersOf(channel: string): Metrics {
    const { ledger } = this.#region
    const key = channelKey(channel)
    const present = [...ledger.present()].find(([name]) => name === key)?.[1]
    return { presenceMembers: present?.size ?? 0 }
  }
}

/** Those of the metrics that were asked for. */
function asked(metrics: Metrics, occupancy: string): Metrics {
  if (occupancy === 'metrics') return metrics
  const names = occupancy.split(',').map((part) => part.replace('metrics.', ''))
  return Object.fromEntries(Object.entries(metrics).filter(([name]) => names.includes(name)))
}

/** Numbers in words, in one order. */
export function metricWords(metrics: Metrics): string {
  return Object.entries(metrics).sort().map(([name, value]) => `${name} ${value}`).join(', ')
}
