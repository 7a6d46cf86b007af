/**
 * The server side of one connection. It reads what the client sends, decides what the client may,
 * and owes it an answer to everything that wants one.
 *
 *   open ──CLOSE──▶ closed          CLOSED, then the socket is closed
 *     │ ──protocol broken──▶ closed ERROR with the cause
 *     │ ──socket gone──▶ parked     attachments leave their channels; what the client needs to
 *     │                             be resumed outlives the session (session/parking.ts)
 *     └ ──a higher claim──▶ superseded  DISCONNECTED 80016 (rule 20)
 *
 * Rules it keeps: answers on a socket are contiguous and in order (rule 18); each publish has its
 * id before its first hop (rule 16); an outcome that does not come in time ends the socket,
 * retriable, since only the client can send again what may or may not have been taken.
 */

import { allows } from '../auth/capability.ts'
import type { Credentials } from '../auth/key.ts'
import type { Deadlines } from '../base/deadlines.ts'
import type { Now } from '../base/clock.ts'
import { limits } from '../base/limits.ts'
import type { Tally } from '../base/tally.ts'
import { Action, Flag } from '../wire/actions.ts'
import { decodeProtocolMessage } from '../wire/codec.ts'
import { type ErrorInfo, errors, type ProtocolError } from '../wire/errors.ts'
import { encodeFrame, type Frame } from '../wire/frame.ts'
import { type ChannelName, parseChannelName } from '../wire/params.ts'
import type { Format, Message, ProtocolMessage } from '../wire/protocol-message.ts'
import { parseChannelSerial } from '../wire/serial.ts'
import { Acks, type Owed } from './acks.ts'
import { admitted, contentRefusal, grantOf, missingKind } from './admission.ts'
import { Attachment, type AttachmentOwner } from './attachment.ts'
import type { ChannelDoor } from './door.ts'
import { greeting } from './greeting.ts'
import { Overdue } from './overdue.ts'
import type { Parked } from './parking.ts'
import { TokenBucket } from './rate.ts'

/** What a session is, from its socket's opening on. */
export interface SessionOptions {
  readonly connectionId: string
  readonly connectionKey: string
  /** How often the connection was taken over so far (rule 20). */
  readonly claim: number
  /** Publishes up to this msgSerial had no outcome in time on a former socket (rule 18). */
  readonly doubtfulThrough: number
  readonly credentials: Credentials
  readonly format: Format
  /** False: the connection's own messages are not sent back to it. */
  readonly echoes: boolean
  /** True: the client wants HEARTBEAT frames; false: transport pings do. */
  readonly heartbeats: boolean
  readonly serverId: string
  readonly siteCode: string
}

/** A session's own transport. */
export interface Transport {
  write(frame: Frame): void
  /** Closes after what was written. */
  close(): void
}

/** How a session ends: without its socket; for good; or because another one carries it on. */
export type Ending = 'parked' | 'closed' | 'superseded'

/** What a session needs from its worker: one object for all of them. */
export interface SessionPorts {
  readonly channels: ChannelDoor
  readonly deadlines: Deadlines
  readonly tally: Tally
  now(): Now
  /** Answers have become ready: `flushAnswers` is to be called at the end of the turn. */
  answersReady(session: Session): void
  /** The first frame of the client: it has the key of this session's claim. */
  proven(session: Session): void
  /** Called once. */
  ended(session: Session, ending: Ending): void
  note(text: string): void
}

export class Session implements AttachmentOwner, Parked {
  readonly #options: SessionOptions
  readonly #transport: Transport
  readonly #ports: SessionPorts
  #attachments: Map<string, Attachment> | undefined
  #acks: Acks | undefined
  #rate: TokenBucket | undefined
  #overdue: Overdue | undefined
  #isOpen = true
  #isProven = false
  #doubtfulThrough: number
  heardAtMs: number

  constructor(options: SessionOptions, transport: Transport, ports: SessionPorts) {
    this.#options = options
    this.#doubtfulThrough = options.doubtfulThrough
    this.#transport = transport
    this.#ports = ports
    this.heardAtMs = ports.now().monoMs
  }

  get connectionId(): string {
    return this.#options.connectionId
  }

  get claim(): number {
    return this.#options.claim
  }

  get doubtfulThrough(): number {
    return this.#doubtfulThrough
  }

  get isProven(): boolean {
    return this.#isProven
  }

  get echoes(): boolean {
    return this.#options.echoes
  }

  get appId(): string {
    return this.#options.credentials.appId
  }

