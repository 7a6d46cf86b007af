/**
 * The mastership of one partition by one worker: takeover from the log, then the channels' masters
 * that write through one fenced writer, until the view or the log says that it is over.
 *
 *   recovering ──claimed──▶ serving ──deposed by the log, or told by the view──▶ over
 *        ▲                     │ the log, or a client's standing, shows a rollback
 *        └─────────────────────┘
 *
 * Before `serving` nobody is answered: a Join that comes meanwhile is kept (bounded by the number
 * of channels' clients) and answered then; so is one that comes when it is not sure enough that
 * this is still the master (`confirming`, rule 11). After `over` nothing is said any more: what was
 * in hand is decided by the log alone (rule 3), and the clients send it again to the next master.
 */

import { assert } from '../base/assert.ts'
import type { Size } from '../base/sizes.ts'
import type { Entry, EpochEntry } from '../log/entry.ts'
import { type Claimant, Recovery } from '../log/recovery.ts'
import type { RecordExtent, RecoveredLog } from '../log/replay.ts'
import { Retention } from '../log/retention.ts'
import { LogWriter, type WriterStart } from '../log/writer.ts'
import type { ToRegister } from '../peer/claim-message.ts'
import type { Join, ToMaster } from '../peer/message.ts'
import type { Spend } from '../peer/nonce-message.ts'
import type { Place } from '../peer/place.ts'
import { Confirming, isWordOfClient } from './confirming.ts'
import type { ChannelMaster } from './master.ts'
import { Handover } from './handover.ts'
import { PartitionMasterPorts } from './master-ports.ts'
import { PartitionRegisters } from './partition-registers.ts'
import { PartitionArchiving } from './partition-archiving.ts'
import { PartitionChannels } from './partition-channels.ts'
import type { PartitionPorts } from './partition-ports.ts'
import { decodeState, emptyState, encodeState } from './partition-state.ts'
import { Roll } from './roll.ts'
import { Serving } from './serving.ts'
import type { UsedChannels } from './used-channels.ts'

const SWEEP_MS = 5_000

type State =
  | { readonly kind: 'recovering'; readonly recovery: Recovery }
  | Serving
  | { readonly kind: 'over' }

