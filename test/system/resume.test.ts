import t from 'tap'
import { startDevRegion } from '../../src/commands/dev.ts'
import { ablyClient, until } from '../support/ably-clients.ts'
import { Cable } from '../support/cable.ts'

t.test('[D8] a node leaves: its clients go on elsewhere, as the same connections', async (t) => {
  const region = await startDevRegion({
    nodes: 2, port: 0, host: '127.0.0.1', workers: 2, logLevel: 'silent'
  })
  t.teardown(() => region.stop())
  const [home, other] = region.urls as [string, string]
  const cable = await Cable.to(t, home)
  const clients = Array.from({ length: 5 }, () => ablyClient(t, cable.url, region.key))
  await Promise.all(clients.map((client) => client.connection.once('connected')))
  const ids = clients.map(({ connection }) => connection.id)
  const publisher = ablyClient(t, other, region.key).channels.get('leaving')
  const received: string[][] = clients.map(() => [])
  await Promise.all(clients.map((client, at) => {
    return client.channels.get('leaving').subscribe(({ data }) => void received[at]!.push(data))
  }))
  await publisher.publish('n', 'before')
  await until('the first', () => received.every(({ length }) => length === 1))
  const codes: unknown[] = []
  const back = clients.map(async ({ connection }) => {
    codes.push((await connection.once('disconnected')).reason?.statusCode)
    await connection.once('connected')
  })
  cable.lead(other)
  await Promise.all([region.nodes[0]!.drain(), ...back])
  t.same(codes, clients.map(() => 503))
  t.same(clients.map(({ connection }) => connection.id), ids)
  await until('all are attached', () => clients.every((client) => {
    return client.channels.get('leaving').state === 'attached'
  }))
  await publisher.publish('n', 'after')
  await until('the rest', () => received.every((each) => each.includes('after')))
  for (const each of received) t.same(each, ['before', 'after'])
})
