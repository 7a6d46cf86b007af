import type { Test } from 'tap'
import { until } from '../support/ably-clients.ts'
import type { PlainSocket, Told } from '../support/plain-socket.ts'
import { ruleFile, type Stage } from './support/rule.ts'

const MESSAGE = 15
/** Long enough for all that a test does within it, on a slow machine too. */
const INTERVAL_MS = 4_000

/** A key of an app in which these namespaces put messages together. */
async function keyOf(on: Stage): Promise<string> {
  const batchingEnabled = true
  const { keys: [key] } = await on.app({
    keys: [{}],
    namespaces: [
      { id: 'simple', batchingEnabled, batchingInterval: INTERVAL_MS },
      { id: 'last', batchingEnabled, batchingInterval: INTERVAL_MS, batchingPolicy: 'conflating' }
    ]
  })
  return key!
}

async function listener(
  t: Test, on: Stage, key: string, channel: string, params: Record<string, string> = {}
): Promise<PlainSocket> {
  const socket = await on.socket(t, 2, { params: { key, ...params } })
  socket.send({ action: 10, channel })
  await socket.next(({ action }) => action === 11)
  return socket
}

function nextMessages(socket: PlainSocket): Promise<Told> {
  return socket.next(({ action }) => action === MESSAGE)
}

ruleFile('batching', (rule) => {
  rule('C21', 'what is published within an interval is told in one frame', async (t, on) => {
    const key = await keyOf(on)
    const name = `simple:${on.name('c')}`
    const socket = await listener(t, on, key, name)
    const subscriber = on.client(t, 1, {}, key)
    const heard: unknown[] = []
    await subscriber.channels.get(name).subscribe(({ data }) => heard.push(data))
    const [ann, bob] = [on.client(t, 0, {}, key), on.client(t, 1, { clientId: 'bob' }, key)]
    await Promise.all([ann, bob].map((each) => each.channels.get(name).attach()))
    const sent = await ann.channels.get(name).publish('n', '1')
    const more = await bob.channels.get(name).publish([{ data: '2' }, { data: '3' }])
    t.same(heard, [], 'acknowledged, and not told')
    const { messages, channelSerial } = await nextMessages(socket)
    t.match(messages, [
      { name: 'n', connectionId: ann.connection.id!, serial: sent.serials[0]! },
      { clientId: 'bob', connectionId: bob.connection.id!, serial: more.serials[0]! },
      { clientId: 'bob', connectionId: bob.connection.id!, serial: more.serials[1]! }
    ])
    t.ok(channelSerial)
    t.equal(new Set(messages!.map(({ id }) => id)).size, 3)
    await until('all three are heard', () => heard.length === 3)
    t.same(heard, ['1', '2', '3'])
  })
  rule('C21', 'without echo each has its own frame, without its own', async (t, on) => {
    const key = await keyOf(on)
    const name = `simple:${on.name('c')}`
    const deaf = await listener(t, on, key, name, { echo: 'false' })
    deaf.send({ action: MESSAGE, channel: name, msgSerial: 0, messages: [{ data: 'own' }] })
    await deaf.next(({ action }) => action === 1)
    const other = on.client(t, 0, {}, key)
    for (const data of ['a', 'b']) await other.channels.get(name).publish('n', data)
    for (const data of ['a', 'b']) t.match((await nextMessages(deaf)).messages, [{ data }])
  })
  rule('C21', 'presence and who attaches do not wait; nothing is missed', async (t, on) => {
    const key = await keyOf(on)
    const name = `simple:${on.name('c')}`
    const socket = await listener(t, on, key, name)
    const ann = on.client(t, 0, { clientId: 'ann' }, key)
    await ann.channels.get(name).publish('n', '1')
    await ann.channels.get(name).presence.enter()
    const [first, second] = [await socket.next(isTold), await socket.next(isTold)]
    t.same([first.action, second.action], [MESSAGE, 14])

    await ann.channels.get(name).publish('n', '2')
    const late = await on.socket(t, 1, { params: { key } })
    late.send({ action: 10, channel: name, channelSerial: second.channelSerial })
    await late.next(({ action }) => action === 11)
    t.match((await nextMessages(late)).messages, [{ data: '2' }])
    t.match((await nextMessages(socket)).messages, [{ data: '2' }])
  })
  rule('C22', 'of each name the last is told; history has all', async (t, on) => {
    const key = await keyOf(on)
    const name = `last:${on.name('c')}`
    const socket = await listener(t, on, key, name)
    const ann = on.client(t, 0, {}, key)
    const channel = ann.channels.get(name)
    const sent = [
      ['a', '1'], ['b', '1'], ['a', '2'], [undefined, '1'], ['a', '3'], [undefined, '2']
    ] as const
    const results = await Promise.all(sent.map(([of, data]) => channel.publish({ name: of, data })))
    t.ok(results.every(({ serials }) => typeof serials[0] === 'string'), 'all are acknowledged')
    const { messages } = await nextMessages(socket)
    t.same(messages!.map(({ name: of, data }) => [of, data]),
      [['b', '1'], ['a', '3'], [undefined, '2']])
    const { items } = await channel.history({ direction: 'forwards' })
    t.same(items.map(({ data }) => data), ['1', '1', '2', '1', '3', '2'])
  })
})

function isTold({ action }: Told): boolean {
  return action === MESSAGE || action === 14
}
