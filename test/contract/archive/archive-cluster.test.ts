/*
The replicated archive in a failing world: servers that die, stand still, lose their disks or have
no room. What was acknowledged is there, once and in order; what was not may be asked about again.
*/

import t, { type Test } from 'tap'
import type { Shelf } from '../../../src/log/archive.ts'
import type { LogPlan } from '../../../src/node/member-ports.ts'
import type { Archive } from '../../../src/node/ports.ts'
import { archiveStreamName, streamIndexOf } from '../../../src/store/log-names.ts'
import { type NatsCluster, startNatsCluster } from '../../support/nats-cluster.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { TcpGate } from '../../support/tcp-gate.ts'
import { missingTools } from '../../support/tools.ts'
import { JetStreamWorld, PREFIX, until } from '../log/jetstream-world.ts'
import { bytesOf, stored, text } from '../log/log-contract.ts'
import { Scribe, type Scroll } from '../log/scribe.ts'
import { archiveContract, kept } from './archive-contract.ts'

const skip = missingTools('nats-server')
t.setTimeout(240_000)
const PLAN: LogPlan = { generation: 'g1', streamCount: 2, redundancy: 3 }
const SINGLE: LogPlan = { generation: 'g1', streamCount: 1, redundancy: 1 }
const HOUR_MS = 3_600_000
const PAGE = 256
const SERVERS = [0, 1, 2]

/** What tests of the cluster need; each leaves it whole. */
interface Region {
  readonly cluster: NatsCluster
  readonly world: JetStreamWorld
  fresh(): Shelf
}

function shelfScroll(archive: Archive, shelf: Shelf): Scroll {
  return {
    append: (expectedSeq, bytes) => archive.append(shelf, expectedSeq, bytes, HOUR_MS),
    next: async (seq) => {
      const outcome = await archive.next(shelf, seq)
      return outcome.kind === 'record' ? outcome.record : undefined
    }
  }
}

function leaderOf({ world }: Region, { partition }: Shelf): Promise<number> {
  return world.leaderOf(archiveStreamName(PREFIX, PLAN, streamIndexOf(partition, PLAN)))
}

/** All that a shelf has, read page by page; undefined while that cannot be read. */
async function wordsOn(archive: Archive, shelf: Shelf): Promise<string[] | undefined> {
  const words: string[] = []
  for (let from = 1; ;) {
    const page = await archive.page(shelf, from, PAGE)
    if (page.kind !== 'page') return undefined
    words.push(...page.records.map(({ bytes }) => text(bytes)))
    if (page.isEnd) return words
    from = page.records.at(-1)!.seq + 1
  }
}

/** What was acknowledged is there, once, in order: from any copy once it does not lag. */
async function keptWhole(
  t: Test, { world }: Region, shelf: Shelf, { acknowledged }: Scribe
): Promise<void> {
  const archive = await world.archive(PLAN)
  let words: string[] | undefined
  await until('the copies agree', async () => {
    words = await wordsOn(archive, shelf)
    return words !== undefined && words.length >= acknowledged.length
  })
  t.same(words, acknowledged)
}

/** Writes on a shelf while `happens`, and asserts that all of it is there. */
async function writtenThrough(
  t: Test, region: Region, servers: readonly string[] | undefined,
  happens: (scribe: Scribe, shelf: Shelf) => Promise<void>, shelf = region.fresh()
): Promise<void> {
  const options = servers === undefined ? {} : { servers: [...servers] }
  const scribe = new Scribe(shelfScroll(await region.world.archive(PLAN, options), shelf))
  const run = scribe.run()
  await scribe.more(50)
  await happens(scribe, shelf)
  await scribe.more(50)
  scribe.enough()
  await run
  await keptWhole(t, region, shelf, scribe)
}

