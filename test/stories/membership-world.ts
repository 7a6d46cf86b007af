/**
 * A region's main threads in one deterministic world: virtual time, a mesh, pods, one ring object
 * with compare-and-swap. Nothing happens until `run` lets time pass.
 */

import { MemberNode } from '../../src/node/member.ts'
import type { LogWish } from '../../src/node/member-log.ts'
import type {
  LogPlan, MemberInput, MemberOutput, PodFact, Standing
} from '../../src/node/member-ports.ts'
import { masterOf, type View } from '../../src/ring/view.ts'

const DELAY_MS = 2
const PROBE_TIMEOUT_MS = 1_000
const LIST_RETRY_MS = 1_000

interface Resident {
  readonly node: string
  readonly incarnation: string
  readonly machine: MemberNode
  readonly outputs: MemberOutput[]
  standing: Standing
  view: View | undefined
  /** Whom it believes to be gone though its view lists them. */
  gone: readonly string[]
  isAlive: boolean
  isFrozen: boolean
  isMeshUp: boolean
  /** What it was last asked to see to of the log; the story answers. */
  asked: LogPlan | undefined
}

export class MembershipWorld {
  nowMs = 1_000
  isApiUp = true
  /** The ring object cannot be written, though all else of the API works. */
  isReadOnly = false
  /** What became of writes: for stories of unknown outcomes. */
  nextWrite: 'fine' | 'unknown, happened' | 'unknown, did not' = 'fine'
  /** Whose workers are not ready with what a view announces or gives them. */
  readonly unsettled = new Set<string>()
  /** Whose watch of the pods is dead, and nobody has noticed. */
  readonly unwatching = new Set<string>()
  readonly residents = new Map<string, Resident>()
  readonly events: string[] = []
  #pods = new Map<string, PodFact>()
  #ring: { version: number; view: View | undefined } = { version: 1, view: undefined }
  #queue: { atMs: number; order: number; run: () => void }[] = []
  #order = 0
  #starts = 0

