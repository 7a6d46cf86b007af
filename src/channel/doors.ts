/**
 * The groups of one node that a ChannelClient serves, and how each wants its frames. A publication
 * is encoded once per variant for all of them.
 */

import type {
  Attach,
  BroadcastItem,
  PeerMessage,
  Publication,
  Standing,
  Variant
} from '../peer/message.ts'
import { type Allocate, EncodedPublication } from './encoding.ts'

/** A worker's group as the client knows it. */
interface Door {
  readonly worker: number
  /** Sparse, by the group's variantId. */
  readonly variants: (Variant | undefined)[]
  isAttached: boolean
}

/** What the doors need from the client's worker. */
export interface DoorPorts {
  readonly allocate: Allocate
  /** Sends to the group of `worker` on this node. */
  toGroup(worker: number, message: PeerMessage): void
}

export class Doors {
  readonly #channel: string
  readonly #ports: DoorPorts
  readonly #doors = new Map<number, Door>()

  constructor(channel: string, ports: DoorPorts) {
    this.#channel = channel
    this.#ports = ports
  }

  get size(): number {
    return this.#doors.size
  }

  /** True if some group has attachments. */
  get isAnyAttached(): boolean {
    for (const door of this.#doors.values()) if (door.isAttached) return true
    return false
  }

  /** A group has an attachment of this variant. */
  onAttach(worker: number, { variantId, variant }: Attach): void {
    const door = this.#door(worker)
    door.variants[variantId] = variant
    door.isAttached = true
  }

  /** Nobody there is attached any more. */
  onGroupEmpty(worker: number): void {
    const door = this.#doors.get(worker)
    if (door !== undefined) door.isAttached = false
  }

  onVariantUnused(worker: number, variantId: number): void {
    const door = this.#doors.get(worker)
    if (door !== undefined) door.variants[variantId] = undefined
  }

  /** The worker is gone, and its group with it. */
  forget(worker: number): void {
    this.#doors.delete(worker)
  }

  /** Gives committed publications, contiguous and in order, to every group with attachments. */
  broadcast(publications: readonly Publication[], standing: Standing): void {
    const channel = this.#channel
    const encoded = publications.map((publication) => this.#encoded(publication, standing))
    for (const door of this.#doors.values()) {
      if (!door.isAttached) continue
      const items = encoded.map((each) => itemFor(door, each))
      this.#ports.toGroup(door.worker, { kind: 'broadcast', channel, standing, items })
    }
  }

  /** Publications for one attachment that missed them, in its group's variants. */
  backlog(worker: number, missed: readonly Publication[], standing: Standing): BroadcastItem[] {
    const door = this.#door(worker)
    return missed.map((publication) => itemFor(door, this.#encoded(publication, standing)))
  }

  /** Tells every group with attachments. */
  tellAll(message: PeerMessage): void {
    for (const door of this.#doors.values()) {
      if (door.isAttached) this.#ports.toGroup(door.worker, message)
    }
  }

  /** A publication with the channelSerial it had: its own place, in the standing's lineage. */
  #encoded(publication: Publication, { lineage, epoch }: Standing): EncodedPublication {
    const { seq, entry } = publication
    const standing = { lineage, seq, epoch, entry }
    return new EncodedPublication(publication, standing, this.#ports.allocate)
  }

  #door(worker: number): Door {
    let door = this.#doors.get(worker)
    if (door === undefined) {
      door = { worker, variants: [], isAttached: false }
      this.#doors.set(worker, door)
    }
    return door
  }
}

function itemFor(door: Door, encoded: EncodedPublication): BroadcastItem {
  const { seq, connectionId } = encoded.publication
  const frames = door.variants.map((variant) => variant && encoded.frame(variant))
  return { seq, connectionId, frames }
}
