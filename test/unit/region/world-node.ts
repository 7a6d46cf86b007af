/** One node's knowledge of the world, and what others say to it, for tests. */

import { digestIn } from '../../../src/region/announced.ts'
import {
  type Announcement, type RegionIdentity, type RegionMessage, type Still,
  WORLD_FORMAT_VERSION, type WorldMessage
} from '../../../src/region/world-message.ts'
import { KnownWorld, type WorldInput, type WorldOutput } from '../../../src/region/world.ts'
import { recordOf, type View } from '../../../src/ring/view.ts'
import { membersOf, viewOf } from '../ring/regions.ts'

const nobody: ReadonlySet<string> = new Set()

/** A region of this name; its ring was made at 1,000 ms. */
export function regionOf(name: string, fields: Partial<RegionIdentity> = {}): RegionIdentity {
  const { uid = `uid-${name}` } = fields
  return {
    name, ownName: name, uid, madeAtMs: 1_000, prefix: `ringcast.${name}.${uid}`, endpoint: '',
    ...fields
  }
}

/** A view of `count` nodes whose incarnations begin with `name`. */
export function nodesOf(name: string, count = 2): View {
  return viewOf(membersOf(count).map((member, no) => ({
    ...member, incarnation: `${name}${no}`
  })), 16, 1)
}

/** What a region announces. */
export function saidBy(
  identity: RegionIdentity, view: View, generations: Announcement['generations'] = []
): Announcement {
  return {
    kind: 'region', formatVersion: WORLD_FORMAT_VERSION, ...identity, view: recordOf(view),
    generations
  }
}

/** What it says of it later. */
export function stillOf(announcement: Announcement, view: View): Still {
  const { kind: _, view: __, generations: ___, ...identity } = announcement
  const digest = digestIn(announcement, view)
  return { ...identity, kind: 'still', viewVersion: view.version, digest }
}

export class Node {
  readonly world: KnownWorld
  readonly outputs: WorldOutput[] = []
  readonly #incarnation: string
  nowMs = 0

  constructor(own = regionOf('eu'), incarnation = 'eu0') {
    this.world = new KnownWorld(own, this.outputs)
    this.#incarnation = incarnation
  }

  input(input: WorldInput): void {
    this.world.turn(input, this.nowMs)
  }

  hear(message: WorldMessage): void {
    this.input({ kind: 'heard', message })
  }

  hearRoster(uids: readonly string[], madeAtMs: number, names?: readonly string[]): void {
    const roster = { kind: 'roster', formatVersion: WORLD_FORMAT_VERSION, uids, madeAtMs } as const
    this.hear(names === undefined ? roster : { ...roster, names })
  }

  adopt(view: View, generations = new Map<string, number[]>(), gone = nobody): void {
    const incarnation = this.#incarnation
    this.input({ kind: 'adopted', adopted: { incarnation, view, generations, gone } })
  }

  /** Lets time pass, as the shell does. */
  pass(ms: number): void {
    const endMs = this.nowMs + ms
    while (this.world.nextDeadlineMs() <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.world.nextDeadlineMs())
      this.input({ kind: 'deadline' })
    }
    this.nowMs = endMs
  }

  /** What was put out since this was asked last. */
  take<K extends WorldOutput['kind']>(kind: K): Extract<WorldOutput, { kind: K }>[] {
    const taken = this.outputs.filter((output) => output.kind === kind)
    this.outputs.splice(0)
    return taken as Extract<WorldOutput, { kind: K }>[]
  }

  /** What was said since this was asked last. */
  said(): RegionMessage[] {
    return this.take('say').map(({ message }) => message)
  }

  /** The same, but whole announcements alone. */
  announced(): Announcement[] {
    return this.said().filter((message) => message.kind === 'region')
  }

  /** The world as it was given last; undefined if it was not given since. */
  given(): string[] | undefined {
    return this.take('world').at(-1)?.regions.map(({ region, uid, view }) =>
      `${region} ${uid} ${view.version}`)
  }

  /** Who is absent, as it was given last; undefined if it was not given since. */
  absent(): readonly string[] | undefined {
    return this.take('world').at(-1)?.absent
  }
}

/** Has a node hear what another one says, until neither has anything to say for a while. */
export function converse(node: Node, speaker: Node, forMs: number): string[] {
  const kinds: string[] = []
  for (let atMs = 0; atMs < forMs; atMs += 100) {
    for (const [from, to] of [[speaker, node], [node, speaker]] as const) {
      from.pass(100)
      for (const message of from.said()) {
        kinds.push(message.kind)
        to.hear(message)
      }
    }
  }
  return kinds
}
