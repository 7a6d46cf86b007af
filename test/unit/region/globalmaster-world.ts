/**
 * Several globalmasters on links that a test cuts, one way or both, each with clocks of its own.
 * Nodes of every ring announce themselves every ten seconds. What crosses goes through the codec.
 */

import {
  decodeGlobalmaster, encodeGlobalmaster
} from '../../../src/region/globalmaster-codec.ts'
import { decodeWorldMessage, encodeWorldMessage } from '../../../src/region/world-codec.ts'
import { WORLD_FORMAT_VERSION, type WorldRoster } from '../../../src/region/world-message.ts'
import { Globalmaster } from '../../../src/region/globalmaster.ts'
import type {
  FormerPeer, GlobalmasterOutput, PeerReport, WorldConfig
} from '../../../src/region/globalmaster-ports.ts'

const ANNOUNCE_MS = 10_000

export interface Options {
  readonly uid?: string
  readonly madeAtMs?: number
  readonly world?: string
  readonly peers?: WorldConfig['peers']
  readonly apps?: Readonly<Record<string, string>>
  readonly monoOffsetMs?: number
  readonly wallOffsetMs?: number
  readonly term?: number
  readonly former?: readonly FormerPeer[]
  /** Stands by until told. */
  readonly standsBy?: boolean
}

/** One process, and what came out of it. */
export class Process {
  readonly region: string
  readonly uid: string
  readonly madeAtMs: number
  readonly machine: Globalmaster
  isRunning = true
  hasNodes = true
  /** In order; and as it was told, the nearest first. */
  roster: readonly string[] | undefined
  /** The names in the last one, in its order. */
  names: readonly string[] | undefined
  nearest: readonly string[] | undefined
  rosterMadeAtMs = 0
  reports: (readonly PeerReport[])[] = []
  helloCount = 0
  readonly #world: World
  readonly #options: Options
  #config: WorldConfig

