import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { Dedupe } from '../../../src/channel/dedupe.ts'
import { decodeState, emptyState, encodeState } from '../../../src/channel/partition-state.ts'
import { op, publication } from './parts.ts'

const taken = { timestamp: 1, counter: 0, messageCount: 1 }

t.test('[B2] everybody who waited is told once, in order, and nobody again later', async (t) => {
  const dedupe = new Dedupe()
  const told: string[] = []
  dedupe.admit(op('a:1'), () => told.push('first'))
  dedupe.wait(op('a:1'), () => told.push('second'))
  dedupe.wait(op('a:1'), () => told.push('third'))
  dedupe.commit(op('a:1'), taken, 0)
  dedupe.commit(op('a:1'), taken, 0)
  t.same(told, ['first', 'second', 'third'])
})

t.test('whoever waits for what nobody knows is not told of another publish', async (t) => {
  const dedupe = new Dedupe()
  dedupe.wait(op('a:1'), () => t.fail('nothing was under way'))
  dedupe.commit(op('a:1'), taken, 0)
  dedupe.commit(op('a:2'), taken, 0)
  t.equal(dedupe.size, 2)
})

t.test('[B3, 17] a publish under way is never forgotten, however long the log takes', async (t) => {
  const dedupe = new Dedupe()
  dedupe.admit(op('a:1'), () => {})
  dedupe.expire(limits.idKeptMs * 10)
  t.equal(dedupe.find(op('a:1')), 'pending')
  dedupe.commit(op('a:1'), taken, limits.idKeptMs * 10)
  dedupe.expire(limits.idKeptMs * 11 - 1)
  t.same(dedupe.find(op('a:1')), taken, 'its time begins with the commit')
  dedupe.expire(limits.idKeptMs * 11)
  t.equal(dedupe.find(op('a:1')), 'new')
})

t.test('[B3, 17] what is said again is known for the whole window from there', async (t) => {
  const dedupe = new Dedupe()
  const kept = (id: string, over = {}): boolean => dedupe.find(op(id, over)) !== 'new'
  const chosen = { idSpace: 'client' as const, connectionId: 'b', msgSerial: 4 }
  for (const id of ['a:1', 'a:2']) dedupe.commit(op(id), taken, 0)
  for (const id of ['mine', 'yours', 'request']) dedupe.commit(op(id, chosen), taken, 0)
  const againAtMs = limits.idKeptMs - 1_000
  dedupe.onRepeated(op('a:1'), againAtMs)
  dedupe.onRepeated(op('mine', chosen), againAtMs)
  dedupe.onRepeated(op('yours', { ...chosen, msgSerial: 5 }), againAtMs)
  dedupe.onRepeated(op('request', { ...chosen, msgSerial: undefined }), againAtMs)
  dedupe.expire(limits.idKeptMs)
  t.ok(kept('a:1'))
  t.notOk(kept('a:2'), 'the other had its time')
  t.ok(kept('mine', chosen))
  t.notOk(kept('yours', chosen), 'an id of its own that its client uses again has its time, too')
  t.notOk(kept('request', chosen))
  dedupe.expire(againAtMs + limits.idKeptMs - 1)
  t.ok(kept('a:1'))
  dedupe.expire(2 * limits.idKeptMs)
  t.equal(dedupe.size, 0, 'and no longer')
})

t.test('[17] an id is kept apart from its message: the payload can go', async (t) => {
  const dedupe = new Dedupe()
  const committed = publication(1)
  dedupe.commit(committed, committed, 0)
  t.same(dedupe.find(committed), { timestamp: 1_001, counter: 0, messageCount: 1 })
})

t.test('[B3] time in which nobody could be answered does not count', async (t) => {
  const dedupe = new Dedupe()
  dedupe.commit(op('a:1'), taken, 0)
  dedupe.postpone(5_000)
  dedupe.expire(limits.idKeptMs + 4_999)
  t.not(dedupe.find(op('a:1')), 'new')
  dedupe.expire(limits.idKeptMs + 5_000)
  t.equal(dedupe.find(op('a:1')), 'new')
})

t.test('[B5] the key spaces never meet, whatever a client chooses', async (t) => {
  const dedupe = new Dedupe()
  const texts = ['a:1', '~a:1', '~~a:1', '~', '']
  for (const [at, id] of texts.entries()) {
    t.equal(dedupe.find(op(id, { idSpace: 'client' })), 'new', id)
    dedupe.commit(op(id, { idSpace: 'client' }), { ...taken, counter: at }, 0)
    t.equal(dedupe.find(op('a:1')), 'new', `${id} is not the connection's`)
  }
  for (const [counter, id] of texts.entries()) {
    t.match(dedupe.find(op(id, { idSpace: 'client' })), { counter })
  }
})

