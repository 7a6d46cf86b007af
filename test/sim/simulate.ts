/**
 * One run: a region comes up in calm, a storm of the seed's own mix passes over it while clients
 * work (only safety is judged), then the weather clears and the region must become whole within a
 * bound, serve a fresh publish everywhere, and let everything go when everybody leaves.
 */

import { archiveLimits } from '../../src/base/archive-limits.ts'
import { limits } from '../../src/base/limits.ts'
import { Random } from '../../src/base/random.ts'
import { Acks } from './checks/acks.ts'
import { Agreement } from './checks/agreement.ts'
import { Bounds } from './checks/bounds.ts'
import { Continuity } from './checks/continuity.ts'
import { Handovers } from './checks/handovers.ts'
import { Kept } from './checks/kept.ts'
import { Leaves } from './checks/leaves.ts'
import { Liveness } from './checks/liveness.ts'
import { Masters } from './checks/masters.ts'
import { Metachannels } from './checks/metachannels.ts'
import { Occupancy } from './checks/occupancy.ts'
import { Order } from './checks/order.ts'
import { Presence } from './checks/presence.ts'
import { Rolls } from './checks/rolls.ts'
import { Refusals } from './checks/refusals.ts'
import { Removals } from './checks/removals.ts'
import { Requests } from './checks/requests.ts'
import { Room } from './checks/room.ts'
import { Sessions } from './checks/sessions.ts'
import { Succession } from './checks/succession.ts'
import { Survey } from './checks/survey.ts'
import { Stats } from './checks/stats.ts'
import type { ClockFault } from './clock.ts'
import { drawLimits } from './drawn-limits.ts'
import { drawMix, type Mix } from './mix.ts'
import { withoutRealTime } from './poison.ts'
import { defaultRegion, Region } from './region.ts'
import { Weather } from './weather.ts'
import { Violation } from './world.ts'
import { Workload } from './workload.ts'

const WHOLE_MS = 90_000
const FRESH_MS = 20_000
const LET_GO_MS = 60_000
/** One run in so many goes on until what is kept by time is let go, too: that takes minutes. */
const PATIENT_ONE_IN = 3
/**
 * Everything that is kept by time has had it: masters' channels, connections, ids, the nonces of
 * token requests; and what was written last, as statistics are a few minutes after the last client
 * has left, waits for its snapshot.
 */
const KEPT_MS = 300_000
const TICK_MS = 1_000
/** Where connections and ids are kept briefly, the storm lasts until the first are gone. */
const BRIEF_MORE_MS = 40_000

export interface RunOptions {
  readonly seed: number
  /** 0: each seed draws its own number. */
  readonly nodeCount?: number
  readonly stormMs?: number
  /** Replaces what the seed would draw. */
  readonly mix?: Partial<Mix>
  readonly isTracing?: boolean
  /** Is told of the region before anything happens in it. */
  onRegion?(region: Region): void
}

export interface RunResult {
  readonly seed: number
  readonly fingerprint: string
  readonly violation: Error | undefined
  readonly mix: string
  readonly nodeCount: number
  readonly trace: readonly string[]
  /** How often each kind of weather has come. */
  readonly weather: Readonly<Record<string, number>>
  readonly eventCount: number
  readonly virtualMs: number
  /** What there was to be seen: a run in which nothing happened proves nothing. */
  readonly seen: Readonly<Record<string, number>>
}

/** Runs one seed to its end. */
export function simulate(options: RunOptions): RunResult {
  return apart(() => new Run(options).result())
}

/** Runs by simulated time alone; afterwards all limits are what they were. */
export function apart(run: () => RunResult): RunResult {
  const [former, formerOfArchive] = [{ ...limits }, { ...archiveLimits }]
  try {
    return withoutRealTime(run)
  } finally {
    Object.assign(limits, former)
    Object.assign(archiveLimits, formerOfArchive)
  }
}

class Run {
  readonly #options: RunOptions
  readonly #region: Region
  readonly #workload: Workload
  readonly #weather: Weather
  readonly #mix: Mix
  readonly #continuity: Continuity
  readonly #acks: Acks
  readonly #masters = new Masters()
  readonly #agreement: Agreement
  readonly #sessions: Sessions
  readonly #presence: Presence
  readonly #leaves: Leaves
  readonly #survey: Survey
  readonly #requests: Requests
  readonly #occupancy: Occupancy
  readonly #metachannels: Metachannels
  readonly #bounds: Bounds
  readonly #stats: Stats
  readonly #kept: Kept

