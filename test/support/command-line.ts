/**
 * The command line as a person uses it: `ringcast …` in a process of its own, with what it wrote
 * and how it ended. Nothing of this process's environment reaches it but the PATH.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { type Closing, until } from './ably-clients.ts'

/** A command starts several threads and servers, perhaps on a busy machine. */
const PATIENCE_MS = 60_000

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

/** A command that was started; its texts grow while it runs. */
export interface RunningCommand {
  readonly child: ChildProcess
  readonly output: string
  readonly errors: string
  /** Resolves with how it ended: its exit code, or the signal's name. */
  readonly ended: Promise<number | NodeJS.Signals>
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** Starts `ringcast …args`; it is killed, if it still runs, when `t` ends. */
export function startCommand(
  t: Closing, args: readonly string[], options: CommandOptions = {}
): RunningCommand {
  return startScript(t, [MAIN, ...args], options)
}

/** Starts `node …args`, as `startCommand` does. */
export function startScript(
  t: Closing, args: readonly string[], { env = {}, cwd }: CommandOptions = {}
): RunningCommand {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, ...env }, cwd, stdio: ['ignore', 'pipe', 'pipe']
  })
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('close', (code, signal) => resolve(signal ?? code ?? -1))
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const running = { child, output: '', errors: '', ended }
  child.stdout.on('data', (chunk: Buffer) => {
    running.output += chunk.toString('utf8')
  })
  child.stderr.on('data', (chunk: Buffer) => {
    running.errors += chunk.toString('utf8')
  })
  return running
}

/** Runs `ringcast …args` to its end. */
export async function runCommand(
  t: Closing, args: readonly string[], options: CommandOptions = {}
): Promise<{ code: number | NodeJS.Signals; output: string; errors: string }> {
  const running = startCommand(t, args, options)
  const code = await running.ended
  const { output, errors } = running
  return { code, output, errors }
}

/** Waits until the command has written what `pattern` finds; rejects, with all it wrote, if not. */
export async function untilWritten(
  running: RunningCommand, pattern: RegExp
): Promise<RegExpExecArray> {
  const isOver = (): boolean => running.child.exitCode !== null
  const found = (): RegExpExecArray | null => pattern.exec(running.output)
  try {
    await until(String(pattern), () => found() !== null || isOver(), PATIENCE_MS)
  } catch {
    // What it wrote instead says more than that it was late.
  }
  const match = found()
  if (match !== null) return match
  throw new Error(`${pattern} was not written:\n${running.output}\n${running.errors}`)
}
