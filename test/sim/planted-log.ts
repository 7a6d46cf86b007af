/** Faults of the log, and of who goes by it. */

import { emptyState, encodeState } from '../../src/channel/partition-state.ts'
import { Serving } from '../../src/channel/serving.ts'
import { decodeAppend } from '../../src/log/entry.ts'
import type { LogAnswer } from '../../src/log/port.ts'
import { Replay } from '../../src/log/replay.ts'
import { Retention } from '../../src/log/retention.ts'
import { SnapshotAssembly } from '../../src/log/snapshot.ts'
import { Channels } from '../../src/node/channels.ts'
import {
  all, busy, type Planted, replace, replaceGetter, split, still, troubled
} from './planting.ts'
import type { Region } from './region.ts'

export const ofTheLog: readonly Planted[] = [
  {
    name: 'an append without expected sequence',
    rule: '2',
    foundBy: ['masters', 'ledger', 'lineage', 'once', 'committed', 'continuity'],
    mix: { ...split, ...troubled },
    plant({ log }) {
      const ask = log.ask.bind(log)
      log.ask = (asker, request, onAnswer) => {
        if (request.kind !== 'append') return ask(asker, request, onAnswer)
        const expectedSeq = log.recordsOf(request.partition).at(-1)?.seq ?? 0
        ask(asker, { ...request, expectedSeq }, onAnswer)
      }
    }
  },
  {
    name: 'an append called stored before it is',
    rule: '3',
    foundBy: ['committed', 'ledger', 'masters', 'continuity', 'lineage', 'once'],
    mix: troubled,
    plant: ({ log }) => answering(log, (answer, last) => {
      const isLost = answer.kind === 'append' && answer.outcome.kind === 'unknown'
      if (!isLost) return answer
      return { ...answer, outcome: { kind: 'appended', seq: last + 3 } }
    })
  },
  {
    name: 'trim takes everything, the last entry too',
    rule: '6',
    foundBy: ['lineage', 'masters', 'ledger', 'continuity'],
    mix: busy,
    plant({ log, world }) {
      log.isLastTrimmed = true
      world.every(2_000, () => {
        const asker = { life: 'planted', machine: '', isUp: true }
        for (let partition = 0; partition < 16; partition++) {
          log.ask(asker, { kind: 'trim', ticket: 0, partition, below: Infinity }, () => undefined)
        }
      })
    }
  },
  {
    name: 'admission does not stop at the mark',
    rule: '6',
    foundBy: ['room'],
    mix: { ...still, logRoomBytes: 64_000, publishRate: 2, stormMs: 60_000 },
    plant: () => replace(Channels, 'onLogRoom', () => () => undefined)
  },
  {
    name: 'nothing of the log is read at a takeover',
    rule: '2',
    foundBy: ['lineage', 'masters', 'ledger', 'continuity'],
    mix: busy,
    plant: ({ log }) => answering(log, (answer) => {
      if (answer.kind !== 'read' || answer.outcome.kind !== 'page') return answer
      const { records, isEnd } = answer.outcome
      return { ...answer, outcome: { kind: 'page', records: records.slice(-1), isEnd } }
    })
  },
  {
    name: 'trim takes what the last snapshot does not hold',
    rule: '6',
    foundBy: ['lineage', 'masters', 'ledger', 'continuity', 'once'],
    mix: busy,
    plant({ log, world }) {
      world.every(2_000, () => {
        const asker = { life: 'planted', machine: '', isUp: true }
        for (let partition = 0; partition < 16; partition++) {
          const below = log.recordsOf(partition).at(-1)?.seq ?? 0
          log.ask(asker, { kind: 'trim', ticket: 0, partition, below }, () => undefined)
        }
      })
    }
  },
  {
    name: 'a log is trimmed of what is neither old nor too much',
    rule: '6',
    foundBy: ['continuity', 'history'],
    mix: { ...busy, isShort: true },
    plant: () => replace(Retention, 'canTrim', (former) => {
      return function (this: Retention, nowMs) {
        return former.call(this, nowMs, 0)
      }
    })
  },
  {
    name: 'a takeover reads the tail and not the snapshot',
    rule: '6',
    foundBy: ['ledger', 'once', 'continuity', 'presence', 'masters', 'whole'],
    mix: { ...busy, crashes: 12, isShort: true, stormMs: 50_000 },
    plant: () => replace(Replay, 'recovered', (former) => function (this: Replay, lineage) {
      const found = former.call(this, lineage)
      return { ...found, state: undefined, asOf: 0 }
    })
  },
  {
    name: 'a snapshot that was begun is taken for a whole one',
    rule: '6',
    foundBy: ['ledger', 'once', 'continuity', 'presence', 'masters', 'lineage', 'whole', 'acks'],
    mix: { logTrouble: 0.2, crashes: 16, workerDeaths: 24, isShort: true, stormMs: 40_000 },
    limits: { appendBytesMax: 300, snapshotEveryBytes: 500 },
    plant: () => replace(SnapshotAssembly, 'onEntry', (former) => {
      return function (this: SnapshotAssembly, entry, seq) {
        former.call(this, entry, seq)
        if (entry.kind !== 'snapshot') return
        const { asOf, id } = entry
        const end = { kind: 'snapshotEnd' as const, id, chunkCount: 0, digest: 0, lineage: '',
          epochEnds: [] }
        this.newest = { asOf, state: encodeState(emptyState), firstSeq: seq, end }
      }
    })
  },
  {
    name: 'entries between the chunks of a snapshot are not read',
    rule: '6',
    foundBy: ['ledger', 'once', 'continuity', 'presence', 'masters', 'whole'],
    mix: { ...busy, isShort: true, isTight: true, publishRate: 12 },
    plant: () => replace(Replay, 'recovered', (former) => function (this: Replay, lineage) {
      const found = former.call(this, lineage)
      const end = found.entries.findLast(({ entry }) => entry.kind === 'snapshotEnd')
      return found.state === undefined ? found : { ...found, asOf: end!.number }
    })
  },
  {
    name: 'an epoch has the number of the one before',
    rule: '2',
    foundBy: ['masters', 'ledger'],
    mix: busy,
    plant: () => replaceGetter(Replay, 'lastEpoch', () => 0)
  },
  {
    name: 'a master serves before its epoch is in the log',
    rule: '2',
    foundBy: ['masters', 'ledger', 'lineage', 'continuity', 'committed', 'once', 'acks', 'whole'],
    mix: { ...split, ...troubled },
    plant({ log, world }) {
      const ask = log.ask.bind(log)
      log.ask = (asker, request, onAnswer) => {
        const isClaim = request.kind === 'append' && decodeAppend(request.bytes)?.counter === -1
        if (!isClaim) return ask(asker, request, onAnswer)
        const { ticket, expectedSeq } = request
        const outcome = { kind: 'appended', seq: expectedSeq + 1 } as const
        world.after(0.5, () => onAnswer({ kind: 'append', ticket, outcome }))
        world.after(1_000, () => ask(asker, request, () => undefined))
      }
    }
  },
  {
    name: 'a hole in the chain is passed over',
    rule: '6',
    foundBy: ['lineage', 'masters', 'ledger', 'continuity', 'once', 'presence'],
    mix: { ...busy, logLag: 0.4, isShort: true },
    plant(region) {
      // Between reading and reading, records go: the reader is not to go on after a hole.
      const { log } = region
      const ask = log.ask.bind(log)
      log.ask = (asker, request, onAnswer) => ask(asker, request, (answer) => {
        if (answer.kind !== 'read' || answer.outcome.kind !== 'page') return onAnswer(answer)
        const { records, isEnd } = answer.outcome
        const kept = records.filter((_, at) => at !== 2)
        onAnswer({ ...answer, outcome: { kind: 'page', records: kept, isEnd } })
      })
      return replaceGetter(Replay, 'flaw', () => undefined)
    }
  },
  {
    name: 'a log that was rolled back goes on with its lineage',
    rule: '4',
    foundBy: ['continuity', 'ledger', 'masters', 'whole', 'lineage'],
    mix: { ...busy, logRollbacks: 12 },
    plant: () => all(
      replace(Serving, 'disproves', () => () => false),
      replace(Replay, 'disown', () => () => undefined)
    )
  },
  {
    name: 'a stream made anew goes by its old name',
    rule: '4',
    foundBy: ['continuity', 'ledger', 'masters', 'whole', 'lineage', 'committed', 'kept'],
    mix: { ...busy, logAnews: 12, isKeeping: true },
    plant: () => replaceGetter(Replay, 'lineage', (former) => former() ?? 'first')
  }
]

/** Gives the askers of a log other answers; `change` is told the partition's last sequence. */
function answering(
  log: Region['log'],
  change: (answer: LogAnswer, lastSeq: number) => LogAnswer
): void {
  const ask = log.ask.bind(log)
  log.ask = (asker, request, onAnswer) => {
    ask(asker, request, (answer) => {
      onAnswer(change(answer, log.recordsOf(request.partition).at(-1)?.seq ?? 0))
    })
  }
}
