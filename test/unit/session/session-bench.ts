/**
 * A session on a bench: its socket is a list of what was written, its channels are a door that
 * does nothing until the test says so, and its clock is the test's.
 */

import type { NamespaceConfig } from '../../../src/auth/app.ts'
import { parseCapability } from '../../../src/auth/capability.ts'
import type { Credentials } from '../../../src/auth/key.ts'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { limits } from '../../../src/base/limits.ts'
import { Tally } from '../../../src/base/tally.ts'
import type { AdmittedPresence, AdmittedPublish, ChannelDoor, Departure, Ears, Outcome, Start }
  from '../../../src/session/door.ts'
import { nothingSaid } from '../../../src/session/past.ts'
import { Session } from '../../../src/session/session.ts'
import type { Ending, SessionOptions } from '../../../src/session/session-ports.ts'
import { decodeProtocolMessage, encodeProtocolMessage } from '../../../src/wire/codec.ts'
import { errors } from '../../../src/wire/errors.ts'
import { type Frame, payloadOf } from '../../../src/wire/frame.ts'
import type { ProtocolMessage } from '../../../src/wire/protocol-message.ts'
import type { ChannelSerial } from '../../../src/wire/serial.ts'
import { oneMeter } from '../../support/meters.ts'

/** Credentials of app `app`; `capability` as its JSON would be. */
export function credentials(
  capability: Record<string, string[]> = { '*': ['*'] },
  clientId?: string
): Credentials {
  const parsed = parseCapability(capability)
  if (!parsed.ok) throw new Error(parsed.error.info.message)
  return { appId: 'app', keyName: 'app.key', clientId, capability: parsed.capability }
}

/** A seat as the door gave it out. */
export interface TestSeat {
  readonly channel: string
  readonly ears: Ears
  readonly variant: { format: string; wireName: string }
  readonly from: ChannelSerial | undefined
  readonly rewind: Start['rewind']
  readonly former: object | undefined
  /** Where its ears stand when they leave, if anywhere. */
  stands: ChannelSerial | undefined
  isDetached: boolean
}

/** A publish that the door was given; `settle` calls its outcome. */
export interface TestSubmit {
  readonly channel: string
  readonly publish: AdmittedPublish
  readonly settle: (outcome: Outcome) => void
}

/** Presence that the door was given. */
export interface TestPresent {
  readonly channel: string
  readonly said: AdmittedPresence
  readonly settle: (outcome: Outcome) => void
}

/** What channels are to a session, with nothing behind it. */
export class TestDoor implements ChannelDoor {
  readonly seats: TestSeat[] = []
  submits: TestSubmit[] = []
  presents: TestPresent[] = []
  readonly leaves: string[] = []
  /** True: nobody leaves before what is in `leaving` is called. */
  isSlow = false
  readonly leaving: (() => void)[] = []
  readonly syncs: string[] = []

  attach(channel: string, ears: Ears, variant: TestSeat['variant'],
    { from, rewind, former }: Start): object {
    const how = { from, rewind, former, stands: undefined, isDetached: false }
    const seat = { channel, ears, variant, ...how }
    this.seats.push(seat)
    return seat
  }

  detach(channel: string, seat: object): ChannelSerial | undefined {
    const found = this.seats.find((each) => each === seat)
    if (found === undefined || found.channel !== channel) throw new Error('no such seat')
    if (found.isDetached) throw new Error('detached twice')
    found.isDetached = true
    return found.stands
  }

  submit(channel: string, publish: AdmittedPublish, settle: (outcome: Outcome) => void): void {
    this.submits.push({ channel, publish, settle })
  }

  present(channel: string, said: AdmittedPresence, settle: (outcome: Outcome) => void): void {
    this.presents.push({ channel, said, settle })
  }

  leave(channel: string, { connectionId, claim, afterMs, endsLegacies, onLeft }: Departure): void {
    const also = endsLegacies === true ? ', legacies too' : ''
    this.leaves.push(`${channel} ${connectionId} ${claim} ${afterMs}${also}`)
    if (this.isSlow) this.leaving.push(() => onLeft?.())
    else onLeft?.()
  }

  overrule(): void {
    throw new Error('sessions do not say that')
  }

  announce(channel: string, seat: object): void {
    const found = this.taken.find((each) => each === seat)
    if (found === undefined || found.channel !== channel) throw new Error('no such seat')
    const channelSerial = 'standing'
    found.ears.onAttached({ channelSerial, isResumed: true, hasBacklog: false,
      hasPresence: found.ears.hearsPresence, error: undefined })
  }

