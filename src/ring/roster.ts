/**
 * Who is alive: everything this node has learnt about the others, and the judgement of rule 8.
 * Three kinds of evidence make a listed incarnation gone:
 *
 * 1. *An API fact*, at once. Its pod is not in the list any more, has failed or succeeded, or its
 *    container ended after the incarnation started. Pods are given as whole lists and judged as
 *    they stand, so a missed event does no harm. A list may be older than a member, for as long as
 *    a watch is behind or dead unnoticed: one whose pod was never seen is gone only if a list that
 *    was asked for on its account lacks it too.
 * 2. *A newer incarnation* of the same node, heard on the mesh or met by a probe.
 * 3. *Silence*: told by min(2, living − 1) watchers whose probes of its private port failed too,
 *    and never while this node itself hears it. A watcher that has no mesh tells nothing. If more
 *    than a third (and more than one) are told silent at once, silence says something about the
 *    mesh, and only API facts count (`ring/silence.ts`).
 *
 * A deletionTimestamp is never more than leaving.
 *
 * A wrong judgement costs a pause and never data: the log fences (rule 2).
 */

import type { Size } from '../base/sizes.ts'
import type { Member, Suspicion } from '../peer/membership.ts'
import type { Facts } from './succession.ts'
import { keep, Silences } from './silence.ts'
import { type RingLimitName, ringLimits, type Timing } from './timing.ts'
import { isTombstoned, type View } from './view.ts'

/** What the Kubernetes API says about one pod of the region. */
export interface PodFact {
  /** The pod's name. */
  readonly node: string
  readonly uid: string
  readonly phase: string
  readonly isReady: boolean
  /** The pod's address; undefined until it has one. */
  readonly host: string | undefined
  readonly zone: string
  /** It has a deletionTimestamp, or is asked to drain: it is leaving, not gone. */
  readonly isTerminating: boolean
  /** Its phase is Failed or Succeeded, or its node container does not run any more. */
  readonly isTerminated: boolean
  /**
   * When its node container last ended (`finishedAt` of `state` or `lastState`), in milliseconds
   * since the Unix epoch. The clock of the same machine stamps `startedAt` of the incarnations in
   * it, so this tells the ended one from the one that was started after it, however late the list
   * comes. Absent: `isTerminated` is believed as it stands.
   */
  readonly containerEndedAtMs?: number | undefined
}

interface Heard {
  readonly member: Member
  readonly atMs: number
  readonly viewVersion: number
}

export class Roster {
  readonly #timing: Timing
  #pods: ReadonlyMap<string, PodFact> | undefined
  #isApiAway = false
  /** Uids that a list has had, or that one asked for on their account had not. */
  readonly #knownUids = new Set<string>()
  /** By uid, since when a listed member's pod has been lacking, if it is not known. */
  readonly #lackingSinceMs = new Map<string, number>()
  /** On whose account a list was asked for that has not come yet. */
  #askedUids: readonly string[] = []
  /** Who wants in, or waits to serve, by incarnation: the last hello. */
  readonly #hellos = new Map<string, Heard>()
  /** The newest start of each node that was heard of. */
  readonly #newest = new Map<string, { incarnation: string; startedAt: number }>()
  readonly #heardAtMs = new Map<string, number>()
  readonly #silences: Silences
  readonly #listedSince = new Map<string, number>()
  readonly #leaving = new Set<string>()
  readonly #handedOver = new Set<string>()
  /** Found gone by a way of this node's own: its probes met another. */
  readonly #foundGone = new Map<string, string>()
  /** Who did not answer a node that was not listed and heard nobody who was. */
  readonly #unanswering = new Set<string>()
  /** The last judgement, until something is learnt that may change it. */
  #judged: { readonly view: View; readonly facts: Facts } | undefined

  constructor(timing: Timing) {
    this.#timing = timing
    this.#silences = new Silences(timing)
  }

