import { limits } from '../../src/base/limits.ts'
import { errorOf, until } from '../support/ably-clients.ts'
import { PlainSocket, type Told } from '../support/plain-socket.ts'
import { ruleFile, type Stage } from './support/rule.ts'

const CHANNELS = 10
const PER_CHANNEL = 50
/** Publishes that are said at once. */
const FLUSHED = 8_000
const LARGE = 'x'.repeat(60_000)

/** The data that a plain socket was told on each channel, first words only. */
function heardOn(all: readonly Told[]): Map<string, string[]> {
  const heard = new Map<string, string[]>()
  for (const { action, channel, messages } of all) {
    if (action !== 15) continue
    const known = heard.get(channel!) ?? []
    known.push(...messages!.map(({ data }) => String(data).split(' ')[0]!))
    heard.set(channel!, known)
  }
  return heard
}

async function slowCount(on: Stage, node: number): Promise<number> {
  const { privatePort } = on.region.nodes[node]!
  const text = await (await fetch(`http://127.0.0.1:${privatePort}/metrics`)).text()
  return Number(/^ringcast_slow_consumers_total (\d+)/m.exec(text)?.[1])
}

ruleFile('bounds', (rule) => {
  rule('B1', 'who reads too slowly is told, and goes on without a loss', async (t, on) => {
    const names = Array.from({ length: CHANNELS }, (_, no) => on.name(`slow${no}`))
    const before = await slowCount(on, 2)
    const slow = await on.socket(t, 2)
    const witness = on.client(t, 2)
    let witnessed = 0
    for (const channel of names) {
      slow.send({ action: 10, channel })
      await slow.next((told) => told.action === 11 && told.channel === channel)
      await witness.channels.get(channel).subscribe(() => void witnessed++)
    }
    slow.pause()
    const publisher = on.client(t, 0)
    for (let no = 0; no < PER_CHANNEL; no++) {
      await Promise.all(names.map((channel) =>
        publisher.channels.get(channel).publish('large', `${no} ${LARGE}`)))
    }
    await until('others are not held up', () => witnessed === CHANNELS * PER_CHANNEL)
    await until('it is noticed', () => {
      void slowCount(on, 2).then((count) => {
        if (count > before) slow.resume()
      })
      return slow.isEnded
    })
    t.match(slow.all.at(-1), { action: 6, error: { code: 80003 } })
    const connectionKey = slow.all[0]!.connectionDetails!.connectionKey as string
    const again = await on.socket(t, 2, { params: { resume: connectionKey } })
    t.equal(again.all[0]!.connectionId, slow.all[0]!.connectionId)
    for (const channel of names) {
      const { channelSerial } = slow.all.findLast((told) => told.channel === channel)!
      again.send({ action: 10, channel, channelSerial })
    }
    const wanted = Array.from({ length: PER_CHANNEL }, (_, no) => String(no))
    const heard = (): Map<string, string[]> => heardOn([...slow.all, ...again.all])
    await until('all is heard', () =>
      names.every((channel) => (heard().get(channel)?.length ?? 0) >= PER_CHANNEL), 30_000)
    for (const channel of names) t.same(heard().get(channel), wanted)
  })

  rule('B2', 'above its rate a publish is refused, a second later it is taken', async (t, on) => {
    const app = await on.app({
      keys: [{}], limits: { publishRateMax: 10, messageBytesMax: 1_000 }
    })
    const socket = await on.socket(t, 0, { params: { key: app.keys[0]! } })
    t.match(socket.all[0]!.connectionDetails, { maxInboundRate: 10, maxMessageSize: 1_000 })
    const channel = on.client(t, 1, {}, app.keys[0]!).channels.get(on.name('rate'))
    await channel.publish('first', 'x')
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, (_, no) => channel.publish('burst', String(no))))
    const refused = results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
    t.ok(refused.length >= 20 && refused.length < 40, `${refused.length} of 40`)
    t.ok(refused.every(({ code, statusCode }) => code === 42911 && statusCode === 429))
    let isTaken = false
    await until('it is taken again', () => {
      void channel.publish('again', 'x').then(() => {
        isTaken = true
      }, () => undefined)
      return isTaken
    })
    t.equal((await errorOf(channel.publish('large', 'x'.repeat(1_100)))).code, 40009)
  })

  rule('B2', 'what was said while offline, all at once', async (t, on) => {
    const client = on.client(t, 1)
    const channel = client.channels.get(on.name('flushed'))
    const outcomes = Array.from({ length: FLUSHED }, (_, no) => channel.publish('n', String(no)))
    t.equal(client.connection.state, 'connecting')
    t.ok(FLUSHED <= limits.messagesPerSecondMax)
    const results = await Promise.allSettled(outcomes)
    const codes = results.flatMap((each) => each.status === 'rejected' ? [each.reason.code] : [])
    t.same([...new Set(codes)], [], `${codes.length} are refused`)
  })

  rule('B3', 'who goes on and on with too much is disconnected', async (t, on) => {
    const app = await on.app({ keys: [{}], limits: { publishRateMax: 5 } })
    const params = { key: app.keys[0]! }
    const socket = await on.socket(t, 0, { params })
    const channel = on.name('greedy')
    let msgSerial = 0
    const pace = setInterval(() => {
      for (let no = 0; no < 5; no++) {
        socket.send({ action: 15, channel, msgSerial: msgSerial++, messages: [{ data: 'x' }] })
      }
    }, 200)
    t.teardown(() => clearInterval(pace))
    const told = await socket.next(({ action }) => action === 6, 30_000)
    clearInterval(pace)
    t.equal(told.error!.code, 42921)
    await socket.ended
    const resume = socket.all[0]!.connectionDetails!.connectionKey as string
    const again = await on.socket(t, 1, { params: { ...params, resume } })
    t.equal(again.all[0]!.connectionId, socket.all[0]!.connectionId)
  })

  rule('B4', 'too many attaches in a second are refused, later ones taken', async (t, on) => {
    const socket = await on.socket(t, 0)
    const channel = on.name('attach')
    const count = 3 * limits.attachesPerSecondMax
    for (let no = 0; no < count; no++) socket.send({ action: 10, channel })
    socket.send({ action: 0, id: 'all are read' })
    await socket.next(({ action, id }) => action === 0 && id === 'all are read')
    const refused = socket.all.filter(({ action }) => action === 13)
    t.ok(refused.length > 0, `${refused.length} of ${count} are refused`)
    t.ok(refused.every(({ error }) => error!.code === 90021 && error!.statusCode === 429))
    let isAttached = false
    await until('one is taken', () => {
      if (!isAttached) socket.send({ action: 10, channel })
      isAttached ||= socket.all.at(-1)!.action === 11
      return isAttached
    })
  })

  rule('B5', 'at its bound of connections an app has no more', async (t, on) => {
    const app = await on.app({ keys: [{}], limits: { connectionCountMax: 2 } })
    const params = { key: app.keys[0]! }
    const first = await on.socket(t, 0, { params })
    await on.socket(t, 0, { params })
    const { format } = on
    const third = PlainSocket.open(t, on.url(0), { format, params })
    const told = await third.next(({ action }) => action === 6)
    t.match(told.error, { code: 40111, statusCode: 403 })
    const feigned = { ...params, resume: 'made!up' }
    const fourth = PlainSocket.open(t, on.url(0), { format, params: feigned })
    t.equal((await fourth.next(({ action }) => action === 6)).error?.code, 40111)
    await on.socket(t, 1, { params })
    first.cut()
    const waiting = on.client(t, 0, {}, app.keys[0]!)
    await waiting.connection.whenState('connected')
    const resume = first.all[0]!.connectionDetails!.connectionKey as string
    const again = await on.socket(t, 0, { params: { ...params, resume } })
    t.equal(again.all[0]!.connectionId, first.all[0]!.connectionId, 'one that goes on is let in')
  })

  rule('B7', 'a ping is answered', async (t, on) => {
    const socket = await on.socket(t, 0)
    t.equal(await socket.ping('are you there'), 'are you there')
    t.equal(await socket.ping(''), '')
  })
})
