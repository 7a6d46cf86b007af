/** The log of dev mode outlives the nodes of its process: what was acknowledged is not lost. */

import t from 'tap'
import { startDevRegion } from '../../src/commands/dev.ts'
import { ablyClient, until } from '../support/ably-clients.ts'

const CHANNEL_COUNT = 24

t.test('[A8] a node of three ends: no channel loses a message or its continuity', async (t) => {
  const region = await startDevRegion({
    nodes: 3, port: 0, host: '127.0.0.1', workers: 1, logLevel: 'silent'
  })
  t.teardown(() => region.stop())
  const client = (node: number) => ablyClient(t, region.urls[node]!, region.key)
  const [subscriber, publisher] = [client(0), client(1)]
  const names = Array.from({ length: CHANNEL_COUNT }, (_, no) => `survivor-${no}`)
  const heard = new Map(names.map((name) => [name, [] as string[]]))
  const losses: string[] = []
  for (const name of names) {
    const channel = subscriber.channels.get(name)
    await channel.subscribe(({ data }) => void heard.get(name)!.push(data))
    channel.on(['attached', 'update'], ({ resumed }) => {
      if (!resumed) losses.push(name)
    })
  }
  const publishAll = (data: string) => Promise.all(names.map((name) =>
    publisher.channels.get(name).publish('n', data)))
  await publishAll('before')
  await region.nodes[2]!.stop()
  // A third of the channels have no master now: these wait for the next one.
  await publishAll('during')
  await publishAll('after')
  await until('all are heard', () => [...heard.values()].every((all) => all.length === 3))
  for (const name of names) t.same(heard.get(name), ['before', 'during', 'after'], name)
  t.same(losses, [])
})
