/**
 * A LocalGroup on a bench: a clock that the test moves, what the group says to its ChannelClient,
 * and members that write down everything that is called on them.
 */

import { Deadlines } from '../../../src/base/deadlines.ts'
import { Tally } from '../../../src/base/tally.ts'
import {
  type Attachedness,
  type GroupMember,
  LocalGroup,
  type Seat
} from '../../../src/channel/group.ts'
import type {
  Attach,
  Attached,
  BroadcastItem,
  PeerMessage,
  Standing,
  Variant
} from '../../../src/peer/message.ts'
import { Meter } from '../../../src/base/meter.ts'
import type { Frame } from '../../../src/wire/frame.ts'
import type { ErrorInfo } from '../../../src/wire/protocol-message.ts'
import { parseChannelSerial } from '../../../src/wire/serial.ts'
import { CHANNEL, json, ofKind, standing } from './parts.ts'

/** A frame that says its seq and variant in its bytes: no codec is needed to tell it apart. */
export function frameOf(seq: number, variantId = 0): Frame {
  return { bytes: new Uint8Array([seq, variantId]), payloadStart: 0, isBinary: true, itemCount: 1,
    itemBytes: 10 }
}

/** A publication for those variants, published by `connectionId`. */
export function item(seq: number, variantIds = [0], connectionId = 'pub'): BroadcastItem {
  const frames: (Frame | undefined)[] = []
  for (const variantId of variantIds) frames[variantId] = frameOf(seq, variantId)
  return { seq, connectionId, frames }
}

/** A member whose `heard` is the story of what was called on it. */
export class Listener implements GroupMember {
  readonly heard: string[] = []
  readonly connectionId: string
  claim = 0
  modeBits = 0
  hearsItself = true
  subscribes = true
  hearsPresence = true
  hearsNothing = false
  inheritsMembers = false
  hasRoom = true

  constructor(connectionId = 'me') {
    this.connectionId = connectionId
  }

  onFrame(frame: Frame): void {
    this.heard.push(`${frame.bytes[0]}`)
  }

  onAttached(how: Attachedness): void {
    const { channelSerial, isResumed, hasBacklog, hasPresence, error } = how
    const { seq } = parseChannelSerial(channelSerial)!
    const words = [`attached ${seq}`]
    if (isResumed) words.push('resumed')
    if (hasBacklog) words.push('backlog')
    if (hasPresence) words.push('presence')
    if (error !== undefined) words.push(String(error.code))
    this.heard.push(words.join(' '))
  }

  onAttachRefused(error: ErrorInfo): void {
    this.heard.push(`refused ${error.code}`)
  }

  onContinuityLost(channelSerial: string, error: ErrorInfo, hasPresence: boolean): void {
    const words = [`lost ${parseChannelSerial(channelSerial)!.seq} ${error.code}`]
    if (hasPresence) words.push('presence')
    this.heard.push(words.join(' '))
  }

  /** What was called since it was last taken. */
  take(): string[] {
    return this.heard.splice(0)
  }
}

export class GroupBench {
  readonly deadlines = new Deadlines()
  readonly tally = new Tally()
  readonly group: LocalGroup
  readonly meter = new Meter('app')
  nowMs = 0
  #said: PeerMessage[] = []
  #opCount = 0

  constructor() {
    this.group = new LocalGroup(CHANNEL, {
      deadlines: this.deadlines,
      tally: this.tally,
      meter: this.meter,
      generation: 1,
      ownerBy: (claim) => ({ incarnation: 'me', worker: 0, generation: 1, claim }),
      askMembers: () => undefined,
      onGrace: () => undefined,
      nameOp: () => `me/0/1:${++this.#opCount}`,
      nowMs: () => this.nowMs,
      toClient: (_, message) => void this.#said.push(message)
    })
  }

  /** What the group said since the last call. */
  said(): PeerMessage[] {
    return this.#said.splice(0)
  }

  /** Kinds of what the group said, in order. */
  saidKinds(): string[] {
    return this.said().map(({ kind }) => kind)
  }

  pass(ms: number): void {
    this.nowMs += ms
    this.deadlines.fire(this.nowMs)
  }

  /** Answers one attach. */
  answer({ attachId }: Pick<Attach, 'attachId'>, seq: number, over: Partial<Attached> = {}): void {
    this.group.onClientMessage({
      kind: 'attached', channel: CHANNEL, attachId, standing: standing(seq), isResumed: false,
      error: undefined, backlog: [], ...over
    })
  }

  /** Seats a member and has its attach answered at `seq`. */
  seat(member: GroupMember, seq = 0, variant: Variant = json, from?: Standing): Seat {
    const seat = this.group.attach(member, variant, from)
    this.answer(ofKind(this.said(), 'attach').at(-1)!, seq)
    return seat
  }

  broadcast(...items: BroadcastItem[]): void {
    this.group.onClientMessage({
      kind: 'broadcast', channel: CHANNEL, standing: standing(items.at(-1)!.seq), items
    })
  }
}
