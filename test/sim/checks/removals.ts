/**
 * Nobody who lives is taken out of the view without evidence (rule 8): it leaves of itself, or its
 * process has ended or begun anew, or its private port failed to answer as many others as the rule
 * wants; and when many are silent at once, that is no evidence against any of them. Nor is anybody
 * succeeded without it while the view cannot be written (rule 10). Then some may be lost one after
 * another: who acted for one long before, and has not heard it since, did not lose it at once with
 * others. But of those that live nobody ever takes half for gone.
 */

import type { ProbeOutcome } from '../../../src/node/member-ports.ts'
import type { Member } from '../../../src/peer/membership.ts'
import { defaultTiming } from '../../../src/ring/timing.ts'
import { memberOf, type View } from '../../../src/ring/view.ts'
import type { SimNode } from '../node.ts'
import type { Region } from '../region.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'
import { followedBy } from './followed.ts'

/** How old evidence may be: it is told, kept, and written into an object that may be slow. */
const EVIDENCE_MS = 20_000
/** As nodes have it; they act a while after they have judged. */
const LONG_MS = defaultTiming.atOnceMs - defaultTiming.unwrittenMs - 1_000
/** What is heard is judged later, and a write that was begun before may come later still. */
const LATE_MS = 5_000

/** How somebody was found gone. */
interface Finding {
  readonly how: string
  /** When; whoever stands still has seen no evidence since. */
  readonly atMs: number
  readonly longLost: ReadonlySet<string>
  readonly isOutsider: boolean
}

/** What a life takes another for. */
interface Loss {
  readonly sinceMs: number
  isLong: boolean
  heardAtMs: number
}

export class Removals implements Check {
  readonly #region: Region
  #view: View | undefined
  /** By incarnation, when its private port failed to answer whom. */
  readonly #failures = new Map<string, Map<string, number>>()
  /** By life, whom it takes for gone, and whom it has not heard since it long did. */
  readonly #losses = new Map<string, Map<string, Loss>>()
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

  onMeshHears(life: string, sender: string): void {
    const loss = this.#losses.get(life)?.get(sender)
    if (loss !== undefined) loss.heardAtMs = Math.min(loss.heardAtMs, this.#region.world.nowMs)
  }

  onTick(): void {
    const running = new Set<string>()
    for (const { life } of this.#region.running) {
      if (life === undefined) continue
      const { incarnation: self, adopted, believedGone, judgedAtMs: atMs } = life
      running.add(self)
      this.#noteLosses(self, believedGone)
      const view = adopted?.view
      if (view === undefined || believedGone.size === 0) continue
      const removed = view.members.filter(({ incarnation }) => believedGone.has(incarnation))
      if (memberOf(self, view) === undefined) continue
      const how = `${self} acts as if it were gone`
      const longLost = this.#longLostBy(self)
      this.#judge(view, removed, { how, atMs, longLost, isOutsider: false })
    }
    for (const self of this.#losses.keys()) if (!running.has(self)) this.#losses.delete(self)
  }

  #noteLosses(self: string, gone: ReadonlySet<string>): void {
    const { nowMs } = this.#region.world
    const losses = this.#losses.get(self) ?? new Map<string, Loss>()
    if (gone.size > 0) this.#losses.set(self, losses)
    for (const incarnation of gone) {
      const loss = losses.get(incarnation) ?? { sinceMs: nowMs, isLong: false, heardAtMs: Infinity }
      losses.set(incarnation, loss)
      loss.isLong ||= nowMs - loss.sinceMs >= LONG_MS
    }
    for (const [incarnation, { isLong, heardAtMs }] of losses) {
      const isOver = !gone.has(incarnation) && !isLong
      if (isOver || nowMs - heardAtMs > LATE_MS) losses.delete(incarnation)
    }
  }

  /** Whom it lost long ago, and has not heard since. */
  #longLostBy(self: string): Set<string> {
    const losses = [...this.#losses.get(self) ?? []]
    return new Set(losses.filter(([, { isLong }]) => isLong).map(([incarnation]) => incarnation))
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
    const self = this.#region.nodes.get(writer)?.life?.incarnation ?? ''
    const how = `view ${view.version} takes it out`
    const { nowMs: atMs } = this.#region.world
    this.#judge(before, removed, { how, atMs, longLost: this.#longLostBy(self), isOutsider })
  }

  /** These of the members of `view` are taken for gone, some of them since long. */
  #judge(view: View, removed: readonly Member[], finding: Finding): void {
    const { how, atMs, longLost, isOutsider } = finding
    const alive = removed.filter((member) => !this.#isOver(member))
    if (alive.length === 0) return
    // Who has handed everything over is heard until it is taken out.
    const ended = removed.filter((member) =>
      this.#isOver(member) && (member.state !== 'leaving' || !this.#isRunning(member)))
    const judgeCount = view.members.length - ended.length
    const needed = isOutsider ? 1 : Math.min(2, judgeCount - 1)
    for (const { incarnation } of alive) {
      const count = this.#failureCount(incarnation, atMs)
      if (count >= needed) continue
      throw new Violation('removals', `${incarnation} lives and ${how}: it failed to answer ` +
        `${count} of ${needed}`)
    }
    if (isOutsider || alive.length <= 1) return
    const longCount = alive.filter(({ incarnation }) => longLost.has(incarnation)).length
    const atOnceCount = alive.length - longCount
    if (atOnceCount > Math.max(1, Math.floor((judgeCount - longCount) / 3))) {
      throw new Violation('removals', `${atOnceCount} of ${judgeCount} are gone at once ` +
        `(${how}), though silence of so many is silence of the mesh`)
    }
    if (2 * alive.length < judgeCount) return
    throw new Violation('removals', `${alive.length} of ${judgeCount} are gone (${how}), though ` +
      'where half is silent it may be the other half that is cut off')
  }

  /** It says that it leaves, or there is nothing left of it. */
  #isOver(member: Member): boolean {
    if (!this.#isRunning(member)) return true
    const { node, state } = member
    const there = this.#region.nodes.get(node)!
    return there.life!.isOver || state === 'leaving' || there.isDraining || there.pod.isTerminating
  }

  #isRunning({ node, incarnation }: Member): boolean {
    const there = this.#region.nodes.get(node)
    return there?.isRunning === true && there.life?.incarnation === incarnation
  }

  /** How many it failed to answer not long before `atMs`. */
  #failureCount(incarnation: string, atMs: number): number {
    const failures = [...this.#failures.get(incarnation)?.values() ?? []]
    return failures.filter((failedAtMs) => failedAtMs >= atMs - EVIDENCE_MS).length
  }
}
