import t from 'tap'
import { Action, actionName } from '../../../src/wire/actions.ts'
import type { ProtocolError } from '../../../src/wire/errors.ts'
import { errors, inScope } from '../../../src/wire/errors.ts'

/** Every entry of the catalogue, made with arguments that any of them takes. */
const entries = Object.entries(errors).map(([name, make]): [string, ProtocolError] => {
  const argument = name === 'notSupported' ? 'objects' : 'x'
  return [name, (make as (...args: unknown[]) => ProtocolError)(argument, 'x')]
})

t.test('every error has a code, its status, a text and a link', async t => {
  for (const [name, { info, scope }] of entries) {
    t.match(info, {
      code: /^\d{5}$/, statusCode: /^[45]\d\d$/, message: /\w/,
      href: `https://help.ably.io/error/${info.code}`
    }, name)
    t.match(scope, /^(message|channel|connection|request)$/)
    t.ok(info.code >= 50000 || info.statusCode < 500, `${name} does not blame the server`)
  }
})

t.test('only token errors have the codes that make clients renew their token', async t => {
  const renewing = entries.filter(([, { info }]) => info.code >= 40140 && info.code < 40150)
  t.strictSame(renewing.map(([name]) => name),
    ['tokenNotAccepted', 'tokenRevoked', 'tokenExpired', 'tokenUnrecognised',
      'invalidJwt', 'invalidToken'])
})

t.test('what a client sent is quoted in short, whatever it is', async t => {
  const { info } = errors.invalidChannelName('\n"'.repeat(5000))
  t.ok(info.message.length < 300)
  t.notMatch(info.message, /\n/)
})

t.test('an error may end something else than usual', async t => {
  const denied = errors.capabilityDenied('publish', 'c')
  t.equal(denied.scope, 'message')
  t.strictSame(inScope(denied, 'channel'), { info: denied.info, scope: 'channel' })
})

t.test('what is not done yet names itself and never makes a client try for ever', async t => {
  for (const feature of ['annotations', 'objects', 'history'] as const) {
    const { info } = errors.notSupported(feature)
    t.match(info.message, feature)
    t.ok(info.statusCode < 500)
  }
})

t.test('actions have names', async t => {
  t.equal(actionName(Action.OBJECT_SYNC), 'OBJECT_SYNC')
  t.equal(actionName(99), '99')
})
