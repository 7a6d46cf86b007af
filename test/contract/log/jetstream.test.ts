import t from 'tap'
import { startNatsServer } from '../../support/nats-server.ts'
import { missingTools } from '../../support/tools.ts'
import { JetStreamWorld } from './jetstream-world.ts'
import { freshPartitions, logContract } from './log-contract.ts'

const skip = missingTools('nats-server')
const PLAN = { generation: 'g1', streamCount: 3, redundancy: 1 }

t.test('the replicated log on one server', { skip }, async (t) => {
  const server = await startNatsServer({ jetstream: true })
  t.teardown(() => server.stop())
  const world = new JetStreamWorld(t, [server.url])
  await world.make(PLAN)
  await logContract(t, { fresh: freshPartitions(), open: () => world.log(PLAN) })
})
