/**
 * What is born on a channel in another region, on its way to the channel's master here
 * (docs/decisions/0024-regions.md). A relay is to the other region's master what a ChannelClient
 * is to its own: it Joins, is told what it missed and what follows, and Joins again where the
 * master moved, the link was reset or a hole shows.
 *
 *   joining ──Joined──▶ live ──a hole, another master, no room here──▶ joining
 *      │  ▲
 *      │  └── its region uses the channel, and asks us: wake
 *      └─────Dormant──▶ dormant: nobody uses the channel there
 *
 * It never passes on what does not follow on what it passed before: where the other region has not
 * kept what is between, it says so (`isBroken`), and is told anew who is present there. It asks for
 * that at its beginning, too: what became of members meanwhile nobody knows. Where it asks the same
 * master again it goes on to take what follows: the way there may lead nowhere, and the way back be
 * good.
 */

import type { Deadline, Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import { Joining } from '../peer/joining.ts'
import type { Headcount } from '../peer/census-message.ts'
import type { PresenceMember, Publication, Standing } from '../peer/message.ts'
import type {
  RelayDeliver, RelayDormant, Relayed, RelayJoined, RelayOnly, RelayToMaster, Stretch, ToRelay
} from '../peer/relay-message.ts'

/** What a relay begins with. */
export type RelayStart =
  /** What came before is written here up to this standing. */
  | { readonly kind: 'from'; readonly standing: Standing; readonly only?: RelayOnly | undefined }
  /**
   * Nothing was ever taken here: what was born there since then, in monotonic ms, for the time of
   * day may be set back meanwhile; undefined for all of it, where the channel is not new here.
   */
  | {
    readonly kind: 'since'
    readonly monoMs: number | undefined
    readonly only?: RelayOnly | undefined
  }

export interface RelayPorts {
  readonly deadlines: Deadlines
  readonly random: Random
  nowMs(): number
  /** In ms since the Unix epoch, for former releases. */
  wallMs(): number
  /** The view by which the other master is found. */
  viewVersion(): number
  /** Sends to the other region's master, if one is known. */
  send(message: RelayToMaster): void
  /** False while what is told could not be given on. */
  hasRoom(): boolean
  /** It has not been answered for long, or is so again. */
  onSilent(isSilent: boolean): void
  /** It is not up to date from now on, or is so again, or has ended. */
  onBehind(isBehind: boolean): void
  /** Gives on what follows; false: there is no room for it now. */
  take(relayed: Relayed): boolean
  /** Nobody uses the channel there, and so nobody is present; false: no room to say so. */
  takeNobody(): boolean
  /** So many are attached there. */
  onCount(count: Headcount): void
  /** How much of what was born there is written here, without a gap. */
  written(): Stretch | undefined
  /** The other region has answered for the first time. */
  onAnswered(): void
}

type State =
  /** What follows is still taken from the mastership of `epoch`, which had let it in. */
  | { readonly kind: 'joining'; readonly epoch: number | undefined }
  | { readonly kind: 'live'; readonly epoch: number }
  | { readonly kind: 'dormant' }
  | { readonly kind: 'closed' }

const UNTOLD: State = { kind: 'joining', epoch: undefined }
/** What is attached to a channel that nobody uses. */
const NOBODY: Headcount = {
  connections: 0, publishers: 0, subscribers: 0, presenceConnections: 0, presenceSubscribers: 0,
  objectPublishers: 0, objectSubscribers: 0
}

export class Relay {
  readonly #channel: string
  readonly #region: string
  readonly #ports: RelayPorts
  readonly #relayId: string
  readonly #joining: Joining
  #start: RelayStart
  /** Where it stood when it asked last. */
  #asked: RelayStart
  #stateNow: State = UNTOLD
  #isBehind = false
  #hasAnswer = false
  #wantsCount = false
  /** It wants to be told what of its own is written here. */
  #wantsWritten = false
  /** Somebody there has asked us since we asked. */
  #isWoken = false
  #isSilent = false
  #silence: Deadline | undefined
  /** Nobody has told who is present there since the relay began, or since something was missed. */
  #wantsMembers = true
  /** What was told of them for the Join of this number. */
  #told: { readonly joinNo: number; readonly members: PresenceMember[] } | undefined

  /** `region` is our own, which we speak for. */
  constructor(channel: string, region: string, start: RelayStart, ports: RelayPorts) {
    this.#channel = channel
    this.#region = region
    this.#start = this.#asked = start
    this.#ports = ports
    this.#relayId = ports.random.id(8)
    const { deadlines, random } = ports
    const nowMs = (): number => ports.nowMs()
    this.#joining = new Joining({ deadlines, random, nowMs, join: () => this.#join() })
  }

  get #state(): State {
    return this.#stateNow
  }

  set #state(state: State) {
    this.#stateNow = state
    const isBehind = state.kind === 'joining'
    if (isBehind !== this.#isBehind) this.#ports.onBehind(this.#isBehind = isBehind)
  }

  /** Of the mastership whose Delivers are taken. */
  get #epoch(): number | undefined {
    const state = this.#state
    return state.kind === 'live' || state.kind === 'joining' ? state.epoch : undefined
  }

  get isLive(): boolean {
    return this.#state.kind === 'live'
  }

  /** Begins to ask. */
  begin(): void {
    this.#joining.anew()
  }

  onMessage(message: ToRelay): void {
    switch (message.kind) {
      case 'relayJoined':
        if (this.#isAnswer(message)) this.#onJoined(message)
        return
      case 'relayMembers':
        if (this.#isAnswer(message)) this.#onMembers(message.joinNo, message.members)
        return
      case 'relayDormant':
        if (this.#isAnswer(message)) this.#onDormant(message)
        return
      case 'relayCount':
        if (this.#wantsCount) this.#ports.onCount(message.count)
        return
      case 'relayDeliver':
        this.#onDeliver(message)
        return
      case 'relayAgain':
        if (this.#state.kind === 'live') this.#joining.again()
        return
    }
  }

  /** Somebody wants to know how many are attached there, or nobody does any more. */
  wantCount(isWanted: boolean): void {
    const isNews = isWanted !== this.#wantsCount
    this.#wantsCount = isWanted
    if (!isNews) return
    if (isWanted && this.#state.kind === 'dormant') this.#ports.onCount(NOBODY)
    if (this.#state.kind !== 'live') return
    const [channel, region, relayId] = [this.#channel, this.#region, this.#relayId]
    this.#ports.send({ kind: 'relayCountWanted', channel, region, relayId, isWanted })
  }

  /** So much of what was born there is written here now. */
  sayWritten(stretch: Stretch): void {
    if (!this.#wantsWritten || this.#state.kind === 'closed') return
    const [channel, region] = [this.#channel, this.#region]
    this.#ports.send({ kind: 'relayWritten', channel, region, ...stretch })
  }

  /** What came before then, in monotonic ms, is not wanted; it was told nothing yet. */
  startSince(monoMs: number): void {
    this.#start = { kind: 'since', monoMs }
    if (this.#state.kind === 'joining') this.#joining.anew()
  }

  /** Somebody uses the channel there. */
  wake(): void {
    this.#isWoken = true
    if (this.#state.kind === 'dormant') this.#joining.anew()
  }

  /** What was said to the other master may be lost, or what it said. */
  onMasterUncertain(): void {
    if (this.#state.kind === 'closed' || this.#state.kind === 'dormant') return
    this.#state = UNTOLD
    this.#joining.anew()
  }

  /** What it was to ask us may be lost as well, so one that rests asks, too. */
  onForgotten(): void {
    if (this.#state.kind === 'dormant') this.wake()
    else this.onMasterUncertain()
  }

  /**
   * Nobody uses the channel here any more; or the other region is not heard (`isLost`). One that
   * hears us all the same is not told then, and keeps for us what we miss.
   */
  close(isLost = false): void {
    this.#joining.stop()
    this.#ports.deadlines.cancel(this.#silence)
    const isKnownThere = this.#state.kind === 'joining' || this.#state.kind === 'live'
    this.#state = { kind: 'closed' }
    if (!isKnownThere || isLost) return
    const [channel, region, relayId] = [this.#channel, this.#region, this.#relayId]
    this.#ports.send({ kind: 'relayPart', channel, region, relayId })
  }

  describe(): string {
    const { kind } = this.#state
    const at = this.#start.kind === 'from' ? this.#start.standing.seq : this.#start.kind
    return `relay ${this.#channel} ${kind} at ${at}`
  }

  #isAnswer({ relayId, joinNo }: { readonly relayId: string; readonly joinNo: number }): boolean {
    return this.#state.kind === 'joining' && relayId === this.#relayId &&
      joinNo === this.#joining.no
  }

  #onMembers(joinNo: number, members: readonly PresenceMember[]): void {
    if (this.#told?.joinNo !== joinNo) this.#told = { joinNo, members: [] }
    this.#told.members.push(...members)
  }

  #onJoined(joined: RelayJoined): void {
    const { joinNo, epoch, standing, isContinuation, isWhole, publications, members } = joined
    const isBroken = !isContinuation
    if (isBroken && this.#hasMoved()) return
    const told = this.#told?.joinNo === joinNo ? this.#told.members : []
    this.#told = undefined
    this.#wantsMembers ||= isBroken || members === 'later'
    const relayed = {
      isBroken, standing,
      publications: isBroken ? [] : this.#next(publications, standing.lineage),
      members: members === 'told' ? told : undefined
    }
    if (!this.#take(relayed)) return
    if (members === 'told') this.#wantsMembers = false
    this.#joining.letIn()
    this.#start = { kind: 'from', standing }
    this.#wantsWritten = joined.wantsWritten
    const written = this.#ports.written()
    if (written !== undefined) this.sayWritten(written)
    if (isWhole) {
      this.#state = { kind: 'live', epoch }
      this.#answered()
    } else {
      this.#heard()
      this.#state = UNTOLD
      this.#join()
    }
  }

  /** More was asked for than is missing by now, so it asks again, for that. */
  #hasMoved(): boolean {
    const hasMoved = this.#start !== this.#asked
    if (hasMoved) this.#joining.anew()
    return hasMoved
  }

  /** What of it was not taken while the answer was on its way. */
  #next(publications: readonly Publication[], lineage: string): readonly Publication[] {
    if (this.#start.kind !== 'from' || this.#start.standing.lineage !== lineage) return publications
    const { seq } = this.#start.standing
    return publications.filter((publication) => publication.seq > seq)
  }

  #onDormant({ anew: standing }: RelayDormant): void {
    // The answer may be older than the question that it was asked meanwhile.
    if (this.#isWoken) {
      this.#joining.anew()
      return
    }
    if (standing !== undefined) {
      if (this.#hasMoved()) return
      const broken = { isBroken: true, publications: [], standing, members: undefined }
      if (!this.#take(broken)) return
      this.#start = { kind: 'from', standing }
    }
    if (!this.#ports.takeNobody()) {
      this.#againLater()
      return
    }
    this.#wantsMembers = true
    this.#joining.letIn()
    this.#state = { kind: 'dormant' }
    // Whoever begins to use it there begins anew, whatever its place was; clocks differ.
    this.#start = { kind: 'since', monoMs: this.#ports.nowMs() - limits.tailMs }
    if (this.#wantsCount) this.#ports.onCount(NOBODY)
    this.#answered()
  }

  #onDeliver({ epoch, after, publications }: RelayDeliver): void {
    const start = this.#start
    if (this.#epoch !== epoch || start.kind !== 'from') return
    const { lineage, seq } = start.standing
    const next = this.#next(publications, lineage)
    const last = next.at(-1)
    if (last === undefined) return
    if (after > seq) {
      // The answer to a question that is on its way has it.
      if (this.isLive) this.#joining.anew()
      return
    }
    const standing = { lineage, seq: last.seq, epoch, entry: last.entry }
    const relayed = { isBroken: false, publications: next, standing, members: undefined }
    if (this.#take(relayed)) this.#start = { kind: 'from', standing }
  }

  /** Where there is no room it asks again, for the same. */
  #take(relayed: Relayed): boolean {
    const isTaken = this.#ports.take(relayed)
    if (!isTaken) this.#againLater()
    return isTaken
  }

  #againLater(): void {
    this.#state = UNTOLD
    this.#joining.begin()
  }

  /** It is not silent: a page came. */
  #heard(): void {
    this.#ports.deadlines.cancel(this.#silence)
    this.#silence = undefined
  }

  #answered(): void {
    this.#heard()
    if (this.#isSilent) this.#ports.onSilent(this.#isSilent = false)
    if (this.#hasAnswer) return
    this.#hasAnswer = true
    this.#ports.onAnswered()
  }

  /** Nobody knows any more who is present there. */
  #onSilence(): void {
    this.#silence = undefined
    this.#state = UNTOLD
    this.#isSilent = this.#wantsMembers = true
    this.#ports.onSilent(true)
  }

  #join(): void {
    const joinNo = this.#joining.begin()
    this.#state = { kind: 'joining', epoch: this.#epoch }
    const { deadlines, nowMs, hasRoom } = this.#ports
    if (!this.#isSilent) {
      const untilMs = nowMs() + limits.relaySilentMs
      this.#silence ??= deadlines.at(untilMs, () => this.#onSilence())
    }
    if (!hasRoom()) return
    this.#isWoken = false
    const [channel, region, relayId] = [this.#channel, this.#region, this.#relayId]
    const start = this.#asked = this.#start
    const sinceMs = start.kind === 'since' ? start.monoMs : undefined
    const forMs = sinceMs === undefined ? undefined : nowMs() - sinceMs
    this.#ports.send({
      kind: 'relayJoin', channel, region, relayId, joinNo,
      viewVersion: this.#ports.viewVersion(),
      from: start.kind === 'from' ? start.standing : undefined,
      sinceMs: forMs === undefined ? 0 : Math.floor(this.#ports.wallMs() - forMs),
      wantsMembers: this.#wantsMembers,
      wantsCount: this.#wantsCount,
      // So long ago that was once the Join arrives: as long as it may take is counted as well.
      ageMs: forMs === undefined ? undefined : Math.ceil(forMs + this.#joining.waitMs),
      ...(start.only === undefined ? {} : { only: start.only })
    })
  }
}
