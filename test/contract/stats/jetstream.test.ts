import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { ensureStatsStream, JetStreamStats } from '../../../src/store/jetstream-stats.ts'
import { startNatsServer } from '../../support/nats-server.ts'
import { missingTools } from '../../support/tools.ts'
import { JetStreamWorld, PREFIX } from '../log/jetstream-world.ts'
import { bytesOf, listed, statsContract } from './stats-contract.ts'

const skip = missingTools('nats-server')

t.test('statistics in JetStream', { skip }, async (t) => {
  const server = await startNatsServer({ jetstream: true })
  t.teardown(() => server.stop())
  const world = new JetStreamWorld(t, [server.url])
  const connection = await world.join()
  const stream = { connection, prefix: PREFIX, redundancy: 1 }
  const open = async (): Promise<JetStreamStats> => new JetStreamStats(await world.join(), PREFIX)

  await t.test('before there is a stream nothing is written and nothing read', async (t) => {
    const store = await open()
    t.equal((await store.put('a/tally/m', 0, bytesOf('x'), 1_000)).kind, 'refused')
    t.equal(await store.list('a/tally/', 0), undefined)
    t.equal(await store.names('a/tally/'), undefined)
    t.equal(await store.remove('a/tally/m'), false)
  })

  await t.test('whoever comes first makes it, and the others find it', async (t) => {
    const problems = await Promise.all([1, 2, 3].map(() => ensureStatsStream(stream)))
    t.same(problems, [undefined, undefined, undefined])
    t.match(await ensureStatsStream({ ...stream, redundancy: 3 }), /stats/, 'one server, one copy')
  })

  await statsContract(t, open)

  await t.test('records are gone when their time is over', async (t) => {
    const store = await open()
    await store.put('x/tally/1', 0, bytesOf('x'), 1_000)
    await store.put('x/tally/2', 0, bytesOf('y'), 60_000)
    t.equal((await listed(store, 'x/tally/')).length, 2)
    for (let tries = 0; tries < 50; tries++) {
      if ((await store.names('x/tally/'))?.length === 1) break
      await delay(100)
    }
    t.same(await listed(store, 'x/tally/'), ['x/tally/2 y'])
    t.match(await store.put('x/tally/1', 0, bytesOf('z'), 60_000), { kind: 'written' })
  })
})
