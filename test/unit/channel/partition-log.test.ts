import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { decodeAppend } from '../../../src/log/entry.ts'
import { unsalted } from '../../../src/peer/epoch.ts'
import { World } from './partition-world.ts'

t.test('[3, 5] the next master goes on where the log ends', async (t) => {
  const world = new World()
  const first = world.master()
  first.join()
  for (let no = 0; no < 5; no++) first.publish(`a:${no}`)
  const stood = first.join()!.standing
  first.publish('a:5')
  const second = world.master()
  const joined = second.join(stood)!
  t.ok(joined.isContinuation)
  t.same(joined.backlog.map(({ seq }) => seq), [6])
  t.equal(joined.standing.lineage, stood.lineage)
  second.publish('a:6')
  t.equal(second.join()!.standing.seq, 7)
})

t.test('[17, B2] what was taken is known to the next master, with its serials', async (t) => {
  const world = new World()
  const first = world.master()
  first.join()
  first.publish('a:0')
  const second = world.master()
  second.join()
  second.publish('a:0')
  t.same(second.serials(), first.serials())
  t.equal(second.join()!.standing.seq, 1)
})

t.test('[2] a former master is refused by the log, and says to look elsewhere', async (t) => {
  const world = new World()
  const first = world.master()
  first.join()
  const second = world.master()
  first.publish('a:0')
  t.ok(first.isDeposed)
  t.same(first.serials(), [])
  t.ok(first.said.some(({ kind }) => kind === 'joinAgain'))
  second.join()
  second.publish('a:0')
  t.equal(second.serials().length, 1)
})

t.test('[11, A16] an idle master that was deposed does not answer a Join', async (t) => {
  const world = new World()
  const first = world.master()
  first.join()
  world.master().publish('x')
  world.pass(10_000)
  t.equal(first.join(), undefined)
  t.ok(first.isDeposed)
})

t.test('[11] an idle master confirms once for all that wait, then answers', async (t) => {
  const world = new World()
  const life = world.master()
  world.pass(10_000, life)
  const before = world.log.records.length
  for (const joinNo of [1, 2, 3]) {
    const place = { incarnation: `n${joinNo}`, worker: 0 }
    life.master.onMessage(place, {
      kind: 'join', channel: 'app/c', joinNo, clientId: 'k', viewVersion: 1, from: undefined,
      wantsDeliveries: true
    })
  }
  t.same(life.said, [], 'nothing is said before')
  life.settle()
  t.equal(life.said.length, 3)
  t.equal(world.log.records.length, before + 1)
  life.join()
  t.equal(world.log.records.length, before + 1, 'and while that is recent, none is needed')
})

t.test('[11, 16] what was sent before is let in behind a recent append', async (t) => {
  const world = new World()
  const life = world.master()
  world.pass(10_000, life)
  const join = {
    kind: 'join', channel: 'app/c', clientId: 'k', viewVersion: 1, from: undefined,
    wantsDeliveries: false
  } as const
  life.tell({ ...join, joinNo: 1 })
  t.match(life.said, [{ kind: 'joined', joinNo: 1 }], 'something new waits for nothing')
  life.tell({ ...join, joinNo: 2, hasUnanswered: true })
  t.equal(life.said.length, 1, 'another master may have committed it')
  life.settle()
  t.match(life.said[1], { kind: 'joined', joinNo: 2 })
})

t.test('[11, 25] whose Backfill finds no place joins again, and asks again', async (t) => {
  const { confirmingMax } = limits
  Object.assign(limits, { confirmingMax: 1 })
  t.teardown(() => void Object.assign(limits, { confirmingMax }))
  const world = new World()
  const life = world.master()
  const { standing } = life.join()!
  world.pass(10_000, life)
  life.said.length = 0
  const { epoch } = life.master
  for (const requestNo of [1, 2]) {
    life.tell({
      kind: 'backfill', channel: 'app/c', clientId: 'k', requestNo, epoch, from: standing
    })
  }
  t.same(life.said, [{ kind: 'joinAgain', channel: 'app/c' }])
  life.settle()
  t.match(life.said.slice(1), [{ kind: 'backfilled', requestNo: 1 }])
})

t.test('[11, 25] who leaves while its Join waits for a Confirm is not let in', async (t) => {
  const world = new World()
  const life = world.master()
  world.pass(10_000, life)
  life.tell({
    kind: 'join', channel: 'app/c', joinNo: 1, clientId: 'k', viewVersion: 1, from: undefined,
    wantsDeliveries: true
  })
  life.tell({ kind: 'part', channel: 'app/c', clientId: 'k' })
  life.settle()
  t.same(life.said, [])
  world.pass(600_000, life)
  t.equal(life.master.channelCount, 0, 'nobody keeps the channel')
})

