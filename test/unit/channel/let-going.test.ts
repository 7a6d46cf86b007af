/* Channels that are let go of in a world of regions, where others may use them all the same. */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { decodeState, emptyState, encodeState } from '../../../src/channel/partition-state.ts'
import { Tail, TailPool } from '../../../src/channel/tail.ts'
import type { Standing } from '../../../src/peer/message.ts'
import type { RelayJoined } from '../../../src/peer/relay-message.ts'
import { CHANNEL, type Life, World } from './partition-world.ts'
import { ofKind, standing } from './parts.ts'

const LONG_MS = 600_000

/** Something is said on channels, and nobody uses them any more. */
function said(world: World, channels: readonly string[] = [CHANNEL]): Life {
  const life = world.master()
  for (const channel of channels) {
    life.join(undefined, channel)
    life.publish(`${channel}:0`, channel)
    life.tell({ kind: 'part', channel, clientId: 'k' })
  }
  return life
}

/** Something is said elsewhere, so that there is something to snapshot. */
function chatter(life: Life): void {
  life.join(undefined, 'app/chatter')
  life.publish('c:0', 'app/chatter')
  life.tell({ kind: 'part', channel: 'app/chatter', clientId: 'k' })
}

/** This master, and the one that takes over from it. */
function* masters(world: World, life: Life): Generator<Life> {
  yield life
  yield world.master()
}

/** What a relay of another region is answered. */
function relayed(
  life: Life, from: Standing | undefined, channel = CHANNEL, sinceMs = 0,
  ageMs?: number
): RelayJoined | { readonly kind: 'relayDormant'; readonly anew: Standing | undefined } {
  life.said.length = 0
  life.tell({
    kind: 'relayJoin', channel, region: 'us', relayId: 'r', joinNo: 1, viewVersion: 1, from,
    sinceMs, wantsMembers: false, wantsCount: false, ageMs
  })
  life.settle()
  return [...ofKind(life.said, 'relayJoined'), ...ofKind(life.said, 'relayDormant')][0]!
}

t.test('who comes from before cannot know what was said elsewhere', async (t) => {
  for (const others of ['none', 'heard', 'silent'] as const) {
    const world = new World()
    const life = said(world)
    const { standing: stood } = life.join()!
    life.tell({ kind: 'part', channel: CHANNEL, clientId: 'k' })
    world.others = others === 'none' ? 'none' : 'heard'
    world.pass(LONG_MS, life)
    t.equal(life.master.channelCount, 0)
    world.others = others
    t.equal(life.join(stood)!.isContinuation, others === 'none', others)
    const { standing: now } = life.join()!
    t.ok(life.join(now)!.isContinuation, 'who comes later can, though nothing was said')
    world.pass(1, life)
    t.ok(world.master().join(now)!.isContinuation, 'at the next master, too')
  }
})

const dormant = (anew?: object): object => ({ kind: 'relayDormant', anew })

/** One message is said on a channel while all other regions are heard; where it stood then. */
function heardOnce(world: World) {
  world.others = 'heard'
  const life = world.master()
  const { standing: before } = life.join()!
  const bornMs = world.nowMs
  life.publish('k:0')
  const { standing: after } = life.join()!
  return { life, before, bornMs, after }
}

t.test('a relay is told if something was said that it may have missed', async (t) => {
  const world = new World()
  const { life, before, bornMs, after } = heardOnce(world)
  life.tell({ kind: 'part', channel: CHANNEL, clientId: 'k' })
  world.pass(LONG_MS, life)
  t.equal(life.master.channelCount, 0)
  for (const master of masters(world, life)) {
    t.match(relayed(master, before), dormant({ lineage: after.lineage }))
    t.match(relayed(master, after), dormant(undefined))
    t.match(relayed(master, after, 'app/other'), dormant(undefined), 'nothing was said there')
    t.match(relayed(master, undefined, CHANNEL, bornMs), dormant({ lineage: after.lineage }))
    t.match(relayed(master, undefined, CHANNEL, bornMs + 1), dormant(undefined))
    const ageMs = world.nowMs - bornMs
    t.match(relayed(master, undefined, CHANNEL, bornMs + 1, ageMs),
      dormant({ lineage: after.lineage }), 'whatever their clock says')
    t.match(relayed(master, undefined, CHANNEL, bornMs, ageMs - 1), dormant(undefined))
    t.match(relayed(master, undefined), dormant(undefined), 'it was in touch all the time')
  }
})

