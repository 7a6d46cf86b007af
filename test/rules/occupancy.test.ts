import type * as Ably from 'ably'
import type { Test } from 'tap'
import { errorOf, until } from '../support/ably-clients.ts'
import { ruleFile, type Stage } from './support/rule.ts'

type Metrics = Readonly<Record<string, number>>

/** What a client of `node` is told of the occupancy of a channel, latest last. */
async function watch(
  t: Test, on: Stage, node: number, name: string, occupancy = 'metrics'
): Promise<{ told: Ably.InboundMessage[]; channel: Ably.RealtimeChannel }> {
  const channel = on.client(t, node).channels.get(name, { params: { occupancy } })
  const told: Ably.InboundMessage[] = []
  await channel.subscribe('[meta]occupancy', (message) => void told.push(message))
  return { told, channel }
}

/** The metrics that were told last. */
function metricsOf(told: readonly Ably.InboundMessage[]): Metrics {
  return (told.at(-1)?.data as { metrics?: Metrics } | undefined)?.metrics ?? {}
}

function isTold(told: readonly Ably.InboundMessage[], wanted: Metrics): boolean {
  const metrics = metricsOf(told)
  return Object.entries(wanted).every(([name, value]) => metrics[name] === value)
}

ruleFile('occupancy', (rule) => {
  rule('O1', 'all metrics, on attach and on change, of attachments on all nodes', async (t, on) => {
    const name = on.name('all')
    const { told } = await watch(t, on, 2, name)
    const one = { connections: 1, publishers: 1, subscribers: 1, presenceConnections: 1,
      presenceSubscribers: 1, presenceMembers: 0, objectPublishers: 0, objectSubscribers: 0 }
    await until('the first', () => isTold(told, one), 5_000)
    t.same(metricsOf(told), one)
    t.equal(told[0]!.action, 'meta')
    const ears = on.client(t, 0).channels.get(name, { modes: ['SUBSCRIBE'] })
    const mouth = on.client(t, 1, { clientId: 'ann' }).channels.get(name,
      { modes: ['PUBLISH', 'PRESENCE'] })
    await Promise.all([ears.attach(), mouth.attach()])
    await mouth.presence.enter()
    const all = { connections: 3, publishers: 2, subscribers: 2, presenceConnections: 2,
      presenceSubscribers: 1, presenceMembers: 1, objectPublishers: 0, objectSubscribers: 0 }
    await until('three', () => isTold(told, all), 5_000)
    t.same(metricsOf(told), all)
    await Promise.all([ears.detach(), mouth.detach()])
    await until('one again', () => isTold(told, one), 5_000)
  })

  rule('O2', 'one category, two, unknown ones', async (t, on) => {
    const name = on.name('some')
    const one = await watch(t, on, 0, name, 'metrics.subscribers')
    const two = await watch(t, on, 1, name, 'metrics.presenceMembers,metrics.publishers')
    await until('both', () => isTold(one.told, { subscribers: 2 }) &&
      isTold(two.told, { publishers: 2 }), 5_000)
    t.same(metricsOf(one.told), { subscribers: 2 })
    t.same(metricsOf(two.told), { presenceMembers: 0, publishers: 2 })
    t.same(one.channel.params, { occupancy: 'metrics.subscribers' })
    const none = on.client(t, 1).channels.get(name, { params: { occupancy: 'metrics.nobody' } })
    t.equal((await errorOf(none.attach())).code, 40003)
  })

  rule('O3', 'who did not ask is not told, and nobody is told by history', async (t, on) => {
    const name = on.name('deaf')
    const heard: Ably.InboundMessage[] = []
    const plain = on.client(t, 1).channels.get(name)
    await plain.subscribe((message) => void heard.push(message))
    const { told } = await watch(t, on, 2, name)
    await until('told', () => isTold(told, { connections: 2 }), 5_000)
    const late: Ably.InboundMessage[] = []
    const rewound = on.client(t, 1).channels.get(name, { params: { rewind: '10' } })
    await rewound.subscribe((message) => void late.push(message))
    await plain.publish('e', 'last')
    await until('last', () => heard.length > 0 && late.length > 0)
    t.same(heard.map(({ data }) => data), ['last'])
    t.same(late.map(({ data }) => data), ['last'])
  })

  rule('O4', 'without channel-metadata, or without SUBSCRIBE', async (t, on) => {
    const { keys } = await on.app({ keys: [{ capability: '{"*":["subscribe","publish"]}' }] })
    const params = { occupancy: 'metrics' }
    const denied = on.client(t, 1, {}, keys[0]).channels.get('c', { params })
    t.equal((await errorOf(denied.attach())).code, 40160)
    const name = on.name('mute')
    const socket = await on.socket(t, 1)
    socket.send({ action: 10, channel: name, params, flags: 1 << 17 })
    await socket.next(({ action }) => action === 11)
    const { told } = await watch(t, on, 2, name)
    await until('told', () => isTold(told, { connections: 2, subscribers: 1 }), 5_000)
    socket.send({ action: 0, id: 'still there' })
    const next = await socket.next(({ action }) => action === 0 || action === 15)
    t.equal(next.action, 0)
  })
})
