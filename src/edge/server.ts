/**
 * The public port of one worker: WebSockets on `/`, and HTTP beside them. All workers of a node
 * listen on the same port with `reusePort`, and the kernel spreads connections over them.
 */

import websocket from '@fastify/websocket'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerOptions, WebSocket } from 'ws'
import { limits } from '../base/limits.ts'
import type { SocketOpening, WorkerInput } from '../node/ports.ts'
import { queryOf } from '../node/request.ts'
import { serveComet } from './comet.ts'
import { isTls } from './opening.ts'
import { answerError, askCore, serveRequests, useRestConventions } from './rest.ts'
import { refuseUnread } from './unread.ts'
import { errors } from '../wire/errors.ts'
import { type Provisioner, serveSandbox } from './sandbox.ts'
import { WebSocketTransport } from './socket.ts'
import { serveSse } from './sse.ts'

export interface EdgeOptions {
  readonly host: string
  readonly port: number
  /** Connections that may be open at once; who comes then is closed without a word. */
  readonly connectionsMax: number
  /** Absent in production: then nothing of the sandbox is served. */
  readonly provisioner?: Provisioner
}

export interface EdgePorts {
  input(input: WorkerInput): void
  note(text: string): void
}

export interface Edge {
  readonly port: number
  /** Stops listening and ends what is open. */
  close(): Promise<void>
}

/**
 * Listens. Rejects with an Error whose message names the address and the cause (a port in use,
 * an address that is not ours, missing rights).
 */
export async function startEdge(options: EdgeOptions, ports: EdgePorts): Promise<Edge> {
  const server = fastify({
    bodyLimit: limits.requestBodyBytesMax,
    requestTimeout: limits.requestBodyMs,
    http: {
      maxHeaderSize: limits.requestHeadBytesMax,
      headersTimeout: limits.requestHeadMs,
      shouldUpgradeCallback: isForWebSocket,
      connectionsCheckingInterval: limits.requestHeadMs / 4
    },
    // Connection keys stand in the paths of comet requests.
    routerOptions: { maxParamLength: limits.connectionKeyLengthMax },
    clientErrorHandler: refuseUnread,
    // What the router cannot even read has our shape, too.
    frameworkErrors: (error, request, reply) => {
      void answerError(request, reply, errors.badRequest(error.message).info)
    }
  })
  await server.register(websocket, {
    options: {
      // What is larger than a frame may be is refused with its error; above that, cut off.
      maxPayload: limits.frameBytesReadMax,
      maxFragments: limits.fragmentsPerFrameMax,
      maxBufferedChunks: limits.piecesPerFrameMax,
      perMessageDeflate: false,
      clientTracking: false,
      autoPong: false,
      closeTimeout: limits.closingMs
    } as Omit<ServerOptions, 'WebSocket' | 'path'>
  })
  server.server.maxConnections = options.connectionsMax
  useRestConventions(server, ports.note)
  serveSockets(server, ports)
  serveComet(server, ports)
  serveSse(server, ports)
  server.get('/is-the-internet-up.txt', async (_request, reply) => {
    return reply.header('content-type', 'text/plain').send('yes\n')
  })
  if (options.provisioner !== undefined) serveSandbox(server, options.provisioner)
  serveRequests(server, ports.input)
  const { host, port } = options
  const listening = { host, port, reusePort: true }
  try {
    await server.listen(listening)
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    throw new Error(`cannot listen on ${host}:${port}: ${cause}`)
  }
  const address = server.server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  return { port: bound, close: () => server.close() }
}

/** Some clients of HTTP offer with a request to go on in HTTP/2; it is answered as any other. */
function isForWebSocket({ headers: { upgrade } }: IncomingMessage): boolean {
  return upgrade?.toLowerCase() === 'websocket'
}

function serveSockets(server: FastifyInstance, ports: EdgePorts): void {
  const responses = new WeakMap<IncomingMessage, ServerResponse>()
  const preHandler = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    responses.set(request.raw, reply.raw)
  }
  const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    return askCore(request, reply, ports.input)
  }
  const wsHandler = (webSocket: WebSocket, request: FastifyRequest): void => {
    const stream = request.raw.socket
    const how = { query: queryOf(request.raw.url ?? '/'), isTls: isTls(request.raw) }
    // The HTTP request, its response and what the framework made of them would live as long as
    // the socket, at several KB each, through the listeners that were set while upgrading.
    webSocket.removeAllListeners('error')
    responses.get(request.raw)?.detachSocket(stream)
    responses.delete(request.raw)
    open(new WebSocketTransport(webSocket, stream), how, ports)
  }
  server.route({ method: 'GET', url: '/', preHandler, handler, wsHandler })
}

function open(
  socket: WebSocketTransport,
  how: Pick<SocketOpening, 'query' | 'isTls'>,
  ports: EdgePorts
): void {
  const { webSocket } = socket
  webSocket.on('message', (data: Buffer, isBinary: boolean) => {
    ports.input({ kind: 'socketFrame', socket, data, isBinary })
  })
  webSocket.on('ping', (data: Buffer) => {
    socket.pong(data)
    ports.input({ kind: 'socketHeard', socket })
  })
  webSocket.on('pong', () => ports.input({ kind: 'socketHeard', socket }))
  webSocket.on('close', () => ports.input({ kind: 'socketClosed', socket }))
  webSocket.on('error', (error) => {
    // The close event follows; what the client did wrong (a frame too large, not UTF-8) it is
    // told by the closing code.
    ports.note(`socket error: ${error.message}`)
  })
  ports.input({ kind: 'socketOpened', opening: { socket, ...how } })
}
