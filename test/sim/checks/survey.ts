/**
 * What requests are told of channels (protocol 8.6 and 14.4), against what sockets and log show.
 *
 * Who is told to be present was present at some moment since a little before it was asked, as the
 * log has it, and who was present all that time is told: a master may answer for as long after its
 * last append as its word counts (rule 11). A list of channels has each of them once, in order,
 * and every one that somebody was attached to all the while. Once the weather has cleared, and
 * where nothing has changed for a moment, lists and numbers are exactly what they must be.
 */

import { partitionOf } from '../../../src/base/hash.ts'
import { limits } from '../../../src/base/limits.ts'
import { APP, channelKey } from '../app.ts'
import type { Taken } from '../ledger.ts'
import type { Accepted } from '../log.ts'
import { memberKeyOf, memberWords, type Shown } from '../presence-map.ts'
import type { Region } from '../region.ts'
import type { SimSocket } from '../sockets.ts'
import type { Details, MemberFilter, SurveyWitness } from '../surveyor.ts'
import { Does, type Wire } from '../wire.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'
import { isMastered } from './mastered.ts'
import { metricWords, type Occupancy } from './occupancy.ts'

/** Clocks differ, and what is on its way takes a moment. */
const SLACK_MS = 100
/** What changes is known to all within this. */
const QUIET_MS = 1_000
/** A comet connection whose client is gone is known to be so within this. */
const UNSEEN_MS = 40_000
/**
 * Everybody who can answer knows of a node that has been in the view so long, and that nobody
 * took for gone in that time.
 */
const KNOWN_MS = 15_000
/** The channels that clients here use, and those that keep to nothing. */
/** The rough client may say again, after a resume, who is present there. */
const NAMES = /^(((kept|together):)?ch\d+|safe:c|known:c|never|seldom\d+)$/
const METRICS = [
  'connections', 'objectPublishers', 'objectSubscribers', 'presenceConnections',
  'presenceMembers', 'presenceSubscribers', 'publishers', 'subscribers'
]
const OVER: readonly number[] = [Does.DISCONNECTED, Does.CLOSED]

export class Survey implements Check, SurveyWitness {
  readonly #region: Region
  readonly #occupancy: Occupancy
  /** Since when each is attached, by what its socket was told; undefined: not surely. */
  readonly #attached = new Map<SimSocket, Map<string, number | undefined>>()
  readonly #changedAtMs = new Map<string, number>()
  readonly #listedAtMs = new Map<string, number>()
  /** The lineage of each partition, and since when. */
  readonly #lineages = new Map<number, { readonly lineage: string; readonly atMs: number }>()
  /** The weather has cleared. */
  isCalm = false
  toldCount = 0

  constructor(region: Region, occupancy: Occupancy) {
    this.#region = region
    this.#occupancy = occupancy
  }

  onAppended({ committed, lineage }: Taken, { partition }: Accepted): void {
    if (this.#lineages.get(partition)?.lineage !== lineage) {
      this.#lineages.set(partition, { lineage, atMs: this.#region.world.nowMs })
    }
    for (const { channel, events } of committed) if (events !== undefined) this.#onChange(channel)
  }

  onClientSays(socket: SimSocket, { action, channel = '' }: Wire): void {
    if (action !== Does.ATTACH && action !== Does.DETACH) return
    const channels = this.#attached.get(socket) ?? new Map<string, number | undefined>()
    this.#attached.set(socket, channels)
    // Whoever detaches is so at once, and is told when its members have left.
    if (action === Does.ATTACH || channels.has(channel)) channels.set(channel, undefined)
    this.#onChange(channelKey(channel))
  }

