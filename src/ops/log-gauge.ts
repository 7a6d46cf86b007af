/**
 * The main thread's eye on how full the log is (rule 6): asked now and then, never per message,
 * it tells the workers what room there is, and people when admission stops and goes on.
 *
 * While nobody can say, what was last known counts: a NATS that is away takes nothing anyway.
 */

import { ampleRoom, fullestShare, type LogFill, type LogRoom, roomOf } from '../log/room.ts'
import type { LogPlan } from '../node/member-ports.ts'

const PAUSE_MS = 5_000
/** Of more members each asks less often, so that what a region asks does not grow with it. */
const PAUSE_PER_MEMBER_MS = 100

export interface LogScale {
  /** How much of the log is taken, a problem in words, or undefined where there is none yet. */
  fill(plan: LogPlan | undefined): Promise<LogFill | string | undefined>
}

export interface LogGaugePorts {
  /** After every look: what is full is tidied up step by step. */
  onRoom(room: LogRoom): void
  note(level: 'info' | 'warn', text: string): void
}

export class LogGauge {
  readonly #scale: LogScale
  readonly #ports: LogGaugePorts
  readonly #pauseMs: number
  #plan: LogPlan | undefined
  #memberCount = 0
  #room = ampleRoom
  #share = 0
  #problem: string | undefined
  #timer: NodeJS.Timeout | undefined
  #isLooking = false
  #isStopped = false

  /** Looks every `pauseMs`, or less often in a large region, and once `onView` is told. */
  constructor(scale: LogScale, ports: LogGaugePorts, pauseMs: number = PAUSE_MS) {
    this.#scale = scale
    this.#ports = ports
    this.#pauseMs = pauseMs
  }

  /** How full the fullest part was when it was last looked at, from 0 to 1. */
  get share(): number {
    return this.#share
  }

  /** How many streams take no publishes. */
  get fullCount(): number {
    return this.#room.isFull.filter((isFull) => isFull).length
  }

  /** What the view says about the log, and how many look at it. */
  onView(plan: LogPlan | undefined, memberCount: number): void {
    this.#plan = plan
    this.#memberCount = memberCount
    if (this.#isLooking) return
    this.#isLooking = true
    void this.#look()
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  async #look(): Promise<void> {
    const plan = this.#plan
    const isMade = plan?.maker === undefined
    const fill = isMade ? await this.#scale.fill(plan) : undefined
    if (this.#isStopped) return
    if (typeof fill === 'string') this.#onProblem(fill)
    else if (fill !== undefined) this.#onFill(fill)
    const pauseMs = Math.max(this.#pauseMs, this.#memberCount * PAUSE_PER_MEMBER_MS)
    // Not all nodes of a region at once.
    this.#timer = setTimeout(() => void this.#look(), pauseMs * (0.8 + 0.4 * Math.random()))
  }

  #onProblem(problem: string): void {
    if (problem !== this.#problem) this.#ports.note('info', `how full the log is: ${problem}`)
    this.#problem = problem
  }

  #onFill(fill: LogFill): void {
    this.#problem = undefined
    this.#share = fullestShare(fill)
    const before = this.fullCount
    this.#room = roomOf(fill, this.#room)
    this.#ports.onRoom(this.#room)
    const { fullCount } = this
    if (fullCount === before) return
    const percent = `${Math.floor(100 * this.#share)} % of its bytes are taken`
    const count = `${fullCount} of ${this.#room.isFull.length} streams`
    if (fullCount > before) {
      this.#ports.note('warn', `the log is full: ${percent}; publishes to ${count} are refused`)
    } else if (fullCount === 0) {
      this.#ports.note('info', `the log has room again: ${percent}`)
    } else {
      this.#ports.note('info', `publishes to ${count} of the log are still refused: ${percent}`)
    }
  }
}
