/**
 * The server side of one connection. It reads what the client sends, decides what the client may,
 * and owes it an answer to everything that wants one.
 *
 *   open ──CLOSE──▶ closed          CLOSED, then the socket is closed
 *     │ ──protocol broken──▶ closed ERROR with the cause
 *     │ ──socket gone──▶ parked     attachments leave their channels; what the client needs to
 *     │                             be resumed outlives the session (session/parking.ts)
 *     │ ──its token ends──▶ parked  DISCONNECTED 40142
 *     └ ──a higher claim──▶ superseded  DISCONNECTED 80016 (rule 20)
 *
 * Rules it keeps: answers on a socket are contiguous and in order (rule 18); each publish has its
 * id before its first hop (rule 16); an outcome that does not come in time ends the socket,
 * retriable, since only the client can send again what may or may not have been taken.
 */

import type { Credentials } from '../auth/key.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import { Action } from '../wire/actions.ts'
import { decodeFrame } from '../wire/codec.ts'
import { type ErrorInfo, errors, isTokenError, type ProtocolError } from '../wire/errors.ts'
import { encodeFrame, type Frame } from '../wire/frame.ts'
import { parseChannelName } from '../wire/params.ts'
import type { Format, ProtocolMessage } from '../wire/protocol-message.ts'
import type { Owed } from './acks.ts'
import { grantOf, kindRefusal, unsupported } from './admission.ts'
import type { Attachment } from './attachment.ts'
import { Attachments, type AttachmentsOwner } from './attachments.ts'
import { Debts } from './debts.ts'
import type { Outcome } from './door.ts'
import { greeting } from './greeting.ts'
import { Identity } from './identity.ts'
import { Intake } from './intake.ts'
import type { Parked } from './parking.ts'
import type { Past } from './past.ts'
import type { Account, Ending, SessionOptions, SessionPorts, Transport }
  from './session-ports.ts'
import { present, publish } from './submission.ts'
import type { TenureOwner } from './tenure.ts'

/** Clients that show that they live do so every few seconds. */
const HEARD_SOON_MS = 500

export class Session implements AttachmentsOwner, Parked, TenureOwner {
  readonly #options: SessionOptions
  readonly #transport: Transport
  readonly #ports: SessionPorts
  readonly #identity: Identity
  #attachments: Attachments | undefined
  #debts: Debts | undefined
  #intake: Intake | undefined
  #isOpen = true
  #isProven = false
  #messageCount = 0
  readonly #openedAtMs: number
  heardAtMs: number

  constructor(options: SessionOptions, transport: Transport, ports: SessionPorts) {
    this.#options = options
    this.#transport = transport
    this.#ports = ports
    this.#identity = new Identity(options, this, ports)
    this.#openedAtMs = ports.now().monoMs
    this.heardAtMs = this.#openedAtMs
  }

