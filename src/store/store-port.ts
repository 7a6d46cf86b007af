/**
 * A store of the process as its worker threads use it: its methods, called over a port. A call has
 * a ticket by which its answer is known; calls begin in the order in which they were made.
 */

import type { MessagePort } from 'node:worker_threads'

interface Call {
  readonly ticket: number
  readonly method: string
  readonly args: readonly unknown[]
}

interface Answer {
  readonly ticket: number
  readonly value: unknown
}

type Args<F> = F extends (...args: infer A) => unknown ? A : never
type Value<F> = F extends (...args: never[]) => Promise<infer V> ? V : never

/** Answers the `StorePort` behind `port` until the port closes. */
export function serveStore(store: object, port: MessagePort): void {
  port.on('message', async ({ ticket, method, args }: Call) => {
    const ask = store[method as keyof object] as (...args: readonly unknown[]) => Promise<unknown>
    port.postMessage({ ticket, value: await ask.apply(store, [...args]) } satisfies Answer)
  })
}

export class StorePort<S> {
  readonly #port: MessagePort
  readonly #open = new Map<number, (value: never) => void>()
  #ticket = 0

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', ({ ticket, value }: Answer) => {
      this.#open.get(ticket)?.(value as never)
      this.#open.delete(ticket)
    })
  }

  /** Calls one of the store's methods. */
  call<M extends keyof S & string>(method: M, ...args: Args<S[M]>): Promise<Value<S[M]>> {
    const ticket = ++this.#ticket
    this.#port.postMessage({ ticket, method, args } satisfies Call)
    return new Promise((resolve) => this.#open.set(ticket, resolve))
  }
}

/** A copy of just these bytes: a message takes the whole buffer that they are a part of. */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice()
}
