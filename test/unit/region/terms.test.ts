/* What follows for a node's workers from the world: where clients may go, and when they have to. */

import t from 'tap'
import { limits } from '../../../src/base/limits.ts'
import { usualSettings, type WorldTerms } from '../../../src/region/terms.ts'
import { memberNo, viewOf } from '../ring/regions.ts'
import { converse, Node, nodesOf, regionOf, saidBy } from './world-node.ts'

const { announceMs, announceAskMs, announceChangeMs, regionAwayMs } = limits

/** The terms as they were given last; undefined if they were not given since. */
const givenBy = (node: Node): WorldTerms | undefined => node.take('terms').at(-1)?.terms

function drain(node: Node, isToDrain = true): void {
  node.input({ kind: 'settings', settings: { ...usualSettings, isToDrain } })
}

const us = regionOf('us', { endpoint: 'us.example' })

t.test('endpoints: the own one, then the nearest as the roster says, then by name', async (t) => {
  const node = new Node(regionOf('eu', { endpoint: 'eu.example:8443' }))
  node.adopt(nodesOf('eu'))
  t.same(givenBy(node)?.endpoints, [
    { region: 'eu', endpoint: 'eu.example:8443', isDraining: false }
  ])
  for (const name of ['us', 'ap', 'sa', 'za']) {
    node.hear(saidBy(regionOf(name, { endpoint: `${name}.example` }), nodesOf(name)))
  }
  const names = (): string[] => givenBy(node)!.endpoints.map(({ region }) => region)
  t.same(names(), ['eu', 'ap', 'sa', 'us', 'za'])
  node.hearRoster(['uid-eu', 'uid-us', 'uid-za', 'uid-ap', 'uid-sa'], 1)
  t.same(names(), ['eu', 'us', 'za', 'ap', 'sa'])
  node.hearRoster(['uid-eu', 'uid-za', 'uid-us'], 2)
  t.same(names(), ['eu', 'za', 'us'], 'who is not in the world is not told of')
  node.hearRoster(['uid-eu', 'uid-za', 'uid-us'], 3)
  t.equal(givenBy(node), undefined, 'nothing is new')
})

t.test('what another region says of itself is a host, or nothing', async (t) => {
  const node = new Node()
  for (const endpoint of [
    'https://us.example', 'us.example/', 'us example', '<b>', 'us.example:0', 'us:99999',
    'us:x', `${'u'.repeat(260)}`
  ]) {
    node.hear(saidBy(regionOf('us', { endpoint }), nodesOf('us')))
    t.equal(givenBy(node)?.endpoints[1]?.endpoint ?? '', '', endpoint)
  }
  node.hear(saidBy(us, nodesOf('us')))
  t.equal(givenBy(node)?.endpoints[1]?.endpoint, 'us.example')
})

t.test('a region that is to drain does where another one is there, and not else', async (t) => {
  const node = new Node()
  node.adopt(nodesOf('eu'))
  drain(node)
  t.match(givenBy(node), { drain: 'alone', departuresPerSecond: undefined })
  node.hear(saidBy(us, viewOf([memberNo(0, { incarnation: 'us0', state: 'joining' })], 16, 1)))
  t.equal(givenBy(node)?.drain, 'alone', 'one that serves nobody is none')
  node.hear(saidBy(us, nodesOf('us')))
  t.match(givenBy(node), {
    drain: 'draining', departuresPerSecond: usualSettings.drainedPerSecond / 4,
    endpoints: [{ region: 'eu', isDraining: true }, { region: 'us', isDraining: false }]
  })
  drain(node, false)
  t.match(givenBy(node), { drain: 'none', departuresPerSecond: undefined })
})

t.test('clients go to nobody who was not heard for half a minute', async (t) => {
  const node = new Node()
  node.adopt(nodesOf('eu'))
  node.hear(saidBy(us, nodesOf('us')))
  drain(node)
  t.equal(givenBy(node)?.drain, 'draining')
  node.pass(regionAwayMs - 1)
  t.equal(givenBy(node), undefined)
  node.pass(1)
  t.equal(givenBy(node)?.drain, 'alone', 'though nobody has said anything')
  node.hear(saidBy(us, nodesOf('us')))
  t.equal(givenBy(node)?.drain, 'draining')
})

t.test('two that are to drain at once see it of each other, and both serve', async (t) => {
  const [eu, other] = [new Node(), new Node(us, 'us0')]
  eu.adopt(nodesOf('eu'))
  other.adopt(nodesOf('us'))
  const drainOf = (node: Node): string | undefined =>
    node.outputs.findLast((output) => output.kind === 'terms')?.terms.drain
  const exchange = (): void => {
    for (let count = 0; count < 10; count++) {
      for (const [from, to] of [[eu, other], [other, eu]] as const) {
        from.pass(announceChangeMs)
        for (const output of from.outputs) if (output.kind === 'say') to.hear(output.message)
      }
    }
  }
  exchange()
  drain(eu)
  drain(other)
  exchange()
  t.same([drainOf(eu), drainOf(other)], ['alone', 'alone'])
  t.match(eu.world.describe(), [/at us\.example, to drain$/])
  drain(other, false)
  exchange()
  t.same([drainOf(eu), drainOf(other)], ['draining', 'none'])
})

t.test('that a region is to drain is announced at once, and asked for by who missed it',
  async (t) => {
    const speaker = new Node(us, 'us0')
    speaker.adopt(nodesOf('us'))
    speaker.pass(2 * announceChangeMs)
    speaker.said()
    drain(speaker)
    t.match(speaker.announced(), [{ isToDrain: true }])
    const node = new Node()
    t.same(converse(node, speaker, announceMs + announceAskMs), ['still', 'ask', 'region'])
    drain(speaker)
    speaker.pass(announceChangeMs)
    t.same(speaker.said(), [], 'once')
    drain(speaker, false)
    speaker.pass(announceChangeMs)
    const [announced] = speaker.announced()
    t.not(announced?.isToDrain, true)
  })

t.test('the rate is shared by the workers of those who live', async (t) => {
  const node = new Node()
  node.hear(saidBy(us, nodesOf('us')))
  drain(node)
  t.equal(givenBy(node)?.departuresPerSecond, undefined, 'nobody knows how many there are')
  const view = nodesOf('eu', 5)
  node.adopt(view)
  t.equal(givenBy(node)?.departuresPerSecond, 50)
  node.adopt(view, new Map(), new Set(['eu4']))
  t.equal(givenBy(node)?.departuresPerSecond, 62.5)
  node.input({ kind: 'settings', settings: {
    isToDrain: true, drainedPerSecond: 8, lostRegionGraceMs: 5
  } })
  t.match(givenBy(node), { departuresPerSecond: 1, lostRegionGraceMs: 5 })
})
