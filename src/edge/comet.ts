/**
 * The comet transport (protocol 16): HTTP requests become requests of the core and back. What they
 * mean is decided there; this knows paths, headers and when a client has hung up.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { limits } from '../base/limits.ts'
import type { CometRequest, CometResponder } from '../node/comet-ports.ts'
import type { WorkerInput } from '../node/ports.ts'
import { isTls, openingParams } from './opening.ts'
import { RawAnswer } from './raw-answer.ts'
import { refuseOthers } from './rest.ts'

export interface CometEdgePorts {
  input(input: WorkerInput): void
}

/** Serves the paths below `/comet/`. */
export function serveComet(server: FastifyInstance, ports: CometEdgePorts): void {
  const serve = (wish: CometRequest['wish'], url: string): void => {
    const method = wish === 'send' ? 'POST' : 'GET'
    const bodyLimit = wish === 'send' ? limits.cometSendBytesMax : limits.requestBodyBytesMax
    const handler = (request: FastifyRequest, reply: FastifyReply): void => {
      ask(wish, request, reply, ports)
    }
    server.route({ method, url, bodyLimit, handler, exposeHeadRoute: false })
    refuseOthers(server, url, method)
  }
  serve('connect', '/comet/connect')
  for (const wish of ['recv', 'send', 'close', 'disconnect'] as const) {
    serve(wish, `/comet/:key/${wish}`)
  }
}

class CometAnswer implements CometResponder {
  readonly #answer: RawAnswer

  constructor(reply: FastifyReply, ports: CometEdgePorts) {
    this.#answer = new RawAnswer(reply, 'application/json', () => {
      ports.input({ kind: 'cometGone', responder: this })
    })
  }

  get queuedBytes(): number {
    return this.#answer.waitingBytes
  }

  write(bytes: Uint8Array): void {
    this.#answer.write(bytes)
  }

  end(statusCode: number, body: Uint8Array | undefined): void {
    this.#answer.end(statusCode, body)
  }
}

function ask(
  wish: CometRequest['wish'],
  request: FastifyRequest,
  reply: FastifyReply,
  ports: CometEdgePorts
): void {
  const { key = '' } = request.params as { readonly key?: string }
  const asked: CometRequest = {
    wish,
    connectionKey: key,
    query: openingParams(request),
    body: request.body instanceof Uint8Array ? request.body : undefined,
    isTls: isTls(request.raw)
  }
  ports.input({ kind: 'comet', request: asked, responder: new CometAnswer(reply, ports) })
}
