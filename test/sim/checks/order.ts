/**
 * What a client publishes on one socket stands in the log in the order in which it was said there
 * (rule 16): every channel has its publishes one after another, whatever was lost, sent again or
 * taken over in between, and also when it is said again on a later socket. What is said again on
 * another connection, by an id of its client's own, is in another order. Where the last such id has
 * had its time (rule 17) nothing is known of those before either: what is said again is taken anew,
 * in its order. Presence is decided beside it, and may wait for others to declare.
 */

import { channelKey } from '../app.ts'
import { type Committed, isOutlived } from '../committed.ts'
import type { Taken } from '../ledger.ts'
import type { SimSocket } from '../sockets.ts'
import { Does, type Wire } from '../wire.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'

interface Said {
  readonly socketId: string
  readonly connectionId: string
  isSaidElsewhere: boolean
  /** Its place among all that was said. */
  readonly no: number
}

export class Order implements Check {
  readonly #said = new Map<string, Said>()
  /** By lineage, channel, socket and kind: the last that is in the log. */
  readonly #last = new Map<string, { readonly no: number; readonly committed: Committed }>()
  #count = 0

  onClientSays(socket: SimSocket, { action, channel, messages = [], msgSerial }: Wire): void {
    if (action !== Does.MESSAGE && action !== Does.PRESENCE) return
    const ownId = messages[0]?.id
    const id = ownId === undefined ? `connection ${socket.connectionId}:${msgSerial}`
      : `client ${ownId}`
    const key = `${channelKey(channel!)} ${id}`
    const known = this.#said.get(key)
    const { id: socketId, connectionId = '' } = socket
    if (known === undefined) {
      this.#said.set(key, { socketId, connectionId, isSaidElsewhere: false, no: ++this.#count })
    } else known.isSaidElsewhere ||= known.connectionId !== connectionId
  }

  /** What the log has lost may be appended again. */
  onRolledBack(): void {
    this.#last.clear()
  }

  onAppended({ committed, lineage, isStray }: Taken): void {
    if (isStray) return
    for (const each of committed) {
      const { channel, id, idSpace, events, atMs } = each
      const said = this.#said.get(`${channel} ${idSpace} ${id}`)
      if (said === undefined || said.isSaidElsewhere) continue
      const { no, socketId } = said
      const kind = events === undefined ? 'messages' : 'presence'
      const place = `${lineage} ${channel} ${socketId} ${kind}`
      const last = this.#last.get(place)
      if (last !== undefined && last.no > no && !isOutlived(last.committed, atMs)) {
        throw new Violation('order', `${socketId}: ${id} is in ${channel} after ` +
          `${last.committed.id}, which was said later`)
      }
      this.#last.set(place, { no, committed: each })
    }
  }
}