t.test('[13, 25] a Part that was lost with its link is asked for', async (t) => {
  const world = new World()
  const life = world.master()
  life.join()
  life.said.length = 0
  life.master.onLinkReset({ ...life.client, worker: 1 })
  t.same(life.said, [], 'of those alone whose link it was')
  life.master.onLinkReset(life.client)
  t.same(life.said, [{ kind: 'joinAgain', channel: 'app/c', clientId: 'k' }])
  life.tell({ kind: 'part', channel: 'app/c', clientId: 'k' })
  life.master.onLinkReset(life.client)
  t.equal(life.said.length, 1, 'and not again of who has left')
})

t.test('[6] the log is cut to what may be asked for, and a takeover still knows all', async (t) => {
  const world = new World()
  const first = world.master()
  first.join()
  for (let no = 0; no < 3_000; no++) first.publish(`a:${no}`)
  const stood = first.join()!.standing
  const written = world.log.records.length
  world.pass(150_000, first)
  first.publish('a:3000')
  world.pass(10_000, first)
  t.ok(world.log.records.length < written / 2, `${world.log.records.length} of ${written} left`)
  const second = world.master()
  const joined = second.join(stood)!
  t.ok(joined.isContinuation)
  t.same(joined.backlog.map(({ seq }) => seq), [3_001])
  const before = second.serials().length
  for (const no of [0, 1_500, 2_999]) second.publish(`a:${no}`)
  t.equal(second.serials().length, before + 3, 'ids outlive their messages')
  t.equal(second.join()!.standing.seq, 3_001, 'and were not taken again')
})

t.test('[6] an idle partition comes to rest: a small log, and no more work', async (t) => {
  const world = new World()
  const life = world.master()
  life.join()
  for (let no = 0; no < 50; no++) life.publish(`a:${no}`)
  life.tell({ kind: 'part', channel: 'app/c', clientId: 'k' })
  world.pass(1_200_000, life)
  t.equal(life.master.channelCount, 0)
  t.ok(world.log.records.length <= 3, `${world.log.records.length} records`)
  t.equal(world.deadlines.size, 0)
})

t.test('[19, C5] who stood on a silent channel continues after hours and a takeover', async (t) => {
  const world = new World()
  const first = world.master()
  first.join()
  first.publish('a:0')
  const stood = first.join()!.standing
  first.tell({ kind: 'part', channel: 'app/c', clientId: 'k' })
  world.pass(3 * 3_600_000, first)
  t.equal(first.master.channelCount, 0, 'it was let go')
  const again = first.join(stood)!
  t.ok(again.isContinuation)
  t.same(again.backlog, [])
  const second = world.master()
  t.ok(second.join(stood)!.isContinuation)
})

t.test('[5, C5] a channel born again stands above all that was let go', async (t) => {
  const world = new World()
  const life = world.master()
  for (const channel of ['app/a', 'app/b']) {
    life.join(undefined, channel)
    const count = channel === 'app/a' ? 5 : 9
    for (let no = 0; no < count; no++) life.publish(`${channel}:${no}`, channel)
  }
  const early = { ...life.join(undefined, 'app/a')!.standing, seq: 2, entry: 3 }
  for (const channel of ['app/a', 'app/b']) life.tell({ kind: 'part', channel, clientId: 'k' })
  world.pass(600_000, life)
  const born = life.join(early, 'app/a')!
  t.equal(born.standing.seq, 9)
  t.notOk(born.isContinuation, 'who had not seen everything is told')
  const second = world.master()
  second.join(undefined, 'app/a')
  second.publish('again:0', 'app/a')
  t.equal(second.join(undefined, 'app/a')!.standing.seq, 10)
})

t.test('[5, 6] so it does where the log still has what was let go before its last snapshot',
  async (t) => {
    const world = new World()
    const { log } = world
    const ask = log.ask.bind(log)
    log.ask = (request, onAnswer) => void (request.kind === 'trim' || ask(request, onAnswer))
    const first = world.master()
    first.join()
    for (let no = 0; no < 3; no++) first.publish(`a:${no}`)
    const stood = first.join()!.standing
    first.tell({ kind: 'part', channel: 'app/c', clientId: 'k' })
    world.pass(2_000_000, first)
    t.equal(first.master.channelCount, 0)
    const kinds = log.records.flatMap(({ bytes }) => decodeAppend(bytes)!.entries)
      .map(({ kind }) => kind)
    t.match(kinds, new Set(['publication', 'snapshotEnd']))
    const second = world.master()
    t.equal(second.master.channelCount, 0, 'nobody has asked for it')
    const joined = second.join(stood)!
    t.ok(joined.isContinuation)
    t.equal(joined.standing.seq, 3)
    second.publish('b:0')
    t.equal(second.join()!.standing.seq, 4)
  })

t.test('[4, A4] a client that stands beyond the log proves a rollback', async (t) => {
  const world = new World()
  const first = world.master()
  first.join()
  first.publish('a:0')
  const kept = [...world.log.records]
  first.publish('a:1')
  const stood = first.join()!.standing
  world.log.records = kept
  const second = world.master()
  t.equal(second.join(stood), undefined, 'it is not answered from what cannot be')
  world.pass(20_000, second)
  const joined = second.join(stood)!
  t.not(joined.standing.lineage, stood.lineage)
  t.notOk(joined.isContinuation)
  t.ok(second.said.some(({ kind }) => kind === 'joinAgain') || second.notes.length > 0)
})

