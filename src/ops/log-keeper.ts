/**
 * The main thread's care for the streams of its ring's log: asked by the member, it has them made
 * or their copies changed, and tries again until that is done or something newer is asked; and it
 * looks whether the log that the view names is there, which the node's readiness waits for.
 *
 * A log that was there once in this life stays good: when NATS loses a server, or all of them,
 * nodes keep what they have (rule 10).
 */

import type { LogPlan } from '../node/member-ports.ts'

const RETRY_FIRST_MS = 100
const RETRY_MAX_MS = 5_000

/** The streams of one ring: each answer is a problem in words, or undefined for none. */
export interface LogStreams {
  /** Makes what is not there yet; fine once each has a leader and all its copies are current. */
  make(plan: LogPlan): Promise<string | undefined>
  /** Fine if each is there as it should be, with a leader. */
  check(plan: LogPlan): Promise<string | undefined>
  /** Makes the number of copies what the plan says; fine once all of them are current. */
  setCopies(plan: LogPlan): Promise<string | undefined>
}

export interface LogKeeperPorts {
  onMade(generation: string): void
  note(level: 'info' | 'warn', text: string): void
}

export class LogKeeper {
  readonly #streams: LogStreams
  readonly #ports: LogKeeperPorts
  #plan: LogPlan | undefined
  /** The generation that was found whole. */
  #found: string | undefined
  #checking: Attempts | undefined
  #making: Attempts | undefined

  constructor(streams: LogStreams, ports: LogKeeperPorts) {
    this.#streams = streams
    this.#ports = ports
  }

  /** Why the log cannot be used yet, or undefined. */
  get unreadyBecause(): string | undefined {
    const plan = this.#plan
    if (plan === undefined) return 'the ring has no log yet'
    if (plan.generation === this.#found) return undefined
    const trouble = plan.maker === undefined ? this.#checking?.problem : this.#making?.problem
    if (trouble !== undefined) return `the log: ${trouble}`
    return plan.maker === undefined ? 'the log is being looked for'
      : `the log is being made by ${plan.maker}`
  }

  /** What the view says about the log. */
  onPlan(plan: LogPlan | undefined): void {
    this.#plan = plan
    if (plan === undefined || plan.maker !== undefined) return
    if (plan.generation === this.#found || this.#checking?.generation === plan.generation) return
    this.#checking?.stop()
    this.#checking = this.#attempts(plan, () => this.#streams.check(plan), () => {
      this.#found = plan.generation
    })
  }

  /** Sees to the streams of `plan` (`makeLog` of the member). */
  make(plan: LogPlan): void {
    this.#making?.stop()
    const isNew = plan.maker !== undefined
    const act = () => (isNew ? this.#streams.make(plan) : this.#streams.setCopies(plan))
    this.#making = this.#attempts(plan, act, () => {
      if (isNew) this.#ports.note('info', `the log ${plan.generation} is made`)
      this.#ports.onMade(plan.generation)
    })
  }

  stop(): void {
    this.#checking?.stop()
    this.#making?.stop()
  }

  #attempts(
    { generation }: LogPlan, act: () => Promise<string | undefined>, onDone: () => void
  ): Attempts {
    const note = (problem: string): void => this.#ports.note('warn', `the log: ${problem}`)
    return new Attempts(generation, act, onDone, note)
  }
}

/** Something that is tried until it has no problem, with growing pauses. */
class Attempts {
  readonly generation: string
  readonly #act: () => Promise<string | undefined>
  readonly #onDone: () => void
  readonly #note: (problem: string) => void
  #problem: string | undefined
  #pauseMs = RETRY_FIRST_MS
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(
    generation: string, act: () => Promise<string | undefined>, onDone: () => void,
    note: (problem: string) => void
  ) {
    this.generation = generation
    this.#act = act
    this.#onDone = onDone
    this.#note = note
    void this.#try()
  }

  /** What stood in the way of the last try. */
  get problem(): string | undefined {
    return this.#problem
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  async #try(): Promise<void> {
    const problem = await this.#act()
    if (this.#isStopped) return
    // Said once: the readiness of the node keeps saying it.
    if (problem !== undefined && problem !== this.#problem) this.#note(problem)
    this.#problem = problem
    if (problem === undefined) {
      this.#onDone()
      return
    }
    this.#timer = setTimeout(() => void this.#try(), this.#pauseMs)
    this.#pauseMs = Math.min(2 * this.#pauseMs, RETRY_MAX_MS)
  }
}
