import { setTimeout as delay } from 'node:timers/promises'
import { until } from '../support/ably-clients.ts'
import { PlainSocket } from '../support/plain-socket.ts'
import { plainAttach } from './support/attach.ts'
import { ask, pathOf, refusalOf } from './support/rest-kit.ts'
import { ruleFile } from './support/rule.ts'
import { SteeredRegion } from './support/steered-region.ts'

const RESUMED = 4
const CONNECTED = 4
const DISCONNECTED = 6
const MESSAGE = 15

/** The key by which a plain socket's connection is gone on with. */
function keyOf({ all }: PlainSocket): string {
  return all[0]!.connectionDetails!['connectionKey'] as string
}

/** Resolves when somebody listens there: a worker that died has an heir by then. */
async function listens(url: string): Promise<void> {
  for (;;) {
    try {
      await fetch(new URL('/time', url.replace(/^ws/, 'http')))
      return
    } catch {
      await delay(20)
    }
  }
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

  rule('B8', 'new connections are sent elsewhere, those that go on are let in', async (t, on) => {
    const socket = await on.socket(t, 1)
    const usual = region.limit({ strainedMemoryShare: 0, calmMemoryShare: 0 })
    t.teardown(usual)
    const options = { format: on.format, params: { key: on.key } }
    const refused = async (): Promise<unknown> => {
      const late = PlainSocket.open(t, on.url(1), options)
      const told = await late.next(({ action }) => action === CONNECTED || action === DISCONNECTED)
      if (told.action === DISCONNECTED) await late.ended
      else late.cut()
      return told.error
    }
    let error: unknown
    while (error === undefined) error = await refused()
    t.match(error, { code: 50004, statusCode: 503 })
    t.notOk(socket.isEnded, 'nobody who is there is disturbed')
    socket.cut()
    const back = await on.socket(t, 1, { params: { resume: keyOf(socket) } })
    t.equal(back.all[0]!.connectionId, socket.all[0]!.connectionId)
    usual()
    while (error !== undefined) error = await refused()
    t.pass('after a while of calm all are let in again')
  })
}, () => region.start())