t.test('[4, A4] so does one that stands in an epoch that the log has lost whole', async (t) => {
  const world = new World()
  const first = world.master()
  first.join()
  first.publish('a:0')
  const kept = [...world.log.records]
  const second = world.master()
  second.join()
  second.publish('a:1')
  const stood = second.join()!.standing
  t.ok(world.master().join(stood)!.isContinuation, 'not while the log has it')
  world.log.records = kept
  world.viewVersion = 2
  const third = world.master()
  const { standing } = third.join()!
  for (const no of [1, 2, 3]) third.publish(`b:${no}`)
  t.equal(third.join(stood), undefined, 'as far as its numbers go, it might stand there')
  world.pass(20_000, third)
  const joined = third.join(stood)!
  t.equal(standing.lineage, stood.lineage)
  t.not(joined.standing.lineage, stood.lineage)
  t.notOk(joined.isContinuation)
})

t.test('[4] what a client says stays impossible, though the log comes as far then', async (t) => {
  const world = new World()
  const first = world.master()
  first.join()
  first.publish('a:0')
  const kept = [...world.log.records]
  const second = world.master()
  second.join()
  second.publish('a:1')
  const stood = second.join()!.standing
  world.log.records = kept
  const third = world.master()
  third.join()
  t.equal(unsalted(third.master.epoch), unsalted(stood.epoch), 'the same attempt, once more')
  third.tell({
    kind: 'join', channel: 'app/c', joinNo: 99, clientId: 'k', viewVersion: 1, from: stood,
    wantsDeliveries: true
  })
  third.publish('b:1')
  world.pass(20_000, third)
  const joined = third.joined(99)
  t.equal(joined, undefined, 'the number of its entry is there, the entry is not')
  t.not(third.join(stood)!.standing.lineage, stood.lineage)
})

t.test('[4] who stands at an entry after which the log has older ones has lost something',
  async (t) => {
    const world = new World()
    const first = world.master()
    first.join()
    first.publish('a:0')
    const kept = [...world.log.records]
    const second = world.master()
    second.join()
    second.join(undefined, 'app/a')
    for (const no of [1, 2, 3]) second.publish(`other:${no}`, 'app/a')
    second.publish('a:1')
    const stoodInSecond = second.join()!.standing
    world.log.records = kept
    const third = world.master()
    third.join()
    // As if it had drawn the salt of the second: the log has forgotten that it was given.
    const stood = { ...stoodInSecond, epoch: third.master.epoch }
    for (const no of [1, 2, 3, 4, 5]) third.publish(`b:${no}`)
    const { standing } = third.join()!
    t.ok(standing.entry > stood.entry && standing.seq > stood.seq, 'it has come as far')
    t.match(third.join(stood), { isContinuation: false, backlog: [] })
    t.ok(third.join({ ...stood, entry: stood.entry - 3 })!.isContinuation, 'where it really stood')
  })

t.test('[4] a forged position of an attachment is refused and harms nobody', async (t) => {
  const world = new World()
  const life = world.master()
  const { standing } = life.join()!
  life.publish('a:0')
  const from = { ...standing, epoch: standing.epoch + 65_536, entry: 1_000 }
  life.tell({
    kind: 'backfill', channel: 'app/c', clientId: 'k', requestNo: 1, epoch: life.master.epoch, from
  })
  life.settle()
  t.match(life.said.at(-1), { kind: 'backfilled', isContinuation: false })
  t.equal(life.join()!.standing.lineage, standing.lineage)
})

t.test('[11] a stale master refuses no attachment that stands further than it knows', async (t) => {
  const world = new World()
  const stale = world.master()
  stale.join()
  const next = world.master()
  next.join()
  next.publish('a:0')
  const { standing } = next.join()!
  stale.tell({
    kind: 'backfill', channel: 'app/c', clientId: 'k', requestNo: 1, epoch: stale.master.epoch,
    from: standing
  })
  stale.settle()
  t.notOk(stale.said.some(({ kind }) => kind === 'backfilled'))
  t.ok(stale.isDeposed)
})

t.test('[4] a log made anew under its master: a new lineage, all are told', async (t) => {
  const world = new World()
  const life = world.master()
  const { standing } = life.join()!
  life.publish('a:0')
  world.log.records = []
  life.publish('a:1')
  world.pass(60_000, life)
  t.ok(life.said.some(({ kind }) => kind === 'joinAgain'))
  t.not(life.join()!.standing.lineage, standing.lineage)
  const heads = world.log.records.map(({ bytes }) => decodeAppend(bytes))
  t.match(heads[0], { entries: [{ kind: 'epoch', startsLineage: true }] })
})
