import type * as Ably from 'ably'
import { ablyClient, spoilKey, until } from '../support/ably-clients.ts'
import { Cable } from '../support/cable.ts'
import { plainAttach } from './support/attach.ts'
import { Present, said } from './support/present.ts'
import { ruleFile } from './support/rule.ts'

const ACK = 1
const HAS_PRESENCE = 1
const HAS_BACKLOG = 2
const RESUMED = 4
const MESSAGE = 15
const ENTER = 2

ruleFile('continuity', (rule) => {
  rule('N6', 'a new connection, and its channels miss nothing all the same', async (t, on) => {
    const name = on.name('anew')
    const cable = await Cable.to(t, on.url(1))
    const useBinaryProtocol = on.format === 'msgpack'
    const client = ablyClient(t, cable.url, on.key, { useBinaryProtocol })
    const channel = client.channels.get(name)
    const heard: unknown[] = []
    await channel.subscribe(({ data }) => void heard.push(data))
    const publisher = on.client(t, 0).channels.get(name)
    await publisher.publish('n', 'before')
    await until('the first', () => heard.length === 1)
    const { id } = client.connection
    cable.deafen()
    await publisher.publish('n', 'missed')
    spoilKey(client)
    const connected = client.connection.once('connected')
    const attached = channel.once('attached')
    cable.lead(on.url(2))
    cable.cut()
    t.equal((await connected).reason?.code, 80018)
    t.not(client.connection.id, id)
    t.match(await attached, { resumed: true, hasBacklog: true })
    await publisher.publish('n', 'after')
    await until('all', () => heard.includes('after'))
    t.same(heard, ['before', 'missed', 'after'])
  })

  rule('M20', 'an SDK enters again: under its new connection, the former member leaves',
    async (t, on) => {
      const name = on.name('re-entered')
      const watcher = on.client(t, 2).channels.get(name)
      const heard: Ably.PresenceMessage[] = []
      await watcher.presence.subscribe((each) => void heard.push(each))
      const cable = await Cable.to(t, on.url(0))
      const useBinaryProtocol = on.format === 'msgpack'
      const transportParams = { remainPresentFor: 1_000 }
      const client = ablyClient(t, cable.url, on.key,
        { useBinaryProtocol, clientId: 'ann', transportParams })
      const { presence } = client.channels.get(name)
      await presence.enter('x')
      await until('the enter', () => heard.length === 1)
      const { id: former } = client.connection
      spoilKey(client)
      const connected = client.connection.once('connected')
      cable.lead(on.url(1))
      cable.cut()
      await connected
      const { id } = client.connection
      t.not(id, former)
      await until('the former has left', () => heard.some(({ action }) => action === 'leave'))
      t.same(heard.map(({ action, clientId, connectionId, data }) =>
        [action, clientId, connectionId, data]), [
        ['enter', 'ann', former, 'x'], ['enter', 'ann', id, 'x'], ['leave', 'ann', former, 'x']
      ])
      t.match(heard[1]!.id, new RegExp(`^${id}:\\d+:0$`))
      const members = await watcher.presence.get()
      t.match(members, [{ clientId: 'ann', connectionId: id, data: 'x' }])
      t.equal(members.length, 1)
    })

  rule('M21', 'who goes on is told the set again', async (t, on) => {
    const name = on.name('synced-again')
    const ann = await on.socket(t, 0, { params: { clientId: 'ann' } })
    await plainAttach(ann, name)
    await said(ann, name, 0, [{ action: ENTER }])
    const watcher = await on.socket(t, 1)
    const { channelSerial } = await plainAttach(watcher, name)
    const before = new Present(watcher, name)
    await before.synced()
    watcher.cut()
    const bob = await on.socket(t, 0, { params: { clientId: 'bob' } })
    await plainAttach(bob, name)
    await said(bob, name, 0, [{ action: ENTER }])
    const resume = watcher.all[0]!.connectionDetails!['connectionKey'] as string
    const back = await on.socket(t, 2, { params: { resume } })
    t.equal(back.all[0]!.connectionId, watcher.all[0]!.connectionId)
    for (const [count, over] of [[1, { channelSerial }], [2, {}]] as const) {
      const { flags } = await plainAttach(back, name, over)
      t.equal(flags! & (RESUMED | HAS_PRESENCE), RESUMED | HAS_PRESENCE)
      const present = new Present(back, name)
      await present.synced(count)
      t.same([...present.clientIds].sort(), ['ann', 'bob'])
      t.same(present.problems, [])
    }
  })

  for (const v of ['2', '3', '4', '5', '6']) {
    rule('C17', `a life with version ${v}`, async (t, on) => {
      const name = on.name(`life-${v}`)
      const params = { v, key: on.key, clientId: 'ann' }
      const first = await on.socket(t, 0, { params })
      const { channelSerial } = await plainAttach(first, name)
      const messages = [{ name: 'n', data: 'own' }]
      first.send({ action: MESSAGE, channel: name, msgSerial: 0, messages })
      t.match(await first.next(({ action }) => action === ACK), { msgSerial: 0, count: 1 })
      t.equal((await said(first, name, 1, [{ action: ENTER, data: 'd' }])).action, ACK)
      t.match(await first.next(({ action }) => action === MESSAGE), { messages })
      first.cut()
      await on.client(t, 1).channels.get(name).publish('n', 'missed')
      const [connected] = first.all
      const resume = connected!.connectionDetails!['connectionKey'] as string
      const back = await on.socket(t, 2, { params: { ...params, resume } })
      const { connectionId } = connected!
      t.match(back.all[0], { connectionId, error: undefined })
      const { flags } = await plainAttach(back, name, { channelSerial })
      const wanted = RESUMED | HAS_BACKLOG | HAS_PRESENCE
      t.equal(flags! & wanted, wanted)
      const present = new Present(back, name)
      await present.synced()
      t.same([...present.clientIds], ['ann'])
      const heard = () => back.all.filter(({ action }) => action === MESSAGE)
        .flatMap(({ messages }) => messages!.map(({ data }) => data))
      await until('both', () => heard().length === 2)
      t.same(heard(), ['own', 'missed'])
    })
  }
})
