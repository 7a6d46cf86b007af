/**
 * Asks what there is: which channels are in use and how, and who is present. While the weather
 * rages it looks at something now and then; once it has cleared it asks for everything, each until
 * the answer could be judged to the full.
 */

import type { Random } from '../../src/base/random.ts'
import { type Ask, mayAskAgain, readPages } from './pages.ts'
import { memberKeyOf, type Shown, shownIn } from './presence-map.ts'
import type { Region } from './region.ts'
import type { WirePresence } from './wire.ts'
import { Violation } from './world.ts'

const AGAIN_MS = 800
const TYPES = ['application/json', 'application/x-msgpack']

/** Which members are asked for. */
export interface MemberFilter {
  readonly clientId?: string
  readonly connectionId?: string
}

/** A channel's details as they are told. */
export interface Details {
  readonly channelId: string
  readonly name: string
  readonly status: {
    readonly isActive: boolean
    readonly occupancy: { readonly metrics: Readonly<Record<string, number>> }
  }
}

/** Who judges what was told; each says whether it could judge all of it. */
export interface SurveyWitness {
  onDetails(channel: string, askedAtMs: number, told: Details): boolean
  onChannels(prefix: string, askedAtMs: number, names: readonly string[]): boolean
  onMembers(
    channel: string, askedAtMs: number, filter: MemberFilter, members: readonly Shown[]
  ): boolean
}

/** Asks for something; `onEnd` is told whether the answer could be judged to the full. */
type Inquiry = (onEnd: (isJudged: boolean) => void) => void

export class Surveyor {
  readonly #region: Region
  readonly #random: Random
  readonly #channels: readonly string[]
  readonly #witness: SurveyWitness
  readonly #ask: Ask
  readonly #open = new Set<string>()

  constructor(
    region: Region,
    random: Random,
    channels: readonly string[],
    witness: SurveyWitness,
    ask: Ask
  ) {
    this.#region = region
    this.#random = random
    this.#channels = channels
    this.#witness = witness
    this.#ask = ask
  }

  /** What of a survey has no answer yet that could be judged. */
  get open(): string[] {
    return [...this.#open]
  }

  /** Asks for something, once. */
  look(channel: string): void {
    const dice = this.#random.below(4)
    const nothing = (): void => undefined
    if (dice === 0) this.#askDetails(channel, nothing)
    else if (dice === 1) this.#askMembers(channel, this.#filter(channel), nothing)
    else if (dice === 2) this.#askBatch(this.#some(), nothing)
    else this.#askChannels(this.#random.below(3) === 0 ? channel : '', nothing)
  }

  /** Asks for everything. */
  survey(): void {
    for (const channel of this.#channels) {
      this.#until(`details of ${channel}`, (onEnd) => this.#askDetails(channel, onEnd))
      this.#until(`members of ${channel}`, (onEnd) => this.#askMembers(channel, {}, onEnd))
    }
    this.#until('members of all', (onEnd) => this.#askBatch(this.#channels, onEnd))
    this.#until('channels', (onEnd) => this.#askChannels('', onEnd))
  }

  #until(what: string, inquiry: Inquiry): void {
    this.#open.add(what)
    const run = (): void => inquiry((isJudged) => {
      if (isJudged) this.#open.delete(what)
      else this.#region.world.after(this.#random.jitter(AGAIN_MS), run)
    })
    run()
  }

