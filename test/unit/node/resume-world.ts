/** Three whole nodes, and a client whose home, whose register and the third node are three. */

import { partitionOf } from '../../../src/base/hash.ts'
import { masterOf } from '../../../src/ring/view.ts'
import { Action } from '../../../src/wire/actions.ts'
import type { WorldClient } from './world-client.ts'
import { type WorldNode, type WorldOptions, type WorldWorker, WorkerWorld }
  from './worker-world.ts'

export interface Region {
  readonly world: WorkerWorld
  readonly nodes: readonly [WorldNode, WorldNode, WorldNode]
  /** On the first node, which does not master what the connection or `channel` fall into. */
  readonly client: WorldClient
  /** The register of the client's connection. */
  readonly register: WorldNode
  readonly home: WorldNode
  /** Neither of both. */
  readonly third: WorldNode
  readonly channel: string
}

/** Three nodes and a client; its home, its register and the third are three. */
export function region(seed: string, options: WorldOptions = {}): Region {
  const world = new WorkerWorld(seed, { log: 'shared', ...options })
  const nodes = world.nodes as [WorldNode, WorldNode, WorldNode]
  world.run(20)
  const home = nodes[0]
  for (;;) {
    const client = world.client(home)
    world.run(20)
    const register = registerOf(world, client)
    if (register === home) {
      client.send({ action: Action.CLOSE })
      continue
    }
    const third = nodes.find((node) => node !== home && node !== register)!
    return { world, nodes, client, register, home, third, channel: world.channelOf(third) }
  }
}

function registerOf(world: WorkerWorld, { connectionId }: WorldClient): WorldNode {
  const { partitionCount } = world.view
  const { incarnation } = masterOf(partitionOf(connectionId, partitionCount), world.view)!
  return world.nodes.find(({ member }) => member.incarnation === incarnation)!
}

export const workerOf = (node: WorldNode): WorldWorker => node.workers[0]!

/** What the last CONNECTED said: `resumed`, or the code of why not. */
export function told(client: WorldClient, connectionId: string): unknown {
  const connected = client.received.findLast(({ action }) => action === Action.CONNECTED)!
  if (connected.connectionId === connectionId) return connected.error?.code ?? 'resumed'
  return connected.error?.code ?? 'new'
}

/** How its last socket was ended, if it was. */
export const endOf = (client: WorldClient): unknown =>
  client.received.findLast(({ action }) => action === Action.DISCONNECTED)?.error?.code
