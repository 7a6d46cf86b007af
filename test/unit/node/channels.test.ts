import t from 'tap'
import { partitionOf } from '../../../src/base/hash.ts'
import { limits } from '../../../src/base/limits.ts'
import type { PeerMessage } from '../../../src/peer/message.ts'
import type { Place } from '../../../src/peer/place.ts'
import { masterOf } from '../../../src/ring/view.ts'
import type { Ears, Outcome } from '../../../src/session/door.ts'
import { parseChannelSerial } from '../../../src/wire/serial.ts'
import { after } from '../ring/regions.ts'
import { other, peer, Rig } from './channels-rig.ts'

const sibling: Place = { incarnation: 'n0#1', worker: 1 }
const JSON_VARIANT = { format: 'json', wireName: 'c' } as const

/** An attachment that keeps what it was told. */
function ears(): Ears & { told: string[]; serial: string } {
  return {
    connectionId: 'c', claim: 0, modeBits: 0, hearsItself: true, subscribes: true,
    hearsPresence: true, hearsNothing: false, inheritsMembers: false, hasRoom: true,
    told: [], serial: '',
    onFrame() {
      this.told.push('frame')
    },
    onAttached({ isResumed, channelSerial }) {
      this.told.push(isResumed ? 'resumed' : 'attached')
      this.serial = channelSerial
    },
    onAttachRefused(error) {
      this.told.push(`refused ${error.code}`)
    },
    onContinuityLost(_, error) {
      this.told.push(`lost ${error.code}`)
    }
  }
}

const publishOf = (id: string) => ({
  id, idSpace: 'client' as const, connectionId: 'c', messages: [{ data: id }]
})

t.test('[9] one that is not the master says so to a Join, with its view', async (t) => {
  const rig = new Rig()
  const channel = rig.channelOf('n1')
  rig.join(other, channel, 7)
  t.same(rig.sent, [{
    to: 'n2', message: { kind: 'notMaster', channel, joinNo: 7, viewVersion: 1 }
  }])
  t.match(rig.channels.counts(), { partitions: 0 }, 'and takes nothing over')
})

t.test('[2] the master answers nobody before its Epoch is in the log', async (t) => {
  const rig = new Rig()
  const channel = rig.channelOf('n0')
  rig.channels.onPeerMessage(peer, {
    kind: 'join', channel, joinNo: 1, clientId: 'x', viewVersion: 1, from: undefined,
    wantsDeliveries: true
  })
  rig.channels.flush(rig.nowMs)
  t.same(rig.said(), [])
  rig.settle()
  t.same(rig.said(), ['n1 joined'])
  t.equal(rig.log.epochs(partitionOf(channel, 16)).length, 1)
})

t.test('what is local needs no link: attach, publish, hear', async (t) => {
  const rig = new Rig()
  const channel = rig.channelOf('n0')
  const [one, two] = [ears(), ears()]
  rig.channels.groups.attach(channel, one, JSON_VARIANT, {})
  rig.settle()
  const outcomes: string[] = []
  rig.channels.groups.submit(channel, publishOf('a'), ({ kind }) => void outcomes.push(kind))
  rig.channels.groups.submit(channel, publishOf('a'), ({ kind }) => void outcomes.push(kind))
  rig.settle()
  t.same(outcomes, ['committed', 'committed'], 'a known id is answered')
  const serial = parseChannelSerial(one.serial)
  rig.channels.groups.attach(channel, two, JSON_VARIANT, { from: serial })
  rig.settle()
  t.same(one.told, ['attached', 'frame'], 'and not delivered again')
  t.same(two.told, ['resumed', 'frame'], 'one that was away gets what it missed')
  t.same(rig.said(), [])
  t.match(rig.channels.counts(), { groups: 1, clients: 1, partitions: 1, attachments: 2 })
})

t.test('what is too much for one entry is refused, unless it was taken before', async (t) => {
  const rig = new Rig()
  const channel = rig.channelOf('n0')
  const outcomes: unknown[] = []
  const note = (outcome: Outcome): void => {
    outcomes.push(outcome.kind === 'refused' ? outcome.error.code : outcome.kind)
  }
  const clientId = 'x'.repeat(limits.submissionBytesMax / 100)
  const messages = Array.from({ length: 100 }, () => ({ clientId }))
  const hundred = { ...publishOf('a'), messages: messages.map(() => ({ data: 'x' })) }
  rig.channels.groups.submit(channel, hundred, note)
  rig.settle()
  rig.channels.groups.submit(channel, { ...hundred, messages }, note)
  rig.channels.groups.submit(channel, { ...publishOf('b'), messages }, note)
  const items = messages.map((_, no) => ({ action: 2, clientId, id: `c:0:${no}`, data: undefined }))
  const said = { id: 'c:0', connectionId: 'c', claim: 0, items, membersMax: undefined }
  rig.channels.groups.present(channel, said, note)
  rig.settle()
  t.same(outcomes.toSorted(), [40009, 40009, 'committed', 'committed'])
  rig.channels.groups.submit(channel, publishOf('c'), note)
  rig.settle()
  t.equal(outcomes.at(-1), 'committed', 'the channel goes on')
})