  #askDetails(channel: string, onEnd: (isJudged: boolean) => void): void {
    const { nowMs } = this.#region.world
    this.#ask({ target: `/channels/${channel}` }, (answer) => {
      if (mayAskAgain(answer)) {
        onEnd(false)
        return
      }
      if (answer!.status !== 200) throw wrong(`/channels/${channel}`, answer!.value)
      onEnd(this.#witness.onDetails(channel, nowMs, answer!.value))
    })
  }

  #askMembers(
    channel: string, filter: MemberFilter, onEnd: (isJudged: boolean) => void
  ): void {
    const { nowMs } = this.#region.world
    const query = Object.entries(filter).map(([name, value]) => `&${name}=${value}`).join('')
    const list = {
      path: `/channels/${channel}/presence`, query, limit: 1 + this.#random.below(6)
    }
    readPages<WirePresence>(list, this.#typed(), (items) => {
      const members = items && membersOf(list.path, items)
      const keys = members?.map(memberKeyOf) ?? []
      if (keys.some((key, at) => at > 0 && key <= keys[at - 1]!)) throw wrong(list.path, keys)
      onEnd(members !== undefined && this.#witness.onMembers(channel, nowMs, filter, members))
    })
  }

  #askBatch(channels: readonly string[], onEnd: (isJudged: boolean) => void): void {
    const { nowMs } = this.#region.world
    const [separator, query] = this.#random.below(2) === 0 ? [',', ''] : ['|', '&separator=%7C']
    const target = `/presence?channels=${encodeURIComponent(channels.join(separator))}${query}`
    const isFlat = this.#random.below(4) === 0
    const headers = { 'x-ably-version': isFlat ? '2' : '6' }
    this.#ask({ target, headers }, (answer) => {
      if (mayAskAgain(answer)) {
        onEnd(false)
        return
      }
      const { value } = answer!
      const results = (isFlat ? value.batchResponse ?? value : value.results) as {
        channel: string; presence?: WirePresence[]; error?: { statusCode: number }
      }[]
      if (results.map(({ channel }) => channel).join() !== channels.join()) {
        throw wrong(target, value)
      }
      let isJudged = true
      for (const { channel, presence, error } of results) {
        if (presence === undefined && (error?.statusCode ?? 0) < 500) throw wrong(target, value)
        const members = presence && membersOf(target, presence)
        const isRight = members !== undefined &&
          this.#witness.onMembers(channel, nowMs, {}, members)
        isJudged &&= isRight
      }
      onEnd(isJudged)
    })
  }

  #askChannels(prefix: string, onEnd: (isJudged: boolean) => void): void {
    const { nowMs } = this.#region.world
    const areDetails = this.#random.below(3) === 0
    const by = areDetails ? '&by=value' : ''
    const list = {
      path: '/channels', query: `&prefix=${prefix}${by}`, limit: 1 + this.#random.below(5)
    }
    readPages<string | Details>(list, this.#typed(), (items) => {
      if (items === undefined) {
        onEnd(false)
        return
      }
      const names = items.map((item) => (typeof item === 'string' ? item : item.name))
      if (items.some((item) => (typeof item === 'string') === areDetails)) throw wrong(by, items)
      for (const item of items) {
        if (typeof item !== 'string') this.#witness.onDetails(item.name, nowMs, item)
      }
      onEnd(this.#witness.onChannels(prefix, nowMs, names))
    })
  }

  /** Asks in a version that tells names alone, for one format or the other. */
  #typed(): Ask {
    const headers = { accept: TYPES[this.#random.below(2)], 'x-ably-version': '6' }
    return (request, onAnswer) => this.#ask({ ...request, headers }, onAnswer)
  }

  #filter(channel: string): MemberFilter {
    const { clients } = this.#region
    const { members, connectionId } = clients[this.#random.below(clients.length)]!
    const [clientId] = members.wanted(channel)
    const dice = this.#random.below(4)
    if (dice === 0 && connectionId !== '') return { connectionId }
    return dice === 1 && clientId !== undefined ? { clientId } : {}
  }

  #some(): readonly string[] {
    const first = this.#random.below(this.#channels.length)
    return this.#channels.slice(first, first + 1 + this.#random.below(4))
  }
}

function membersOf(what: string, items: readonly WirePresence[]): Shown[] {
  if (items.some(({ action }) => action !== 1)) throw wrong(what, items)
  return shownIn({ action: 0, presence: items })
}

function wrong(what: string, value: unknown): Violation {
  return new Violation('requests', `${what} is answered ${JSON.stringify(value)}`)
}
