/**
 * The channels of one partition's master: born when somebody asks for them or when the log tells
 * of them, let go when nobody can ask for anything of theirs any more. A channel born again stands
 * above all that were let go (rule 5).
 */

import { exhaustive } from '../base/assert.ts'
import type { Now } from '../base/clock.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { Entry } from '../log/entry.ts'
import type { RecoveredLog } from '../log/replay.ts'
import type { Backfill, Publication, ToMaster } from '../peer/message.ts'
import { type Place, placeKey } from '../peer/place.ts'
import {
  type RelayAsk, type RelayCountWanted, type RelayHold, type RelayJoin, type RelayPart,
  type RelayWritten, sinceOf
} from '../peer/relay-message.ts'
import { META_PREFIX } from '../wire/params.ts'
import { Activity } from './activity.ts'
import type { Answer, Ask } from '../peer/question-message.ts'
import { answerTo } from './answers.ts'
import { isKept, type Kept } from './channel-archive.ts'
import { EVER_MS, type Parting } from './comeback.ts'
import { count } from './counting.ts'
import { FirstUsed } from './first-used.ts'
import { birthsIn, LetGo } from './let-go.ts'
import { ChannelMaster } from './master.ts'
import type { MasterPorts } from './master-ports.ts'
import type { PartitionArchiving } from './partition-archiving.ts'
import type { PartitionPorts } from './partition-ports.ts'
import { type Persisted, tellPersisted } from './persisted-history.ts'
import { rewindPersisted } from './persisted-rewind.ts'
import type { UsedChannels } from './used-channels.ts'
import type { Birth, ChannelState, PartitionState } from './partition-state.ts'

export class PartitionChannels {
  readonly #ports: MasterPorts & { readonly archiving: PartitionArchiving }
  readonly #channels = new Map<string, ChannelMaster>()
  /** What the channels that were let go have used up: those born again start above (rule 5). */
  readonly #letGo = new LetGo()
  readonly #firstUsed = new FirstUsed()
  readonly #activity: Activity
  readonly #askAbroad: PartitionPorts['askAbroad']

