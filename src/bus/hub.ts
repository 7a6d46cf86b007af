/**
 * The mesh of dev mode: several nodes in one process, joined by a hub on the main thread. Threads
 * reach it over a MessagePort; the bytes are those that NATS would carry.
 */

import type { MessagePort } from 'node:worker_threads'
import type { Mesh } from './mesh.ts'

type ToHub =
  | { readonly kind: 'publish'; readonly subject: string; readonly bytes: Uint8Array }
  | { readonly kind: 'subscribe'; readonly subject: string }

interface FromHub {
  readonly subject: string
  readonly bytes: Uint8Array
}

type Receiver = (subject: string, bytes: Uint8Array) => void

/** Routes by subject. Lives on the main thread. */
export class Hub {
  readonly #receivers = new Map<string, Set<Receiver>>()

  /** The hub as a mesh for parts of the main thread itself. */
  mesh(): Mesh {
    const receivers: [string, Receiver][] = []
    return {
      isUp: true,
      publish: (subject, bytes) => {
        queueMicrotask(() => this.#publish(subject, bytes))
      },
      subscribe: (subject, onBytes) => {
        const receiver: Receiver = (_, bytes) => onBytes(bytes)
        receivers.push([subject, receiver])
        this.#subscribe(subject, receiver)
      },
      close: async () => {
        for (const [subject, receiver] of receivers) this.#receivers.get(subject)?.delete(receiver)
      }
    }
  }

  /** Serves a thread behind `port` until the port closes. */
  serve(port: MessagePort): void {
    const subjects = new Set<string>()
    const receiver: Receiver = (subject, bytes) => port.postMessage({ subject, bytes })
    port.on('message', (message: ToHub) => {
      if (message.kind === 'publish') {
        this.#publish(message.subject, message.bytes)
      } else {
        subjects.add(message.subject)
        this.#subscribe(message.subject, receiver)
      }
    })
    port.on('close', () => {
      for (const subject of subjects) this.#receivers.get(subject)?.delete(receiver)
    })
  }

  #subscribe(subject: string, receiver: Receiver): void {
    let receivers = this.#receivers.get(subject)
    if (receivers === undefined) {
      receivers = new Set()
      this.#receivers.set(subject, receivers)
    }
    receivers.add(receiver)
  }

  #publish(subject: string, bytes: Uint8Array): void {
    for (const receiver of this.#receivers.get(subject) ?? []) receiver(subject, bytes)
  }
}

/** The hub as a mesh for a worker thread. */
export class HubMesh implements Mesh {
  readonly isUp = true
  readonly #port: MessagePort
  readonly #handlers = new Map<string, (bytes: Uint8Array) => void>()

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', ({ subject, bytes }: FromHub) => this.#handlers.get(subject)?.(bytes))
  }

  publish(subject: string, bytes: Uint8Array): void {
    this.#port.postMessage({ kind: 'publish', subject, bytes })
  }

  subscribe(subject: string, onBytes: (bytes: Uint8Array) => void): void {
    this.#handlers.set(subject, onBytes)
    this.#port.postMessage({ kind: 'subscribe', subject })
  }

  async close(): Promise<void> {
    this.#port.close()
  }
}