export class PartitionMaster {
  readonly partition: number
  readonly #claimant: Claimant
  readonly #ports: PartitionPorts
  readonly #channels: PartitionChannels
  readonly #confirming = new Confirming((from, { channel }) => {
    this.#ports.send(from, { kind: 'joinAgain', channel })
  })
  readonly #registers: PartitionRegisters
  readonly #archiving: PartitionArchiving
  #state: State = { kind: 'over' }
  /** Open while nobody knows who is present, after a new lineage. */
  #roll: Roll | undefined
  /** An idle partition costs nothing: the sweep runs only while there is something to do. */
  #isSweeping = false
  #handover: Handover | undefined

  /** `isAwaited`: the log is only read, until somebody wants the partition. */
  constructor(claimant: Claimant, ports: PartitionPorts, isAwaited = false) {
    this.partition = claimant.partition
    this.#claimant = claimant
    this.#ports = ports
    const partition = this
    const { viewVersion } = claimant
    const archiving = new PartitionArchiving(this.partition, ports, {
      confirmed: () => this.#state.kind === 'serving' ? this.#confirm(this.#state) : undefined,
      disproves: (standing) => this.#state.kind === 'serving' && this.#state.disproves(standing),
      onRolledBack: () => this.#onRolledBack('the archive has what the log has not', true)
    })
    this.#archiving = archiving
    this.#channels = new PartitionChannels(new PartitionMasterPorts({
      get serving() {
        return partition.#state.kind === 'serving' ? partition.#state : undefined
      },
      get isRollOpen() {
        return partition.#roll?.isOpen === true
      },
      archiving,
      masterOf: (name) => this.#channels.get(name),
      wantsFlush: () => ports.wantsFlush(this)
    }, ports, viewVersion), ports)
    const append = (entry: Entry): number => this.#append(entry)
    const hasRoom = (): boolean => this.#state.kind === 'serving' && this.#state.hasRoom
    this.#registers = new PartitionRegisters({ ...ports, viewVersion, append, hasRoom })
    this.#recover({}, isAwaited)
  }

  /** False while somebody waits for this master to take over, or for its reading ahead. */
  get isSettled(): boolean {
    const state = this.#state
    return state.kind !== 'recovering' || (state.recovery.isAwaited && state.recovery.isRead)
  }

  /** The bytes that were read ahead. */
  get heldBytes(): number {
    return this.#state.kind === 'recovering' ? this.#state.recovery.heldBytes : 0
  }

  get isServing(): boolean { return this.#state.kind === 'serving' }

  /** The epoch of this mastership, or 0 before it is claimed. */
  get epoch(): number { return this.#state.kind === 'serving' ? this.#state.start.epoch : 0 }

  get #isUsed(): boolean { return this.#channels.size > 0 || this.#registers.isShrinking }
  get channelCount(): number { return this.#channels.size }

  /** Connections and nonces that are kept. */
  get registeredCount(): number { return this.#registers.size }

  *sizes(): Generator<Size> {
    const parts = [this.#confirming, this.#channels, this.#registers, this.#archiving]
    for (const part of parts) yield* part.sizes()
    if (this.#state.kind === 'serving') yield* this.#state.writer.sizes()
  }

  /** The channel's master, as long as this one serves. */
  channelOf(name: string): ChannelMaster | undefined { return this.#channels.get(name) }

  list(used: UsedChannels): void { this.#channels.list(used) }

  /** Takes a message of a ChannelClient. */
  onMessage(from: Place, message: ToMaster): void {
    const state = this.#state
    if (state.kind === 'over') return
    if (state.kind === 'recovering') {
      this.takeOver()
      this.#confirming.holdUntilClaimed(from, message)
    } else if (this.#confirming.mustWait(from, message, state.writer, this.#ports.now().monoMs)) {
      this.#confirm(state)
    } else if ('from' in message && (this.#confirming.isProven(message) ||
      state.disproves(message.from) || state.isUnheard(message.from))) {
      this.#onImpossible(from, message, state)
    } else {
      this.#onMessage(from, message, state)
    }
  }

  /** Takes a message about who holds a connection, or a nonce. */
  onRegisterMessage(from: Place, message: ToRegister | Spend): void {
    this.takeOver()
    if (this.#state.kind !== 'over') this.#registers.onMessage(from, message)
  }

  /** What was said to `place`, or by it, may be lost. */
  onLinkReset(place: Place): void {
    this.#registers.onLinkReset(place)
    this.#confirming.forgetJoins(place)
    for (const channel of this.#channels.values()) channel.onLinkReset(place)
  }

  /** Forgets the clients of places that are gone. */
  onPlaceGone(isGone: (place: Place) => boolean): void {
    this.#registers.onPlaceGone(isGone)
    this.#confirming.forget(isGone)
    for (const channel of this.#channels.values()) channel.onPlaceGone(isGone)
  }

  /** Nodes or workers have begun or ended. */
  onPlaces(): void {
    const nowMs = this.#ports.now().monoMs
    for (const channel of this.#channels.values()) channel.presence.checkOwners(nowMs)
    this.#roll?.onPlaces()
  }

  /** A node has declared all its members of our channels. */
  onRollAnswered(from: Place, epoch: number): void {
    if (epoch === this.epoch) this.#roll?.onAnswered(from)
  }

  /** End of a turn: what the channels decided goes to the log. */
  flush(nowMs: number): void {
    if (this.#state.kind === 'serving') this.#state.writer.flush(nowMs)
  }

  /** A claim that rests goes on. */
  goOn(): void {
    if (this.#state.kind === 'recovering') this.#state.recovery.goOn()
  }

  /**
   * The partition is wanted; `lastSeq`: the last record, by the word of who wrote it. One that
   * serves and has not written it was taken for gone meanwhile: an append shows who is master.
   */
  takeOver(lastSeq?: number): void {
    const state = this.#state
    if (state.kind === 'recovering') state.recovery.claim(lastSeq)
    else if (state.kind === 'serving' && (lastSeq ?? 0) > state.writer.lastSeq) {
      // What is under way may have landed before theirs.
      state.writer.add({ kind: 'confirm' })
      this.#ports.wantsFlush(this)
    }
  }

  /** The view gave the partition to `heir`. */
  handOver(heir: Place): void {
    if (this.#state.kind !== 'serving') {
      this.stop()
      return
    }
    const { writer } = this.#state
    this.#handover = new Handover(this.partition, heir, writer, this.#ports, () => this.stop())
    writer.flush(this.#ports.now().monoMs)
    this.#handover.judge()
  }

  /** The view gave the partition to somebody else, or the log did. */
  stop(): void {
    this.#handover?.stop()
    this.#handover = undefined
    this.#sayJoinAgain()
    this.#end()
    this.#state = { kind: 'over' }
    this.#confirming.clear()
    this.#ports.log.ask({ kind: 'release', partition: this.partition })
  }

  describe(): string {
    const { kind } = this.#state
    return `partition ${this.partition} ${kind} ${this.#channels.size} channels`
  }

  /**
   * Somebody newer may have the log by now: only a record of ours after this message shows that
   * the log has lost what was shown, or that a lineage that we never heard of is over. The word of
   * a ChannelClient (a Join) is proof then; of a backfill its client says, who may say anything.
   */
  #onImpossible(from: Place, message: ToMaster & Pick<Join, 'from'>, state: Serving): void {
    if (this.#confirming.holdUntilNext(from, message, state.writer)) this.#confirm(state)
    else if (isWordOfClient(message) || message.from?.lineage !== state.lineage) {
      this.#onMessage(from, message, state)
    } else this.#onRolledBack('a client stands where the log has nothing', true)
  }

  #recover(doubt: Pick<Claimant, 'known' | 'mustStartLineage'>, isAwaited = false): void {
    const { log, deadlines, random } = this.#ports
    const owner = {
      onClaimed: (start: WriterStart, found: RecoveredLog) => this.#onClaimed(start, found),
      onViewHeard: (viewVersion: number) => this.#ports.onViewHeard(viewVersion),
      note: (text: string) => this.#ports.note(`partition ${this.partition}: ${text}`)
    }
    const ports = {
      log, deadlines, random,
      nowMs: () => this.#ports.now().monoMs,
      mayHold: () => this.#ports.mayReadAhead()
    }
    const recovery = new Recovery({ ...this.#claimant, ...doubt }, owner, ports, isAwaited)
    this.#state = { kind: 'recovering', recovery }
  }

  #onMessage(from: Place, message: ToMaster, serving: Serving): void {
    this.#channels.onMessage(from, message, serving.lastEntry, this.#ports.now())
    if (this.#isUsed) this.#sweepLater()
  }

  /** The writer, with an append of ours on its way. */
  #confirm({ writer }: Serving): LogWriter {
    if (writer.isIdle) writer.add({ kind: 'confirm' })
    this.#ports.wantsFlush(this)
    return writer
  }

  #onClaimed(start: WriterStart, found: RecoveredLog): void {
    const { log, deadlines, random } = this.#ports
    const nowMs = this.#ports.now().monoMs
    const owner = {
      onCommitted: (entries: readonly Entry[], firstEntry: number, record: RecordExtent) =>
        this.#onCommitted(entries, firstEntry, record),
      onLandedLate: (entries: readonly Entry[]) => this.#channels.countLate(entries),
      onDeposed: (by: EpochEntry | undefined) => this.#onDeposed(by),
      onRolledBack: () => this.#onRolledBack('the log has not what it had accepted', false)
    }
    const writer = new LogWriter(start, owner, log, deadlines, random, nowMs)
    const retention = new Retention(start.epoch, found, nowMs)
    const state = new Serving(writer, start, retention, found, this.#ports.room)
    this.#state = state
    this.#restore(found, state, nowMs)
    if (found.entries.some(({ entry }) => entry.kind === 'epoch' && entry.startsLineage)) {
      this.#callRoll(state)
    }
    for (const { from, message } of this.#confirming.takeAll()) this.onMessage(from, message)
    this.#registers.begin(found.lineage, start.epoch)
    if (this.#isUsed || retention.isShrinking) this.#sweepLater()
  }

  #restore(found: RecoveredLog, serving: Serving, nowMs: number): void {
    const state = found.state === undefined ? emptyState : decodeState(found.state)
    this.#registers.restore(state, found)
    serving.lastEntry = this.#channels.restore(state, found, nowMs)
  }

  #onDeposed(by: EpochEntry | undefined): void {
    this.stop()
    this.#ports.onDeposed(this, by)
  }

  /** Everything is read again, and claimed with a new lineage if that shows the same (rule 4). */
  #onRolledBack(reason: string, mustStartLineage: boolean): void {
    if (this.#state.kind !== 'serving') return
    this.#ports.note(`partition ${this.partition}: ${reason}`)
    const { known } = this.#state
    this.#sayJoinAgain()
    this.#end()
    this.#recover({ known, mustStartLineage })
  }

  #sayJoinAgain(): void {
    for (const channel of this.#channels.values()) channel.sayJoinAgain()
  }

  #end(): void {
    if (this.#state.kind === 'recovering') this.#state.recovery.stop()
    if (this.#state.kind === 'serving') this.#state.writer.stop()
    this.#roll?.stop()
    this.#archiving.end()
    this.#channels.clear()
    this.#registers.end()
  }

  #onCommitted(entries: readonly Entry[], firstEntry: number, record: RecordExtent): void {
    const serving = this.#state
    if (serving.kind !== 'serving') return
    const { writer, retention } = serving
    const nowMs = this.#ports.now().monoMs
    this.#ports.wantsFlush(this)
    const snapshotSeq = retention.onCommitted(entries, record, nowMs)
    if (snapshotSeq !== undefined) writer.snapshotSeq = snapshotSeq
    for (const [index, entry] of entries.entries()) {
      serving.lastEntry = firstEntry + index
      this.#registers.onCommitted(entry, serving.lastEntry)
    }
    this.#channels.onCommitted(entries, nowMs)
    this.#roll?.onCommitted()
    if (retention.wantsSnapshot(nowMs)) this.#writeSnapshot(serving)
    if (serving.isTrimHeld) serving.trim(this.#ports.log, nowMs)
    for (const { from, message } of this.#confirming.takeReady(writer, nowMs)) {
      this.onMessage(from, message)
    }
    this.#archiving.onCommitted(writer)
    // What was held may have ended this mastership.
    const state: State = this.#state
    if (state.kind === 'serving' && this.#confirming.size > 0) this.#confirm(state)
    this.#handover?.judge()
  }

  #writeSnapshot({ writer, retention, lastEntry, lineage }: Serving): void {
    const bytes = encodeState({ ...this.#channels.state(), ...this.#registers.state() })
    for (const entry of retention.begin(lastEntry, bytes, lineage)) writer.add(entry)
    this.#ports.wantsFlush(this)
  }

  /** Adds an entry of the register; only one that serves has any. */
  #append(entry: Entry): number {
    const state = this.#state
    assert(state.kind === 'serving', 'only a serving master writes')
    this.#ports.wantsFlush(this)
    this.#sweepLater()
    return state.writer.add(entry)
  }

  #callRoll(serving: Serving): void {
    this.#roll = new Roll(this.partition, serving.start.epoch, this.#ports, {
      decidedEntry: () => serving.writer.nextEntry - 1,
      committedEntry: () => serving.lastEntry,
      onClosed: () => {
        for (const channel of this.#channels.values()) channel.onRollClosed()
      }
    })
  }

  #sweepLater(): void {
    if (this.#isSweeping) return
    this.#isSweeping = true
    const atMs = this.#ports.now().monoMs + SWEEP_MS
    this.#ports.deadlines.at(atMs, (nowMs) => {
      this.#isSweeping = false
      if (this.#state.kind === 'serving') this.#sweep(this.#state, nowMs)
    })
  }

  #sweep(state: Serving, nowMs: number): void {
    this.#channels.expire(nowMs, state.writer.isStalled(nowMs) ? SWEEP_MS : 0)
    this.#registers.expire(nowMs)
    const { retention } = state
    if (retention.wantsSnapshot(nowMs)) this.#writeSnapshot(state)
    const { log, random } = this.#ports
    state.trim(log, nowMs)
    if (state.isTrimHeld) this.#confirm(state)
    // The log may have somebody else's records.
    if (this.#channels.isUsed) state.look(log, random, nowMs, () => {
      if (this.#state === state) this.#confirm(state)
    })
    if (this.#isUsed || retention.isShrinking) this.#sweepLater()
  }
}
