import type { Test } from 'tap'
import { OPERATIONS } from '../../src/auth/capability.ts'
import { ROUTES } from '../../src/node/routes.ts'
import { Action } from '../../src/wire/actions.ts'
import { rawRequest } from '../support/raw-request.ts'
import { PlainSocket, type Told } from '../support/plain-socket.ts'
import { jwtOf } from '../support/tokens.ts'
import { badTokens, MISSING } from './support/bad-tokens.ts'
import { basic, refusalOf } from './support/rest-kit.ts'
import { ruleFile, type Stage } from './support/rule.ts'

/** What is sent to a route, where anything is, and what one must be permitted there. */
interface Guarded {
  readonly path: string
  readonly value?: unknown
  /** None: no capability is asked for. */
  readonly operation?: string
  /** Where the lack of it is told in the place of one channel, and the request goes on. */
  readonly isBatch?: boolean
}

const CHANNEL = 'guarded'

/** Every route that wants to know who asks; the test fails for one that is not here. */
const guarded: Readonly<Record<string, Guarded>> = {
  'POST /messages': {
    path: '/messages', value: { channels: [CHANNEL], messages: { data: 'x' } },
    operation: 'publish', isBatch: true
  },
  'GET /presence': {
    path: `/presence?channels=${CHANNEL}`, operation: 'subscribe', isBatch: true
  },
  'GET /stats': { path: '/stats', operation: 'stats' },
  'GET /channels': { path: '/channels', operation: 'channel-metadata' },
  'GET /channels/*': { path: `/channels/${CHANNEL}`, operation: 'channel-metadata' },
  'POST /keys/*/revokeTokens': {
    path: '/keys/KEY/revokeTokens', value: { targets: ['clientId:x'] }
  },
  'POST /channels/*/messages': {
    path: `/channels/${CHANNEL}/messages`, value: { data: 'x' }, operation: 'publish'
  },
  'GET /channels/*/messages': { path: `/channels/${CHANNEL}/messages`, operation: 'history' },
  'GET /channels/*/history': { path: `/channels/${CHANNEL}/history`, operation: 'history' },
  'GET /channels/*/messages/*': {
    path: `/channels/${CHANNEL}/messages/none`, operation: 'history'
  },
  'GET /channels/*/presence': { path: `/channels/${CHANNEL}/presence`, operation: 'subscribe' },
  'GET /channels/*/presence/history': {
    path: `/channels/${CHANNEL}/presence/history`, operation: 'history'
  }
}

/** Open for signed bodies; with others it wants to know who asks. */
const REQUEST_TOKEN = 'POST /keys/*/requestToken'
const asked: typeof guarded = {
  ...guarded, [REQUEST_TOKEN]: { path: '/keys/KEY/requestToken', value: { keyName: 'KEY' } }
}

/** Frames that need a capability, and how the lack of it is told. */
const frames: readonly {
  readonly name: string
  readonly operation: string
  readonly frame: object
  readonly told: number
}[] = [
  { name: 'ATTACH', operation: 'subscribe', told: Action.ERROR,
    frame: { action: Action.ATTACH, flags: 1 << 18 } },
  { name: 'MESSAGE', operation: 'publish', told: Action.NACK,
    frame: { action: Action.MESSAGE, msgSerial: 0, messages: [{ data: 'x' }] } },
  { name: 'PRESENCE', operation: 'presence', told: Action.NACK,
    frame: { action: Action.PRESENCE, msgSerial: 0, presence: [{ action: 2, clientId: 'x' }] } }
]

function request(
  on: Stage, name: string, headers: Record<string, string>, key = on.key, query = ''
): Promise<Response> {
  const [method] = name.split(' ') as [string]
  const { path, value } = asked[name]!
  const [keyName] = key.split(':') as [string]
  const body = value === undefined ? undefined : JSON.stringify(value).replace('KEY', keyName)
  const joint = query === '' ? '' : path.includes('?') ? `&${query}` : `?${query}`
  return fetch(`${on.url(1)}${path.replace('KEY', keyName)}${joint}`, {
    method, body,
    headers: { 'content-type': 'application/json', 'x-ably-version': '6', ...headers }
  })
}

interface Refused {
  readonly error: { readonly code: number }
}