  /** The ports are told which channels have become active, or are so no more. */
  constructor(
    ports: MasterPorts & { readonly archiving: PartitionArchiving },
    { onActivity, onUsed, askAbroad }: Pick<PartitionPorts, 'onActivity' | 'onUsed' | 'askAbroad'>
  ) {
    this.#ports = ports
    this.#askAbroad = askAbroad
    this.#activity = new Activity(onActivity, (channel, isActive, isNew) => {
      if (channel.includes(`/${META_PREFIX}`)) return
      const { channels } = ports.meters.ofChannel(channel)
      const { monoMs } = ports.now()
      this.#firstUsed.onUsed(channel, monoMs)
      onUsed(channel, isActive, isNew, this.#firstUsed.monoMs(channel))
      if (isActive) channels.enter(monoMs, isNew)
      else channels.leave(monoMs)
    })
  }

  get size(): number {
    return this.#channels.size
  }

  /** True if somebody is there who could miss something. */
  get isUsed(): boolean {
    return this.#channels.values().some(({ census }) => census.isUsed)
  }

  *sizes(): Generator<Size> {
    for (const channel of this.#channels.values()) yield* channel.sizes()
    yield* this.#letGo.sizes()
  }

  get(name: string): ChannelMaster | undefined {
    return this.#channels.get(name)
  }

  values(): MapIterator<ChannelMaster> {
    return this.#channels.values()
  }

  /** Takes a message; a channel that is not there is born behind the last committed entry. */
  onMessage(from: Place, message: ToMaster, lastEntry: number, now: Now): void {
    if (message.kind === 'ask') {
      this.#onAsk(from, message)
      return
    }
    if (message.kind === 'relayJoin') {
      this.#onRelayJoin(from, message, lastEntry, now)
      return
    }
    if (message.kind === 'relayHold') {
      this.#onRelayHold(message, lastEntry, now)
      return
    }
    const { epoch } = this.#ports
    const known = this.#channels.get(message.channel)
    if (known === undefined && isOfRelays(message)) {
      this.#onUnknown(from, message)
      return
    }
    const life = message.kind === 'join' && message.from !== undefined ? 'known' : 'born'
    const channel = known ??
      this.#born(message.channel, this.#letGo.birth, epoch, lastEntry, now.monoMs, life)
    switch (message.kind) {
      case 'join':
        this.#activity.onUsed(message.channel, message.from !== undefined)
        channel.onJoin(from, message, now)
        return
      case 'part':
        channel.onPart(from, message.clientId)
        return
      case 'relayPart':
        channel.relaying.listeners.onPart(from, message)
        return
      case 'relayCountWanted':
        channel.relaying.listeners.onCountWanted(message, from)
        return
      case 'relayAsk':
        channel.moving.answer(from, message)
        return
      case 'relayWritten':
        channel.copying.onWritten(message)
        return
      case 'publish':
        // An op of another epoch was numbered for another mastership; its client Joins again.
        if (message.epoch === epoch) channel.onPublish(from, message, now)
        return
      case 'backfill':
        this.#onBackfill(from, message, channel, now)
        return
      case 'declare':
        if (message.epoch === epoch) channel.presence.onDeclare(from, message, now.monoMs)
        return
      case 'occupancyWanted':
      case 'census':
        if (message.epoch === epoch) channel.census.onMessage(from, message)
        return
      default:
        exhaustive(message, 'message to a master')
    }
  }

  /** Takes what a takeover found: a state, and the entries since; returns the last one's number. */
  restore(state: PartitionState, found: RecoveredLog, nowMs: number): number {
    let lastEntry = 0
    this.#letGo.restore(state, this.#ports.now().wallMs)
    for (const channel of state.channels) this.#bornOf(channel, nowMs)
    for (const { seq } of state.channels) this.#letGo.onFound(seq)
    const births = birthsIn(found)
    const masterOf = (channel: string, epoch: number, number: number): ChannelMaster =>
      this.#channels.get(channel) ??
      this.#born(channel, births.get(channel) ?? this.#letGo.birth, epoch, number, nowMs)
    for (const { entry, number, epoch } of found.entries) {
      lastEntry = number
      const isCovered = number <= found.asOf
      if (entry.kind === 'relay' && !isCovered) {
        masterOf(entry.channel, epoch, number).relaying.onBegun(entry.origin)
      }
      if (entry.kind === 'ownership' && !isCovered) {
        masterOf(entry.channel, epoch, number).onOwned(entry, true, nowMs)
      }
      if (entry.kind !== 'publication') continue
      const { channel, publication } = entry
      if (!isCovered) this.#letGo.onFound(publication.seq)
      const known = this.#channels.get(channel)
      // The state has every channel but those that were let go, though the log may have more.
      if (known === undefined && isCovered) continue
      const birth = { seq: publication.seq - 1, entry: publication.entry }
      const master = known ?? this.#born(channel, birth, epoch, number, nowMs)
      master.restore(publication, epoch, isCovered, nowMs)
    }
    for (const [channel, master] of this.#channels) {
      master.endRestore(nowMs)
      this.#firstUsed.onFound(channel)
      this.#activity.onUsed(channel, true)
    }
    return lastEntry
  }

  /** Takes committed entries, and gives what was published to those who joined. */
  onCommitted(entries: readonly Entry[], nowMs: number): void {
    const byChannel = new Map<ChannelMaster, Publication[]>()
    for (const entry of entries) {
      if (entry.kind === 'relay') {
        const relaying = this.#channels.get(entry.channel)?.relaying
        relaying?.onBegun(entry.origin)
        relaying?.sayWritten()
        continue
      }
      if (entry.kind !== 'ownership' && entry.kind !== 'publication') continue
      const channel = this.#channels.get(entry.channel)
      if (entry.kind === 'ownership') channel?.onOwned(entry, false, nowMs)
      if (entry.kind === 'ownership' || channel === undefined) continue
      const { publication } = entry
      channel.onCommitted(publication, nowMs)
      count(channel.meter, publication)
      const publications = byChannel.get(channel) ?? []
      byChannel.set(channel, publications)
      publications.push(publication)
    }
    for (const [channel, publications] of byChannel) channel.deliver(publications)
  }

  /** What a mastership had under way that is over: its channels are gone. */
  countLate(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.kind !== 'publication') continue
      count(this.#ports.meters.ofChannel(entry.channel), entry.publication)
    }
  }

  /** Shows the channels where somebody is present. */
  list(used: UsedChannels): void {
    for (const [channel, { presence }] of this.#channels) {
      if (presence.memberCount > 0) used.add(channel)
    }
  }

  /** What a snapshot holds. */
  state(): Omit<PartitionState, 'claims' | 'nonces'> {
    const channels = [...this.#channels.values()].map((channel) => channel.state())
    return { ...this.#letGo.state(), channels }
  }

  /** Lets go what has had its time; `stalledMs`: so long nobody could be answered. */
  expire(nowMs: number, stalledMs: number): void {
    const others = this.#ports.others()
    const { wallMs } = this.#ports.now()
    if (others === 'heard') this.#letGo.settle()
    for (const [name, channel] of this.#channels) {
      const isOver = channel.expire(nowMs, stalledMs)
      const isUsed = channel.census.isUsed || channel.abroad?.relaying.isHeld(nowMs) === true
      this.#activity.judge(name, isUsed, isOver, nowMs)
      if (!isOver) continue
      const sinceMs = this.#firstUsed.wallMs(name, { monoMs: nowMs, wallMs })
      this.#letGo.add(name, channel.left(wallMs, sinceMs), others)
      channel.letGo()
      this.#channels.delete(name)
      this.#firstUsed.forget(name)
    }
  }

  clear(): void {
    for (const channel of this.#channels.values()) channel.end()
    this.#channels.clear()
    this.#activity.clear()
    this.#firstUsed.clear()
  }

  /** What another region says of a channel that is not there gives birth to nothing. */
  #onUnknown(place: Place, message: OfRelays): void {
    if (message.kind !== 'relayAsk') return
    const { channel, askId, from } = message
    this.#ports.send(place, {
      kind: 'relayTold', channel, region: this.#ports.region, askId, isContinuation: false,
      publications: [], standing: from, isWhole: true, origins: [], bornThrough: 0
    })
  }

  /** Another region wants what is born there to be held here: relays listen, as for clients. */
  #onRelayHold(hold: RelayHold, lastEntry: number, now: Now): void {
    if (!this.#ports.hasRoom) return
    const { channel } = hold
    const known = this.#channels.get(channel)
    const master = known ??
      this.#born(channel, this.#letGo.birth, this.#ports.epoch, lastEntry, now.monoMs, 'born')
    master.relaying.hold(hold, now.monoMs + limits.heldAbroadMs, known === undefined)
    this.#activity.onUsed(channel, known !== undefined)
  }

  /**
   * Nothing is born for another region that only listens, but for one that has missed what the
   * archive may have.
   */
  #onRelayJoin(place: Place, join: RelayJoin, lastEntry: number, now: Now): void {
    const { channel, relayId, joinNo, from } = join
    const master = this.#channels.get(channel)
    if (master !== undefined) {
      const isBroken = join.only !== undefined && this.#letGo.mayForget(sinceOf(join, now.wallMs))
      master.onRelayJoin(place, join, now, from === undefined && isBroken)
      return
    }
    const { region, lineage, epoch, keeping } = this.#ports
    if (this.#ports.others() === 'heard') this.#letGo.settle()
    const isBack = this.#ports.others(join.region) === 'silent'
    const isOurs = from === undefined || (from.lineage === lineage &&
      (this.#ports.isKnown(from) || this.#ports.isForgotten(from)))
    const since = { channel, from, only: join.only, sinceMs: sinceOf(join, now.wallMs) }
    const missed = isOurs ? this.#letGo.missed(since, isBack) : 'unknown'
    const isLooked = join.only === undefined && keeping.kept(channel).keptMs !== undefined
    if (missed === 'something' && isLooked) {
      this.#born(channel, this.#letGo.birth, epoch, lastEntry, now.monoMs, 'born')
        .onRelayJoin(place, join, now)
      return
    }
    const { seq } = this.#letGo.birth
    const anew = missed === 'nothing' ? undefined : { lineage, seq, epoch, entry: lastEntry }
    this.#ports.send(place, { kind: 'relayDormant', channel, region, relayId, joinNo, anew })
  }

  /** One that rewinds a persisted channel may go back further than what is held. */
  #onBackfill(place: Place, ask: Backfill, master: ChannelMaster, now: Now): void {
    const page = master.pageFor(ask, now)
    const isForeign = ask.from !== undefined && ask.from.lineage !== this.#ports.lineage
    if (isForeign && !page.isContinuation) {
      master.moving.find(ask.from, (moved) => master.sayBackfilled(place, ask, moved ?? page))
      return
    }
    const { channel, clientId, requestNo, rewind } = ask
    const kept = rewind === undefined ? {} : this.#ports.keeping.kept(channel)
    if (rewind === undefined || !isKept(kept)) {
      master.sayBackfilled(place, ask, page)
      return
    }
    const { archiving } = this.#ports
    const later = (afterMs: number, run: () => void): void => {
      this.#ports.later(channel, afterMs, run)
    }
    const key = `${placeKey(place)} ${clientId} ${requestNo}`
    const asked = { ...this.#persisted(channel, kept, now), here: master.here() }
    const ports = { archiving, later, askAbroad: this.#askAbroad }
    rewindPersisted(key, asked, rewind, page, ports, (whole) => {
      master.sayBackfilled(place, ask, whole)
    })
  }

  /** Nothing is born for a question; who asks who is present waits until all have declared. */
  #onAsk(place: Place, { channel, askNo, question }: Ask): void {
    const { isRollOpen, lineage } = this.#ports
    if (question.kind === 'stats' || (question.kind === 'presence' && isRollOpen)) return
    const master = this.#channels.get(channel)
    const answer = (given: Answer): void => {
      this.#ports.send(place, { kind: 'answered', channel, askNo, answer: given })
    }
    const kept = question.kind === 'history' ? this.#ports.keeping.kept(channel) : {}
    if (question.kind !== 'history' || !isKept(kept)) {
      answerTo(question, master, lineage, answer)
      return
    }
    const { archiving } = this.#ports
    const asked = { ...this.#persisted(channel, kept, this.#ports.now()), here: master?.here() }
    tellPersisted(`${placeKey(place)} ${askNo}`, asked, question, archiving, answer)
  }

  #persisted(channel: string, kept: Kept, { wallMs }: Now): Omit<Persisted, 'here'> {
    const { archiving: { partition }, lineage } = this.#ports
    return { partition, channel, lineage, kept, wallMs }
  }

  #born(
    name: string, birth: Birth, epoch: number, entry: number, nowMs: number, life: Life = 'found'
  ): ChannelMaster {
    const { past, parting: known } = this.#letGo.take(name)
    const standing = { lineage: this.#ports.lineage, seq: birth.seq, epoch, entry }
    const start = {
      standing, birth: { ...birth, beginSeq: past?.beginSeq }, past, isBorn: life !== 'found',
      isNew: life === 'born', parting: life === 'born' ? known ?? this.#unknown(birth) : undefined
    }
    // Since when its clients are there nobody knows.
    if (life === 'known') this.#firstUsed.onFound(name)
    const master = new ChannelMaster(name, start, this.#ports, nowMs)
    this.#channels.set(name, master)
    return master
  }

  /** Of one that a former master may have had, though it left nothing of it in the log. */
  #unknown({ seq: endSeq }: Birth): Parting | undefined {
    const isSure = this.#ports.beganLineage || this.#ports.others() === 'none'
    return isSure ? undefined : { endSeq, sinceMs: EVER_MS, origins: [] }
  }

  #bornOf(state: ChannelState, nowMs: number): void {
    const { channel, seq, epoch, entry, birth } = state
    const standing = { lineage: this.#ports.lineage, seq, epoch, entry }
    const master = new ChannelMaster(channel, { standing, birth }, this.#ports, nowMs)
    // What it puts off is its own only where it is known by then.
    this.#channels.set(channel, master)
    master.restoreState(state, nowMs)
  }
}

/** Found in the log; or that does not know of it: its clients do, or nobody does. */
type Life = 'found' | 'known' | 'born'

type OfRelays = RelayAsk | RelayPart | RelayCountWanted | RelayWritten

function isOfRelays(message: ToMaster): message is OfRelays {
  const { kind } = message
  return kind === 'relayAsk' || kind === 'relayPart' || kind === 'relayCountWanted' ||
    kind === 'relayWritten'
}
