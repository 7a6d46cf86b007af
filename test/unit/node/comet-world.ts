/** Requests of a comet client in a WorkerWorld, one by one, to whichever worker the test says. */

import type { CometRequest, CometResponder } from '../../../src/node/comet-ports.ts'
import type { ProtocolMessage } from '../../../src/wire/protocol-message.ts'
import type { WorkerWorld, WorldWorker } from './worker-world.ts'

/** One request and what came back of it. */
export class Ask implements CometResponder {
  readonly lines: string[] = []
  readonly worker: WorldWorker
  statusCode: number | undefined
  /** What the client has not taken of what was written. */
  queuedBytes = 0
  readsNothing = false

  constructor(worker: WorldWorker) {
    this.worker = worker
  }

  write(bytes: Uint8Array): void {
    this.lines.push(Buffer.from(bytes).toString('utf8'))
    if (this.readsNothing) this.queuedBytes += bytes.byteLength
  }

  end(statusCode: number, body: Uint8Array | undefined): void {
    this.statusCode = statusCode
    if (body !== undefined) this.lines.push(Buffer.from(body).toString('utf8'))
  }

  get isOver(): boolean {
    return this.statusCode !== undefined
  }

  /** Everything it was told, in order. */
  get messages(): ProtocolMessage[] {
    return this.lines.flatMap((line) => JSON.parse(line) as ProtocolMessage[])
  }

  get actions(): number[] {
    return this.messages.map(({ action }) => action)
  }

  /** The code of the error that it was refused with. */
  get code(): number | undefined {
    const body = JSON.parse(this.lines.at(-1) ?? '{}') as { error?: { code: number } }
    return body.error?.code
  }
}

export class CometClient {
  readonly world: WorkerWorld
  readonly worker: WorldWorker
  readonly connected: Ask
  readonly #credentials: Readonly<Record<string, string>>

  /** Connects at `worker`; `query` goes before what is usual. */
  constructor(world: WorkerWorld, worker: WorldWorker, query: Readonly<Record<string, string>>) {
    this.world = world
    this.worker = worker
    this.#credentials = { key: query['key'] ?? 'app.k:secret' }
    const all = { v: '6', stream: 'false', ...this.#credentials, ...query }
    this.connected = this.#begin(worker, { wish: 'connect', query: new Map(Object.entries(all)) })
  }

  get key(): string {
    return this.connected.messages[0]!.connectionDetails!.connectionKey!
  }

  ask(
    wish: CometRequest['wish'], worker = this.worker, more: Readonly<Record<string, string>> = {}
  ): Ask {
    const query = new Map(Object.entries({ ...this.#credentials, ...more }))
    return this.#begin(worker, { wish, query, connectionKey: this.key })
  }

  send(messages: readonly ProtocolMessage[] | string, worker = this.worker): Ask {
    const text = typeof messages === 'string' ? messages : JSON.stringify(messages)
    const query = new Map(Object.entries(this.#credentials))
    const body = Buffer.from(text)
    return this.#begin(worker, { wish: 'send', query, body, connectionKey: this.key })
  }

  /** The client hangs up on one of its requests, or never got its answer. */
  hangUp(ask: Ask): void {
    this.world.input(ask.worker, { kind: 'cometGone', responder: ask })
  }

  #begin(
    worker: WorldWorker, asked: Partial<CometRequest> & Pick<CometRequest, 'wish' | 'query'>
  ): Ask {
    const ask = new Ask(worker)
    const request = { connectionKey: '', body: undefined, isTls: false, ...asked }
    this.world.input(worker, { kind: 'comet', request, responder: ask })
    return ask
  }
}

/** A client that is connected at `worker`. */
export function cometClient(
  world: WorkerWorld, worker: WorldWorker, query: Readonly<Record<string, string>> = {}
): CometClient {
  const client = new CometClient(world, worker, query)
  world.run(20)
  return client
}
