/** Attachments for rules: of the published SDK, and of a plain socket. */

import type * as Ably from 'ably'
import type { Test } from 'tap'
import type { PlainSocket, Told } from '../../support/plain-socket.ts'
import type { Stage } from './rule.ts'

const ATTACH = 10
const ATTACHED = 11
const DETACH = 12
const DETACHED = 13
const HAS_PRESENCE = 1

/** A channel of a client of `node`, attached with these params, and what it hears. */
export async function attached(
  t: Test, on: Stage, node: number, name: string, params: Record<string, string> = {}
) {
  const channel = on.client(t, node).channels.get(name, { params })
  const heard: Ably.Message[] = []
  channel.on('attached', (change) => changes.push(change))
  const changes: Ably.ChannelStateChange[] = []
  await channel.subscribe((message) => void heard.push(message))
  return { channel, heard, changes, data: () => heard.map(({ data }) => data) }
}

/** Attaches a plain socket; what the server says to it. */
export async function plainAttach(
  socket: PlainSocket, channel: string, over: object = {}
): Promise<Told> {
  socket.send({ action: ATTACH, channel, ...over })
  return socket.next(({ action }) => action === ATTACHED)
}

/**
 * Resolves once it is known who is present on a channel where nobody is: after a start its master
 * waits for all nodes to say so, and until then ATTACHED says HAS_PRESENCE.
 */
export async function settled(t: Test, on: Stage, name: string): Promise<void> {
  const socket = await on.socket(t, 1)
  while (((await plainAttach(socket, name)).flags! & HAS_PRESENCE) !== 0) {
    socket.send({ action: DETACH, channel: name })
    await socket.next(({ action }) => action === DETACHED)
  }
  socket.cut()
}