t.test('[14] who moved is joined anew, who did not is left alone', async (t) => {
  const rig = new Rig()
  const [moving, staying] = [rig.channelOf('n1'), rig.channelOf('n2')]
  const { groups } = rig.channels
  for (const name of [moving, staying]) groups.attach(name, ears(), JSON_VARIANT, {})
  rig.settle()
  t.same(rig.said().sort(), ['n1 join', 'n2 join'])
  const answer = (channel: string, from: Place): void => {
    const standing = { lineage: 'l', seq: 0, epoch: 1, entry: 1 }
    const whole = { startsAfter: 0, isWhole: true, nextOpNo: 1, isContinuation: true, backlog: [] }
    rig.hear(from, { kind: 'joined', channel, joinNo: 1, epoch: 1, standing, ...whole })
  }
  answer(moving, peer)
  answer(staying, other)
  rig.tell({ ...rig.view, version: 2 })
  t.same(rig.settle().said(), [], 'a view in which nothing moved disturbs nobody')
  rig.tell(after(rig.view, { leaving: new Set(['n1#1']) }))
  const isHere = masterOf(partitionOf(moving, 16), rig.view)!.node === 'n0'
  t.match(rig.settle().sent, isHere ? [] : [{ message: { channel: moving } }])
  t.match(rig.channels.describe().find((line) => line.startsWith(`client ${staying}`)), /live/)
})

t.test('[14] after views that were skipped every client makes sure of its master', async (t) => {
  const rig = new Rig()
  const channel = rig.channelOf('n2')
  rig.channels.groups.attach(channel, ears(), JSON_VARIANT, {})
  t.same(rig.settle().said(), ['n2 join'])
  rig.tell({ ...rig.view, version: 5 })
  t.same(rig.settle().said(), ['n2 join'])
})

t.test('[10] a master that is known to be gone is not asked, nor waited for', async (t) => {
  const rig = new Rig()
  const channel = rig.channelOf('n1')
  const hearing = ears()
  rig.channels.groups.attach(channel, hearing, JSON_VARIANT, {})
  rig.settle().said()
  rig.tell(rig.view, ['n1#1', 'n2#1'])
  rig.settle()
  t.same(hearing.told, ['attached'], 'the last owner that lives acts')
  t.same(rig.said(), [])
  rig.tell(rig.view, [])
  t.same(rig.settle().said(), ['n1 handedOver', 'n1 join'])
  t.match(rig.channels.counts(), { partitions: 0 })
})

t.test('[9, 12] a Join of a newer view waits until that view is here', async (t) => {
  const rig = new Rig()
  const channel = rig.channelOf('n1')
  const next = after(rig.view, { leaving: new Set(['n1#1']) })
  const { version } = next
  const join = { kind: 'join', channel, clientId: 'k', from: undefined } as const
  for (const joinNo of [1, 2]) {
    rig.hear(other, { ...join, joinNo, viewVersion: version, wantsDeliveries: true })
  }
  t.same(rig.said(), [], 'nobody is sent away who may be right')
  rig.tell(next)
  rig.settle()
  const isMine = masterOf(partitionOf(channel, 16), next)!.node === 'n0'
  t.same(rig.said(), [isMine ? 'n2 joined' : 'n2 notMaster'], 'its newest Join, once')
})

t.test('[12] a partition that is given away is stopped and released', async (t) => {
  const rig = new Rig()
  const channel = rig.channelOf('n0')
  rig.join(peer, channel)
  t.same(rig.said(), ['n1 joined'])
  rig.tell(after(rig.view, { leaving: new Set(['n0#1']) }))
  rig.settle()
  t.same(rig.released, [partitionOf(channel, 16)])
  t.match(rig.channels.counts(), { partitions: 0 })
  rig.join(peer, channel, 2)
  t.same(rig.said(), ['n1 handedOver', 'n1 joinAgain', 'n1 notMaster'])
  rig.hear(peer, { kind: 'part', channel, clientId: 'of n1#1' })
  t.same(rig.said(), [], 'what is said to a former master is for nobody')
})