  onServerSays(socket: SimSocket, { action, channel }: Wire): void {
    const channels = this.#attached.get(socket)
    const isOver = OVER.includes(action) || (action === Does.ERROR && channel === undefined)
    if (isOver) this.onSocketGone(socket)
    if (channels === undefined || channel === undefined) return
    const isGone = action === Does.DETACHED || action === Does.ERROR
    if (isGone) channels.delete(channel)
    if (isGone || action === Does.ATTACHED) this.#onChange(channelKey(channel))
    if (action === Does.ATTACHED) {
      channels.set(channel, channels.get(channel) ?? this.#region.world.nowMs)
    }
  }

  onSocketGone(socket: SimSocket): void {
    for (const channel of this.#attached.get(socket)?.keys() ?? []) {
      this.#onChange(channelKey(channel))
    }
    this.#attached.delete(socket)
  }

  /** Who is taken for gone for less than a second is so between two ticks. */
  onAdopted(): void {
    this.onTick()
  }

  onTick(): void {
    const { kube, world, running } = this.#region
    const listed = new Set(kube.view?.members.map(({ incarnation }) => incarnation))
    for (const { life } of running) {
      for (const incarnation of life?.adopted?.gone ?? []) listed.delete(incarnation)
    }
    for (const incarnation of listed) {
      if (!this.#listedAtMs.has(incarnation)) this.#listedAtMs.set(incarnation, world.nowMs)
    }
    for (const incarnation of this.#listedAtMs.keys()) {
      if (!listed.has(incarnation)) this.#listedAtMs.delete(incarnation)
    }
  }

  onDetails(channel: string, askedAtMs: number, told: Details): boolean {
    this.toldCount++
    const { channelId, name, status: { isActive, occupancy: { metrics } } } = told
    const wrong = (why: string): Violation =>
      new Violation('status', `${channel} is told as ${JSON.stringify(told)}: ${why}`)
    if (channelId !== channel || name !== channel) throw wrong('that is another one')
    if (Object.keys(metrics).sort().join() !== METRICS.join()) throw wrong('other numbers')
    const { connections = 0, presenceMembers = 0, ...byMode } = metrics
    const numbers = Object.values(metrics)
    if (!numbers.every((each) => Number.isSafeInteger(each) && each >= 0)) throw wrong('no numbers')
    if (Math.max(...Object.values(byMode)) > connections) throw wrong('more than there are')
    if (isActive !== (connections > 0 || presenceMembers > 0)) throw wrong('is it active?')
    const key = channelKey(channel)
    const truth = metricWords(this.#occupancy.metricsOf(channel))
    if (metricWords(metrics) === truth) return true
    if (!this.#isQuiet(key, askedAtMs)) return false
    if (this.#isDoubtful(key)) return true
    throw wrong(`it is ${truth}`)
  }

  onChannels(prefix: string, askedAtMs: number, names: readonly string[]): boolean {
    this.toldCount++
    const wrong = (why: string): Violation =>
      new Violation('channels', `those of ${prefix || 'all'} are told as ${names.join()}: ${why}`)
    for (const [at, name] of names.entries()) {
      if (at > 0 && name <= names[at - 1]!) throw wrong('they are not in order')
      if (!name.startsWith(prefix)) throw wrong('another prefix')
      if (!NAMES.test(name)) throw wrong(`nobody uses ${name}`)
    }
    const isWanted = (name: string): boolean => name.startsWith(prefix)
    const missing = this.#attachedSince(askedAtMs).find((name) =>
      isWanted(name) && !names.includes(name))
    if (missing !== undefined) throw wrong(`${missing} is attached to`)
    const truth = this.#used()
    for (const name of new Set([...truth, ...names])) {
      const key = `${APP}/${name}`
      const isRight = !isWanted(name) || names.includes(name) === truth.has(name)
      if (isRight || this.#isDoubtful(key)) continue
      if (!this.#isQuiet(key, askedAtMs)) return false
      throw wrong(`they are ${[...truth].sort().join()}`)
    }
    return true
  }

  onMembers(
    channel: string, askedAtMs: number, filter: MemberFilter, members: readonly Shown[]
  ): boolean {
    this.toldCount++
    const key = channelKey(channel)
    const isAsked = (member: Shown): boolean =>
      (filter.clientId ?? member.clientId) === member.clientId &&
      (filter.connectionId ?? member.connectionId) === member.connectionId
    const wrong = (why: string): Violation => new Violation('members',
      `of ${channel} (${JSON.stringify(filter)}) ${members.map(memberWords).join(', ')}: ${why}`)
    const told = new Set(members.map(memberKeyOf))
    if (told.size < members.length) throw wrong('somebody is told twice')
    if (!members.every(isAsked)) throw wrong('others were asked for')
    const fromMs = askedAtMs - limits.confirmedMs - SLACK_MS
    const sets = this.#setsSince(key, fromMs)
    if (sets === undefined) return this.isCalm
    const words = new Set(sets.flatMap((set) => set.map(memberWords)))
    const absent = members.find((member) => !words.has(memberWords(member)))
    if (absent !== undefined) throw wrong(`${memberWords(absent)} was not present`)
    const [first = [], ...later] = sets.map((set) => set.filter(isAsked).map(memberKeyOf))
    const missing = first.find((who) =>
      !told.has(who) && later.every((present) => present.includes(who)))
    if (missing !== undefined) throw wrong(`${missing} was present all the while`)
    return true
  }

  /** Who was present at each moment since then; undefined where nobody can say. */
  #setsSince(key: string, fromMs: number): Shown[][] | undefined {
    const { ledger, options } = this.#region
    const { atMs: begunAtMs = -Infinity } =
      this.#lineages.get(partitionOf(key, options.partitionCount)) ?? {}
    // Where a lineage has begun nobody is told before all have declared, or had the time to.
    if (this.#isDoubtful(key) || begunAtMs > fromMs - limits.rollMs) return undefined
    const all = ledger.of(ledger.lineageOf(key), key)
    const since = all.findLastIndex(({ atMs }) => atMs <= fromMs)
    const sets = all.slice(Math.max(since, 0)).map(({ present }) => [...present.values()])
    return since === -1 ? [[], ...sets] : sets
  }

  /** Names of channels that somebody was attached to since then, as everybody can know. */
  #attachedSince(askedAtMs: number): string[] {
    this.onTick()
    const names: string[] = []
    for (const [socket, channels] of this.#attached) {
      const [, incarnation = ''] = /^(.*)\/\d+\/\d+$/.exec(socket.server.life) ?? []
      const listedAtMs = this.#listedAtMs.get(incarnation) ?? Infinity
      if (socket.isComet === true || listedAtMs > askedAtMs - KNOWN_MS) continue
      for (const [channel, sinceMs = Infinity] of channels) {
        if (sinceMs < askedAtMs && !channel.startsWith('[meta]')) names.push(nameOf(channel))
      }
    }
    return names
  }

  /** Names of channels that somebody is attached to, or present on. */
  #used(): Set<string> {
    const names = new Set<string>()
    for (const channels of this.#attached.values()) {
      for (const [channel, sinceMs] of channels) {
        if (sinceMs !== undefined && !channel.startsWith('[meta]')) names.add(nameOf(channel))
      }
    }
    for (const [key, present] of this.#region.ledger.present()) {
      if (present.size > 0 && !this.#isDoubtful(key)) names.add(key.slice(APP.length + 1))
    }
    return names
  }

  /** True if the log has lost something of it, or a former master writes it, or nobody does. */
  #isDoubtful(key: string): boolean {
    const { ledger } = this.#region
    return ledger.wasRolledBack(key) || ledger.hasStrays(key) || !isMastered(this.#region, key)
  }

  #onChange(key: string): void {
    this.#changedAtMs.set(key, this.#region.world.nowMs)
  }

  /** True if nothing is on its way that could make a difference. */
  #isQuiet(key: string, askedAtMs: number): boolean {
    const { sockets, goneUnseenAtMs } = this.#region
    const changedAtMs = this.#changedAtMs.get(key) ?? -Infinity
    if (!this.isCalm || changedAtMs > askedAtMs - QUIET_MS) return false
    if (goneUnseenAtMs > askedAtMs - UNSEEN_MS) return false
    return ![...sockets].some(({ client }) => client.isRough === true)
  }
}

function nameOf(channel: string): string {
  return channelKey(channel).slice(APP.length + 1)
}