t.test('[25] at the bound there is no room, until the oldest have had their time', async (t) => {
  const max = limits.idsPerChannelMax
  Object.assign(limits, { idsPerChannelMax: 10 })
  t.teardown(() => Object.assign(limits, { idsPerChannelMax: max }))
  const dedupe = new Dedupe()
  for (let no = 0; no < 10; no++) {
    t.ok(dedupe.hasRoom)
    dedupe.commit(op(`a:${no}`), taken, no)
  }
  t.notOk(dedupe.hasRoom)
  dedupe.expire(limits.idKeptMs - 1)
  t.notOk(dedupe.hasRoom, 'nothing is forgotten early')
  dedupe.expire(limits.idKeptMs)
  t.ok(dedupe.hasRoom)
  t.equal(dedupe.find(op('a:0')), 'new')
  t.not(dedupe.find(op('a:1')), 'new')
})

t.test('[B4, 17] exactly the set of what was committed in the last three minutes', async (t) => {
  for (let seed = 0; seed < 50; seed++) {
    const random = new Random(`dedupe/${seed}`)
    const wrong: string[] = []
    const dedupe = new Dedupe()
    const known = new Map<string, number | 'pending'>()
    let nowMs = 0
    for (let step = 0; step < 300; step++) {
      nowMs += random.below(4_000)
      dedupe.expire(nowMs)
      for (const [id, atMs] of known) {
        if (atMs !== 'pending' && nowMs - atMs >= limits.idKeptMs) known.delete(id)
      }
      const id = `a:${random.below(60)}`
      const found = dedupe.find(op(id))
      const state = known.get(id)
      const wanted = state === undefined ? 'new' : state === 'pending' ? 'pending' : 'taken'
      if ((typeof found === 'object' ? 'taken' : found) !== wanted) wrong.push(`step ${step}`)
      if (found === 'new') {
        dedupe.admit(op(id), () => {})
        known.set(id, 'pending')
      } else if (found === 'pending') {
        dedupe.commit(op(id), taken, nowMs)
        known.set(id, nowMs)
      }
      if (dedupe.size !== known.size) wrong.push(`size at step ${step}`)
    }
    t.same(wrong, [], `seed ${seed}`)
  }
})

t.test('[B4] what is new below what was taken was refused, and its refusal lost', async (t) => {
  const dedupe = new Dedupe()
  dedupe.admit(op('a:5'), () => {})
  t.ok(dedupe.isOvertaken(op('a:4')), 'already while the later one is under way')
  t.notOk(dedupe.isOvertaken(op('a:6')))
  t.notOk(dedupe.isOvertaken(op('b:4')), 'another connection')
  t.notOk(dedupe.isOvertaken(op('a:4', { idSpace: 'client' })), 'an id that only looks like one')
  const chosen = { idSpace: 'client' as const, connectionId: 'a', msgSerial: 4 }
  t.ok(dedupe.isOvertaken(op('mine', chosen)), 'an id of its own, in an earlier frame')
  t.notOk(dedupe.isOvertaken(op('mine', { ...chosen, connectionId: undefined })), 'by request')
  t.notOk(dedupe.isOvertaken(op('a:4', { messageCount: 0 })), 'presence is decided beside it')
  dedupe.commit(op('a:5'), taken, 0)
  dedupe.commit(op('a:9'), { ...taken, messageCount: 0 }, 0)
  t.notOk(dedupe.isOvertaken(op('a:6')))
  t.ok(dedupe.isOvertaken(op('a:8', { messageCount: 0 })))
  dedupe.commit(op('chosen', { ...chosen, connectionId: 'c', msgSerial: 3 }), taken, 0)
  const heir = new Dedupe()
  const { letGo } = emptyState
  const channel = { channel: 'app/c', seq: 1, epoch: 1, entry: 1, birth: letGo,
    tick: { ms: 1, counter: 0 }, ids: dedupe.committed(), members: [], unarchived: [],
    bornSeq: 0, origins: [], uncopied: [], keptSince: { after: 0, from: 0 } }
  const kept = decodeState(encodeState({ ...emptyState, channels: [channel] }))
  heir.restore(kept.channels[0]!.ids, 0)
  t.ok(heir.isOvertaken(op('c:2')), 'of an id that tells nothing, too')
  t.ok(heir.isOvertaken(op('a:4')), 'a later master knows it')
  heir.expire(limits.idKeptMs)
  t.notOk(heir.isOvertaken(op('a:4')), 'forgotten with the last of the connection')
})
