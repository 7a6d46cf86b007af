/** What a node asks of its workers: whether they know the apps by now, and what is in them. */

import type { AppConfig } from '../auth/app.ts'
import type { Supervisor } from './supervisor.ts'

const APPS_KNOWN_MS = 2_000
const DESCRIBED_MS = 1_000

export class Asking {
  readonly #supervisor: Supervisor
  readonly #describing = new Map<number, (lines: readonly string[]) => void>()
  readonly #appsKnown = new Map<number, { awaited: Set<number>; resolve: () => void }>()
  #ticket = 0

  constructor(supervisor: Supervisor) {
    this.#supervisor = supervisor
  }

  tellApps(apps: readonly AppConfig[]): number {
    const ticket = ++this.#ticket
    this.#supervisor.tellAll({ kind: 'apps', apps, ticket })
    return ticket
  }

  /** Tells the apps and waits until every worker knows them, or for a bound. */
  appsKnown(apps: readonly AppConfig[]): Promise<void> {
    return new Promise((resolve) => {
      const ticket = this.tellApps(apps)
      const awaited = new Set(this.#supervisor.generations.keys())
      const done = (): void => {
        clearTimeout(bound)
        this.#appsKnown.delete(ticket)
        resolve()
      }
      const bound = setTimeout(done, APPS_KNOWN_MS)
      this.#appsKnown.set(ticket, { awaited, resolve: done })
    })
  }

  onAppsKnown(worker: number, ticket: number): void {
    const waiting = this.#appsKnown.get(ticket)
    waiting?.awaited.delete(worker)
    if (waiting?.awaited.size === 0) waiting.resolve()
  }

  /** Everything in the workers, a line each. */
  async describe(): Promise<string[]> {
    const asked = this.#supervisor.generations.map((_, worker) => {
      const ticket = ++this.#ticket
      this.#supervisor.tell(worker, { kind: 'describe', ticket })
      return new Promise<readonly string[]>((resolve) => {
        setTimeout(() => resolve([`worker ${worker} does not answer`]), DESCRIBED_MS).unref()
        this.#describing.set(ticket, resolve)
      })
    })
    return (await Promise.all(asked)).flat()
  }

  onDescribed(ticket: number, lines: readonly string[]): void {
    this.#describing.get(ticket)?.(lines)
    this.#describing.delete(ticket)
  }
}
