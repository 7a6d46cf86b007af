import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Action } from '../../../src/wire/actions.ts'
import { checkMessages, checkProtocolMessage } from '../../../src/wire/protocol-message.ts'

const publish = { action: Action.MESSAGE, channel: 'c', msgSerial: 7 }

function read(value: unknown) {
  const result = checkProtocolMessage(value)
  if (!result.ok) throw new Error(result.error.info.message)
  return result.message
}

function refused(value: unknown) {
  const result = checkProtocolMessage(value)
  if (result.ok) throw new Error('not refused')
  return result
}

/** The first message of a publish that holds `item`. */
function item(item: unknown) {
  const [message] = read({ ...publish, messages: [item] }).messages ?? []
  return message
}

t.test('ids and encodings are taken up to their bounds', async t => {
  const longest = {
    id: 'x'.repeat(limits.messageIdLengthMax), encoding: 'x'.repeat(limits.encodingLengthMax)
  }
  t.match(item({ ...longest, data: 'x' }), longest)
  const presence = [{ action: 2, id: `${longest.id}x` }]
  const { error } = refused({ ...publish, action: Action.PRESENCE, presence })
  t.equal(error.info.code, 40031)
})

t.test('what some clients leave out, or say of nothing, is understood', async t => {
  t.equal(read({}).action, Action.HEARTBEAT)
  t.equal(read({ action: null }).action, Action.HEARTBEAT)
  t.match(item({ extras: [], clientId: '' }), { extras: undefined, clientId: undefined })
  const presence = [{ action: 2, clientId: '', extras: [] }]
  t.match(read({ ...publish, action: Action.PRESENCE, presence }).presence,
    [{ extras: undefined, clientId: undefined }])
})

t.test('null fields are dropped, empty strings are kept', async t => {
  t.match(item({ name: null, data: null, id: null, extras: null }), {
    name: undefined, data: undefined, id: undefined, extras: undefined
  })
  t.match(item({ name: '', data: '' }), { name: '', data: '' })
  t.equal(read({ action: 0, channel: null, msgSerial: null, flags: null }).channel, undefined)
})

t.test('data comes to its canonical form, other steps of its encoding untouched', async t => {
  const bytes = Uint8Array.of(1, 2)
  const cases: readonly [unknown, unknown, unknown, string | undefined][] = [
    ['AQI=', 'base64', bytes, undefined],
    ['AQI', 'base64', bytes, undefined],
    ['AQI=', 'utf-8/cipher+aes-128-cbc/base64', bytes, 'utf-8/cipher+aes-128-cbc'],
    ['', 'base64', new Uint8Array(0), undefined],
    ['not base64!', 'base64', 'not base64!', 'base64'],
    ['AQI=', 'notbase64', 'AQI=', 'notbase64'],
    ['AQI=', 'base64/utf-8', 'AQI=', 'base64/utf-8'],
    ['AQI=', '/base64', bytes, ''],
    ['text', '', 'text', undefined],
    ['text', 'nonsense', 'text', 'nonsense'],
    [bytes, undefined, bytes, undefined],
    [bytes, 'vcdiff', bytes, 'vcdiff'],
    [{ a: [1] }, undefined, '{"a":[1]}', 'json'],
    [[], undefined, '[]', 'json'],
    [null, 'utf-8', undefined, 'utf-8'],
    ['lone \ud800', undefined, 'lone \ufffd', undefined]
  ]
  for (const [data, encoding, canonical, steps] of cases) {
    const message = item({ data, encoding })
    t.strictSame(message?.data, canonical, JSON.stringify([data, encoding]))
    t.equal(message?.encoding, steps)
  }
})

t.test('a publish of wrong form is answered by its msgSerial with its own code', async t => {
  const deep = JSON.parse('{"a":'.repeat(70) + '1' + '}'.repeat(70))
  const cases: readonly [unknown, number][] = [
    ['text', 40001], [{}, 40001], [[1], 40001], [[null], 40001], [[[]], 40001],
    [[{ name: 1 }], 40016], [[{ data: 1 }], 40013], [[{ data: true }], 40013],
    [[{ data: {}, encoding: 'json' }], 40013], [[{ data: 'x', encoding: 1 }], 40013],
    [[{ data: deep }], 40013], [[{ data: { a: Uint8Array.of(1) } }], 40013],
    [[{ clientId: 1 }], 40012], [[{ id: 1 }], 40031],
    [[{ id: 'x'.repeat(limits.messageIdLengthMax + 1) }], 40031],
    [[{ data: 'x', encoding: 'x'.repeat(limits.encodingLengthMax + 1) }], 40013],
    [[{ extras: 'x' }], 40032], [[{ extras: [1] }], 40032], [[{ extras: deep }], 40032],
    [[{ extras: { a: Uint8Array.of(1) } }], 40032],
    [[{ extras: JSON.parse('{"__proto__":{}}') }], 40032],
    [[{ action: 'create' }], 40001], [[{ action: -1 }], 40001], [[{ serial: 1 }], 40001],
    [[{}, { name: 1 }], 40016]
  ]
  for (const [messages, code] of cases) {
    t.match(refused({ ...publish, messages }), {
      error: { scope: 'message', info: { code } },
      envelope: { action: Action.MESSAGE, channel: 'c', msgSerial: 7 }
    }, String(code))
  }
})

