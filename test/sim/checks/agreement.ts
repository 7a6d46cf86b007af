/**
 * The view (rules 7 and 8): versions of the ring object only grow, a removed incarnation never
 * comes back, nobody speaks of a view that was not written, and once the weather has cleared
 * everybody's beats are of the same view, which is the object's, and which lists those who live
 * and nobody else.
 */

import type { MembershipMessage } from '../../../src/peer/membership.ts'
import { defaultTiming } from '../../../src/ring/timing.ts'
import { digestOf, type View } from '../../../src/ring/view.ts'
import type { Region } from '../region.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'
import { followedBy } from './followed.ts'

/** Who has not beaten for so long does not. */
const SILENT_MS = 3 * defaultTiming.beatMs
/** Who has listened for so long has heard what all say that live, be it in a hello. */
const HEARD_MS = defaultTiming.helloMs + 100

/** A write may have been asked for so long before it is done. */
const WRITE_MS = 5_000

interface Said {
  readonly viewVersion: number
  readonly viewDigest: number
  readonly atMs: number
}

export class Agreement implements Check {
  readonly #region: Region
  #version = 0
  /** The highest version that was ever written: whoever holds it may speak of it. */
  #highest = 0
  /** What was written last. */
  #view: View | undefined
  readonly #removed = new Set<string>()
  /** By incarnation: its last beat. */
  readonly #beats = new Map<string, Said>()
  /** The object was restored, and not written since. */
  #isRestored = false
  /** When somebody may have been unheard, last. */
  #disturbedAtMs = -Infinity
  viewCount = 0

  constructor(region: Region) {
    this.#region = region
    region.kube.onRingWritten = (view, writer) => this.#onWritten(view, writer)
    region.kube.onRingRestored = () => {
      this.#isRestored = true
    }
  }

  onTick(): void {
    const { mesh, running, world } = this.#region
    const { lossChance, spikeChance } = mesh.faults
    const isQuiet = lossChance + spikeChance === 0 && mesh.cuts.size === 0 &&
      running.every(({ isImpaired }) => !isImpaired)
    if (!isQuiet) this.#disturbedAtMs = world.nowMs
  }

  onMeshSays(message: MembershipMessage): void {
    const { viewVersion, sender: { incarnation } } = message
    if (viewVersion > this.#highest) {
      throw new Violation('agreement', `${incarnation} holds view ${viewVersion} unwritten`)
    }
    if (message.kind !== 'beat') return
    const atMs = this.#region.world.nowMs
    this.#beats.set(incarnation, { viewVersion, viewDigest: message.viewDigest, atMs })
  }

  missing(): string[] {
    const { kube, nodes } = this.#region
    const { view } = kube
    if (view === undefined) return ['nobody wrote a view']
    const digest = digestOf(view)
    const missing: string[] = []
    // Who is alone has nobody to speak to.
    const isAlone = view.members.length === 1
    for (const { node, uid, incarnation, state } of view.members) {
      if (kube.pods.get(node)?.uid !== uid) missing.push(`${incarnation} is listed and not there`)
      else if (state !== 'serving') missing.push(`${incarnation} is ${state}`)
      else if (!isAlone) missing.push(...this.#wrongIn(incarnation, view.version, digest))
    }
    const listed = new Set(view.members.map(({ node }) => node))
    for (const node of nodes.keys()) if (!listed.has(node)) missing.push(`${node} is not listed`)
    return missing
  }

  #wrongIn(incarnation: string, version: number, digest: number): string[] {
    const beat = this.#beats.get(incarnation)
    if (beat === undefined || this.#region.world.nowMs - beat.atMs > SILENT_MS) {
      return [`${incarnation} is listed and says nothing`]
    }
    if (beat.viewDigest === digest) return []
    return [`${incarnation} holds view ${beat.viewVersion}, not ${version}`]
  }

  /**
   * Where the object was restored, and nobody lives who remembers more, nobody does; nor can who
   * begins know that of whoever does not hear it, or has not said hello since. They write theirs
   * again, above both (rule 4).
   */
  #onWrittenAnew({ version }: View, writer: string): void {
    this.#isRestored = false
    this.onTick()
    const { running, nodes, world } = this.#region
    const held = running.map(({ life }) => life?.adopted?.view.version ?? 0)
    const isKnown = Math.max(0, ...held) >= version
    const beganAtMs = nodes.get(writer)?.life?.beganAtMs ?? world.nowMs
    const isQuiet = world.nowMs - this.#disturbedAtMs > WRITE_MS
    const isHeard = isQuiet && world.nowMs - beganAtMs > HEARD_MS + WRITE_MS
    const isRemembered = isQuiet && Math.max(0, ...held) >= this.#version
    if (version > this.#version ? isRemembered : isKnown && isHeard) return
    this.#version = Math.min(this.#version, version - 1)
    this.#removed.clear()
    this.#view = undefined
  }

  #onWritten(view: View, writer: string): void {
    this.viewCount++
    if (this.#isRestored) this.#onWrittenAnew(view, writer)
    if (view.version <= this.#version) {
      throw new Violation('agreement', `view ${view.version} is written after ${this.#version}`)
    }
    this.#version = view.version
    this.#highest = Math.max(this.#highest, view.version)
    const now = new Set(view.members.map(({ incarnation }) => incarnation))
    for (const incarnation of now) {
      if (this.#removed.has(incarnation)) {
        throw new Violation('agreement', `${incarnation} was removed and is listed again`)
      }
    }
    const before = followedBy(view, writer, this.#view, this.#region)
    for (const { incarnation } of before?.members ?? []) {
      if (!now.has(incarnation)) this.#removed.add(incarnation)
    }
    this.#view = view
  }
}
