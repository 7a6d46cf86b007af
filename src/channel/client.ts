/**
 * A node's one client of a channel. It joins the channel's master, keeps the node's place in the
 * channel's order, has every publication encoded once, and gives it to the node's groups; and it
 * carries their publishes to the master until each is answered (rule 16).
 *
 *   idle ──first attach or submit──▶ joining ──Joined──▶ live
 *                                      ▲  ▲               │ the master moved, the link was reset,
 *                                      │  └───────────────┘ or a hole was seen: Join again with
 *                                      └─ no answer: again    the last standing
 *
 * Rules it keeps: order by seq, repeats dropped, a hole is never passed on; a Deliver of an epoch
 * that was not joined is dropped (rule 9); each attachment starts at its own position (rule 19);
 * where continuity is lost every group is told, and only then.
 */

import { assert } from '../base/assert.ts'
import type { Deadlines } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Meter } from '../base/meter.ts'
import type { Size } from '../base/sizes.ts'
import type { Random } from '../base/random.ts'
import type {
  Attach,
  Declared,
  Deliver,
  Joined,
  Members,
  PeerMessage,
  Publication,
  Result,
  Standing,
  Submit,
  ToClientFromGroup,
  ToClientFromMaster
} from '../peer/message.ts'
import type { Allocate } from './encoding.ts'
import type { Batching } from './batching.ts'
import { CatchUp } from './catch-up.ts'
import { ClientCensus } from './client-census.ts'
import { Doors } from './doors.ts'
import { Joining } from '../peer/joining.ts'
import { inOrder, isUnbroken, stretchesOf } from './page.ts'
import { declareParts } from './presence-pages.ts'
import { Unanswered } from './unanswered.ts'

/** What a client needs from its worker. */
export interface ClientPorts {
  readonly deadlines: Deadlines
  readonly random: Random
  readonly allocate: Allocate
  nowMs(): number
  viewVersion(): number
  /** How the channel's rules say now that messages are put together, if they are. */
  batching(): Batching | undefined
  /** That of the channel's app. */
  readonly meter: Meter
  /** Sends to the partition's master; false while none is known. */
  toMaster(channel: string, message: PeerMessage): boolean
  /** Sends to the group of `worker` on this node. */
  toGroup(worker: number, message: PeerMessage): void
}

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'joining' }
  | { readonly kind: 'live'; readonly epoch: number; readonly isKnown: boolean }

export class ChannelClient {
  readonly channel: string
  readonly #ports: ClientPorts
  readonly #clientId: string
  readonly #doors: Doors
  readonly #catchUp: CatchUp
  readonly #unanswered: Unanswered
  readonly #census: ClientCensus
  readonly #joining: Joining
  #state: State = { kind: 'idle' }
  #standing: Standing | undefined
  #wantsDeliveries = false
  #usedAtMs: number

  constructor(channel: string, ports: ClientPorts) {
    this.channel = channel
    this.#ports = ports
    this.#clientId = ports.random.id(8)
    this.#joining = this.#makeJoining()
    this.#unanswered = new Unanswered()
    this.#doors = new Doors(channel, ports)
    this.#catchUp = this.#makeCatchUp()
    this.#census = this.#makeCensus()
    this.#usedAtMs = ports.nowMs()
  }

  onGroupMessage(worker: number, message: ToClientFromGroup): void {
    this.#usedAtMs = this.#ports.nowMs()
    switch (message.kind) {
      case 'attach':
        this.#onAttach(worker, message)
        return
      case 'submit':
        this.#onSubmit(worker, message)
        return
      case 'attachGone':
        this.#catchUp.forget(worker, message.attachId)
        return
      case 'groupEmpty':
        this.#doors.onGroupEmpty(worker)
        this.#catchUp.forget(worker)
        this.#census.onDoors()
        return
      case 'variantUnused':
        this.#doors.onVariantUnused(worker, message.variantId)
        this.#census.onDoors()
        return
      case 'counted':
        this.#census.onCounted(worker, message)
        return
      case 'syncWanted':
        this.#doors.onSyncWanted(worker, message)
        return
      case 'declared':
        this.#onDeclared(worker, message)
        return
    }
  }

