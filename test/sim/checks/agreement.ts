/**
 * The view (rules 7 and 8): versions of the ring object only grow, a removed incarnation never
 * comes back, and once the weather has cleared everybody holds the same view, which is the
 * object's, and which lists those who live and nobody else.
 */

import { digestOf, type View } from '../../../src/ring/view.ts'
import type { Region } from '../region.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'

export class Agreement implements Check {
  readonly #region: Region
  #version = 0
  readonly #listed = new Set<string>()
  readonly #removed = new Set<string>()
  viewCount = 0

  constructor(region: Region) {
    this.#region = region
    region.kube.onRingWritten = (view) => this.#onWritten(view)
  }

  onTick(): void {
    for (const { life } of this.#region.running) {
      const version = life?.adopted?.view.version ?? 0
      if (version > this.#version) {
        throw new Violation('agreement', `${life!.incarnation} holds view ${version} unwritten`)
      }
    }
  }

  missing(): string[] {
    const missing: string[] = []
    const view = this.#region.kube.view
    if (view === undefined) return ['nobody wrote a view']
    const digest = digestOf(view)
    const listed = new Set(view.members.map(({ incarnation }) => incarnation))
    for (const node of this.#region.nodes.values()) {
      const { life, pod, isRunning } = node
      if (!isRunning || life === undefined) {
        missing.push(`${pod.node} is not running`)
        continue
      }
      const held = life.adopted?.view
      if (life.standing !== 'serving') missing.push(`${life.incarnation} is ${life.standing}`)
      else if (held === undefined || digestOf(held) !== digest) {
        missing.push(`${life.incarnation} holds view ${held?.version}, not ${view.version}`)
      }
      listed.delete(life.incarnation)
    }
    for (const incarnation of listed) missing.push(`${incarnation} is listed and not there`)
    return missing
  }

  #onWritten(view: View): void {
    this.viewCount++
    if (view.version <= this.#version) {
      throw new Violation('agreement', `view ${view.version} is written after ${this.#version}`)
    }
    this.#version = view.version
    const now = new Set(view.members.map(({ incarnation }) => incarnation))
    for (const incarnation of now) {
      if (this.#removed.has(incarnation)) {
        throw new Violation('agreement', `${incarnation} was removed and is listed again`)
      }
    }
    for (const incarnation of this.#listed) {
      if (!now.has(incarnation)) this.#removed.add(incarnation)
    }
    this.#listed.clear()
    for (const incarnation of now) this.#listed.add(incarnation)
  }
}
