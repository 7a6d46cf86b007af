/**
 * Server-sent events (protocol 18): a session like any, that attaches for its client and says what
 * it hears as events. It has no key to come back with, so it is closed when its client is gone; a
 * client that comes back shows the id of the last event that it got.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { WorkerInput } from '../node/ports.ts'
import { Action } from '../wire/actions.ts'
import { isTls } from './opening.ts'
import { RawAnswer } from './raw-answer.ts'
import { answerError, refuseOthers } from './rest.ts'
import { SseFrames } from './sse-events.ts'
import { sseRequestOf } from './sse-request.ts'
import { type SsePorts, SseSocket } from './sse-socket.ts'

export interface SseEdgePorts {
  input(input: WorkerInput): void
}

/** Serves `/sse` and `/event-stream`. */
export function serveSse(server: FastifyInstance, { input }: SseEdgePorts): void {
  const socketPorts: SsePorts = {
    send: (socket, message) => {
      // Not in the midst of a turn: a socket is written when one is over.
      setImmediate(() => {
        input({ kind: 'socketFrame', socket, data: JSON.stringify(message), isBinary: false })
      })
    },
    onHeard: (socket) => setImmediate(() => input({ kind: 'socketHeard', socket })),
    frames: new SseFrames()
  }
  const open = (request: FastifyRequest, reply: FastifyReply): unknown => {
    const read = sseRequestOf(request)
    if (!read.ok) return answerError(request, reply, read.error)
    const answer = new RawAnswer(reply, 'text/event-stream', () => {
      const data = JSON.stringify({ action: Action.CLOSE })
      input({ kind: 'socketFrame', socket, data, isBinary: false })
      input({ kind: 'socketClosed', socket })
    })
    const socket = new SseSocket(read.asked, answer, socketPorts)
    const { query } = read.asked
    input({ kind: 'socketOpened', opening: { socket, query, isTls: isTls(request.raw) } })
    return undefined
  }
  for (const url of ['/sse', '/event-stream']) {
    server.get(url, { exposeHeadRoute: false }, open)
    refuseOthers(server, url, 'GET')
  }
}
