/**
 * What lies between a client and the nodes of a region: connections of one port go to the node
 * that the cable leads to, and are cut, deafened or kept away when a test says so.
 */

import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Closing } from './ably-clients.ts'

export class Cable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #targetUrl: string
  #isDeaf = false
  #isMute = false
  #isUnplugged = false

  private constructor(targetUrl: string) {
    this.#targetUrl = targetUrl
    this.#server = createServer((socket) => this.#pass(socket))
  }

  /** A cable to the node at `url`; it is gone when `t` ends. */
  static async to(t: Closing, url: string): Promise<Cable> {
    const cable = new Cable(url)
    await new Promise<void>((resolve) => cable.#server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      cable.unplug()
      cable.#server.close()
    })
    return cable
  }

  /** Where clients connect. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`
  }

  /** Connections that come from now on go to the node at `url`. */
  lead(url: string): void {
    this.#targetUrl = url
  }

  /** What a network does: connections go without a word. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Nothing of what nodes say on present connections arrives any more. */
  deafen(): void {
    this.#isDeaf = true
  }

  /** Nothing of what anybody says on present connections arrives any more. */
  silence(): void {
    this.#isDeaf = true
    this.#isMute = true
  }

  /** Cut, and nobody comes through again. */
  unplug(): void {
    this.#isUnplugged = true
    this.cut()
  }

  #pass(socket: Socket): void {
    if (this.#isUnplugged) {
      socket.destroy()
      return
    }
    this.#isDeaf = false
    this.#isMute = false
    const { hostname, port } = new URL(this.#targetUrl)
    const onward = connect(Number(port), hostname)
    for (const [here, there] of [[socket, onward], [onward, socket]] as const) {
      this.#sockets.add(here)
      // What went wrong on one side is told to the other by its end.
      here.on('error', () => undefined)
      here.on('close', () => {
        this.#sockets.delete(here)
        there.destroy()
      })
      here.on('data', (bytes) => {
        const isLost = here === socket ? this.#isMute : this.#isDeaf
        if (!isLost) there.write(bytes)
      })
    }
  }
}
