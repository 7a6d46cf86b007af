import t from 'tap'
import { keepsNothing } from '../../../src/channel/channel-archive.ts'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { ampleRoom } from '../../../src/log/room.ts'
import type { LogRequest } from '../../../src/log/port.ts'
import { Mastership } from '../../../src/node/mastership.ts'
import { Outbox } from '../../../src/node/outbox.ts'
import { Partitions } from '../../../src/node/partitions.ts'
import type { PeerMessage } from '../../../src/peer/message.ts'
import { makeView, type View } from '../../../src/ring/view.ts'
import { ofKind, op } from '../channel/parts.ts'
import { membersOf, stepsOf, viewOf } from '../ring/regions.ts'
import { SimulatedLog } from './simulated-log.ts'
import { oneMeter } from '../../support/meters.ts'

const self = { incarnation: 'n0#1', worker: 0 }
const peer = { incarnation: 'n2#1', worker: 0 }
const members = membersOf(3).map((member) => ({ ...member, workers: 1 }))
const [announcing, carriedOut] = [...stepsOf(viewOf(members, 16), {
  leaving: new Set(['n1#1'])
})] as [View, View]
const announced = announcing.handovers!.find(({ to }) => to === 'n0#1')!.partitions

/** The masterships of n0; its log answers in `settle`, and each read is counted. */
class Rig {
  readonly mastership = new Mastership(self, 1)
  readonly outbox = new Outbox()
  readonly deadlines = new Deadlines()
  readonly log = new SimulatedLog()
  readonly partitions: Partitions
  readonly sent: PeerMessage[] = []
  /** As it was told of channels. */
  readonly used: boolean[] = []
  nowMs = 1_000

  constructor() {
    this.partitions = new Partitions({ self, generation: 1, siteCode: 'here' }, this.mastership, {
      outbox: this.outbox, room: () => ampleRoom,
    keeping: () => keepsNothing, deadlines: this.deadlines,
      random: new Random('partitions'),
      meters: oneMeter(),
      now: () => ({ monoMs: this.nowMs, wallMs: this.nowMs }),
      send: (_, message) => void this.sent.push(message),
      askToHold: () => false, sayWritten: () => undefined,
      wakeRelay: () => undefined,
      others: () => 'none',
      otherRegions: () => [],
      onActivity: () => undefined, toRegions: () => new Map(),
      onUsed: (_, isUsed) => void this.used.push(isUsed),
      askAbroad: (_channel, _question, onAnswers) => onAnswers(new Map()),
      countAbroad: () => undefined, regionGraceMs: () => 0,
      fateOf: () => 'listed'
    })
  }

  tell(view: View): void {
    const lives = new Map(view.members.map(({ incarnation }) => [incarnation, [1]]))
    this.mastership.learn(view, lives, new Set())
    this.partitions.onView()
    this.partitions.flush(this.nowMs)
  }

  /** Answers the log's questions; returns what was asked, but for releases. */
  settle(): string[] {
    const asked: string[] = []
    for (;;) {
      const requests = this.outbox.takeLogRequests()
      if (requests.length === 0) return asked
      for (const request of requests) {
        if (request.kind !== 'release') asked.push(wordsOf(request))
        const answer = this.log.perform(request, 'fine')
        if (answer !== undefined) this.outbox.onLogAnswer(answer)
      }
      this.partitions.flush(this.nowMs)
    }
  }

  channelIn(partition: number): string {
    let no = 0
    while (this.mastership.partitionOf(`app/c${no}`) !== partition) no++
    return `app/c${no}`
  }

  join(partition: number): void {
    this.partitions.onMessage(peer, {
      kind: 'join', channel: this.channelIn(partition), joinNo: 1, clientId: 'k', viewVersion: 1,
      from: undefined, wantsDeliveries: true, hasMembers: false
    })
  }
}

function wordsOf(request: LogRequest): string {
  return `${request.kind} ${request.partition}`
}

t.test('[12] what is announced is read, not claimed; then the worker is settled', async (t) => {
  const rig = new Rig()
  rig.tell(announcing)
  t.ok(announced.length > 1)
  t.equal(rig.outbox.takeSettled(), undefined, 'nothing was read yet')
  t.same(rig.settle(), announced.map((partition) => `read ${partition}`))
  t.equal(rig.outbox.takeSettled(), announcing.version)
  rig.join(announced[0]!)
  t.match(rig.sent, [{ kind: 'notMaster' }], 'the view gives it to another yet')
})

t.test('[12] moved, it is claimed when somebody wants it, and not before', async (t) => {
  const rig = new Rig()
  rig.tell(announcing)
  rig.settle()
  rig.tell(carriedOut)
  t.same(rig.settle(), [], 'an idle partition costs nothing')
  t.equal(rig.outbox.takeSettled(), carriedOut.version)
  const [wanted, told] = announced as [number, number]
  rig.join(wanted)
  t.same(rig.settle().slice(0, 2), [`read ${wanted}`, `append ${wanted}`])
  t.match(rig.sent.find(({ kind }) => kind === 'joined'), { joinNo: 1 })
  rig.partitions.onHandedOver({ kind: 'handedOver', partition: told, lastSeq: 0 })
  t.same(rig.settle()[0], `append ${told}`, 'the former master says that nothing came after')
})

t.test('[25] what was read and nobody wants is let go', async (t) => {
  const rig = new Rig()
  rig.tell(announcing)
  rig.settle()
  t.equal(rig.partitions.describe().length, announced.length)
  rig.tell(carriedOut)
  rig.nowMs += limits.readAheadMs
  rig.deadlines.fire(rig.nowMs)
  t.same(rig.partitions.describe(), [])
  t.equal(rig.deadlines.nextMs(), Infinity)
})

t.test('[12] an announcement that is taken back is forgotten', async (t) => {
  const rig = new Rig()
  rig.tell(announcing)
  rig.settle()
  rig.tell(makeView({ ...announcing, version: announcing.version + 1, handovers: [] }))
  t.same(rig.partitions.describe(), [])
})

t.test('a mastership that ends late ends nothing of the next one here', async (t) => {
  const rig = new Rig()
  rig.tell(carriedOut)
  const [partition] = announced as [number]
  rig.join(partition)
  rig.settle()
  const { version } = carriedOut
  const [joined] = ofKind(rig.sent, 'joined')
  const { channel, epoch, nextOpNo: opNo } = joined!
  // It waits for the log.
  rig.partitions.onMessage(peer, {
    kind: 'publish', channel, epoch, clientId: 'k', opNo, answeredThrough: opNo - 1, op: op('k:0')
  })
  rig.tell(makeView({ ...announcing, version: version + 1 }))
  rig.tell(makeView({ ...carriedOut, version: version + 2 }))
  t.same(rig.used, [true], 'it has yet to give away what it has')
  rig.join(partition)
  rig.settle()
  t.same(rig.used, [true, true])
  rig.tell(makeView({ ...announcing, version: version + 3 }))
  rig.settle()
  t.same(rig.used, [true, true, false], 'the last one does')
})
