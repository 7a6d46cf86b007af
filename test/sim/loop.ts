/**
 * One event loop of a process: it gives its machine one input after the other as they arrive, and
 * drains what the machine wants done once all that was ready is handled. It can stand still
 * (SIGSTOP): then inputs and deadlines wait, and all are handled at once when it wakes.
 */

import type { Now } from '../../src/base/clock.ts'
import type { Random } from '../../src/base/random.ts'
import type { MachineClock } from './clock.ts'
import type { Scheduled, World } from './world.ts'

/** The core's machine behind a loop. */
export interface Machine<I> {
  turn(input: I, now: Now): void
  nextDeadlineMs(): number
}

export interface LoopPorts<I> {
  readonly world: World
  readonly clock: MachineClock
  readonly random: Random
  readonly deadline: I
  /** Performs what the machine wants; called after the turns. */
  drain(now: Now): void
}

export class Loop<I> {
  readonly #machine: Machine<I>
  readonly #ports: LoopPorts<I>
  #waiting: I[] = []
  #timer: Scheduled | undefined
  #timerAtMs = Infinity
  #isDrainDue = false
  #isTimerDue = false
  /** Since when it stands still, and for how long it has before. */
  #stillSinceMs: number | undefined
  #stillMs = 0
  #isOver = false
  /** How much longer than nothing a round of the loop takes: what makes turns come together. */
  roundMs = 0.02

  constructor(machine: Machine<I>, ports: LoopPorts<I>) {
    this.#machine = machine
    this.#ports = ports
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get isFrozen(): boolean {
    return this.#stillSinceMs !== undefined
  }

  /** A clock that stands still while this does: how much of the world's time it could turn in. */
  get turningMs(): number {
    return (this.#stillSinceMs ?? this.#ports.world.nowMs) - this.#stillMs
  }

  input(input: I): void {
    if (this.#isOver) return
    if (this.isFrozen) {
      this.#waiting.push(input)
      return
    }
    this.#machine.turn(input, this.#ports.clock.now())
    this.#drainSoon()
  }

  freeze(): void {
    this.#stillSinceMs ??= this.#ports.world.nowMs
  }

  /** Goes on. What waited is handled in an order that nobody chose. */
  wake(): void {
    if (this.#stillSinceMs === undefined) return
    this.#stillMs += this.#ports.world.nowMs - this.#stillSinceMs
    this.#stillSinceMs = undefined
    if (this.#isOver) return
    const { deadline, random } = this.#ports
    const waiting = this.#waiting
    this.#waiting = []
    const isTimerFirst = random.below(2) === 0
    const isTimerDue = this.#isTimerDue
    this.#isTimerDue = false
    if (isTimerDue && isTimerFirst) this.input(deadline)
    for (const input of waiting) this.input(input)
    if (isTimerDue && !isTimerFirst) this.input(deadline)
    this.#isDrainDue = false
    this.#drainSoon()
  }

  /** The thread is gone. */
  end(): void {
    this.#isOver = true
    this.#waiting = []
    this.#ports.world.cancel(this.#timer)
  }

  #drainSoon(): void {
    if (this.#isDrainDue || this.#isOver) return
    this.#isDrainDue = true
    this.#ports.world.after(this.roundMs, () => {
      if (!this.#isDrainDue || this.#isOver || this.isFrozen) return
      this.#isDrainDue = false
      const { clock, deadline } = this.#ports
      const now = clock.now()
      if (this.#machine.nextDeadlineMs() <= now.monoMs) this.#machine.turn(deadline, now)
      this.#ports.drain(now)
      this.#arm()
    })
  }

  #arm(): void {
    const { world, clock, deadline } = this.#ports
    const atMs = this.#machine.nextDeadlineMs()
    if (atMs === this.#timerAtMs && this.#timer?.run !== undefined) return
    world.cancel(this.#timer)
    this.#timerAtMs = atMs
    if (atMs === Infinity) return
    this.#timer = world.at(clock.worldAt(atMs), () => {
      this.#timerAtMs = Infinity
      if (this.isFrozen) this.#isTimerDue = true
      else this.input(deadline)
    })
  }
}
