import type * as Ably from 'ably'
import { errorOf, until } from '../support/ably-clients.ts'
import { PlainSocket } from '../support/plain-socket.ts'
import { callbackOf, jwtOf } from '../support/tokens.ts'
import { ask, pathOf, refusalOf } from './support/rest-kit.ts'
import { ruleFile } from './support/rule.ts'

const [AUTH, DISCONNECTED, ERROR, CONNECTED] = [17, 6, 9, 4]

/** The modes of a channel, in order of the alphabet. */
const modesOf = ({ modes }: Ably.RealtimeChannel): string[] => [...modes ?? []].sort()

ruleFile('authentication', (rule) => {
  rule('A1', 'a JWT says who, and what it may', async (t, on) => {
    const name = on.name('jwt')
    const capability = { [name]: ['publish', 'subscribe'] }
    const token = jwtOf(on.key, { clientId: 'ann', capability })
    const client = on.client(t, 0, { token })
    await client.connection.once('connected')
    t.equal(client.auth.clientId, 'ann')
    const heard = on.client(t, 1).channels.get(name)
    const [message] = await Promise.all([
      new Promise<Ably.Message>((resolve) => void heard.subscribe(resolve)
        .then(() => client.channels.get(name).publish('n', 'x')))
    ])
    t.match(message, { data: 'x', clientId: 'ann' })
    const denied = await errorOf(client.channels.get(`${name}-other`).attach())
    t.equal(denied.code, 40160)
    t.equal(client.connection.state, 'connected')
  })

  rule('A1', 'under either name of the param', async (t, on) => {
    for (const param of ['access_token', 'accessToken']) {
      const socket = await on.socket(t, 2, { params: { [param]: jwtOf(on.key) } })
      t.equal(socket.all[0]!.action, CONNECTED)
    }
  })

  rule('A1', 'a token in an envelope, which says nothing itself', async (t, on) => {
    const name = on.name('inner')
    const capability = { [name]: ['publish'] }
    const outer = { clientId: 'bob', ageS: 60, lifeS: 30 }
    const envelopes = [
      (inner: string) => jwtOf('some.body:x', { ...outer, claims: { 'x-ably-token': inner } }),
      (inner: string) => jwtOf('some.body:x', {
        ...outer, header: { alg: 'RS256', 'x-ably-token': inner }
      }),
      (inner: string) => {
        const header = { alg: 'dir', enc: 'A256GCM', 'x-ably-token': inner }
        return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.a2V5.aXY.dGV4dA.dGFn`
      }
    ]
    const { token } = await on.rest(1).auth.requestToken({
      clientId: 'ann', capability: JSON.stringify(capability)
    })
    const codeOf = async (shown: string) => {
      const params = { access_token: shown }
      const socket = PlainSocket.open(t, on.url(1), { format: on.format, params })
      return (await socket.next(() => true)).error?.code
    }
    for (const envelope of envelopes) {
      for (const inner of [token, jwtOf(on.key, { clientId: 'ann', capability })]) {
        const accessToken = envelope(inner)
        const socket = await on.socket(t, 2, { params: { access_token: accessToken } })
        t.match(socket.all[0], { action: CONNECTED, connectionDetails: { clientId: 'ann' } })
        socket.send({ action: AUTH, auth: { accessToken } })
        await socket.next(({ action }) => action === CONNECTED)
        const headers = { authorization: `Bearer ${Buffer.from(accessToken).toString('base64')}` }
        const publish = (channel: string) => refusalOf(
          ask(on, pathOf(channel, '/messages'), { value: { data: 'x' }, headers }))
        t.same(await publish(name), [201, 0])
        t.same(await publish(`${name}-other`), [401, 40160])
      }
      t.equal(await codeOf(envelope(jwtOf(on.key, { ageS: 60, lifeS: 30 }))), 40142)
      t.equal(await codeOf(envelope(envelope(token))), 40144)
    }
  })

  rule('A2', 'tokens that are none, each by its code', async (t, on) => {
    const [keyName] = on.key.split(':') as [string]
    const cases: readonly [string, number][] = [
      ['nonsense', 40145], [`${keyName.split('.')[0]}.AAAA`, 40143], ['a.b.c', 40144],
      [jwtOf(`${keyName}:wrong`), 40144], [jwtOf(on.key, { header: { alg: 'none' } }), 40144],
      [jwtOf(on.key, { ageS: 60, lifeS: 30 }), 40142],
      [jwtOf(on.key, { lifeS: 86_401 }), 40144], [jwtOf(`${keyName}x:secret`), 40101]
    ]
    for (const [token, code] of cases) {
      const params = { access_token: token }
      const socket = PlainSocket.open(t, on.url(1), { format: on.format, params })
      const told = await socket.next(({ action }) => action === ERROR)
      t.match(told, { error: { code, statusCode: 401 } }, token.slice(0, 20))
      await socket.ended
    }
  })

  rule('A2', 'a client that is refused its token makes another one', async (t, on) => {
    const tokens = [jwtOf(on.key, { ageS: 60, lifeS: 30 }), jwtOf(on.key)]
    const client = on.client(t, 0, { authCallback: callbackOf(() => tokens.shift()!) })
    await client.connection.once('connected')
    t.same(tokens, [])
  })

  rule('A3', 'a client is whom its token names, or whom it may name', async (t, on) => {
    type Case = readonly [given: string | undefined, asked: string | undefined, expected: unknown]
    const cases: readonly Case[] = [
      ['ann', undefined, 'ann'], ['ann', 'ann', 'ann'], ['*', 'ann', 'ann'], ['*', undefined, '*'],
      ['ann', 'bob', 40102], [undefined, 'bob', 40102], [undefined, undefined, undefined]
    ]
    for (const [given, asked, expected] of cases) {
      const params: Record<string, string> = { access_token: jwtOf(on.key, { clientId: given }) }
      if (asked !== undefined) params.clientId = asked
      const socket = PlainSocket.open(t, on.url(0), { format: on.format, params })
      const told = await socket.next(() => true)
      const clientId = told.connectionDetails?.clientId ?? undefined
      t.equal(told.action === ERROR ? told.error?.code : clientId, expected, `${given} ${asked}`)
    }
  })

  rule('A4', 'another token in place: same connection, other rights at once', async (t, on) => {
    const [kept, lost] = [on.name('kept'), on.name('lost')]
    const full = ['publish', 'subscribe', 'presence']
    let capability: Record<string, string[]> = { [kept]: full, [lost]: full }
    const client = on.client(t, 0, {
      authCallback: callbackOf(() => jwtOf(on.key, { clientId: 'ann', capability }))
    })
    await client.connection.once('connected')
    const { id } = client.connection
    const [channel, gone] = [client.channels.get(kept), client.channels.get(lost)]
    const heard: string[] = []
    await channel.subscribe(({ data }) => void heard.push(data))
    await gone.attach()
    await Promise.all([channel.presence.enter(), gone.presence.enter()])
    const other = on.client(t, 1)
    const leaves: string[] = []
    for (const name of [kept, lost]) {
      const { presence } = other.channels.get(name)
      await presence.subscribe('leave', ({ clientId }) => void leaves.push(`${clientId} ${name}`))
    }
    capability = { [kept]: ['publish'] }
    const failed = new Promise<Ably.ChannelStateChange>((resolve) => gone.once('failed', resolve))
    await client.auth.authorize()
    t.equal((await failed).reason?.code, 40160)
    await until('its modes are told', () => modesOf(channel).join() === 'publish')
    await until('it is present nowhere', () => leaves.length === 2)
    await other.channels.get(kept).publish('n', 'unheard')
    await channel.publish('n', 'may be said')
    const another = client.channels.get(`${lost}-too`)
    t.equal((await errorOf(another.publish('n', 'x'))).code, 40160)
    capability = { [kept]: full }
    await client.auth.authorize()
    await until('its modes are told', () => modesOf(channel).includes('subscribe'))
    await other.channels.get(kept).publish('n', 'heard')
    await until('it hears again', () => heard.length > 0)
    t.same(heard, ['heard'])
    t.equal(client.connection.id, id)
    t.equal(channel.state, 'attached')
  })

  rule('A5', 'a token of another client, app or key ends the connection', async (t, on) => {
    const { keys } = await on.app({ keys: [{}, {}] })
    const [key, another] = keys as [string, string]
    const cases: readonly [string, number][] = [
      [jwtOf(key, { clientId: 'bob' }), 40102], [jwtOf(another, { clientId: 'ann' }), 40102],
      [jwtOf(on.key, { clientId: 'ann' }), 40102], [jwtOf(`${key}x`, { clientId: 'ann' }), 40144]
    ]
    for (const [accessToken, code] of cases) {
      const params = { access_token: jwtOf(key, { clientId: 'ann' }) }
      const socket = await on.socket(t, 2, { params })
      socket.send({ action: AUTH, auth: { accessToken } })
      const told = await socket.next(({ error }) => error !== undefined)
      t.match(told, { action: code === 40102 ? ERROR : DISCONNECTED, error: { code } })
      await socket.ended
    }
  })

  rule('A5', 'who was nobody may become somebody, and resumes as such', async (t, on) => {
    const params = { access_token: jwtOf(on.key) }
    const socket = await on.socket(t, 0, { params })
    const accessToken = jwtOf(on.key, { clientId: 'ann' })
    socket.send({ action: AUTH, auth: { accessToken } })
    const told = await socket.next(({ action }) => action === CONNECTED)
    const { connectionKey } = told.connectionDetails as { connectionKey: string }
    t.match(told, { connectionId: socket.all[0]!.connectionId,
      connectionDetails: { clientId: 'ann' } })
    socket.cut()
    const again = await on.socket(t, 1, {
      params: { access_token: accessToken, resume: connectionKey }
    })
    t.match(again.all[0], { connectionId: told.connectionId, error: undefined })
  })

  rule('A6', 'a token is asked for half a minute before its end', async (t, on) => {
    let count = 0
    const client = on.client(t, 1, {
      authCallback: callbackOf(() => jwtOf(on.key, { lifeS: ++count === 1 ? 32 : 3_600 }))
    })
    await client.connection.once('connected')
    const { id } = client.connection
    await client.connection.once('update')
    t.equal(count, 2)
    t.equal(client.connection.id, id)
    t.equal(client.connection.state, 'connected')
  })

  rule('A6', 'at its end the socket is over, and the connection is not', async (t, on) => {
    let count = 0
    const client = on.client(t, 0, {
      authCallback: callbackOf(() => jwtOf(on.key, { lifeS: ++count === 1 ? 3 : 3_600 }))
    })
    const channel = client.channels.get(on.name('expiry'))
    const heard: string[] = []
    await channel.subscribe(({ data }) => void heard.push(data))
    const { id } = client.connection
    const { reason } = await client.connection.once('disconnected')
    t.equal(reason?.code, 40142)
    const publisher = on.client(t, 2).channels.get(on.name('expiry'))
    await publisher.publish('n', 'meanwhile')
    await until('it is back', () => client.connection.state === 'connected')
    await publisher.publish('n', 'after')
    await until('it hears', () => heard.includes('after'))
    t.same(heard, ['meanwhile', 'after'])
    t.equal(client.connection.id, id)
    t.equal(count, 2)
  })

  rule('A7', 'who may not have it goes on with nobody\'s connection', async (t, on) => {
    const params = { access_token: jwtOf(on.key, { clientId: 'ann' }) }
    const socket = await on.socket(t, 0, { params })
    const [told] = socket.all
    const { connectionKey: resume } = told!.connectionDetails as { connectionKey: string }
    socket.cut()
    for (const [param, clientId] of [['resume', 'bob'], ['recover', '*']] as const) {
      const other = await on.socket(t, 1, {
        params: { access_token: jwtOf(on.key, { clientId }), [param]: resume }
      })
      t.equal(other.all[0]!.error?.code, 40102)
      t.not(other.all[0]!.connectionId, told!.connectionId)
    }
    const same = await on.socket(t, 1, {
      params: { access_token: jwtOf(on.key, { clientId: 'ann' }), resume }
    })
    t.equal(same.all[0]!.connectionId, told!.connectionId)
  })

  rule('A7', 'who was nobody, or anybody, comes back as one client', async (t, on) => {
    for (const clientId of [undefined, '*']) {
      const socket = await on.socket(t, 0, {
        params: { access_token: jwtOf(on.key, clientId === undefined ? {} : { clientId }) }
      })
      const [told] = socket.all
      const { connectionKey: resume } = told!.connectionDetails as { connectionKey: string }
      socket.cut()
      const back = await on.socket(t, 1, {
        params: { access_token: jwtOf(on.key, { clientId: 'bob' }), resume }
      })
      t.match(back.all[0], { connectionId: told!.connectionId, error: undefined,
        connectionDetails: { clientId: 'bob' } })
    }
  })

  rule('A9', 'claims of a token are in its messages, and nobody else\'s', async (t, on) => {
    const name = on.name('claims')
    const heard: unknown[] = []
    const listener = on.client(t, 2).channels.get(name)
    await listener.subscribe(({ extras }) => void heard.push(extras?.userClaim))
    const claims = { 'ably.channel.*': 'wide', [`ably.channel.${name}`]: 'narrow' }
    const holder = on.client(t, 0, { token: jwtOf(on.key, { claims }) }).channels.get(name)
    await holder.publish({ name: 'n', extras: { userClaim: 'forged' } })
    await on.client(t, 1).channels.get(name).publish({ name: 'n', extras: { userClaim: 'forged' } })
    await until('both are here', () => heard.length === 2)
    t.same(heard, ['narrow', undefined])
  })

  rule('A9', 'its rate is kept', async (t, on) => {
    const name = on.name('rate')
    const claims = { [`ably.limits.publish.perAttachment.maxRate.${name}`]: 0.01 }
    const client = on.client(t, 0, { token: jwtOf(on.key, { claims }) })
    await client.channels.get(name).publish('n', 'one')
    t.equal((await errorOf(client.channels.get(name).publish('n', 'two'))).code, 42911)
    await client.channels.get(`${name}-other`).publish('n', 'one')
  })

  rule('A11', 'the SDK publishes with a token', async (t, on) => {
    const name = on.name('rest')
    const heard: unknown[] = []
    const listener = on.client(t, 2).channels.get(name)
    await listener.subscribe(({ clientId, extras }) => {
      heard.push([clientId, extras?.userClaim])
    })
    const claims = { 'ably.channel.*': 'claimed' }
    const rest = on.rest(0, { token: jwtOf(on.key, { clientId: 'ann', claims }) })
    await rest.channels.get(name).publish('n', 'x')
    await until('it is here', () => heard.length === 1)
    t.same(heard, [['ann', 'claimed']])
    const denied = on.rest(1, { token: jwtOf(on.key, { capability: { other: ['*'] } }) })
    t.match(await errorOf(denied.channels.get(name).publish('n', 'x')), {
      code: 40160, statusCode: 401
    })
  })

  rule('A11', 'every way in, and what is wrong by its code', async (t, on) => {
    const name = on.name('ways')
    const base64 = (text: string): string => Buffer.from(text).toString('base64')
    const token = jwtOf(on.key, { clientId: 'ann' })
    const publish = async (headers: Record<string, string>, query = ''): Promise<unknown[]> => {
      const response = await fetch(`${on.url(1)}/channels/${name}/messages?${query}`, {
        method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: '{}'
      })
      await response.arrayBuffer()
      const code = response.headers.get('x-ably-errorcode')
      return code === null ? [response.status] : [response.status, Number(code)]
    }
    const me = { 'x-ably-clientid': base64('ann') }
    const cases: readonly [Record<string, string>, string, unknown[]][] = [
      [{ authorization: `Bearer ${token}` }, '', [201]],
      [{ authorization: `Bearer ${base64(token)}` }, '', [201]],
      [me, `access_token=${token}`, [201]], [{}, `accessToken=${token}`, [201]],
      [{ ...me, authorization: `Basic ${base64(on.key)}` }, '', [201]],
      [{ 'x-ably-clientid': base64('bob') }, `access_token=${token}`, [401, 40102]],
      [{ authorization: 'Bearer nonsense' }, '', [401, 40145]],
      [{ authorization: `Bearer ${token.slice(0, -4)}` }, '', [401, 40144]],
      [{}, `access_token=${jwtOf(on.key, { ageS: 60, lifeS: 30 })}`, [401, 40142]],
      [{}, `access_token=${jwtOf(`${on.key.split(':')[0]}x:s`)}`, [401, 40400]],
      [{}, `access_token=${jwtOf('nobody.k:s')}`, [404, 40400]],
      [{}, '', [401, 40101]]
    ]
    for (const [headers, query, expected] of cases) {
      t.same(await publish(headers, query), expected, JSON.stringify([headers, query.slice(0, 20)]))
    }
  }, ['json'])

  rule('A10', 'a namespace may want TLS, or to know who it is', async (t, on) => {
    const { keys } = await on.app({
      keys: [{}], namespaces: [{ id: 'safe', tlsOnly: true }, { id: 'known', identified: true }]
    })
    const [key] = keys as [string]
    const nobody = on.client(t, 0, { token: jwtOf(key) })
    const ann = on.client(t, 1, { clientId: 'ann' }, key)
    for (const client of [nobody, ann]) {
      t.equal((await errorOf(client.channels.get('safe:c').attach())).code, 40311)
    }
    t.equal((await errorOf(nobody.channels.get('known:c').attach())).code, 40161)
    t.equal((await errorOf(nobody.channels.get('known:d').publish('n', 'x'))).code, 40161)
    await ann.channels.get('known:c').publish('n', 'x')
    await ann.channels.get('known:c').attach()
    await nobody.channels.get('other:c').attach()
    const rest = on.rest(2, { key })
    t.equal((await errorOf(rest.channels.get('safe:c').publish('n', 'x'))).code, 40311)
    t.equal((await errorOf(rest.channels.get('known:c').publish('n', 'x'))).code, 40161)
  })

  rule('A10', 'an app may want TLS; a proxy may have ended it', async (t, on) => {
    const { keys } = await on.app({ tlsOnly: true, keys: [{}] })
    const { keys: others } = await on.app({ namespaces: [{ id: 'safe', tlsOnly: true }] })
    const [key, other] = [keys[0]!, others[0]!]
    t.equal((await on.client(t, 0, {}, key).connection.once('failed')).reason?.code, 40311)
    const token = jwtOf(key)
    t.equal((await on.client(t, 1, { token }).connection.once('failed')).reason?.code, 40311)
    t.equal((await errorOf(on.rest(2, { key }).channels.get('c').publish('n', 'x'))).code, 40311)
    for (const [forwarded, isTls] of [
      ['https', true], ['WSS, http', true], ['http', false], ['http, https', false], ['', false]
    ] as const) {
      const headers = { 'x-forwarded-proto': forwarded }
      const socket = PlainSocket.open(t, on.url(0), { format: on.format, params: { key }, headers })
      const { action, error } = await socket.next(() => true)
      t.same([action, error?.code], isTls ? [4, undefined] : [9, 40311], forwarded)
      const safe = await on.socket(t, 1, { params: { key: other }, headers })
      safe.send({ action: 10, channel: 'safe:c' })
      t.equal((await safe.next(({ channel }) => channel === 'safe:c')).action, isTls ? 11 : 9)
      for (const path of ['/channels/c/messages?', '/comet/connect?v=6&stream=false&',
        '/sse?v=6&channel=c&']) {
        const answer = await fetch(`${on.url(2)}${path}key=${key}`, { headers })
        t.equal(answer.status, isTls ? 200 : 403, path)
        await answer.body?.cancel()
      }
      const signed = await on.rest(1, { key }).auth.createTokenRequest()
      const asked = await fetch(`${on.url(1)}/keys/${signed.keyName}/requestToken`, {
        method: 'POST', body: JSON.stringify(signed),
        headers: { ...headers, 'content-type': 'application/json' }
      })
      await asked.body?.cancel()
      const told = [asked.status, asked.headers.get('x-ably-errorcode')]
      t.same(told, isTls ? [201, null] : [403, '40311'], `a signed request, ${forwarded}`)
    }
  })
})
