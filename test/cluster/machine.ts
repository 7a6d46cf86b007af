/**
 * One machine of the local cluster: a set of Linux namespaces with a process 1 of its own
 * (`machine.sh`) that runs services. Killing that one process is pulling the machine's plug.
 */

import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tailOf } from '../support/server-process.ts'
import { detachedPid, killDetached, startDetached } from './detached.ts'
import { run } from './shell.ts'

const script = join(import.meta.dirname, 'machine.sh')

/** A service is a command line; the machine runs it again whenever it ends. */
export type Service = {
  name: string
  command: string[]
  /** A file (say, a socket of another service) that must exist before this one starts. */
  after?: string
}

export class Machine {
  readonly name: string
  readonly folder: string
  /** Name of its network namespace, as `ip netns` knows it. */
  readonly netns: string

  /** Describes the machine `name` whose files are in `folder`; nothing is started. */
  constructor (name: string, folder: string, netns: string) {
    this.name = name
    this.folder = folder
    this.netns = netns
  }

  /** Lays out the folder and writes the services that the machine is to run. */
  prepare (services: Service[]): void {
    const overlays = ['lib', 'log'].flatMap(place => [`var-${place}/upper`, `var-${place}/work`])
    for (const part of ['services', 'logs', 'pids', ...overlays]) {
      mkdirSync(join(this.folder, part), { recursive: true })
    }
    for (const service of services) {
      writeFileSync(join(this.folder, 'services', service.name), scriptOf(service), { mode: 0o755 })
    }
  }

  /** Switches the machine on. Its network namespace must exist. */
  start (): void {
    startDetached(this.#pidFile, join(this.folder, 'logs', 'machine.log'), [
      'nsenter', `--net=/run/netns/${this.netns}`,
      'unshare', '--mount', '--pid', '--uts', '--ipc', '--fork', '--kill-child', '--mount-proc',
      script, this.name, this.folder
    ])
  }

  /** Whether its process 1 lives. */
  isRunning (): boolean {
    return detachedPid(this.#pidFile) !== undefined
  }

  /** Pulls the plug: every process of the machine is killed at once. Resolves once all are gone. */
  async crash (): Promise<void> {
    const inner = this.#innerPid()
    await killDetached(this.#pidFile, inner === undefined ? [] : [inner])
  }

  /** The command line that runs `command` inside the machine, in all of its namespaces. */
  commandLine (command: string[]): string[] {
    const inner = this.#innerPid()
    if (inner === undefined) throw new Error(`machine ${this.name} is not running`)
    return [
      'nsenter', '--target', String(inner), '--net', '--mount', '--pid', '--uts', '--ipc', '--',
      ...command
    ]
  }

  /** Runs a command inside the machine and resolves to its output. */
  async run (command: string[]): Promise<string> {
    const [file = '', ...args] = this.commandLine(command)
    return run(file, args)
  }

  /**
   * Sends a signal to one of its services: SIGSTOP makes it hang as a lost process would, SIGCONT
   * lets it go on, SIGKILL restarts it.
   */
  async signal (service: string, signal: NodeJS.Signals): Promise<void> {
    const pid = readFileSync(join(this.folder, 'pids', service), 'utf8').trim()
    await this.run(['kill', '-s', signal.slice('SIG'.length), pid])
  }

  /** The ends of all its logs, for the report of a failure. */
  logTails (lineCount = 12): string {
    const folder = join(this.folder, 'logs')
    if (!existsSync(folder)) return ''
    return readdirSync(folder)
      .map(name => `--- ${this.name}: ${name}\n${tailOf(join(folder, name), lineCount)}`)
      .join('\n')
  }

  get #pidFile (): string {
    return join(this.folder, 'machine.pid')
  }

  /** Process 1 of the machine as the host sees it: the only child of the process that holds it. */
  #innerPid (): number | undefined {
    const outer = detachedPid(this.#pidFile)
    if (outer === undefined) return undefined
    const children = readFileSync(`/proc/${outer}/task/${outer}/children`, 'utf8').trim()
    return children === '' ? undefined : Number(children.split(' ')[0])
  }
}

function scriptOf ({ command, after }: Service): string {
  const wait = after === undefined ? [] : [`until [ -e ${quoted(after)} ]; do sleep 0.05; done`]
  const [file = '', ...args] = command
  return ['#!/bin/sh', ...wait, `exec ${[file, ...args].map(quoted).join(' \\\n  ')}`].join('\n') +
    '\n'
}

function quoted (word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
