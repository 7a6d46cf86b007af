import { setTimeout as delay } from 'node:timers/promises'
import * as Ably from 'ably'
import type { Test } from 'tap'
import { ablyClient, cutOff, die, errorOf, presentWhen, until } from '../support/ably-clients.ts'
import { Cable } from '../support/cable.ts'
import { ruleFile, type Stage } from './support/rule.ts'

/** What watchers hear: `action clientId data`. */
function story(member: Ably.PresenceMessage): string {
  return [member.action, member.clientId, member.data].filter((part) => part != null).join(' ')
}

/** A client of node 2 that hears the channel's presence. */
async function watch(t: Test, on: Stage, name: string): Promise<string[]> {
  const heard: string[] = []
  const { presence } = on.client(t, 2).channels.get(name)
  await presence.subscribe((each) => void heard.push(story(each)))
  return heard
}

ruleFile('presence', (rule) => {
  rule('M1', 'enter, update and leave are heard on another node, and by oneself',
    async (t, on) => {
      const name = on.name('story')
      const watcher = on.client(t, 2).channels.get(name)
      const ann = on.client(t, 0, { clientId: 'ann' }).channels.get(name)
      const heard: Ably.PresenceMessage[] = []
      const own: string[] = []
      await watcher.presence.subscribe((each) => void heard.push(each))
      await ann.presence.subscribe((each) => void own.push(story(each)))
      await ann.presence.enter('hello')
      await ann.presence.update({ mood: 'fine' })
      await until('the update', () => heard.length === 2)
      const [now, ...more] = await watcher.presence.get()
      t.same(more, [])
      t.match(now, { action: 'present', clientId: 'ann', data: { mood: 'fine' } })
      for (const field of ['id', 'connectionId', 'timestamp', 'data'] as const) {
        t.same(now![field], heard[1]![field], `${field} is that of the event`)
      }
      t.match(heard[1]!.id, new RegExp(`^${now!.connectionId}:[0-9]+:0$`))
      await ann.presence.leave()
      await until('the leave', () => heard.length === 3)
      t.same(heard.map(({ action }) => action), ['enter', 'update', 'leave'])
      t.same(heard[2]!.data, { mood: 'fine' }, 'one that says nothing tells what was said last')
      await until('own events', () => own.length === 3)
      t.same(await presentWhen(watcher, ({ length }) => length === 0), [])
    })

  rule('M1', 'a leave with extras of its own tells these, and the data that was said last',
    async (t, on) => {
      const channel = on.name('extras')
      const watcher = await on.socket(t, 2)
      watcher.send({ action: 10, channel })
      await watcher.next(({ action }) => action === 11)
      const ann = await on.socket(t, 0, { params: { clientId: 'ann' } })
      ann.send({ action: 10, channel })
      const headers = (no: number) => ({ headers: { no } })
      const say = (msgSerial: number, item: object) =>
        ann.send({ action: 14, channel, msgSerial, presence: [item] })
      say(0, { action: 2, data: 'here', extras: headers(1) })
      say(1, { action: 3, extras: headers(2) })
      say(2, { action: 2, data: 'again', extras: headers(3) })
      say(3, { action: 3 })
      const told = []
      while (told.length < 4) {
        told.push(...(await watcher.next(({ action }) => action === 14)).presence!)
      }
      t.match(told, [
        { action: 2, data: 'here', extras: headers(1) },
        { action: 3, data: 'here', extras: headers(2) },
        { action: 2, data: 'again', extras: headers(3) },
        { action: 3, data: 'again', extras: headers(3) }
      ])
    })

  rule('M2', 'data of every kind, to a watcher of the other format', async (t, on) => {
    const name = on.name('kinds')
    const other = on.client(t, 1, { useBinaryProtocol: on.format === 'json' })
    const watcher = other.channels.get(name)
    await watcher.attach()
    const { presence } = on.client(t, 0).channels.get(name)
    await presence.enterClient('text', 'héllo')
    await presence.enterClient('json', { a: [1] })
    await presence.enterClient('binary', Buffer.from([0, 1, 254]))
    await presence.enterClient('none')
    const members = await presentWhen(watcher, ({ length }) => length === 4)
    const dataOf = (wanted: string) =>
      members.find(({ clientId }) => clientId === wanted)!.data
    t.equal(dataOf('text'), 'héllo')
    t.same(dataOf('json'), { a: [1] })
    t.same(Buffer.from(dataOf('binary')), Buffer.from([0, 1, 254]))
    t.equal(dataOf('none'), undefined)
  })

  rule('M3', '1,000 members are synced to who comes later, on every node', async (t, on) => {
    const name = on.name('many')
    const { presence } = on.client(t, 0).channels.get(name)
    const wanted = Array.from({ length: 1_000 }, (_, no) => `m${String(no).padStart(3, '0')}`)
    await Promise.all(wanted.map((clientId) => presence.enterClient(clientId, `of ${clientId}`)))
    for (const node of [0, 1, 2]) {
      const members = await on.client(t, node).channels.get(name).presence.get()
      t.same(members.map(({ clientId }) => clientId).sort(), wanted, `node ${node}`)
      t.ok(members.every(({ clientId, data }) => data === `of ${clientId}`))
    }
    await presence.updateClient('m000', 'still welcome')
  })

  rule('M4', 'one connection for many, two connections of one clientId', async (t, on) => {
    const name = on.name('many-of-one')
    const [one, two] = [on.client(t, 0, { clientId: 'ann' }), on.client(t, 1, { clientId: 'ann' })]
    await one.channels.get(name).presence.enter('first')
    await two.channels.get(name).presence.enter('second')
    const watcher = on.client(t, 2).channels.get(name)
    const both = await presentWhen(watcher, ({ length }) => length === 2)
    t.same(both.map(({ data }) => data).sort(), ['first', 'second'])
    await one.channels.get(name).presence.leave()
    const still = await presentWhen(watcher, ({ length }) => length === 1)
    t.same(still.map(({ data }) => data), ['second'])
  })

  rule('M5', 'a cut transport: who comes back stays, and nobody hears of it', async (t, on) => {
    const name = on.name('flicker')
    const heard = await watch(t, on, name)
    const client = on.client(t, 0, { clientId: 'ann' })
    const ann = client.channels.get(name)
    await ann.presence.enter('x')
    await until('the enter', () => heard.length === 1)
    const { id } = client.connection
    cutOff(client)
    await ann.once('attached')
    t.equal(client.connection.id, id, 'it is resumed')
    await ann.presence.update('y')
    await until('the update', () => heard.length > 1)
    t.same(heard, ['enter ann x', 'update ann y'])
  })

  rule('M23', 'another process goes on: who was present is so still', async (t, on) => {
    const name = on.name('recovered')
    const heard = await watch(t, on, name)
    const cable = await Cable.to(t, on.url(0))
    const options = { transportParams: { remainPresentFor: 2_000 } }
    const useBinaryProtocol = on.format === 'msgpack'
    const first = ablyClient(t, cable.url, on.key, { useBinaryProtocol, ...options })
    const { presence } = first.channels.get(name)
    await presence.enterClient('ann', 'x')
    await presence.enterClient('bob', 'y')
    await until('both', () => heard.length === 2)
    const recover = first.connection.createRecoveryKey()!
    cable.unplug()
    const second = on.client(t, 1, { recover, ...options })
    const channel = second.channels.get(name)
    await channel.attach()
    await delay(3_000)
    t.same(heard, ['enter ann x', 'enter bob y'], 'nobody has left')
    await channel.presence.leaveClient('bob')
    await until('his leave', () => heard.length === 3)
    await channel.detach()
    await until('hers', () => heard.length === 4)
    t.same(heard.slice(2), ['leave bob y', 'leave ann x'])
  })

  rule('M6', 'without the capability, or without the mode', async (t, on) => {
    const { keys } = await on.app({ keys: [{ capability: '{"*":["subscribe","publish"]}' }] })
    const looker = on.client(t, 1, { clientId: 'ann' }, keys[0]).channels.get('c')
    t.equal((await errorOf(looker.presence.enter())).code, 40160)
    t.same(await looker.presence.get(), [], 'but who may subscribe may look')
    const client = on.client(t, 1, { clientId: 'ann' })
    const { presence } = client.channels.get(on.name('modes'), { modes: ['PRESENCE_SUBSCRIBE'] })
    t.equal((await errorOf(presence.enter())).code, 40160)
  })

  rule('M7', 'for somebody else, as somebody', async (t, on) => {
    const { presence } = on.client(t, 1, { clientId: 'ann' }).channels.get(on.name('others'))
    t.equal((await errorOf(presence.enterClient('bob'))).code, 40012)
    await presence.enterClient('ann')
  })

  rule('M8', 'above the limit of the app; too large', async (t, on) => {
    const { keys } = await on.app({ keys: [{}], limits: { presence: { maxMembers: 2 } } })
    const { presence } = on.client(t, 2, {}, keys[0]).channels.get('limit')
    await presence.enterClient('one')
    await presence.enterClient('two')
    t.equal((await errorOf(presence.enterClient('three'))).code, 91003)
    await presence.leaveClient('one')
    await presence.enterClient('three')
    t.equal((await errorOf(presence.updateClient('two', 'x'.repeat(70_000)))).code, 40009)
  })

  rule('M9', 'PRESENCE without PRESENCE_SUBSCRIBE', async (t, on) => {
    const name = on.name('deaf')
    const deaf = on.client(t, 1, { clientId: 'ann' }).channels.get(name, { modes: ['PRESENCE'] })
    const heard: string[] = []
    await deaf.attach()
    await deaf.presence.subscribe((each) => void heard.push(story(each)))
    await on.client(t, 2, { clientId: 'bob' }).channels.get(name).presence.enter()
    await deaf.presence.enter()
    await until('oneself', () => heard.length > 0)
    t.same(heard, ['enter ann'])
  })

  rule('M10', 'at once by DETACH and by CLOSE', async (t, on) => {
    const name = on.name('at-once')
    const heard = await watch(t, on, name)
    const ann = on.client(t, 0, { clientId: 'ann' })
    const bob = on.client(t, 1, { clientId: 'bob' })
    await ann.channels.get(name).presence.enter()
    await bob.channels.get(name).presence.enter('data')
    await ann.channels.get(name).detach()
    bob.close()
    await until('both left', () => heard.length === 4, 5_000)
    t.same(heard.slice(2).sort(), ['leave ann', 'leave bob data'])
  })

  rule('M10', 'as soon as the client has said, or after 15 seconds', async (t, on) => {
    const name = on.name('lost')
    const heard = await watch(t, on, name)
    const ann = on.client(t, 0, { clientId: 'ann', transportParams: { remainPresentFor: 500 } })
    const bob = on.client(t, 1, { clientId: 'bob' })
    await ann.channels.get(name).presence.enter()
    await bob.channels.get(name).presence.enter()
    await until('both entered', () => heard.length === 2)
    const fromMs = performance.now()
    die(ann)
    die(bob)
    await until('one has left', () => heard.includes('leave ann'), 5_000)
    await until('both have left', () => heard.includes('leave bob'), 25_000)
    t.ok(performance.now() - fromMs > 14_000, 'not before')
  })

  rule('M10', 'as soon as the channel says; one name of it may say so', async (t, on) => {
    const [short, long] = [on.name('short'), on.name('long')]
    const [heard, heardLong] = [await watch(t, on, short), await watch(t, on, long)]
    const ann = on.client(t, 0, { clientId: 'ann', transportParams: { remainPresentFor: 4_000 } })
    const params = { remainPresentFor: '300' }
    await ann.channels.get(short, { params }).presence.enter()
    await ann.channels.get(long).presence.enter()
    await until('both entered', () => heard.length + heardLong.length === 2)
    die(ann)
    await until('one has left', () => heard.includes('leave ann'), 3_000)
    t.same(heardLong, ['enter ann'])
    await until('both have left', () => heardLong.includes('leave ann'), 6_000)
    const socket = await on.socket(t, 1)
    socket.send({ action: 10, channel: short, params: { remainPresentFor: 'soon' } })
    t.equal((await socket.next(({ action }) => action === 9)).error?.code, 40003)
  })
})
