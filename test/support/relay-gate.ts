/**
 * A gate before the relay server of a region: whoever dials it is a relay of another one, and says
 * so with its first words. So each two regions have a way of their own, whichever address of the
 * many that NATS servers tell each other was dialled: it is slow, and it is cut, or swallows what
 * is said on it, when a test says so.
 */

import { connect, createServer, type Server, type Socket } from 'node:net'
import { joined } from './tcp-gate.ts'

/** What the relay of one region says to that of another, with the answers. */
export class Way {
  readonly #delayMs: number
  readonly #sockets = new Set<Socket>()
  #isCut = false
  /** Connections stay, and nothing that is said on them arrives, either way. */
  isSwallowing = false
  /** Sees everything that passes, and to whom. */
  onPass: (bytes: Buffer, to: Socket) => void = () => undefined

  /** Everything takes `delayMs`, there and back. */
  constructor(delayMs: number) {
    this.#delayMs = delayMs
  }

  /** Nobody comes through any more. */
  cut(): void {
    this.#isCut = true
    for (const socket of this.#sockets) socket.destroy()
  }

  /** What a test has done to it, if anything. */
  get broken(): string | undefined {
    return this.#isCut ? 'is cut' : this.isSwallowing ? 'swallows everything' : undefined
  }

  mend(): void {
    this.#isCut = false
    this.isSwallowing = false
  }

  /** A connection is of this way; false: it is not let in. */
  admit(socket: Socket): boolean {
    if (this.#isCut) return false
    this.#sockets.add(socket)
    socket.on('close', () => void this.#sockets.delete(socket))
    return true
  }

  /** Timers of one length fire in the order in which they were set. */
  carry(bytes: Buffer, to: Socket): void {
    if (this.isSwallowing) return
    this.onPass(bytes, to)
    setTimeout(() => to.write(bytes), this.#delayMs)
  }
}

export class RelayGate {
  readonly #server: Server
  readonly #targetPort: number
  readonly #ways: ReadonlyMap<string, Way>
  readonly #sockets = new Set<Socket>()

  private constructor(targetPort: number, ways: ReadonlyMap<string, Way>) {
    this.#targetPort = targetPort
    this.#ways = ways
    this.#server = createServer((socket) => this.#pass(socket))
  }

  /** A gate before the gateway at 127.0.0.1:`targetPort`; ways by the name of who dials. */
  static async before(targetPort: number, ways: ReadonlyMap<string, Way>): Promise<RelayGate> {
    const gate = new RelayGate(targetPort, ways)
    await new Promise<void>((resolve) => gate.#server.listen(0, '127.0.0.1', resolve))
    return gate
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #pass(socket: Socket): void {
    const onward = connect(this.#targetPort, '127.0.0.1')
    joined(socket, onward, this.#sockets)
    // A way is as slow as it was told to be, whatever the system would wait for.
    for (const end of [socket, onward]) end.setNoDelay(true)
    let way: Way | undefined
    socket.on('data', (bytes: Buffer) => {
      way ??= this.#wayIn(bytes, socket)
      if (way === undefined) socket.destroy()
      else way.carry(bytes, onward)
    })
    onward.on('data', (bytes: Buffer) => {
      if (way === undefined) socket.write(bytes)
      else way.carry(bytes, socket)
    })
  }

  /** Whose way it is, by what a relay says first: CONNECT, with the name of its gateway. */
  #wayIn(bytes: Buffer, socket: Socket): Way | undefined {
    const name = /"gateway":"([^"]+)"/.exec(bytes.toString())?.[1]
    const way = name === undefined ? undefined : this.#ways.get(name)
    return way?.admit(socket) === true ? way : undefined
  }
}
