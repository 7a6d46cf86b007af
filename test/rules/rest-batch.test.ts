import type * as Ably from 'ably'
import { limits } from '../../src/base/limits.ts'
import { until } from '../support/ably-clients.ts'
import { attached, said } from './support/present.ts'
import { ask, basic, refusalOf, valueOf } from './support/rest-kit.ts'
import { ruleFile } from './support/rule.ts'

ruleFile('rest-batch', (rule) => {
  rule('R19', 'messages for many channels', async (t, on) => {
    const [one, two] = [on.name('one,1'), on.name('two/2')]
    const heard: Ably.Message[] = []
    const client = on.client(t, 2)
    for (const name of [one, two]) {
      await client.channels.get(name).subscribe((each) => void heard.push(each))
    }
    const rest = on.rest(0)
    const told = await rest.batchPublish({
      channels: [one, two, ':bad'], messages: [{ data: 'a' }, { data: Buffer.from([0, 255]) }]
    })
    t.match(told, { successCount: 2, failureCount: 1 })
    t.match(told.results, [{ channel: one }, { channel: two }, {
      channel: ':bad', error: { code: 40010, statusCode: 400 }
    }])
    await until('all', () => heard.length === 4)
    const [first] = told.results as Ably.BatchPublishSuccessResult[]
    t.same(heard.map(({ data }) => data).filter((data) => data === 'a').length, 2)
    t.ok(heard.some(({ id }) => id === `${first!.messageId}:1`))
    const many = await rest.batchPublish([
      { channels: [one], messages: [{ data: 'b' }] },
      { channels: [two], messages: [{ data: 'x'.repeat(limits.messageBytesMax + 1) }] }
    ])
    t.match(many, [{ successCount: 1, failureCount: 0 }, {
      successCount: 0, failureCount: 1, results: [{ channel: two, error: { code: 40009 } }]
    }])
    const value = { channels: one, messages: { data: 'c' } }
    const plain = await ask(on, '/messages', { value })
    t.equal(plain.status, 201)
    const { results: [result], ...counts } = await valueOf(plain)
    t.same(counts, { successCount: 1, failureCount: 0 })
    t.same(Object.keys(result).sort(), ['channel', 'messageId', 'serials'])
    t.equal(result.serials.length, 1)
  })

  rule('R19', 'the same batch again, and what of it can be read at once', async (t, on) => {
    const names = [on.name('one'), on.name('two'), on.name('three')]
    const messages = [{ id: 'own:0', data: 'a' }, { id: 'own:1', data: 'b' }]
    const spec = { channels: names, messages }
    const told = []
    for (const node of [0, 2]) told.push(await on.rest(node).batchPublish([spec]))
    t.same(told[1], told[0])
    t.match(told[0], [{ successCount: 3, failureCount: 0 }])
    const realtime = on.client(t, 1)
    t.match(await realtime.batchPublish({ ...spec, channels: [names[0]!] }), {
      results: [told[0]![0]!.results[0]!]
    }, 'by a realtime client, too')
    for (const name of names) {
      const { items } = await on.rest(1).channels.get(name).history({ direction: 'forwards' })
      t.same(items.map(({ id, data }) => [id, data]), [['own:0', 'a'], ['own:1', 'b']])
    }
  })

  rule('R19', 'by the capability of each channel, and to older versions', async (t, on) => {
    const { keys: [all, limited] } = await on.app({
      keys: [{}, { capability: '{"in:*":["publish"]}' }]
    })
    const value = [{ channels: ['in:a', 'out:a'], messages: [{ data: 'x' }] }]
    const asked = (key: string, version: string) => ask(on, '/messages', {
      value, headers: { authorization: basic(key), 'x-ably-version': version }
    })
    const mixed = await asked(limited!, '6')
    t.equal(mixed.status, 201)
    t.match(await valueOf(mixed), [{ successCount: 1, failureCount: 1, results: [
      { channel: 'in:a' }, { channel: 'out:a', error: { code: 40160, statusCode: 401 } }
    ] }])
    const old = await asked(all!, '2')
    t.equal(old.status, 201)
    const flat = await valueOf(old)
    t.same(flat.map(({ channel }: { channel: string }) => channel), ['in:a', 'out:a'])
    t.same(Object.keys(flat[0]).sort(), ['channel', 'messageId'])
    const failed = await asked(limited!, '2')
    t.equal(failed.status, 400)
    t.equal(failed.headers.get('x-ably-errorcode'), '40020')
    t.match(await valueOf(failed), { error: { code: 40020 }, batchResponse: [
      { channel: 'in:a' }, { channel: 'out:a', error: { code: 40160 } }
    ] })
  })

  rule('R19', 'wrong forms, and too much', async (t, on) => {
    const messages = [{ data: 'x' }]
    const names = Array.from({ length: 101 }, (_, at) => on.name(`c${at}`))
    const spec = { channels: names.slice(1), messages }
    for (const value of [
      [], 'x', [1], { messages }, { channels: [], messages }, { channels: [1], messages },
      { channels: names, messages }, { channels: 'c', messages: 'x' },
      Array.from({ length: 11 }, () => spec)
    ]) {
      t.same(await refusalOf(ask(on, '/messages', { value })), [400, 40001])
    }
    const data = 'x'.repeat(limits.batchBodyBytesMax)
    const large = { channels: 'c', messages: { data } }
    t.same(await refusalOf(ask(on, '/messages', { value: large })), [413, 40009])
    const told = await valueOf(await ask(on, '/messages', { value: spec }))
    t.match(told, { successCount: 100, failureCount: 0 })
    const none = await valueOf(await ask(on, '/messages', { value: { channels: 'c' } }))
    t.match(none, { failureCount: 1, results: [{ error: { code: 40001 } }] })
  })

  rule('R20', 'who is present on many channels', async (t, on) => {
    const [one, two] = [on.name('one'), on.name('two')]
    const ann = on.client(t, 0, { clientId: 'ann' })
    await ann.channels.get(one).presence.enter('here')
    const told = await on.rest(2).batchPresence([one, two, ':bad']) as unknown as
      Ably.BatchResult<Ably.BatchPresenceSuccessResult>
    t.match(told, { successCount: 2, failureCount: 1, results: [
      { channel: one, presence: [{ clientId: 'ann', action: 1, data: 'here' }] },
      { channel: two, presence: [] },
      { channel: ':bad', error: { code: 40010 } }
    ] })
    t.match(await ann.batchPresence([two]), { results: [{ channel: two, presence: [] }] })
    const path = `/presence?channels=${encodeURIComponent(`${one}|${two}`)}&separator=%7C`
    const headers = { 'x-ably-version': '2' }
    const flat = await ask(on, path, { headers })
    t.equal(flat.status, 200)
    t.match(await valueOf(flat), [{ channel: one, presence: [{ clientId: 'ann' }] },
      { channel: two, presence: [] }])
    const failed = await ask(on, '/presence?channels=:bad', { headers })
    t.match(await valueOf(failed), { error: { code: 40020 }, batchResponse: [{}] })
    const many = Array.from({ length: 101 }, (_, at) => `c${at}`).join(',')
    for (const query of ['', '?channels=', `?channels=${many}`]) {
      t.same(await refusalOf(ask(on, `/presence${query}`)), [400, 40003])
    }
    const { keys: [limited] } = await on.app({ keys: [{ capability: '{"in":["presence"]}' }] })
    const mixed = await ask(on, '/presence?channels=in,out', {
      headers: { authorization: basic(limited!) }
    })
    t.match(await valueOf(mixed), { successCount: 1, failureCount: 1, results: [
      { channel: 'in', presence: [] }, { channel: 'out', error: { code: 40160 } }
    ] })
  })

  rule('R20', 'all of a channel with more members than a page has', async (t, on) => {
    const limits = { presence: { maxMembers: 5_000 } }
    const { keys: [key] } = await on.app({ keys: [{}], limits })
    const wanted: string[] = []
    for (let no = 0; no < 3; no++) {
      const socket = await on.socket(t, no, { params: { key: key! } })
      await attached(socket, 'crowd')
      const presence = Array.from({ length: 1_000 }, (_, at) =>
        ({ action: 2, clientId: `m${no * 1_000 + at}`, data: 'here' }))
      wanted.push(...presence.map(({ clientId }) => clientId))
      t.equal((await said(socket, 'crowd', 0, presence)).action, 1)
    }
    const rest = on.rest(1, { key: key! })
    const { results } = await rest.batchPresence(['empty', 'crowd']) as unknown as
      Ably.BatchResult<Ably.BatchPresenceSuccessResult>
    t.match(results, [{ channel: 'empty', presence: [] }, { channel: 'crowd' }])
    const names = results[1]!.presence.map(({ clientId }) => clientId)
    t.same(names.sort(), wanted.sort())
  })
})