t.test('so it is where the channel was born again', async (t) => {
  const world = new World()
  const { life, before, bornMs, after } = heardOnce(world)
  for (const isAnew of [false, true]) {
    life.tell({ kind: 'part', channel: CHANNEL, clientId: 'k' })
    world.pass(LONG_MS, life)
    t.equal(life.master.channelCount, 0)
    life.join()
    if (isAnew) life.publish('k:1')
    world.pass(1_000, life)
    for (const master of isAnew ? masters(world, life) : [life]) {
      t.match(relayed(master, before), { isContinuation: false })
      t.match(relayed(master, after), { isContinuation: true })
      t.match(relayed(master, undefined, CHANNEL, bornMs), { isContinuation: false })
      t.match(relayed(master, undefined, CHANNEL, bornMs + 1), { isContinuation: true })
    }
    life.tell({ kind: 'relayPart', channel: CHANNEL, region: 'us', relayId: 'r' })
  }
})

t.test('it goes on with what was remembered, and the next master does, too', async (t) => {
  const world = new World()
  world.others = 'heard'
  const life = said(world)
  const bornMs = world.nowMs
  const { standing: after } = life.join()!
  life.tell({ kind: 'part', channel: CHANNEL, clientId: 'k' })
  world.pass(LONG_MS, life)
  life.join()
  world.pass(LONG_MS, life)
  const chatter = 'app/chatter'
  life.join(undefined, chatter)
  life.publish('c:0', chatter)
  world.pass(LONG_MS, life)
  for (const master of masters(world, life)) {
    t.equal(master.master.channelCount, 2)
    t.match(relayed(master, after), { isContinuation: true })
    t.match(relayed(master, undefined, CHANNEL, bornMs), { isContinuation: false })
    const { birth } = master.master.channelOf(CHANNEL)!.here()
    t.match(birth, { beginSeq: 0 })
  }
})

t.test('one that may be of a former mastership is told while a region is silent', async (t) => {
  const world = new World()
  world.others = 'silent'
  const life = said(world)
  world.pass(LONG_MS, life)
  for (const master of masters(world, life)) {
    world.others = 'silent'
    t.match(relayed(master, undefined), dormant({}))
    world.others = 'heard'
    t.match(relayed(master, undefined), dormant(undefined), 'all have asked by then')
  }
})

t.test('of those beyond a bound nobody knows what was said', async (t) => {
  const { pastsMax } = limits
  Object.assign(limits, { pastsMax: 2 })
  t.teardown(() => void Object.assign(limits, { pastsMax }))
  const world = new World()
  world.others = 'silent'
  const life = world.master()
  const { standing: sought } = life.join(undefined, 'app/sought')!
  relayed(life, sought, 'app/sought')
  life.tell({ kind: 'relayPart', channel: 'app/sought', region: 'us', relayId: 'r' })
  life.tell({ kind: 'part', channel: 'app/sought', clientId: 'k' })
  const bornMs = world.nowMs
  const { standing: first } = life.join(undefined, 'app/a')!
  for (const channel of ['app/a', 'app/b', 'app/c']) {
    life.join(undefined, channel)
    life.publish(`${channel}:0`, channel)
    world.pass(1_000, life)
    life.tell({ kind: 'part', channel, clientId: 'k' })
  }
  const { standing: last } = life.join(undefined, 'app/c')!
  life.tell({ kind: 'part', channel: 'app/c', clientId: 'k' })
  world.pass(LONG_MS, life)
  t.equal(life.master.channelCount, 0)
  t.equal(new Map(life.master.sizes()).get('pastsMax'), 2)
  for (const master of masters(world, life)) {
    for (const channel of ['app/a', 'app/other']) {
      t.match(relayed(master, first, channel), dormant({}), channel)
      t.match(relayed(master, last, channel), dormant(undefined))
      t.match(relayed(master, undefined, channel), dormant({}))
      t.match(relayed(master, undefined, channel, bornMs), dormant({}))
      t.match(relayed(master, undefined, channel, bornMs + 10_000), dormant(undefined))
    }
    t.match(relayed(master, sought, 'app/sought'), dormant(undefined), 'others are forgotten first')
  }
  const next = world.master()
  next.join(undefined, 'app/a')
  t.match(relayed(next, undefined, 'app/a', bornMs), { isContinuation: false }, 'born again')
  t.match(relayed(next, undefined, 'app/a', bornMs + 10_000), { isContinuation: true })
  world.others = 'heard'
  t.match(relayed(next, undefined, 'app/other'), dormant(undefined))
  t.match(relayed(next, first, 'app/other'), dormant({}), 'whenever it asks')
})

