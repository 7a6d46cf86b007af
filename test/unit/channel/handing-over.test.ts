import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
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
  t.same(kinds(), ['joinAgain'])
  world.log.answerAll()
  t.same(kinds(), [])
})
