/**
 * Presence at masters of one partition over one log: nodes that say things of their members, and
 * what a node is told of who is present. Each mastership is a life of its own.
 */

import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Random } from '../../../src/base/random.ts'
import { PartitionMaster } from '../../../src/channel/partition.ts'
import { Backlog } from '../../../src/channel/backlog.ts'
import { keepsNothing } from '../../../src/channel/channel-archive.ts'
import { TailPool } from '../../../src/channel/tail.ts'
import { ampleRoom } from '../../../src/log/room.ts'
import { decodeItems, encodeItems, eventId } from '../../../src/channel/presence.ts'
import type {
  Joined,
  ListedMember,
  PresenceMember,
  MemberOwner,
  PeerMessage,
  Publication,
  PublishOutcome,
  Standing
} from '../../../src/peer/message.ts'
import { type Place, placeKey } from '../../../src/peer/place.ts'
import { TestLog } from '../log/test-log.ts'
import { CHANNEL, ofKind } from './parts.ts'
import { oneMeter } from '../../support/meters.ts'

export const ENTER = 2
export const LEAVE = 3
export const UPDATE = 4

/** What is said of one client; the id is that of the frame unless it is given. */
export interface Item {
  readonly action: number
  readonly clientId: string
  readonly id?: string
  readonly data?: string
  readonly endsUnheard?: boolean
}

export function ownerOf(node: string, over: Partial<MemberOwner> = {}): MemberOwner {
  return { incarnation: node, worker: 0, generation: 1, claim: 0, ...over }
}

export function placeOf(node: string): Place {
  return { incarnation: node, worker: 0 }
}

/** A member as its node lists it. */
export function member(
  clientId: string,
  id: string,
  over: Partial<PresenceMember> = {}
): PresenceMember {
  const connectionId = id.split(':')[0]!
  return {
    connectionId, clientId, id, timestamp: 0, data: undefined, encoding: undefined,
    extras: undefined, owner: ownerOf('a'), ...over
  }
}

export class PresenceWorld {
  readonly log = new TestLog()
  readonly deadlines = new Deadlines()
  /** The nodes of the view, and lives `node/generation` that have ended. */
  homes: string[] = []
  readonly ended = new Set<string>()
  /** Nodes that the view of the next master says nothing of, and its version. */
  readonly unheard = new Set<string>()
  viewVersion = 1
  nowMs = 1_000_000
  /** How far the next master's wall clock is behind. */
  slowMs = 0
  #count = 0

  /** The next master. */
  master(): PresenceLife {
    const life = new PresenceLife(this, ++this.#count)
    life.settle()
    return life
  }

  pass(ms: number, ...lives: PresenceLife[]): void {
    const endMs = this.nowMs + ms
    while (this.nowMs < endMs) {
      this.nowMs = Math.min(endMs, this.nowMs + 500)
      this.deadlines.fire(this.nowMs)
      for (const life of lives) life.settle()
    }
  }
}

export class PresenceLife {
  readonly master: PartitionMaster
  readonly #world: PresenceWorld
  #said: { to: string; message: PeerMessage }[] = []
  #isDirty = false
  #joinNo = 0
  #leaveCount = 0
  readonly #opNos = new Map<string, number>()

  constructor(world: PresenceWorld, no: number) {
    this.#world = world
    const { slowMs } = world
    const claimant = {
      partition: 1, viewVersion: () => world.viewVersion, incarnation: `m${no}`, workerGeneration: 1
    }
    this.master = new PartitionMaster(claimant, {
      log: world.log,
      archive: { askArchive: () => undefined },
      backlog: new Backlog(),
      keeping: keepsNothing,
      tails: new TailPool(),
      meters: oneMeter(),
      room: () => ampleRoom,
      deadlines: world.deadlines,
      random: new Random(`presence/${no}`),
      now: () => ({ monoMs: world.nowMs, wallMs: world.nowMs - slowMs }),
      send: (to, message) => void this.#said.push({ to: placeKey(to), message }),
      onActivity: () => undefined,
      onUsed: () => undefined,
      askToHold: () => false, sayWritten: () => undefined,
      wakeRelay: () => undefined,
      others: () => 'none',
      otherRegions: () => [],
      toRegions: () => new Map(), countAbroad: () => undefined,
      askAbroad: (_channel, _question, onAnswers) => onAnswers(new Map()),
      regionGraceMs: () => limits.regionGraceMs,
      region: 'here',
      fateOf: (incarnation) => world.unheard.has(incarnation) ? 'unheard' : 'listed',
      mayReadAhead: () => true,
      homes: () => world.homes.map(placeOf),
      isAlive: ({ incarnation, generation }) => !world.unheard.has(incarnation) &&
        !world.ended.has(`${incarnation}/${generation}`),
      wantsFlush: () => {
        this.#isDirty = true
      },
      onDeposed: () => undefined,
      onViewHeard: () => undefined,
      note: () => undefined
    })
  }

