import t from 'tap'
import {
  asPublished, checkClientIds, checkPublishIds, effectiveClientId, messageSize, publishSize
} from '../../../src/wire/message.ts'

t.test('a size counts name, clientId, data and extras in bytes, and nothing else', async t => {
  t.equal(messageSize({}), 0)
  t.equal(messageSize({ name: 'é', clientId: 'me', data: '名' }), 2 + 2 + 3)
  t.equal(messageSize({ data: Uint8Array.of(1, 2, 3) }), 3)
  t.equal(messageSize({ extras: { headers: { a: 'é' } } }), '{"headers":{"a":"é"}}'.length + 1)
  const free = { id: 'x', encoding: 'json', serial: 's', data: 'd' }
  t.equal(messageSize(free), 1)
  t.equal(publishSize([{ data: 'ab' }, { name: 'c' }]), 3)
})

t.test('ids may be absent, any for one message, in a row for several', async t => {
  const ids = (...list: (string | undefined)[]) => checkPublishIds(list.map((id) => ({ id })))
  t.match(ids(undefined), { ok: true, base: undefined, first: undefined })
  t.match(ids(undefined, undefined), { ok: true, base: undefined })
  t.match(ids('any:thing'), { ok: true, base: 'any:thing', first: 'any:thing' })
  t.match(ids('b:0'), { ok: true, base: 'b:0', first: 'b:0' })
  t.match(ids('b:0', 'b:1', 'b:2'), { ok: true, base: 'b', first: 'b:0' })
  t.match(ids('x:y:0', 'x:y:1'), { ok: true, base: 'x:y' })
})

t.test('ids that would not be known again as one publish are 40031', async t => {
  const wrong: (string | undefined)[][] = [
    [''], ['a', undefined], [undefined, 'a'], ['a', 'b'], ['b:0', 'b:2'], ['b:1', 'b:2'],
    ['b:1', 'b:0'], ['b:0', 'c:1'], [':0', ':1'], ['b:0', 'b:01']
  ]
  for (const list of wrong) {
    t.match(checkPublishIds(list.map((id) => ({ id }))), {
      ok: false, error: { scope: 'message', info: { code: 40031, statusCode: 400 } }
    }, JSON.stringify(list))
  }
})

t.test('who may state which clientId', async t => {
  const cases: readonly [string | undefined, string | undefined, boolean][] = [
    [undefined, undefined, true], [undefined, 'me', true], [undefined, '*', true],
    ['me', 'me', true], ['me', '*', true], ['me', 'you', false], ['me', undefined, false],
    ['*', '*', false], ['*', 'me', false], ['', '*', false]
  ]
  for (const [stated, identity, isFine] of cases) {
    const result = checkClientIds([{}, { clientId: stated }], identity)
    t.equal(result.ok, isFine, `${stated} by ${identity}`)
    if (!result.ok) t.match(result.error, { scope: 'message', info: { code: 40012 } })
  }
})

t.test('a message belongs to who it states, else to the one identity of its publisher', async t => {
  t.equal(effectiveClientId('you', '*'), 'you')
  t.equal(effectiveClientId(undefined, 'me'), 'me')
  t.equal(effectiveClientId(undefined, '*'), undefined)
  t.equal(effectiveClientId(undefined, undefined), undefined)
})

t.test('a client has no say in who published when', async t => {
  const message = asPublished({
    id: 'i', name: 'n', data: 'd', encoding: 'e', clientId: 'c', extras: { a: 1 }, action: 1,
    serial: 's', version: { serial: 'v', timestamp: 1, clientId: 'c', description: 'd' },
    connectionId: 'forged', connectionKey: 'forged', timestamp: 1, annotations: {}
  })
  t.strictSame(JSON.parse(JSON.stringify(message)), {
    id: 'i', name: 'n', data: 'd', encoding: 'e', clientId: 'c', extras: { a: 1 }, action: 1,
    serial: 's', version: { clientId: 'c', description: 'd' }
  })
})

t.test('who changed a message is said of changes alone', async t => {
  const said = { data: 'd', serial: 's', version: { clientId: 'forged', description: 'd' } }
  for (const action of [undefined, 0]) {
    t.strictSame(JSON.parse(JSON.stringify(asPublished({ ...said, action }))),
      action === undefined ? { data: 'd' } : { data: 'd', action })
  }
})
