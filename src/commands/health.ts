/**
 * The small port of a program that serves no clients: liveness, readiness, metrics.
 */

import { createServer } from 'node:http'
import type { Server } from 'node:http'

export interface HealthPorts {
  /** Why it cannot do its work yet, or undefined. */
  unreadyBecause: () => string | undefined
  metrics: { readonly contentType: string, text (): Promise<string> }
}

/**
 * Serves /livez, /readyz and /metrics. Liveness asks only whether the process turns: a lost API
 * server must not restart it. Rejects with an Error when the port cannot be listened on.
 */
export async function serveHealth (port: number, ports: HealthPorts): Promise<Server> {
  const server = createServer(async (request, response) => {
    if (request.url === '/metrics') {
      response.setHeader('content-type', ports.metrics.contentType)
      response.end(await ports.metrics.text())
      return
    }
    const reason = request.url === '/readyz' ? ports.unreadyBecause() : undefined
    const isKnown = request.url === '/livez' || request.url === '/readyz'
    response.statusCode = !isKnown ? 404 : reason === undefined ? 200 : 503
    response.end(!isKnown ? '' : `${reason ?? 'ok'}\n`)
  })
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', error => reject(
    new Error(`cannot listen on port ${port} (health): ${error.message}`, { cause: error })
  ))
  server.listen(port, resolve)
  await promise
  return server
}
