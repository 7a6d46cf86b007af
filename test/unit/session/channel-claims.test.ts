import t from 'tap'
import { patternOf } from '../../../src/auth/capability.ts'
import type { ChannelClaim, TokenFacts } from '../../../src/auth/key.ts'
import { limits } from '../../../src/base/limits.ts'
import { answered, credentials, SessionBench } from './session-bench.ts'

function claim<T>(resource: string, value: T): ChannelClaim<T> {
  return { pattern: patternOf(resource)!, value }
}

function bench(facts: Partial<TokenFacts>): SessionBench {
  const token = { kind: 'jwt', issuedAtMs: 0, expiresAtMs: 1e9, ...facts } as const
  return new SessionBench({ credentials: { ...credentials(), token } })
}

t.test('messages bear the narrowest claim of their publisher, and no other', async (t) => {
  const one = bench({ userClaims: [claim('a:b', 'narrow'), claim('a:*', 'wide')] })
  const forged = [{ data: 'x', extras: { userClaim: 'forged', other: 1 } }, { data: 'y' }]
  for (const [msgSerial, channel] of ['a:b', 'a:c', 'd'].entries()) {
    one.publish(msgSerial, { channel, messages: forged })
  }
  t.same(one.door.submits.map(({ publish }) => publish.messages.map(({ extras }) => extras)), [
    [{ other: 1, userClaim: 'narrow' }, { userClaim: 'narrow' }],
    [{ other: 1, userClaim: 'wide' }, { userClaim: 'wide' }],
    [{ other: 1 }, undefined]
  ])
})

t.test('who has no claim can make none', async (t) => {
  const one = new SessionBench()
  one.publish(0, { messages: [{ data: 'x', extras: { userClaim: 'forged' } }] })
  t.equal(one.door.submits[0]!.publish.messages[0]!.extras, undefined)
})

t.test('a token\'s rate holds for each channel of its pattern', async (t) => {
  const one = bench({ publishRates: [claim('slow:*', 0.5), claim('*', 2)] })
  for (let msgSerial = 0; msgSerial < 6; msgSerial++) {
    one.publish(msgSerial, { channel: msgSerial < 3 ? 'slow:a' : 'b' })
  }
  one.publish(6, { channel: 'slow:b' })
  for (let count = 0; count < 4; count++) one.commit()
  t.same(answered(one.said()), [
    'ACK 0', 'NACK 1 42911', 'NACK 2 42911', 'ACK 3', 'ACK 4', 'NACK 5 42911', 'ACK 6'
  ])
  one.pass(1_999)
  one.publish(7, { channel: 'slow:a' })
  t.same(answered(one.said()), ['NACK 7 42911'])
  one.pass(1)
  one.publish(8, { channel: 'slow:a' })
  one.commit()
  t.same(answered(one.said()), ['ACK 8'])
})

t.test('rates are kept of so many channels as may be attached', async (t) => {
  const one = bench({ publishRates: [claim('*', 0.001)] })
  const count = limits.attachmentsPerSessionMax
  for (let no = 0; no <= count; no++) one.publish(no, { channel: `c${no}` })
  one.publish(count + 1, { channel: `c${count}` })
  one.publish(count + 2, { channel: 'c0' })
  t.equal(one.door.submits.length, count + 2, 'the one that was used first is new again')
})