/** n0 masters a channel that n1 and n2 joined; says to whom a publish is delivered. */
function delivering(): { rig: Rig; channel: string; delivered(): string[] } {
  const rig = new Rig()
  const channel = rig.channelOf('n0')
  rig.join(peer, channel).join(other, channel).said()
  let no = 0
  const delivered = (): string[] => {
    rig.said()
    rig.channels.groups.submit(channel, publishOf(`p${no++}`), () => {})
    rig.settle()
    return rig.said().sort()
  }
  return { rig, channel, delivered }
}

t.test('who is gone from the view is delivered nothing, and its link is let go', async (t) => {
  const { rig, delivered } = delivering()
  t.same(delivered(), ['n1 deliver', 'n2 deliver'])
  rig.tell(after(rig.view, { removed: new Map([['n1#1', 'test']]) }))
  t.same(delivered(), ['n2 deliver'])
  t.same(rig.dropped, [peer])
  t.ok(rig.channels.places.isRemoved(peer))
})

t.test('[H3] who is in no view, and gone without a tombstone, is one that ended', async (t) => {
  const { rig, delivered } = delivering()
  t.notOk(rig.channels.isStranger(peer))
  const lost = after(rig.view, { removed: new Map([['n1#1', 'test']]) })
  const stranger = { incarnation: 'n9#1', worker: 0 }
  t.ok(rig.channels.isStranger(stranger))
  rig.tell({ ...lost, tombstones: [] })
  t.ok(rig.channels.isStranger(peer))
  t.notOk(rig.channels.places.isRemoved(peer))
  rig.join(peer, rig.channelOf('n0')).said()
  t.same(delivered(), ['n1 deliver', 'n2 deliver'], 'it may only be unknown here')
  rig.channels.onPlaceEnded(peer)
  t.same(delivered(), ['n2 deliver'])
  t.same(rig.dropped, [peer, peer])
})

t.test('[11] a worker that lives anew is delivered nothing until it joins', async (t) => {
  const { rig, channel, delivered } = delivering()
  rig.tell(rig.view, [], 2)
  t.same(delivered(), ['n2 deliver'])
  rig.join(peer, channel)
  t.same(delivered(), ['n1 deliver', 'n2 deliver'])
  rig.channels.onPeerRestarted(peer)
  t.same(delivered(), ['n2 deliver'], 'a link can tell it too')
})

t.test('[C2] what a new life said before it was told of is not forgotten', async (t) => {
  const { rig, channel, delivered } = delivering()
  rig.channels.onPeerRestarted(peer)
  rig.join(peer, channel)
  rig.channels.places.hear(peer, 2)
  t.same(delivered(), ['n1 deliver', 'n2 deliver'])
  rig.tell(rig.view, [], 2)
  t.same(delivered(), ['n1 deliver', 'n2 deliver'])
  rig.tell(rig.view, [], 3)
  t.same(delivered(), ['n2 deliver'], 'the life after that is another one')
})

t.test('[11] a sibling that lives anew is broadcast nothing until it attaches', async (t) => {
  const rig = new Rig(2)
  const channel = rig.channelOf('n0', 0)
  const attach = { kind: 'attach' as const, channel, attachId: 1, variantId: 0, from: undefined,
    variant: JSON_VARIANT }
  const broadcast = (id: string): string[] => {
    rig.channels.groups.submit(channel, publishOf(id), () => {})
    return rig.settle().said()
  }
  rig.hear(sibling, attach)
  t.same(rig.said(), ['n0 attached'])
  t.same(broadcast('a'), ['n0 broadcast'])
  rig.tell(rig.view, [], 2)
  t.same(broadcast('b'), [])
  rig.hear(sibling, attach).said()
  t.same(broadcast('c'), ['n0 broadcast'])
})

t.test('[11] the home worker lives anew: who waits there asks again, heard or not', async (t) => {
  for (const isHeard of [false, true]) {
    const rig = new Rig(2)
    const channel = rig.channelOf('n1', 1)
    rig.channels.groups.attach(channel, ears(), JSON_VARIANT, {})
    rig.channels.groups.submit(channel, publishOf('a'), () => {})
    t.same(rig.settle().said(), ['n0 attach', 'n0 submit'])
    if (isHeard) rig.channels.places.hear(sibling, 2)
    rig.tell(rig.view, [], 2)
    t.same(rig.settle().said(), ['n0 attach', 'n0 submit'])
    rig.tell(rig.view, [], 2)
    t.same(rig.settle().said(), [], 'once')
  }
})

