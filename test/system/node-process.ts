/* A real `ringcast node`: a process, and what its private port says of it. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ServerProcess, startServer } from '../support/server-process.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const ASK_MS = 1_000

/** What `GET /probe` of a private port says, and why the node is not ready, if it is not. */
export interface NodeState {
  readonly incarnation: string
  readonly isMeshUp: boolean
  readonly viewVersion: number
  readonly standing: string
  readonly unreadyBecause: string | undefined
}

/** One container of a pod: a process, from its start to its end. */
export interface NodeProcess {
  readonly name: string
  readonly host: string
  readonly url: string
  readonly privateUrl: string
  readonly process: ServerProcess
  /** All that it has logged, one JSON line per event. */
  log(): string
  /** Rejects when its private port does not answer. */
  state(): Promise<NodeState>
  /** What is in it, a line each; empty when its private port does not answer. */
  describe(): Promise<readonly string[]>
}

export interface NodeProcessOptions {
  readonly name: string
  readonly host: string
  readonly publicPort: number
  readonly privatePort: number
  readonly logFile: string
  readonly env: NodeJS.ProcessEnv
}

/** Starts one; whoever does ends it. */
export function startNodeProcess(options: NodeProcessOptions): NodeProcess {
  const { name, host, publicPort, privatePort, logFile, env } = options
  const server = startServer({
    name, command: process.execPath, args: [MAIN, 'node'], logFile, env
  })
  const privateUrl = `http://${host}:${privatePort}`
  const get = (path: string): Promise<Response> =>
    fetch(`${privateUrl}${path}`, { signal: AbortSignal.timeout(ASK_MS) })
  const ask = async (path: string): Promise<Record<string, any>> =>
    await (await get(path)).json() as Record<string, any>
  return {
    name,
    host,
    url: `http://${host}:${publicPort}`,
    privateUrl,
    process: server,
    log: () => readFileSync(logFile, 'utf8'),
    state: async () => {
      const [probe, readiness] = await Promise.all([ask('/probe'), ask('/readyz')])
      return { ...probe, unreadyBecause: readiness.reason } as NodeState
    },
    describe: async () => {
      const answer = await get('/debug').then((response) => response.text()).catch(() => '')
      return answer.split('\n')
    }
  }
}
