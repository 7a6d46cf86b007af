import t from 'tap'
import { defaultTiming } from '../../../src/ring/timing.ts'
import { Watcher, watchersOf } from '../../../src/ring/watcher.ts'
import { after, memberNo, membersOf, viewOf } from './regions.ts'

const { beatMs, silenceMs, suspicionRepeatMs } = defaultTiming

/** n0 among `count`, its mesh up, with one of those that it watches. */
function rig(count = 4) {
  const view = viewOf(membersOf(count), 16)
  const watcher = new Watcher('n0#1', defaultTiming)
  watcher.onView(view, 0)
  watcher.onMesh(true, 0)
  const watched = view.members
    .map(({ incarnation }) => incarnation)
    .filter((incarnation) => watchersOf(incarnation, view.members).includes('n0#1'))
  const others = watched.slice(1)
  const hearOthers = (nowMs: number): void => {
    for (const other of others) watcher.onHeard(other, nowMs)
  }
  return { view, watcher, watched, one: watched[0]!, hearOthers }
}

t.test('everybody is watched by three others, or by all where there are fewer', async (t) => {
  for (const count of [1, 2, 3, 4, 5, 20, 200]) {
    const { members } = viewOf(membersOf(count), 4)
    const loads = new Map<string, number>()
    for (const { incarnation } of members) {
      const watchers = watchersOf(incarnation, members)
      t.equal(new Set(watchers).size, Math.min(3, count - 1))
      t.notOk(watchers.includes(incarnation))
      for (const each of watchers) loads.set(each, (loads.get(each) ?? 0) + 1)
    }
    for (const load of loads.values()) if (load !== Math.min(3, count - 1)) t.fail(`load ${load}`)
  }
  t.same(watchersOf('stranger', membersOf(5)), [])
})

t.test('whom a node beats are those that watch it, and it watches who beats it', async (t) => {
  const view = viewOf(membersOf(12), 4)
  const watchers = view.members.map(({ incarnation }) => {
    const watcher = new Watcher(incarnation, defaultTiming)
    watcher.onView(view, 0)
    watcher.onMesh(true, 0)
    return { incarnation, watcher }
  })
  for (const { incarnation, watcher } of watchers) {
    t.same(watcher.duties(0).beatTo, watchersOf(incarnation, view.members))
    const silent = watcher.duties(silenceMs).probes.map((member) => member.incarnation)
    const beating = watchers.filter((other) => other.watcher.watchers.includes(incarnation))
    t.same(silent.sort(), beating.map((other) => other.incarnation).sort())
  }
})

t.test('[8] silence is probed and told, and told again while it lasts', async (t) => {
  const { watcher, one, hearOthers } = rig()
  let nowMs = silenceMs - 1
  hearOthers(nowMs)
  t.match(watcher.duties(nowMs), { probes: [], suspicions: undefined }, 'not yet silent')
  nowMs = silenceMs
  const first = watcher.duties(nowMs)
  t.same(first.probes.map(({ incarnation }) => incarnation), [one])
  t.same(first.suspicions, [{ incarnation: one, isProbeFailed: false }])
  t.match(watcher.duties(nowMs), { probes: [], suspicions: undefined }, 'each duty once')
  watcher.onProbed(one, true, nowMs + 5)
  t.same(watcher.duties(nowMs + 5).suspicions, [{ incarnation: one, isProbeFailed: true }],
    'a failed probe is told at once')
  t.equal(watcher.duties(nowMs + 6).suspicions, undefined)
  nowMs += 5 + suspicionRepeatMs
  hearOthers(nowMs)
  const again = watcher.duties(nowMs)
  t.same(again.suspicions, [{ incarnation: one, isProbeFailed: true }])
  t.same(again.probes.map(({ incarnation }) => incarnation), [one], 'and probed again')
  watcher.onProbed(one, false, nowMs + 1)
  t.same(watcher.duties(nowMs + 1).suspicions, [{ incarnation: one, isProbeFailed: false }],
    'a port that answers again is told too')
})

