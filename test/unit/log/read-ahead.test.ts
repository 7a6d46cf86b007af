import t from 'tap'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { Random } from '../../../src/base/random.ts'
import { Recovery } from '../../../src/log/recovery.ts'
import { epochOf } from '../../../src/peer/epoch.ts'
import { Author, TestLog } from './test-log.ts'

/** A recovery that is awaited, of a log that another master writes. */
function awaited(mayHold = true) {
  const log = new TestLog()
  const author = new Author(log)
  author.epoch = epochOf(1, 1)
  author.begin('l')
  author.publish(1)
  const found: string[] = []
  const claimant = {
    partition: 1, viewVersion: () => 2, incarnation: 'heir', workerGeneration: 1
  }
  const recovery = new Recovery(claimant, {
    onClaimed: (_, { entries }) => {
      for (const { entry } of entries) {
        found.push(entry.kind === 'publication' ? String(entry.publication.seq) : entry.kind)
      }
    },
    onViewHeard: () => undefined,
    note: (text) => t.fail(text)
  }, {
    log, deadlines: new Deadlines(), random: new Random('read ahead'), nowMs: () => 0,
    mayHold: () => mayHold
  }, true)
  return { log, author, recovery, found }
}

t.test('[12] who is warned reads to the end, and claims nothing', async (t) => {
  const { log, recovery } = awaited()
  t.notOk(recovery.isRead)
  log.answerAll()
  t.ok(recovery.isRead)
  t.ok(recovery.isAwaited)
  t.ok(recovery.heldBytes > 0)
  t.equal(log.records.length, 2)
})

t.test('[12, A17] it takes over by what came after, and no more', async (t) => {
  const { log, author, recovery, found } = awaited()
  log.answerAll()
  const readTo = log.lastSeq
  author.publish(2)
  recovery.claim()
  t.match(log.questions, [{ kind: 'read', from: readTo + 1 }])
  log.answerAll()
  t.same(found, ['epoch', '1', '2', 'epoch'])
  t.equal(recovery.heldBytes, 0)
})

t.test('[12] the former master\'s last sequence, if it was read, saves the reading', async (t) => {
  const { log, recovery, found } = awaited()
  log.answerAll()
  recovery.claim(log.lastSeq)
  t.match(log.questions, [{ kind: 'append', expectedSeq: log.lastSeq }])
  log.answerAll()
  t.same(found, ['epoch', '1', 'epoch'])
})

t.test('[2, 12] a word that is not true costs a reading: the log decides', async (t) => {
  const { log, author, recovery, found } = awaited()
  log.answerAll()
  const said = log.lastSeq
  author.publish(2)
  recovery.claim(said)
  log.answer()
  t.match(log.questions, [{ kind: 'read', from: said + 1 }], 'at once')
  log.answerAll()
  t.same(found, ['epoch', '1', '2', 'epoch'])
})

t.test('[A17] wanted before it has read, it is a takeover like any other', async (t) => {
  const { log, recovery, found } = awaited()
  recovery.claim()
  log.answerAll()
  t.same(found, ['epoch', '1', 'epoch'])
})

t.test('[25] what there is no room for is read when it is taken over', async (t) => {
  const { log, recovery, found } = awaited(false)
  log.answerAll()
  t.ok(recovery.isRead)
  t.equal(recovery.heldBytes, 0)
  recovery.claim()
  t.match(log.questions, [{ kind: 'read', from: 1 }])
  log.answerAll()
  t.same(found, ['epoch', '1', 'epoch'])
})
