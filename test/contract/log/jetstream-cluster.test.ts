import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { LogPlan } from '../../../src/node/member-ports.ts'
import type { Log } from '../../../src/node/ports.ts'
import { COPY_SILENT_MS } from '../../../src/store/jetstream-streams.ts'
import { archiveStreamName, streamIndexOf, streamName } from '../../../src/store/log-names.ts'
import { type NatsCluster, startNatsCluster } from '../../support/nats-cluster.ts'
import { missingTools } from '../../support/tools.ts'
import { JetStreamWorld, PREFIX, until, untilFine } from './jetstream-world.ts'
import {
  bytesOf, freshPartitions, logContract, readAll, storedAll, wordsIn
} from './log-contract.ts'
import { partitionScroll, Scribe } from './scribe.ts'

const skip = missingTools('nats-server')
t.setTimeout(240_000)
/** What was last said of a copy may come in after its end. */
const COPY_SLACK_MS = 500
const PLAN: LogPlan = { generation: 'g1', streamCount: 2, redundancy: 3 }

/** One cluster for all tests of this file: each leaves it whole. */
async function region(
  t: Test, servers = 3, plan = PLAN
): Promise<{ cluster: NatsCluster; world: JetStreamWorld }> {
  const cluster = await startNatsCluster(servers)
  t.teardown(() => cluster.stop())
  const world = new JetStreamWorld(t, cluster.urls)
  await world.make(plan)
  return { cluster, world }
}

/** Which server leads the stream of `partition`, once one does. */
function leaderOf(world: JetStreamWorld, partition: number, plan = PLAN): Promise<number> {
  return world.leaderOf(streamName(PREFIX, plan, streamIndexOf(partition, plan)))
}

