/**
 * What is done to a region while it is published to. Each fault leaves the region whole, with
 * every channel acknowledging and delivering, or throws an Error that says what did not come back.
 */

import type { View } from '../../src/ring/view.ts'
import type { Window } from './gauge.ts'
import { ILLNESSES, type Illness } from './illnesses.ts'
import { pause, until } from './patience.ts'
import type { Region } from './region.ts'
import {
  comesBack, type Fault, flows, leaves, measured, type Measured, open, type Scene as AnyScene,
  takenOver
} from './scene.ts'

/** The other nodes have noticed a node that stands still for this long, and gone on. */
const STOPPED_MS = 8_000
const ALONE_MS = 2_000
/** Nobody need notice this. */
const BLINK_MS = 1_000
const NATS_STOPPED_MS = 4_000
const NATS_DOWN_MS = 3_000

type Scene = AnyScene<Region>

/** By name, in the order of a whole run; the second argument is the node it is done to. */
export const FAULTS: Readonly<Record<string, Fault<Region>>> = {
  nothing: leftAlone,
  kill: killed,
  silence: machineFailed,
  blink: blinked,
  stop: stopped,
  wake: woken,
  worker: (scene, index) => workerEnded(scene, index, 'dies'),
  'worker-hang': (scene, index) => workerEnded(scene, index, 'hangs'),
  term: terminated,
  'nats-stop': natsStopped,
  'nats-kill': natsKilled,
  'nats-kill-all': natsAllKilled,
  both: bothKilled,
  roll: rolled
}

/** What this machine makes of the load alone: the figures of faults are to be read beside it. */
async function leftAlone(scene: Scene): Promise<Measured[]> {
  const before = await scene.region.untilWhole()
  const window = await open(scene, 'nothing happens')
  await pause(ALONE_MS)
  await flows(scene)
  return [measured(scene, window, { cause: 'none', before })]
}

/** kill -9; the kubelet says so and starts the container again. */
async function killed(scene: Scene, index: number): Promise<Measured[]> {
  const { region } = scene
  const told = (window: Window): string =>
    `the API knew after ${Math.round(region.kubelet.toldEndAtMs(index) - window.startMs)} ms`
  const gone = await takenOver(scene, index, {
    cause: 'api fact', strike: () => region.kubelet.signal(index, 'SIGKILL'), remark: told
  })
  return [gone, await comesBack(scene, index)]
}

/** kill -9, and the kubelet is gone too: nobody says so. */
async function machineFailed(scene: Scene, index: number): Promise<Measured[]> {
  const { kubelet } = scene.region
  const gone = await takenOver(scene, index, {
    cause: 'silence', strike: () => kubelet.failMachine(index)
  })
  kubelet.repairMachine(index)
  return [gone, await comesBack(scene, index)]
}

/** Too short to be noticed. */
async function blinked(scene: Scene, index: number): Promise<Measured[]> {
  const { region, gauge } = scene
  const incarnation = await region.incarnationOf(index)
  const before = await region.untilWhole()
  const window = await open(scene, `node ${index} stands still for ${BLINK_MS} ms`, index)
  region.kubelet.signal(index, 'SIGSTOP')
  await pause(BLINK_MS)
  region.kubelet.signal(index, 'SIGCONT')
  await flows(scene)
  gauge.heal(region.hostOf(index))
  const view = await region.untilWhole()
  const isStill = view.members.some((member) => member.incarnation === incarnation)
  const remark = isStill ? 'it stayed' : `it was removed: ${region.evidenceOf(incarnation)}`
  return [measured(scene, window, { cause: 'none', before, remark })]
}

/** SIGSTOP until it is removed and longer, then SIGCONT. */
async function stopped(scene: Scene, index: number): Promise<Measured[]> {
  const { kubelet } = scene.region
  const sinceMs = performance.now()
  const gone = await takenOver(scene, index, {
    cause: 'silence', strike: () => kubelet.signal(index, 'SIGSTOP')
  })
  await pause(STOPPED_MS - (performance.now() - sinceMs))
  kubelet.signal(index, 'SIGCONT')
  return [gone, await comesBack(scene, index)]
}

/** SIGSTOP, and SIGCONT as soon as it is removed: two believe for a moment to be master. */
async function woken(scene: Scene, index: number): Promise<Measured[]> {
  const { kubelet } = scene.region
  const gone = await takenOver(scene, index, {
    cause: 'silence',
    strike: () => kubelet.signal(index, 'SIGSTOP'),
    onRemoved: () => kubelet.signal(index, 'SIGCONT')
  })
  return [gone, await comesBack(scene, index)]
}

