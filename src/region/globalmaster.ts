/**
 * The globalmaster of a region: which regions are in the world, as this region holds it to be, and
 * how each of them is (docs/decisions/0024-regions.md). Nothing is agreed with the others: each
 * decides for its own region from what it hears and from what its cluster knows.
 *
 *   standing by ──elected──▶ speaking ──a later term speaks for our region──▶ silent for good
 *
 * Who stands by hears everything, so that it need not begin from nothing when it is elected.
 *
 * In the world is a ring whose globalmaster says so, or whose object does. It stays there however
 * long it is silent, up to a day: not heard is not gone. It goes when it says that it is in
 * another world or none, when its object says so no more, and when a ring of the same name was
 * made later: mostly its region was made anew. One that our cluster listed and does so no more
 * stays as long as it is heard: peers tell each other of peers. A former globalmaster's word
 * counts like that of the ring, as of when it heard that. Where the later one has our own name we
 * are alone as long as it is heard, for nobody listens to us: nobody would answer what our nodes
 * ask.
 *
 * A new leader tells nobody anything until those who are there have had time to be heard: nodes
 * that had no roster before listen to everybody, and would lose them for a moment.
 */

import type { Now } from '../base/clock.ts'
import {
  type Echo, GLOBALMASTER_FORMAT_VERSION, type GlobalmasterHello, NO_WORLD
} from './globalmaster-message.ts'
import { type AnnouncedRing, FarRing } from './far-ring.ts'
import {
  type ExpectedPeer, type FormerPeer, type GlobalmasterInput, globalmasterLimits,
  type GlobalmasterOutbox, type PeerReport, type WorldConfig
} from './globalmaster-ports.ts'
import { judgePeer, type Participation, type PeerCase } from './peer-report.ts'
import { isBefore, type Peer, uidsInWorld } from './peers.ts'

type State =
  | { readonly kind: 'standingBy' }
  | { readonly kind: 'speaking'; readonly term: number; readonly sinceMs: number }
  | { readonly kind: 'silent' }

export class Globalmaster {
  readonly #instance: string
  readonly #outbox: GlobalmasterOutbox
  readonly #rings = new Map<string, FarRing>()
  #state: State = { kind: 'standingBy' }
  #config: WorldConfig | undefined
  #listeningSinceMs = 0
  #helloAtMs = -Infinity
  #hasNews = true
  #roster: readonly string[] = []
  #rosterAtMs = -Infinity
  #rosterMadeAtMs = 0
  #reported = ''
  #reportAtMs = -Infinity
  /** By uid, the round trip and lag that were reported: small changes are not. */
  readonly #shown = new Map<string, { roundTripMs: number; lagMs: number }>()

  /** `instance` is this process's, over restarts too. */
  constructor(instance: string, outbox: GlobalmasterOutbox) {
    this.#instance = instance
    this.#outbox = outbox
  }

  get isSpeaking(): boolean {
    return this.#state.kind === 'speaking'
  }