  /** Starts a pod and the node in it, which wants such a log, if any. */
  start(node: string, log?: LogWish): Resident {
    const incarnation = `${node}#${++this.#starts}`
    const outputs: MemberOutput[] = []
    const identity = {
      node, uid: `uid-${incarnation}`, incarnation, startedAt: this.nowMs, workers: 1, zone: '',
      meshVersion: 1, host: node, privatePort: 1
    }
    const options = { identity, seed: incarnation, successorCount: 1, log }
    const machine = new MemberNode(options, outputs)
    const resident: Resident = {
      node, incarnation, machine, outputs, standing: 'waiting', view: undefined, gone: [],
      isAlive: true, isFrozen: false, isMeshUp: true, asked: undefined
    }
    this.residents.set(incarnation, resident)
    this.#pods.set(node, {
      node, uid: identity.uid, phase: 'Running', isReady: true, host: node, zone: '',
      isTerminating: false, isTerminated: false
    })
    this.input(resident, { kind: 'mesh', isUp: true })
    this.#tellPods()
    return resident
  }

  /** The node is gone; the API says so if `isSeen`. */
  kill(resident: Resident, isSeen: boolean): void {
    resident.isAlive = false
    if (!isSeen) return
    this.#pods.delete(resident.node)
    this.#tellPods()
  }

  setMesh(resident: Resident, isUp: boolean): void {
    resident.isMeshUp = isUp
    this.input(resident, { kind: 'mesh', isUp })
  }

  /** The workers of `resident` are ready with the view that it holds. */
  settle(resident: Resident): void {
    const viewVersion = resident.view!.version
    this.#at(DELAY_MS, () => this.input(resident, { kind: 'settled', viewVersion }))
  }

  /** How many partitions `node` masters in the ring object's view. */
  shareOf(node: string): number {
    const view = this.#ring.view
    if (view === undefined) return 0
    const masters = Array.from({ length: view.partitionCount }, (_, at) => masterOf(at, view))
    return masters.filter((master) => master?.node === node).length
  }

  input(resident: Resident, input: MemberInput): void {
    if (!resident.isAlive || resident.isFrozen) return
    resident.machine.turn(input, { monoMs: this.nowMs, wallMs: this.nowMs })
    resident.machine.check()
    for (const output of resident.outputs.splice(0)) this.#perform(resident, output)
  }

  /** Lets `forMs` of time pass. */
  run(forMs: number): void {
    const endMs = this.nowMs + forMs
    for (;;) {
      let nextMs = this.#queue[0]?.atMs ?? Infinity
      for (const { isAlive, isFrozen, machine } of this.residents.values()) {
        if (isAlive && !isFrozen) nextMs = Math.min(nextMs, machine.nextDeadlineMs())
      }
      if (nextMs > endMs) break
      this.nowMs = Math.max(this.nowMs + 0.001, nextMs)
      while (this.#queue.length > 0 && this.#queue[0]!.atMs <= this.nowMs) {
        this.#queue.shift()!.run()
      }
      for (const resident of this.residents.values()) {
        const isDue = resident.machine.nextDeadlineMs() <= this.nowMs
        if (isDue) this.input(resident, { kind: 'deadline' })
      }
    }
    this.nowMs = endMs
  }

  /** `node:state` of the members of the view that everybody who lives and serves holds. */
  members(): string[] {
    return (this.#ring.view?.members ?? []).map(({ node, state }) => `${node}:${state}`)
  }

  /** The versions that the living hold. */
  versions(): number[] {
    const living = [...this.residents.values()].filter(({ isAlive }) => isAlive)
    return [...new Set(living.map(({ view }) => view?.version ?? 0))]
  }

  #at(delayMs: number, run: () => void): void {
    this.#queue.push({ atMs: this.nowMs + delayMs, order: this.#order++, run })
    this.#queue.sort((a, b) => a.atMs - b.atMs || a.order - b.order)
  }

  #tellPods(): void {
    if (!this.isApiUp) return
    const pods = [...this.#pods.values()]
    for (const resident of this.residents.values()) {
      if (this.unwatching.has(resident.node)) continue
      this.#at(DELAY_MS, () => this.input(resident, { kind: 'pods', pods }))
    }
  }

  #perform(from: Resident, output: MemberOutput): void {
    switch (output.kind) {
      case 'send':
        this.#carry(from, output)
        return
      case 'readRing':
        this.#at(DELAY_MS, () => this.#read(from, output.ticket))
        return
      case 'listPods':
        this.#at(DELAY_MS, () => this.#list(from))
        return
      case 'writeRing':
        this.#at(DELAY_MS, () => this.#write(from, output))
        return
      case 'probe':
        this.#probe(from, output)
        return
      case 'adopt':
        from.view = output.view
        from.gone = [...output.gone]
        // Its workers have nothing to read, nor to take over.
        if (!this.unsettled.has(from.incarnation)) this.settle(from)
        return
      case 'makeLog':
        from.asked = output.plan
        return
      case 'standing':
        from.standing = output.standing
        this.events.push(`${from.incarnation} ${output.standing}`)
        return
      case 'note':
    }
  }

  #carry(from: Resident, { to, message }: MemberOutput & { kind: 'send' }): void {
    if (!from.isMeshUp) return
    for (const resident of this.residents.values()) {
      if (resident === from || (to !== 'all' && to !== resident.incarnation)) continue
      this.#at(DELAY_MS, () => {
        if (resident.isMeshUp) this.input(resident, { kind: 'peer', message })
      })
    }
  }

  #list(to: Resident): void {
    const pods = [...this.#pods.values()]
    if (this.isApiUp) this.input(to, { kind: 'pods', pods, isAsked: true })
    else this.#at(LIST_RETRY_MS, () => this.#list(to))
  }

  #read(to: Resident, ticket: number): void {
    const stored = {
      resourceVersion: String(this.#ring.version), partitionCount: 16, view: this.#ring.view
    }
    this.input(to, {
      kind: 'ringRead', ticket,
      reading: this.isApiUp ? { outcome: 'found', stored } : { outcome: 'failed', reason: 'away' }
    })
  }

  #write(from: Resident, output: MemberOutput & { kind: 'writeRing' }): void {
    const { ticket, expected, view } = output
    const mode = this.nextWrite
    this.nextWrite = 'fine'
    const isRefused = !this.isApiUp || this.isReadOnly || mode === 'unknown, did not'
    const isConflict = expected !== String(this.#ring.version)
    if (!isRefused && !isConflict) this.#ring = { version: this.#ring.version + 1, view }
    const resourceVersion = String(this.#ring.version)
    const unknown = { outcome: 'unknown', reason: 'no answer' } as const
    const writing = !this.isApiUp || this.isReadOnly || mode !== 'fine' ? unknown
      : isConflict ? { outcome: 'conflict' } as const
        : { outcome: 'written', resourceVersion } as const
    this.input(from, { kind: 'ringWritten', ticket, writing })
  }

  #probe(from: Resident, { ticket, incarnation }: MemberOutput & { kind: 'probe' }): void {
    const asked = this.residents.get(incarnation)
    const isSilent = asked === undefined || !asked.isAlive || asked.isFrozen
    const outcome = isSilent ? 'silent' : asked.isMeshUp ? 'alive' : 'noMesh'
    this.#at(isSilent ? PROBE_TIMEOUT_MS : DELAY_MS, () => {
      this.input(from, { kind: 'probed', ticket, outcome })
    })
  }
}
