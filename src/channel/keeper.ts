/**
 * What a channel's master has to do with what is kept of the channel for long: the rules that hold
 * now, and its part of the archive once anything is to be kept (rule 22).
 */

import { errors } from '../wire/errors.ts'
import type { ErrorInfo } from '../wire/protocol-message.ts'
import type { IdSpace, Publication } from '../peer/message.ts'
import {
  type ArchiveOwner, ChannelArchive, isKept, type PublishRule, shelvesFor
} from './channel-archive.ts'
import type { MasterPorts } from './master-ports.ts'
import type { ChannelStart, KeptSince } from './partition-state.ts'
import { lastingCount, type Tail } from './tail.ts'

export class Keeper {
  readonly #channel: string
  readonly #ports: MasterPorts
  /** Nothing of the channel stood in the log that its master went on from. */
  readonly #isBorn: boolean
  readonly #owner: ArchiveOwner
  #archive: ChannelArchive | undefined
  #kept: PublishRule = {}
  #rulesVersion = -1
  #keptSince: KeptSince

  constructor(
    channel: string, { isBorn, standing, past }: ChannelStart, ports: MasterPorts,
    owner: ArchiveOwner
  ) {
    this.#channel = channel
    this.#ports = ports
    this.#isBorn = isBorn === true
    this.#keptSince = past?.keptSince ?? { after: standing.seq, from: 0 }
    this.#owner = owner
  }

  /** Undefined as long as nothing was to be kept. */
  get archive(): ChannelArchive | undefined {
    return this.#archive
  }

  get keptSince(): KeptSince {
    return this.#keptSince
  }

  /** What a snapshot knows of it. */
  restoreKept(keptSince: KeptSince): void {
    this.#keptSince = keptSince
  }

  /** What is published is acknowledged once another region has it. */
  get isGlobal(): boolean {
    return this.#rules().isGlobal === true
  }

  get isIdle(): boolean {
    return this.#archive?.isIdle !== false
  }

  /** What is said of the publication when it is written. */
  ruleFor({ owner }: Pick<Publication, 'owner'>): PublishRule {
    const rules = this.#rules()
    return owner === undefined ? rules : { keptMs: rules.keptMs }
  }

  /** A channel that was born asks the archive how far its past goes. */
  begin(): void {
    if (this.#isBorn && this.#isKeeping) this.#archiveOf().begin(shelvesFor(this.#rules()))
  }

  /** False if it is not to be kept. */
  keep(publication: Publication): boolean {
    if (lastingCount(publication) > 0) this.#note(publication)
    if (!isKept(publication)) return false
    this.#archiveOf().add(publication)
    return true
  }

  /**
   * Everything is restored. What was said here last belongs on the shelf of that, also where the
   * rule is newer, or was not known to the master that wrote it.
   */
  endRestore(tail: Tail): void {
    const last = this.#rules().isLastKept === true ? tail.lastLasting() : undefined
    if (last !== undefined && last.isLastKept !== true) this.#archiveOf().addLast(last)
    this.#archive?.flush()
  }

  /** Runs it once the past is known; false if that need not be waited for. */
  holds(run: () => void): boolean {
    if (!this.#isBorn || !this.#isKeeping) return false
    // The rules may be newer than the channel.
    this.begin()
    return this.#archiveOf().holds(run)
  }

  /** Why a publish cannot be taken; what nodes decide, leaves above all, is, where it has room. */
  refusal(idSpace: IdSpace): ErrorInfo | undefined {
    if (!this.#ports.hasRoom) return errors.unavailable('the log takes no more for now').info
    if (idSpace === 'node' || !this.#isKeeping) return undefined
    return this.#archiveOf().refusal(this.#isBorn)
  }

  stop(): void {
    this.#archive?.stop()
  }

  #note({ seq, keptMs }: Publication): void {
    const { after, from } = this.#keptSince
    if (keptMs === undefined) this.#keptSince = { after: Math.max(after, seq), from }
    else if (from <= after) this.#keptSince = { after, from: seq }
  }

  get #isKeeping(): boolean {
    return isKept(this.#rules())
  }

  #rules(): PublishRule {
    const { keeping } = this.#ports
    if (keeping.version !== this.#rulesVersion) {
      this.#rulesVersion = keeping.version
      this.#kept = keeping.kept(this.#channel)
    }
    return this.#kept
  }

  #archiveOf(): ChannelArchive {
    const { lineage, epoch, archiving } = this.#ports
    this.#archive ??= new ChannelArchive(this.#channel, lineage, epoch, archiving, this.#owner)
    return this.#archive
  }
}
