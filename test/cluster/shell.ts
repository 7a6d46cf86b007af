/** Running commands of the operating system, with failures that say which one and why. */

import { execFile } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const outputBytesMax = 64 * 1024 * 1024
const pollMs = 50

export type RunOptions = {
  env?: NodeJS.ProcessEnv
  cwd?: string
  /** Text for the command's standard input. */
  input?: string
  timeoutMs?: number
}

/** Runs a command and resolves to its standard output; rejects with what it wrote on failure. */
export async function run (
  command: string, args: string[], { env, cwd, input, timeoutMs }: RunOptions = {}
): Promise<string> {
  const running = execute(command, args, {
    env, cwd, timeout: timeoutMs ?? 0, maxBuffer: outputBytesMax
  })
  running.child.stdin?.end(input)
  try {
    return (await running).stdout
  } catch (error) {
    const { stderr = '', stdout = '', message = '' } = error as Partial<RunFailure>
    const words = [command.split('/').at(-1), ...args].join(' ')
    throw new Error(`${words} failed:\n${stderr.trim() || stdout.trim() || message}`)
  }
}

type RunFailure = { stderr: string, stdout: string, message: string }

/** Waits until `isTrue`; rejects after `timeoutMs`, naming `what` and what `explain` adds. */
export async function waitUntil (
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  timeoutMs: number,
  explain: () => string = () => ''
): Promise<void> {
  const startedMs = performance.now()
  while (!await isTrue()) {
    if (performance.now() - startedMs > timeoutMs) {
      throw new Error(`${what}: not so after ${timeoutMs / 1000} s\n${explain()}`.trimEnd())
    }
    await delay(pollMs)
  }
}
