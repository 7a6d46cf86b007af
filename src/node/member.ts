/**
 * A node as a member of its ring: the machine on a node's main thread that finds out who is there,
 * agrees with the others on the view by compare-and-swap, and tells the rest of the node what to
 * believe. It puts together the roster (who is alive), the watcher (whom I watch), and three desks
 * (the views that travel, the ring object, the workers' generations).
 *
 * Every input ends in the same `#step`: it does what is due, judges the facts, proposes a change
 * if it is this node's turn, and says what has become different. The states are those of
 * `Standing` (member-ports.ts). Rules 7, 8, 10 and 11; it must never announce a view that is not
 * surely written, and never act as a member that the view does not list.
 */

import { assert } from '../base/assert.ts'
import type { Now } from '../base/clock.ts'
import { Random } from '../base/random.ts'
import type { Size } from '../base/sizes.ts'
import {
  type Beat, type BeatAck, MEMBERSHIP_FORMAT_VERSION, type MembershipBody,
  type MembershipMessage, type WorkerState
} from '../peer/membership.ts'
import { Roster } from '../ring/roster.ts'
import { checkTiming, defaultTiming, type RingLimitName, type Timing } from '../ring/timing.ts'
import { emptyView, flawOf, type Member, memberOf, type View } from '../ring/view.ts'
import { Watcher } from '../ring/watcher.ts'
import { Announcer } from './member-announcer.ts'
import { Beliefs } from './member-beliefs.ts'
import { GenerationsDesk } from './member-generations.ts'
import { HandoverDesk } from './member-handovers.ts'
import { LogDesk, type LogWish } from './member-log.ts'
import type { MemberIdentity, MemberInput, MemberOutbox, Standing } from './member-ports.ts'
import { ProbeDesk } from './member-probes.ts'
import { Proposer } from './member-proposer.ts'
import { RingDesk, type RingNews } from './member-ring.ts'
import { isFinal, judgeStanding } from './member-standing.ts'
import { ViewDesk } from './member-views.ts'

const PARTITION_COUNT_DEFAULT = 4096

export interface MemberOptions {
  readonly identity: MemberIdentity
  /** Names the stream of random pauses. */
  readonly seed: string
  /** Owners of a partition besides its master, for a ring that nobody wrote yet. */
  readonly successorCount?: number
  /** What its log should be; absent where the log is none of the ring's business. */
  readonly log?: LogWish
  readonly timing?: Timing
}

export class MemberNode {
  readonly #identity: MemberIdentity
  readonly #self: string
  readonly #successorCount: number
  readonly #timing: Timing
  readonly #outbox: MemberOutbox
  readonly #roster: Roster
  readonly #watcher: Watcher
  readonly #views: ViewDesk
  readonly #ring: RingDesk
  readonly #generations: GenerationsDesk
  readonly #announcer: Announcer
  readonly #probes: ProbeDesk
  readonly #proposer: Proposer
  readonly #log: LogDesk
  readonly #beliefs: Beliefs
  readonly #handovers: HandoverDesk
  /** This node as the view lists it. */
  #listed: Member | undefined
  #standing: Standing = 'waiting'
  #isMeshUp = false
  #isApiAway = false
  #isDraining = false
  #workers: readonly WorkerState[] = []
  #drainUntilMs = Infinity
  #dueMs = Infinity
  #now: Now = { monoMs: 0, wallMs: 0 }