t.test('[8] who is heard is no suspect: the empty list is told, once', async (t) => {
  const { watcher, one, hearOthers } = rig()
  hearOthers(silenceMs)
  watcher.duties(silenceMs)
  watcher.onHeard(one, silenceMs + 10)
  t.same(watcher.duties(silenceMs + 10).suspicions, [])
  t.equal(watcher.duties(silenceMs + 20).suspicions, undefined)
  watcher.onProbed(one, true, silenceMs + 30)
  t.same(watcher.duties(silenceMs + 30).suspicions, undefined, 'a late failed probe says nothing')
  hearOthers(2 * silenceMs + 10)
  const next = watcher.duties(2 * silenceMs + 10).suspicions
  t.same(next, [{ incarnation: one, isProbeFailed: false }], 'nor of the next silence')
})

t.test('[8] a watcher without a mesh accuses nobody, nor right after', async (t) => {
  const { watcher, one, hearOthers } = rig()
  watcher.onMesh(false, 100)
  t.same(watcher.duties(60_000), { beatTo: [], probes: [], suspicions: undefined })
  t.equal(watcher.nextDeadlineMs(), Infinity)
  watcher.onMesh(true, 60_000)
  t.match(watcher.duties(60_000), { probes: [], suspicions: undefined })
  hearOthers(60_000 + silenceMs)
  const late = watcher.duties(60_000 + silenceMs).suspicions
  t.same(late, [{ incarnation: one, isProbeFailed: false }], 'all had their whole time anew')
})

t.test('[11] one that stood still accuses nobody, and takes back what it had said', async (t) => {
  const { watcher, one, hearOthers } = rig()
  hearOthers(silenceMs)
  watcher.duties(silenceMs)
  watcher.onProbed(one, true, silenceMs)
  t.equal(watcher.duties(silenceMs).suspicions?.length, 1)
  watcher.restart(90_000)
  const { probes, suspicions } = watcher.duties(90_000)
  t.same(probes, [])
  t.same(suspicions, [])
  t.match(watcher.duties(90_000 + silenceMs - 1), { probes: [], suspicions: undefined })
})

t.test('who is new in the view has the whole silence time; who is known has not', async (t) => {
  const { view, watcher, watched } = rig()
  const nowMs = silenceMs - 1
  const next = after(view, { joined: [memberNo(9, { state: 'joining' })] })
  watcher.onView(next, nowMs)
  const mine = next.members
    .map(({ incarnation }) => incarnation)
    .filter((incarnation) => watchersOf(incarnation, next.members).includes('n0#1'))
  const kept = mine.filter((incarnation) => watched.includes(incarnation))
  t.ok(mine.includes('n9#1') && kept.length > 0, 'the example has both')
  const silent = (atMs: number): string[] => {
    watcher.duties(atMs)
    return watcher.suspicions().map(({ incarnation }) => incarnation).sort()
  }
  t.same(silent(silenceMs), kept.sort())
  t.same(silent(nowMs + silenceMs), mine.sort())
})

t.test('who left the view is watched no more, and its answers are nobody\'s', async (t) => {
  const { view, watcher, one, hearOthers } = rig()
  hearOthers(silenceMs)
  watcher.duties(silenceMs)
  watcher.onView(after(view, { removed: new Map([[one, 'test']]) }), silenceMs)
  watcher.onProbed(one, true, silenceMs)
  watcher.onHeard(one, silenceMs)
  t.same(watcher.duties(silenceMs).suspicions, [])
  const alone = new Watcher('n0#1', defaultTiming)
  alone.onView(viewOf(membersOf(1), 4), 0)
  alone.onMesh(true, 0)
  t.same(alone.duties(60_000), { beatTo: [], probes: [], suspicions: undefined })
  t.equal(alone.nextDeadlineMs(), Infinity)
})

t.test('the deadline is when a duty comes, no earlier and no later', async (t) => {
  const { watcher, one, hearOthers } = rig()
  let lastMs = -1
  for (let step = 0; step < 40; step++) {
    const atMs = watcher.nextDeadlineMs()
    if (atMs <= lastMs) t.fail(`${atMs} after ${lastMs}: no end`)
    lastMs = atMs
    hearOthers(atMs)
    const { beatTo, probes, suspicions } = watcher.duties(atMs)
    for (const { incarnation } of probes) watcher.onProbed(incarnation, true, atMs)
    const isIdle = beatTo.length === 0 && probes.length === 0 && suspicions === undefined
    if (isIdle) t.fail(`woken at ${atMs} for nothing`)
  }
  t.ok(lastMs > 5 * beatMs)
  t.same(watcher.suspicions().map(({ incarnation }) => incarnation), [one])
})
