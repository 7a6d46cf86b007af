/** Faults of persisted history (rule 22), each found by the simulator. */

import { Dedupe } from '../../src/channel/dedupe.ts'
import { ChannelMaster } from '../../src/channel/master.ts'
import { PartitionArchiving } from '../../src/channel/partition-archiving.ts'
import { busy, type Planted, replace } from './planting.ts'

/** Trouble of the archive alone; the log is as it should be. */
const owing = {
  ...busy, isKeeping: true, archiveTrouble: 0.2, archiveAways: 4, archiveLag: 0, stormMs: 30_000,
  nodeCount: 3
}

export const ofTheArchive: readonly Planted[] = [
  {
    name: 'a publish is acknowledged before the archive has it',
    rule: '22',
    foundBy: ['kept'],
    mix: owing,
    plant: () => replace(Dedupe, 'hold', () => function (this: Dedupe, op, taken, nowMs) {
      this.commit(op, taken, nowMs)
    })
  },
  {
    name: 'history is appended without expected sequence',
    rule: '22',
    foundBy: ['kept', 'history'],
    mix: owing,
    plant({ archive }) {
      const ask = archive.ask.bind(archive)
      archive.ask = (asker, request, onAnswer) => {
        if (request.kind !== 'append') return ask(asker, request, onAnswer)
        const expectedSeq = archive.recordsOf(request.shelf).at(-1)?.seq ?? 0
        ask(asker, { ...request, expectedSeq }, onAnswer)
      }
    }
  },
  {
    name: 'an append to the archive whose outcome is unknown is called stored',
    rule: '22',
    foundBy: ['kept', 'history'],
    mix: owing,
    plant({ archive }) {
      const ask = archive.ask.bind(archive)
      archive.ask = (asker, request, onAnswer) => ask(asker, request, (answer) => {
        const isLost = answer.kind === 'append' && answer.outcome.kind === 'unknown'
        if (!isLost) return onAnswer(answer)
        const seq = (archive.recordsOf(request.shelf).at(-1)?.seq ?? 0) + 1
        onAnswer({ ...answer, outcome: { kind: 'appended', seq } })
      })
    }
  },
  {
    name: 'a takeover does not store what history lacks',
    rule: '22',
    foundBy: ['kept', 'whole', 'history'],
    mix: { ...owing, crashes: 12 },
    plant: () => replace(ChannelMaster, 'restore', (former) => {
      return function (this: ChannelMaster, publication, epoch, isCovered, nowMs) {
        const { keptMs, ...rest } = publication
        former.call(this, rest, epoch, isCovered, nowMs)
      }
    })
  },
  {
    name: 'a snapshot leaves out what the archive owes',
    rule: '22',
    foundBy: ['kept', 'whole', 'history'],
    mix: { ...owing, crashes: 12, isShort: true },
    plant: () => replace(ChannelMaster, 'state', (former) => function (this: ChannelMaster) {
      return { ...former.call(this), unarchived: [] }
    })
  },
  {
    name: 'a log that was rolled back behind its archive is believed',
    rule: '4',
    foundBy: ['kept', 'history', 'whole'],
    mix: {
      ...busy, isKeeping: true, logRollbacks: 40, crashes: 20, clientDrops: 0, stormMs: 20_000
    },
    plant: () => replace(PartitionArchiving, 'disproves', () => () => false)
  },
  {
    name: 'a lagging copy is taken for the whole archive',
    rule: '22',
    foundBy: ['history'],
    mix: { isKeeping: true, isShort: true, archiveLag: 0.8, stormMs: 50_000 },
    plant({ archive }) {
      const ask = archive.ask.bind(archive)
      // Whoever asks what stands where, without copies, is answered as if that were all.
      archive.ask = (asker, request, onAnswer) => {
        if (request.kind !== 'next') return ask(asker, request, onAnswer)
        ask(asker, { ...request, kind: 'page', countMax: 1 }, (answer) => {
          const isPage = answer.kind === 'page' && answer.outcome.kind === 'page'
          const record = isPage ? answer.outcome.records[0] : undefined
          const { ticket } = answer
          onAnswer({ kind: 'record', ticket, outcome: { kind: 'record', record } })
        })
      }
    }
  }
]