  get keyName(): string {
    return this.#options.credentials.keyName
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  get wantsHeartbeats(): boolean {
    return this.#options.heartbeats
  }

  get format(): Format {
    return this.#options.format
  }

  get attachmentCount(): number {
    return this.#attachments?.size ?? 0
  }

  /** Says CONNECTED (protocol 4.1); `error` says why a wanted resume was not one. */
  connected(error?: ErrorInfo): void {
    this.send(greeting(this.#options, error))
  }

  send(message: ProtocolMessage): void {
    if (this.#isOpen) this.#transport.write(encodeFrame(message, this.#options.format))
  }

  sendFrame(frame: Frame): void {
    this.#transport.write(frame)
  }

  /** Takes one frame of the client. */
  onFrame(data: Uint8Array | string, isBinary: boolean): void {
    if (!this.#isOpen) return
    this.heardAtMs = this.#ports.now().monoMs
    if (!this.#isProven) {
      this.#isProven = true
      this.#ports.proven(this)
    }
    const decoded = decodeProtocolMessage(data, isBinary ? 'msgpack' : 'json')
    if (decoded.ok) {
      this.#onMessage(decoded.message)
      return
    }
    const { error, envelope } = decoded
    if (error.scope === 'message' && envelope?.msgSerial !== undefined) {
      this.#refuse(this.#owe(envelope.msgSerial), error.info)
    } else if (error.scope === 'channel' && envelope?.channel !== undefined) {
      this.#channelError(envelope.channel, error.info)
    } else {
      this.end(error)
    }
  }

  /** Ends the connection for good: ERROR without a channel (protocol 4.4). */
  end(error: ProtocolError): void {
    this.send({ action: Action.ERROR, error: error.info })
    this.#close('closed')
  }

  /** Ends the socket; the client is to come back. */
  disconnect(error: ErrorInfo): void {
    this.send({ action: Action.DISCONNECTED, error })
    this.#close('parked')
  }

  /** Another socket, here or elsewhere, carries the connection on. */
  supersede(): void {
    this.send({ action: Action.DISCONNECTED, error: errors.connectionReplaced().info })
    this.#close('superseded')
  }

  /** The socket is gone. */
  onSocketClosed(): void {
    this.#close('parked', false)
  }

  /** Sends what answers are contiguous by now. */
  flushAnswers(): void {
    if (this.#acks === undefined || !this.#isOpen) return
    for (const answer of this.#acks.answers()) this.send(answer)
  }

  onAttachmentRefused(attachment: Attachment): void {
    this.#attachments?.delete(attachment.wireName)
  }

  describe(): string {
    const { connectionId, format } = this.#options
    const owed = this.#acks?.length ?? 0
    return `session ${connectionId} ${format} ${this.attachmentCount} attached, ${owed} owed`
  }

  #onMessage(message: ProtocolMessage): void {
    switch (message.action) {
      case Action.HEARTBEAT:
        if (message.id !== undefined) this.send({ action: Action.HEARTBEAT, id: message.id })
        return
      case Action.CLOSE:
        this.send({ action: Action.CLOSED })
        this.#close('closed')
        return
      case Action.DISCONNECT:
        this.#close('parked')
        return
      case Action.ATTACH:
        this.#onAttach(message)
        return
      case Action.DETACH:
        this.#onDetach(message.channel ?? '')
        return
      case Action.MESSAGE:
        this.#onPublish(message)
        return
      case Action.SYNC:
        // Nobody can be present yet, so the complete set is empty.
        this.send({ action: Action.SYNC, channel: message.channel, presence: [] })
        return
      case Action.AUTH:
        this.end(errors.notSupported('tokens'))
        return
      default:
        this.#onUnsupported(message)
    }
  }

  /** What we do not do yet is refused by its own code; what nobody knows is let pass. */
  #onUnsupported(message: ProtocolMessage): void {
    const { action, msgSerial } = message
    if (msgSerial === undefined) {
      this.#ports.note(`session ${this.connectionId}: ignored a frame of action ${action}`)
      return
    }
    const owed = this.#owe(msgSerial)
    if (action === Action.PRESENCE) this.#refuse(owed, errors.notSupported('presence').info)
    else if (action === Action.ANNOTATION) {
      this.#refuse(owed, errors.notSupported('annotations').info)
    } else if (action === Action.OBJECT) this.#refuse(owed, errors.notSupported('objects').info)
    else this.#refuse(owed, errors.badRequest(`Unknown action ${action}`).info)
  }

  #onAttach(message: ProtocolMessage): void {
    const wireName = message.channel ?? ''
    const parsed = parseChannelName(wireName)
    if (!parsed.ok) {
      this.#channelError(wireName, parsed.error.info)
      return
    }
    const grant = grantOf(parsed.name, message, this.#options.credentials, this.echoes)
    if ('code' in grant) {
      this.#channelError(wireName, grant)
      return
    }
    this.#attachments ??= new Map()
    const former = this.#attachments.get(wireName)
    if (former === undefined && this.#attachments.size >= limits.attachmentsPerSessionMax) {
      const error = errors.tooManyChannels(limits.attachmentsPerSessionMax)
      this.#channelError(wireName, error.info)
      return
    }
    if (former?.seat !== undefined) this.#ports.channels.detach(former.channel, former.seat)
    const channel = `${this.appId}/${parsed.name.base}`
    const serial = message.channelSerial
    const from = serial === undefined ? undefined : parseChannelSerial(serial)
    const isForeign = serial !== undefined && from === undefined
    const attachment = new Attachment(wireName, channel, this, grant, isForeign)
    this.#attachments.set(wireName, attachment)
    const variant = { format: this.#options.format, wireName }
    attachment.seat = this.#ports.channels.attach(channel, attachment, variant, from)
  }

  #onDetach(wireName: string): void {
    this.#drop(wireName)
    this.send({ action: Action.DETACHED, channel: wireName })
  }

  #drop(wireName: string): void {
    const attachment = this.#attachments?.get(wireName)
    if (attachment === undefined) return
    this.#attachments?.delete(wireName)
    if (attachment.seat !== undefined) {
      this.#ports.channels.detach(attachment.channel, attachment.seat)
    }
  }

  #channelError(wireName: string, error: ErrorInfo): void {
    this.#drop(wireName)
    this.send({ action: Action.ERROR, channel: wireName, error })
  }

  #onPublish(message: ProtocolMessage): void {
    const { msgSerial } = message
    if (msgSerial === undefined) {
      this.end(errors.protocolError('A MESSAGE must have a msgSerial'))
      return
    }
    const owed = this.#owe(msgSerial)
    const parsed = parseChannelName(message.channel ?? '')
    if (!parsed.ok) {
      this.#refuse(owed, parsed.error.info)
      return
    }
    const messages = message.messages ?? []
    const refusal = this.#publishRefusal(parsed.name, messages)
    if (refusal !== undefined) {
      this.#refuse(owed, refusal)
      return
    }
    const channel = `${this.appId}/${parsed.name.base}`
    this.#ports.tally.publishCount++
    this.#ports.tally.messageCount += messages.length
    const { connectionId, credentials } = this.#options
    const publish = admitted(connectionId, msgSerial, messages, credentials.clientId)
    this.#ports.channels.submit(channel, publish, (outcome) => {
      owed.outcome = outcome
      this.#ports.answersReady(this)
    })
  }

