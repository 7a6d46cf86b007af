/**
 * What faults are done to, whatever the region is made of, and what all of them do: open a window,
 * strike, wait until others have the channels, and measure.
 */

import type { View } from '../../src/ring/view.ts'
import type { Gauge, Window } from './gauge.ts'
import type { Load, Site } from './load.ts'
import { pause, until } from './patience.ts'
import type { Seen } from './ring-watch.ts'

/** How long a surge keeps a region busy, about. */
const SURGE_MS = 20
/** The ring is looked at about this often. */
const LOOK_MS = 300
/** Nodes have heard of a view by then. */
const AFTER_MS = 100

/** How a channel's master left it in a window. */
export type Cause = 'api fact' | 'silence' | 'plan' | 'none'

/** What was measured, and what it is to be compared with. */
export interface Measured {
  readonly window: Window
  readonly cause: Cause
  /** Channels whose master was harmed. */
  readonly bereft: readonly string[]
  /** Channels whose master changed in the window. */
  readonly moved: ReadonlySet<string>
  /** By move, the longest way from a publish to its delivery that crossed it, in ms. */
  readonly crossingMs: readonly number[]
  /** From the first view that moved a channel to the last, in ms, and how many there were. */
  readonly movingMs: number
  readonly moveViewCount: number
  readonly remark: string
}

/** A region that things can be done to. */
export interface Ground extends Site {
  /** All views so far. */
  readonly views: readonly Seen[]
  incarnationOf(index: number): Promise<string>
  /** Waits until every pod's node is ready, and the ring lists these and no others. */
  untilWhole(): Promise<View>
  /** Waits until the ring does not list this incarnation. */
  untilRemoved(incarnation: string): Promise<View>
  masterOf(channel: string, view: View): string | undefined
  /** Why an incarnation was removed, in the words of whoever proposed it. */
  evidenceOf(incarnation: string): string
}

export interface Scene<R extends Ground> {
  readonly region: R
  readonly load: Load
  readonly gauge: Gauge
  /** Faults come in the middle of a surge: more is under way then, and figures are worse. */
  isSurging: boolean
}

/** A fault; the second argument is the node it is done to. */
export type Fault<R extends Ground> = (scene: Scene<R>, index: number) => Promise<Measured[]>

/** How a node is harmed, and what is to happen, or be said, once it is out of the ring. */
export interface Strike {
  readonly cause: Cause
  strike(): void | Promise<void>
  onRemoved?(): void
  /** More about it, for people. */
  remark?(window: Window): string
}

/** Harms a node, and waits until others have its channels. */
export async function takenOver<R extends Ground>(
  scene: Scene<R>, index: number, { cause, strike, onRemoved, remark }: Strike
): Promise<Measured> {
  const { region } = scene
  const incarnation = await region.incarnationOf(index)
  const before = await region.untilWhole()
  const how = cause === 'none' ? 'with a nats-server' : `told by ${cause}`
  const window = await open(scene, `node ${index} is gone, ${how}`, index)
  await strike()
  await region.untilRemoved(incarnation)
  onRemoved?.()
  await flows(scene)
  scene.gauge.close()
  const evidence = region.evidenceOf(incarnation)
  const more = remark?.(window)
  const words = more === undefined ? evidence : `${evidence}; ${more}`
  return measured(scene, window, { cause, before, victim: incarnation, remark: words })
}

/** Asks a node to leave, and waits until others have its channels. */
export async function leaves<R extends Ground>(
  scene: Scene<R>, index: number, ask: (region: R) => void | Promise<void>
): Promise<Measured> {
  const { region } = scene
  const incarnation = await region.incarnationOf(index)
  const before = await region.untilWhole()
  const window = await open(scene, `node ${index} leaves`, index)
  await ask(region)
  await region.untilRemoved(incarnation)
  await flows(scene)
  scene.gauge.close()
  const remark = region.evidenceOf(incarnation)
  return measured(scene, window, { cause: 'plan', before, victim: incarnation, remark })
}