  onMasterMessage(message: ToClientFromMaster): void {
    switch (message.kind) {
      case 'joined':
        this.#onJoined(message)
        return
      case 'notMaster':
        // Who is master the view says soon: the retry asks again, and a view that changes at once.
        return
      case 'joinAgain':
        if (this.#state.kind === 'live') this.#joining.again()
        return
      case 'deliver':
        this.#onDeliver(message)
        return
      case 'result':
        this.#onResult(message)
        return
      case 'backfilled':
        if (message.clientId === this.#clientId) this.#catchUp.onBackfilled(message)
        return
      case 'members':
        this.#onMembers(message)
        return
      case 'censusWanted':
        if (this.#isLive(message.epoch)) this.#census.onWanted(message)
        return
      case 'occupancy':
        if (this.#isLive(message.epoch) && this.#standing !== undefined) {
          this.#doors.tellOccupancy(message, this.#standing)
        }
        return
    }
  }

  /** The partition has another master, or what was said to it may be lost: Join again. */
  onMasterUncertain(): void {
    if (this.#state.kind !== 'idle') this.#joining.anew()
  }

  /** A worker of this node is gone, and its group with it; its heir attaches anew. */
  onWorkerGone(worker: number): void {
    this.#doors.forget(worker)
    this.#unanswered.forgetWorker(worker)
    this.#catchUp.forget(worker)
    this.#census.onDoors()
  }

  /** The master of this epoch wants to hear of all members. */
  onRollCalled(epoch: number): void {
    if (this.#state.kind === 'live' && this.#state.epoch !== epoch) this.onMasterUncertain()
  }

  /** True once it has. */
  hasDeclared(epoch: number): boolean {
    if (this.#state.kind === 'idle') return true
    return this.#state.kind === 'live' && this.#state.epoch === epoch && this.#doors.hasDeclared
  }

  /** True when nobody has used the client for its linger time; the owner lets it go then. */
  isSpent(nowMs: number): boolean {
    if (this.#unanswered.size > 0 || this.#catchUp.size > 0) return false
    if (this.#doors.isAnyAttached) return false
    return nowMs - this.#usedAtMs > limits.lingerMs
  }

  /** Says goodbye to the master. */
  close(): void {
    this.#joining.stop()
    this.#census.end()
    this.#doors.close()
    if (this.#state.kind !== 'idle') {
      const { channel } = this
      this.#ports.toMaster(channel, { kind: 'part', channel, clientId: this.#clientId })
    }
    this.#state = { kind: 'idle' }
  }

  *sizes(): Generator<Size> {
    yield* this.#unanswered.sizes()
    yield* this.#catchUp.sizes()
    yield* this.#doors.sizes()
  }

  describe(): string {
    const at = this.#standing === undefined ? 'nowhere' : `${this.#standing.seq}`
    return `client ${this.channel} ${this.#state.kind} at ${at}, ${this.#doors.size} groups`
  }

  #makeJoining(): Joining {
    const { deadlines, random, nowMs } = this.#ports
    return new Joining({ deadlines, random, nowMs, join: () => this.#join() })
  }

  #makeCatchUp(): CatchUp {
    const { channel } = this
    return new CatchUp({
      here: () => this.#state.kind === 'live' && this.#wantsDeliveries ? this.#standing : undefined,
      ask: (question) => {
        assert(this.#state.kind === 'live', 'only who is live asks')
        const { epoch } = this.#state
        const clientId = this.#clientId
        this.#ports.toMaster(channel, { kind: 'backfill', channel, clientId, epoch, ...question })
      },
      sayPage: (arrival, upTo) => this.#doors.sayPage(arrival, upTo),
      sayAttached: (arrival, here, isResumed) => {
        this.#doors.sayAttached(arrival, here, isResumed)
      },
      refuseContinuation: (arrival, since, hasMore) => {
        this.#doors.refuseContinuation(arrival, since, hasMore)
      },
      onAhead: () => this.onMasterUncertain()
    })
  }

  #makeCensus(): ClientCensus {
    const { channel } = this
    const { deadlines, nowMs, toGroup } = this.#ports
    return new ClientCensus(channel, {
      deadlines,
      nowMs,
      toGroup,
      clientId: this.#clientId,
      wantsOccupancy: () => this.#doors.wantsOccupancy(),
      workers: () => this.#doors.attached(),
      toMaster: (message) => void this.#ports.toMaster(channel, message)
    })
  }

  #isLive(epoch: number): boolean {
    return this.#state.kind === 'live' && this.#state.epoch === epoch
  }

  #onAttach(worker: number, attach: Attach): void {
    this.#doors.onAttach(worker, attach)
    this.#catchUp.arrive(worker, attach)
    this.#census.onDoors()
    if (!this.#wantsDeliveries || this.#state.kind === 'idle') {
      // A client that only published has let deliveries pass: it stands nowhere.
      if (!this.#wantsDeliveries) this.#standing = undefined
      this.#wantsDeliveries = true
      this.#join()
    }
  }

  #onSubmit(worker: number, submit: Submit): void {
    const refusal = this.#unanswered.add(worker, submit)
    if (refusal !== undefined) {
      const { channel } = this
      const outcome = { kind: 'refused' as const, error: refusal }
      const { submitId } = submit
      this.#ports.toGroup(worker, { kind: 'submitted', channel, submitId, outcome })
      return
    }
    if (submit.op.owner !== undefined) this.#doors.onPresence(worker)
    if (this.#state.kind === 'live') this.#publishNew(this.#state.epoch)
    else if (this.#state.kind === 'idle') this.#join()
  }

  #onJoined(joined: Joined): void {
    if (this.#state.kind !== 'joining' || joined.joinNo !== this.#joining.no) return
    this.#joining.letIn()
    const had = this.#standing
    const continues = had !== undefined && joined.isContinuation && isUnbroken(had, joined)
    if (continues) {
      this.#standing = { ...had, seq: joined.startsAfter }
      this.#broadcast(joined.backlog, had.lineage, joined.epoch)
    }
    this.#standing = joined.standing
    if (continues && !joined.isWhole) {
      this.#join()
      return
    }
    this.#state = { kind: 'live', epoch: joined.epoch, isKnown: joined.hasYours === true }
    const knowsMembers = this.#doors.onJoined(joined, continues)
    if (had !== undefined && !continues) this.#doors.sayContinuityLost(joined.standing)
    else this.#doors.sayWhoWasOwed()
    this.#catchUp.onLive()
    this.#census.onJoined(joined.epoch)
    this.#unanswered.startEpoch(joined.epoch, joined.nextOpNo)
    this.#publishNew(joined.epoch)
    if (!knowsMembers) this.onMasterUncertain()
  }

  /** The set before our `joined`; or, when it was held, from where we stand. */
  #onMembers(members: Members): void {
    if (members.joinNo !== this.#joining.no) return
    const isLive = this.#state.kind === 'live'
    if (isLive && members.seq !== this.#standing?.seq) this.onMasterUncertain()
    else this.#doors.onMembers(members, isLive)
  }

  /** Whose members live at `worker`: the master is told after the ops that made them so. */
  #onDeclared(worker: number, declared: Declared): void {
    if (this.#state.kind === 'idle') this.#join()
    this.#doors.onDeclared(worker, declared.members.length > 0, declared.isWhole)
    if (this.#state.kind !== 'live') return
    const { epoch, isKnown } = this.#state
    if (declared.members.length === 0 && !isKnown) return
    for (const part of declareParts(declared, epoch, worker)) {
      this.#ports.toMaster(this.channel, part)
    }
  }

  #onDeliver(deliver: Deliver): void {
    if (!this.#isLive(deliver.epoch)) return
    if (!this.#wantsDeliveries) return
    this.#pass(deliver.publications, deliver.epoch)
  }

  #onResult(result: Result): void {
    if (result.clientId !== this.#clientId) return
    const { epoch, opNo, outcome } = result
    const refusal = outcome.kind === 'refused' ? outcome.error : undefined
    const answered = this.#unanswered.answer(epoch, opNo, refusal)
    if (answered?.worker === undefined) return
    const { channel } = this
    const { worker, submitId } = answered
    this.#ports.toGroup(worker, { kind: 'submitted', channel, submitId, outcome })
  }

  /** Gives publications that are next in order to every group; a hole is asked for instead. */
  #pass(publications: readonly Publication[], epoch: number): void {
    const standing = this.#standing
    if (standing === undefined) return
    const { next, isHole } = inOrder(standing.seq, publications)
    this.#broadcast(next, standing.lineage, epoch)
    if (isHole) this.onMasterUncertain()
  }

  #broadcast(publications: readonly Publication[], lineage: string, epoch: number): void {
    this.#catchUp.onPassed(publications, lineage, epoch)
    for (const { stretch, last } of stretchesOf(publications)) {
      const standing = { lineage, seq: last.seq, epoch, entry: last.entry }
      this.#standing = standing
      if (last.isBreak === true) this.#doors.sayContinuityLost(standing)
      else this.#doors.broadcast(stretch, standing)
    }
  }

  #join(): void {
    const joinNo = this.#joining.begin()
    this.#state = { kind: 'joining' }
    const { channel } = this
    this.#ports.toMaster(channel, {
      kind: 'join',
      channel,
      joinNo,
      clientId: this.#clientId,
      viewVersion: this.#ports.viewVersion(),
      from: this.#wantsDeliveries ? this.#standing : undefined,
      wantsDeliveries: this.#wantsDeliveries,
      hasMembers: this.#standing !== undefined && this.#doors.hasMembers,
      hasUnanswered: this.#unanswered.hasSent
    })
  }

  #publishNew(epoch: number): void {
    const { channel } = this
    for (const { opNo, answeredThrough, op } of this.#unanswered.takeUnsent()) {
      const clientId = this.#clientId
      const publish = { channel, clientId, epoch, opNo, answeredThrough, op }
      this.#ports.toMaster(channel, { kind: 'publish', ...publish })
    }
  }
}
