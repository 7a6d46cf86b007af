/** A region whose bounds a rule's test may change, and whose workers it may end or hold up. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { limits } from '../../../src/base/limits.ts'
import type { RuleRegion } from './rule.ts'
import type { Steer } from './steering.ts'

const file = (name: string): string => join(import.meta.dirname, name)

export class SteeredRegion {
  #child: ChildProcess | undefined

  async start(): Promise<RuleRegion> {
    const execArgv = ['--import', file('steering.ts')]
    const child = fork(file('steered-server.ts'), { execArgv })
    this.#child = child
    const [told] = await once(child, 'message') as [Pick<RuleRegion, 'urls' | 'key'>]
    return { ...told, stop: () => this.#stop(child) }
  }

  /** From now on these bounds hold; returns what puts the usual ones back. */
  limit(some: NonNullable<Steer['limits']>): () => void {
    this.#say({ limits: some })
    const names = Object.keys(some) as (keyof typeof limits)[]
    const usual = Object.fromEntries(names.map((name) => [name, limits[name]]))
    return () => this.#say({ limits: usual })
  }

  /** The worker of this node dies, and has an heir. */
  endWorker(node: number): void {
    this.#say({ dies: `dev-${node}` })
  }

  /** The event loop of this node's worker stands still for so long, so often. */
  holdUp(node: number, forMs: number, count = 1): void {
    this.#say({ lags: { node: `dev-${node}`, forMs, count } })
  }

  #say(steer: Steer): void {
    this.#child!.send(steer)
  }

  async #stop(child: ChildProcess): Promise<void> {
    const gone = once(child, 'exit')
    child.disconnect()
    await gone
  }
}
