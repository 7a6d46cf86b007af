/**
 * What Ringcast is compared with: the `ws` package alone. A channel is a Set of sockets, named by
 * the path; what a socket that only publishes sends is sent to each of them by `send()`, as bytes,
 * which is the quickest way that `ws` has. It parses nothing, stores nothing, answers nothing.
 */

import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { serveBench } from './server-control.ts'

const channels = new Map<string, Set<WebSocket>>()

function channelOf(name: string): Set<WebSocket> {
  let subscribers = channels.get(name)
  if (subscribers === undefined) {
    subscribers = new Set()
    channels.set(name, subscribers)
  }
  return subscribers
}

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  perMessageDeflate: false,
  clientTracking: false
})

server.on('connection', (socket, request) => {
  const [, role, name = ''] = (request.url ?? '').split('/')
  const subscribers = channelOf(name)
  socket.on('error', (error) => process.stderr.write(`bare server: ${error.message}\n`))
  if (role === 'subscribe') {
    subscribers.add(socket)
    socket.on('close', () => subscribers.delete(socket))
    return
  }
  socket.on('message', (payload: Buffer, isBinary) => {
    const options = { binary: isBinary }
    for (const subscriber of subscribers) subscriber.send(payload, options)
  })
})

server.once('listening', () => {
  const { port } = server.address() as AddressInfo
  serveBench({ port, key: '' })
})
