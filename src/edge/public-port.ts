/** The public port before anybody listens on it. */

import { createServer } from 'node:net'

/**
 * Resolves when a node's workers will be able to listen there; asked before a node joins its ring,
 * where one that nobody can reach would be given channels and clients. Rejects with an Error that
 * names the address and the cause; unlike the workers' own attempt also when somebody else shares
 * the port (`reusePort`), who would take half of the clients.
 */
export function ensurePublicPort(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', ({ message }) => {
      reject(new Error(`cannot listen on ${host}:${port} (public port): ${message}`))
    })
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()))
  })
}