t.test('the replicated log on three servers', { skip }, async (t) => {
  const { cluster, world } = await region(t)
  const fresh = freshPartitions()

  await logContract(t, { fresh, open: () => world.log(PLAN) })

  await t.test('[1] the number of copies follows the plan on a live log', async (t) => {
    const plan = { generation: 'g2', streamCount: 1, redundancy: 1 }
    const more = { ...plan, redundancy: 3 }
    const streams = await world.make(plan)
    const log = await world.log(plan)
    const lastSeq = await storedAll(log, 0, ['one', 'two'])
    t.match(await streams.setCopies({ ...plan, redundancy: 5 }), /redundancy 5 needs as many/)
    await untilFine('three copies', () => streams.setCopies(more))
    await until('an append', async () => {
      return (await log.append(0, lastSeq, bytesOf('three'))).kind !== 'unknown'
    })
    t.same(await settledWords(await world.log(more), 0, 3), ['one', 'two', 'three'])
    await untilFine('one copy', () => streams.setCopies(plan))
    const after = await world.log(plan)
    t.same(await settledWords(after, 0, 3), ['one', 'two', 'three'])
    const lastKept = (await readAll(after, 0)).at(-1)!.seq
    await until('an append', async () => {
      return (await after.append(0, lastKept, bytesOf('four'))).kind !== 'unknown'
    })
    t.same(await settledWords(after, 0, 4), ['one', 'two', 'three', 'four'])
  })

  await t.test('a copy whose server is gone is none, and one again when it is back', async (t) => {
    const plan = { generation: 'g3', streamCount: 1, redundancy: 3 }
    const streams = await world.make(plan)
    const names = [streamName(PREFIX, plan, 0), archiveStreamName(PREFIX, plan, 0)]
    const leaders = await Promise.all(names.map((name) => world.leaderOf(name)))
    const follower = [0, 1, 2].find((index) => !leaders.includes(index))!
    await cluster.kill(follower)
    await delay(COPY_SILENT_MS + COPY_SLACK_MS)
    t.match(await streams.setCopies(plan), new RegExp(`waits for its copies on n${follower}`))
    await cluster.start(follower)
    await world.untilCopied(streams, plan)
  })

  await t.test('a server is lost with its disk: an empty one in its place has all', async (t) => {
    const partition = fresh()
    const streams = await world.streams()
    const leader = await leaderOf(world, partition)
    const scribe = scribeOf(await world.log(PLAN), partition)
    const run = scribe.run()
    await scribe.more(50)
    await cluster.lose(leader)
    await scribe.more(50)
    await cluster.start(leader)
    await world.untilCopied(streams, PLAN)
    // Now another one may go: what it held alone with the lost one is on the new disk.
    const other = (leader + 1) % 3
    await cluster.lose(other)
    await scribe.more(50)
    scribe.enough()
    await run
    await storedWhole(t, world, partition, scribe)
    await cluster.start(other)
    await world.untilCopied(streams, PLAN)
  })

  await t.test('[A3] a copy dies and comes back: nothing is lost or repeated', async (t) => {
    const partition = fresh()
    const leader = await leaderOf(world, partition)
    const follower = (leader + 1) % 3
    const others = cluster.urls.filter((_, index) => index !== follower)
    const scribe = scribeOf(await world.log(PLAN, { servers: others }), partition)
    const run = scribe.run()
    await scribe.more(50)
    await cluster.kill(follower)
    await scribe.more(50)
    await cluster.start(follower)
    await scribe.more(50)
    scribe.enough()
    await run
    await storedWhole(t, world, partition, scribe)
  })

  await t.test('[A3] the leader dies in mid-append: the same bytes again find out', async (t) => {
    const partition = fresh()
    const leader = await leaderOf(world, partition)
    const scribe = scribeOf(await world.log(PLAN), partition)
    const run = scribe.run()
    await scribe.more(50)
    await cluster.kill(leader)
    await scribe.more(50)
    await cluster.start(leader)
    await scribe.more(50)
    scribe.enough()
    await run
    await storedWhole(t, world, partition, scribe)
  })

  await t.test('[A3] a leader that stood still stores nothing late', async (t) => {
    const partition = fresh()
    const leader = await leaderOf(world, partition)
    const others = cluster.urls.filter((_, index) => index !== leader)
    const scribe = scribeOf(await world.log(PLAN, { servers: others }), partition)
    const former = await world.log(PLAN, { servers: [cluster.urls[leader]!] })
    const run = scribe.run()
    await scribe.more(20)
    await cluster.freeze(leader)
    try {
      const late = former.append(partition, scribe.lastSeq, bytesOf('late'))
      t.match(await late, { kind: 'unknown' }, 'it waits in the sockets of who stands still')
      await scribe.more(20)
    } finally {
      cluster.thaw(leader)
    }
    await scribe.more(20)
    scribe.enough()
    await run
    await storedWhole(t, world, partition, scribe)
  })

  await t.test('[H1] without a majority nothing is stored, and nothing forgotten', async (t) => {
    const partition = fresh()
    const leader = await leaderOf(world, partition)
    const [a, b] = [(leader + 1) % 3, (leader + 2) % 3] as const
    const log = await world.log(PLAN, { servers: [cluster.urls[leader]!] })
    const scribe = scribeOf(log, partition)
    const run = scribe.run()
    await scribe.more(20)
    await Promise.all([cluster.kill(a), cluster.kill(b)])
    scribe.outcomes.length = 0
    await until('an append without an outcome', async () => scribe.outcomes.includes('unknown'))
    const before = scribe.acknowledged.length
    await until('one more try', async () => scribe.outcomes.length > 2)
    t.equal(scribe.acknowledged.length, before)
    await Promise.all([cluster.start(a), cluster.start(b)])
    await scribe.more(20)
    scribe.enough()
    await run
    await storedWhole(t, world, partition, scribe)
  })

  await t.test('[A4] all die at once and start on their disks: all is there', async (t) => {
    const partition = fresh()
    const scribe = scribeOf(await world.log(PLAN), partition)
    const run = scribe.run()
    await scribe.more(200)
    await Promise.all([0, 1, 2].map((index) => cluster.kill(index)))
    await Promise.all([0, 1, 2].map((index) => cluster.start(index)))
    await scribe.more(50)
    scribe.enough()
    await run
    await storedWhole(t, world, partition, scribe)
  })
})

t.test('five copies on five servers: any two are lost with their disks', { skip }, async (t) => {
  const plan = { ...PLAN, streamCount: 1, redundancy: 5 }
  const { cluster, world } = await region(t, 5, plan)
  const partition = 7
  const scribe = scribeOf(await world.log(plan), partition)
  const run = scribe.run()
  await scribe.more(50)
  const leader = await leaderOf(world, partition, plan)
  await Promise.all([cluster.lose(leader), cluster.lose((leader + 1) % 5)])
  await scribe.more(50)
  scribe.enough()
  await run
  await storedWhole(t, world, partition, scribe, plan)
})

function scribeOf(log: Log, partition: number): Scribe {
  return new Scribe(partitionScroll(log, partition))
}

/** What is read once no copy lags any more: a read alone proves no end. */
async function settledWords(log: Log, partition: number, count: number): Promise<string[]> {
  await until('the copies agree', async () => {
    const outcome = await log.read(partition, 1)
    return outcome.kind === 'page' && (await readAll(log, partition)).length >= count
  })
  return wordsIn(log, partition)
}

/** What was acknowledged is there, once, in order. */
async function storedWhole(
  t: Test, world: JetStreamWorld, partition: number, { acknowledged }: Scribe, plan = PLAN
): Promise<void> {
  const words = await settledWords(await world.log(plan), partition, acknowledged.length)
  t.same(words, acknowledged)
}