  #publishRefusal(name: ChannelName, messages: readonly Message[]): ErrorInfo | undefined {
    const missing = missingKind(name)
    if (missing !== undefined) return errors.notSupported(missing).info
    const { credentials } = this.#options
    const { monoMs } = this.#ports.now()
    this.#rate ??= new TokenBucket(limits.publishesPerSecondMax, monoMs)
    if (!this.#rate.take(monoMs)) return errors.rateLimited().info
    if (this.#acks !== undefined && this.#acks.length > limits.unansweredPerSessionMax) {
      return errors.rateLimited('Too many publishes without acknowledgement').info
    }
    if (!allows(credentials.capability, 'publish', name)) {
      return errors.capabilityDenied('publish', name.wire).info
    }
    const attachment = this.#attachments?.get(name.wire)
    if (attachment !== undefined && !attachment.has(Flag.PUBLISH)) {
      return errors.modeDenied('publish', name.wire).info
    }
    return contentRefusal(messages, credentials.clientId, name.wire)
  }

  #owe(msgSerial: number): Owed {
    const nowMs = this.#ports.now().monoMs
    this.#acks ??= new Acks()
    this.#overdue ??= new Overdue(this.#acks, this.#doubtfulThrough, {
      onAnswersReady: () => this.#ports.answersReady(this),
      onOverdue: (doubtfulThrough) => {
        this.#doubtfulThrough = doubtfulThrough
        this.flushAnswers()
        this.disconnect(errors.timeout().info)
      }
    }, this.#ports.deadlines)
    this.#overdue.watch(nowMs)
    return this.#acks.owe(msgSerial, nowMs)
  }

  #refuse(owed: Owed, error: ErrorInfo): void {
    this.#ports.tally.refusedCount++
    owed.outcome = { kind: 'refused', error }
    this.#ports.answersReady(this)
  }

  #close(ending: Ending, hasSocket = true): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#overdue?.stop()
    for (const wireName of this.#attachments?.keys() ?? []) this.#drop(wireName)
    if (hasSocket) this.#transport.close()
    this.#ports.ended(this, ending)
  }
}
