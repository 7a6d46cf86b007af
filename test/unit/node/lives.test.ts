import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Lives } from '../../../src/node/lives.ts'
import { emptyView, makeView, type View } from '../../../src/ring/view.ts'

const TTL_MS = limits.connectionStateTtlMs
const WALL_MS = 1_750_000_000_000

function viewOf(listed: readonly string[], removed: readonly (readonly [string, number])[]): View {
  const members = listed.map((incarnation) => ({
    node: incarnation, uid: incarnation, incarnation, startedAt: 1, workers: 1, zone: '',
    meshVersion: 1, state: 'serving' as const, host: 'h', privatePort: 1
  }))
  const tombstones = removed.map(([incarnation, removedAtMs]) => {
    return { node: incarnation, incarnation, removedAtMs }
  })
  return makeView({ ...emptyView(4, 0), version: 1, members, tombstones })
}

const at = (monoMs: number, wallMs = WALL_MS) => ({ monoMs, wallMs })
const nobody = new Set<string>()

t.test('[D3] what ends while we look on is timed by our own clock', async (t) => {
  const lives = new Lives()
  lives.learn(viewOf(['a', 'b'], []), nobody, 1_000)
  t.equal(lives.fateOf('a', at(1_000)), 'listed')
  // The remover's wall clock is an hour off.
  lives.learn(viewOf(['b'], [['a', WALL_MS - 3_600_000]]), nobody, 2_000)
  t.equal(lives.fateOf('a', at(2_000 + TTL_MS)), 'gone')
  lives.learn(viewOf(['b'], [['a', WALL_MS - 3_600_000]]), nobody, 50_000)
  t.equal(lives.fateOf('a', at(2_000 + TTL_MS)), 'gone')
  t.equal(lives.fateOf('a', at(2_001 + TTL_MS)), 'longGone')
})

t.test('[D3] what ended before we began is timed by its tombstone', async (t) => {
  const lives = new Lives()
  lives.learn(viewOf(['b'], [['a', WALL_MS]]), nobody, 1_000)
  t.equal(lives.fateOf('a', at(9_000_000, WALL_MS + TTL_MS)), 'gone')
  t.equal(lives.fateOf('a', at(1_000, WALL_MS + TTL_MS + 1)), 'longGone')
  t.equal(lives.fateOf('a', at(1_000, WALL_MS - 50)), 'gone', 'a clock ahead of ours')
})

t.test('[10] who is known to be gone is, although the view still lists it', async (t) => {
  const lives = new Lives()
  const view = viewOf(['a', 'b'], [])
  lives.learn(view, nobody, 1_000)
  lives.learn(view, new Set(['a']), 2_000)
  lives.learn(view, new Set(['a']), 60_000)
  t.equal(lives.fateOf('a', at(2_000 + TTL_MS)), 'gone')
  lives.learn(viewOf(['b'], [['a', WALL_MS + 60_000]]), nobody, 70_000)
  t.equal(lives.fateOf('a', at(2_001 + TTL_MS)), 'longGone', 'since then, not since its removal')
  lives.learn(view, new Set(['b']), 80_000)
  lives.learn(view, nobody, 81_000)
  t.equal(lives.fateOf('b', at(82_000)), 'listed', 'a wrong suspicion')
})

t.test('who was never listed, or whose tombstone is gone, is not known', async (t) => {
  const lives = new Lives()
  t.equal(lives.fateOf('a', at(0)), 'unheard')
  lives.learn(viewOf(['a'], []), nobody, 1_000)
  lives.learn(viewOf([], [['a', WALL_MS]]), nobody, 2_000)
  lives.learn(viewOf([], []), nobody, 3_000)
  t.equal(lives.fateOf('a', at(4_000)), 'unheard')
})
