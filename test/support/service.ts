/**
 * What a Service does in front of a region, at its worst: each HTTP request goes to the next node,
 * whatever came before on the same connection.
 */

import { createServer, request as httpRequest, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Closing } from './ably-clients.ts'

export class Service {
  readonly #server: Server
  readonly #urls: readonly string[]
  #count = 0

  private constructor(urls: readonly string[]) {
    this.#urls = urls
    this.#server = createServer((request, response) => {
      const { hostname, port } = new URL(this.#urls[this.#count++ % this.#urls.length]!)
      const { method, headers, url: path } = request
      const onward = httpRequest({ hostname, port, method, headers, path }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(response)
      })
      onward.on('error', () => response.destroy())
      response.on('close', () => onward.destroy())
      request.pipe(onward)
    })
  }

  /** In front of the nodes at `urls`; it is gone when `t` ends. */
  static async of(t: Closing, urls: readonly string[]): Promise<Service> {
    const service = new Service(urls)
    await new Promise<void>((resolve) => service.#server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      service.#server.closeAllConnections()
      service.#server.close()
    })
    return service
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** How many requests came through. */
  get requestCount(): number {
    return this.#count
  }
}
