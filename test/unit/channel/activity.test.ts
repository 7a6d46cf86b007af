import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Activity } from '../../../src/channel/activity.ts'

/** An Activity, with what it told since it was last asked. */
function bench(): { activity: Activity; told: () => string[] } {
  const all: string[] = []
  const activity = new Activity((channel, isActive) => void all.push(`${channel} ${isActive}`))
  return { activity, told: () => all.splice(0) }
}

const used = { channel: 'app/c', isUsed: true }
const unused = { channel: 'app/c', isUsed: false }

t.test('[O7] opened once, closed when nobody has used it for the linger time', async (t) => {
  const { activity, told } = bench()
  activity.onUsed('app/c', false)
  activity.onUsed('app/c', false)
  t.same(told(), ['app/c true'])
  activity.judge(unused, false, 0)
  activity.judge(used, false, limits.lingerMs)
  activity.judge(unused, false, limits.lingerMs + 1)
  activity.judge(unused, false, 2 * limits.lingerMs)
  t.same(told(), [], 'somebody used it meanwhile')
  activity.judge(unused, false, 2 * limits.lingerMs + 1)
  activity.judge(unused, true, 3 * limits.lingerMs)
  t.same(told(), ['app/c false'])
  activity.onUsed('app/c', false)
  activity.judge(unused, true, 0)
  t.same(told(), ['app/c true', 'app/c false'], 'one that is let go is closed at once')
})

t.test('[O7] what a takeover finds was opened before; its end is told', async (t) => {
  const { activity, told } = bench()
  activity.onUsed('app/c', true)
  t.same(told(), [])
  activity.judge(unused, false, 0)
  activity.judge(unused, false, limits.lingerMs)
  t.same(told(), ['app/c false'])
  activity.onUsed('app/c', true)
  activity.clear()
  activity.judge(unused, true, 0)
  t.same(told(), [], 'the next master tells')
})
