/** What is counted of what is published. */

import type { Meter } from '../base/meter.ts'
import type { Publication } from '../peer/message.ts'

/** What clients said counts when it is committed, by the master that wrote it: once. */
export function count(meter: Meter, publication: Publication): void {
  const { said, owner, keptMs, ephemeralCount = 0 } = publication
  if (said === undefined) return
  if (keptMs !== undefined) {
    const { persisted } = meter
    const kept = owner === undefined ? persisted.messages : persisted.presence
    kept.add(said.count - ephemeralCount, said.bytes)
  }
  const { messages, presence } = said.isRest ? meter.inboundRest : meter.inboundRealtime
  const traffic = owner === undefined ? messages : presence
  traffic.add(said.count, said.bytes)
}
