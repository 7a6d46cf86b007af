/** Processes that outlive the one that starts them, and are found again through a file. */

import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { waitUntil } from './shell.ts'

const endTimeoutMs = 20_000

/** Starts a process with its output appended to `logFile`, and remembers it in `pidFile`. */
export function startDetached (
  pidFile: string, logFile: string, [command = '', ...args]: string[]
): void {
  const log = openSync(logFile, 'a')
  const child = spawn(command, args, { detached: true, stdio: ['ignore', log, log], cwd: '/' })
  closeSync(log)
  if (child.pid === undefined) throw new Error(`${command} could not be started`)
  child.unref()
  writeFileSync(pidFile, `${child.pid} ${startOf(child.pid)}\n`)
}

/** Id of the process remembered in `pidFile`, if that very process still lives. */
export function detachedPid (pidFile: string): number | undefined {
  if (!existsSync(pidFile)) return undefined
  const [pid = '', start = ''] = readFileSync(pidFile, 'utf8').trim().split(' ')
  return startOf(Number(pid)) === start ? Number(pid) : undefined
}

/** Kills the process remembered in `pidFile` at once and waits until it and `others` are gone. */
export async function killDetached (pidFile: string, others: number[] = []): Promise<void> {
  const pid = detachedPid(pidFile)
  if (pid !== undefined) {
    process.kill(pid, 'SIGKILL')
    await waitUntil(`process ${pid} gone`, () => {
      return [pid, ...others].every(each => startOf(each) === undefined)
    }, endTimeoutMs)
  }
  rmSync(pidFile, { force: true })
}

/**
 * When a process started, in ticks since boot: with its id, what tells it from a later one.
 * Undefined when it is gone; one that has ended and that its parent has not buried is gone.
 */
function startOf (pid: number): string | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
  // The second field, the program's name, may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ['Z', 'X'].includes(fields[0] ?? '') ? undefined : fields[19]
}
