/**
 * A gate before a server on this machine: connections pass while it is open. Shut, it refuses
 * new ones and cuts those that were there, which is how a server looks that was stopped; opened
 * again, it listens where it did. While it swallows, connections are made and stay, and what is
 * said on them is lost, both ways: so looks a network that drops packets.
 */

import { connect, createServer, type Server, type Socket } from 'node:net'
import { freePorts } from './server-process.ts'

export class TcpGate {
  readonly port: number
  readonly #targetPort: number
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  isSwallowing = false

  private constructor(port: number, targetPort: number) {
    this.port = port
    this.#targetPort = targetPort
  }

  /** A gate, open, before 127.0.0.1:`targetPort`. */
  static async before(targetPort: number): Promise<TcpGate> {
    const [port = 0] = await freePorts(1)
    const gate = new TcpGate(port, targetPort)
    await gate.open()
    return gate
  }

  async open(): Promise<void> {
    const server = createServer((socket) => this.#pass(socket))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(this.port, '127.0.0.1', resolve)
    })
    this.#server = server
  }

  async shut(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #pass(socket: Socket): void {
    const onward = connect(this.#targetPort, '127.0.0.1')
    for (const [here, there] of joined(socket, onward, this.#sockets)) {
      here.on('data', (bytes) => {
        if (!this.isSwallowing) there.write(bytes)
      })
      here.on('end', () => there.end())
    }
  }
}

/**
 * Two sockets of which the end of one is the end of the other; as long as they live they are in
 * `sockets`. Returns each with the other one.
 */
export function joined(
  socket: Socket, onward: Socket, sockets: Set<Socket>
): readonly (readonly [Socket, Socket])[] {
  const both = [[socket, onward], [onward, socket]] as const
  for (const [here, there] of both) {
    sockets.add(here)
    // What went wrong on one side is told to the other by its end.
    here.on('error', () => undefined)
    here.on('close', () => {
      sockets.delete(here)
      there.destroy()
    })
  }
  return both
}
