import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { Activity } from '../../../src/channel/activity.ts'

/** An Activity, with what it told since it was last asked. */
function bench(): { activity: Activity; told: () => string[] } {
  const all: string[] = []
  const tell = (channel: string, isActive: boolean) => void all.push(`${channel} ${isActive}`)
  const activity = new Activity(tell, () => undefined)
  return { activity, told: () => all.splice(0) }
}

t.test('[O7] opened once, closed when nobody has used it for the linger time', async (t) => {
  const { activity, told } = bench()
  activity.onUsed('app/c', false)
  activity.onUsed('app/c', false)
  t.same(told(), ['app/c true'])
  activity.judge('app/c', false, false, 0)
  activity.judge('app/c', true, false, limits.lingerMs)
  activity.judge('app/c', false, false, limits.lingerMs + 1)
  activity.judge('app/c', false, false, 2 * limits.lingerMs)
  t.same(told(), [], 'somebody used it meanwhile')
  activity.judge('app/c', false, false, 2 * limits.lingerMs + 1)
  activity.judge('app/c', false, true, 3 * limits.lingerMs)
  t.same(told(), ['app/c false'])
  activity.onUsed('app/c', false)
  activity.judge('app/c', false, true, 0)
  t.same(told(), ['app/c true', 'app/c false'], 'one that is let go is closed at once')
})

t.test('[O7] what a takeover finds was opened before; its end is told', async (t) => {
  const { activity, told } = bench()
  activity.onUsed('app/c', true)
  t.same(told(), [])
  activity.judge('app/c', false, false, 0)
  activity.judge('app/c', false, false, limits.lingerMs)
  t.same(told(), ['app/c false'])
  activity.onUsed('app/c', true)
  activity.clear()
  activity.judge('app/c', false, true, 0)
  t.same(told(), [], 'the next master tells')
})
