import t from 'tap'
import { type ConnectionFacts, ConnectionKeys } from '../../../src/auth/connection-key.ts'

const secret = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)

const facts: ConnectionFacts = {
  connectionId: 'aBc0123456', appId: 'app', keyName: 'app.k', clientId: 'änn "x"',
  home: { incarnation: 'n0-1f', worker: 3, generation: 2 }, claim: 7, lineage: 'l0',
  viewVersion: 12, isRecovered: true
}

t.test('[20] a key says on every node what it said where it was issued', async (t) => {
  const key = new ConnectionKeys(secret(1)).issue(facts)
  t.match(key, /^aBc0123456![A-Za-z0-9_.-]+$/)
  t.same(new ConnectionKeys(secret(1)).open(key), facts)
  const bare = { ...facts, clientId: undefined, lineage: undefined, claim: 0 }
  t.same(new ConnectionKeys(secret(1)).open(new ConnectionKeys(secret(1)).issue(bare)), bare)
})

t.test('[20] every claim has a key of its own', async (t) => {
  const keys = new ConnectionKeys(secret(1))
  t.not(keys.issue(facts), keys.issue({ ...facts, claim: 8 }))
})

t.test('[20] what another region has signed, or nobody, is no key', async (t) => {
  const keys = new ConnectionKeys(secret(1))
  const key = keys.issue(facts)
  t.equal(new ConnectionKeys(secret(2)).open(key), undefined)
  const [id, rest] = key.split('!') as [string, string]
  const other = keys.issue({ ...facts, connectionId: 'victim0123', clientId: 'eve' })
  const wrong = [
    '', '!', id, `${id}!`, key.slice(0, -1), `${key}x`, ` ${key}`, `${key}\n`,
    `other!${rest}`, `victim0123!${rest}`, `${id}!${other.split('!')[1]}`,
    `${rest.split('.')[0]}.${other.split('.')[1]}`, '_____!ablyjs_test_fake-key____',
    `${id}!${'A'.repeat(100_000)}.${'A'.repeat(22)}`
  ]
  for (const each of wrong) t.equal(keys.open(each), undefined, each.slice(0, 60))
  for (let at = 0; at < key.length; at++) {
    const flipped = key.slice(0, at) + (key[at] === 'A' ? 'B' : 'A') + key.slice(at + 1)
    if (keys.open(flipped) !== undefined) t.fail(`flipped at ${at}`)
  }
})

t.test('[20] a secret that was changed: the former is still good, if it is named', async (t) => {
  const old = new ConnectionKeys(secret(1)).issue(facts)
  const keys = new ConnectionKeys(secret(2), [secret(1)])
  t.same(keys.open(old), facts)
  t.equal(new ConnectionKeys(secret(1)).open(keys.issue(facts)), undefined, 'and signs no more')
  t.equal(new ConnectionKeys(secret(2)).open(old), undefined)
})
