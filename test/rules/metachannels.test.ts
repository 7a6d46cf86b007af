import type * as Ably from 'ably'
import type { Test } from 'tap'
import { errorOf, until } from '../support/ably-clients.ts'
import type { Told } from '../support/plain-socket.ts'
import { jwtOf } from '../support/tokens.ts'
import { ruleFile, type Stage, type TestApp } from './support/rule.ts'

/** An app whose first key may do everything, and what a listener at node 2 hears on `names`. */
async function listening(
  t: Test, on: Stage, ...names: string[]
): Promise<{ app: TestApp; key: string; heard: Ably.InboundMessage[] }> {
  const app = await on.app({ keys: [
    { capability: '{"[*]*":["*"]}' }, {}, { capability: '{"c":["subscribe"]}' }
  ] })
  const key = app.keys[0]!
  const heard: Ably.InboundMessage[] = []
  const listener = on.client(t, 2, {}, key)
  for (const name of names) {
    await listener.channels.get(`[meta]${name}`).subscribe((each) => void heard.push(each))
  }
  return { app, key, heard }
}

/** Does something again until it is heard of: who has just attached may miss the first. */
async function repeat(
  what: string, act: (no: number) => Promise<unknown>, isHeard: () => boolean
): Promise<void> {
  const endMs = performance.now() + 20_000
  for (let no = 0; !isHeard(); no++) {
    if (performance.now() > endMs) throw new Error(`nothing is heard of ${what}`)
    await act(no)
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
}

ruleFile('metachannels', (rule) => {
  rule('O6', 'a metachannel is heard by who may, and nothing can be said there', async (t, on) => {
    const { key, app } = await listening(t, on)
    const plain = on.client(t, 1, {}, app.keys[1]).channels.get('[meta]log')
    t.equal((await errorOf(plain.attach())).code, 40160, '* is all plain channels')
    const channel = on.client(t, 1, { clientId: 'ann' }, key).channels.get('[meta]log')
    await channel.attach()
    t.same(channel.modes, ['subscribe'])
    t.equal((await errorOf(channel.publish('e', 'x'))).code, 40160)
    t.equal((await errorOf(channel.presence.enter())).code, 40160)
    const any = on.client(t, 1, {}, key)
    for (const name of ['stats:minute', 'log:push', 'of no kind'].map((each) => `[meta]${each}`)) {
      await any.channels.get(name).attach()
      t.same(any.channels.get(name).modes, ['subscribe'], name)
    }
    const params = { rewind: '1' }
    const rewound = on.client(t, 2, {}, key).channels.get('[meta]stats:minute', { params })
    await rewound.attach()
    t.same(rewound.params, params)
    const other = on.client(t, 1, {}, key).channels.get('log')
    const heard: unknown[] = []
    await channel.subscribe('e', (each) => void heard.push(each))
    await other.publish('e', 'x')
    await other.publish('e', 'y')
    t.same(heard, [], 'the plain channel of that name is another one')
  })

  rule('O7', 'channels are opened and closed', async (t, on) => {
    const { key, heard } = await listening(t, on, 'channel.lifecycle')
    const client = on.client(t, 0, {}, key)
    await repeat('channels', (no) => client.channels.get(`c${no}`).attach(),
      () => heard.some(({ name }) => name === 'channel.opened'))
    const [opened] = heard.filter(({ name }) => name === 'channel.opened')
    const { channelId } = opened!.data as { channelId: string }
    t.match(channelId, /^c\d+$/)
    t.match(opened!.data, { channelId, name: channelId, status: { isActive: true } })
    await until('its region', () => heard.some(({ name, data }) =>
      name === 'channel.region.active' && data.channelId === channelId))
    t.same(heard.filter(({ data }) => data.channelId.startsWith('[')), [])
    await client.channels.get(channelId).detach()
    await until('closed', () => heard.some(({ name, data }) =>
      name === 'channel.closed' && data.channelId === channelId), 60_000)
  })

  rule('O8', 'connections are opened, refused, and closed', async (t, on) => {
    const { key, app, heard } = await listening(t, on, 'connection.lifecycle',
      'clientEvents:connections', 'log')
    const ofName = (name: string) => heard.filter((each) => each.name === name)
    await repeat('connections', async () => {
      const client = on.client(t, 0, { clientId: 'ann' }, key)
      await client.connection.once('connected')
      client.close()
      await client.connection.once('closed')
    }, () => ofName('connection.opened').length > 1 && ofName('connection.closed').length > 1)
    const [opened] = ofName('connection.opened')
    const [keyName] = key.split(':')
    t.match(opened!.data, { clientId: 'ann', credential: { keyName } })
    t.notMatch(JSON.stringify(heard), key.split(':')[1]!, 'no secret is told')
    await repeat('refusals', async () => {
      const wrong = on.client(t, 1, {}, `${keyName}:wrong`)
      await wrong.connection.once('failed')
    }, () => ofName('connection.refused').length > 0 && ofName('error').length > 0)
    t.match(ofName('connection.refused')[0]!.data, { error: { code: 40101 } })
    t.match(ofName('error')[0]!.data, { code: 40101, statusCode: 401 })
    const denied = on.client(t, 1, {}, app.keys[1])
    await repeat('denied attaches', () => errorOf(denied.channels.get('[meta]log').attach()),
      () => ofName('error').some(({ data }) => data.code === 40160))
  })

  rule('O8', 'connections are resumed, and fail', async (t, on) => {
    const { key, app, heard } = await listening(t, on, 'connection.lifecycle',
      'clientEvents:connections')
    const [keyName] = key.split(':')
    const ofName = (name: string, connectionId: unknown) => heard.filter((each) =>
      each.name === name && each.data.connectionId === connectionId)
    const ids: unknown[] = []
    const isTold = (name: string) => ids.some((id) => ofName(name, id).length === 2)
    const connected = async (node: number, clientId: string, params = {}) => {
      const access_token = jwtOf(key, { clientId })
      const socket = await on.socket(t, node, { params: { access_token, ...params } })
      const [{ connectionId, connectionDetails }] = socket.all as [Told]
      return { socket, connectionId, resume: String(connectionDetails!['connectionKey']) }
    }
    await repeat('resumes', async () => {
      const { socket, connectionId, resume } = await connected(0, 'ann')
      ids.push(connectionId)
      socket.cut()
      const back = await connected(1, 'ann', { resume })
      t.equal(back.connectionId, connectionId)
      back.socket.cut()
    }, () => isTold('connection.update'))
    const updates = ids.flatMap((id) => ofName('connection.update', id))
    t.match(updates[0]!.data, { clientId: 'ann', transport: 'web_socket',
      credential: { type: 'token', keyName }, site: String, error: undefined })
    ids.length = 0
    await repeat('failures', async () => {
      const { socket, connectionId } = await connected(0, 'ann')
      ids.push(connectionId)
      socket.send({ action: 17, auth: { accessToken: jwtOf(app.keys[1]!, { clientId: 'bob' }) } })
      await socket.ended
    }, () => isTold('connection.failed'))
    const failed = ids.flatMap((id) => ofName('connection.failed', id))
    t.match(failed[0]!.data, { clientId: 'ann', error: { code: 40102, statusCode: 401 } })
    t.ok(failed[0]!.data.duration >= 0)
    t.same(ids.flatMap((id) => ofName('connection.closed', id)), [], 'either, not both')
  })

  rule('O8', 'what each did: its transport, for how long, how much', async (t, on) => {
    const { key, app, heard } = await listening(t, on, 'clientEvents:connections')
    const isJson = on.format === 'json'
    const ofName = (name: string) => heard.filter((each) => each.name === name)
    const ways = [[{}, 'web_socket'], [{ transports: ['comet'] }, 'comet']] as const
    for (const [options, transport] of isJson ? ways : ways.slice(0, 1)) {
      const told = () => ofName('connection.closed').map(({ data }) => data)
        .filter((data) => data.transport === transport)
      await repeat(transport, async () => {
        const client = on.client(t, 0, options, key)
        const channel = client.channels.get(on.name('deeds'))
        await channel.attach()
        await client.channels.get(on.name('other')).attach()
        await client.channels.get(on.name('other')).detach()
        await channel.publish([{ data: 'x' }, { data: 'y' }])
        await channel.publish('n', 'z')
        client.close()
        await client.connection.once('closed')
      }, () => told().length > 0)
      const [closed] = told()
      t.match(closed, { transport, channels: 2, messages: 3, site: String })
      t.ok(closed.duration >= 0 && closed.duration < 60_000, `${closed.duration} ms`)
      const opened = ofName('connection.opened').find(({ data }) =>
        data.connectionId === closed.connectionId)
      t.match(opened?.data ?? { transport }, { transport })
    }
    await repeat('refusals', async () => {
      const wrong = on.client(t, 1, {}, `${app.keys[0]!.split(':')[0]}:wrong`)
      await wrong.connection.once('failed')
    }, () => ofName('connection.refused').length > 0)
    t.match(ofName('connection.refused')[0]!.data, { transport: 'web_socket' })
    t.notMatch(JSON.stringify(heard), key.split(':')[1]!, 'no secret is told')
  })

  rule('O9', 'requests succeed, fail, or are refused', async (t, on) => {
    const { key, app, heard } = await listening(t, on, 'clientEvents:apiRequests')
    const rest = on.rest(0, { key })
    await repeat('requests', () => rest.channels.get('c').publish('e', 'x'),
      () => heard.some(({ name }) => name === 'request.succeeded'))
    const { host } = new URL(on.url(0))
    t.match(heard[0]!.data,
      { method: 'POST', path: '/channels/c/messages', statusCode: 201, host, site: String })
    t.type(heard[0]!.data.duration, 'number')
    const denied = on.rest(0, { key: app.keys[2]! })
    await repeat('refusals', () => errorOf(denied.channels.get('c').publish('e', 'x')),
      () => heard.some(({ name }) => name === 'request.refused'))
    t.match(heard.find(({ name }) => name === 'request.refused')!.data, { error: { code: 40160 } })
  })
})