t.test('[13] a link that lost something is made good with its place alone', async (t) => {
  const rig = new Rig()
  rig.channels.groups.attach(rig.channelOf('n1'), ears(), JSON_VARIANT, {})
  rig.settle().said()
  rig.channels.onLinkReset(other)
  t.same(rig.settle().said(), [])
  rig.channels.onLinkReset(peer)
  t.same(rig.settle().said(), ['n1 join'])
})

t.test('[13] who is asked for after a reset, and is gone, leaves once more', async (t) => {
  const rig = new Rig()
  const channel = rig.channelOf('n1')
  rig.hear(peer, { kind: 'joinAgain', channel })
  t.same(rig.said(), [], 'what is over asks for nobody')
  rig.hear(peer, { kind: 'joinAgain', channel, clientId: 'k' })
  t.same(rig.sent, [{ to: 'n1', message: { kind: 'part', channel, clientId: 'k' } }])
  rig.channels.groups.attach(channel, ears(), JSON_VARIANT, {})
  rig.settle().said()
  rig.hear(peer, { kind: 'joinAgain', channel, clientId: 'k' })
  t.same(rig.said(), [], 'but not where another one came in its place, who is Joining')
})

t.test('a Join that nobody answers is sent again, more and more seldom', async (t) => {
  const rig = new Rig()
  const hearing = ears()
  rig.channels.groups.attach(rig.channelOf('n1'), hearing, JSON_VARIANT, {})
  rig.settle().later(limits.attachAnswerMs + 1)
  const joins = rig.said()
  t.ok(joins.length > 3 && joins.length < 12, `${joins.length} times`)
  t.same([...new Set(joins)], ['n1 join'])
  t.same(hearing.told, ['refused 90007'], 'its client did not wait for ever')
  rig.later(60_000)
  t.equal(rig.said().at(-1), 'n1 part', 'and once nobody wants it, it ends')
  t.match(rig.channels.counts(), { clients: 0 })
})

t.test('what is for nobody here is let pass', async (t) => {
  const rig = new Rig()
  const channel = rig.channelOf('n0')
  const standing = { lineage: 'l', seq: 1, epoch: 1, entry: 1 }
  const strays: PeerMessage[] = [
    { kind: 'groupEmpty', channel }, { kind: 'variantUnused', channel, variantId: 3 },
    { kind: 'attached', channel, attachId: 1, standing, isResumed: false, error: undefined,
      backlog: [] },
    { kind: 'broadcast', channel, standing, items: [] },
    { kind: 'deliver', channel, epoch: 1, publications: [] },
    { kind: 'notMaster', channel, joinNo: 1, viewVersion: 1 },
    { kind: 'part', channel, clientId: 'x' },
    { kind: 'backfill', channel, clientId: 'x', requestNo: 1, epoch: 1, from: standing },
    { kind: 'publish', channel, clientId: 'x', epoch: 1, opNo: 1, answeredThrough: 0, op: {
      id: 'i', idSpace: 'client', connectionId: 'c', messageCount: 1, payload: new Uint8Array()
    } }
  ]
  for (const stray of strays) rig.hear(peer, stray)
  t.same(rig.said(), [])
  t.same(rig.channels.counts(), {
    groups: 0, clients: 0, partitions: 0, attachments: 0, channels: 0, registered: 0
  })
})

t.test('what nobody uses is let go after its linger time, and the master is told', async (t) => {
  const rig = new Rig()
  const channel = rig.channelOf('n1')
  const seat = rig.channels.groups.attach(channel, ears(), JSON_VARIANT, {})
  rig.settle().said()
  rig.hear(peer, {
    kind: 'joined', channel, joinNo: 1, epoch: 1, isContinuation: true, backlog: [],
    startsAfter: 0, isWhole: true, nextOpNo: 1,
    standing: { lineage: 'l', seq: 0, epoch: 1, entry: 1 }
  })
  rig.later(3 * limits.lingerMs)
  t.match(rig.channels.counts(), { groups: 1, clients: 1 }, 'not while somebody is attached')
  rig.channels.groups.detach(channel, seat)
  rig.channels.groups.detach(channel, seat)
  rig.settle().later(limits.lingerMs - 1_000)
  t.match(rig.channels.counts(), { groups: 1, clients: 1 })
  rig.later(limits.lingerMs)
  t.same(rig.said(), ['n1 part'])
  t.match(rig.channels.counts(), { groups: 0, clients: 0 })
  t.equal(rig.deadlines.size, 0, 'nothing sweeps where nothing is')
})
