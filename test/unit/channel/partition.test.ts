import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { encodeAppend, encodeEntry, type Entry } from '../../../src/log/entry.ts'
import { placeKey } from '../../../src/peer/place.ts'
import { a, b } from './master-bench.ts'
import { CHANNEL, ofKind, op, publication, standing } from './parts.ts'
import { PartitionBench, SharedLog } from './partition-bench.ts'

/** A serving master that both nodes joined, with nothing said that was not taken. */
function serving(log = new SharedLog(), viewVersion = 1): PartitionBench {
  const bench = new PartitionBench(log, viewVersion).settle()
  for (const place of [a, b]) {
    bench.join(place)
    bench.sent(place)
  }
  return bench
}

/** The standing that a master answers a fresh Join with. */
function standingOf(bench: PartitionBench) {
  bench.join(a)
  return ofKind(bench.sent(a), 'joined').at(-1)!.standing
}

t.test('[2] nobody is answered before the log granted the partition; then all, in order',
  async (t) => {
    const bench = new PartitionBench(new SharedLog())
    bench.join(a, { joinNo: 1 })
    bench.join(b)
    bench.publish(b, 1, 'y:1')
    bench.join(a, { joinNo: 2 })
    bench.answer()
    t.same([bench.sent(a), bench.sent(b)], [[], []])
    t.notOk(bench.master.isServing)
    bench.master.onPlaceGone((place) => place.incarnation === 'b')
    bench.answer()
    t.ok(bench.master.isServing)
    t.same(ofKind(bench.sent(a), 'joined').map(({ joinNo }) => joinNo), [2], 'its newest')
    t.same(bench.sent(b), [], 'a place that is gone waits for nothing')
  })

t.test('[2, 3] what waited goes in one append, and is shown when the log has it', async (t) => {
  const bench = serving()
  bench.join(a, { channel: 'app/d' })
  bench.sent(a)
  bench.publish(a, 1, 'x:1')
  bench.publish(b, 1, 'y:1')
  bench.publish(a, 1, 'z:1', 'app/d')
  bench.flush()
  t.equal(bench.questions.length, 1)
  bench.publish(a, 2, 'x:2')
  bench.flush()
  t.equal(bench.questions.length, 1, 'one append is under way')
  t.same([bench.sent(a), bench.sent(b)], [[], []])
  bench.answer()
  const sent = bench.sent(a)
  t.same(sent.map((each) => `${each.kind} ${'channel' in each ? each.channel : ''}`), [
    'result app/c', 'result app/d', 'deliver app/c', 'deliver app/d'
  ])
  const [deliver] = ofKind(sent, 'deliver')
  t.same(deliver!.publications.map(({ id }) => id), ['x:1', 'y:1'])
  t.equal(bench.questions.length, 1, 'what came meanwhile is appended next')
  bench.answer()
  t.match(ofKind(bench.sent(b), 'deliver').at(-1), { publications: [{ id: 'x:2', seq: 3 }] })
})

t.test('[A8] committed and shown to nobody: the next master has it, in its place', async (t) => {
  const log = new SharedLog()
  const first = serving(log)
  first.publish(a, 1, 'x:1')
  first.settle()
  const [seen] = ofKind(first.sent(b), 'deliver')
  const { entry } = seen!.publications[0]!
  const { lineage } = standingOf(first)
  first.publish(a, 2, 'x:2')
  first.flush()
  const { request } = first.questions.shift()!
  if (request.kind === 'append') log.store(request.expectedSeq, request.bytes)

  const second = new PartitionBench(log, 2).settle()
  second.join(b, { from: standing(1, { lineage, entry, epoch: seen!.epoch }) })
  const [answer] = ofKind(second.sent(b), 'joined')
  t.match(answer, { isContinuation: true, standing: { lineage, seq: 2 } })
  t.same(answer!.backlog.map(({ id }) => id), ['x:2'])
  t.ok(answer!.epoch > seen!.epoch)
  second.join(a)
  second.sent(a)
  second.publish(a, 1, 'x:2')
  second.publish(a, 2, 'x:3')
  second.settle()
  t.same(ofKind(second.sent(a), 'result').map(({ outcome }) => outcome.kind),
    ['committed', 'committed'])
  t.same(log.content().filter((text) => !text.startsWith('epoch')), ['1 x:1', '2 x:2', '3 x:3'])
})

