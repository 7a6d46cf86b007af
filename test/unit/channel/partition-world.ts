/**
 * One partition's masters over one log: each rig is a life of a mastership, with a client's ear
 * for what it says. The log answers at once and honestly unless it is told otherwise.
 */

import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { PartitionMaster } from '../../../src/channel/partition.ts'
import { Backlog } from '../../../src/channel/backlog.ts'
import type { OtherRegions } from '../../../src/channel/partition-ports.ts'
import { type Keeping, keepsNothing } from '../../../src/channel/channel-archive.ts'
import { TailPool } from '../../../src/channel/tail.ts'
import type { ArchiveOutbox } from '../../../src/log/archive.ts'
import { ampleRoom } from '../../../src/log/room.ts'
import type {
  Joined, PeerMessage, PublishOp, Standing, ToMaster
} from '../../../src/peer/message.ts'
import type { Place } from '../../../src/peer/place.ts'
import { TestLog } from '../log/test-log.ts'
import { oneMeter } from '../../support/meters.ts'

export const CHANNEL = 'app/c'

export class World {
  /** Worlds of one name make the same lineages. */
  name = 'life'
  readonly log = new TestLog()
  readonly deadlines = new Deadlines()
  /** Nodes that a roll waits for, and incarnations that are gone. */
  homes: Place[] = []
  readonly gone = new Set<string>()
  nowMs = 1_000_000
  viewVersion = 1
  archive: ArchiveOutbox = { askArchive: () => undefined }
  keeping: Keeping = keepsNothing
  /** As the workers' main thread last said. */
  room = ampleRoom
  others: OtherRegions = 'none'
  otherRegions: readonly string[] = []
  /** The log answers nothing. */
  isLogAway = false
  #lifeCount = 0

  /** A new mastership, which has claimed the partition unless `isHonest` is false. */
  master(isHonest = true): Life {
    const life = new Life(this, ++this.#lifeCount)
    if (isHonest) life.settle()
    return life
  }

  /** Lets time pass in steps, as sweeps and retries want it. */
  pass(ms: number, ...lives: Life[]): void {
    const endMs = this.nowMs + ms
    while (this.nowMs < endMs) {
      this.nowMs = Math.min(endMs, this.nowMs + 1_000)
      this.deadlines.fire(this.nowMs)
      for (const life of lives) life.settle()
    }
  }
}

export class Life {
  readonly world: World
  readonly said: PeerMessage[] = []
  readonly notes: string[] = []
  /** Another region was asked to hold a channel, by turn. */
  readonly holds: number[] = []
  readonly master: PartitionMaster
  readonly client: Place = { incarnation: 'client', worker: 0 }
  isDeposed = false
  #joinNo = 0
  readonly #opNos = new Map<string, number>()
  #isDirty = false

  constructor(world: World, no: number) {
    this.world = world
    const claimant = {
      partition: 1, viewVersion: () => world.viewVersion, incarnation: `n${no}`, workerGeneration: 1
    }
    this.master = new PartitionMaster(claimant, {
      log: world.log,
      archive: world.archive,
      backlog: new Backlog(),
      get keeping() {
        return world.keeping
      },
      tails: new TailPool(),
      meters: oneMeter(),
      room: () => world.room,
      deadlines: world.deadlines,
      random: new Random(`${world.name}/${no}`),
      now: () => ({ monoMs: world.nowMs, wallMs: world.nowMs }),
      send: (_, message) => this.said.push(message),
      homes: () => world.homes,
      onActivity: () => undefined,
      onUsed: () => undefined,
      askToHold: (_, turn) => {
        this.holds.push(turn)
        return true
      },
      sayWritten: () => undefined,
      wakeRelay: () => undefined,
      others: () => world.others,
      otherRegions: () => world.otherRegions,
      toRegions: () => new Map(), countAbroad: () => undefined,
      askAbroad: (_channel, _question, onAnswers) => onAnswers(new Map()),
      regionGraceMs: () => limits.regionGraceMs,
      region: 'here',
      isAlive: ({ incarnation }) => !world.gone.has(incarnation),
      wantsFlush: () => {
        this.#isDirty = true
      },
      onDeposed: () => {
        this.isDeposed = true
      },
      fateOf: () => 'listed',
      mayReadAhead: () => true,
      onViewHeard: () => undefined,
      note: (text) => this.notes.push(text)
    })
  }

  /** Turns until neither the master nor the log has anything to do. */
  settle(): void {
    do {
      this.#isDirty = false
      this.master.flush(this.world.nowMs)
      if (!this.world.isLogAway) this.world.log.answerAll()
    } while (this.#isDirty)
  }

  tell(message: ToMaster): void {
    this.master.onMessage(this.client, message)
  }

  /** Joins and returns the answer, if there is one. */
  join(from?: Standing, channel = CHANNEL): Joined | undefined {
    const joinNo = ++this.#joinNo
    const join = { kind: 'join', channel, joinNo, clientId: 'k', viewVersion: 1, from } as const
    this.tell({ ...join, wantsDeliveries: true })
    this.settle()
    const joined = this.joined(joinNo)
    if (joined !== undefined) this.#opNos.set(channel, joined.nextOpNo - 1)
    return joined
  }

  joined(joinNo = this.#joinNo): Joined | undefined {
    return this.said.find((each): each is Joined => {
      return each.kind === 'joined' && each.joinNo === joinNo
    })
  }

  publish(id: string, channel = CHANNEL, over: Partial<PublishOp> = {}): void {
    const opNo = (this.#opNos.get(channel) ?? 0) + 1
    this.#opNos.set(channel, opNo)
    this.tell({
      kind: 'publish',
      channel,
      clientId: 'k',
      epoch: this.master.epoch,
      opNo,
      answeredThrough: opNo - 1,
      op: {
        id, idSpace: 'connection', connectionId: id.split(':')[0], messageCount: 1,
        payload: new Uint8Array(1_000), ...over
      }
    })
    this.settle()
  }

  /** The codes that publishes were refused with, in order. */
  refusals(): number[] {
    return this.said.flatMap((each) => {
      return each.kind === 'result' && each.outcome.kind === 'refused'
        ? [each.outcome.error.code] : []
    })
  }

  /** The serials that were answered for publishes, in order. */
  serials(): (readonly string[])[] {
    return this.said.flatMap((each) => {
      return each.kind === 'result' && each.outcome.kind === 'committed'
        ? [each.outcome.serials] : []
    })
  }
}