  turn(input: GlobalmasterInput, { monoMs: nowMs, wallMs }: Now): void {
    this.#take(input, nowMs)
    if (this.#config === undefined) return
    this.#forgetSilent(nowMs)
    if (this.#state.kind !== 'speaking') return
    const peers = this.#peers(nowMs)
    this.#decideRoster(peers, nowMs, wallMs)
    this.#report(peers, nowMs)
    if (nowMs >= this.#nextHelloMs()) this.#hello(nowMs)
  }

  /** When something is to be said or judged; Infinity: never. */
  nextDeadlineMs(): number {
    return this.#state.kind === 'speaking' && this.#config !== undefined
      ? this.#nextHelloMs() : Infinity
  }

  *sizes(): Generator<readonly ['farRingsMax', number]> {
    yield ['farRingsMax', this.#rings.size]
  }

  describe(): string[] {
    const rings = [...this.#rings.values()].map(({ uid, region, madeAtMs, master }) =>
      `ring ${uid} of ${region} made ${madeAtMs} world ${master?.world ?? 'unknown'}`)
    const own = `globalmaster ${this.#instance} ${this.#state.kind}: ${this.#roster.join(' ')}`
    return [own, ...rings]
  }

  #take(input: GlobalmasterInput, nowMs: number): void {
    switch (input.kind) {
      case 'config':
        this.#onConfig(input.config, nowMs)
        return
      case 'announced':
        this.#ringFor(input.ring, nowMs)?.onAnnounced(input.ring, nowMs)
        return
      case 'hello':
        this.#onHello(input.hello, nowMs)
        return
      case 'relays':
        for (const word of input.words.relays) {
          this.#rings.get(word.uid)?.relays.take(input.words, word, nowMs)
        }
        return
      case 'roster':
        this.#rosterMadeAtMs = Math.max(this.#rosterMadeAtMs, input.madeAtMs)
        return
      case 'elected':
        this.#onElected(input.term, input.former, nowMs)
        return
      case 'leaving':
        this.#onLeaving(nowMs)
        return
      case 'deadline':
        return
    }
  }

  #onConfig(config: WorldConfig, nowMs: number): void {
    const former = this.#config
    this.#config = config
    this.#hasNews = true
    if (former === undefined) this.#listeningSinceMs = nowMs
    const before = former?.peers ?? []
    for (const peer of before) if (!isListed(peer, config.peers)) this.#onUnlisted(peer, nowMs)
    for (const peer of config.peers) {
      const { region, ringUid, madeAtMs = 0 } = peer
      if (ringUid !== undefined) this.#ringFor({ region, uid: ringUid, madeAtMs }, nowMs)
      if (isListed(peer, before)) continue
      for (const ring of this.#ringsOf(peer)) ring.onListed(ringUid !== undefined)
    }
  }

  #onUnlisted(peer: ExpectedPeer, nowMs: number): void {
    for (const ring of this.#ringsOf(peer)) {
      // Its object is gone, or is of the world no more.
      if (peer.ringUid !== undefined) ring.onObjectGone(nowMs)
      else ring.isRetired = true
    }
  }

  #ringsOf({ region, ringUid }: ExpectedPeer): FarRing[] {
    return [...this.#rings.values()].filter((ring) =>
      ringUid === undefined ? ring.region === region : ring.uid === ringUid)
  }

  #onHello(hello: GlobalmasterHello, nowMs: number): void {
    const { instance, term, ringUid, region, madeAtMs } = hello
    if (instance === this.#instance) return
    if (ringUid === this.#config?.ringUid) {
      // Whoever leads now: our own Lease is lost, and we are about to learn of it.
      const isDeposed = this.#state.kind === 'speaking' && term > this.#state.term
      if (isDeposed) this.#state = { kind: 'silent' }
      return
    }
    const ring = this.#ringFor({ uid: ringUid, region, madeAtMs }, nowMs)
    if (ring === undefined) return
    const wasHeard = ring.master !== undefined
    const rivalMs = this.#config?.unreachableAfterMs ?? Infinity
    if (ring.onHello(hello, this.#instance, rivalMs, nowMs) && !wasHeard) this.#hasNews = true
  }

  #onElected(term: number, former: readonly FormerPeer[], nowMs: number): void {
    if (this.#state.kind !== 'standingBy') return
    this.#state = { kind: 'speaking', term, sinceMs: nowMs }
    for (const { region, ringUid, isInWorld, object, heardAgoMs = 0 } of former) {
      if (!isInWorld || ringUid === undefined) continue
      // One whose object has gone meanwhile has left.
      if (object !== undefined && !this.#isNamedByObject(ringUid)) continue
      const ring = this.#ringFor({ uid: ringUid, region, madeAtMs: 0 }, nowMs)
      if (ring !== undefined) ring.restoredAtMs = nowMs - heardAgoMs
    }
  }

  /** Others need not miss us for a day. */
  #onLeaving(nowMs: number): void {
    if (this.#state.kind !== 'speaking' || this.#config === undefined) return
    this.#config = { ...this.#config, world: NO_WORLD }
    this.#hello(nowMs)
    this.#state = { kind: 'silent' }
  }

  /** The ring of this uid, known from now on; undefined where it is ours, or there is no room. */
  #ringFor(
    { uid, region, madeAtMs }: Pick<AnnouncedRing, 'uid' | 'region' | 'madeAtMs'>, nowMs: number
  ): FarRing | undefined {
    if (uid === this.#config?.ringUid) return undefined
    const known = this.#rings.get(uid)
    if (known !== undefined) {
      if (known.madeAtMs === 0) known.madeAtMs = madeAtMs
      return known
    }
    if (this.#rings.size >= globalmasterLimits.farRingsMax && !this.#makeRoom(nowMs)) {
      return undefined
    }
    const ring = new FarRing(uid, region, madeAtMs)
    this.#rings.set(uid, ring)
    return ring
  }

  /** Lets go one that is not in the world. */
  #makeRoom(nowMs: number): boolean {
    if (this.#config === undefined) return false
    const inWorld = new Set(this.#peers(nowMs).flatMap(({ ring, participation }) =>
      participation === 'in' && ring !== undefined ? [ring.uid] : []))
    const stranger = [...this.#rings.keys()].find((uid) => !inWorld.has(uid))
    return stranger !== undefined && this.#rings.delete(stranger)
  }

  #forgetSilent(nowMs: number): void {
    for (const ring of [...this.#rings.values()]) {
      if (this.#isNamedByObject(ring.uid)) continue
      if (this.#participationOf(ring, nowMs) === 'in') continue
      const heardAtMs = Math.max(ring.heardAtMs, this.#listeningSinceMs)
      if (nowMs >= heardAtMs + this.#config!.unreachableAfterMs) this.#rings.delete(ring.uid)
    }
    for (const uid of [...this.#shown.keys()]) if (!this.#rings.has(uid)) this.#shown.delete(uid)
  }

  #isNamedByObject(uid: string): boolean {
    return this.#config?.peers.some(({ ringUid }) => ringUid === uid) ?? false
  }

  #participationOf(ring: FarRing, nowMs: number): Participation {
    const { world, unreachableAfterMs } = this.#config!
    const said = ring.worldAt(nowMs, world)
    if (said === NO_WORLD) return 'notInAWorld'
    if (said !== undefined) return said === world ? 'in' : 'otherWorld'
    if (this.#isNamedByObject(ring.uid)) return 'in'
    const sinceMs = Math.max(ring.firstHeardAtMs, this.#listeningSinceMs)
    return nowMs >= sinceMs + unreachableAfterMs ? 'notInAWorld' : 'unknown'
  }

  /** Every other region that is known or should be there, by name. */
  #peers(nowMs: number): Peer[] {
    const config = this.#config!
    const peers = new Map<string, Peer>()
    for (const { region } of config.peers) {
      peers.set(region, { region, ring: undefined, participation: 'unknown' })
    }
    for (const ring of this.#rings.values()) {
      const { region } = ring
      const standing = this.#participationOf(ring, nowMs)
      const isRival = region === config.region && standing === 'in'
      const peer: Peer = { region, ring, participation: isRival ? 'nameTaken' : standing }
      const other = peers.get(region)
      if (other === undefined || isBefore(peer, other)) peers.set(region, peer)
    }
    return [...peers.values()].sort((a, b) => (a.region < b.region ? -1 : 1))
  }

  #decideRoster(peers: readonly Peer[], nowMs: number, wallMs: number): void {
    if (this.#state.kind !== 'speaking') return
    const uids = uidsInWorld(peers, this.#config!, nowMs)
    if (uids.join() !== this.#roster.join()) {
      this.#roster = uids
      this.#rosterAtMs = -Infinity
      this.#hasNews = true
    }
    if (this.#isEarly(nowMs)) return
    if (nowMs < this.#rosterAtMs + globalmasterLimits.rosterMs) return
    this.#rosterAtMs = nowMs
    // A later one takes the place of an earlier, and clocks are set back, and differ.
    this.#rosterMadeAtMs = Math.max(this.#rosterMadeAtMs + 1, wallMs)
    const nearest = this.#nearestFirst(uids)
    const names = nearest.map((uid) => this.#rings.get(uid)?.region ?? this.#config!.region)
    this.#outbox.push({ kind: 'roster', madeAtMs: this.#rosterMadeAtMs, uids: nearest, names })
  }

  /** As was last reported; whose way nobody knows comes last. */
  #nearestFirst(uids: readonly string[]): string[] {
    const wayTo = (uid: string): number =>
      uid === this.#config!.ringUid ? -1 : this.#shown.get(uid)?.roundTripMs ?? MS_MAX
    return uids.toSorted((a, b) => wayTo(a) - wayTo(b))
  }

  #report(peers: readonly Peer[], nowMs: number): void {
    if (this.#isEarly(nowMs)) return
    if (nowMs < this.#reportAtMs + globalmasterLimits.reportChangeMs) return
    const isDue = nowMs >= this.#reportAtMs + globalmasterLimits.reportMs
    const reports = peers.map((peer) => this.#reportOf(peer, isDue, nowMs))
    const key = JSON.stringify(reports.map(({ heardAgoMs: _, ...rest }) => rest))
    if (!isDue && key === this.#reported) return
    this.#reported = key
    this.#reportAtMs = nowMs
    this.#outbox.push({ kind: 'report', peers: reports })
  }

  /** Who is there may not have been heard yet. */
  #isEarly(nowMs: number): boolean {
    return this.#state.kind !== 'speaking' ||
      nowMs < this.#state.sinceMs + globalmasterLimits.firstWordMs
  }

  #reportOf({ region, ring, participation }: Peer, isExact: boolean, nowMs: number): PeerReport {
    const heardAtMs = ring?.heardAtMs ?? -Infinity
    return {
      region,
      object: this.#config!.peers.find((peer) => peer.region === region)?.object,
      ringUid: ring?.uid,
      endpoint: ring?.endpoint ?? '',
      isDraining: ring?.isToDrain === true,
      isInWorld: ring !== undefined && this.#roster.includes(ring.uid),
      heardAgoMs: heardAtMs === -Infinity ? undefined : nowMs - heardAtMs,
      ...this.#wayTo(ring, isExact, nowMs),
      judgements: judgePeer(this.#caseOf(ring, participation), nowMs)
    }
  }

  #caseOf(ring: FarRing | undefined, participation: Participation): PeerCase {
    const { ringUid, world, apps, areAppsUnknown = false, unreachableAfterMs } = this.#config!
    return {
      ring, participation, ownUid: ringUid, world, apps, areAppsUnknown, unreachableAfterMs,
      listeningSinceMs: this.#listeningSinceMs,
      speakingSinceMs: this.#state.kind === 'speaking' ? this.#state.sinceMs : Infinity,
      nodesSilentAfterMs: Math.max(unreachableAfterMs, globalmasterLimits.nodesSilentAfterMs)
    }
  }

  /** As last reported, unless it has changed by so much that it is worth a word. */
  #wayTo(
    ring: FarRing | undefined, isExact: boolean, nowMs: number
  ): Pick<PeerReport, 'roundTripMs' | 'lagMs'> {
    if (ring?.roundTripMs === undefined) return { roundTripMs: undefined, lagMs: undefined }
    const roundTripMs = Math.round(ring.roundTripMs)
    const { behindMs = 0 } = ring.relays.all(nowMs) ?? {}
    // A relay that begins is behind for a moment.
    const relaysMs = behindMs < globalmasterLimits.relayLagMs ? 0 : behindMs
    const lagMs = Math.round(Math.max(ring.lagMs, relaysMs))
    const shown = this.#shown.get(ring.uid)
    const isSame = shown !== undefined && !isExact &&
      isNear(shown.roundTripMs, roundTripMs) && isNear(shown.lagMs, lagMs)
    const now = isSame ? shown : { roundTripMs, lagMs }
    this.#shown.set(ring.uid, now)
    return now
  }

  #nextHelloMs(): number {
    const { helloMs, helloChangeMs } = globalmasterLimits
    return this.#helloAtMs + (this.#hasNews ? helloChangeMs : helloMs)
  }

  #hello(nowMs: number): void {
    const { world, region, ringUid, madeAtMs, apps, areAppsUnknown } = this.#config!
    if (this.#state.kind !== 'speaking') return
    this.#helloAtMs = nowMs
    this.#hasNews = false
    this.#outbox.push({
      kind: 'hello',
      hello: {
        kind: 'globalmaster', formatVersion: GLOBALMASTER_FORMAT_VERSION,
        world, region, ringUid, madeAtMs, apps, ...areAppsUnknown && { areAppsUnknown },
        instance: this.#instance,
        term: this.#state.term,
        sentAtMs: nowMs,
        echoes: this.#echoes(nowMs),
        roster: this.#roster
      }
    })
  }

  #echoes(nowMs: number): Echo[] {
    return [...this.#rings.values()].flatMap(({ master }) => {
      if (master === undefined) return []
      const { instance, sentAtMs, heardAtMs } = master
      const heldMs = nowMs - heardAtMs
      return heldMs < this.#config!.unreachableAfterMs ? [{ instance, sentAtMs, heldMs }] : []
    })
  }
}

/** No way takes so long. */
const MS_MAX = Number.MAX_SAFE_INTEGER

/** Whether this ring or, where none is known, this name is among them. */
function isListed({ region, ringUid }: ExpectedPeer, peers: readonly ExpectedPeer[]): boolean {
  return peers.some((peer) =>
    ringUid === undefined ? peer.region === region : peer.ringUid === ringUid)
}

function isNear(shown: number, nowMs: number): boolean {
  return Math.abs(nowMs - shown) <= Math.max(5, shown / 5)
}