/** A small death: what a worker thread had its heir rebuilds from the log, and nobody moves. */
async function workerEnded(
  scene: Scene, index: number, illness: Illness
): Promise<Measured[]> {
  const { region, gauge } = scene
  const before = await region.untilWhole()
  const { workerEndCount } = region
  const window = await open(scene, `a worker of node ${index} ${illness}`, index)
  region.kubelet.signal(index, ILLNESSES[illness])
  await until('a worker has ended', () => region.workerEndCount > workerEndCount)
  const endedMs = Math.round(performance.now() - window.startMs)
  await flows(scene)
  gauge.heal(region.hostOf(index))
  const result = await undisturbed(scene, window, before)
  return [{ ...result, remark: `it had ended after ${endedMs} ms; ${result.remark}` }]
}

/** SIGTERM to the container: it drains, ends, and is started again in its pod. */
async function terminated(scene: Scene, index: number): Promise<Measured[]> {
  const left = await leaves(scene, index, ({ kubelet }) => kubelet.signal(index, 'SIGTERM'))
  return [left, await comesBack(scene, index)]
}

/** One pod after the other is deleted and replaced, each once the ring is whole. */
async function rolled(scene: Scene): Promise<Measured[]> {
  const all: Measured[] = []
  for (const index of scene.region.indexes) {
    all.push(await leaves(scene, index, ({ kubelet }) => kubelet.remove(index)))
    all.push(await comesBack(scene, index))
  }
  return all
}

/** The nats-server that leads most streams stands still. */
async function natsStopped(scene: Scene): Promise<Measured[]> {
  const { region } = scene
  const leader = await region.leadingNats()
  const before = await region.untilWhole()
  const what = `nats ${leader}, a leader, stands still for ${NATS_STOPPED_MS} ms`
  const window = await open(scene, what)
  region.signalNats(leader, 'SIGSTOP')
  await pause(NATS_STOPPED_MS)
  region.signalNats(leader, 'SIGCONT')
  await flows(scene)
  return [await undisturbed(scene, window, before)]
}

/** The nats-server that leads most streams dies, and starts again on its disk. */
async function natsKilled(scene: Scene): Promise<Measured[]> {
  const { region } = scene
  const leader = await region.leadingNats()
  const before = await region.untilWhole()
  const window = await open(scene, `nats ${leader}, a leader, is killed`)
  await region.nats.kill(leader)
  await pause(NATS_DOWN_MS)
  await flows(scene)
  await region.nats.start(leader)
  await flows(scene)
  return [await undisturbed(scene, window, before)]
}

/** All nats-servers die at once, and start again on their disks. */
async function natsAllKilled(scene: Scene): Promise<Measured[]> {
  const { region } = scene
  const servers = region.nats.servers.map((_, server) => server)
  const before = await region.untilWhole()
  const window = await open(scene, 'all nats-servers are killed')
  await Promise.all(servers.map((server) => region.nats.kill(server)))
  await pause(NATS_DOWN_MS)
  await Promise.all(servers.map((server) => region.nats.start(server)))
  const backMs = performance.now() - window.startMs
  await flows(scene)
  const result = await undisturbed(scene, window, before)
  return [{ ...result, remark: `servers back after ${Math.round(backMs)} ms; ${result.remark}` }]
}

/** A leading nats-server dies, and a node while its appends still wait for another leader. */
async function bothKilled(scene: Scene, index: number): Promise<Measured[]> {
  const { region, load } = scene
  const leader = await region.leadingNats()
  let restarted: Promise<void> | undefined
  const strike = async (): Promise<void> => {
    await region.nats.kill(leader)
    load.surge()
    await pause(BLINK_MS)
    region.kubelet.signal(index, 'SIGKILL')
    await pause(NATS_DOWN_MS)
    await region.nats.start(leader)
  }
  const gone = await takenOver(scene, index, {
    cause: 'none',
    strike: () => {
      restarted = strike()
    }
  })
  await restarted
  return [gone, await comesBack(scene, index)]
}

/** The nodes are to be there yet. */
async function undisturbed(scene: Scene, window: Window, before: View): Promise<Measured> {
  const view = await scene.region.untilWhole()
  const former = new Set(before.members.map(({ incarnation }) => incarnation))
  const left = [...former].filter((each) =>
    !view.members.some(({ incarnation }) => incarnation === each))
  const reasons = left.map((each) => `${each} was removed: ${scene.region.evidenceOf(each)}`)
  const remark = reasons.length === 0 ? 'nobody was removed' : reasons.join('; ')
  return measured(scene, window, { cause: 'none', before, remark })
}
