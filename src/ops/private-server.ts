/**
 * The private port of a node: liveness, readiness, the probe that peers use, metrics and admin.
 * Never on the public listener. Liveness speaks of our own event loops only: with Kubernetes and
 * NATS both away the pod must not be killed, since it holds the sockets.
 */

import fastify, { type FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import type { Drain } from '../region/terms.ts'

/** What the private port shows of its node. */
export interface NodeFacts {
  readonly incarnation: string
  readonly isMeshUp: boolean
  readonly viewVersion: number
  readonly standing: string
  readonly connections: number
  /** Whether its region sends its clients to others. */
  readonly drain: Drain
  /** Why the node cannot take clients, or undefined when it can. */
  readonly unreadyBecause: string | undefined
  /** Why its event loops are not what they should be, or undefined. */
  readonly notLivingBecause: string | undefined
  /** Why a restart would hurt now, or undefined when it would not. */
  readonly noRestartBecause: string | undefined
}

export interface PrivateServerPorts {
  facts(): NodeFacts
  describe(): Promise<readonly string[]>
  drain(): void
  readonly metrics: Registry
}

/** Listens on `host:port`; rejects with an Error that names the address and the cause. */
export async function startPrivateServer(
  host: string,
  port: number,
  ports: PrivateServerPorts
): Promise<{ port: number; close(): Promise<void> }> {
  const server = fastify()
  serveHealth(server, ports)
  server.get('/metrics', async (_request, reply) => {
    return reply.header('content-type', ports.metrics.contentType).send(
      await ports.metrics.metrics()
    )
  })
  server.get('/debug', async (_request, reply) => {
    return reply.header('content-type', 'text/plain').send((await ports.describe()).join('\n'))
  })
  server.post('/admin/drain', async (_request, reply) => {
    ports.drain()
    return reply.code(202).send({ ok: true })
  })
  try {
    await server.listen({ host, port })
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    throw new Error(`cannot listen on ${host}:${port} (private port): ${cause}`)
  }
  const address = server.server.address()
  const bound = typeof address === 'object' && address !== null ? address.port : port
  return { port: bound, close: () => server.close() }
}

function serveHealth(server: FastifyInstance, ports: PrivateServerPorts): void {
  type Reason = (facts: NodeFacts) => string | undefined
  const verdict = (path: string, reasonIn: Reason, no: number): void => {
    server.get(path, async (_request, reply) => {
      const reason = reasonIn(ports.facts())
      if (reason === undefined) return { ok: true }
      return reply.code(no).send({ ok: false, reason })
    })
  }
  verdict('/livez', (facts) => facts.notLivingBecause, 503)
  verdict('/readyz', (facts) => facts.unreadyBecause, 503)
  verdict('/admin/can-restart', (facts) => facts.noRestartBecause, 409)
  server.get('/admin/clients', async () => {
    const { connections, drain } = ports.facts()
    return { connections, drain }
  })
  server.get('/probe', async () => {
    const { incarnation, isMeshUp, viewVersion, standing, connections } = ports.facts()
    return { incarnation, isMeshUp, viewVersion, standing, connections }
  })
}