t.test('[17] ids are kept in full again from a takeover, whatever their age', async (t) => {
  const log = new SharedLog()
  const first = serving(log)
  first.publish(a, 1, 'x:1')
  first.settle()
  const second = new PartitionBench(log, 2)
  second.pass(limits.idKeptMs * 5)
  second.settle()
  second.pass(limits.idKeptMs - 1)
  second.join(a)
  second.settle()
  second.publish(a, 1, 'x:1')
  second.settle()
  t.match(ofKind(second.sent(a), 'result'), [{ outcome: { kind: 'committed' } }])
  t.equal(log.content().filter((text) => text.endsWith('x:1')).length, 1)
})

t.test('[3] a deposed master refuses nothing: what it had in hand is said to nobody', async (t) => {
  const log = new SharedLog()
  const old = serving(log)
  const { lineage } = standingOf(old)
  old.publish(a, 1, 'x:1')
  old.flush()
  const next = new PartitionBench(log, 2).settle()
  old.publish(b, 1, 'y:1')
  old.settle()
  t.ok(old.isDeposed)
  const said = [...old.sent(a), ...old.sent(b)]
  t.same(said.map(({ kind }) => kind), ['joinAgain', 'joinAgain'])
  t.equal(log.releaseCount, 1)
  old.join(a)
  old.publish(a, 2, 'x:2')
  old.master.onPlaceGone(() => true)
  old.pass(1_000_000)
  t.same([old.sent(a), old.questions], [[], []], 'it is over')
  next.join(a, { from: standing(0, { lineage }) })
  next.publish(a, 1, 'x:1')
  next.settle()
  const { outcome } = ofKind(next.sent(a), 'result')[0]!
  t.equal(outcome.kind, 'committed', 'sent again, it is taken')
})

t.test('[2] unknown outcome: nothing is shown, nothing else goes on, until it is known',
  async (t) => {
    for (const hadHappened of [true, false]) {
      const bench = serving()
      bench.publish(a, 1, 'x:1')
      bench.flush()
      const { request } = bench.questions[0]!
      if (hadHappened && request.kind === 'append') {
        bench.log.store(request.expectedSeq, request.bytes)
      }
      bench.answer({ kind: 'unknown', reason: 'no answer' })
      bench.publish(a, 2, 'x:2')
      bench.publish(a, 1, 'x:1')
      bench.flush()
      t.same([bench.sent(a), bench.questions], [[], []])
      bench.pass(60_000)
      bench.settle()
      t.same(ofKind(bench.sent(a), 'result').map(({ opNo }) => opNo), [1, 1, 2])
      t.same(bench.log.content().slice(1), ['1 x:1', '2 x:2'], `had happened: ${hadHappened}`)
    }
  })

t.test('[16] an op of another epoch was numbered for another mastership', async (t) => {
  const bench = serving()
  const message = {
    kind: 'publish', channel: CHANNEL, clientId: 'a/0', opNo: 1, answeredThrough: 0, op: op('x:1')
  } as const
  const { epoch } = bench.master
  for (const other of [epoch - 1, epoch + 1]) {
    bench.master.onMessage(a, { ...message, epoch: other })
  }
  bench.settle()
  t.equal(bench.log.content().length, 1)
  bench.master.onMessage(a, { ...message, epoch })
  bench.settle()
  t.equal(bench.log.content().length, 2)
})

