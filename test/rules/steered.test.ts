import type * as Ably from 'ably'
import type { Test } from 'tap'
import { presentWhen, until } from '../support/ably-clients.ts'
import { PlainSocket, type Told } from '../support/plain-socket.ts'
import { plainAttach } from './support/attach.ts'
import { listens } from './support/listens.ts'
import { ask, pathOf, refusalOf } from './support/rest-kit.ts'
import { ruleFile, type Stage } from './support/rule.ts'
import { SteeredRegion } from './support/steered-region.ts'

const RESUMED = 4
const HEARTBEAT = 0
const ACK = 1
const NACK = 2
const CONNECTED = 4
const DISCONNECTED = 6
const ATTACH = 10
const ATTACHED = 11
const DETACHED = 13
const MESSAGE = 15
const PRESENCE = 14
const ENTER = 2
/** Later than `strainedLagMs`, for as long as it takes to be noticed. */
const LATE_MS = 800
const LATE_COUNT = 10
const CROWD = 40
const FEW = 5
/** Channels that are not all mastered on one node. */
const MASTERED = 12

/** The key by which a plain socket's connection is gone on with. */
function keyOf({ all }: PlainSocket): string {
  return all[0]!.connectionDetails!['connectionKey'] as string
}

/** How long it is told that its connection is kept. */
function ttlOf({ all }: PlainSocket): number {
  return all[0]!.connectionDetails!['connectionStateTtl'] as number
}

/** What a connect to this node is told: CONNECTED or DISCONNECTED. */
async function decisionAt(
  t: Test, on: Stage, node: number, more: Record<string, string> = {}
): Promise<Told> {
  const params = { key: on.key, ...more }
  const socket = PlainSocket.open(t, on.url(node), { format: on.format, params })
  const told = await socket.next(({ action }) => action === CONNECTED || action === DISCONNECTED)
  if (told.action === DISCONNECTED) await socket.ended
  else socket.cut()
  return told
}

/** Why this node lets no new connection in, if it does not. */
async function refusalAt(t: Test, on: Stage, node: number): Promise<unknown> {
  return (await decisionAt(t, on, node)).error
}

const region = new SteeredRegion()