/** A node that was gone takes its share again. */
export async function comesBack<R extends Ground>(
  scene: Scene<R>, index: number
): Promise<Measured> {
  const { region, gauge } = scene
  const before = region.views.at(-1)!.view
  const window = gauge.open(`node ${index} comes back`)
  await region.untilWhole()
  gauge.heal(region.hostOf(index))
  await flows(scene)
  return measured(scene, window, { cause: 'plan', before })
}

/** Begins to measure; `harmed` is the node that something is done to. */
export async function open<R extends Ground>(
  { gauge, region, load, isSurging }: Scene<R>, name: string, harmed?: number
): Promise<Window> {
  if (harmed !== undefined) gauge.harm(region.hostOf(harmed))
  if (!isSurging) return gauge.open(name)
  load.surge()
  await pause(Math.random() * SURGE_MS)
  return gauge.open(`${name} (in a surge)`)
}

/** Waits until every channel has acknowledged something that was sent from now on. */
export async function flows<R extends Ground>({ gauge, load }: Scene<R>): Promise<void> {
  const { ackedSentAtMs } = gauge.window!
  const nowMs = performance.now()
  const stuck = (): string[] =>
    load.channels.filter((channel) => (ackedSentAtMs.get(channel) ?? 0) < nowMs)
  await until('every channel acknowledges', () => stuck().length === 0,
    () => `(${stuck().length} do not, as ${stuck()[0]})`)
}

/** Ends a window; `before` is the view it began with, `victim` the incarnation that was harmed. */
export function measured<R extends Ground>(
  { region, load, gauge }: Scene<R>, window: Window,
  { cause, before, victim, remark = '' }: {
    cause: Cause; before: View; victim?: string | undefined; remark?: string
  }
): Measured {
  gauge.close()
  const views = region.views.filter(({ view }) => view.version >= before.version)
  const masters = (channel: string): Set<string | undefined> =>
    new Set(views.map(({ view }) => region.masterOf(channel, view)))
  const moved = new Set(load.channels.filter((channel) => masters(channel).size > 1))
  const moves = movesIn(views, load.channels, (channel, view) => region.masterOf(channel, view))
  const crossingMs = moves.flatMap((move) => longestCrossing(move, window))
  const times = moves.map(({ seenAtMs }) => seenAtMs)
  const movingMs = times.length === 0 ? 0 : times.at(-1)! - times[0]!
  const moveViewCount = new Set(times).size
  const bereft = victim === undefined ? [] : load.channels.filter((channel) =>
    region.masterOf(channel, before) === victim)
  return { window, cause, bereft, moved, crossingMs, movingMs, moveViewCount, remark }
}

/** A channel's change of master, between two looks at the ring. */
interface Move {
  readonly channel: string
  readonly formerAtMs: number
  readonly seenAtMs: number
}

function movesIn(
  views: readonly Seen[], channels: readonly string[],
  masterOf: (channel: string, view: View) => string | undefined
): Move[] {
  const moves: Move[] = []
  for (const [at, { view, atMs: seenAtMs }] of views.entries()) {
    const former = views[at - 1]
    if (former === undefined) continue
    for (const channel of channels) {
      if (masterOf(channel, former.view) === masterOf(channel, view)) continue
      moves.push({ channel, formerAtMs: Math.max(former.atMs, seenAtMs - LOOK_MS), seenAtMs })
    }
  }
  return moves
}

/** The longest way of what was on it between the two looks, or was sent just after. */
function longestCrossing({ channel, formerAtMs, seenAtMs }: Move, { ways }: Window): number[] {
  const crossing = (ways.get(channel) ?? []).filter(({ sentAtMs, ms }) =>
    sentAtMs <= seenAtMs + AFTER_MS && sentAtMs + ms >= formerAtMs)
  return crossing.length === 0 ? [] : [Math.max(...crossing.map(({ ms }) => ms))]
}