  get connectionId(): string { return this.#options.connectionId }

  get channelCountMax(): number { return this.#options.channelCountMax }

  get claim(): number { return this.#options.claim }

  get past(): Past { return this.#debts?.past ?? this.#options.past }

  get isProven(): boolean { return this.#isProven }

  get echoes(): boolean { return this.#options.echoes }

  get appId(): string { return this.credentials.appId }

  get isStream(): boolean { return this.#transport.name === 'sse' }

  /** Who the client is, and what it may do, by what it proved last. */
  get credentials(): Credentials { return this.#identity.credentials }

  get hasRoom(): boolean { return this.#transport.hasRoom }

  get isOpen(): boolean { return this.#isOpen }

  get wantsHeartbeats(): boolean { return this.#options.heartbeats }

  get format(): Format { return this.#options.format }

  get attachmentCount(): number { return this.#attachments?.size ?? 0 }

  /** Frames that want an answer and have none yet. */
  get owedCount(): number { return this.#debts?.length ?? 0 }

  get mayHaveLegacies(): boolean {
    const ageMs = this.#ports.now().monoMs - this.#openedAtMs
    return this.claim > 0 && ageMs < limits.connectionStateTtlMs
  }

  get inheritsMembers(): boolean { return this.#options.isRecovered && this.mayHaveLegacies }

  /** What events tell of it. */
  get account(): Account {
    const duration = Math.round(this.#ports.now().monoMs - this.#openedAtMs)
    const channels = this.#attachments?.attachedCount ?? 0
    return { transport: this.#transport.name, duration, channels, messages: this.#messageCount }
  }

  sizes(): Iterable<Size> { return this.#debts?.sizes() ?? [] }

  /** Says CONNECTED (protocol 4.1); `error` says why a wanted resume was not one. */
  connected(error?: ErrorInfo): void {
    const { connectionKey, credentials } = this.#identity
    this.send(greeting({ ...this.#options, connectionKey, credentials }, error))
    this.#identity.begin()
  }

  /** The client has other rights from now on: its attachments have no more than those. */
  become(credentials: Credentials): void {
    this.#identity.credentials = credentials
    for (const wireName of this.#attachments?.regrant(credentials) ?? []) {
      this.#channelError(wireName, errors.capabilityDenied('attach', wireName).info)
    }
  }

  /** Its token ends soon. */
  onExpiring(): void { this.send({ action: Action.AUTH }) }

  onExpired(): void { this.disconnect(errors.tokenExpired().info) }

  send(message: ProtocolMessage): void {
    if (this.#isOpen) this.#transport.write(encodeFrame(message, this.#options.format))
  }

  sendFrame(frame: Frame): void { this.#transport.write(frame) }

  /** Takes one frame of the client. */
  onFrame(data: Uint8Array | string, isBinary: boolean): void {
    if (!this.#isOpen) return
    this.heardAtMs = this.#ports.now().monoMs
    if (!this.#isProven) {
      this.#isProven = true
      this.#ports.proven(this)
    }
    const excess = this.#taken.onFrame(this.heardAtMs) ?? this.#debtRefusal()
    if (excess !== undefined) {
      this.disconnect(excess)
      return
    }
    // Counted as characters where it is text: never more than its bytes.
    if (data.length > limits.frameBytesMax) {
      this.end(errors.frameTooLarge(limits.frameBytesMax))
      return
    }
    const decoded = decodeFrame(data, isBinary)
    if (decoded.ok) {
      this.#onMessage(decoded.message, data.length)
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

  /** The client shows that it lives. Who does so again and again is counted. */
  onHeard(): void {
    const { monoMs } = this.#ports.now()
    const isSoon = monoMs - this.heardAtMs < HEARD_SOON_MS
    this.heardAtMs = monoMs
    const excess = isSoon ? this.#taken.onFrame(monoMs) : undefined
    if (excess !== undefined) this.disconnect(excess)
  }

  /** Ends the connection for good: ERROR without a channel (protocol 4.4). */
  end(error: ProtocolError): void {
    this.send({ action: Action.ERROR, error: error.info })
    this.#close('closed', true, error.info)
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
  onSocketClosed(): void { this.#close('parked', false) }

  /** Sends what answers are contiguous by now. */
  flushAnswers(): void {
    if (this.#debts === undefined || !this.#isOpen) return
    for (const answer of this.#debts.answers()) this.send(answer)
  }

  onAttachmentRefused(attachment: Attachment): void {
    this.#attachments?.forget(attachment, this.#options.remainPresentForMs)
  }

  describe(): string {
    const { connectionId: id, format } = this.#options
    return `session ${id} ${format} ${this.attachmentCount} attached, ${this.owedCount} owed`
  }

  #onMessage(message: ProtocolMessage, bytes: number): void {
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
      case Action.PRESENCE:
        this.#onSubmission(message, this.#owe(message.msgSerial!, bytes))
        return
      case Action.SYNC:
        if (this.#excessOf(1) === undefined) this.#attachments?.sync(message.channel ?? '')
        return
      case Action.AUTH:
        this.#onAuth(message.auth?.accessToken)
        return
      default:
        this.#onUnsupported(message)
    }
  }

  /** What we do not do yet is refused by its own code; what nobody knows is let pass. */
  #onUnsupported({ action, msgSerial }: ProtocolMessage): void {
    if (msgSerial !== undefined) this.#refuse(this.#owe(msgSerial), unsupported(action))
    else this.#ports.note(`session ${this.connectionId}: ignored a frame of action ${action}`)
  }

  /** The connection goes on with another token, or ends (protocol 4.7). */
  #onAuth(accessToken: string | undefined): void {
    const refusal = this.#identity.renew(accessToken)
    if (refusal === undefined) {
      this.connected()
      this.become(this.credentials)
    } else if (isTokenError(refusal.info)) {
      // Who can get a better token comes back with it, and goes on.
      this.disconnect(refusal.info)
    } else {
      this.end(refusal)
    }
  }

  #onAttach(message: ProtocolMessage): void {
    const wireName = message.channel ?? ''
    const parsed = parseChannelName(wireName)
    if (!parsed.ok) {
      this.#channelError(wireName, parsed.error.info)
      return
    }
    if (!this.#taken.takeAttach()) {
      this.#allAttachments.refuse(wireName)
      this.#sayDetached(wireName, errors.tooManyAttaches().info)
      return
    }
    const grant = this.#identity.refusalOn(parsed.name) ??
      grantOf(parsed.name, message, this.credentials, this.echoes)
    if ('code' in grant) {
      this.#channelError(wireName, grant)
      return
    }
    const refusal = this.#allAttachments.attach(parsed.name, grant, message)
    if (refusal !== undefined) this.#channelError(wireName, refusal)
  }

  #onDetach(wireName: string): void {
    const isKnown = this.#attachments?.get(wireName) !== undefined
    const mayAsk = isKnown || this.#taken.takeAttach()
    this.#allAttachments.detach(wireName, mayAsk, () => this.#sayDetached(wireName))
  }

  #sayDetached(channel: string, error?: ErrorInfo): void {
    this.send({ action: Action.DETACHED, channel, error })
  }

  #channelError(wireName: string, error: ErrorInfo): void {
    this.#attachments?.fail(wireName)
    this.send({ action: Action.ERROR, channel: wireName, error })
    this.#ports.channelFailed(this, wireName, error)
  }

  /** A frame that wants an answer goes on its way, or is refused. */
  #onSubmission(message: ProtocolMessage, owed: Owed): void {
    const parsed = parseChannelName(message.channel ?? '')
    if (!parsed.ok) {
      this.#refuse(owed, parsed.error.info)
      return
    }
    const count = (message.messages ?? message.presence)?.length ?? 0
    const isPresence = message.action === Action.PRESENCE
    const onOutcome = (outcome: Outcome): void => {
      if (outcome.kind === 'refused') this.#countRefused(isPresence, count, outcome.error)
      owed.outcome = outcome
      this.#ports.answersReady(this)
    }
    const [{ name }, { msgSerial, isAgain }] = [parsed, owed]
    const isEarly = this.#attachments?.hasBegun !== true
    const said = { name, msgSerial, message, isAgain, isEarly }
    const attachment = this.#attachments?.get(name.wire)
    const speaker = { options: this.#options, identity: this.#identity, attachment }
    const submit = isPresence ? present : publish
    const refusal = (isAgain ? undefined : this.#excessOf(count)) ?? kindRefusal(name) ??
      this.#identity.refusalOn(name) ?? submit(speaker, said, this.#ports, onOutcome)
    if (refusal === undefined) {
      this.#messageCount += message.messages?.length ?? 0
      if (isPresence && attachment === undefined) {
        this.#allAttachments.expect(name, this.#options.remainPresentForMs)
      }
      return
    }
    this.#countRefused(isPresence, count, refusal)
    this.#refuse(owed, refusal)
  }

  #countRefused(isPresence: boolean, count: number, { statusCode }: ErrorInfo): void {
    const { messages, presence } = this.#ports.meters.of(this.appId).inboundRealtime
    const traffic = isPresence ? presence : messages
    traffic.turnAway(count, statusCode)
  }

  get #allAttachments(): Attachments {
    return this.#attachments ??= new Attachments(this, this.#ports)
  }

  get #taken(): Intake {
    return this.#intake ??= new Intake(this.#options.messagesPerSecondMax, this.heardAtMs)
  }

  /** Why no frame with so many messages may be let in now, whatever they say. */
  #excessOf(count: number): ErrorInfo | undefined {
    if (!this.#taken.takeMessages(count)) return errors.rateLimited().info
    return this.#debts?.refusal
  }

  /** What is refused waits for its answer behind what has no outcome yet. */
  #debtRefusal(): ErrorInfo | undefined {
    if (this.#debts === undefined || this.#debts.hasRoom) return undefined
    this.flushAnswers()
    if (this.#debts.hasRoom) return undefined
    return errors.disconnected('Too much waits for its answer').info
  }

  #owe(msgSerial: number, bytes = 0): Owed {
    const { monoMs } = this.#ports.now()
    this.#debts ??= new Debts(this.#options.past, monoMs, {
      onAnswersReady: () => this.#ports.answersReady(this),
      onOverdue: () => {
        this.flushAnswers()
        this.disconnect(errors.timeout().info)
      }
    }, this.#ports.deadlines)
    return this.#debts.owe(msgSerial, bytes, monoMs)
  }

  #refuse(owed: Owed, error: ErrorInfo): void {
    this.#ports.tally.refusedCount++
    this.#debts?.refuse(owed, error)
  }

  #close(ending: Ending, hasSocket = true, error?: ErrorInfo): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#debts?.stop()
    this.#identity.stop()
    if (ending === 'closed') this.#attachments?.closeAll()
    else this.#attachments?.parkAll(this.#options.remainPresentForMs)
    if (hasSocket) this.#transport.close()
    this.#ports.ended(this, ending, error)
  }
}
