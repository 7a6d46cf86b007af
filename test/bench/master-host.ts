/** Masters of partitions over a real log, in this process, with real time. */

import { Deadlines } from '../../src/base/deadlines.ts'
import { Random } from '../../src/base/random.ts'
import { PartitionMaster } from '../../src/channel/partition.ts'
import { TailPool } from '../../src/channel/tail.ts'
import type { LogAnswer } from '../../src/log/port.ts'
import { ampleRoom } from '../../src/log/room.ts'
import type { Log } from '../../src/node/ports.ts'
import { Outbox } from '../../src/node/outbox.ts'
import type { PeerMessage } from '../../src/peer/message.ts'
import { oneMeter } from '../support/meters.ts'

const TICK_MS = 2
const CLIENT = { incarnation: 'client', worker: 0 }
const CHANNEL = 'bench/c'
const MESSAGE_BYTES = 300

export class MasterHost {
  readonly #log: Log
  readonly #deadlines = new Deadlines()
  readonly #outbox = new Outbox()
  readonly #dirty = new Set<PartitionMaster>()
  readonly #timer: NodeJS.Timeout
  readonly #random: Random
  #resultCount = 0
  #wake: () => void = () => undefined
  #lifeNo = 0

  constructor(log: Log, seed: string) {
    this.#log = log
    this.#random = new Random(seed)
    this.#timer = setInterval(() => {
      this.#deadlines.fire(performance.now())
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
    const { epoch } = master
    const joinNo = 1
    master.onMessage(CLIENT, {
      kind: 'join', channel: CHANNEL, joinNo, clientId: 'k', viewVersion: 1, from: undefined,
      wantsDeliveries: false
    })
    const before = this.#resultCount
    for (let no = 0; no < count; no++) {
      const op = {
        id: `c:${from + no}`, idSpace: 'connection' as const, connectionId: 'c',
        messageCount: 1, payload: new Uint8Array(MESSAGE_BYTES)
      }
      master.onMessage(CLIENT, {
        kind: 'publish', channel: CHANNEL, clientId: 'k', epoch, opNo: no + 1,
        answeredThrough: no, op
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
      tails: new TailPool(),
      meters: oneMeter(),
      room: () => ampleRoom,
      deadlines: this.#deadlines,
      random: this.#random,
      now: () => ({ monoMs: performance.now(), wallMs: Date.now() }),
      onActivity: () => undefined,
      fateOf: () => 'listed',
      mayReadAhead: () => true,
      send: (_, message: PeerMessage) => {
        if (message.kind === 'result') this.#resultCount++
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
    for (const master of this.#dirty) master.flush(performance.now())
    this.#dirty.clear()
    for (const request of this.#outbox.takeLogRequests()) {
      const { ticket, partition } = request
      if (request.kind === 'read') {
        void this.#log.read(partition, request.from).then((outcome) => {
          this.#onAnswer({ kind: 'read', ticket, outcome })
        })
      } else if (request.kind === 'append') {
        void this.#log.append(partition, request.expectedSeq, request.bytes).then((outcome) => {
          this.#onAnswer({ kind: 'append', ticket, outcome })
        })
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
