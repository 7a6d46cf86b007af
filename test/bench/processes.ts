/**
 * The processes of a bench: measured servers and load, each on its own, each answering one question
 * at a time. They end with the bench, however it ends.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { LoadAnswer, LoadRequest, Seen } from './load-messages.ts'
import type { Counts } from './probe-messages.ts'
import type { ServerAnswer, ServerReady, ServerRequest } from './server-control.ts'

const SETTLE_ROUNDS_MAX = 12
/** Memory has settled when one more collection changes it by less than this share. */
const SETTLED_SHARE = 0.003

/** A child process with which questions and answers alternate. */
class Partner {
  readonly #child: ChildProcess
  readonly #name: string

  constructor(file: string, args: readonly string[], execArgv: readonly string[]) {
    this.#name = file
    this.#child = fork(join(import.meta.dirname, file), [...args], {
      execArgv: [...execArgv],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc']
    })
  }

  /** What the process says next; rejects when it ends instead. */
  hear<Answer>(): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: unknown): void => {
        this.#child.off('exit', onExit)
        resolve(message as Answer)
      }
      const onExit = (code: number | null): void => {
        this.#child.off('message', onMessage)
        reject(new Error(`${this.#name} ended with code ${code}`))
      }
      this.#child.once('message', onMessage)
      this.#child.once('exit', onExit)
    })
  }

  ask<Answer>(request: object): Promise<Answer> {
    const answer = this.hear<Answer>()
    this.#child.send(request)
    return answer
  }

  /** Ends the process; resolves when it is gone. */
  end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return Promise.resolve()
    return new Promise((resolve) => {
      this.#child.once('exit', () => resolve())
      this.#child.kill('SIGKILL')
    })
  }
}

export type ServerKind = 'bare ws' | 'ringcast, 1 worker' | 'ringcast'

/** A measured server. */
export class Server {
  readonly kind: ServerKind
  readonly port: number
  readonly key: string
  readonly #partner: Partner

  private constructor(kind: ServerKind, partner: Partner, ready: ServerReady) {
    this.kind = kind
    this.#partner = partner
    this.port = ready.port
    this.key = ready.key
  }

  get isBare(): boolean {
    return this.kind === 'bare ws'
  }

  /** `counts`: its work is counted, which slows it down. */
  static async start(kind: ServerKind, counts = false): Promise<Server> {
    const probe = join(import.meta.dirname, counts ? 'counting-probe.ts' : 'probe.ts')
    const execArgv = ['--expose-gc', '--import', probe]
    const partner = kind === 'bare ws'
      ? new Partner('bare-server.ts', [], execArgv)
      : new Partner('ringcast-server.ts', [kind === 'ringcast' ? '0' : '1'], execArgv)
    return new Server(kind, partner, await partner.hear<ServerReady>())
  }

  async cpuSeconds(): Promise<number> {
    return (await this.#ask({ kind: 'cpu' })).cpuSeconds
  }

  /** Resident memory, once collecting garbage changes it no more. */
  async settledBytes(): Promise<number> {
    let former = Infinity
    for (let round = 0; round < SETTLE_ROUNDS_MAX; round++) {
      const { residentBytes } = await this.#ask({ kind: 'memory' })
      if (Math.abs(residentBytes - former) < residentBytes * SETTLED_SHARE) return residentBytes
      former = residentBytes
    }
    return former
  }

  async countAnew(): Promise<void> {
    await this.#ask({ kind: 'countAnew' })
  }

  /** What each thread did since `countAnew`. */
  async counts(): Promise<readonly Counts[]> {
    return (await this.#ask({ kind: 'counts' })).counts
  }

  end(): Promise<void> {
    return this.#partner.end()
  }

  #ask(request: ServerRequest): Promise<ServerAnswer> {
    return this.#partner.ask(request)
  }
}

/** A load process. */
export class LoadProcess {
  readonly #partner = new Partner('load.ts', [], [])

  /** Resolves with the moment the work began; rejects with what went wrong. */
  async perform(request: LoadRequest): Promise<number> {
    const answer = await this.#partner.ask<LoadAnswer>(request)
    if (answer.kind === 'failed') throw new Error(answer.reason)
    if (answer.kind === 'seen') throw new Error('the load answered something else')
    return answer.startedAtMicros
  }

  async seen(): Promise<Seen> {
    const answer = await this.#partner.ask<LoadAnswer>({ kind: 'seen' } satisfies LoadRequest)
    if (answer.kind !== 'seen') throw new Error('the load answered something else')
    return answer.seen
  }

  end(): Promise<void> {
    return this.#partner.end()
  }
}
