/* How channels go on that were let go in a world of regions. */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Comeback, EVER_MS, type Parting, partingOf } from '../../../src/channel/comeback.ts'
import { LetGo } from '../../../src/channel/let-go.ts'
import { decodeState, emptyState, encodeState } from '../../../src/channel/partition-state.ts'
import type { Origin } from '../../../src/peer/message.ts'
import { CHANNEL, World } from './partition-world.ts'
import { ofKind, publications, standing } from './parts.ts'

const US: Origin = { region: 'us', ...standing(7, { lineage: 'L2' }) }
const PARTING: Parting = { endSeq: 4, sinceMs: 9_000, origins: [US] }
const REGIONS = ['us', 'ap']

t.test('who stood at the end goes on once each region has told what came since', async (t) => {
  const comeback = new Comeback(PARTING)
  t.same(comeback.owed('us'), US, 'there its relay goes on')
  t.equal(comeback.owed('ap'), undefined)
  t.same(comeback.begins('ap'), { sinceMs: 9_000, only: 'held' })
  const ever = new Comeback({ ...PARTING, sinceMs: EVER_MS }).begins('ap')
  t.same(ever, { sinceMs: 0, only: 'nothing' }, 'or it asks whether there was ever anything')
  t.same(comeback.onTold('us'), US, 'it is to be written')
  t.equal(comeback.onTold('us'), undefined, 'once')
  t.notOk(comeback.admits({ seq: 4 }, REGIONS))
  t.ok(comeback.awaits('ap'))
  t.equal(comeback.onTold('ap'), undefined)
  t.notOk(comeback.awaits('ap'))
  t.ok(comeback.admits({ seq: 4 }, REGIONS))
  t.ok(comeback.admits({ seq: 5 }, REGIONS))
  t.notOk(comeback.admits({ seq: 3 }, REGIONS), 'who had not been told all of it')
  t.notOk(comeback.admits({ seq: 4 }, [...REGIONS, 'sa']), 'one that is new has told nothing')
})

t.test('nobody does where a region is not waited for', async (t) => {
  const comeback = new Comeback(PARTING)
  comeback.giveUp('ap')
  comeback.onTold('us')
  t.notOk(comeback.awaits('ap'))
  t.equal(comeback.begins('ap'), undefined)
  t.notOk(comeback.admits({ seq: 4 }, REGIONS))
  t.notOk(comeback.admits({ seq: 4 }, ['us']))
})

t.test('nor where nobody knows since when nothing was told', async (t) => {
  const comeback = new Comeback({ ...PARTING, sinceMs: 0 })
  comeback.onTold('us')
  t.ok(comeback.admits({ seq: 4 }, ['us']), 'of one that had a place that is known')
  comeback.onTold('ap')
  t.notOk(comeback.admits({ seq: 4 }, REGIONS))
})

t.test('what is remembered of one is where it ended', async (t) => {
  const here = { standing: standing(12), birth: { seq: 10, entry: 1 }, origins: [US] }
  const silent = { ...here, standing: standing(10) }
  t.same(partingOf(here, undefined, REGIONS, 5), { endSeq: 12, sinceMs: 5, origins: [US] })
  t.same(partingOf(silent, undefined, REGIONS, 5), { endSeq: 10, sinceMs: 5, origins: [US] })
  const comeback = new Comeback(PARTING)
  t.same(partingOf(silent, comeback, REGIONS, 5), { endSeq: 10, sinceMs: 5, origins: [US] })
  for (const region of REGIONS) comeback.onTold(region)
  t.same(partingOf(silent, comeback, REGIONS, 5), { ...PARTING, sinceMs: 5 }, 'nothing was said')
  t.same(partingOf(here, comeback, REGIONS, 5), { ...PARTING, endSeq: 12, sinceMs: 5 })
})

t.test('of the latest ones it is remembered, in snapshots too', async (t) => {
  const { pastsMax } = limits
  Object.assign(limits, { pastsMax: 2 })
  t.teardown(() => void Object.assign(limits, { pastsMax }))
  const letGo = new LetGo()
  const left = { lastSeq: 4, lastEntry: 2, past: undefined }
  for (const [no, channel] of ['a', 'b', 'c'].entries()) {
    letGo.add(channel, { ...left, parting: { ...PARTING, endSeq: no } }, 'heard')
  }
  letGo.add('alone', { ...left, parting: PARTING }, 'none')
  t.equal(new Map(letGo.sizes()).get('pastsMax'), 2)
  const next = new LetGo()
  next.restore(decodeState(encodeState({ ...emptyState, ...letGo.state() })), 0)
  for (const each of [letGo, next]) {
    t.equal(each.take('a').parting, undefined, 'the oldest is forgotten')
    t.equal(each.take('alone').parting, undefined, 'where there are no others it is not needed')
    t.same(each.take('c').parting, { ...PARTING, endSeq: 2 })
    t.equal(each.take('c').parting, undefined, 'it is its own from then on')
  }
  t.same(decodeState(encodeState(emptyState)).partings, new Map(), 'of former releases')
})

t.test('the first clients of a channel that was found in the log are let in', async (t) => {
  const world = new World()
  Object.assign(world, { others: 'heard', otherRegions: ['us'] })
  const life = world.master()
  life.join()
  life.master.channelOf(CHANNEL)!.relaying.take('us', {
    isBroken: false, publications: publications(1, 3), standing: standing(3, { lineage: 'L2' }),
    members: undefined
  })
  life.settle()
  const next = world.master()
  const master = next.master.channelOf(CHANNEL)!
  const at = { monoMs: world.nowMs, wallMs: world.nowMs }
  const letIn = master.relaying.wait((place, join) => master.onJoin(place, join, at))
  t.equal(next.join(), undefined, 'it waits')
  letIn()
  t.match(ofKind(next.said, 'joined'), [{ standing: { seq: 3 } }])
})

t.test('where a master ended that alone knew of a channel, some may be missing', async (t) => {
  for (const others of ['none', 'heard'] as const) {
    const world = new World()
    Object.assign(world, { others, otherRegions: others === 'none' ? [] : ['us'] })
    const { standing: stood } = world.master().join()!
    world.viewVersion++
    const stayed = world.master()
    t.ok(stayed.join(stood)!.isContinuation, 'whose client was there all the time goes on')
    world.viewVersion++
    const left = world.master()
    const { standing: now } = left.join()!
    t.equal(now.seq, stood.seq)
    t.equal(left.join(stood)!.isContinuation, others === 'none')
    t.ok(left.join(now)!.isContinuation)
  }
})

t.test('who moves waits for a region that has yet to tell what came since', async (t) => {
  const world = new World()
  Object.assign(world, { others: 'heard', otherRegions: REGIONS })
  const life = world.master()
  life.join()
  const { relaying } = life.master.channelOf(CHANNEL)!
  relaying.comeBack(PARTING)
  const at = (seq: number): Origin => ({ ...US, seq })
  t.equal(relaying.follows(at(8), at(9)), 'later')
  t.equal(relaying.follows(at(5), at(6)), 'never', 'the rest was told in the former life')
  t.same(relaying.origins, [])
  relaying.take('us', {
    isBroken: false, publications: [], standing: standing(9, { lineage: 'L2' }), members: undefined
  })
  t.equal(relaying.follows(at(8), at(9)), 'now')
  t.equal(relaying.follows(at(5), at(6)), 'never')
  t.match(relaying.origins, [{ seq: 7 }], 'what the former life had stands here, too')
})
