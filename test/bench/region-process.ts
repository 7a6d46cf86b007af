/** A region of three nodes in a process of its own (resume-server.ts), and CPU time of both. */

import { type ChildProcess, fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { RegionReady } from './resume-server.ts'

/** What was used so far, or between two readings; seconds. */
export interface CpuTime {
  readonly region: number
  /** Of this process: the clients. */
  readonly own: number
}

export class RegionProcess {
  readonly ports: readonly number[]
  readonly key: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, { ports, key }: RegionReady) {
    this.#child = child
    this.ports = ports
    this.key = key
  }

  static async start(): Promise<RegionProcess> {
    const child = fork(join(import.meta.dirname, 'resume-server.ts'))
    const ready = await new Promise<RegionReady>((resolve) => {
      child.once('message', (message) => resolve(message as RegionReady))
    })
    return new RegionProcess(child, ready)
  }

  /** The last node ends. */
  endNode(): void {
    this.#child.send('end')
  }

  async cpuTime(): Promise<CpuTime> {
    const answer = new Promise<number>((resolve) => {
      this.#child.once('message', (seconds) => resolve(seconds as number))
    })
    this.#child.send('cpu')
    const { user, system } = process.cpuUsage()
    return { region: await answer, own: (user + system) / 1e6 }
  }

  /** In words, what was used since. */
  async cpuSince(before: CpuTime): Promise<string> {
    const { region, own } = await this.cpuTime()
    return `CPU time: ${(region - before.region).toFixed(2)} s of the region, ` +
      `${(own - before.own).toFixed(2)} s of the clients, on ${availableParallelism()} cores`
  }

  end(): void {
    this.#child.kill()
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
