/** Planted faults of planned moves (test/sim/planted.ts). */

import { PartitionMaster } from '../../src/channel/partition.ts'
import { Serving } from '../../src/channel/serving.ts'
import { decodeAppend } from '../../src/log/entry.ts'
import { all, fair, type Planted, replace } from './planting.ts'

/** Nodes are wrong about others, in logs whose lineage is old: no roll wakes anybody. */
const wrong: Pick<Planted, 'mix' | 'limits'> = {
  mix: {
    ...fair, misbeliefs: 20, nodeCount: 2, clientCount: 2, channelCount: 1, publishRate: 1,
    stormMs: 60_000, clientDrops: 0, crashes: 0, machineLosses: 0, workerDeaths: 0, drains: 0
  },
  limits: { tailMs: 2_000, quietMs: 500 }
}

export const ofHandovers: readonly Planted[] = [
  {
    name: 'what was read ahead is served without what came after',
    rule: '12',
    foundBy: ['masters', 'ledger', 'lineage', 'once', 'committed', 'continuity'],
    mix: { drains: 12, publishRate: 4, nodeCount: 3 },
    plant({ log }) {
      const ask = log.ask.bind(log)
      log.ask = (asker, request, onAnswer) => {
        const expectedSeq = log.recordsOf(request.partition).at(-1)?.seq ?? 0
        const isClaim = request.kind === 'append' && decodeAppend(request.bytes)?.counter === -1
        const isReadOn = request.kind === 'read' && request.from > 1
        if (isClaim) ask(asker, { ...request, expectedSeq }, onAnswer)
        else if (!isReadOn) ask(asker, request, onAnswer)
        else {
          ask(asker, request, (answer) => onAnswer(answer.kind !== 'read' ? answer : {
            ...answer, outcome: { kind: 'page', records: [], isEnd: true }
          }))
        }
      }
    }
  },
  {
    name: 'a master that was taken for gone is not told, and does not look',
    rule: '3',
    foundBy: ['whole'],
    ...wrong,
    plant: () => all(
      replace(PartitionMaster, 'takeOver', (former) => function (this: PartitionMaster, lastSeq) {
        if (!this.isServing) former.call(this, lastSeq)
      }),
      replace(Serving, 'look', () => () => undefined)
    )
  },
  {
    name: 'planned moves do not wait for their announcement',
    rule: '12',
    foundBy: ['handovers'],
    mix: { drains: 6 },
    plant({ kube }) {
      const write = kube.writeRing.bind(kube)
      kube.writeRing = (writer, expected, view, onWriting) => {
        const width = 1 + view.successorCount
        const table = view.table.slice()
        for (const { to, partitions } of view.handovers ?? []) {
          const taker = view.members.findIndex(({ incarnation }) => incarnation === to)
          const from = partitions[0]! * width
          const others = [...table.subarray(from, from + width)].filter((cell) => cell !== taker)
          table.set([taker, ...others].slice(0, width), from)
        }
        write(writer, expected, { ...view, table }, onWriting)
      }
    }
  }
]
