/**
 * Nobody who lives is taken out of the view without evidence (rule 8): it leaves of itself, or its
 * process has ended or begun anew, or its private port failed to answer as many others as the rule
 * wants; and when many are silent at once, that is no evidence against any of them. Nor is anybody
 * succeeded without it while the view cannot be written (rule 10).
 */

import type { ProbeOutcome } from '../../../src/node/member-ports.ts'
import type { Member } from '../../../src/peer/membership.ts'
import { memberOf, type View } from '../../../src/ring/view.ts'
import type { SimNode } from '../node.ts'
import type { Region } from '../region.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'
import { followedBy } from './followed.ts'

/** How old evidence may be: it is told, kept, and written into an object that may be slow. */
const EVIDENCE_MS = 20_000

export class Removals implements Check {
  readonly #region: Region
  #view: View | undefined
  /** By incarnation, when its private port failed to answer whom. */
  readonly #failures = new Map<string, Map<string, number>>()
  /** Live members that were taken out, on evidence. */
  silentCount = 0

  constructor(region: Region) {
    this.#region = region
    const { kube } = region
    const former = kube.onRingWritten
    kube.onRingWritten = (view, writer) => {
      former(view, writer)
      this.#onWritten(view, writer)
    }
  }

  onProbed(asker: SimNode, incarnation: string, outcome: ProbeOutcome): void {
    if (outcome !== 'silent' && outcome !== 'refused') return
    const failures = this.#failures.get(incarnation) ?? new Map<string, number>()
    this.#failures.set(incarnation, failures)
    failures.set(asker.pod.node, this.#region.world.nowMs)
  }

  onTick(): void {
    for (const { life } of this.#region.running) {
      const view = life?.adopted?.view
      const gone = life?.believedGone
      if (view === undefined || gone === undefined || gone.size === 0) continue
      const isMember = memberOf(life!.incarnation, view) !== undefined
      const removed = view.members.filter(({ incarnation }) => gone.has(incarnation))
      if (isMember) this.#judge(view, removed, `${life!.incarnation} acts as if it were gone`)
    }
  }

  #onWritten(view: View, writer: string): void {
    const before = followedBy(view, writer, this.#view, this.#region)
    this.#view = view
    if (before === undefined) return
    const removed = before.members.filter(({ incarnation }) =>
      memberOf(incarnation, view) === undefined)
    const alive = removed.filter((member) => !this.#isOver(member))
    this.silentCount += alive.length
    // Who is not in the ring has only its own word, and asks everybody.
    const isOutsider = before.members.every(({ node, incarnation }) =>
      node !== writer || this.#region.nodes.get(node)?.life?.incarnation !== incarnation)
    this.#judge(before, removed, `view ${view.version} takes it out`, isOutsider)
  }

  /** These of the members of `view` are taken for gone. */
  #judge(view: View, removed: readonly Member[], how: string, isOutsider = false): void {
    const alive = removed.filter((member) => !this.#isOver(member))
    if (alive.length === 0) return
    const judgeCount = view.members.length - (removed.length - alive.length)
    const needed = isOutsider ? 1 : Math.min(2, judgeCount - 1)
    for (const { incarnation } of alive) {
      const count = this.#failureCount(incarnation)
      if (count >= needed) continue
      throw new Violation('removals', `${incarnation} lives and ${how}: it failed to answer ` +
        `${count} of ${needed}`)
    }
    if (isOutsider || alive.length <= Math.max(1, Math.floor(judgeCount / 3))) return
    throw new Violation('removals', `${alive.length} of ${judgeCount} are gone at once ` +
      `(${how}), though silence of so many is silence of the mesh`)
  }

  /** It says that it leaves, or there is nothing left of it. */
  #isOver({ node, incarnation, state }: Member): boolean {
    const there = this.#region.nodes.get(node)
    const { life } = there ?? {}
    if (there?.isRunning !== true || life?.incarnation !== incarnation) return true
    return life.isOver || state === 'leaving' || there.isDraining || there.pod.isTerminating
  }

  #failureCount(incarnation: string): number {
    const sinceMs = this.#region.world.nowMs - EVIDENCE_MS
    const failures = [...this.#failures.get(incarnation)?.values() ?? []]
    return failures.filter((atMs) => atMs >= sinceMs).length
  }
}
