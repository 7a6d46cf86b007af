/**
 * Census messages as the fields that meshes keep (see peer/codec.ts).
 */

import { exhaustive } from '../base/assert.ts'
import type { CensusMessage, Headcount } from './census-message.ts'

type Fields = readonly unknown[]

/** A count's fields. */
export function countFields(count: Headcount): Fields {
  return [
    count.connections,
    count.publishers,
    count.subscribers,
    count.presenceConnections,
    count.presenceSubscribers,
    count.objectPublishers,
    count.objectSubscribers
  ]
}

/** The inverse of `countFields`. */
export function countFrom(value: unknown): Headcount {
  const [connections, publishers, subscribers, presenceConnections, presenceSubscribers,
    objectPublishers, objectSubscribers] = value as [
    number, number, number, number, number, number, number
  ]
  return { connections, publishers, subscribers, presenceConnections, presenceSubscribers,
    objectPublishers, objectSubscribers }
}

/** The message's fields behind its code. */
export function censusMessageFields(m: CensusMessage): Fields {
  switch (m.kind) {
    case 'occupancyWanted':
      return [m.channel, m.epoch, m.clientId, m.isWanted]
    case 'censusWanted':
      return [m.channel, m.epoch, m.isWanted]
    case 'census':
      return [m.channel, m.epoch, m.clientId, countFields(m.count)]
    case 'occupancy':
      return [m.channel, m.epoch, m.timestamp, m.occupancy.presenceMembers,
        countFields(m.occupancy)]
    default:
      return exhaustive(m, 'census message')
  }
}

/** The inverse of `censusMessageFields`. */
export function censusMessageFrom(kind: CensusMessage['kind'], fields: Fields): CensusMessage {
  const [channel, epoch, ...f] = fields as [string, number, ...never[]]
  switch (kind) {
    case 'occupancyWanted':
      return { kind, channel, epoch, clientId: f[0]!, isWanted: f[1]! }
    case 'censusWanted':
      return { kind, channel, epoch, isWanted: f[0]! }
    case 'census':
      return { kind, channel, epoch, clientId: f[0]!, count: countFrom(f[1]) }
    case 'occupancy':
      return { kind, channel, epoch, timestamp: f[0]!,
        occupancy: { ...countFrom(f[2]), presenceMembers: f[1]! } }
    default:
      return exhaustive(kind, 'kind of census message')
  }
}
