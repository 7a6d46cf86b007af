/* Who is in the world as a node knows it: by a roster, and without one. */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import type { Announcement } from '../../../src/region/world-message.ts'
import { Node, nodesOf, regionOf, saidBy, stillOf } from './world-node.ts'

const { announceAskMs, regionSilenceMs } = limits

t.test('the roster decides who is in the world; without one whoever announces is', async (t) => {
  const node = new Node()
  const all = ['us', 'ap', 'sa'].map((name) => saidBy(regionOf(name), nodesOf(name)))
  for (const said of all) node.hear(said)
  node.take('world')
  node.hearRoster(['uid-us', 'uid-eu', 'uid-none'], 5)
  t.same(node.given(), ['us uid-us 1'])
  for (const said of all) node.hear(said)
  t.equal(node.given(), undefined)
  node.hearRoster(['uid-ap'], 4)
  for (const said of all) node.hear(said)
  t.equal(node.given(), undefined, 'an earlier one comes late')
  node.hearRoster(['uid-us', 'uid-ap'], 6)
  for (const said of all) node.hear(said)
  t.same(node.given(), ['ap uid-ap 1', 'us uid-us 1'])
  node.pass(20 * regionSilenceMs)
  for (const said of all) node.hear(said)
  t.same(node.given(), ['ap uid-ap 1', 'us uid-us 1'], 'it stands, whoever made it is gone')
  node.hearRoster(['uid-sa'], 1)
  for (const said of all) node.hear(said)
  t.same(node.given(), ['sa uid-sa 1'], 'a clock went back, and nobody says the other one')
})

t.test('without a roster only who names our world is heard, or names none', async (t) => {
  const node = new Node(regionOf('eu', { world: 'acme' }), 'other')
  node.adopt(nodesOf('eu'))
  const view = nodesOf('us')
  const inWorld = (world: string): Announcement => saidBy(regionOf('us', { world }), view)
  node.hear(inWorld('other'))
  node.hear(stillOf(inWorld('other'), view))
  t.equal(node.given(), undefined)
  node.pass(2 * announceAskMs)
  t.same(node.said(), [], 'it is asked nothing')
  node.hear(saidBy(regionOf('ap'), nodesOf('ap')))
  t.same(node.given(), ['ap uid-ap 1'], 'its release does not say it')
  node.hear(inWorld('acme'))
  t.same(node.given(), ['ap uid-ap 1', 'us uid-us 1'])
  node.hear(stillOf(inWorld('other'), view))
  t.same(node.given(), ['ap uid-ap 1'], 'it is in another one now')
  node.hearRoster(['uid-eu', 'uid-us'], 5)
  node.hear(inWorld('other'))
  t.same(node.given(), ['us uid-us 1'], 'globalmasters know better where names change')
})
