/** The items of what masters tell of the past, as clients read them (protocol 14.3, 14.5). */

import { shownEvents, shownMessages } from '../channel/encoding.ts'
import type { Publication } from '../peer/message.ts'
import type { Message, PresenceMessage } from '../wire/protocol-message.ts'

/** An item, and which one of its publish it is. */
export interface Indexed {
  readonly item: Message | PresenceMessage
  readonly index: number
}

/** What is read of a publication, in order. */
export function itemsOf(
  publication: Publication, lineage: string, of: 'messages' | 'presence'
): Indexed[] {
  return of === 'presence' ? eventsOf(publication) : messagesOf(publication, lineage)
}

/**
 * Every item with all its fields (protocol 14.3), but those that were for live ears alone. Its
 * first version is the only one that it has: SDKs know that of what they hear live (6.1).
 */
export function messagesOf(publication: Publication, lineage: string): Indexed[] {
  const { id, connectionId, timestamp } = publication
  return shownMessages(publication, lineage).map((message, index) => {
    const { serial } = message
    const version = { serial: serial!, timestamp }
    const whole = { id: message.id ?? `${id}:${index}`, connectionId, timestamp, version }
    return { item: { ...message, ...whole }, index }
  }).filter(({ item }) => item.extras?.['ephemeral'] !== true)
}

function eventsOf(publication: Publication): Indexed[] {
  const { connectionId, timestamp } = publication
  return shownEvents(publication).map((event, index) => ({
    item: { ...event, connectionId, timestamp }, index
  }))
}
