/** A client of a worker of log-server.ts that publishes one message after the other. */

import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import type { LogPlan } from '../../src/node/member-ports.ts'
import { Action } from '../../src/wire/actions.ts'

export interface LogServer {
  readonly child: ChildProcess
  readonly port: number
  readonly key: string
}

/** The next word of `child`. */
export function heardOf<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve) => child.once('message', (message) => resolve(message as T)))
}

/** Starts log-server.ts over the NATS at `url`; `region`: what it is called, and the others. */
export async function startLogServer(
  url: string, prefix: string, plan: LogPlan,
  region?: { readonly name: string; readonly abroad: readonly object[] }
): Promise<LogServer> {
  const place = region === undefined ? [] : [region.name, JSON.stringify(region.abroad)]
  const child = fork(join(import.meta.dirname, 'log-server.ts'),
    [url, prefix, JSON.stringify(plan), ...place])
  return { child, ...await heardOf<{ port: number; key: string }>(child) }
}

export class AckedSocket {
  readonly #socket: WebSocket
  readonly #heard = new Map<string, () => void>()
  #msgSerial = 0

  private constructor({ port, key }: LogServer) {
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/?v=5&key=${key}&format=json`)
    this.#socket.on('message', (data: Buffer) => {
      const { action, msgSerial } = JSON.parse(data.toString()) as Record<string, number>
      if (action === Action.NACK) throw new Error(data.toString())
      this.#heard.get(action === Action.CONNECTED ? 'connected' : `ack ${msgSerial}`)?.()
    })
  }

  static async open(server: LogServer): Promise<AckedSocket> {
    const socket = new AckedSocket(server)
    await socket.#hear('connected')
    return socket
  }

  /** Publishes; resolves with the ms until it is acknowledged. */
  async publish(channel: string, data: string): Promise<number> {
    const msgSerial = this.#msgSerial++
    const startMs = performance.now()
    const acked = this.#hear(`ack ${msgSerial}`)
    this.#socket.send(JSON.stringify({
      action: Action.MESSAGE, channel, msgSerial, messages: [{ name: 'tick', data }]
    }))
    await acked
    return performance.now() - startMs
  }

  close(): void {
    this.#socket.close()
  }

  #hear(what: string): Promise<void> {
    return new Promise((resolve) => this.#heard.set(what, resolve))
  }
}

/** Of a few thousand samples at most, exactly. */
export function quantile(samples: readonly number[], share: number): number {
  return samples.toSorted((a, b) => a - b)[Math.floor(samples.length * share)]!
}
