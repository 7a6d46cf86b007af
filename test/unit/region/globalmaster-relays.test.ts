/* What a globalmaster makes of what its nodes tell of their relays. */

import t from 'tap'
import { globalmasterLimits as limits } from '../../../src/region/globalmaster-ports.ts'
import type { RelayWord } from '../../../src/region/globalmaster-message.ts'
import { type Process, World } from './globalmaster-world.ts'

const MINUTE_MS = 60_000
const abreast: RelayWord = {
  uid: 'ring-us', heardAgoMs: 500, channels: 20, behind: 0, behindMs: 0, isFull: false
}

/** A node of the region tells this for so long, as often as nodes do. */
function tell(
  world: World, process: Process, change: Partial<RelayWord>, forMs: number, incarnation = 'n0',
  isFirst = incarnation === 'n0'
): void {
  const relays = [{ ...abreast, ...change }]
  const words = { kind: 'relays' as const, formatVersion: 1, incarnation, isFirst, relays }
  for (let ms = 0; ms < forMs; ms += limits.relayWordsMs) {
    process.turn({ kind: 'relays', words })
    world.run(limits.relayWordsMs)
  }
}

const begin = (): { world: World, eu: Process } => {
  const world = new World()
  const eu = world.start('eu')
  world.start('us')
  world.run(MINUTE_MS)
  return { world, eu }
}

const messageOf = (eu: Process): string =>
  eu.peer('us')!.judgements.find(({ type }) => type === 'Synced')!.message

t.test('who announces itself, and whose nodes do not reach our inboxes, is not synced',
  async (t) => {
    const { world, eu } = begin()
    t.equal(eu.says('us', 'Synced'), 'True/InTouch', 'where no node tells anything')
    tell(world, eu, { heardAgoMs: undefined }, MINUTE_MS)
    t.equal(eu.says('us', 'Synced'), 'Unknown/NotHeardYet', 'what was said before stands for now')
    tell(world, eu, { heardAgoMs: undefined }, MINUTE_MS)
    t.equal(eu.says('us', 'Synced'), 'False/RelaysNotHeard')
    t.match(messageOf(eu), /NATS lets ringcast\.\*\.\*\.in\.> pass/)
    t.equal(eu.says('us', 'Unreachable'), 'False/Heard')
    tell(world, eu, {}, limits.relayWordsMs, 'n1')
    t.equal(eu.says('us', 'Synced'), 'True/InTouch', 'one of our nodes hears it')
    for (let agoMs = 0; agoMs < 2 * MINUTE_MS; agoMs += limits.relayWordsMs) {
      tell(world, eu, { heardAgoMs: agoMs }, limits.relayWordsMs)
    }
    t.equal(eu.says('us', 'Synced'), 'False/RelaysNotHeard', 'and does so no more')
  })

t.test('where the first node tells nothing the others need not have heard anything', async (t) => {
  const { world, eu } = begin()
  const never = { heardAgoMs: undefined }
  tell(world, eu, never, 3 * MINUTE_MS, 'n1')
  t.equal(eu.says('us', 'Synced'), 'True/InTouch', 'it is of a former release, say')
  tell(world, eu, never, MINUTE_MS, 'n2', true)
  tell(world, eu, never, MINUTE_MS, 'n2')
  t.equal(eu.says('us', 'Synced'), 'True/InTouch', 'not the first for long enough')
  tell(world, eu, never, MINUTE_MS, 'n2', true)
  tell(world, eu, never, MINUTE_MS, 'n3', true)
  t.equal(eu.says('us', 'Synced'), 'False/RelaysNotHeard', 'one after the other is')
  tell(world, eu, never, limits.relayWordsKeptMs, 'n1')
  t.equal(eu.says('us', 'Synced'), 'True/InTouch', 'it tells nothing any more')
})

t.test('a cut that is over is no fault of inboxes, until there was time to hear', async (t) => {
  const { world, eu } = begin()
  tell(world, eu, {}, limits.relayWordsMs)
  world.cutBoth('eu', 'us')
  let agoMs = 0
  const tellOlder = (forMs: number): void => {
    for (const endMs = agoMs + forMs; agoMs < endMs; agoMs += limits.relayWordsMs) {
      tell(world, eu, { heardAgoMs: agoMs }, limits.relayWordsMs)
    }
  }
  tellOlder(2 * MINUTE_MS)
  t.equal(eu.says('us', 'Synced'), 'False/Unreachable')
  world.heal()
  tellOlder(30_000)
  t.equal(eu.says('us', 'Synced'), 'True/InTouch')
  t.notOk(eu.reports.some((peers) => peers.some(({ judgements }) =>
    judgements.some(({ reason }) => reason === 'RelaysNotHeard'))))
  tellOlder(2 * MINUTE_MS)
  t.equal(eu.says('us', 'Synced'), 'False/RelaysNotHeard')
})

t.test('relays that are behind for long are told, and for how long', async (t) => {
  const { world, eu } = begin()
  tell(world, eu, { behind: 3, behindMs: 15_000 }, limits.relayWordsMs)
  t.equal(eu.says('us', 'Synced'), 'True/InTouch', 'not before the bound')
  t.equal(eu.peer('us')?.lagMs, 15_000)
  tell(world, eu, { behind: 3, behindMs: 25_000 }, limits.relayWordsMs)
  tell(world, eu, {}, limits.relayWordsMs, 'n1')
  t.equal(eu.says('us', 'Synced'), 'False/RelaysBehind')
  t.match(messageOf(eu), /^3 of 40 channels .* not answered/)
  t.equal(eu.peer('us')?.lagMs, 25_000)
  tell(world, eu, { behind: 3, behindMs: 35_000, isFull: true }, limits.relayWordsMs)
  t.match(messageOf(eu), /the log of this region takes nothing/)
  tell(world, eu, { behind: 1, behindMs: 300 }, limits.relayWordsMs)
  t.equal(eu.says('us', 'Synced'), 'True/InTouch')
  t.equal(eu.peer('us')?.lagMs, 0, 'who begins is behind for a moment')
})

t.test('a node that tells nothing any more is forgotten', async (t) => {
  const { world, eu } = begin()
  tell(world, eu, { behind: 3, behindMs: 25_000 }, limits.relayWordsMs)
  t.equal(eu.says('us', 'Synced'), 'False/RelaysBehind')
  world.run(limits.relayWordsKeptMs)
  t.equal(eu.says('us', 'Synced'), 'True/InTouch')
})

t.test('of rings that nobody knows nothing is kept', async (t) => {
  const { world, eu } = begin()
  tell(world, eu, { uid: 'ring-xx' }, MINUTE_MS)
  t.same([...eu.machine.sizes()], [['farRingsMax', 1]])
})
