import t from 'tap'
import { startDevRegion } from '../../src/commands/dev.ts'
import { ablyClient, presentWhen } from '../support/ably-clients.ts'

t.test('one node with two workers: members of either are one set', async (t) => {
  const region = await startDevRegion({
    nodes: 1, port: 0, host: '127.0.0.1', workers: 2, logLevel: 'silent'
  })
  t.teardown(() => region.stop())
  const clients = Array.from({ length: 8 }, (_, no) =>
    ablyClient(t, region.urls[0]!, region.key, { clientId: `c${no}` }))
  await Promise.all(clients.map((client) => client.channels.get('threads').presence.enter()))
  const wanted = clients.map((_, no) => `c${no}`)
  for (const client of clients) {
    const channel = client.channels.get('threads')
    const members = await presentWhen(channel, ({ length }) => length === wanted.length)
    t.same(members.map(({ clientId }) => clientId).sort(), wanted)
  }
})