/** What a node says first to a socket with these credentials. */
async function firstTold(
  t: Test, on: Stage, params: Record<string, string>
): Promise<[number, number | undefined, string]> {
  const socket = PlainSocket.open(t, on.url(2), { format: on.format, params })
  const told = await socket.next(() => true)
  await socket.ended
  return [told.action, told.error?.code, JSON.stringify(told)]
}

ruleFile('security', (rule) => {
  rule('G1', 'every route is guarded, and none is left out here', async (t) => {
    const closed = ROUTES.filter(({ isOpen }) => isOpen !== true)
      .map(({ method, pattern }) => `${method} ${pattern}`)
    t.same(Object.keys(guarded).sort(), closed.sort())
    const open = ROUTES.filter(({ isOpen }) => isOpen === true).map(({ pattern }) => pattern)
    t.same(open, ['/time', '/.well-known/ringcast/regions', '/keys/*/requestToken'])
  }, ['json'])

  rule('G1', 'who shows nothing, or nothing good, is refused on every route', async (t, on) => {
    const { keys: [other] } = await on.app({ keys: [{}] })
    const [keyName, secret] = on.key.split(':') as [string, string]
    const [, otherSecret] = other!.split(':') as [string, string]
    const cases: readonly [Record<string, string>, string, number][] = [
      [{}, '', 40101], [{ authorization: '' }, '', 40101], [{}, 'key=', 40101],
      [{ authorization: 'Basic !!!' }, '', 40101], [{ authorization: 'Negotiate x' }, '', 40101],
      [{ authorization: basic(keyName) }, '', 40101], [{ authorization: basic('') }, '', 40101],
      [{ authorization: basic(`${keyName}:`) }, '', 40101],
      [{ authorization: basic(`${keyName}:${secret}x`) }, '', 40101],
      [{ authorization: basic(`${keyName}:${otherSecret}`) }, '', 40101],
      [{ authorization: basic(`${keyName}x:${secret}`) }, '', 40101],
      [{ authorization: basic(`x${keyName}:${secret}`) }, '', 40101],
      [{}, `key=${encodeURIComponent(`${keyName}:${otherSecret}`)}`, 40101],
      [{ authorization: basic(on.key), 'x-ably-clientid': '%' }, '', 40012]
    ]
    for (const name of Object.keys(asked)) {
      for (const [headers, query, code] of cases) {
        const [status, told] = await refusalOf(request(on, name, headers, on.key, query))
        const expected = [code === 40012 ? 400 : 401, code]
        t.same([status, told], expected, `${name} ${JSON.stringify(headers)} ${query}`)
      }
    }
    for (const authorization of [basic(other!), `Bearer ${jwtOf(other!)}`]) {
      const told = await refusalOf(request(on, REQUEST_TOKEN, { authorization }))
      t.same(told, [401, 40102], `a token of another key: ${authorization.slice(0, 6)}`)
    }
  }, ['json'])

  rule('G1', 'a connection, too, over every transport', async (t, on) => {
    const [keyName] = on.key.split(':') as [string]
    const shown = [{ key: '' }, { key: keyName }, { key: `${keyName}:x` }, { key: 'a.b:c' }]
    for (const params of [...shown, { access_token: '' }]) {
      const [action, code] = await firstTold(t, on, params)
      t.same([action, code], [Action.ERROR, 40101], JSON.stringify(params))
      const query = new URLSearchParams({ ...params, v: '6', channels: 'c', channel: 'c' })
      for (const path of ['comet/connect', 'sse', 'event-stream']) {
        const response = await fetch(`${on.url(0)}/${path}?${query}`)
        t.match(await response.text(), /40101/, `${path} ${JSON.stringify(params)}`)
      }
    }
  })

  rule('G2', 'tokens that are over, forged or malformed, by request', async (t, on) => {
    const { keys: [other] } = await on.app({ keys: [{}] })
    const names = Object.keys(guarded)
    for (const [no, [what, token, code]] of badTokens(on.key, other!).entries()) {
      // One of each kind on every route, the others on one after the other.
      for (const name of [REQUEST_TOKEN, ...no < 3 ? names : [names[no % names.length]!]]) {
        const authorization = `Bearer ${Buffer.from(token).toString('base64')}`
        const answer = await refusalOf(request(on, name, { authorization }))
        t.same(answer, MISSING[what] ?? [401, code], `${what}: ${name}`)
      }
    }
  }, ['json'])

  rule('G2', 'and on a connection: as it opens, and later', async (t, on) => {
    const { keys: [other] } = await on.app({ keys: [{}] })
    for (const [what, token, code] of badTokens(on.key, other!)) {
      const [action, told] = await firstTold(t, on, { access_token: token })
      t.same([action, told], [Action.ERROR, code], what)
      const socket = await on.socket(t, 0, { params: { access_token: jwtOf(on.key) } })
      socket.send({ action: Action.AUTH, auth: { accessToken: token } })
      const refused = await socket.next(({ error }) => error !== undefined)
      t.equal(refused.error?.code, code, `AUTH: ${what}`)
      await socket.ended
    }
  })

  rule('G2', 'and over every other transport', async (t, on) => {
    const { keys: [other] } = await on.app({ keys: [{}] })
    for (const [what, accessToken, code] of badTokens(on.key, other!)) {
      const query = new URLSearchParams({ accessToken, v: '6', channel: 'c' })
      for (const path of ['comet/connect', 'sse', 'event-stream']) {
        const response = await fetch(`${on.url(0)}/${path}?${query}`)
        const value = await response.json() as Refused | Refused[]
        const { error } = Array.isArray(value) ? value[0]! : value
        t.same([response.status, error.code], [401, code], `${path}: ${what}`)
      }
    }
  }, ['json'])

  rule('G2', 'tokens beyond all measure', async (t, on) => {
    const socket = await on.socket(t, 0, { params: { access_token: jwtOf(on.key) } })
    const accessToken = `${'x'.repeat(70_000)}.y`
    socket.send({ action: Action.AUTH, auth: { accessToken } })
    t.equal((await socket.next(({ error }) => error !== undefined)).error?.code, 40144)
    await socket.ended
    for (const authorization of [`Bearer ${'x'.repeat(20_000)}`, `Basic ${'x'.repeat(20_000)}`]) {
      const answered = await rawRequest(on.url(1), '/channels/c/messages', { authorization })
      t.match(answered, /^HTTP\/1.1 (431|400|401) /)
    }
    t.equal((await fetch(`${on.url(1)}/time`)).status, 200)
  })

  rule('G3', 'one operation less than it takes is refused with 40160', async (t, on) => {
    for (const [name, { operation, isBatch }] of Object.entries(guarded)) {
      if (operation === undefined) continue
      const others = OPERATIONS.filter((each) => each !== operation &&
        !(operation === 'subscribe' && each === 'presence'))
      for (const [operations, mayPass] of [[others, false], [[operation], true]] as const) {
        const capability = { '*': operations }
        const response = await request(on, name, {
          authorization: `Bearer ${jwtOf(on.key, { capability })}`
        })
        const text = await response.text()
        t.equal(/40160/.test(text), !mayPass, `${name} with ${operations.join()}: ${text}`)
        if (!mayPass && isBatch !== true) t.equal(response.status, 401)
      }
      const elsewhere = jwtOf(on.key, { capability: { [`${CHANNEL}:*`]: ['*'] } })
      const text = await (await request(on, name, { authorization: `Bearer ${elsewhere}` })).text()
      t.match(text, /40160/, `${name} with everything, elsewhere`)
    }
  }, ['json'])

  rule('G3', 'and so is every frame', async (t, on) => {
    for (const { name, operation, frame, told } of frames) {
      const others = OPERATIONS.filter((each) => each !== operation)
      const lacking: readonly Record<string, readonly string[]>[] =
        [{ '*': others }, { [`${CHANNEL}:*`]: ['*'] }]
      for (const capability of lacking) {
        const params = { access_token: jwtOf(on.key, { clientId: 'x', capability }) }
        const socket = await on.socket(t, 1, { params })
        socket.send({ channel: CHANNEL, ...frame })
        const answer = await socket.next(({ error }) => error !== undefined)
        t.match(answer, { action: told, error: { code: 40160, statusCode: 401 } }, name)
        socket.send({ action: Action.HEARTBEAT, id: 'goes on' })
        await socket.next(({ id }) => id === 'goes on')
        socket.cut()
      }
    }
    for (const [action, code] of [[Action.OBJECT, 40021], [Action.ANNOTATION, 40021]] as const) {
      const socket = await on.socket(t, 1)
      socket.send({ action, channel: CHANNEL, msgSerial: 0 })
      t.match(await socket.next(({ error }) => error !== undefined),
        { action: Action.NACK, error: { code } })
      socket.cut()
    }
  })

  rule('G3', 'what has no right to a channel hears and changes nothing there', async (t, on) => {
    const name = on.name('walls')
    const { keys: [other] } = await on.app({ keys: [{}] })
    const channel = on.client(t, 0).channels.get(name)
    const heard: unknown[] = []
    await channel.subscribe(({ data }) => void heard.push(data))
    const stranger = on.client(t, 1, {}, other).channels.get(name)
    const strange: unknown[] = []
    await stranger.subscribe(({ data }) => void strange.push(data))
    await stranger.publish('n', 'of another app')
    await channel.publish('n', 'of this app')
    await stranger.publish('n', 'of another app, again')
    t.same((await stranger.history()).items.map(({ data }) => data),
      ['of another app, again', 'of another app'])
    t.same((await channel.history()).items.map(({ data }) => data), ['of this app'])
    t.notOk(strange.includes('of this app'))
    t.same(heard, ['of this app'])
  })

  rule('G4', 'names that lead elsewhere', async (t, on) => {
    const wrong = ['..', '.', '../x', 'x/../y', 'x/..', './x', 'x/./y', '..\\x', '[meta]../x',
      '[?rewind=1]../x']
    for (const channel of wrong) {
      const socket = await on.socket(t, 0)
      const next = (): Promise<Told> => socket.next(({ error }) => error !== undefined)
      socket.send({ action: Action.ATTACH, channel })
      t.match(await next(), { action: Action.ERROR, channel, error: { code: 40010 } }, channel)
      socket.send({ action: Action.MESSAGE, channel, msgSerial: 0, messages: [{ data: 'x' }] })
      t.match(await next(), { action: Action.NACK, error: { code: 40010 } }, channel)
      socket.cut()
      const path = encodeURIComponent(channel).replaceAll('.', '%2e')
      for (const route of ['messages', 'presence']) {
        const raw = await rawRequest(on.url(1), `/channels/${path}/${route}`, {
          authorization: basic(on.key)
        })
        t.match(raw, /^HTTP\/1.1 400 [^]*x-ably-errorcode: 40010/i, `${route} of ${channel}`)
      }
    }
    for (const path of ['/channels/../keys', '/../../etc/passwd', '/channels/..%2f..%2ftime',
      '//time/..', '/%2e%2e/time', '/channels/x/../../time', '/apps/../time']) {
      const raw = await rawRequest(on.url(1), path, { authorization: basic(on.key) })
      t.match(raw, /^HTTP\/1.1 40[0-9] /, path)
      t.notMatch(raw, /root:/)
    }
    const fine = ['a.b', '...', 'a/b', 'a/...', '.a', 'x..y/z']
    for (const channel of fine) await on.client(t, 0).channels.get(on.name(channel)).attach()
  })

  rule('G5', 'no error tells what was shown', async (t, on) => {
    const [keyName, secret] = on.key.split(':') as [string, string]
    const { keys: [other] } = await on.app({ keys: [{}] })
    const shown = [
      { key: `${keyName}:${secret}x` }, { key: `${keyName}x:${secret}` },
      { key: `${secret}:${keyName}` }, { key: `nobody.k:${secret}` },
      ...badTokens(on.key, other!).map(([, token]) => ({ access_token: token }))
    ]
    for (const params of shown) {
      const [value] = Object.values(params) as [string]
      const hidden = [secret, ...value.split(/[.:]/).filter((part) => part.length > 30)]
      const [, , told] = await firstTold(t, on, params)
      const query = new URLSearchParams(params)
      const answers = [told]
      for (const path of ['channels/c/messages', 'comet/connect', 'sse']) {
        const response = await fetch(`${on.url(1)}/${path}?${query}&v=6&channels=c`)
        answers.push(await response.text(), JSON.stringify([...response.headers]))
      }
      for (const node of [0, 1, 2]) {
        for (const path of ['metrics', 'debug', 'probe']) {
          answers.push(await (await fetch(`${on.privateUrl(node)}/${path}`)).text())
        }
      }
      for (const answer of answers) {
        for (const text of hidden) t.notOk(answer.includes(text), 'nothing of it is told')
      }
    }
  })
})