t.test('[12] the view took it away: silence at once, whatever the log still answers', async (t) => {
  const starting = new PartitionBench(new SharedLog())
  starting.join(a)
  starting.master.stop()
  starting.settle()
  t.same([starting.sent(a), starting.isDeposed], [[], false])
  for (const isServing of [false, true]) {
    const trying = new PartitionBench(new SharedLog())
    if (isServing) trying.settle()
    else trying.answer()
    trying.join(a)
    trying.publish(a, 1, 'x:1')
    trying.flush()
    trying.answer({ kind: 'unknown', reason: 'no answer' })
    trying.master.stop()
    trying.pass(1_000_000)
    t.same(trying.questions, [], 'what it tried again it tries no more')
  }
  const bench = serving()
  bench.publish(a, 1, 'x:1')
  bench.flush()
  bench.master.stop()
  bench.settle()
  bench.pass(1_000_000)
  t.same([bench.sent(a), bench.sent(b)].map(([only, more]) => [only?.kind, more]),
    [['joinAgain', undefined], ['joinAgain', undefined]], 'but that it is over')
  t.same(bench.questions, [])
  t.equal(bench.log.releaseCount, 1)
  t.equal(bench.master.channelCount, 0)
})

t.test('[4] an empty log is a new lineage: what stood in another cannot continue', async (t) => {
  const one = serving()
  const other = new PartitionBench(new SharedLog(), 1, 'other').settle()
  const { lineage } = standingOf(one)
  other.join(b, { from: standing(0, { lineage }) })
  t.same(ofKind(other.sent(b), 'joined'), [], 'that one may have begun since')
  other.settle()
  t.match(ofKind(other.sent(b), 'joined'), [{ isContinuation: false, backlog: [] }])
  t.not(standingOf(other).lineage, lineage)
})

t.test('[11] who was deposed tells nobody that its heir\'s lineage is none', async (t) => {
  const log = new SharedLog()
  const former = serving(log)
  new PartitionBench(log, 2, 'heir').settle()
  former.join(b, { from: standing(3, { lineage: 'begun since' }) })
  former.settle()
  t.same(former.sent(b).map(({ kind }) => kind).filter((kind) => kind !== 'joinAgain'), [])
})

t.test('[4] a record is missing: a new lineage, and nothing of before is shown', async (t) => {
  const log = new SharedLog()
  const first = serving(log)
  for (const no of [1, 2, 3]) {
    first.publish(a, no, `x:${no}`)
    first.settle()
  }
  const { lineage } = standingOf(first)
  log.records.splice(2, 1)
  const second = new PartitionBench(log, 2).settle()
  second.live(100_000)
  t.equal(second.notes.length > 0, true)
  second.join(b, { from: standing(1, { lineage }) })
  second.settle()
  t.match(ofKind(second.sent(b), 'joined'), [{ isContinuation: false }])
  t.not(standingOf(second).lineage, lineage)
})

t.test('[4] a lineage that ended inside the log: its channels are not those of the next',
  async (t) => {
    const log = new SharedLog()
    const first = serving(log)
    for (const no of [1, 2, 3]) first.publish(a, no, `x:${no}`)
    first.settle()
    const epoch = first.master.epoch + 1
    const claim: Entry = {
      kind: 'epoch', epoch, lineage: 'L2', startsLineage: true, viewVersion: 1,
      incarnation: 'n', workerGeneration: 1
    }
    const entry: Entry = {
      kind: 'publication', channel: CHANNEL, publication: publication(1, { id: 'n:1', entry: 6 })
    }
    for (const [at, each] of [claim, entry].entries()) {
      const previousSeq = log.lastSeq
      const head = { epoch, counter: at - 1, previousSeq, firstEntry: 5 + at, snapshotSeq: 0 }
      log.store(previousSeq, encodeAppend(head, [encodeEntry(each)]))
    }
    const second = new PartitionBench(log, 2).settle()
    t.same(second.notes, [], 'the chain is whole')
    t.match(standingOf(second), { lineage: 'L2', seq: 1 })
    second.join(b, { from: standing(0, { lineage: 'L2', epoch, entry: 5 }) })
    const [answer] = ofKind(second.sent(b), 'joined')
    t.same(answer!.backlog.map(({ id }) => id), ['n:1'])
  })

