/**
 * Which other regions there are, as one node's main thread knows it, and what it says of its own
 * (docs/decisions/0024-regions.md). Every node listens; of each region one speaks: the first
 * serving member of its view. It announces who is there when something changed, at once but at most
 * once a second; and every ten seconds it says that it is there still, with a digest of that. Who
 * has missed an announcement asks for it, each a little later than others, and not at all if one
 * comes meanwhile: all hear it. Nothing is relied on to arrive.
 *
 *   unknown ──announced──▶ in the world ──silent for two minutes, or not on the roster──▶ unknown
 *
 * Of one ring the higher view counts, and generations only grow. A ring whose view is lower than
 * what we know is behind, or was restored: it is believed once the higher one has been silent.
 *
 * A name stands for one region. Where two rings announce the same, everybody takes the one that
 * was made later: mostly the former one is gone, and its region was made anew. Where both live,
 * somebody gave two regions one name: the earlier one finds that nobody listens to it any more,
 * says so, and serves alone; the later one does not listen to the earlier. So all agree, whatever
 * they heard first, and links that break change nothing in it. A roster that lists one of them
 * decides otherwise: who is not on it is not heard at all.
 *
 * A roster is kept until a later one comes, however long its globalmaster is silent: without it
 * regions go on as they are. As long as there was none, who names our world is heard, or who names
 * none, as former releases do. Who belongs to the world and is silent is named (region/absent.ts).
 */

import { hash32 } from '../base/hash.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import {
  type Announcement, type RegionIdentity, type RegionMessage, type Still, WORLD_FORMAT_VERSION,
  type WorldMessage, type WorldRoster
} from './world-message.ts'
import { recordOf, type View } from '../ring/view.ts'
import { AbsentRegions } from './absent.ts'
import {
  type Adopted, areSame, digestIn, type Generations, generationsOf, shareNodes, speakerOf, viewOf
} from './announced.ts'
import { endpointOrNone } from './endpoint.ts'
import { latestOfNames } from './namesakes.ts'
import {
  type Neighbour, termsEndMs, termsOf, usualSettings, type WorldSettings, type WorldTerms
} from './terms.ts'

/** Another region, as far as it has told who is there. */
export interface Foreign {
  /** The name that it has in the world. */
  readonly region: string
  readonly view: View
  /** Current generation of each worker, by incarnation. */
  readonly generations: Generations
}

/** Another region, and how it is reached. */
export interface ForeignRegion extends Foreign {
  readonly uid: string
  /** What the subjects of its mesh begin with. */
  readonly prefix: string
  /** Where clients reach it: a host or host:port; may be empty. */
  readonly endpoint: string
  /** It is to send its clients to others. */
  readonly isToDrain: boolean
}

/** All other regions of the world. */
export interface OtherRegions {
  /** Those that are heard, by name. */
  readonly regions: readonly ForeignRegion[]
  /** The names of those that are not heard any more, and belong to it still. */
  readonly absent: readonly string[]
}

export type WorldInput =
  /** Something was said on the subject of all regions, or by our globalmaster on our own. */
  | { readonly kind: 'heard'; readonly message: WorldMessage }
  | { readonly kind: 'adopted'; readonly adopted: Adopted }
  | { readonly kind: 'settings'; readonly settings: WorldSettings }
  /** What was said while it was down reached nobody. */
  | { readonly kind: 'meshUp' }
  /** The time that `nextDeadlineMs` named has come. */
  | { readonly kind: 'deadline' }

export type WorldOutput =
  /** To the nodes of all regions. */
  | { readonly kind: 'say'; readonly message: RegionMessage }
  /** Given again after every change. */
  | ({ readonly kind: 'world' } & OtherRegions)
  /** What follows for our workers; given again after every change. */
  | { readonly kind: 'terms'; readonly terms: WorldTerms }
  | {
    readonly kind: 'note'
    readonly level: 'info' | 'warn'
    readonly text: string
    readonly fields: Readonly<Record<string, string | number>>
  }

export interface WorldOutbox {
  push(output: WorldOutput): void
}

