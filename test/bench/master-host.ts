/** Masters of partitions over a real log, in this process, with real time, which can be put on. */

import { Deadlines } from '../../src/base/deadlines.ts'
import { limits } from '../../src/base/limits.ts'
import { Random } from '../../src/base/random.ts'
import { PartitionMaster } from '../../src/channel/partition.ts'
import { Backlog } from '../../src/channel/backlog.ts'
import { keepsNothing } from '../../src/channel/channel-archive.ts'
import { encodeItems } from '../../src/channel/presence.ts'
import { TailPool } from '../../src/channel/tail.ts'
import type { LogAnswer } from '../../src/log/port.ts'
import { ampleRoom } from '../../src/log/room.ts'
import type { Log } from '../../src/node/ports.ts'
import { Outbox } from '../../src/node/outbox.ts'
import type { PeerMessage, PublishOp } from '../../src/peer/message.ts'
import { oneMeter } from '../support/meters.ts'

const TICK_MS = 2
const CLIENT = { incarnation: 'client', worker: 0 }
const CHANNEL = 'bench/c'
const MESSAGE_BYTES = 300
const MEMBERS_PER_OP = 500
const ENTER = 2
const OWNER = { ...CLIENT, generation: 1, claim: 0 }
/** What is appended and trimmed for what has become old is done within this. */
const SETTLE_MS = 500

export class MasterHost {
  readonly #log: Log
  readonly #deadlines = new Deadlines()
  readonly #outbox = new Outbox()
  readonly #dirty = new Set<PartitionMaster>()
  readonly #timer: NodeJS.Timeout
  readonly #random: Random
  #resultCount = 0
  #aheadMs = 0
  /** Bytes of what was read of logs. */
  readBytes = 0
  #wake: () => void = () => undefined
  #lifeNo = 0

  constructor(log: Log, seed: string) {
    this.#log = log
    this.#random = new Random(seed)
    this.#timer = setInterval(() => {
      this.#deadlines.fire(this.#nowMs)
      this.#drain()
    }, TICK_MS)
  }

  end(): void {
    clearInterval(this.#timer)
  }

  /** Takes the partitions over, all at once; resolves when each of them serves. */
  async takeOver(partitions: readonly number[]): Promise<PartitionMaster[]> {
    const masters = partitions.map((partition) => this.#begin(partition))
    this.#drain()
    await this.#until(() => masters.every(({ isServing }) => isServing))
    return masters
  }

  /** Publishes `count` messages on one channel of the partition; resolves when all are stored. */
  async publish(master: PartitionMaster, count: number, from: number): Promise<void> {
    await this.#submit(master, count, (no) => ({
      ...said(from + no), messageCount: 1, payload: new Uint8Array(MESSAGE_BYTES)
    }))
  }

  /** So many enter the channel of the partition; resolves when the log knows of all. */
  async enter(master: PartitionMaster, count: number): Promise<void> {
    await this.#submit(master, Math.ceil(count / MEMBERS_PER_OP), (no) => {
      const first = no * MEMBERS_PER_OP
      const many = Math.min(MEMBERS_PER_OP, count - first)
      const items = Array.from({ length: many }, (_, at) => ({
        action: ENTER, clientId: `member-${first + at}`, id: `c:${no}:${at}`, data: 'here'
      }))
      return {
        ...said(no), messageCount: 0, membersMax: count, owner: OWNER, payload: encodeItems(items)
      }
    })
  }

  /** Everything so far becomes so old that only a snapshot keeps what is to be known of it. */
  async age(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      this.#aheadMs += 2 * limits.tailMs + 1_000
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
    }
  }

  get #nowMs(): number {
    return performance.now() + this.#aheadMs
  }

  async #submit(
    master: PartitionMaster, count: number, opOf: (no: number) => PublishOp
  ): Promise<void> {
    const { epoch } = master
    const joinNo = 1
    master.onMessage(CLIENT, {
      kind: 'join', channel: CHANNEL, joinNo, clientId: 'k', viewVersion: 1, from: undefined,
      wantsDeliveries: false
    })
    const before = this.#resultCount
    for (let no = 0; no < count; no++) {
      master.onMessage(CLIENT, {
        kind: 'publish', channel: CHANNEL, clientId: 'k', epoch, opNo: no + 1,
        answeredThrough: no, op: opOf(no)
      })
      if (no % 1_000 === 999) await this.#until(() => this.#resultCount - before > no - 2_000)
    }
    this.#drain()
    await this.#until(() => this.#resultCount - before === count)
  }

  #begin(partition: number): PartitionMaster {
    const claimant = {
      partition, viewVersion: () => 1, incarnation: `life${++this.#lifeNo}`, workerGeneration: 1
    }
    return new PartitionMaster(claimant, {
      log: this.#outbox,
      archive: { askArchive: () => undefined },
      backlog: new Backlog(),
      keeping: keepsNothing,
      tails: new TailPool(),
      meters: oneMeter(),
      room: () => ampleRoom,
      deadlines: this.#deadlines,
      random: this.#random,
      now: () => ({ monoMs: this.#nowMs, wallMs: Date.now() + this.#aheadMs }),
      onActivity: () => undefined,
      onUsed: () => undefined,
      askToHold: () => false, sayWritten: () => undefined,
      wakeRelay: () => undefined,
      others: () => 'none',
      otherRegions: () => [],
      toRegions: () => new Map(), countAbroad: () => undefined,
      askAbroad: (_channel, _question, onAnswers) => onAnswers(new Map()),
      regionGraceMs: () => limits.regionGraceMs,
      region: 'here',
      fateOf: () => 'listed',
      mayReadAhead: () => true,
      send: (_, message: PeerMessage) => {
        if (message.kind !== 'result') return
        if (message.outcome.kind === 'refused') throw new Error(message.outcome.error.message)
        this.#resultCount++
      },
      homes: () => [],
      isAlive: () => true,
      wantsFlush: (master) => void this.#dirty.add(master),
      onDeposed: () => undefined,
      onViewHeard: () => undefined,
      note: (text) => void process.stderr.write(`${text}\n`)
    })
  }

  #drain(): void {
    for (const master of this.#dirty) master.flush(this.#nowMs)
    this.#dirty.clear()
    for (const request of this.#outbox.takeLogRequests()) {
      const { ticket, partition } = request
      if (request.kind === 'read') {
        void this.#log.read(partition, request.from).then((outcome) => {
          if (outcome.kind === 'page') {
            for (const { bytes } of outcome.records) this.readBytes += bytes.byteLength
          }
          this.#onAnswer({ kind: 'read', ticket, outcome })
        })
      } else if (request.kind === 'append') {
        void this.#log.append(partition, request.expectedSeq, request.bytes).then((outcome) => {
          this.#onAnswer({ kind: 'append', ticket, outcome })
        })
      } else if (request.kind === 'trim') {
        void this.#log.trim(partition, request.below)
      }
    }
  }

  #onAnswer(answer: LogAnswer): void {
    this.#outbox.onLogAnswer(answer)
    this.#drain()
    this.#wake()
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      this.#drain()
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        setTimeout(resolve, TICK_MS)
      })
    }
  }
}

function said(no: number): Pick<PublishOp, 'id' | 'idSpace' | 'connectionId'> {
  return { id: `c:${no}`, idSpace: 'connection', connectionId: 'c' }
}
