/** Weather that few seeds have: what befalls one part alone, and what befalls all of them. */

import { limits } from '../../src/base/limits.ts'
import type { Random } from '../../src/base/random.ts'
import { STREAM_COUNT } from './log.ts'
import type { Mix } from './mix.ts'
import type { SimNode } from './node.ts'
import { recover } from './recovering.ts'
import type { Region } from './region.ts'

/** Does something again and again, so many times a minute on average. */
export type Often = (what: string, perMinute: number, run: (random: Random) => void) => void

/** Per minute, where what is kept by time is kept shortly. */
const LONG_AWAYS = 6
const LONG_PAUSES = 1.5
/** Where packets vanish a watch waits so long for a word, at most. */
const UNNOTICED_MS = 90_000
/** A region has at most so many nodes, and at least two that stay. */
const NODES_MAX = 7

export function rageRarely(region: Region, mix: Mix, often: Often): void {
  const { world, kube, log } = region
  const some = (random: Random, run: (node: SimNode) => void): void => {
    const { running } = region
    if (running.length > 0) run(running[random.below(running.length)]!)
  }
  often('API cuts', mix.apiCuts, (random) => some(random, ({ pod: { node } }) => {
    kube.setCutOff(node, true)
    world.after(1_000 + random.below(10_000), () => kube.setCutOff(node, false))
  }))
  often('log cuts', mix.logCuts, (random) => some(random, ({ pod: { node } }) => {
    world.note(`${node} does not reach the log`)
    log.cutOff.add(node)
    world.after(500 + random.below(8_000), () => log.cutOff.delete(node))
  }))
  for (const [what, perMinute, streams] of [
    ['stream away', mix.streamAways, log.awayStreams],
    ['stream full', mix.streamFulls, log.fullStreams]
  ] as const) {
    often(what, perMinute, (random) => {
      const stream = random.below(STREAM_COUNT)
      world.note(`${what}: ${stream}`)
      streams.add(stream)
      world.after(500 + random.below(6_000), () => streams.delete(stream))
    })
  }
  often('worker hangs', mix.workerHangs, (random) => some(random, ({ life, workers }) => {
    const worker = random.below(workers)
    world.note(`worker ${worker} of ${life?.incarnation} hangs`)
    life?.hangWorker(worker, 200 + random.below(16_000))
  }))
  often('worker mesh downs', mix.workerMeshDowns, (random) => some(random, ({ life, workers }) => {
    const worker = random.below(workers)
    world.note(`worker ${worker} of ${life?.incarnation} has no mesh`)
    life?.cutWorker(worker, 200 + random.below(16_000))
  }))
  often('region restarts', mix.regionRestarts, (random) => {
    world.note('the whole region restarts')
    for (const node of region.running) {
      region.crash(node, 200 + random.below(2_000), 300 + random.below(3_000))
    }
  })
  often('ring losses', mix.ringLosses, (random) => {
    kube.restoreRing(random.below(3) === 0 ? Infinity : 1 + random.below(5))
  })
  often('ring freezes', mix.ringFreezes, (random) => {
    const frozenMs = 5_000 + random.below(25_000)
    if (random.below(2) === 0) {
      kube.setReadOnly(true)
      world.after(frozenMs, () => kube.setReadOnly(false))
    } else {
      kube.setAway(true, UNNOTICED_MS)
      world.after(frozenMs, () => kube.setAway(false))
    }
  })
  often('misbeliefs', mix.misbeliefs, (random) => misbelieve(region, random))
  often('splits', mix.splits, (random) => split(region, random))
  often('scalings', mix.scalings, (random) => scale(region, random))
  often('recoveries', mix.recoveries, (random) => {
    const client = region.clients[random.below(region.clients.length)]
    if (client !== undefined) recover(client)
  })
  if (mix.isBrief) rageAtLength(region, often, some)
}

/** What lasts longer than connections are kept. */
function rageAtLength(
  { world, clients }: Region, often: Often,
  some: (random: Random, run: (node: SimNode) => void) => void
): void {
  const { connectionStateTtlMs: keptMs } = limits
  often('long aways', LONG_AWAYS, (random) => {
    clients[random.below(clients.length)]?.stayAway(keptMs / 2 + random.below(keptMs))
  })
  often('long pauses', LONG_PAUSES, (random) => some(random, (node) => {
    world.note(`${node.pod.node} stands still for long`)
    node.freeze()
    world.after(keptMs / 2 + random.below(keptMs), () => node.wake())
  }))
}

/** Three sides, or two sides that a third one hears. */
function split({ world, mesh, nodes }: Region, random: Random): void {
  const sides = new Map([...nodes.keys()].map((name) => [name, random.below(3)]))
  const hasBridge = random.below(2) === 0
  const cut = (from: string, to: string): boolean => {
    const [a, b] = [sides.get(from) ?? 0, sides.get(to) ?? 0]
    return a !== b && !(hasBridge && (a === 2 || b === 2))
  }
  mesh.cuts.add(cut)
  const words = [...sides].map(([name, side]) => `${name} on ${side}`).join(', ')
  world.note(`split: ${words}${hasBridge ? ', all hear 2' : ''}`)
  world.after(500 + random.below(8_000), () => mesh.cuts.delete(cut))
}

/** Rule 8: wrongly taken for gone, by whatever evidence, costs a pause and never data. */
function misbelieve({ world, running }: Region, random: Random): void {
  const lives = running.flatMap(({ life }) => life ?? [])
  if (lives.length < 2) return
  const [who] = lives.splice(random.below(lives.length), 1)
  const whom = lives[random.below(lives.length)]
  world.note(`${who!.incarnation} takes ${whom!.incarnation} for gone`)
  who!.misbelieve([whom!.incarnation])
  world.after(1_000 + random.below(8_000), () => who!.misbelieve([]))
}

/** The newest goes, as where there are fewer replicas, or one more comes. */
function scale(region: Region, random: Random): void {
  const staying = region.running.filter(({ pod }) => !pod.isTerminating)
  const isUp = random.below(2) === 0
  if (isUp && region.nodes.size < NODES_MAX) region.scaleUp()
  else if (staying.length > 2) region.scaleDown(staying.at(-1)!)
}
