/* When a worker begins, and when it listens. */

import t from 'tap'
import { Opening, type ViewInput } from '../../../src/commands/opening.ts'

const viewOf = (log: object | undefined): ViewInput =>
  ({ kind: 'view', view: { log } }) as unknown as ViewInput
const made = viewOf({ generation: 'g' })

function opened(waitMs = 60_000): { opening: Opening; did: string[] } {
  const did: string[] = []
  const opening = new Opening({
    begin: () => void did.push('begin'), listen: () => void did.push('listen')
  }, waitMs)
  return { opening, did }
}

t.test('it listens once there are a view and apps, and it is known what is revoked', async (t) => {
  const steps: ((opening: Opening) => void)[] = [
    (opening) => opening.onView(made), (opening) => opening.onApps(),
    (opening) => opening.onRevokedKnown()
  ]
  for (const order of [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]) {
    const { opening, did } = opened()
    for (const step of order.slice(0, 2)) steps[step]!(opening)
    t.notOk(did.includes('listen'), `${order}`)
    steps[order[2]!]!(opening)
    t.same(did, ['begin', 'listen'], `${order}`)
  }
})

t.test('it begins anew with every view, and listens once', async (t) => {
  const { opening, did } = opened()
  opening.onApps()
  opening.onView(made)
  opening.onRevokedKnown()
  opening.onView(made)
  opening.onApps()
  t.same(did, ['begin', 'listen', 'begin'])
})

t.test('where the log does not say what is revoked it listens after a while', async (t) => {
  const { opening, did } = opened(20)
  opening.onApps()
  opening.onView(viewOf(undefined))
  opening.onView(viewOf({ generation: 'g', maker: 'n0' }))
  await new Promise((resolve) => setTimeout(resolve, 60))
  t.same(did, ['begin', 'begin'], 'not before there is one')
  opening.onView(made)
  await new Promise((resolve) => setTimeout(resolve, 60))
  t.same(did, ['begin', 'begin', 'begin', 'listen'])
  opening.onRevokedKnown()
  t.equal(did.length, 4)
})
