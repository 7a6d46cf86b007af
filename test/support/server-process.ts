/**
 * Servers that a test runs beside itself: started with their output in a file, waited for until
 * they answer, stopped by their process id. A server never outlives the test that started it,
 * however the test ends: on Linux the kernel is asked to kill it with its parent, elsewhere it is
 * killed when the process exits.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { freePorts as freePortsOf } from '../../src/commands/free-ports.ts'
import { toolPath } from './tools.ts'

const stopGraceMs = 10_000
const pollMs = 50
const keepTriesMax = 100

const running = new Set<ChildProcess>()
process.once('exit', () => { for (const child of running) child.kill('SIGKILL') })

export type ServerProcess = {
  readonly name: string
  readonly pid: number
  /** How the server ended, in words; undefined while it runs. */
  ending (): string | undefined
  /** The last `lineCount` lines it wrote. */
  logTail (lineCount?: number): string
  /** Asks it to end (SIGTERM), insists after ten seconds (SIGKILL), resolves once it is gone. */
  stop (): Promise<void>
  /** Ends it at once, as a crash would; resolves once it is gone. */
  kill (): Promise<void>
}

export type ServerOptions = {
  name: string
  command: string
  args: string[]
  /** File that receives standard output and standard error. */
  logFile: string
  env?: NodeJS.ProcessEnv
}

/** Starts a server. Throws only if its log cannot be opened; see `waitUntilReady` for the rest. */
export function startServer ({ name, command, args, logFile, env }: ServerOptions): ServerProcess {
  const log = openSync(logFile, 'a')
  const guard = toolPath('setpriv')
  const [file, ...words] = guard === undefined || process.platform !== 'linux'
    ? [command, ...args]
    : [guard, '--pdeathsig', 'KILL', '--', command, ...args]
  const child = spawn(file ?? command, words, { stdio: ['ignore', log, log], env })
  closeSync(log)
  let ending: string | undefined
  const killNow = () => { child.kill('SIGKILL') }
  running.add(child)
  const gone = new Promise<void>(resolve => {
    const end = (reason: string) => {
      ending = reason
      running.delete(child)
      resolve()
    }
    child.once('error', error => end(`could not be started: ${error.message}`))
    child.once('exit', (code, signal) => end(
      signal === null ? `ended with code ${code}` : `ended by ${signal}`
    ))
  })
  return {
    name,
    pid: child.pid ?? -1,
    ending: () => ending,
    logTail: (lineCount = 20) => tailOf(logFile, lineCount),
    async stop () {
      if (ending !== undefined) return
      child.kill('SIGTERM')
      const insist = setTimeout(killNow, stopGraceMs)
      await gone
      clearTimeout(insist)
    },
    async kill () {
      killNow()
      await gone
    }
  }
}

/**
 * Waits until `isReady` answers true. An answer that throws counts as not yet: servers refuse
 * connections while they start. Rejects, with the end of the server's log, when it ends first or
 * `timeoutMs` pass.
 */
export async function waitUntilReady (
  server: ServerProcess,
  isReady: () => boolean | Promise<boolean>,
  timeoutMs: number
): Promise<void> {
  let lastRefusal = 'it answered that it is not ready'
  const startedMs = performance.now()
  while (performance.now() - startedMs < timeoutMs) {
    if (server.ending() !== undefined) break
    try {
      if (await isReady()) return
    } catch (error) {
      lastRefusal = error instanceof Error ? error.message : String(error)
    }
    await delay(pollMs)
  }
  const what = server.ending() ?? `not ready after ${timeoutMs} ms: ${lastRefusal}`
  throw new Error(`${server.name} ${what}\n${server.logTail()}`)
}

/** The last `lineCount` lines of a text file. */
export function tailOf (file: string, lineCount: number): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lineCount).join('\n')
}

/**
 * `count` different TCP ports of the loopback that were free a moment ago. Nothing listens on them,
 * but no other test on this machine is given one until this process ends, so that a server that is
 * away for a while finds its port, and its clients no stranger there. Who does not ask here may
 * take one: whoever starts a server must be ready to find it taken and to try again.
 */
export async function freePorts (count: number): Promise<number[]> {
  const kept: number[] = []
  for (let tries = 0; kept.length < count; tries++) {
    if (tries === keepTriesMax) throw new Error(`no ${count} ports that no other test keeps`)
    const found = await freePortsOf('127.0.0.1', 0, count - kept.length)
    for (const port of found) if (await keeps(port)) kept.push(port)
  }
  return kept
}

/** Keeps a port until this process ends, by its number among those of UDP; false: another does. */
function keeps (port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const keeper = createSocket('udp4')
    keeper.once('error', (error: NodeJS.ErrnoException) => {
      keeper.close()
      if (error.code === 'EADDRINUSE') resolve(false)
      else reject(error)
    })
    keeper.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(true))
    keeper.unref()
  })
}