  *sizes(): Generator<Size<RingLimitName>> {
    yield ['candidatesMax', this.#hellos.size]
    yield ['candidatesMax', this.#heardAtMs.size]
  }

  /** All pods of the region, by name; `isAsked`: they were listed after `isListDue` was true. */
  onPods(pods: readonly PodFact[], isAsked = false): void {
    this.#judged = undefined
    this.#isApiAway = false
    this.#pods = new Map(pods.map((pod) => [pod.node, pod]))
    for (const { uid } of pods) this.#knownUids.add(uid)
    if (!isAsked) return
    for (const uid of this.#askedUids) this.#knownUids.add(uid)
    this.#askedUids = []
  }

  /**
   * True if the pods shall be listed anew, since the last list lacks a member that may be newer;
   * said once, until that list has come.
   */
  isListDue(nowMs: number): boolean {
    if (this.#askedUids.length > 0) return false
    this.#askedUids = [...this.#lackingSinceMs]
      .filter(([uid, sinceMs]) => !this.#knownUids.has(uid) &&
        nowMs - sinceMs >= this.#timing.podUnseenMs)
      .map(([uid]) => uid)
    return this.#askedUids.length > 0
  }

  /** The last list stands; what is absent from it proves nothing new. */
  onPodsAway(): void {
    this.#judged = undefined
    this.#isApiAway = true
    this.#lackingSinceMs.clear()
  }

  /** The pod with this uid, if the last list has it. */
  podOf(node: string, uid: string): PodFact | undefined {
    const pod = this.#pods?.get(node)
    return pod?.uid === uid ? pod : undefined
  }

  /** Forgets all about incarnations that are neither listed nor candidates. */
  onView(view: View, nowMs: number): void {
    this.#judged = undefined
    const listed = new Set(view.members.map(({ incarnation }) => incarnation))
    const isKept = (incarnation: string) => listed.has(incarnation)
    for (const { node, incarnation, startedAt } of view.members) {
      this.#noteStart(node, incarnation, startedAt)
      if (!this.#listedSince.has(incarnation)) this.#listedSince.set(incarnation, view.version)
    }
    this.#silences.onView(isKept)
    keep(this.#listedSince, isKept)
    keep(this.#foundGone, isKept)
    for (const known of [this.#leaving, this.#handedOver, this.#unanswering]) keep(known, isKept)
    const nodes = new Set(view.members.map(({ node }) => node))
    keep(this.#newest, (node) => nodes.has(node) || this.#pods?.has(node) === true)
    const uids = new Set(view.members.map(({ uid }) => uid))
    keep(this.#lackingSinceMs, (uid) => uids.has(uid))
    for (const { uid } of this.#pods?.values() ?? []) uids.add(uid)
    keep(this.#knownUids, (uid) => uids.has(uid))
    this.#forgetCandidates(nowMs)
    keep(this.#heardAtMs, (incarnation) => listed.has(incarnation) ||
      this.#hellos.has(incarnation))
    keep(this.#hellos, (incarnation) => !isTombstoned(incarnation, view))
  }

  /** A message of this incarnation came in. */
  onHeard(incarnation: string, nowMs: number): void {
    if (!this.#listedSince.has(incarnation) && !this.#hellos.has(incarnation)) return
    this.#heardAtMs.set(incarnation, nowMs)
    this.#silences.onHeard(incarnation)
    if (this.#foundGone.delete(incarnation)) this.#judged = undefined
    if (this.#listedSince.has(incarnation)) this.onNotAlone()
  }

  /** Somebody listed lives, or this node is listed itself: to be silent is not to be dead. */
  onNotAlone(): void {
    if (this.#unanswering.size === 0) return
    this.#unanswering.clear()
    this.#judged = undefined
  }

  /** A node, perhaps this one, wants in; `viewVersion` is that of the view it holds. */
  onHello(member: Member, viewVersion: number, nowMs: number): void {
    if (this.#hellos.size >= ringLimits.candidatesMax) this.#forgetCandidates(nowMs)
    if (this.#hellos.size >= ringLimits.candidatesMax) return
    this.#judged = undefined
    this.#noteStart(member.node, member.incarnation, member.startedAt)
    this.#hellos.set(member.incarnation, { member, atMs: nowMs, viewVersion })
  }

  /** A node leaves, or has nothing left. */
  onLeaving(incarnation: string, isHandedOver: boolean): void {
    if (!this.#listedSince.has(incarnation)) return
    this.#judged = undefined
    this.#leaving.add(incarnation)
    if (isHandedOver) this.#handedOver.add(incarnation)
  }

  /** All that `watcher` suspects now. */
  onSuspicions(watcher: string, suspects: readonly Suspicion[], nowMs: number): void {
    if (!this.#listedSince.has(watcher)) return
    this.#judged = undefined
    this.#silences.onSuspicions(watcher, suspects, nowMs)
  }

  /** This node saw for itself that a listed incarnation does not live any more. */
  onFoundGone(incarnation: string, evidence: string): void {
    if (!this.#listedSince.has(incarnation)) return
    this.#judged = undefined
    this.#foundGone.set(incarnation, evidence)
  }

  /** No listed incarnation was heard for long, and this one does not answer either (rule 7). */
  onUnanswering(incarnation: string): void {
    if (!this.#listedSince.has(incarnation)) return
    this.#judged = undefined
    this.#unanswering.add(incarnation)
  }

  /** When `incarnation` was last heard; −Infinity for never. */
  heardAtMs(incarnation: string): number {
    return this.#heardAtMs.get(incarnation) ?? -Infinity
  }

  /**
   * The judgement about everybody in `view` and about those who want in. It is as long as the
   * view: while nothing new is learnt and nothing depends on the time the last one stands.
   */
  facts(view: View, nowMs: number): Facts {
    if (this.#judged?.view === view) return this.#judged.facts
    const facts = this.#judge(view, nowMs)
    const isTimeless = this.#silences.isEmpty && this.#lackingSinceMs.size === 0 &&
      [...this.#hellos.keys()].every((incarnation) => this.#listedSince.has(incarnation))
    this.#judged = isTimeless ? { view, facts } : undefined
    return facts
  }

  #judge(view: View, nowMs: number): Facts {
    const gone = new Map<string, string>()
    for (const member of view.members) {
      const evidence = this.#evidence(member, nowMs)
      if (evidence !== undefined) gone.set(member.incarnation, evidence)
    }
    const living = new Set(view.members.map(({ incarnation }) => incarnation)
      .filter((incarnation) => !gone.has(incarnation)))
    const heardAtMs = (incarnation: string): number => this.heardAtMs(incarnation)
    for (const incarnation of this.#silences.gone(living, heardAtMs, nowMs)) {
      gone.set(incarnation, 'silent, and its private port too')
    }
    const leaving = new Set(this.#leaving)
    const confirmed = new Set<string>()
    for (const { node, uid, incarnation } of view.members) {
      if (this.podOf(node, uid)?.isTerminating === true) leaving.add(incarnation)
      const listedSince = this.#listedSince.get(incarnation) ?? Infinity
      const held = this.#hellos.get(incarnation)?.viewVersion ?? -1
      if (held >= listedSince) confirmed.add(incarnation)
    }
    const candidates = this.#candidates(view, nowMs)
    return { gone, leaving, handedOver: this.#handedOver, candidates, confirmed }
  }

  /** When the facts may differ though nothing more is heard, or Infinity. */
  nextDeadlineMs(nowMs: number): number {
    const isWaiting = !this.#silences.isEmpty || this.#lackingSinceMs.size > 0
    return isWaiting ? nowMs + this.#timing.beatMs / 5 : Infinity
  }

  #evidence({ node, uid, incarnation, startedAt }: Member, nowMs: number): string | undefined {
    const found = this.#foundGone.get(incarnation)
    if (found !== undefined) return found
    if (this.#unanswering.has(incarnation)) {
      return 'nobody listed was heard, and it does not answer'
    }
    const newest = this.#newest.get(node)
    if (newest !== undefined && !this.#isNewest(node, incarnation, nowMs) &&
      newest.startedAt > startedAt) return 'a newer incarnation was heard'
    const pod = this.podOf(node, uid)
    if (pod === undefined) {
      return this.#isLackingForGood(uid, nowMs) ? 'its pod is gone' : undefined
    }
    this.#lackingSinceMs.delete(uid)
    return endedIn(pod, startedAt) ? 'its container ended' : undefined
  }

  #isLackingForGood(uid: string, nowMs: number): boolean {
    if (this.#pods === undefined) return false
    if (this.#knownUids.has(uid)) return true
    if (!this.#isApiAway && !this.#lackingSinceMs.has(uid)) this.#lackingSinceMs.set(uid, nowMs)
    return false
  }

  #candidates(view: View, nowMs: number): Member[] {
    return [...this.#hellos.values()]
      .filter(({ member, atMs }) => {
        const { node, uid, incarnation, startedAt } = member
        const pod = this.podOf(node, uid)
        return nowMs - atMs < this.#timing.helloKeptMs &&
          pod !== undefined && !pod.isTerminating && !endedIn(pod, startedAt) &&
          this.#isNewest(node, incarnation, nowMs) &&
          !this.#listedSince.has(incarnation) && !isTombstoned(incarnation, view)
      })
      .map(({ member }) => member)
      .sort((a, b) => a.startedAt - b.startedAt || (a.incarnation < b.incarnation ? -1 : 1))
  }

  /**
   * Unless a newer start of the node is about: a clock set back must not shut it out for ever, nor
   * a former pod's clock that was ahead take it out.
   */
  #isNewest(node: string, incarnation: string, nowMs: number): boolean {
    const newest = this.#newest.get(node)?.incarnation
    if (newest === undefined || newest === incarnation) return true
    const hello = this.#hellos.get(newest)
    const isAbout = hello !== undefined && nowMs - hello.atMs < this.#timing.helloKeptMs
    return !isAbout && !this.#listedSince.has(newest)
  }

  #noteStart(node: string, incarnation: string, startedAt: number): void {
    const newest = this.#newest.get(node)
    if (newest === undefined || startedAt > newest.startedAt) {
      this.#newest.set(node, { incarnation, startedAt })
    }
  }

  #forgetCandidates(nowMs: number): void {
    keep(this.#hellos, (incarnation) => this.#listedSince.has(incarnation) ||
      nowMs - this.#hellos.get(incarnation)!.atMs < this.#timing.helloKeptMs)
  }
}

function endedIn(pod: PodFact, startedAt: number): boolean {
  const { isTerminated, containerEndedAtMs } = pod
  return containerEndedAtMs === undefined ? isTerminated : startedAt <= containerEndedAtMs
}