  constructor(options: RunOptions) {
    this.#options = options
    const seed = `sim/${options.seed}`
    this.#mix = { ...drawMix(seed), ...options.mix }
    const nodeCount = options.nodeCount || this.#mix.nodeCount
    this.#region = new Region({
      ...defaultRegion,
      seed,
      nodeCount,
      workers: this.#mix.workers,
      successorCount: Math.min(2, nodeCount - 1),
      clockFault: (random): ClockFault => {
        const { skewMs } = this.#mix
        if (skewMs === 0) return { skewMs: 0, drift: 0 }
        return { skewMs: random.below(2 * skewMs) - skewMs, drift: (random.unit() - 0.5) * 4e-4 }
      }
    })
    const { world, checks } = this.#region
    world.isTracing = options.isTracing === true
    this.#continuity = new Continuity(this.#region)
    this.#acks = new Acks(this.#region)
    this.#agreement = new Agreement(this.#region)
    this.#sessions = new Sessions(this.#region)
    this.#presence = new Presence(this.#region)
    this.#leaves = new Leaves(this.#region)
    this.#occupancy = new Occupancy(this.#region)
    this.#survey = new Survey(this.#region, this.#occupancy)
    this.#requests = new Requests(this.#region, this.#survey)
    this.#metachannels = new Metachannels()
    const isPatient = new Random(`${seed}/patience`).below(PATIENT_ONE_IN) === 0
    this.#bounds = new Bounds(this.#region, isPatient)
    this.#stats = new Stats(this.#region, isFair(this.#mix))
    checks.push(
      this.#stats,
      this.#sessions,
      this.#acks, this.#continuity, this.#masters, this.#agreement, this.#presence, this.#leaves,
      this.#occupancy, this.#survey, this.#metachannels,
      new Order(), new Rolls(this.#region), new Liveness(this.#region), this.#bounds,
      this.#requests, this.#requests.revocations,
      new Room(this.#region), new Handovers(this.#region), new Removals(this.#region),
      new Refusals(this.#region), new Succession(this.#region)
    )
    this.#workload = new Workload(this.#region, this.#mix, this.#requests)
    this.#kept = new Kept(this.#region, this.#workload.channels)
    checks.push(this.#kept)
    this.#acks.onAcknowledged = (committed) => {
      this.#requests.history.onAcknowledged(committed)
      this.#kept.onAcknowledged(committed)
    }
    this.#weather = new Weather(this.#region, this.#mix)
    drawLimits(seed, this.#mix)
  }

  result(): RunResult {
    const { world } = this.#region
    let violation: Error | undefined
    try {
      this.#options.onRegion?.(this.#region)
      this.#play()
    } catch (error) {
      violation = error as Error
    }
    return {
      seed: this.#options.seed,
      fingerprint: world.fingerprint,
      violation,
      mix: wordsOf(this.#mix),
      nodeCount: this.#region.options.nodeCount,
      trace: world.trace,
      weather: Object.fromEntries(this.#weather.occurred),
      eventCount: world.eventCount,
      virtualMs: world.nowMs,
      seen: {
        shown: this.#continuity.shownCount,
        acknowledged: this.#acks.ackedCount,
        refused: this.#acks.refusedCount,
        resumed: this.#continuity.resumedCount,
        toldWhereTheyStand: this.#continuity.quietCount,
        rewound: this.#continuity.rewoundCount,
        rewoundAfterLoss: this.#continuity.lossRewoundCount,
        losses: this.#continuity.lossCount,
        takeovers: this.#masters.takeoverCount,
        views: this.#agreement.viewCount,
        connectionsResumed: this.#sessions.resumedCount,
        connectionsLost: this.#sessions.failedCount,
        connectionsLateForResume: this.#sessions.lateCount,
        idsOutlived: this.#region.ledger.outlivedCount,
        channelsReborn: this.#region.ledger.rebornCount,
        publishedByRequest: this.#requests.publishedCount,
        onBehalf: this.#requests.behalfCount,
        overComet: this.#sessions.cometCount,
        tokensGiven: this.#requests.tokenCount,
        surveyed: this.#survey.toldCount,
        tokensRevoked: this.#requests.revocations.revokedCount,
        endedByRevocation: this.#requests.revocations.endedCount,
        historyRead: this.#requests.history.itemCount,
        archived: this.#kept.storedCount,
        presenceEvents: this.#presence.eventCount,
        presenceLeaves: this.#leaves.leaveCount,
        syncs: this.#presence.syncCount,
        occupancyTold: this.#occupancy.toldCount,
        metaEvents: this.#metachannels.toldCount,
        counted: this.#stats.countedCount,
        folded: this.#stats.foldedCount
      }
    }
  }

  #play(): void {
    const { world, checks } = this.#region
    this.#region.start()
    world.every(TICK_MS, () => {
      for (const check of checks) check.onTick?.()
    })
    world.run(3_000)
    this.#workload.start()
    world.run(3_000)
    world.note(`storm: ${wordsOf(this.#mix)}`)
    this.#weather.rage()
    const moreMs = this.#mix.isBrief ? BRIEF_MORE_MS : 0
    world.run(this.#options.stormMs ?? this.#mix.stormMs + moreMs)
    world.note('calm')
    this.#weather.calm()
    world.run(2_000)
    this.#workload.stop()
    this.#mustBecomeWhole(WHOLE_MS)
    this.#workload.publishEverywhere()
    this.#mustBecomeWhole(FRESH_MS)
    this.#survey.isCalm = true
    this.#workload.rest?.survey()
    this.#mustBecomeWhole(WHOLE_MS)
    const isPatient = this.#bounds.isPatient || this.#mix.isBrief
    const sleeper = this.#mix.isBrief ? this.#workload.sleep() : undefined
    this.#workload.closeAll(sleeper)
    this.#mustLetGo(isPatient)
    if (sleeper === undefined) return
    this.#workload.wake(sleeper)
    this.#mustBecomeWhole(FRESH_MS)
    this.#workload.closeAll()
    this.#mustLetGo(isPatient)
  }

  /** Nobody is there; `isPatient`: until everything that is kept by time has had its time. */
  #mustLetGo(isPatient: boolean): void {
    const { world, checks } = this.#region
    world.run(LET_GO_MS)
    const { idleChannelMs, idKeptMs, clockSkewMs, tailMs } = limits
    const keptMs = Math.max(idleChannelMs, idKeptMs, 2 * clockSkewMs, 2 * tailMs) + KEPT_MS
    this.#bounds.isPatient = isPatient
    const isLetGo = (): boolean => this.#bounds.leftovers(isPatient).length === 0
    world.runUntil(isLetGo, keptMs, isPatient ? 5_000 : 500)
    for (const check of checks) check.onEmpty?.()
  }

  #mustBecomeWhole(withinMs: number): void {
    const { world, checks } = this.#region
    const missing = (): string[] => [
      ...checks.flatMap((check) => check.missing?.() ?? []),
      ...(this.#workload.rest?.pending ?? [])
    ]
    world.run(1_000)
    if (world.runUntil(() => missing().length === 0, withinMs)) return
    throw new Violation('whole', `after ${withinMs} ms of calm: ${missing().join('; ')}`)
  }
}

/** Nothing keeps workers from the log and from where statistics are kept, nor from their work. */
function isFair(mix: Mix): boolean {
  const { logTrouble, logAways, logFulls, meshDowns, partitions, pauses, oneWayCuts } = mix
  const { logCuts, streamAways, streamFulls, workerHangs, workerMeshDowns, splits } = mix
  return logTrouble + logAways + logFulls + meshDowns + partitions + pauses + oneWayCuts +
    logCuts + streamAways + streamFulls + workerHangs + workerMeshDowns + splits === 0
}

/** What of a mix is not nothing, in words. */
export function wordsOf(mix: object): string {
  return Object.entries(mix)
    .filter(([, value]) => value !== 0 && value !== false)
    .map(([name, value]) => (value === true ? name : `${name} ${String(value)}`))
    .join(', ')
}
