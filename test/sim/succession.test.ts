import t from 'tap'
import { Succession } from './checks/succession.ts'
import type { SimClient } from './clients.ts'
import type { Taken } from './ledger.ts'
import type { Accepted } from './log.ts'
import { withoutRealTime } from './poison.ts'
import { defaultRegion, Region } from './region.ts'
import type { SimSocket } from './sockets.ts'

const PARTITION = 0

/** Two nodes; somebody is attached on the first, to a channel of the only partition. */
class Seen {
  readonly region = new Region({
    ...defaultRegion, seed: 'succession', nodeCount: 2, workers: 1, partitionCount: 1
  })

  readonly check = new Succession(this.region)

  constructor() {
    this.region.startListed()
    const socket = { isOpen: true, server: { isAlive: true } } as unknown as SimSocket
    const channels = new Map([['ch', { name: 'ch', state: 'attached' }]])
    const client = { state: 'connected', socket, channels }
    this.region.clients.push(client as unknown as SimClient)
    this.region.world.run(1_000)
  }

  /** The worker of this node appends; `epoch`: and begins one. */
  append(node: string, seq: number, epoch?: number): void {
    const writer = `${this.region.nodes.get(node)!.life!.incarnation}/0/1`
    const taken = { epoch, isStray: false } as unknown as Taken
    this.check.onAppended(taken, { partition: PARTITION, seq, writer } as unknown as Accepted)
  }

  kill(node: string): void {
    this.region.nodes.get(node)!.kill()
  }

  pass(): void {
    for (let second = 0; second < 15; second++) {
      this.region.world.run(1_000)
      this.check.onTick()
    }
  }
}

const nobody = { message: /nobody masters it/ }

t.test('[10] a master who is no more has a successor soon', (t) => {
  withoutRealTime(() => {
    for (const isSucceeded of [true, false]) {
      const seen = new Seen()
      seen.append('n0', 1, 1)
      seen.append('n1', 2, 2)
      seen.pass()
      seen.kill('n1')
      if (isSucceeded) seen.append('n0', 3, 3)
      if (isSucceeded) seen.pass()
      else t.throws(() => seen.pass(), nobody)
    }
  })
  t.end()
})

t.test('[4] whose successor the log has forgotten is the master still', (t) => {
  withoutRealTime(() => {
    for (const keptSeq of [1, 2]) {
      const seen = new Seen()
      seen.append('n0', 1, 1)
      seen.append('n1', 2, 2)
      seen.kill('n1')
      seen.check.onRolledBack(PARTITION, keptSeq)
      if (keptSeq === 1) seen.pass()
      else t.throws(() => seen.pass(), nobody, 'nothing of that was lost')
    }
  })
  t.end()
})

t.test('[4] whose epoch is lost may not know it, until somebody else writes', (t) => {
  withoutRealTime(() => {
    for (const isWritten of [false, true]) {
      const seen = new Seen()
      seen.append('n0', 1, 1)
      seen.append('n1', 2, 2)
      seen.check.onRolledBack(PARTITION, 1)
      if (isWritten) seen.append('n0', 2)
      seen.kill('n0')
      if (isWritten) t.throws(() => seen.pass(), nobody)
      else seen.pass()
    }
  })
  t.end()
})
