/**
 * The comet connections whose home this worker is, by the claim that their keys name. Requests for
 * them come from clients that reached this worker, and from other workers that clients reached.
 */

import type { Deadlines } from '../base/deadlines.ts'
import type { Now } from '../base/clock.ts'
import type { Size } from '../base/sizes.ts'
import type { CometAsked, CometLeft } from '../peer/comet-message.ts'
import { isSamePlace, type Place } from '../peer/place.ts'
import { Action } from '../wire/actions.ts'
import { errors } from '../wire/errors.ts'
import { jsonText } from '../wire/json.ts'
import type { CometRequest, CometResponder, CometSessions } from './comet-ports.ts'
import { type CometReply, errorBody } from './comet-reply.ts'
import { CometSocket, type CometSocketPorts, type Poll } from './comet-socket.ts'

const CLOSE = jsonText({ action: Action.CLOSE })
const DISCONNECT = jsonText({ action: Action.DISCONNECT })

export interface CometHomePorts {
  readonly deadlines: Deadlines
  readonly sessions: CometSessions
  now(): Now
}

/** What is wanted of a connection here. */
export type Wanted = Pick<CometAsked, 'connectionId' | 'claim' | 'wish' | 'frames' | 'hasMore'>

/** The answer to one request, wherever it came in. */
export type Answer = (statusCode: number, body: Uint8Array | undefined) => void

export class CometHome {
  readonly #sessions: CometSessions
  readonly #socketPorts: CometSocketPorts
  readonly #sockets = new Map<string, CometSocket>()
  /** Of requests that came in here, for those who hang up. */
  readonly #polls = new WeakMap<CometResponder, { socket: CometSocket; poll: Poll }>()

  constructor({ deadlines, sessions, now }: CometHomePorts) {
    this.#sessions = sessions
    const names = new Map<CometSocket, string>()
    this.#socketPorts = {
      deadlines,
      now,
      onCarries: (socket, connectionId, claim) => {
        const name = nameOf(connectionId, claim)
        names.set(socket, name)
        this.#sockets.set(name, socket)
      },
      onSpent: (socket) => {
        const name = names.get(socket)
        names.delete(socket)
        if (name !== undefined) this.#sockets.delete(name)
      },
      onHeard: (socket) => sessions.onHeard(socket),
      onSlow: (socket) => sessions.onSlow(socket),
      onLost: (socket) => sessions.onClosed(socket)
    }
  }

  /** Transports that have something to say yet, or may have. */
  get count(): number {
    return this.#sockets.size
  }

  *sizes(): Generator<Size> {
    for (const socket of this.#sockets.values()) yield* socket.sizes()
  }

  /** A client wants to be connected; `stream=true`: by a response that goes on. */
  connect({ query, isTls }: CometRequest, reply: CometReply): void {
    const poll = localPoll(reply, query.get('stream') === 'true')
    const socket = new CometSocket(poll, this.#socketPorts)
    this.#polls.set(reply.responder, { socket, poll })
    // Beats are the transport's: a request is answered with one, a response goes on with them.
    const asJson = new Map([...query, ['format', 'json'], ['heartbeats', 'false']])
    this.#sessions.onOpened({ socket, query: asJson, isTls })
  }

  /** A request for a connection came in here. */
  serve(wanted: Wanted, reply: CometReply, isStreamed: boolean): void {
    if (wanted.wish !== 'recv') {
      this.#tell(wanted, (statusCode, body) => reply.end(statusCode, body))
      return
    }
    const poll = localPoll(reply, isStreamed)
    const socket = this.#recv(wanted, poll)
    if (socket !== undefined) this.#polls.set(reply.responder, { socket, poll })
  }

  /** Another worker asks, for a client. */
  serveElsewhere(place: Place, asked: CometAsked, answer: Answer): void {
    const from = { place, askId: asked.askId }
    if (asked.wish !== 'recv') this.#tell(asked, answer)
    else this.#recv(asked, { from, stream: undefined, hasFrames: false, answer })
  }

  /** The client of a request that came in here hung up. */
  onGone(responder: CometResponder): void {
    const known = this.#polls.get(responder)
    if (known === undefined) return
    known.socket.onLeft(known.poll)
    if (known.poll.hasFrames) known.socket.tear()
  }

  /** The same of one that another worker carries. */
  onLeftElsewhere(place: Place, { askId, connectionId, claim, hasMissed }: CometLeft): void {
    const socket = this.#sockets.get(nameOf(connectionId, claim))
    if (socket === undefined) return
    const { poll } = socket
    const isIts = poll?.from?.askId === askId && isSamePlace(poll.from.place, place)
    if (poll !== undefined && isIts) socket.onLeft(poll)
    else if (hasMissed) socket.tear()
  }

  /** What was said to or by this place may be lost, answers too. */
  onPlaceLost(place: Place): void {
    for (const socket of [...this.#sockets.values()]) {
      if (socket.lastPlace !== undefined && isSamePlace(socket.lastPlace, place)) socket.lose()
    }
  }

  #recv(wanted: Wanted, poll: Poll): CometSocket | undefined {
    const socket = this.#find(wanted, poll.answer)
    socket?.recv(poll)
    return socket
  }

  /** What a client sends, and its last words. */
  #tell(wanted: Wanted, answer: Answer): void {
    const { wish, frames, hasMore } = wanted
    const whenKnown: Answer = hasMore ? () => undefined : answer
    const socket = this.#find(wanted, whenKnown)
    if (socket === undefined) return
    const said = wish === 'close' ? [CLOSE] : wish === 'disconnect' ? [DISCONNECT] : frames
    for (const frame of said) this.#sessions.onFrame(socket, frame, false)
    whenKnown(204, undefined)
  }

  #find({ connectionId, claim }: Wanted, answer: Answer): CometSocket | undefined {
    const socket = this.#sockets.get(nameOf(connectionId, claim))
    if (socket === undefined) {
      const holding = this.#sessions.holdingOf(connectionId)
      const closed = errors.connectionClosed().info
      const isClosed = holding.kind === 'ended' && holding.error.code === closed.code
      // Who is not told that it was closed resumes.
      const error = isClosed ? closed : errors.connectionNotFound().info
      answer(error.statusCode, errorBody(error))
    }
    return socket
  }
}

function nameOf(connectionId: string, claim: number): string {
  return `${connectionId}/${claim}`
}

function localPoll(reply: CometReply, isStreamed: boolean): Poll {
  return {
    from: undefined,
    stream: isStreamed ? reply : undefined,
    hasFrames: false,
    answer: (statusCode, body) => reply.end(statusCode, body)
  }
}
