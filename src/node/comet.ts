/**
 * Requests of comet connections that reach this worker (protocol 16). A connect makes this worker
 * the home of a connection. Every other request names its connection by its key, whose home may be
 * any worker of any node: there it is asked, over a link, and its answer is passed on.
 *
 *   request ──key, credentials──▶ here       answered by the home's own part (comet-home.ts)
 *                              └▶ elsewhere  asked: answered | in vain: no answer in time, the link
 *                                            lost, the home gone ──▶ 80003, and the client resumes
 *
 * Each request shows credentials of the app and key that the connection was opened with (16).
 */

import { namedClient } from '../auth/connect.ts'
import type { ConnectionFacts } from '../auth/connection-key.ts'
import type { Deadline } from '../base/deadlines.ts'
import { limits } from '../base/limits.ts'
import type { Size } from '../base/sizes.ts'
import type { CometAnswered, CometMessage } from '../peer/comet-message.ts'
import { firstNumberOf, isSamePlace, type Place } from '../peer/place.ts'
import { decodeBody } from '../wire/codec.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import { DEPTH_MAX, isJson } from '../wire/fields.ts'
import { jsonText } from '../wire/json.ts'
import { parseConnectParams } from '../wire/params.ts'
import { CometHome, type Wanted } from './comet-home.ts'
import type { CometPorts, CometRequest, CometResponder } from './comet-ports.ts'
import { CometReply } from './comet-reply.ts'

const UNREACHABLE = 'The home of the connection does not answer; connect again'

/** A request that another worker has to answer. */
interface Ask {
  readonly askId: number
  readonly place: Place
  readonly facts: ConnectionFacts
  readonly reply: CometReply
  /** True for those whose answers must not be lost. */
  readonly isRecv: boolean
  readonly deadline: Deadline
  hasLeft: boolean
  /** With what must not be lost. */
  isAnswered: boolean
}

export class Comet {
  readonly #ports: CometPorts
  readonly #home: CometHome
  readonly #asks = new Map<number, Ask>()
  readonly #askOf = new WeakMap<CometResponder, Ask>()
  #askNo: number

  constructor(ports: CometPorts) {
    this.#ports = ports
    this.#askNo = firstNumberOf(ports.self.generation)
    this.#home = new CometHome(ports)
  }

  /** Transports here, and requests that others have to answer. */
  get count(): number {
    return this.#home.count + this.#asks.size
  }

  *sizes(): Generator<Size> {
    yield ['cometAsksMax', this.#asks.size]
    yield* this.#home.sizes()
  }

  onRequest(request: CometRequest, responder: CometResponder): void {
    const reply = new CometReply(responder, this.#ports.outbox)
    if (request.wish === 'connect') {
      this.#home.connect(request, reply)
      return
    }
    const { connectionKey, query, wish } = request
    const facts = this.#ports.factsOf(connectionKey)
    const refusal = facts === undefined ? errors.invalidConnectionKey().info
      : this.#refusal(request, facts)
    if (facts === undefined || refusal !== undefined) {
      reply.refuse(refusal!)
      return
    }
    // Reading costs: it is for those who have proven who they are.
    const said = wish === 'send' ? framesOf(request.body) : { frames: [] }
    if ('error' in said) {
      reply.refuse(said.error)
    } else if (isSamePlace(facts.home, this.#ports.self)) {
      const { connectionId, claim } = facts
      const wanted = { connectionId, claim, wish, frames: said.frames, hasMore: false }
      this.#home.serve(wanted, reply, query.get('stream') === 'true')
    } else {
      this.#ask(facts, wish, said.frames, reply)
    }
  }

  /** The client hung up, or what it was answered did not reach it. */
  onGone(responder: CometResponder): void {
    this.#home.onGone(responder)
    const ask = this.#askOf.get(responder)
    if (ask === undefined || ask.hasLeft || !ask.isRecv) return
    ask.hasLeft = true
    this.#sayLeft(ask, ask.isAnswered)
  }

  onMessage(from: Place, message: CometMessage): void {
    switch (message.kind) {
      case 'cometAsked': {
        const { askId } = message
        this.#home.serveElsewhere(from, message, (statusCode, body) => {
          this.#send(from, { kind: 'cometAnswered', askId, statusCode, body })
        })
        return
      }
      case 'cometAnswered':
        this.#onAnswered(message)
        return
      case 'cometLeft':
        this.#home.onLeftElsewhere(from, message)
        return
    }
  }

  /** What was said to or by this place may be lost. */
  onPlaceLost(place: Place): void {
    this.#home.onPlaceLost(place)
    for (const ask of [...this.#asks.values()]) {
      if (isSamePlace(ask.place, place)) this.#giveUp(ask)
    }
  }

  #refusal({ query, isTls }: CometRequest, facts: ConnectionFacts): ErrorInfo | undefined {
    const parsed = parseConnectParams(query)
    if (!parsed.ok) return parsed.error.info
    const authenticated = this.#ports.prove({ ...parsed.params, isTls })
    if (!authenticated.ok) return authenticated.error.info
    const { appId, keyName, clientId } = authenticated.credentials
    if (facts.appId !== appId || facts.keyName !== keyName) {
      return errors.incompatibleCredentials().info
    }
    const [former, shown] = [namedClient(facts), namedClient({ clientId })]
    // An API key alone says nothing of who its bearer is: the connection's key does. And who has no
    // name yet may be about to be given one, by AUTH.
    if (former === undefined || shown === undefined || former === shown) return undefined
    return errors.incompatibleCredentials('The connection belongs to another clientId').info
  }

  #ask(facts: ConnectionFacts, wish: Wanted['wish'], frames: string[], reply: CometReply): void {
    const { home, connectionId, claim } = facts
    const { deadlines, now } = this.#ports
    const place = { incarnation: home.incarnation, worker: home.worker }
    if (this.#asks.size >= limits.cometAsksMax) {
      reply.refuse(errors.capacity().info)
      return
    }
    if (!this.#isThere(place)) {
      reply.refuse(errors.disconnected(UNREACHABLE).info)
      return
    }
    const askId = ++this.#askNo
    const isRecv = wish === 'recv'
    const waitMs = isRecv ? limits.cometRecvAnswerMs : limits.cometAnswerMs
    const deadline = deadlines.at(now().monoMs + waitMs, () => this.#giveUp(ask))
    const ask: Ask = {
      askId, place, facts, reply, isRecv, deadline, hasLeft: false, isAnswered: false
    }
    this.#asks.set(askId, ask)
    this.#askOf.set(reply.responder, ask)
    const asked = { kind: 'cometAsked', askId, connectionId, claim, wish } as const
    const parts = partsOf(frames)
    for (const [no, part] of parts.entries()) {
      this.#send(place, { ...asked, frames: part, hasMore: no + 1 < parts.length })
    }
  }

  #onAnswered({ askId, statusCode, body }: CometAnswered): void {
    const ask = this.#asks.get(askId)
    if (ask === undefined) return
    this.#forget(ask)
    ask.isAnswered = statusCode === 200
    if (!ask.hasLeft) ask.reply.end(statusCode, body)
    else if (ask.isAnswered) this.#sayLeft(ask, true)
  }