ruleFile('steered', (rule) => {
  rule('N3', 'its home has died: elsewhere, with nothing missed', async (t, on) => {
    const name = on.name('bereft')
    const socket = await on.socket(t, 1)
    const { channelSerial } = await plainAttach(socket, name)
    region.endWorker(1)
    await socket.ended
    const publisher = on.client(t, 0).channels.get(name)
    for (const data of ['a', 'b']) await publisher.publish('n', data)
    const back = await on.socket(t, 2, { params: { resume: keyOf(socket) } })
    t.match(back.all[0], { connectionId: socket.all[0]!.connectionId, error: undefined })
    const { flags } = await plainAttach(back, name, { channelSerial })
    t.equal(flags! & RESUMED, RESUMED)
    await publisher.publish('n', 'c')
    const heard = (): unknown[] => back.all.filter(({ action }) => action === MESSAGE)
      .flatMap(({ messages }) => messages!.map(({ data }) => data))
    await until('all', () => heard().includes('c'))
    t.same(heard(), ['a', 'b', 'c'])
    await listens(on.url(1))
  })

  rule('N6', 'nobody came for it in time', async (t, on) => {
    const usual = region.limit({ connectionStateTtlMs: 1_000 })
    t.teardown(usual)
    const socket = await on.socket(t, 1)
    const key = keyOf(socket)
    socket.cut()
    // Whether its state is kept is seen by who may speak for it.
    const value = { data: 'x', connectionKey: key }
    let code = 0
    const path = pathOf('any', '/messages')
    while (code !== 40006) [, code] = await refusalOf(ask(on, path, { value }))
    const back = await on.socket(t, 2, { params: { resume: key } })
    t.match(back.all[0], { action: CONNECTED, error: { code: 80008, statusCode: 400 } })
    t.not(back.all[0]!.connectionId, socket.all[0]!.connectionId)
  })

  rule('B3', 'who floods with frames of any kind is disconnected at once', async (t, on) => {
    const socket = await on.socket(t, 1)
    t.teardown(region.limit({ framesPerSecondMax: 40 }))
    // What holds is told to the threads: until then it goes on.
    const pace = setInterval(() => {
      for (let no = 0; no < 50; no++) socket.send({ action: HEARTBEAT })
    }, 50)
    t.teardown(() => clearInterval(pace))
    const { error } = await socket.next(({ action }) => action === DISCONNECTED)
    clearInterval(pace)
    t.match(error, { code: 42924, statusCode: 429 })
    await socket.ended
    const back = await on.socket(t, 2, { params: { resume: keyOf(socket) } })
    t.match(back.all[0], { connectionId: socket.all[0]!.connectionId, error: undefined })
  })

  rule('P11', 'no outcome: DISCONNECTED, and the second time NACK', async (t, on) => {
    // A master on the publisher's own node has the outcome at once: others are not all there.
    const names = Array.from({ length: MASTERED }, (_, no) => on.name(`unknown${no}`))
    const heard: unknown[] = []
    const { channels } = on.client(t, 2)
    await Promise.all(names.map((name) =>
      channels.get(name).subscribe(({ data }) => void heard.push(data))))
    const usual = region.limit({ publishOutcomeMs: 0 })
    t.teardown(usual)
    let socket = await on.socket(t, 1)
    const { connectionId } = socket.all[0]!
    const answers = [ACK, NACK, DISCONNECTED]
    const say = async (msgSerial: number): Promise<Told> => {
      const channel = names[msgSerial % names.length]
      const messages = [{ data: `m${msgSerial}` }]
      socket.send({ action: MESSAGE, channel, msgSerial, messages })
      return socket.next(({ action }) => answers.includes(action))
    }
    const goOn = async ({ error }: Told): Promise<void> => {
      t.match(error, { code: 50003, statusCode: 503 })
      await socket.ended
      socket = await on.socket(t, 1, { params: { resume: keyOf(socket) } })
      t.equal(socket.all[0]!.connectionId, connectionId)
    }
    let msgSerial = 0
    let told = await say(msgSerial)
    // What has its outcome at once is not meant.
    while (told.action !== NACK) {
      if (told.action === DISCONNECTED) await goOn(told)
      else msgSerial++
      told = await say(msgSerial)
    }
    t.match(told, { msgSerial, count: 1, error: { code: 50003, statusCode: 503 } })
    usual()
    while (told.action !== ACK) {
      if (told.action === DISCONNECTED) await goOn(told)
      else msgSerial++
      told = await say(msgSerial)
    }
    await until('the last', () => heard.includes(`m${msgSerial}`))
    t.same(heard, [...new Set(heard)], 'nothing twice')
  })

  rule('C20', 'a channel that does not answer: DETACHED, and again later', async (t, on) => {
    const usual = region.limit({ attachAnswerMs: 0 })
    t.teardown(usual)
    const socket = await on.socket(t, 1)
    const attach = async (no: number): Promise<Told> => {
      const channel = on.name(`unheard${no}`)
      socket.send({ action: ATTACH, channel })
      return socket.next((told) => told.channel === channel)
    }
    let told = await attach(0)
    for (let no = 1; told.action !== DETACHED; no++) told = await attach(no)
    t.match(told.error, { code: 90007, statusCode: 408 })
    usual()
    const { channel } = told
    while (told.action !== ATTACHED) {
      socket.send({ action: ATTACH, channel })
      told = await socket.next((each) => each.channel === channel)
    }
    t.equal(told.error, undefined)
    const client = on.client(t, 2).channels.get(channel!)
    await client.publish('n', 'x')
    t.match((await socket.next(({ action }) => action === MESSAGE)).messages, [{ data: 'x' }])
  })

  rule('M10', 'no later than its connection is kept, whatever it asks for', async (t, on) => {
    const name = on.name('kept')
    t.teardown(region.limit({ connectionStateTtlMs: 1_000 }))
    const long = '3600000'
    const watcher = on.client(t, 2).channels.get(name)
    let leftCount = 0
    await watcher.presence.subscribe('leave', () => void leftCount++)
    // What holds is told to the threads: a connection that began before keeps what held.
    let told = 120_000
    while (told > 1_000) told = ttlOf(await on.socket(t, 1))
    for (const [query, params] of [[long, {}], ['0', { remainPresentFor: long }]] as const) {
      const socket = await on.socket(t, 1, { params: { clientId: 'ann', remainPresentFor: query } })
      await plainAttach(socket, name, { params })
      socket.send({ action: PRESENCE, channel: name, msgSerial: 0, presence: [{ action: ENTER }] })
      await socket.next(({ action }) => action === ACK)
      socket.cut()
    }
    await until('both have left', () => leftCount === 2)
    t.same(await watcher.presence.get(), [])
  })

  rule('M8', 'a set that is too large', async (t, on) => {
    const name = on.name('large')
    t.teardown(region.limit({ presenceBytesMax: 10_000 }))
    const watcher = on.client(t, 2).channels.get(name)
    await watcher.attach()
    const { presence } = on.client(t, 0).channels.get(name)
    const data = 'x'.repeat(4_000)
    let refused: Ably.ErrorInfo | undefined
    let count = 0
    while (refused === undefined) {
      await presence.enterClient(`m${count}`, data).then(() => count++, (error) => {
        refused = error as Ably.ErrorInfo
      })
    }
    t.match(refused, { code: 91006, statusCode: 400 })
    await presence.updateClient('m0', 'little')
    await presence.enterClient('another')
    const isLast = (members: readonly Ably.PresenceMessage[]): boolean =>
      members.some(({ clientId }) => clientId === 'another')
    t.equal((await presentWhen(watcher, isLast)).length, count + 1, 'not who was refused')
  })

  rule('B8', 'new connections are sent elsewhere, those that go on are let in', async (t, on) => {
    const socket = await on.socket(t, 1)
    const usual = region.limit({ strainedMemoryShare: 0, calmMemoryShare: 0 })
    t.teardown(usual)
    let error: unknown
    while (error === undefined) error = await refusalAt(t, on, 1)
    t.match(error, { code: 50004, statusCode: 503 })
    t.notOk(socket.isEnded, 'nobody who is there is disturbed')
    socket.cut()
    const back = await on.socket(t, 1, { params: { resume: keyOf(socket) } })
    t.equal(back.all[0]!.connectionId, socket.all[0]!.connectionId)
    usual()
    while (error !== undefined) error = await refusalAt(t, on, 1)
    t.pass('after a while of calm all are let in again')
  })

  rule('B8', 'a loop that is late: the same', async (t, on) => {
    const socket = await on.socket(t, 1)
    region.holdUp(1, LATE_MS, LATE_COUNT)
    let error: unknown
    while (error === undefined) error = await refusalAt(t, on, 1)
    t.match(error, { code: 50004, statusCode: 503 })
    t.equal(await refusalAt(t, on, 2), undefined, 'another node lets them in')
    t.notOk(socket.isEnded, 'nobody who is there is disturbed')
    socket.cut()
    const back = await on.socket(t, 1, { params: { resume: keyOf(socket) } })
    t.equal(back.all[0]!.connectionId, socket.all[0]!.connectionId)
    while (error !== undefined) error = await refusalAt(t, on, 1)
    t.pass('after a while of calm all are let in again')
  })

  rule('B9', 'a crowd after a death', async (t, on) => {
    const olds = await Promise.all(Array.from({ length: CROWD }, () => on.socket(t, 1)))
    t.teardown(region.limit({
      admissionsPerStep: 1, admissionsWaitingMax: CROWD + FEW, admissionWaitMs: 15_000
    }))
    region.endWorker(1)
    await Promise.all(olds.map(({ ended }) => ended))
    const news = Array.from({ length: 2 * CROWD }, () => decisionAt(t, on, 2))
    const backs = olds.map((old) => decisionAt(t, on, 2, { resume: keyOf(old) }))
    for (const [no, { connectionId, error }] of (await Promise.all(backs)).entries()) {
      t.match({ connectionId, error },
        { connectionId: olds[no]!.all[0]!.connectionId, error: undefined })
    }
    const refusals = (await Promise.all(news)).flatMap(({ error }) => error ?? [])
    t.ok(refusals.length > 0, `${refusals.length} of the new ones`)
    for (const each of refusals) t.match(each, { code: 50004, statusCode: 503 })
    await listens(on.url(1))
  })
}, () => region.start())
