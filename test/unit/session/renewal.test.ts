import t from 'tap'
import type { Credentials } from '../../../src/auth/key.ts'
import { limits } from '../../../src/base/limits.ts'
import { Action, Flag } from '../../../src/wire/actions.ts'
import { credentials, SessionBench } from './session-bench.ts'

const LIFE_MS = 3_600_000

/** Credentials that a token proved, which ends at `expiresAtMs`. */
function token(
  capability?: Record<string, string[]>, clientId?: string, expiresAtMs = LIFE_MS,
  over: Partial<Credentials> = {}
): Credentials {
  const facts = { kind: 'ably', issuedAtMs: 0, expiresAtMs } as const
  return { ...credentials(capability, clientId), token: facts, ...over }
}

function connected(with_: Credentials): SessionBench {
  const bench = new SessionBench({ credentials: with_ })
  bench.session.connected()
  bench.said()
  return bench
}

/** The client sends another token. */
function renew(bench: SessionBench, next: Credentials): void {
  bench.tokens.set('next', next)
  bench.send({ action: Action.AUTH, auth: { accessToken: 'next' } })
}

t.test('a key has no end', async (t) => {
  const bench = connected(credentials())
  t.equal(bench.deadlines.size, 0)
})

t.test('half a minute before its end another token is asked for; then it is over', async (t) => {
  const bench = connected(token())
  bench.pass(LIFE_MS - limits.renewalLeadMs - 1)
  t.same(bench.said(), [])
  bench.pass(1)
  t.match(bench.said(), [{ action: Action.AUTH }])
  bench.pass(limits.renewalLeadMs - 1)
  t.same(bench.said(), [])
  bench.pass(1)
  t.match(bench.said(), [{ action: Action.DISCONNECTED, error: { code: 40142 } }])
  t.same(bench.endings, ['parked'], 'what it needs to be resumed is kept')
  t.equal(bench.deadlines.size, 0)
})

t.test('a token that lives shorter than that is not asked for', async (t) => {
  const bench = connected(token(undefined, undefined, limits.renewalLeadMs))
  bench.pass(limits.renewalLeadMs - 1)
  t.same(bench.said(), [])
  bench.pass(1)
  t.match(bench.said(), [{ action: Action.DISCONNECTED, error: { code: 40142 } }])
})

t.test('a token ends by the wall clock', async (t) => {
  const bench = connected(token(undefined, undefined, 10_000))
  bench.wallSkewMs = -3_000
  bench.pass(10_000)
  t.same(bench.said(), [], 'that was set back')
  bench.pass(3_000)
  t.match(bench.said(), [{ action: Action.DISCONNECTED, error: { code: 40142 } }])
})

t.test('another token gives more time, and the same connection', async (t) => {
  const bench = connected(token(undefined, 'me'))
  bench.pass(LIFE_MS - limits.renewalLeadMs)
  bench.said()
  renew(bench, token(undefined, 'me', 2 * LIFE_MS))
  t.match(bench.said(), [{
    action: Action.CONNECTED, connectionId: 'conn', error: undefined,
    connectionDetails: { clientId: 'me', connectionKey: 'conn!key of me' }
  }])
  bench.pass(limits.renewalLeadMs)
  t.same(bench.said(), [])
  bench.pass(LIFE_MS - limits.renewalLeadMs)
  t.match(bench.said(), [{ action: Action.AUTH }])
  bench.send({ action: Action.CLOSE })
  t.equal(bench.deadlines.size, 0)
})

t.test('a client that is one stays that one; nobody and anybody may become one', async (t) => {
  const cases: [string | undefined, string | undefined, number | undefined][] = [
    ['me', 'me', undefined], ['me', 'you', 40102], ['me', undefined, 40102],
    [undefined, 'me', undefined], [undefined, undefined, undefined], ['*', 'me', undefined],
    ['*', '*', undefined]
  ]
  for (const [former, next, code] of cases) {
    const bench = connected(token(undefined, former))
    renew(bench, token(undefined, next))
    const action = code === undefined ? Action.CONNECTED : Action.ERROR
    const [said] = bench.said()
    t.same([said?.action, said?.error?.code], [action, code], `${former} → ${next}`)
    t.same(bench.endings, code === undefined ? [] : ['closed'])
  }
})

t.test('a token of another app or key ends the connection', async (t) => {
  for (const over of [{ appId: 'other' }, { keyName: 'app.other' }]) {
    const bench = connected(token())
    renew(bench, token(undefined, undefined, LIFE_MS, over))
    t.match(bench.said(), [{ action: Action.ERROR, error: { code: 40102 } }])
    t.same(bench.endings, ['closed'])
  }
})