interface Heard {
  readonly region: ForeignRegion
  readonly madeAtMs: number
  /** Of what it announced. */
  readonly digest: number
  /** When it last said this, or something newer. */
  readonly atMs: number
}

export class KnownWorld {
  #own: RegionIdentity
  readonly #outbox: WorldOutbox
  /** By the uid of its ring. */
  readonly #heard = new Map<string, Heard>()
  readonly #absent = new AbsentRegions()
  /** By uid, when a region is to be asked to announce itself again. */
  readonly #asks = new Map<string, number>()
  #roster: { readonly uids: ReadonlySet<string>; madeAtMs: number; atMs: number } | undefined
  #adopted: Adopted | undefined
  #settings = usualSettings
  #world: readonly ForeignRegion[] = []
  #absentNames: readonly string[] = []
  /** The terms that were given last, and when others follow though nothing is heard. */
  #terms = ''
  #termsEndMs = Infinity
  #saidAtMs = -Infinity
  /** It is to be announced: something has changed, or somebody asks. */
  #hasNews = true
  #isCrowded = false

  constructor(own: RegionIdentity, outbox: WorldOutbox) {
    this.#own = own
    this.#outbox = outbox
  }

  turn(input: WorldInput, nowMs: number): void {
    switch (input.kind) {
      case 'heard':
        this.#onMessage(input.message, nowMs)
        break
      case 'adopted':
        this.#onAdopted(input.adopted)
        break
      case 'settings':
        this.#onSettings(input.settings)
        break
      case 'meshUp':
        this.#hasNews = true
        break
      case 'deadline':
        break
    }
    this.#forgetSilent(nowMs)
    this.#tell()
    this.#tellTerms(nowMs)
    this.#askAgain(nowMs)
    if (nowMs >= this.#announceAtMs()) this.#announce(nowMs)
  }

  /** When something is to be said, or somebody to be forgotten; Infinity: never. */
  nextDeadlineMs(): number {
    let nextMs = Math.min(this.#announceAtMs(), this.#termsEndMs, ...this.#asks.values())
    if (this.#roster === undefined) nextMs = Math.min(nextMs, this.#absent.nextMs())
    for (const { atMs } of this.#heard.values()) {
      nextMs = Math.min(nextMs, atMs + limits.regionSilenceMs)
    }
    return nextMs
  }

  *sizes(): Generator<Size> {
    yield ['worldRegionsMax', this.#heard.size]
    yield ['worldRegionsMax', this.#asks.size]
    yield* this.#absent.sizes()
  }

  describe(): string[] {
    const heard = [...this.#heard.values()].map(({ region }) => {
      const { region: name, uid, view, endpoint, isToDrain } = region
      const isKnown = this.#world.includes(region)
      return `region ${name} ${uid} view ${view.version} of ${view.members.length} nodes` +
        `${endpoint && ` at ${endpoint}`}${isToDrain ? ', to drain' : ''}` +
        `${isKnown ? '' : ', not listened to'}`
    })
    return [...heard, ...this.#absent.describe()]
  }

  #onMessage(message: WorldMessage, nowMs: number): void {
    if (message.kind === 'roster') {
      this.#onRoster(message, nowMs)
      return
    }
    const { uid, prefix } = this.#own
    if (message.kind === 'ask') this.#hasNews ||= message.uid === uid
    else if (message.uid === uid) this.#onOwn(message, nowMs)
    else if (message.prefix === prefix) return
    else if (!this.#isOfWorld(message)) this.#onStranger(message.uid)
    else if (message.kind === 'region') this.#onRegion(message, nowMs)
    else this.#onStill(message, nowMs)
  }

  /** Our own region's speaker knows who was heard before we began. */
  #onOwn({ absent = [] }: Announcement | Still, nowMs: number): void {
    const isUnheard = (uid: string): boolean => uid !== this.#own.uid && this.#isOnRoster(uid) &&
      !this.#heard.has(uid)
    this.#absent.onTold(absent, isUnheard, nowMs)
  }

  #onStranger(uid: string): void {
    const known = this.#heard.get(uid)
    if (known !== undefined) this.#forget(known.region, 'a region is in another world')
    this.#absent.delete(uid)
    this.#asks.delete(uid)
  }

  #onRegion(announcement: Announcement, nowMs: number): void {
    const { name, uid, prefix, madeAtMs, isToDrain = false } = announcement
    this.#asks.delete(uid)
    const known = this.#heard.get(uid)
    if (known === undefined && !this.#hasRoom(name)) return
    const view = viewOf(announcement)
    if (view === undefined || shareNodes(view, this.#adopted?.view)) return
    const former = known?.region
    // The higher one is not said again by this: if nobody does, it will have been silent.
    if (former !== undefined && view.version < former.view.version) return
    const digest = digestIn(announcement, view)
    const generations = generationsOf(view, announcement, former?.generations)
    const isSame = former !== undefined && known?.digest === digest
    const endpoint = endpointOrNone(announcement.endpoint)
    const region = isSame ? former
      : Object.freeze({ region: name, uid, prefix, endpoint, isToDrain, view, generations })
    this.#heard.set(uid, { region, madeAtMs, digest, atMs: nowMs })
    this.#absent.delete(uid)
    if (known === undefined) this.#onAppeared(region)
  }

  #onStill({ uid, viewVersion, digest }: Still, nowMs: number): void {
    const known = this.#heard.get(uid)
    if (known !== undefined && viewVersion < known.region.view.version) return
    if (known?.digest === digest) this.#heard.set(uid, { ...known, atMs: nowMs })
    else if (known !== undefined || this.#heard.size + this.#asks.size < limits.worldRegionsMax) {
      const self = this.#adopted?.incarnation ?? ''
      const atMs = nowMs + hash32(`${self} ${uid}`) % limits.announceAskMs
      if (!this.#asks.has(uid)) this.#asks.set(uid, atMs)
    }
  }

  #askAgain(nowMs: number): void {
    for (const [uid, atMs] of this.#asks) {
      if (nowMs < atMs) continue
      this.#asks.delete(uid)
      this.#say({ kind: 'ask', formatVersion: WORLD_FORMAT_VERSION, uid })
    }
  }

  /** It is answered at once, since it may not have heard of us either. */
  #onAppeared({ region: name, uid, view }: ForeignRegion): void {
    this.#hasNews = true
    this.#note('info', 'a region is heard of', { name, uid, viewVersion: view.version })
    const rival = name === this.#own.name ? this.#own.uid
      : [...this.#heard.values()].find(({ region }) => region.region === name && region.uid !== uid)
        ?.region.uid
    if (rival === undefined) return
    this.#note('warn', 'two regions have the same name; the one made later is listened to',
      { name, uid, rival, own: this.#own.uid })
  }

  #onRoster(roster: WorldRoster, nowMs: number): void {
    const { madeAtMs, uids } = roster
    const known = this.#roster
    // One that was made by who leads no more may come late.
    if (known !== undefined && madeAtMs < known.madeAtMs &&
      nowMs < known.atMs + limits.regionSilenceMs) return
    this.#roster = { uids: new Set(uids), madeAtMs, atMs: nowMs }
    const isHeard = (uid: string): boolean => uid === this.#own.uid || this.#heard.has(uid)
    this.#absent.onRoster(roster, isHeard, nowMs)
    for (const { region } of [...this.#heard.values()]) {
      if (!this.#isOnRoster(region.uid)) this.#forget(region, 'a region is not on the roster')
    }
  }

  #onAdopted(adopted: Adopted): void {
    const former = this.#adopted
    this.#adopted = adopted
    const isSame = former?.view === adopted.view &&
      areSame(former.generations, adopted.generations) && speakerOf(former) === speakerOf(adopted)
    if (!isSame) this.#hasNews = true
  }

  #onSettings(settings: WorldSettings): void {
    const { isToDrain } = settings
    if (isToDrain !== this.#settings.isToDrain) this.#hasNews = true
    this.#settings = settings
    this.#own = { ...this.#own, isToDrain }
  }

  #isOfWorld({ uid, world = this.#own.world }: Announcement | Still): boolean {
    return this.#roster === undefined ? world === this.#own.world : this.#isOnRoster(uid)
  }

  #isOnRoster(uid: string): boolean { return this.#roster?.uids.has(uid) !== false }

  #hasRoom(name: string): boolean {
    const hasRoom = this.#heard.size < limits.worldRegionsMax
    if (!hasRoom && !this.#isCrowded) {
      this.#note('warn', 'more regions announce themselves than can be listened to', { name })
    }
    this.#isCrowded = !hasRoom
    return hasRoom
  }

  #forgetSilent(nowMs: number): void {
    for (const { region, atMs } of [...this.#heard.values()]) {
      if (nowMs < atMs + limits.regionSilenceMs) continue
      this.#forget(region, 'a region is not heard of any more')
      this.#absent.add(region.uid, region.region, atMs)
    }
    if (this.#roster === undefined) this.#absent.forgetSilent(nowMs)
  }

  #forget({ region: name, uid }: ForeignRegion, text: string): void {
    this.#heard.delete(uid)
    this.#note('info', text, { name, uid })
  }

  /** Gives the world where it differs from what was given last. */
  #tell(): void {
    const world = this.#listenedTo()
    const names = [this.#own.name, ...world.map(({ region }) => region)]
    const absent = this.#absent.namesBut(names)
    const isSame = world.length === this.#world.length &&
      world.every((region, at) => region === this.#world[at]) &&
      JSON.stringify(absent) === JSON.stringify(this.#absentNames)
    if (isSame) return
    this.#world = world
    this.#absentNames = absent
    this.#outbox.push({ kind: 'world', regions: world, absent })
  }

  /** Gives the terms where they differ from what was given last. */
  #tellTerms(nowMs: number): void {
    const { view, gone } = this.#adopted ?? { gone: new Set() }
    const living = view?.members.filter(({ incarnation }) => !gone.has(incarnation)) ?? []
    const facts = {
      own: this.#own,
      settings: this.#settings,
      workerCount: living.reduce((sum, { workers }) => sum + workers, 0),
      neighbours: this.#world.map((region): Neighbour =>
        ({ ...region, heardAtMs: this.#heard.get(region.uid)!.atMs })),
      nearness: [...this.#roster?.uids ?? []]
    }
    this.#termsEndMs = termsEndMs(facts, nowMs)
    const terms = termsOf(facts, nowMs)
    const text = JSON.stringify(terms)
    if (text === this.#terms) return
    this.#terms = text
    this.#outbox.push({ kind: 'terms', terms })
  }

  #listenedTo(): ForeignRegion[] {
    const { name: region, uid, madeAtMs } = this.#own
    return latestOfNames(this.#heard.values(), { region: { region, uid }, madeAtMs })
      .map((heard) => heard.region)
  }

  #announceAtMs(): number {
    if (this.#adopted === undefined) return Infinity
    if (speakerOf(this.#adopted) !== this.#adopted.incarnation) return Infinity
    return this.#saidAtMs + (this.#hasNews ? limits.announceChangeMs : limits.announceMs)
  }

  #announce(nowMs: number): void {
    const { view, generations } = this.#adopted!
    const isWhole = this.#hasNews
    this.#saidAtMs = nowMs
    this.#hasNews = false
    const absent = this.#absent.told(nowMs)
    const own = { ...this.#own, ...(absent.length > 0 && { absent }) }
    const announcement: Announcement = {
      kind: 'region', formatVersion: WORLD_FORMAT_VERSION, ...own, view: recordOf(view),
      generations: view.members.flatMap(({ incarnation }) => {
        const known = generations.get(incarnation)
        return known === undefined ? [] : [[incarnation, known] as const]
      })
    }
    this.#say(isWhole ? announcement : {
      kind: 'still', formatVersion: WORLD_FORMAT_VERSION, ...own,
      viewVersion: view.version, digest: digestIn(announcement, view)
    })
  }

  #say(message: RegionMessage): void { this.#outbox.push({ kind: 'say', message }) }

  #note(level: 'info' | 'warn', text: string, fields: Record<string, string | number>): void {
    this.#outbox.push({ kind: 'note', level, text, fields })
  }
}