  /** Nobody knows what became of it: its client resumes, and the home must not go on behind it. */
  #giveUp(ask: Ask): void {
    this.#forget(ask)
    ask.reply.refuse(errors.disconnected(UNREACHABLE).info)
    if (ask.isRecv && !ask.hasLeft) this.#sayLeft(ask, true)
  }

  #sayLeft({ askId, place, facts: { connectionId, claim } }: Ask, hasMissed: boolean): void {
    this.#send(place, { kind: 'cometLeft', askId, connectionId, claim, hasMissed })
  }

  /** What is said to a place that is gone nobody would ever confirm. */
  #send(to: Place, message: CometMessage): void {
    if (this.#isThere(to)) this.#ports.send(to, message)
  }

  #isThere(place: Place): boolean {
    return place.incarnation === this.#ports.self.incarnation || this.#ports.isListed(place)
  }

  #forget(ask: Ask): void {
    this.#asks.delete(ask.askId)
    this.#ports.deadlines.cancel(ask.deadline)
  }
}

/** The frames in the body of a send: a JSON array of them, or one alone. */
function framesOf(body: Uint8Array | undefined): { frames: string[] } | { error: ErrorInfo } {
  const decoded = decodeBody(body ?? new Uint8Array(), 'json')
  if (!decoded.ok) return { error: decoded.error.info }
  const { value } = decoded
  const items: readonly unknown[] = Array.isArray(value) ? value : [value]
  // The engine cannot write again what is nested deeper than its stack; frames nest what they hold.
  if (!items.every((item) => isJson(item, 2 * DEPTH_MAX))) {
    return { error: errors.malformedBody('nested too deeply').info }
  }
  if (items.length > limits.cometSendFramesMax) {
    return { error: errors.tooManyMessages(items.length, limits.cometSendFramesMax).info }
  }
  const frames = items.map((item) => jsonText(item))
  const isTooLarge = frames.some((frame) => frame.length > limits.frameBytesMax ||
    Buffer.byteLength(frame, 'utf8') > limits.frameBytesMax)
  return isTooLarge ? { error: errors.frameTooLarge(limits.frameBytesMax).info } : { frames }
}

/** The frames in runs that links can carry; one, empty, for those who say nothing. */
function partsOf(frames: readonly string[]): string[][] {
  const parts: string[][] = [[]]
  let bytes = 0
  for (const frame of frames) {
    const size = Buffer.byteLength(frame, 'utf8')
    if (bytes > 0 && bytes + size > limits.cometResponseBytesMax) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)!.push(frame)
    bytes += size
  }
  return parts
}
