import type * as Ably from 'ably'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { die, until } from '../support/ably-clients.ts'
import { attached, plainAttach } from './support/attach.ts'
import { listens } from './support/listens.ts'
import { ruleFile, type Stage } from './support/rule.ts'
import { SteeredRegion } from './support/steered-region.ts'

const RESUMED = 4
const LARGE = 'x'.repeat(60_000)
const NAMES = 6
const COUNT = 60
const HELD_UP_MS = 4_000

const region = new SteeredRegion()

ruleFile('steered loss', (rule) => {
  rule('N5', 'its home has died: recovered elsewhere', async (t, on) => {
    const name = on.name('recovered')
    const first = on.client(t, 1)
    const received: unknown[] = []
    await first.channels.get(name).subscribe(({ data }) => void received.push(data))
    const other = on.client(t, 0).channels.get(name)
    await other.publish('n', 'before')
    await until('the first', () => received.length === 1)
    const { id } = first.connection
    const recover = first.connection.createRecoveryKey()!
    die(first)
    region.endWorker(1)
    await other.publish('n', 'meanwhile')
    const second = on.client(t, 2, { recover })
    await second.connection.once('connected')
    t.equal(second.connection.errorReason, null)
    t.equal(second.connection.id, id)
    const heard: unknown[] = []
    await second.channels.get(name).subscribe(({ data }) => void heard.push(data))
    await second.channels.get(name).publish('n', 'after')
    await until('both', () => heard.length === 2)
    t.same(heard, ['meanwhile', 'after'])
    await listens(on.url(1))
  })

  rule('M10', 'members of a node that has died', async (t, on) => {
    const presenceGraceMs = 3_000
    t.teardown(region.limit({ presenceGraceMs }))
    const name = on.name('bereaved')
    const watcher = on.client(t, 2).channels.get(name)
    const heard: Ably.PresenceMessage[] = []
    await watcher.presence.subscribe((each) => void heard.push(each))
    const bob = on.client(t, 0, { clientId: 'bob' }).channels.get(name)
    await bob.presence.enter()
    const ann = on.client(t, 1, { clientId: 'ann' })
    await ann.channels.get(name).presence.enter('x')
    await until('both', () => heard.length === 2)
    die(ann)
    region.endWorker(1)
    const fromMs = performance.now()
    await until('one has left', () => heard.length > 2)
    const forMs = performance.now() - fromMs
    t.ok(forMs > presenceGraceMs - 100, `after ${forMs} ms`)
    t.match(heard[2], { action: 'leave', clientId: 'ann', data: 'x' })
    t.same((await watcher.presence.get()).map(({ clientId }) => clientId), ['bob'])
    t.equal(heard.length, 3)
    await listens(on.url(1))
  })

  rule('C18', 'a silent channel goes on from however long ago', async (t, on) => {
    t.teardown(region.limit({ tailMs: 500 }))
    const name = on.name('silent')
    const socket = await on.socket(t, 1)
    const { channelSerial: before } = await plainAttach(socket, name)
    const publisher = on.client(t, 0).channels.get(name)
    await publisher.publish('n', 'the last')
    const { channelSerial } = await socket.next(({ messages }) => messages !== undefined)
    socket.cut()
    while ((await attachFrom(t, on, name, before!))[1] !== 90003) await delay(200)
    t.same(await attachFrom(t, on, name, channelSerial!), [true, undefined],
      'nothing was said since')
  })

  rule('C18', 'what is gone for its size', async (t, on) => {
    t.teardown(region.limit({ tailBytesMax: 1_000 }))
    const name = on.name('cut')
    const socket = await on.socket(t, 1)
    const { channelSerial } = await plainAttach(socket, name)
    const publisher = on.client(t, 0).channels.get(name)
    let how: unknown[] = [true]
    // What holds is told to the threads: until then more is kept.
    while (how[0] === true) {
      for (let no = 0; no < 3; no++) await publisher.publish('n', 'x'.repeat(600))
      how = await attachFrom(t, on, name, channelSerial!)
    }
    t.same(how, [false, 90003])
  })

  rule('C19', 'a loss while attached', async (t, on) => {
    const usual = region.limit({ linkBytesMax: 2_000_000, tailBytesMax: 300_000 })
    t.teardown(usual)
    const names = Array.from({ length: NAMES }, (_, no) => on.name(`lost${no}`))
    const all = await Promise.all(names.map((name) => losable(t, on, name)))
    const publishers = new Map(names.map((name) => [name, on.client(t, 0).channels.get(name)]))
    const publish = (name: string, data: string) => publishers.get(name)!.publish('n', data)
    await Promise.all(names.map((name) => publish(name, 'before')))
    await until('the first', () => all.every(({ data }) => data().length === 1))
    region.holdUp(2, HELD_UP_MS)
    const fromMs = performance.now()
    // Channels whose master is held up take nothing meanwhile: one that does is found first.
    const name = await Promise.any(names.map((each) => publish(each, 'first').then(() => each)))
    for (let no = 0; no < COUNT; no++) await publish(name, `${no} ${LARGE}`)
    t.ok(performance.now() - fromMs < HELD_UP_MS, 'all was published meanwhile')
    const { updates, data } = all[names.indexOf(name)]!
    await until('it is told', () => updates.length > 0)
    t.match(updates, [{ resumed: false, reason: { code: 90003, statusCode: 404 } }])
    await publish(name, 'after')
    await until('it goes on', () => data().at(-1) === 'after')
    t.equal(updates.length, 1)
    const told = data().slice(2, -1).map((each) => Number(each.split(' ')[0]))
    t.ok(told.length < COUNT)
    t.same(told, told.map((_, no) => no), 'up to the loss nothing is missing')
  })
}, () => region.start())

/** Whether who attaches from this channelSerial goes on, and with which error. */
async function attachFrom(
  t: Test, on: Stage, name: string, channelSerial: string
): Promise<unknown[]> {
  const socket = await on.socket(t, 2)
  const { flags, error } = await plainAttach(socket, name, { channelSerial })
  socket.cut()
  return [(flags! & RESUMED) !== 0, error?.code]
}

/** A channel of a client of node 2, and what is said to it. */
async function losable(t: Test, on: Stage, name: string) {
  const { channel, data } = await attached(t, on, 2, name)
  const updates: Ably.ChannelStateChange[] = []
  channel.on('update', (change) => void updates.push(change))
  return { updates, data: () => data() as string[] }
}
