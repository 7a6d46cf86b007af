import type * as Ably from 'ably'
import type { Test } from 'tap'
import type { AppConfig, KeyConfig } from '../../src/auth/app.ts'
import { parseCapability } from '../../src/auth/capability.ts'
import { errorOf, until } from '../support/ably-clients.ts'
import { PlainSocket } from '../support/plain-socket.ts'
import { jwtOf } from '../support/tokens.ts'
import { ask, basic, pathOf, refusalOf } from './support/rest-kit.ts'
import { ruleFile, type Stage } from './support/rule.ts'

const [HEARTBEAT, CONNECTED, ERROR] = [0, 4, 9]

type Rights = Readonly<Record<string, readonly string[]>>

/** The same app; `change` says what becomes of each key, in order, or undefined: it goes. */
function withKeys(
  app: AppConfig, change: (key: KeyConfig, no: number) => KeyConfig | undefined
): AppConfig {
  return { ...app, keys: app.keys.map(change).filter((key) => key !== undefined) }
}

function withRights(key: KeyConfig, rights: Rights): KeyConfig {
  const parsed = parseCapability(rights)
  if (!parsed.ok) throw new Error(parsed.error.info.message)
  return { ...key, capability: parsed.capability }
}

/** Sockets of one key's owner and of somebody with its token, on different nodes. */
async function ownerAndHolder(t: Test, on: Stage, key: string): Promise<PlainSocket[]> {
  return [
    await on.socket(t, 0, { params: { key } }),
    await on.socket(t, 2, { params: { access_token: jwtOf(key) } })
  ]
}

/** What a node says first to somebody who shows this. */
async function firstCode(
  t: Test, on: Stage, params: Record<string, string>
): Promise<number | undefined> {
  const socket = PlainSocket.open(t, on.url(1), { format: on.format, params })
  const { error } = await socket.next(() => true)
  socket.cut()
  return error?.code
}

/** The modes of a channel, in order of the alphabet. */
const modesOf = ({ modes }: Ably.RealtimeChannel): string => [...modes ?? []].sort().join()

ruleFile('keys', (rule) => {
  rule('A8', 'an app that goes takes its connections with it', async (t, on) => {
    const { appId, keys } = await on.app({ keys: [{}] })
    const [key] = keys as [string]
    const owner = on.client(t, 0, {}, key)
    await owner.connection.once('connected')
    const token = jwtOf(key)
    const holder = await on.socket(t, 2, { params: { access_token: token } })
    const failed = owner.connection.once('failed')
    await fetch(`${on.url(1)}/apps/${appId}`, { method: 'DELETE' })
    t.equal((await failed).reason?.code, 40101)
    t.match(await holder.next(({ action }) => action === ERROR), { error: { code: 40143 } })
    const late = PlainSocket.open(t, on.url(0), { params: { access_token: token } })
    t.match(await late.next(() => true), { action: ERROR, error: { code: 40101 } })
  })

  rule('A8', 'a key that goes, and one with another secret', async (t, on) => {
    const { appId, keys } = await on.app({ keys: [{}, {}, {}] })
    const [gone, changed, kept] = keys as [string, string, string]
    const sockets: Record<string, PlainSocket[]> = {}
    for (const key of keys) sockets[key] = await ownerAndHolder(t, on, key)
    await on.region.changeApp(appId, (app) => withKeys(app, (key, no) =>
      no === 0 ? undefined : no === 1 ? { ...key, secret: 'another-secret' } : key))
    for (const key of [gone, changed]) {
      for (const [no, socket] of sockets[key]!.entries()) {
        const told = await socket.next(({ action }) => action === ERROR)
        t.match(told, { error: { code: no === 0 ? 40101 : 40143, statusCode: 401 } })
        t.equal(told.channel, undefined)
        await socket.ended
      }
      t.equal(await firstCode(t, on, { key }), 40101)
      const code = key === gone ? 40101 : 40144
      t.equal(await firstCode(t, on, { access_token: jwtOf(key) }), code)
    }
    const renewed = `${changed.split(':')[0]}:another-secret`
    t.equal(await firstCode(t, on, { key: renewed }), undefined)
    for (const socket of sockets[kept]!) {
      t.notOk(socket.isEnded)
      const told = socket.all.map(({ action }) => action).filter((each) => each !== HEARTBEAT)
      t.same(told, [CONNECTED], 'nobody else is told anything')
    }
  })

  for (const shown of ['key', 'token'] as const) {
    rule('A8', `what a key may is changed: connections by ${shown} stay`, async (t, on) => {
      const [kept, lost, more] = ['kept', 'lost', 'more'].map((each) => on.name(each)) as
        [string, string, string]
      const all = ['publish', 'subscribe', 'presence']
      const capability = JSON.stringify({ [kept]: all, [lost]: all })
      const { appId, keys } = await on.app({ keys: [{ capability }, {}] })
      const [key, other] = keys as [string, string]
      const rights = (some: Rights) => on.region.changeApp(appId, (app) =>
        withKeys(app, (each, no) => no === 0 ? withRights(each, some) : each))
      const client = on.client(t, 0, shown === 'key' ? { clientId: 'ann' }
        : { token: jwtOf(key, { clientId: 'ann' }) }, key)
      const [channel, gone] = [client.channels.get(kept), client.channels.get(lost)]
      const heard: unknown[] = []
      await channel.subscribe(({ data }) => void heard.push(data))
      await gone.attach()
      const { id } = client.connection
      const failed = new Promise<Ably.ChannelStateChange>((resolve) => gone.once('failed', resolve))
      await rights({ [kept]: ['subscribe'] })
      t.equal((await failed).reason?.code, 40160)
      await until('narrower', () => modesOf(channel) === 'presence_subscribe,subscribe')
      t.equal((await errorOf(channel.publish('n', 'x'))).code, 40160)
      t.equal((await errorOf(gone.attach())).code, 40160)
      t.equal((await errorOf(client.channels.get(more).attach())).code, 40160)
      const asked = ask(on, pathOf(kept, '/messages'), {
        value: { data: 'x' }, headers: { authorization: basic(key) }
      })
      t.same(await refusalOf(asked), [401, 40160], 'by request, too')
      const publisher = on.client(t, 1, {}, other).channels.get(kept)
      await publisher.publish('n', 'heard')
      await until('it hears', () => heard.includes('heard'))
      await rights({ '*': ['*'] })
      await until('wider', () => modesOf(channel).includes('publish'))
      await channel.publish('n', 'own')
      await client.channels.get(more).attach()
      await gone.attach()
      await until('its own', () => heard.includes('own'))
      t.same(heard, ['heard', 'own'])
      t.same([client.connection.id, client.connection.state], [id, 'connected'])
    })
  }
})