  constructor(world: World, region: string, instance: string, options: Options) {
    this.#world = world
    this.#options = options
    this.region = region
    this.uid = options.uid ?? `ring-${region}`
    this.madeAtMs = options.madeAtMs ?? 1
    this.machine = new Globalmaster(instance, { push: (output) => this.#perform(output) })
    this.#config = {
      world: options.world ?? 'acme', region, ringUid: this.uid, madeAtMs: this.madeAtMs,
      unreachableAfterMs: 20_000, peers: options.peers ?? [],
      apps: new Map(Object.entries(options.apps ?? {}))
    }
    this.configure({})
    if (options.standsBy !== true) this.elect(options.term ?? 1, options.former)
  }

  configure(change: Partial<WorldConfig>): void {
    this.#config = { ...this.#config, ...change }
    this.turn({ kind: 'config', config: this.#config })
  }

  elect(term: number, former: readonly FormerPeer[] = []): void {
    this.turn({ kind: 'elected', term, former })
  }

  turn(input: Parameters<Globalmaster['turn']>[0]): void {
    const { monoOffsetMs = 0, wallOffsetMs = 0 } = this.#options
    if (!this.isRunning) return
    const { nowMs } = this.#world
    this.machine.turn(input, { monoMs: nowMs + monoOffsetMs, wallMs: nowMs + wallOffsetMs })
  }

  nextDeadlineMs(): number {
    const { monoOffsetMs = 0 } = this.#options
    return this.isRunning ? this.machine.nextDeadlineMs() - monoOffsetMs : Infinity
  }

  /** `type` of a peer as last reported, as status/reason; undefined for no such peer. */
  says(region: string, type: string): string | undefined {
    const judgement = this.peer(region)?.judgements.find((each) => each.type === type)
    return judgement && `${judgement.status}/${judgement.reason}`
  }

  peer(region: string): PeerReport | undefined {
    return this.reports.at(-1)?.find((peer) => peer.region === region)
  }

  #perform(output: GlobalmasterOutput): void {
    switch (output.kind) {
      case 'hello':
        this.helloCount++
        this.#world.cast(this, encodeGlobalmaster(output.hello)!)
        return
      case 'roster':
        this.nearest = asNodesReadIt(output)?.uids
        this.names = asNodesReadIt(output)?.names
        this.roster = this.nearest?.toSorted()
        this.rosterMadeAtMs = output.madeAtMs
        this.#world.tellRoster(this, output.madeAtMs)
        return
      case 'report':
        this.reports.push(output.peers)
    }
  }
}

function asNodesReadIt(
  output: Extract<GlobalmasterOutput, { kind: 'roster' }>
): WorldRoster | undefined {
  const bytes = encodeWorldMessage({ ...output, formatVersion: WORLD_FORMAT_VERSION })
  const message = bytes && decodeWorldMessage(bytes)
  return message?.kind === 'roster' ? message : undefined
}

interface Event { readonly atMs: number, readonly no: number, run(): void }

export class World {
  nowMs = 1_000_000
  readonly processes: Process[] = []
  /** `eu>us` for what does not pass. */
  readonly cut = new Set<string>()
  /** Regions without nodes. */
  readonly nodeless = new Set<string>()
  delayMs = 40
  /** By region, how much longer the ways to and from it take. */
  readonly distanceMs = new Map<string, number>()
  /** Regions whose nodes say that they are to drain. */
  readonly draining = new Set<string>()
  #events: Event[] = []
  #no = 0

  start(region: string, options: Options = {}): Process {
    const process = new Process(this, region, `${region}-${this.processes.length}`, options)
    this.processes.push(process)
    this.#announce(process)
    return process
  }

  /** Cuts both ways between two regions, or lets pass again. */
  cutBoth(one: string, other: string): void {
    this.cut.add(`${one}>${other}`).add(`${other}>${one}`)
  }

  heal(): void {
    this.cut.clear()
  }

  run(ms: number): void {
    const endMs = this.nowMs + ms
    for (;;) {
      const first = this.#events.toSorted((a, b) => a.atMs - b.atMs || a.no - b.no)[0]
      const due = this.processes.toSorted((a, b) => a.nextDeadlineMs() - b.nextDeadlineMs())[0]
      const deadlineMs = due?.nextDeadlineMs() ?? Infinity
      const atMs = Math.min(first?.atMs ?? Infinity, deadlineMs)
      if (atMs > endMs) break
      this.nowMs = Math.max(this.nowMs, atMs)
      if (first !== undefined && first.atMs <= deadlineMs) {
        this.#events = this.#events.filter((event) => event !== first)
        first.run()
      } else due!.turn({ kind: 'deadline' })
    }
    this.nowMs = endMs
  }

  cast(from: Process, bytes: Uint8Array): void {
    const hello = decodeGlobalmaster(bytes)!
    this.#toOthers(from, (to) => to.turn({ kind: 'hello', hello }))
  }

  tellRoster(from: Process, madeAtMs: number): void {
    for (const to of this.processes) {
      if (to !== from && to.uid === from.uid) to.turn({ kind: 'roster', madeAtMs })
    }
  }

  #announce(process: Process): void {
    const { region, uid, madeAtMs } = process
    const isThere = process.hasNodes && !this.nodeless.has(region)
    if (isThere) {
      const isToDrain = this.draining.has(region)
      this.#toOthers(process, (to) => to.turn({
        kind: 'announced', ring: { region, uid, madeAtMs, endpoint: `${region}.example`, isToDrain }
      }))
    }
    this.#after(ANNOUNCE_MS, () => this.#announce(process))
  }

  #toOthers(from: Process, deliver: (to: Process) => void): void {
    for (const to of this.processes) {
      if (to === from || this.cut.has(`${from.region}>${to.region}`)) continue
      const farMs = [from, to].map(({ region }) => this.distanceMs.get(region) ?? 0)
      const delayMs = this.delayMs + Math.max(...farMs)
      this.#after(from.region === to.region ? 1 : delayMs, () => deliver(to))
    }
  }

  #after(ms: number, run: () => void): void {
    this.#events.push({ atMs: this.nowMs + ms, no: this.#no++, run })
  }
}
