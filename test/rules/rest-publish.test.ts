import type * as Ably from 'ably'
import type { Test } from 'tap'
import { limits } from '../../src/base/limits.ts'
import { cutOff, errorOf, until } from '../support/ably-clients.ts'
import { jwtOf, type JwtOptions } from '../support/tokens.ts'
import { ask, basic, pathOf, refusalOf, TYPES, valueOf } from './support/rest-kit.ts'
import { ruleFile, type Stage } from './support/rule.ts'

/** What a subscriber of another node hears, from now on. */
async function heardOn(t: Test, on: Stage, name: string, key?: string): Promise<Ably.Message[]> {
  const heard: Ably.Message[] = []
  await on.client(t, 2, {}, key).channels.get(name).subscribe((each) => void heard.push(each))
  return heard
}

ruleFile('rest-publish', (rule) => {
  rule('R4', 'what is published is heard on another node as it was said', async (t, on) => {
    const name = on.name('all')
    const heard = await heardOn(t, on, name)
    const channel = on.rest(0).channels.get(name)
    const data = ['text', '', { a: [1, 'ü'] }, [1], Buffer.from([0, 255, 7]), null]
    for (const each of data) await channel.publish('n', each)
    await channel.publish([{ name: 'a' }, { data: 'b', extras: { headers: { k: 1 } } }])
    await until('all', () => heard.length === data.length + 2)
    t.same(heard.slice(0, 5).map((each) => each.data), data.slice(0, 5))
    t.equal(heard[5]!.data, undefined)
    t.match(heard[7], { data: 'b', extras: { headers: { k: 1 } } })
    t.equal(heard[7]!.name, undefined)
    const serials = heard.map(({ serial }) => serial!)
    t.same(serials, [...serials].sort())
  })

  rule('R4', 'the answer: 201 with channel, messageId and serials', async (t, on) => {
    const name = on.name('answer')
    const heard = await heardOn(t, on, name)
    const value = [{ name: 'a' }, { name: 'b' }]
    const response = await ask(on, pathOf(name, '/messages'), { value })
    t.equal(response.status, 201)
    t.equal(response.headers.get('content-type'), TYPES[on.format])
    const told = await valueOf(response)
    await until('both', () => heard.length === 2)
    t.same(told, {
      channel: name,
      messageId: heard[0]!.id!.replace(/:0$/, ''),
      serials: heard.map(({ serial }) => serial)
    })
    t.equal(heard[1]!.id, `${told.messageId}:1`)
    t.same((await on.rest(0).channels.get(name).publish('n', 'x')).serials?.length, 1)
  })

  rule('R4', 'a form, and JSON data without an encoding', async (t, on) => {
    const name = on.name('forms')
    const heard = await heardOn(t, on, name)
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const body = 'name=by+form&data=a%2Bb'
    await ask(on, pathOf(name, '/messages'), { method: 'POST', body, headers })
    await ask(on, pathOf(name, '/messages'), { value: { data: { raw: true } } })
    await until('both', () => heard.length === 2)
    t.match(heard, [{ name: 'by form', data: 'a+b' }, { data: { raw: true } }])
  })

  rule('R5', 'the same ids', async (t, on) => {
    const name = on.name('ids')
    const heard = await heardOn(t, on, name)
    const value = [{ id: 'base:0', data: 'a' }, { id: 'base:1', data: 'b' }]
    const first = await valueOf(await ask(on, pathOf(name, '/messages'), { value, node: 0 }))
    t.equal(first.messageId, 'base')
    const again = await valueOf(await ask(on, pathOf(name, '/messages'), { value, node: 1 }))
    t.same(again, first)
    const connection = on.client(t, 2).channels.get(name)
    t.same((await connection.publish(value)).serials, first.serials, 'on a connection, too')
    await connection.publish('n', 'last')
    await until('the last', () => heard.some(({ data }) => data === 'last'))
    t.same(heard.map(({ data }) => data), ['a', 'b', 'last'])
  })

  rule('R5', 'ids that do not belong together', async (t, on) => {
    const put = (ids: (string | undefined)[]) => refusalOf(
      ask(on, pathOf(on.name('ids'), '/messages'), { value: ids.map((id) => ({ id })) }))
    t.same(await put(['any id']), [201, 0])
    t.same(await put(['a:0', 'b:1']), [400, 40031])
    t.same(await put(['a:0', 'a:2']), [400, 40031])
    t.same(await put(['a:0', undefined]), [400, 40031])
    t.same(await put(['']), [400, 40031])
  })

  rule('R6', 'identities', async (t, on) => {
    const name = on.name('who')
    const heard = await heardOn(t, on, name)
    const ann = on.rest(0, { clientId: 'änn' }).channels.get(name)
    await ann.publish('n', 'implied')
    await on.rest(1).channels.get(name).publish({ data: 'named', clientId: 'bob' })
    await until('both', () => heard.length === 2)
    t.same(heard.map(({ clientId }) => clientId), ['änn', 'bob'])
    t.equal((await errorOf(ann.publish({ clientId: 'eve' }))).code, 40012)
    const headers = { 'x-ably-clientid': Buffer.from('ann').toString('base64') }
    const value = { data: 'x', clientId: 'eve' }
    t.same(await refusalOf(ask(on, pathOf(name, '/messages'), { value, headers })), [400, 40012])
    const star = { data: 'x', clientId: '*' }
    t.same(await refusalOf(ask(on, pathOf(name, '/messages'), { value: star })), [400, 40012])
  })

  rule('R6', 'sizes, counts and bodies', async (t, on) => {
    const put = (value: unknown) => refusalOf(ask(on, pathOf('sizes', '/messages'), { value }))
    t.same(await put({ data: 'x'.repeat(limits.messageBytesMax) }), [201, 0])
    t.same(await put({ data: 'x'.repeat(limits.messageBytesMax + 1) }), [413, 40009])
    t.same(await put(Array.from({ length: 1_001 }, () => ({}))), [400, 40034])
    t.same(await put([]), [400, 40001])
    t.same(await put(null), [400, 40001])
    t.same(await put('text'), [400, 40001])
    t.same(await put({ name: 7 }), [400, 40016])
    t.same(await put({ data: 7 }), [400, 40013])
    t.same(await put({ extras: 7 }), [400, 40032])
    t.same(await put({ id: 'x'.repeat(limits.requestBodyBytesMax / 2) }), [400, 40031])
    t.same(await put({ encoding: 'x'.repeat(limits.requestBodyBytesMax / 2) }), [400, 40013])
    const malformed = { method: 'POST', body: '{', headers: { 'content-type': TYPES.json } }
    t.same(await refusalOf(ask(on, pathOf('sizes', '/messages'), malformed)), [400, 40001])
    const empty = { method: 'POST' }
    t.same(await refusalOf(ask(on, pathOf('sizes', '/messages'), empty)), [400, 40001])
  })

  rule('R6', 'what is said of each message counts, too', async (t, on) => {
    const path = pathOf(on.name('claimed'), '/messages')
    const value = Array.from({ length: 1_000 }, () => ({ data: 'x' }))
    const put = (options: JwtOptions) => refusalOf(ask(on, path, {
      value, headers: { authorization: `Bearer ${jwtOf(on.key, options)}` }
    }))
    t.same(await put({ claims: { 'ably.channel.*': 'x'.repeat(1_024) } }), [413, 40009])
    t.same(await put({ clientId: 'x'.repeat(4_096) }), [413, 40009])
    t.same(await put({ clientId: 'ann', claims: { 'ably.channel.*': 'x' } }), [201, 0])
  })

  rule('R6', 'no more than the channel takes in a second', async (t, on) => {
    const app = await on.app({ keys: [{}], limits: { channelPublishRateMax: 1 } })
    const key = app.keys[0]!
    const headers = { authorization: basic(key) }
    const publish = (channel: string, node: number, value: object) =>
      refusalOf(ask(on, pathOf(channel, '/messages'), { node, value, headers }))
    const heard = await heardOn(t, on, 'rated', key)
    // What is taken at once is taken from the seconds to come: no other one is for a minute.
    const burst = Array.from({ length: 60 }, (_, no) => ({ data: `m${no}` }))
    t.same(await publish('rated', 0, burst), [201, 0])
    for (const node of [0, 1, 2]) t.same(await publish('rated', node, { data: 'x' }), [429, 42913])
    t.same(await publish('other', 1, { data: 'x' }), [201, 0], 'of that channel alone')
    const value = { channels: ['rated', 'third'], messages: { data: 'x' } }
    const batch = await valueOf(await ask(on, '/messages', { value, headers }))
    t.match(batch, { successCount: 1, failureCount: 1, results: [
      { channel: 'rated', error: { code: 42913, statusCode: 429 } }, { channel: 'third' }
    ] })
    await until('the burst', () => heard.length === burst.length)
    t.same(heard.map(({ data }) => data), burst.map(({ data }) => data))
  })

  rule('R7', 'a body that is the data', async (t, on) => {
    const name = on.name('raw')
    const heard = await heardOn(t, on, name)
    const put = async (
      type: string, body: string | Uint8Array<ArrayBuffer>, more: Record<string, string> = {}
    ) => {
      const headers = { 'content-type': type, ...more }
      const init = { method: 'POST', body, headers }
      return valueOf(await ask(on, pathOf(name, '/messages?enveloped=false'), init))
    }
    await put('text/plain; charset=utf-8', 'tëxt', { 'x-ably-messagename': 'n' })
    await put('application/octet-stream', new Uint8Array([0, 255]))
    await put('application/json', '{"a":1}', { 'x-ably-messageclientid': 'ann' })
    await put('text/plain', 'AP8=', { 'x-ably-messageencoding': 'base64' })
    const named = await put('text/plain', 'x', { 'x-ably-messageid': 'mine' })
    t.equal(named.messageId, 'mine')
    await until('all', () => heard.length === 5)
    t.same(heard.map(({ data }) => data),
      ['tëxt', Buffer.from([0, 255]), { a: 1 }, Buffer.from([0, 255]), 'x'])
    t.equal(heard[0]!.name, 'n')
    t.equal(heard[2]!.clientId, 'ann')
    t.equal(heard[4]!.id, 'mine')
  })

  rule('R8', 'for a connection', async (t, on) => {
    const name = on.name('behalf')
    const heard = await heardOn(t, on, name)
    const quiet = on.client(t, 1, { clientId: 'ann', echoMessages: false })
    const own: unknown[] = []
    await quiet.channels.get(name).subscribe(({ data }) => void own.push(data))
    const { key, id } = quiet.connection
    const channel = on.rest(0).channels.get(name)
    await channel.publish({ data: 'hers', connectionKey: key! } as Ably.Message)
    await channel.publish('n', 'mine')
    await until('both', () => heard.length === 2 && own.length > 0)
    t.match(heard[0], { data: 'hers', connectionId: id, clientId: 'ann' })
    t.equal(heard[1]!.connectionId, undefined)
    t.same(own, ['mine'])
    const { keys } = await on.app({ keys: [{}] })
    const value = { data: 'x', connectionKey: key }
    const headers = { authorization: basic(keys[0]!) }
    const path = pathOf(name, '/messages')
    t.same(await refusalOf(ask(on, path, { value, headers })), [400, 40006], 'another app')
    const made = { data: 'x', connectionKey: 'made!up' }
    t.same(await refusalOf(ask(on, path, { value: made })), [400, 40006])
    const eve = { data: 'x', connectionKey: key, clientId: 'eve' }
    t.same(await refusalOf(ask(on, path, { value: eve })), [400, 40012])
  })

  rule('R8', 'while that is there, and by its own key', async (t, on) => {
    const path = pathOf(on.name('there'), '/messages')
    const told = async (connectionKey: string): Promise<unknown> => {
      const response = await ask(on, path, { value: { data: 'x', connectionKey } })
      return response.status === 201 ? 201 : (await valueOf(response)).error.code
    }
    const client = on.client(t, 1)
    await client.connection.whenState('connected')
    const former = client.connection.key!
    t.equal(await told(former), 201)
    const lost = client.connection.whenState('disconnected')
    cutOff(client)
    await lost
    await client.connection.whenState('connected')
    await client.channels.get(on.name('there')).attach()
    const { key } = client.connection
    t.not(key, former)
    let code = await told(former)
    for (let no = 0; no < 100 && code === 201; no++) code = await told(former)
    t.equal(code, 40006, 'the former is retired')
    t.equal(await told(key!), 201)
    client.close()
    await client.connection.whenState('closed')
    t.equal(await told(key!), 40006)
    const socket = await on.socket(t, 2)
    const { connectionDetails } = socket.all[0]!
    socket.cut()
    await socket.ended
    t.equal(await told(connectionDetails!['connectionKey'] as string), 201, 'it may come back')
  })

  rule('R9', 'a publish that wants to be refused', async (t, on) => {
    const rest = on.rest(0).channels.get('forced')
    t.equal((await errorOf(rest.publish('n', 'x', { _forceNack: true }))).code, 40099)
    const socket = await on.socket(t, 1)
    const message = { action: 15, channel: 'forced', msgSerial: 0, messages: [{ data: 'x' }] }
    socket.send({ ...message, params: { _forceNack: 'true' } })
    t.match(await socket.next(({ action }) => action === 2), { error: { code: 40099 } })
    socket.send({ ...message, msgSerial: 1 })
    await socket.next(({ action }) => action === 1)
  })
})
