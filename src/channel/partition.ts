/**
 * The mastership of one partition by one worker: takeover from the log, then the channels' masters
 * that write through one fenced writer, until the view or the log says that it is over.
 *
 *   recovering ──claimed──▶ serving ──deposed by the log, or told by the view──▶ over
 *
 * Before `serving` nobody is answered: a Join that comes meanwhile is kept (bounded by the number
 * of channels' clients) and answered then. After `over` nothing is said any more: what was in hand
 * is decided by the log alone (rule 3), and the clients send it again to the next master.
 */

import { exhaustive } from '../base/assert.ts'
import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import type { Random } from '../base/random.ts'
import type { Entry } from '../log/entry.ts'
import type { LogOutbox } from '../log/port.ts'
import { type Claimant, Recovery } from '../log/recovery.ts'
import { LogWriter, type WriterStart } from '../log/writer.ts'
import type { PeerMessage, Publication, ToMaster } from '../peer/message.ts'
import type { Place } from '../peer/place.ts'
import { ChannelMaster, type MasterPorts } from './master.ts'

const EXPIRY_SWEEP_MS = 5_000
const EARLY_JOINS_MAX = 100_000

/** What a mastership needs from its worker. */
export interface PartitionPorts {
  readonly log: LogOutbox
  readonly deadlines: Deadlines
  readonly random: Random
  now(): Now
  send(place: Place, message: PeerMessage): void
  /** Something waits for the log: `flush` at the end of the turn. */
  wantsFlush(master: PartitionMaster): void
  /** The mastership ended because another one writes the log. */
  onDeposed(partition: number): void
  note(text: string): void
}

type State =
  | { readonly kind: 'recovering'; readonly recovery: Recovery; lastEpoch: number }
  | { readonly kind: 'serving'; readonly writer: LogWriter; readonly start: WriterStart }
  | { readonly kind: 'over' }

interface EarlyMessage {
  readonly from: Place
  readonly message: ToMaster
}

export class PartitionMaster {
  readonly partition: number
  readonly #ports: PartitionPorts
  readonly #channels = new Map<string, ChannelMaster>()
  readonly #masterPorts = this.#makeMasterPorts()
  #state: State
  #lineage = ''
  /** The highest seq of any channel that was let go: those born again start above (rule 5). */
  #letGoSeq = 0
  #lastEntry = 0
  #early: EarlyMessage[] = []
  /** An idle partition costs nothing: the sweep runs only while there are channels. */
  #isSweeping = false

  constructor(claimant: Claimant, ports: PartitionPorts) {
    this.partition = claimant.partition
    this.#ports = ports
    const owner = {
      onRecovered: (entry: Entry, number: number) => this.#onRecovered(entry, number),
      onBrokenChain: (reason: string) => this.#onBrokenChain(reason),
      onClaimed: (start: WriterStart, lineage: string) => this.#onClaimed(start, lineage)
    }
    const { log, deadlines, random } = ports
    const nowMs = ports.now().monoMs
    const recovery = new Recovery(claimant, owner, log, deadlines, random, nowMs)
    this.#state = { kind: 'recovering', recovery, lastEpoch: 0 }
  }

  get isServing(): boolean {
    return this.#state.kind === 'serving'
  }

  /** The epoch of this mastership, or 0 before it is claimed. */
  get epoch(): number {
    return this.#state.kind === 'serving' ? this.#state.start.epoch : 0
  }

  get channelCount(): number {
    return this.#channels.size
  }

