/** The public port before anybody listens on it. */

import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { limits } from '../base/limits.ts'

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

/**
 * How many connections one of `workers` threads may have, so that the process never runs out of
 * files: it needs some for its mesh and its log, and to know how much memory it uses.
 */
export function connectionsMaxOf(workers: number): number {
  const filesMax = openFilesMax() ?? Infinity
  const share = Math.floor((filesMax - limits.filesKeptFree) / workers)
  return Math.max(1, Math.min(share, 2 * limits.socketsPerWorkerMax))
}

/** What the system lets this process have open; undefined where it does not say. */
function openFilesMax(): number | undefined {
  try {
    const text = readFileSync('/proc/self/limits', 'utf8')
    const count = /^Max open files +(\d+)/m.exec(text)?.[1]
    return count === undefined ? undefined : Number(count)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