t.test('what cannot be answered with a msgSerial ends the connection', async t => {
  const cases = [
    { ...publish, msgSerial: -1 }, { ...publish, msgSerial: 1.5 }, { ...publish, msgSerial: '1' },
    { ...publish, msgSerial: 2 ** 53 }, { ...publish, channel: 5 },
    { action: Action.ATTACH, channel: {} }, { action: Action.ATTACH, flags: 'x' },
    { action: Action.AUTH, auth: 'x' }, { action: Action.AUTH, auth: { accessToken: 1 } }
  ]
  for (const value of cases) {
    t.equal(refused(value).error.scope, 'connection', JSON.stringify(value))
  }
})

t.test('a msgSerial that is left out is 0, of what is refused too', async t => {
  for (const wrong of [
    { action: Action.MESSAGE, messages: 'x' }, { action: Action.PRESENCE, presence: 'x' }
  ]) {
    t.match(refused({ ...wrong, channel: 'c' }), {
      error: { scope: 'message' }, envelope: { msgSerial: 0 }
    })
  }
})

t.test('a wrong field of an ATTACH is an error of its channel', async t => {
  const cases = [
    { flags: 'x' }, { params: 'x' }, { params: { rewind: {} } }, { flags: '1', msgSerial: 0 }
  ]
  for (const fields of cases) {
    t.match(refused({ action: Action.ATTACH, channel: 'c', ...fields }), {
      error: { scope: 'channel' }, envelope: { channel: 'c' }
    }, JSON.stringify(fields))
  }
  t.equal(refused({ action: Action.DETACH, channel: 'c', flags: 1.5 }).error.scope, 'channel')
})

t.test('what only servers say is not judged', async t => {
  const odd = {
    timestamp: 1.5, connectionId: 7, connectionKey: {}, connectionDetails: 'x', count: 'x',
    error: 'none', res: [1], id: 5
  }
  t.match(read({ action: Action.HEARTBEAT, ...odd }), {
    id: undefined, timestamp: undefined, error: undefined, res: undefined
  })
  t.match(read({ ...publish, messages: [{ timestamp: 1.5, connectionId: 3, data: 'x' }] }), {
    messages: [{ data: 'x', timestamp: undefined }]
  })
})

t.test('a channel-scoped frame without channel has the empty name, which is refused', async t => {
  t.equal(read({ action: Action.ATTACH }).channel, '')
  t.equal(read({ action: Action.DETACH, channel: '' }).channel, '')
  t.equal(read({ action: Action.HEARTBEAT }).channel, undefined)
})

t.test('unknown actions and fields are let pass', async t => {
  const message = read({ action: 99, whatever: { deep: [] }, channel: 'c' })
  t.equal(message.action, 99)
  t.notOk('whatever' in message)
})

t.test('a channelSerial that is no text is as good as none', async t => {
  t.equal(read({ action: Action.ATTACH, channel: 'c', channelSerial: 5 }).channelSerial, undefined)
})

t.test('params may be numbers or booleans; null ones are dropped', async t => {
  const params = { rewind: 1, echo: false, delta: null, modes: 'publish' }
  t.strictSame(read({ action: Action.ATTACH, channel: 'c', params }).params, {
    rewind: '1', echo: 'false', modes: 'publish'
  })
})

t.test('a version written as text, as older clients do, is not read', async t => {
  t.equal(item({ version: 'v@1' })?.version, undefined)
  t.match(item({ version: { description: 'why', clientId: 'me' } })?.version, {
    description: 'why', clientId: 'me'
  })
})

t.test('LiveObjects items are kept as they are, bytes included', async t => {
  const state = [{ operation: { bytes: Uint8Array.of(1) } }]
  t.equal(read({ action: Action.OBJECT, channel: 'c', msgSerial: 0, state }).state?.[0], state[0])
})

t.test('the body of a publish over HTTP is one message or several', async t => {
  t.match(checkMessages({ name: 'n' }), { ok: true, messages: [{ name: 'n' }] })
  t.match(checkMessages([{ name: 'n' }, {}]), { ok: true, messages: [{ name: 'n' }, {}] })
  t.match(checkMessages('x'), { ok: false, error: { scope: 'request', info: { code: 40001 } } })
  t.match(checkMessages({ name: 5 }), { ok: false, error: { info: { code: 40016 } } })
})
