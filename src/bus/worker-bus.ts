/**
 * A worker's bus: link frames to workers of the same node by MessagePort, as objects (frames of
 * broadcasts stand in shared memory and are not copied), and to other nodes by the mesh, as bytes.
 */

import type { MessagePort } from 'node:worker_threads'
import type { Bus } from '../node/ports.ts'
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

  send(to: Place, frame: LinkFrame): void {
    if (to.incarnation === this.#self.incarnation) {
      this.#siblings.get(to.worker)?.postMessage(frame)
    } else {
      this.#mesh.publish(inboxSubject(this.#prefix, to), this.#codec.encodeFrame(frame))
    }
  }
}
