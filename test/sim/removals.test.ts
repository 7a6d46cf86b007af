import t from 'tap'
import { Removals } from './checks/removals.ts'
import { withoutRealTime } from './poison.ts'
import { defaultRegion, Region } from './region.ts'

const BEGUN_MS = 5_000
/** Longer than any evidence counts. */
const LONG_MS = 40_000
const unfounded = { message: /acts as if it were gone: it failed to answer 0 of 2/ }

/**
 * Three nodes, and no view can be written; the first takes the third for gone, which did not answer
 * it, nor the second.
 */
class Seen {
  readonly region = new Region({ ...defaultRegion, seed: 'removals', nodeCount: 3, workers: 1 })
  readonly check = new Removals(this.region)

  constructor() {
    const { region, check } = this
    region.checks.push(check)
    region.startListed()
    region.kube.setReadOnly(true)
    const [first, second, third] = ['n0', 'n1', 'n2'].map((name) => region.nodes.get(name)!)
    const gone = third!.life!.incarnation
    region.world.run(BEGUN_MS)
    for (const asker of [first!, second!]) check.onProbed(asker, gone, 'silent')
    Object.defineProperty(first!.life!, 'believedGone', { value: new Set([gone]) })
  }

  run(forMs: number): void {
    for (let passedMs = 0; passedMs < forMs; passedMs += 1_000) {
      this.region.world.run(1_000)
      this.check.onTick()
    }
  }
}

t.test('[8] who is believed gone failed to answer others, not long before', (t) => {
  withoutRealTime(() => {
    const seen = new Seen()
    seen.run(19_000)
    t.throws(() => seen.run(LONG_MS), unfounded)
  })
  t.end()
})

t.test('[8] who stands still goes on believing what it had evidence for', (t) => {
  withoutRealTime(() => {
    const seen = new Seen()
    const believer = seen.region.nodes.get('n0')!
    seen.run(19_000)
    believer.freeze()
    seen.run(LONG_MS)
    believer.wake()
    t.doesNotThrow(() => seen.check.onTick(), 'it has judged nothing yet')
    t.throws(() => seen.run(1_000), unfounded, 'it has')
  })
  t.end()
})

t.test('[8] who stands still had evidence when it came to do so', (t) => {
  withoutRealTime(() => {
    const seen = new Seen()
    seen.region.world.run(22_000)
    seen.region.nodes.get('n0')!.freeze()
    t.throws(() => seen.run(1_000), unfounded)
  })
  t.end()
})