t.test('[5, C5] born again a channel starts above what was let go; old serials are refused',
  async (t) => {
    const bench = serving()
    for (const no of [1, 2, 3]) bench.publish(a, no, `x:${no}`)
    bench.settle()
    const before = standingOf(bench)
    for (const place of [a, b]) {
      const clientId = placeKey(place)
      bench.master.onMessage(place, { kind: 'part', channel: CHANNEL, clientId })
    }
    bench.live(limits.idKeptMs * 10)
    t.equal(bench.master.channelCount, 0)
    t.equal(bench.deadlines.nextMs(), Infinity, 'an idle partition costs nothing')
    bench.join(b, { from: { ...before, seq: 2, entry: 3 } })
    bench.settle()
    const [answer] = ofKind(bench.sent(b), 'joined')
    t.match(answer, { isContinuation: false, standing: { lineage: before.lineage, seq: 3 } })
    bench.join(a)
    bench.sent(b)
    bench.publish(a, 1, 'x:4')
    bench.settle()
    t.match(ofKind(bench.sent(b), 'deliver'), [{ publications: [{ seq: 4 }] }])
  })

t.test('[19] recovered from where it was born: what came before its birth is not claimed',
  async (t) => {
    const log = new SharedLog()
    const first = serving(log)
    for (const no of [1, 2, 3]) first.publish(a, no, `x:${no}`)
    first.settle()
    const stood = standingOf(first)
    for (const place of [a, b]) {
      const clientId = placeKey(place)
      first.master.onMessage(place, { kind: 'part', channel: CHANNEL, clientId })
    }
    first.live(limits.idKeptMs * 10)
    first.join(a, { channel: 'app/d' })
    first.settle()
    for (const no of [1, 2]) first.publish(a, no, `y:${no}`, 'app/d')
    first.settle()
    const second = new PartitionBench(log, 2).settle()
    const ask = (seq: number): (boolean | number)[] => {
      second.join(b, { channel: 'app/d', from: { ...stood, seq, entry: seq + 1 } })
      const { isContinuation, backlog } = ofKind(second.sent(b), 'joined')[0]!
      return [isContinuation, ...backlog.map((each) => each.seq)]
    }
    t.same([2, 3, 4, 5, 6].map(ask), [[false], [true, 4, 5], [true, 5], [true], [false]])
  })

t.test('[6, 25] the log is slow: refused at the bound, taken again when it has caught up',
  async (t) => {
    const bench = serving()
    const bytes = 64 * 1024
    const big = (no: number) => op(`x:${no}`, { payload: new Uint8Array(bytes) })
    let opNo = 0
    const refusedAt = (): number | undefined => {
      const results = ofKind(bench.sent(a), 'result')
      const refused = results.filter(({ outcome }) => outcome.kind === 'refused')
      for (const { outcome } of refused) t.match(outcome, { error: { code: 50005 } })
      return refused[0]?.opNo
    }
    bench.publish(a, ++opNo, big(opNo))
    bench.flush()
    while (refusedAt() === undefined && opNo < 1_000) bench.publish(a, ++opNo, big(opNo))
    t.ok(opNo > 2 && opNo * bytes < limits.waitingEntriesBytesMax + 5 * bytes)
    bench.settle()
    bench.sent(a)
    bench.publish(a, ++opNo, big(opNo))
    bench.settle()
    t.equal(refusedAt(), undefined)
    const kept = bench.log.content().filter((text) => !text.startsWith('snapshot'))
    t.equal(kept.length, opNo, 'an epoch, and all but the one that was refused')
  })
