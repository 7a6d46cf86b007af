import t from 'tap'
import { Occupancy } from './checks/occupancy.ts'
import { Survey } from './checks/survey.ts'
import { withoutRealTime } from './poison.ts'
import { defaultRegion, Region } from './region.ts'
import type { SimSocket } from './sockets.ts'
import { Does } from './wire.ts'

const LONG_MS = 20_000

/** Two nodes, long after both were listed; somebody is attached to a channel on the second. */
function attached(): Region & { readonly survey: Survey } {
  const region = new Region({ ...defaultRegion, seed: 'survey', nodeCount: 2, workers: 1 })
  const survey = new Survey(region, new Occupancy(region))
  region.checks.push(survey)
  region.startListed()
  region.world.every(1_000, () => {
    survey.onTick()
    return true
  })
  const { incarnation } = region.nodes.get('n1')!.life!
  const socket = { server: { life: `${incarnation}/0/1` } } as unknown as SimSocket
  survey.onClientSays(socket, { action: Does.ATTACH, channel: 'ch0' })
  survey.onServerSays(socket, { action: Does.ATTACHED, channel: 'ch0' })
  region.world.run(LONG_MS)
  return Object.assign(region, { survey })
}

/** The first node takes the second for gone, for so long. */
function misbelieve({ nodes, world }: Region, forMs: number): void {
  const life = nodes.get('n0')!.life!
  life.misbelieve([nodes.get('n1')!.life!.incarnation])
  world.run(forMs)
  life.misbelieve([])
  world.run(2_000)
}

t.test('[10] what somebody is attached to is told, unless its node was taken for gone', (t) => {
  withoutRealTime(() => {
    const region = attached()
    const { survey, world } = region
    const list = (): boolean => survey.onChannels('', world.nowMs - 1_000, [])
    const missing = { message: /ch0 is attached to/ }
    t.throws(list, missing)
    misbelieve(region, 200)
    t.doesNotThrow(list, 'though it was between two ticks')
    world.run(LONG_MS)
    t.throws(list, missing, 'that was long ago')
  })
  t.end()
})