  settle(): void {
    do {
      this.#isDirty = false
      this.master.flush(this.#world.nowMs)
      this.#world.log.answerAll()
    } while (this.#isDirty)
  }

  /** What was said to a node since the last call. */
  heard(node: string): PeerMessage[] {
    const key = placeKey(placeOf(node))
    const heard = this.#said.filter(({ to }) => to === key).map(({ message }) => message)
    this.#said = this.#said.filter(({ to }) => to !== key)
    return heard
  }

  /** A node joins; what it said is answered by then. */
  join(node: string, from?: Standing, hasMembers = false): Joined & { present: PresenceMember[] } {
    const joinNo = ++this.#joinNo
    const clientId = `of ${node}`
    this.heard(node)
    this.master.onMessage(placeOf(node), {
      kind: 'join', channel: CHANNEL, joinNo, clientId, viewVersion: 1, from,
      wantsDeliveries: true, hasMembers
    })
    this.settle()
    const heard = this.heard(node)
    const joined = ofKind(heard, 'joined').at(-1)!
    this.#opNos.set(node, joined.nextOpNo)
    return { ...joined, present: presentIn(heard) }
  }

  /** A session of `node` says something in frame `id`; returns what became of it. */
  say(node: string, id: string, items: Item[], over: Partial<MemberOwner> = {}, membersMax = 100)
    : PublishOutcome | undefined {
    const opNo = this.#opNos.get(node) ?? 1
    this.#opNos.set(node, opNo + 1)
    const isOfNode = id.endsWith(':node')
    this.master.onMessage(placeOf(node), {
      kind: 'publish', channel: CHANNEL, clientId: `of ${node}`, epoch: this.master.epoch, opNo,
      answeredThrough: 0,
      op: {
        id: isOfNode ? `${node}/0/1:${++this.#leaveCount}` : id,
        idSpace: isOfNode ? 'node' : 'connection',
        connectionId: id.split(':')[0], messageCount: 0, membersMax, owner: ownerOf(node, over),
        payload: encodeItems(items.map((item, at) => ({ id: `${id}:${at}`, ...item })))
      }
    })
    this.settle()
    return this.#said.flatMap(({ message }) =>
      (message.kind === 'result' && message.opNo === opNo ? [message.outcome] : [])).at(-1)
  }

  /** A node lists all its members. */
  declare(node: string, members: readonly ListedMember[], generation = 1, pages = 1): void {
    const size = Math.ceil(members.length / pages)
    for (let page = 0; page < pages; page++) {
      this.master.onMessage(placeOf(node), {
        kind: 'declare', channel: CHANNEL, epoch: this.master.epoch, worker: 0, generation,
        members: members.slice(page * size, (page + 1) * size), isFirst: page === 0,
        isLast: page === pages - 1
      })
    }
    this.settle()
  }

  answerRoll(node: string): void {
    this.master.onRollAnswered(placeOf(node), this.master.epoch)
    this.settle()
  }

  /** The events that a node was told since the last call, `action clientId data id`. */
  events(node: string): string[] {
    return eventsOf(this.heard(node)).map(({ text }) => text)
  }

  /** Who is present, as `clientId data`. */
  present(): string[] {
    return this.join('watcher').present.map(({ clientId, data }) => `${clientId} ${data}`).sort()
  }
}

/** Members told in parts. */
export function presentIn(heard: readonly PeerMessage[]): PresenceMember[] {
  return ofKind(heard, 'members').flatMap(({ members }) => members)
}

/** The events of presence in deliveries. */
export function eventsOf(
  heard: readonly PeerMessage[]
): { text: string; publication: Publication; id: string }[] {
  return ofKind(heard, 'deliver').flatMap(({ publications }) => publications)
    .filter(({ owner }) => owner !== undefined)
    .flatMap((publication) => decodeItems(publication.payload).map((item, at) => {
      const action = { [ENTER]: 'enter', [LEAVE]: 'leave', [UPDATE]: 'update' }[item.action]
      return {
        text: [action, item.clientId, item.data].filter((part) => part != null).join(' '),
        publication,
        id: eventId(publication, item, at)
      }
    }))
}