t.test('a token that is none sends its client for a better one', async (t) => {
  for (const auth of [undefined, { accessToken: 'unknown' }]) {
    const bench = connected(token())
    bench.send({ action: Action.AUTH, auth })
    const [said] = bench.said()
    t.equal(said?.action, Action.DISCONNECTED)
    t.equal(said?.error?.code, auth === undefined ? 40140 : 40143)
    t.same(bench.endings, ['parked'])
  }
})

t.test('rights that are lost fail a channel; those that change are announced', async (t) => {
  const all = ['publish', 'subscribe', 'presence']
  const bench = connected(token({ '*': all }))
  for (const name of ['lost', 'less', 'same', 'asked-less']) {
    bench.attach(name, name === 'asked-less' ? { flags: Flag.SUBSCRIBE } : {})
  }
  for (const { ears } of bench.door.seats) {
    ears.onAttached({ channelSerial: 's', isResumed: false, hasBacklog: false,
      hasPresence: false, error: undefined })
  }
  bench.said()
  renew(bench, token({ less: ['publish'], same: all, 'asked-less': all }))
  t.match(bench.said(), [
    { action: Action.CONNECTED },
    { action: Action.ATTACHED, channel: 'less', channelSerial: 'standing',
      flags: Flag.PUBLISH | Flag.RESUMED },
    { action: Action.ERROR, channel: 'lost', error: { code: 40160, statusCode: 401 } }
  ])
  t.same(bench.door.taken.map(({ channel }) => channel), ['app/less', 'app/same', 'app/asked-less'])
  t.same(bench.door.leaves, ['app/less conn 0 0', 'app/lost conn 0 0'],
    'who may not be present any more is not')
  renew(bench, token({ '*': all }))
  const modes = Flag.PUBLISH | Flag.SUBSCRIBE | Flag.PRESENCE | Flag.PRESENCE_SUBSCRIBE
  t.match(bench.said(), [
    { action: Action.CONNECTED },
    { action: Action.ATTACHED, channel: 'less',
      flags: modes | Flag.RESUMED | Flag.HAS_PRESENCE }
  ], 'what was asked for is granted again, and no more')
  bench.publish(0, { channel: 'lost' })
  t.equal(bench.door.submits.length, 1)
})

t.test('members stay while another attachment of their channel may have them', async (t) => {
  const bench = connected(token({ '*': ['*'] }))
  bench.attach('c')
  bench.attach('[?echo=false]c')
  renew(bench, token({ c: ['subscribe'] }))
  t.same(bench.door.leaves, ['app/c conn 0 0'], 'once for all, when none has them')
})

t.test('rights count from the next frame on', async (t) => {
  const bench = connected(token({ c: ['publish'] }))
  bench.publish(0)
  bench.session.become(credentials({ c: ['subscribe'] }))
  bench.publish(1)
  bench.commit()
  t.match(bench.said(), [
    { action: Action.ACK, msgSerial: 0 },
    { action: Action.NACK, msgSerial: 1, error: { code: 40160 } }
  ])
})

t.test('a namespace may want TLS, or to know who it is', async (t) => {
  const rules = {
    id: 'n', persisted: false, persistLast: false, identified: false, tlsOnly: false,
    pushEnabled: false, mutableMessages: false, exposeTimeserial: false
  }
  const cases = [
    [{ tlsOnly: true }, {}, 40311],
    [{ tlsOnly: true }, { isTls: true }, undefined],
    [{ identified: true }, {}, 40161],
    [{ identified: true }, { credentials: credentials(undefined, '*') }, 40161],
    [{ identified: true }, { credentials: credentials(undefined, 'me') }, undefined]
  ] as const
  for (const [rule, over, code] of cases) {
    const bench = new SessionBench(over)
    bench.namespaces.set('n:c', { ...rules, ...rule })
    bench.attach('n:c')
    bench.publish(0, { channel: 'n:c' })
    bench.send({ action: Action.PRESENCE, channel: 'n:c', msgSerial: 1,
      presence: [{ action: 2, clientId: 'me' }] })
    bench.attach('other:c')
    const count = code === undefined ? 2 : 1
    t.equal(bench.door.seats.length, count)
    const codes = bench.said().map(({ error }) => error?.code)
    if (code !== undefined) t.same(codes, [code, code])
    t.equal(bench.door.submits.length, code === undefined ? 1 : 0)
  }
})
