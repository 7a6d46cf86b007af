import t from 'tap'
import { FrameSequence } from '../../src/node/outbox.ts'
import { Action } from '../../src/wire/actions.ts'
import { encodeFrame } from '../../src/wire/frame.ts'
import { type SimSocket, SimWebSocket, type SocketClient, type SocketServer } from './sockets.ts'
import { World } from './world.ts'

class Ends implements SocketClient, SocketServer {
  readonly name = 'c'
  readonly life = 'n/0/1'
  readonly machine = 'n'
  readonly isAlive = true
  readonly isTurning = true
  readonly heard: (number | undefined)[] = []
  goneCount = 0
  closedCount = 0
  onSocketOpen(): void {}
  onSocketMessage(_: SimSocket, message: { readonly msgSerial?: number } | undefined): void {
    this.heard.push(message?.msgSerial)
  }
  onSocketGone(): void {
    this.goneCount++
  }
  onOpened(): void {}
  onFrame(): void {}
  onHeard(): void {}
  onClosed(): void {
    this.closedCount++
  }
}

interface Opened {
  readonly world: World
  readonly ends: Ends
  readonly socket: SimWebSocket
  answer(msgSerial: number): void
}

function open(seed = 'sockets'): Opened {
  const world = new World(seed)
  const ends = new Ends()
  const witness = { onServerSays: () => {}, onClientSays: () => {}, onSocketGone: () => {} }
  const random = world.fork('socket')
  const options = { id: 's1', format: 'json' as const, echo: true, random }
  const socket = new SimWebSocket(world, witness, ends, ends, options)
  const answer = (msgSerial: number): void => {
    const frame = encodeFrame({ action: Action.ACK, msgSerial, count: 1 }, 'json')
    socket.write(new FrameSequence().then(frame))
  }
  return { world, ends, socket, answer }
}

t.test('a socket that was cut has no hole: behind what is lost nothing comes', async (t) => {
  // Each is on its way for a time of its own, so some would be there before the end.
  for (let seed = 0; seed < 20; seed++) {
    const { world, ends, socket, answer } = open(`${seed}`)
    answer(0)
    world.run(100)
    answer(1)
    socket.isCut = true
    world.run(100)
    answer(2)
    socket.mend()
    socket.resume()
    answer(3)
    world.run(100)
    t.same(ends.heard, [0])
    t.same([ends.goneCount, ends.closedCount], [1, 1], 'both ends are told, once')
  }
})

t.test('a client that reads again reads what it was sent, and then the end', async (t) => {
  const { world, ends, socket, answer } = open()
  socket.isStalled = true
  answer(0)
  socket.close()
  world.run(100)
  t.same([ends.heard, ends.goneCount], [[], 0])
  socket.resume()
  world.run(100)
  t.same([ends.heard, ends.goneCount], [[0], 1])
})

t.test('a client that reads again after a cut is told of the end', async (t) => {
  const { world, ends, socket } = open()
  socket.isStalled = true
  socket.isCut = true
  socket.mend()
  world.run(100)
  t.equal(ends.goneCount, 0)
  socket.resume()
  world.run(100)
  t.equal(ends.goneCount, 1)
})
