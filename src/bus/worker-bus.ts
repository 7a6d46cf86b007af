/**
 * A worker's bus: link frames to workers of the same node by MessagePort, as objects (frames of
 * broadcasts stand in shared memory and are not copied), and to other nodes by the mesh, as bytes.
 * An incarnation is one node's in the whole world, so a place needs no region: who is in no other
 * one is looked for in our own, also such as our view does not list yet.
 */

import type { MessagePort } from 'node:worker_threads'
import type { Bus, ForeignRegion } from '../node/ports.ts'
import { PeerCodec } from '../peer/codec.ts'
import type { LinkFrame } from '../peer/link.ts'
import type { Place } from '../peer/place.ts'
import type { Mesh } from './mesh.ts'
import { inboxSubject } from './subjects.ts'

export class WorkerBus implements Bus {
  readonly #self: Place
  readonly #prefix: string
  readonly #mesh: Mesh
  readonly #onFrame: (frame: LinkFrame) => void
  readonly #codec = new PeerCodec()
  readonly #siblings = new Map<number, MessagePort>()
  /** By incarnation of another region's node, what that region's subjects begin with. */
  readonly #abroad = new Map<string, string>()

  constructor(self: Place, prefix: string, mesh: Mesh, onFrame: (frame: LinkFrame) => void) {
    this.#self = self
    this.#prefix = prefix
    this.#mesh = mesh
    this.#onFrame = onFrame
    mesh.subscribe(inboxSubject(prefix, self), (bytes) => {
      const frame = this.#codec.decodeFrame(bytes)
      if (frame !== undefined) onFrame(frame)
    })
  }

  /** Joins another worker of this node; a new port replaces that of the worker's former life. */
  connectSibling(worker: number, port: MessagePort): void {
    this.#siblings.get(worker)?.close()
    this.#siblings.set(worker, port)
    port.on('message', (frame: LinkFrame) => this.#onFrame(frame))
  }

  /** These are all other regions that there are. */
  learn(regions: readonly Pick<ForeignRegion, 'prefix' | 'view'>[]): void {
    this.#abroad.clear()
    for (const { prefix, view } of regions) {
      for (const { incarnation } of view.members) this.#abroad.set(incarnation, prefix)
    }
  }

  send(to: Place, frame: LinkFrame): void {
    if (to.incarnation === this.#self.incarnation) {
      this.#siblings.get(to.worker)?.postMessage(frame)
    } else {
      const prefix = this.#abroad.get(to.incarnation) ?? this.#prefix
      this.#mesh.publish(inboxSubject(prefix, to), this.#codec.encodeFrame(frame))
    }
  }
}