  constructor(options: MemberOptions, outbox: MemberOutbox) {
    const { identity, seed, successorCount = 2, timing = defaultTiming, log } = options
    checkTiming(timing)
    this.#identity = identity
    this.#self = identity.incarnation
    this.#successorCount = successorCount
    this.#timing = timing
    this.#outbox = outbox
    const send = (to: string, body: MembershipBody): void => this.#send(to, body)
    this.#roster = new Roster(timing)
    this.#watcher = new Watcher(identity.incarnation, timing)
    this.#views = new ViewDesk(timing, send)
    this.#ring = new RingDesk(timing, new Random(`${seed}/ring`), outbox)
    this.#generations = new GenerationsDesk(identity.incarnation, timing, send)
    this.#announcer = new Announcer({
      identity, timing, roster: this.#roster, generations: this.#generations, send
    })
    this.#probes = new ProbeDesk({
      self: this.#self, timing, roster: this.#roster, watcher: this.#watcher, outbox
    })
    this.#log = new LogDesk(this.#self, log, new Random(`${seed}/log`), outbox)
    this.#beliefs = new Beliefs(timing, this.#roster, this.#generations, outbox)
    this.#handovers = new HandoverDesk(this.#self, timing, send)
    this.#proposer = new Proposer({
      self: identity.incarnation,
      timing,
      roster: this.#roster,
      views: this.#views,
      ring: this.#ring,
      log: this.#log,
      handovers: this.#handovers,
      note: (text) => this.#note('info', text)
    })
  }

  /** Handles one input; what is to be done about it is in the outbox afterwards. */
  turn(input: MemberInput, now: Now): void {
    if (isFinal(this.#standing)) return
    const isLate = now.monoMs - this.#dueMs > this.#timing.lateMs
    this.#now = now
    if (isLate) this.#wake()
    this.#handle(input)
    this.#step()
    this.#dueMs = this.nextDeadlineMs()
  }

  /** When a `deadline` is next due (monotonic), or Infinity. */
  nextDeadlineMs(): number {
    if (isFinal(this.#standing)) return Infinity
    const nowMs = this.#now.monoMs
    return Math.min(
      this.#ring.nextDeadlineMs(),
      this.#watcher.nextDeadlineMs(),
      this.#roster.nextDeadlineMs(nowMs),
      this.#isMeshUp ? this.#announcer.nextDeadlineMs() : Infinity,
      this.#proposer.nextDeadlineMs(nowMs),
      this.#handovers.nextDeadlineMs(nowMs),
      this.#probes.nextDeadlineMs(),
      this.#beliefs.nextDeadlineMs(),
      this.#drainUntilMs
    )
  }

  /** Asserts what always holds: a whole view, and a standing that it bears out. */
  check(): void {
    const view = this.#views.current
    if (view === undefined) return
    const flaw = flawOf(view)
    assert(flaw === undefined, `the view held is whole: ${flaw}`)
    const listed = memberOf(this.#self, view)
    const isMember = this.#standing === 'joining' || this.#standing === 'serving'
    assert(!isMember || listed?.state === this.#standing, 'who serves is listed as serving')
  }

  *sizes(): Generator<Size<RingLimitName>> {
    for (const part of [this.#roster, this.#views, this.#generations]) yield* part.sizes()
  }

  /** One line: who this is, what it holds, whom it misses. */
  describe(): string {
    const view = this.#views.current
    const members = view?.members.map(({ node, state }) => `${node} ${state}`) ?? []
    const suspects = this.#watcher.suspicions().map(({ incarnation }) => incarnation)
    const missing = suspects.length === 0 ? '' : `, misses ${suspects.join(' ')}`
    const who = `${this.#identity.node} ${this.#standing}`
    return `${who}, view ${this.#views.version}: ${members.join(', ')}${missing}`
  }

  #handle(input: MemberInput): void {
    const nowMs = this.#now.monoMs
    switch (input.kind) {
      case 'pods':
        this.#isApiAway = false
        this.#roster.onPods(input.pods, input.isAsked)
        return
      case 'podsAway':
        this.#isApiAway = true
        this.#roster.onPodsAway()
        return
      case 'mesh':
        this.#isMeshUp = input.isUp
        this.#probes.onHeard(nowMs)
        this.#watcher.onMesh(input.isUp, nowMs)
        return
      case 'peer':
        this.#onPeer(input.message)
        return
      case 'heardView':
        if (this.#views.onHeard(input.version, input.from, nowMs)) this.#ring.wantRead()
        return
      case 'ringRead':
        this.#onRingNews(this.#ring.onRead(input.ticket, input.reading, nowMs))
        return
      case 'ringWritten':
        this.#onRingNews(this.#ring.onWritten(input.ticket, input.writing, nowMs))
        return
      case 'probed':
        {
          const peer = this.#probes.onProbed(input.ticket, input.outcome, nowMs)
          if (peer) this.#become('removed', `cut off, while ${peer.node} has its mesh`)
        }
        return
      case 'workers':
        this.#workers = input.workers
        this.#generations.onWorkers(input.workers.map(({ generation }) => generation))
        return
      case 'logMade':
        this.#log.onMade(input.generation)
        return
      case 'settled':
        this.#handovers.onOwnSettled(input.viewVersion)
        return
      case 'drain':
        this.#leave()
        return
      case 'handedOver':
        this.#announcer.onHandedOver(nowMs)
        return
      case 'deadline':
    }
  }

  #onPeer(message: MembershipMessage): void {
    // Messages of a later format are of a later release, which also speaks this one to us.
    if (message.formatVersion !== MEMBERSHIP_FORMAT_VERSION) return
    const nowMs = this.#now.monoMs
    const from = message.sender.incarnation
    this.#probes.onHeard(nowMs)
    this.#roster.onHeard(from, nowMs)
    this.#watcher.onHeard(from, nowMs)
    this.#views.onHeard(message.viewVersion, from, nowMs)
    switch (message.kind) {
      case 'hello':
        this.#roster.onHello(message.member, message.viewVersion, nowMs)
        this.#generations.merge([message.generations])
        if (message.viewVersion === 0 && this.#proposer.tells) this.#views.onPull(from, 0, 0)
        return
      case 'leaving':
        this.#roster.onLeaving(from, message.isHandedOver)
        return
      case 'beat':
        this.#send(from, { kind: 'beatAck', beatNo: message.beatNo, ...this.#digests() })
        this.#compare(from, message)
        return
      case 'beatAck':
        this.#compare(from, message)
        return
      case 'settled':
        this.#handovers.onSettled(from, message.viewVersion)
        return
      case 'suspicions': {
        this.#roster.onSuspicions(from, message.suspects, nowMs)
        const isMe = message.suspects.some(({ incarnation }) => incarnation === this.#self)
        if (isMe) this.#send('all', { kind: 'refute' })
        return
      }
      case 'viewDelta':
        this.#take(this.#views.onDelta(message.delta, from, nowMs))
        return
      case 'viewPull':
        this.#views.onPull(from, message.viewVersion, message.viewDigest)
        return
      case 'viewFull':
        this.#take(this.#views.onFull(message.view))
        return
      case 'generations':
        this.#generations.merge(message.entries)
        return
      case 'generationsPull':
        this.#generations.onPull(from)
    }
  }

  #onRingNews(news: RingNews | undefined): void {
    if (news === undefined || news.kind === 'open') return
    if (news.kind === 'trouble') {
      this.#note('warn', news.reason)
      return
    }
    if (news.view !== undefined) {
      if (this.#views.yieldsTo(news.view)) this.#take(news.view)
      if (news.isOurs) this.#views.announce()
    } else if (this.#views.current === undefined) {
      const partitionCount = news.partitionCount ?? PARTITION_COUNT_DEFAULT
      this.#take(emptyView(partitionCount, this.#successorCount))
    }
  }

  /** Holds a view that is surely written (or the empty one before the first). */
  #take(view: View | undefined): void {
    if (view === undefined) return
    const nowMs = this.#now.monoMs
    this.#handovers.onView(this.#views.current, view, nowMs)
    this.#views.hold(view)
    this.#listed = memberOf(this.#self, view)
    this.#proposer.onView(nowMs)
    this.#roster.onView(view, nowMs)
    if (this.#listed !== undefined) this.#roster.onNotAlone()
    this.#watcher.onView(view, nowMs)
    this.#generations.onView(view)
    this.#announcer.hurry(nowMs)
  }

  #step(): void {
    if (isFinal(this.#standing)) return
    const nowMs = this.#now.monoMs
    this.#ring.step(nowMs)
    this.#watch()
    const view = this.#views.current
    if (view !== undefined && this.#isMeshUp) {
      this.#announcer.step(view, this.#listed, this.#isDraining, this.#workers, nowMs)
    }
    if (view !== undefined) this.#probes.step(view, this.#standing, this.#isMeshUp, nowMs)
    if (this.#isMeshUp) this.#proposer.step(this.#now)
    if (this.#roster.isListDue(nowMs)) this.#outbox.push({ kind: 'listPods' })
    this.#judgeStanding()
    this.#beliefs.tell(this.#views.current, this.#isApiAway, nowMs)
    if (nowMs >= this.#drainUntilMs) this.#become('left', 'leaving took too long')
  }

  #watch(): void {
    const { beatTo, probes, suspicions } = this.#watcher.duties(this.#now.monoMs)
    for (const to of beatTo) {
      const beatNo = Math.floor(this.#now.monoMs)
      this.#send(to, { kind: 'beat', beatNo, workers: this.#workers, ...this.#digests() })
    }
    for (const member of probes) this.#probes.ask(member, this.#now.monoMs)
    if (suspicions === undefined) return
    this.#roster.onSuspicions(this.#self, suspicions, this.#now.monoMs)
    this.#send('all', { kind: 'suspicions', suspects: suspicions })
  }

  #judgeStanding(): void {
    const listed = this.#listed
    if (listed?.state === 'leaving') this.#leave()
    const { node, uid } = this.#identity
    const { standing, reason } = judgeStanding({
      self: this.#self,
      view: this.#views.current,
      listed,
      former: this.#standing,
      isDraining: this.#isDraining,
      isMeshUp: this.#isMeshUp,
      isPodSeen: this.#roster.podOf(node, uid) !== undefined
    })
    this.#become(standing, reason)
  }

  /** Begins to leave: asked to, or listed as leaving because its pod is being deleted. */
  #leave(): void {
    if (this.#isDraining) return
    const nowMs = this.#now.monoMs
    this.#isDraining = true
    this.#drainUntilMs = nowMs + this.#timing.drainMs
    this.#announcer.hurry(nowMs)
  }

  #become(standing: Standing, reason: string): void {
    if (this.#standing === standing || isFinal(this.#standing)) return
    this.#standing = standing
    this.#outbox.push({ kind: 'standing', standing, reason })
  }

  /** Another member's digests: two views of one version, or other generations, are mended. */
  #compare(from: string, { viewVersion, viewDigest, generationsDigest }: Beat | BeatAck): void {
    const view = this.#views.current
    if (view === undefined || viewVersion !== view.version) return
    if (viewDigest !== this.#views.digest) this.#ring.wantRead()
    const isSame = generationsDigest === this.#generations.digest(view)
    if (!isSame) this.#generations.onOtherDigest(from, this.#now.monoMs)
  }

  #digests(): { viewDigest: number; generationsDigest: number } {
    const view = this.#views.current
    const generationsDigest = view === undefined ? 0 : this.#generations.digest(view)
    return { viewDigest: this.#views.digest, generationsDigest }
  }

  #send(to: string, body: MembershipBody): void {
    if (!this.#isMeshUp) return
    const { node, uid, incarnation } = this.#identity
    const envelope = {
      formatVersion: MEMBERSHIP_FORMAT_VERSION,
      viewVersion: this.#views.version,
      sender: { node, uid, incarnation }
    }
    this.#outbox.push({ kind: 'send', to, message: { ...envelope, ...body } })
  }

  /**
   * After standing still: it could not hear anybody, so it must not call them silent, and what it
   * believes of the ring is old, so it looks before it writes (scenario E3).
   */
  #wake(): void {
    this.#watcher.restart(this.#now.monoMs)
    this.#probes.onHeard(this.#now.monoMs)
    this.#ring.forget()
  }

  #note(level: 'info' | 'warn', text: string): void {
    this.#outbox.push({ kind: 'note', level, text, fields: { viewVersion: this.#views.version } })
  }
}