t.test('the replicated archive on three servers', { skip }, async (t) => {
  const cluster = await startNatsCluster(3)
  t.teardown(() => cluster.stop())
  const world = new JetStreamWorld(t, cluster.urls)
  await world.make(PLAN)
  let partition = 1_000
  const fresh = (): Shelf => ({ partition: partition++, channel: 'app/a', of: 'messages' })
  const region = { cluster, world, fresh }

  await archiveContract(t, { open: () => world.archive(PLAN) })

  await t.test('[22] a copy dies and comes back', (t) =>
    writtenThrough(t, region, undefined, async (scribe, shelf) => {
      const follower = (await leaderOf(region, shelf) + 1) % 3
      await cluster.kill(follower)
      await scribe.more(50)
      await cluster.start(follower)
    }))

  await t.test('[22] the leader dies in mid-append: the same bytes again find out', (t) =>
    writtenThrough(t, region, undefined, async (scribe, shelf) => {
      const leader = await leaderOf(region, shelf)
      await cluster.kill(leader)
      await scribe.more(50)
      await cluster.start(leader)
    }))

  await t.test('[22] a server is lost with its disk, and then another one', (t) =>
    writtenThrough(t, region, undefined, async (scribe, shelf) => {
      const streams = await world.streams()
      const leader = await leaderOf(region, shelf)
      for (const lost of [leader, (leader + 1) % 3]) {
        await cluster.lose(lost)
        await scribe.more(50)
        await cluster.start(lost)
        await world.untilCopied(streams, PLAN)
      }
    }))

  await t.test('[22] a leader that stood still stores nothing late', async (t) => {
    const shelf = fresh()
    const leader = await leaderOf(region, shelf)
    const others = cluster.urls.filter((_, index) => index !== leader)
    const former = await world.archive(PLAN, { servers: [cluster.urls[leader]!] })
    await writtenThrough(t, region, others, async (scribe) => {
      await cluster.freeze(leader)
      try {
        const late = former.append(shelf, scribe.lastSeq, bytesOf('late'), HOUR_MS)
        t.match(await late, { kind: 'unknown' }, 'it waits in the sockets of who stands still')
        await scribe.more(20)
      } finally {
        cluster.thaw(leader)
      }
    }, shelf)
  })

  await t.test('[22] without a majority nothing is acknowledged, and nothing lost', async (t) => {
    const shelf = fresh()
    const leader = await leaderOf(region, shelf)
    const others = SERVERS.filter((index) => index !== leader)
    await writtenThrough(t, region, [cluster.urls[leader]!], async (scribe) => {
      await Promise.all(others.map((index) => cluster.kill(index)))
      scribe.outcomes.length = 0
      await until('an append without an outcome', async () => scribe.outcomes.includes('unknown'))
      const before = scribe.acknowledged.length
      await until('one more try', async () => scribe.outcomes.length > 2)
      t.equal(scribe.acknowledged.length, before)
      await Promise.all(others.map((index) => cluster.start(index)))
    }, shelf)
  })

  await t.test('[22] all die at once and start on their disks', (t) =>
    writtenThrough(t, region, undefined, async () => {
      await Promise.all(SERVERS.map((index) => cluster.kill(index)))
      await Promise.all(SERVERS.map((index) => cluster.start(index)))
    }))
})

t.test('[22] a server that does not answer keeps nobody waiting', { skip }, async (t) => {
  const server = await startNatsServer({ jetstream: true })
  t.teardown(() => server.stop())
  const gate = await TcpGate.before(server.port)
  t.teardown(() => gate.shut())
  const world = new JetStreamWorld(t, [server.url])
  await world.make(SINGLE)
  const shelf = { partition: 1, channel: 'app/a', of: 'messages' as const }
  const archive = await world.archive(SINGLE, { servers: [`nats://127.0.0.1:${gate.port}`] })
  const first = await kept(archive, shelf, 0, 'a')
  gate.isSwallowing = true
  const [appended, page, last] = await Promise.all([
    archive.append(shelf, first, bytesOf('b'), HOUR_MS), archive.page(shelf, 1, 5),
    archive.last(shelf)
  ])
  t.match([appended, page, last],
    [{ kind: 'unknown' }, { kind: 'unreadable' }, { kind: 'unreadable' }])
  gate.isSwallowing = false
  await until('it is stored', async () =>
    ['appended', 'conflict'].includes((await archive.append(shelf, first, bytesOf('b'),
      HOUR_MS)).kind))
  t.same(await wordsOn(archive, shelf), ['a', 'b'])
})

t.test('[22] an archive beyond what it may take is not the log\'s trouble', { skip }, async (t) => {
  const server = await startNatsServer({ jetstream: true })
  t.teardown(() => server.stop())
  const world = new JetStreamWorld(t, [server.url])
  await world.make(SINGLE)
  const shelf = { partition: 1, channel: 'app/a', of: 'messages' as const }
  const archive = await world.archive(SINGLE)
  const log = await world.log(SINGLE)
  const first = await kept(archive, shelf, 0, 'a')
  const manager = await (await world.join()).jetstreamManager({ checkAPI: false })
  const name = archiveStreamName(PREFIX, SINGLE, 0)
  const { config } = await manager.streams.info(name)
  await manager.streams.update(name, { ...config, max_bytes: 1_000 })
  const large = 'x'.repeat(5_000)
  const full = await archive.append(shelf, first, bytesOf(large), HOUR_MS)
  t.match(full.kind, /^(refused|unknown)$/, 'it is not said to be stored')
  t.same(await wordsOn(archive, shelf), ['a'], 'what is there stays, and can be read')
  t.ok(await stored(log, 1, 0, large) > 0, 'the log goes on')
  await manager.streams.update(name, config)
  await kept(archive, shelf, first, large)
  t.same(await wordsOn(archive, shelf), ['a', large])
})