t.test('who takes over a channel that was born again knows when it was used last', async (t) => {
  for (const isUsed of [false, true]) {
    const world = new World()
    world.others = 'heard'
    const bornMs = world.nowMs
    const life = said(world)
    world.pass(LONG_MS, life)
    t.equal(life.master.channelCount, 0)
    life.join()
    chatter(life)
    world.pass(3 * limits.tailMs, life)
    if (isUsed) life.publish('k:1')
    for (let no = 0, master = life; no < 3; no++, master = world.master()) {
      t.ok(master.master.channelOf(CHANNEL), `${no}`)
      t.match(relayed(master, undefined, CHANNEL, bornMs), { isContinuation: false })
      const later = relayed(master, undefined, CHANNEL, bornMs + 1)
      t.match(later, { isContinuation: true, publications: { length: isUsed ? 1 : 0 } })
    }
  }
})

t.test('nothing is taken for older than it is where the log is cut meanwhile', async (t) => {
  const world = new World()
  world.others = 'heard'
  const life = said(world)
  const bornMs = world.nowMs
  life.join()
  world.pass(limits.tailMs + 2_000, life)
  life.publish('k:1')
  const lastMs = world.nowMs
  world.pass(limits.tailMs / 2, life)
  const state = life.master.channelOf(CHANNEL)!.state()
  t.match(state.bornTrimmed, { ms: bornMs, through: state.seq - 1 })
  const pool = new TailPool()
  const tail = new Tail(state.seq, pool)
  tail.knowBorn(state.bornSeq, state.bornTrimmed)
  t.equal(tail.bornTrimmedMs, undefined, 'what was said last is not held')
  t.equal(tail.since(lastMs, 0, lastMs), undefined)
  t.equal(tail.beginAnew(state.seq - 1, state.bornSeq).bornTrimmedMs, bornMs)
})

t.test('a channel that was sought is so for whoever takes it over', async (t) => {
  const { pastsMax } = limits
  Object.assign(limits, { pastsMax: 2 })
  t.teardown(() => void Object.assign(limits, { pastsMax }))
  const world = new World()
  world.others = 'silent'
  const life = world.master()
  const { standing } = life.join(undefined, 'app/sought')!
  relayed(life, standing, 'app/sought')
  life.tell({ kind: 'relayPart', channel: 'app/sought', region: 'us', relayId: 'r' })
  chatter(life)
  world.pass(3 * limits.tailMs, life)
  const next = world.master()
  t.ok(next.master.channelOf('app/sought'))
  world.pass(LONG_MS, next)
  for (const channel of ['app/a', 'app/b', 'app/c']) {
    next.join(undefined, channel)
    next.publish(`${channel}:0`, channel)
    next.tell({ kind: 'part', channel, clientId: 'k' })
  }
  world.pass(LONG_MS, next)
  t.equal(next.master.channelCount, 0)
  t.match(relayed(next, standing, 'app/sought'), dormant(undefined), 'others are forgotten first')
})

t.test('what a channel is known by is read from snapshots of any release', async (t) => {
  const channel = { channel: 'app/c', seq: 4, epoch: 1, entry: 1, birth: { seq: 3, entry: 1 },
    tick: { ms: 1, counter: 0 }, ids: [], members: [], unarchived: [], bornSeq: 4, origins: [],
    uncopied: [], keptSince: { after: 4, from: 0 } }
  for (const more of [
    { isSought: false, bornTrimmed: undefined }, { isSought: true, bornTrimmed: undefined },
    { isSought: false, bornTrimmed: { ms: 7, through: 3 } }
  ]) {
    const [read] = decodeState(encodeState({ ...emptyState, channels: [{ ...channel, ...more }] }))
      .channels
    t.match(read, { ...channel, ...more })
  }
  const [bare] = decodeState(encodeState({ ...emptyState, channels: [channel] })).channels
  t.match(bare, { isSought: false, bornTrimmed: undefined })
})

t.test('who asks about a place is told whether it is one of this log', async (t) => {
  const world = new World()
  const life = said(world)
  const { standing: stood } = life.join()!
  life.tell({ kind: 'part', channel: CHANNEL, clientId: 'k' })
  world.others = 'heard'
  world.pass(LONG_MS, life)
  for (const from of [undefined, stood]) {
    t.match(relayed(life, from), { kind: 'relayDormant', anew: undefined })
  }
  t.match(relayed(life, standing(3, { lineage: 'L9' })), { anew: { lineage: stood.lineage } })
})