  sync(channel: string): void {
    this.syncs.push(channel)
  }

  /** Seats that are taken. */
  get taken(): TestSeat[] {
    return this.seats.filter(({ isDetached }) => !isDetached)
  }
}

export class SessionBench {
  readonly deadlines = new Deadlines()
  readonly tally = new Tally()
  readonly meters = oneMeter()
  readonly door = new TestDoor()
  readonly notes: string[] = []
  readonly session: Session
  nowMs = 0
  /** How far the wall clock is ahead. */
  wallSkewMs = 0
  closeCount = 0
  provenCount = 0
  readonly endings: Ending[] = []
  /** What tokens prove, by their text. */
  readonly tokens = new Map<string, Credentials>()
  readonly namespaces = new Map<string, NamespaceConfig>()
  #written: Frame[] = []
  #isReady = false

  /** `transport`: what its socket is called. */
  constructor(over: Partial<SessionOptions> = {}, transport = 'web_socket') {
    this.session = new Session({
      connectionId: 'conn', connectionKey: 'conn!key', claim: 0, past: nothingSaid,
      credentials: credentials(),
      lineage: undefined, isRecovered: false, isTls: false, format: 'json', echoes: true,
      heartbeats: true,
      serverId: 'node', siteCode: 'here',
      remainPresentForMs: 15_000, presenceMembersMax: undefined,
      channelCountMax: limits.attachmentsPerSessionMax, channelRateMax: undefined,
      messagesPerSecondMax: limits.messagesPerSecondMax, messageBytesMax: limits.messageBytesMax,
      ...over
    }, {
      name: transport,
      hasRoom: true,
      write: (frame) => void this.#written.push(frame),
      close: () => void this.closeCount++
    }, {
      channels: this.door,
      deadlines: this.deadlines,
      tally: this.tally,
      meters: this.meters,
      now: () => ({ monoMs: this.nowMs, wallMs: this.nowMs + this.wallSkewMs }),
      answersReady: () => {
        this.#isReady = true
      },
      proven: () => void this.provenCount++,
      authenticate: (token) => {
        const proven = this.tokens.get(token)
        return proven === undefined ? { ok: false, error: errors.tokenUnrecognised() }
          : { ok: true, credentials: proven }
      },
      connectionKeyOf: (_, { clientId }) => `conn!key of ${clientId}`,
      namespaceOf: (_, base) => this.namespaces.get(base),
      channelFailed: () => undefined,
      ended: (_, ending) => void this.endings.push(ending),
      note: (text) => void this.notes.push(text)
    })
  }

  /** Frames as they were written since the last call, after the turn's end. */
  frames(): Frame[] {
    if (this.#isReady) this.session.flushAnswers()
    this.#isReady = false
    return this.#written.splice(0)
  }

  /** What was said to the client since the last call. */
  said(): ProtocolMessage[] {
    return this.frames().map((frame) => {
      const decoded = decodeProtocolMessage(payloadOf(frame), frame.isBinary ? 'msgpack' : 'json')
      if (!decoded.ok) throw new Error(decoded.error.info.message)
      return decoded.message
    })
  }

  /** The client sends a frame in the session's format. */
  send(message: ProtocolMessage): void {
    const { format } = this.session
    const bytes = encodeProtocolMessage(message, format)
    const isBinary = format === 'msgpack'
    this.session.onFrame(isBinary ? bytes : Buffer.from(bytes).toString(), isBinary)
  }

  publish(msgSerial: number, over: Partial<ProtocolMessage> = {}): void {
    const messages = [{ data: `m${msgSerial}`, encoding: undefined }]
    this.send({ action: 15, channel: 'c', msgSerial, messages, ...over })
  }

  attach(channel = 'c', over: Partial<ProtocolMessage> = {}): void {
    this.send({ action: 10, channel, ...over })
  }

  /** The outcome of the oldest publish that has none. */
  commit(serial = 's'): void {
    this.door.submits.shift()!.settle({ kind: 'committed', serials: [serial] })
  }

  pass(ms: number): void {
    this.nowMs += ms
    this.deadlines.fire(this.nowMs)
  }
}

/** Answers as the msgSerials that they cover: `ACK 3`, `NACK 4 42911`, in order. */
export function answered(messages: readonly ProtocolMessage[]): string[] {
  return messages.flatMap(({ action, msgSerial, count, error }) => {
    if (action !== 1 && action !== 2) return []
    return Array.from({ length: count! }, (_, at) =>
      action === 1 ? `ACK ${msgSerial! + at}` : `NACK ${msgSerial! + at} ${error!.code}`)
  })
}
