/**
 * A ChannelMaster on a bench: clocks that the test moves, a log that commits when the test says
 * so, and everything that is sent, by place.
 */

import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { Backlog } from '../../../src/channel/backlog.ts'
import type { PublishRule } from '../../../src/channel/channel-archive.ts'
import { TailPool } from '../../../src/channel/tail.ts'
import { ChannelMaster } from '../../../src/channel/master.ts'
import type { OwnershipEntry, RelayEntry } from '../../../src/log/entry.ts'
import type {
  Join,
  PeerMessage,
  Publication,
  Publish,
  PublishOp,
  Standing
} from '../../../src/peer/message.ts'
import { type Place, placeKey } from '../../../src/peer/place.ts'
import type { RelayAsk, RelayHold, Stretch } from '../../../src/peer/relay-message.ts'
import { CHANNEL, LINEAGE, ofKind, op, standing } from './parts.ts'
import { oneMeter } from '../../support/meters.ts'

export const a: Place = { incarnation: 'a', worker: 0 }
export const b: Place = { incarnation: 'b', worker: 0 }

export class MasterBench {
  readonly deadlines = new Deadlines()
  readonly master: ChannelMaster
  /** What holds of the channel, and the number of what holds. */
  rule: PublishRule
  ruleVersion = 1
  monoMs = 0
  wallMs = 1_000_000
  hasRoom = true
  regionGraceMs: number = limits.regionGraceMs
  /** What was appended and is not in the log yet. */
  waiting: Publication[] = []
  readonly owned: OwnershipEntry[] = []
  /** What other regions were asked. */
  readonly asked: RelayAsk[] = []
  /** The other regions. */
  regions: readonly string[] = ['there']
  /** Who masters the channel in them. */
  masterAbroad = 'first'
  /** Nobody hears anything of them. */
  isAllAway = false
  /** One of them was asked to hold the channel. */
  readonly holds: { readonly hold: RelayHold, readonly turn: number }[] = []
  /** Regions that are asked again. */
  readonly woken: string[] = []
  /** What they were told of what is written here. */
  readonly written: (Stretch & { readonly region: string })[] = []
  /** How far what is born there was said to be taken, where nothing of it is written. */
  readonly begun: RelayEntry[] = []
  /** Whether they are to count. */
  isCountingAbroad = false
  #entry = 100
  #sent: { to: string; message: PeerMessage }[] = []

  constructor(start: Standing = standing(0), epoch = 7, rule: PublishRule = {}) {
    const bench = this
    this.rule = rule
    this.master = new ChannelMaster(CHANNEL, { standing: start, birth: { seq: 0, entry: 0 } }, {
      epoch,
      lineage: LINEAGE,
      region: 'here',
      keeping: { get version() { return bench.ruleVersion }, kept: () => bench.rule },
      archiving: {
        partition: 0, archive: { askArchive: () => undefined }, deadlines: new Deadlines(),
        random: new Random('archive'), backlog: new Backlog(), hasRoom: true, nowMs: () => 0,
        confirm: () => undefined, disproves: () => false, onRolledBack: () => undefined,
        readHole: () => true, whenRoom: () => undefined, cease: () => undefined
      },
      tails: new TailPool(),
      meters: oneMeter(),
      get hasRoom(): boolean {
        return bench.hasRoom
      },
      isKnown: () => true,
      isForgotten: () => false,
      isRollOpen: false,
      beganLineage: false,
      isAlive: () => true,
      regionGraceMs: () => this.regionGraceMs,
      countAbroad: (_, isWanted) => {
        this.isCountingAbroad = isWanted
      },
      askToHold: (hold, turn) => {
        this.holds.push({ hold, turn })
        return this.regions.length > 0
      },
      wakeRelay: (_, region) => void this.woken.push(region),
      others: () => 'none',
      otherRegions: () => [],
      sayWritten: (_, region, stretch) => void this.written.push({ region, ...stretch }),
      toRegions: (ask, former) => {
        const [master, isAway] = [this.masterAbroad, this.isAllAway]
        if (this.regions.some((name) => former.get(name)?.master !== master)) this.asked.push(ask)
        return new Map(this.regions.map((name) => [name, { master, isAway }]))
      },
      own: (entry) => {
        if (entry.kind === 'ownership') this.owned.push(entry)
        else this.begun.push(entry)
      },
      now: () => this.now(),
      later: (_, afterMs, run) => void this.deadlines.at(this.monoMs + afterMs, run),
      append: (_, publication) => {
        this.waiting.push({ ...publication, entry: ++this.#entry })
      },
      send: (place, message) => void this.#sent.push({ to: placeKey(place), message })
    }, this.monoMs)
  }

  now() {
    return { monoMs: this.monoMs, wallMs: this.wallMs }
  }

  pass(ms: number): void {
    this.monoMs += ms
    this.deadlines.fire(this.monoMs)
  }

  /** What was sent to a place since the last call. */
  sent(place: Place): PeerMessage[] {
    const key = placeKey(place)
    const found = this.#sent.filter(({ to }) => to === key).map(({ message }) => message)
    this.#sent = this.#sent.filter(({ to }) => to !== key)
    return found
  }

  join(place: Place, over: Partial<Join> = {}): void {
    this.master.onJoin(place, {
      kind: 'join', channel: CHANNEL, joinNo: 1, clientId: `of ${place.incarnation}`,
      viewVersion: 1, from: undefined, wantsDeliveries: true, ...over
    }, this.now())
  }

  publish(place: Place, opNo: number, what: PublishOp | string, over: Partial<Publish> = {}): void {
    const { op: _, ...rest } = over
    this.master.onPublish(place, {
      kind: 'publish', channel: CHANNEL, clientId: `of ${place.incarnation}`, epoch: 7, opNo,
      answeredThrough: 0, op: typeof what === 'string' ? op(what) : what, ...rest
    }, this.now())
  }

  /** The log has the first `count` of what waits. */
  commit(count = this.waiting.length): Publication[] {
    const committed = this.waiting.splice(0, count)
    for (const publication of committed) this.master.onCommitted(publication, this.monoMs)
    if (committed.length > 0) this.master.deliver(committed)
    return committed
  }

  /** The outcomes that a place was told: `opNo: serials`, or `opNo: code`. */
  outcomes(place: Place): string[] {
    return ofKind(this.sent(place), 'result').map(({ opNo, outcome }) =>
      `${opNo}: ${outcome.kind === 'committed' ? outcome.serials : outcome.error.code}`)
  }
}
