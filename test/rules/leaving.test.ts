import { ablyClient, until } from '../support/ably-clients.ts'
import { Cable } from '../support/cable.ts'
import { PlainSocket } from '../support/plain-socket.ts'
import { ruleFile } from './support/rule.ts'

const OTHERS = 5

ruleFile('leaving', (rule) => {
  rule('N13', 'a node that leaves sends everybody elsewhere', async (t, on) => {
    const leaving = on.format === 'json' ? 1 : 2
    const name = on.name('moved')
    const publisher = on.client(t, 0).channels.get(name)
    const cable = await Cable.to(t, on.url(leaving))
    const useBinaryProtocol = on.format === 'msgpack'
    const client = ablyClient(t, cable.url, on.key, { useBinaryProtocol })
    const channel = client.channels.get(name)
    const heard: unknown[] = []
    await channel.subscribe(({ data }) => void heard.push(data))
    const others = await Promise.all(
      Array.from({ length: OTHERS }, () => on.socket(t, leaving)))
    await publisher.publish('n', 'before')
    const { id } = client.connection
    cable.lead(on.url(0))
    const disconnected = client.connection.once('disconnected')
    const connected = client.connection.once('connected')
    const wanted = { code: 50005, statusCode: 503 }
    void on.region.nodes[leaving]!.drain()
    for (const other of others) {
      t.match((await other.next(({ action }) => action === 6)).error, wanted)
      await other.ended
    }
    t.match((await disconnected).reason, wanted)
    await publisher.publish('n', 'meanwhile')
    t.equal((await connected).reason, undefined)
    t.equal(client.connection.id, id)
    await channel.publish('n', 'after')
    await until('all', () => heard.includes('after'))
    t.same(heard, ['before', 'meanwhile', 'after'])
    const { format, key } = on
    const newcomer = PlainSocket.open(t, on.url(leaving), { format, params: { key } })
    t.match(await newcomer.next(() => true), { action: 6, error: wanted })
    await newcomer.ended
    const { connectionDetails, connectionId } = others[0]!.all[0]!
    const resume = connectionDetails!['connectionKey'] as string
    const back = await on.socket(t, 0, { params: { resume } })
    t.match(back.all[0], { connectionId, error: undefined })
  })
})
