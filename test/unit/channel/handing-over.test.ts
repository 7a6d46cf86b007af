import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { MASTER_LOOK_MS } from '../../../src/channel/serving.ts'
import { World } from './partition-world.ts'

const heir = { incarnation: 'heir', worker: 0 }

/** A master that serves, with a publish whose append is not answered. */
function underWay() {
  const world = new World()
  const life = world.master()
  life.join()
  life.publish('a:0')
  world.log.questions.length = 0
  life.tell({
    kind: 'publish', channel: 'app/c', clientId: 'k', epoch: life.master.epoch, opNo: 2,
    answeredThrough: 1,
    op: {
      id: 'a:1', idSpace: 'connection', connectionId: 'a', messageCount: 1,
      payload: new Uint8Array(10)
    }
  })
  const kinds = (): string[] => life.said.splice(0).map(({ kind }) => kind)
  kinds()
  return { world, life, kinds }
}

t.test('[12] what is under way is written and told, then the heir may go on', async (t) => {
  const { world, life, kinds } = underWay()
  life.master.handOver(heir)
  t.same(kinds(), [], 'not yet')
  world.log.answerAll()
  t.same(kinds(), ['result', 'deliver', 'handedOver', 'joinAgain'])
  const next = world.master()
  t.equal(next.join()!.standing.seq, 2)
})

t.test('[12] the heir is told where the log ends', async (t) => {
  const { world, life } = underWay()
  life.settle()
  life.master.handOver(heir)
  t.match(life.said.find(({ kind }) => kind === 'handedOver'), { lastSeq: world.log.lastSeq })
})

t.test('[12, 2] an heir that does not wait deposes it, and nothing is said twice', async (t) => {
  const { world, life, kinds } = underWay()
  life.master.handOver(heir)
  const [append] = world.log.questions.splice(0)
  const next = world.master()
  next.join()
  world.log.questions.push(append!)
  world.log.answerAll()
  t.same(kinds(), ['joinAgain'])
  t.ok(life.isDeposed)
  t.equal(next.join()!.standing.seq, 1, 'what was under way is sent again by its client')
})

t.test('[12, 25] a log that does not answer is not waited for', async (t) => {
  const { world, life, kinds } = underWay()
  life.master.handOver(heir)
  world.nowMs += limits.handOverMs
  world.deadlines.fire(world.nowMs)
  t.same(kinds(), ['handedOver', 'joinAgain'])
  world.log.answerAll()
  t.same(kinds(), [])
})

/** A master that serves, and another one that took it for gone and has written since. */
function takenForGone() {
  const world = new World()
  const life = world.master()
  life.join()
  life.publish('a:0')
  life.said.length = 0
  const other = world.master()
  other.join()
  other.publish('b:0')
  return { world, life, other }
}

t.test('[3, 10] who took a master for gone tells it so, and the log deposes it', async (t) => {
  const { life, other, world } = takenForGone()
  other.master.handOver(heir)
  const told = other.said.find((each) => each.kind === 'handedOver')
  t.match(told, { lastSeq: world.log.lastSeq })
  life.master.takeOver(told?.lastSeq)
  life.settle()
  t.ok(life.isDeposed)
  t.same(life.said.map(({ kind }) => kind), ['joinAgain'])
})

t.test('[3, 10] what was under way when that came may have landed before it', async (t) => {
  const world = new World()
  const life = world.master()
  life.join()
  world.nowMs += limits.confirmedMs + 1
  world.isLogAway = true
  life.join()
  const [confirm] = world.log.questions.splice(0)
  const outcome = world.log.store(confirm!)
  world.isLogAway = false
  const other = world.master()
  other.join()
  other.publish('b:0')
  life.master.takeOver(world.log.lastSeq)
  world.log.questions.push(confirm!)
  world.log.answer(outcome)
  life.settle()
  t.ok(life.isDeposed)
})

t.test('[12] an heir that has written since is told nothing new', async (t) => {
  const world = new World()
  const life = world.master()
  life.join()
  const { lastSeq } = world.log
  life.publish('a:0')
  const { length } = world.log.records
  life.master.takeOver(lastSeq)
  life.settle()
  t.equal(world.log.records.length, length)
})

t.test('[3, 11] a master that writes nothing looks whether the log is still its own', async (t) => {
  const { life, world } = takenForGone()
  world.pass(2 * MASTER_LOOK_MS, life)
  t.ok(life.isDeposed)
  t.match(life.said.map(({ kind }) => kind), ['joinAgain'])
})

t.test('[6, 11] and writes nothing for that, where it is so', async (t) => {
  const world = new World()
  const life = world.master()
  life.join()
  const looks = () => world.log.asked.filter(({ kind }) => kind === 'read').length
  const before = looks()
  const { lastSeq } = world.log
  world.pass(3 * MASTER_LOOK_MS, life)
  t.ok(looks() - before >= 2 && looks() - before <= 6, `${looks() - before} looks`)
  t.equal(world.log.lastSeq, lastSeq)
  t.notOk(life.isDeposed)
})

t.test('[11] nobody who could miss anything: it does not look', async (t) => {
  const { life, world } = takenForGone()
  life.tell({ kind: 'part', channel: 'app/c', clientId: 'k' })
  world.pass(2 * MASTER_LOOK_MS, life)
  t.notOk(life.isDeposed)
})