  /** Takes a message of a ChannelClient. */
  onMessage(from: Place, message: ToMaster): void {
    if (this.#state.kind === 'over') return
    if (this.#state.kind === 'recovering') {
      if (this.#early.length < EARLY_JOINS_MAX) this.#early.push({ from, message })
      return
    }
    const now = this.#ports.now()
    const channel = this.#channel(message.channel)
    switch (message.kind) {
      case 'join':
        channel.onJoin(from, message, now)
        return
      case 'part':
        channel.onPart(from, message.clientId)
        return
      case 'publish':
        // An op of another epoch was numbered for another mastership; its client Joins again.
        if (message.epoch === this.#state.start.epoch) channel.onPublish(from, message, now)
        return
      case 'backfill':
        channel.onBackfill(from, message, now)
        return
      default:
        exhaustive(message, 'message to a master')
    }
  }

  /** Forgets the clients of places that are gone. */
  onPlaceGone(isGone: (place: Place) => boolean): void {
    this.#early = this.#early.filter(({ from }) => !isGone(from))
    for (const channel of this.#channels.values()) channel.onPlaceGone(isGone)
  }

  /** End of a turn: what the channels decided goes to the log. */
  flush(nowMs: number): void {
    if (this.#state.kind === 'serving') this.#state.writer.flush(nowMs)
  }

  /** The view gave the partition to somebody else. */
  stop(): void {
    if (this.#state.kind === 'recovering') this.#state.recovery.stop()
    if (this.#state.kind === 'serving') this.#state.writer.stop()
    this.#state = { kind: 'over' }
    this.#channels.clear()
    this.#early = []
    this.#ports.log.ask({ kind: 'release', partition: this.partition })
  }

  describe(): string {
    return `partition ${this.partition} ${this.#state.kind} ${this.#channels.size} channels`
  }

  #onRecovered(entry: Entry, number: number): void {
    this.#lastEntry = number
    if (entry.kind === 'epoch') {
      if (this.#state.kind === 'recovering') this.#state.lastEpoch = entry.epoch
      // A former master began anew here; what stands before is of no channel that it served.
      if (entry.lineage !== this.#lineage) this.#channels.clear()
      this.#lineage = entry.lineage
      return
    }
    const epoch = this.#state.kind === 'recovering' ? this.#state.lastEpoch : 0
    const { channel, publication } = entry
    let master = this.#channels.get(channel)
    if (master === undefined) {
      master = this.#born(channel, publication.seq - 1)
      this.#channels.set(channel, master)
    }
    master.restore(publication, epoch, this.#ports.now().monoMs)
  }

  #onBrokenChain(reason: string): void {
    this.#ports.note(`partition ${this.partition}: ${reason}; continuity is lost`)
    this.#channels.clear()
  }

  #onClaimed(start: WriterStart, lineage: string): void {
    const { log, deadlines, random } = this.#ports
    const owner = {
      onCommitted: (entries: readonly Entry[], firstEntry: number) =>
        this.#onCommitted(entries, firstEntry),
      onDeposed: () => this.#onDeposed()
    }
    const writer = new LogWriter(start, owner, log, deadlines, random)
    this.#lineage = lineage
    this.#state = { kind: 'serving', writer, start }
    const early = this.#early
    this.#early = []
    for (const { from, message } of early) this.onMessage(from, message)
    if (this.#channels.size > 0 && !this.#isSweeping) this.#sweepLater()
  }

  #onDeposed(): void {
    this.stop()
    this.#ports.onDeposed(this.partition)
  }

  #onCommitted(entries: readonly Entry[], firstEntry: number): void {
    const nowMs = this.#ports.now().monoMs
    this.#ports.wantsFlush(this)
    const byChannel = new Map<string, Publication[]>()
    for (const [index, entry] of entries.entries()) {
      this.#lastEntry = firstEntry + index
      if (entry.kind !== 'publication') continue
      this.#channels.get(entry.channel)?.onCommitted(entry.publication, nowMs)
      const publications = byChannel.get(entry.channel)
      if (publications === undefined) byChannel.set(entry.channel, [entry.publication])
      else publications.push(entry.publication)
    }
    for (const [channel, publications] of byChannel) {
      this.#channels.get(channel)?.deliver(publications)
    }
  }

  #channel(name: string): ChannelMaster {
    let channel = this.#channels.get(name)
    if (channel === undefined) {
      channel = this.#born(name, this.#letGoSeq)
      this.#channels.set(name, channel)
      if (!this.#isSweeping) this.#sweepLater()
    }
    return channel
  }

  #born(name: string, seq: number): ChannelMaster {
    const lineage = this.#lineage
    const standing = { lineage, seq, epoch: this.epoch, entry: this.#lastEntry }
    return new ChannelMaster(name, { standing }, this.#masterPorts, this.#ports.now().monoMs)
  }

  #makeMasterPorts(): MasterPorts {
    const partition = this
    return {
      get epoch(): number {
        return partition.epoch
      },
      get lineage(): string {
        return partition.#lineage
      },
      get hasRoom(): boolean {
        return partition.#state.kind === 'serving' && partition.#state.writer.hasRoom
      },
      append(channel: string, op: Omit<Publication, 'entry'>): void {
        const state = partition.#state
        if (state.kind !== 'serving') return
        const publication = { ...op, entry: state.writer.nextEntry }
        state.writer.add({ kind: 'publication', channel, publication })
        partition.#ports.wantsFlush(partition)
      },
      send(place: Place, message: PeerMessage): void {
        partition.#ports.send(place, message)
      }
    }
  }

  #sweepLater(): void {
    this.#isSweeping = true
    const atMs = this.#ports.now().monoMs + EXPIRY_SWEEP_MS
    this.#ports.deadlines.at(atMs, (nowMs) => {
      if (this.#state.kind !== 'serving') return
      for (const [name, channel] of this.#channels) {
        if (!channel.expire(nowMs)) continue
        this.#letGoSeq = Math.max(this.#letGoSeq, channel.lastSeq)
        this.#channels.delete(name)
      }
      if (this.#channels.size > 0) this.#sweepLater()
      else this.#isSweeping = false
    })
  }
}
