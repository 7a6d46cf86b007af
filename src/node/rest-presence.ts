/** Who is present on a channel (protocol 8.6), in any region of the world, by pages. */

import { shownMember } from '../channel/sync-pages.ts'
import type { PresenceMember } from '../peer/message.ts'
import { publishSize } from '../wire/message.ts'
import { wireItem } from '../wire/payload.ts'
import type { Format } from '../wire/protocol-message.ts'
import type { Call } from './call.ts'
import { type MembersRequest, readMembers } from './members-reading.ts'
import { cursorOf, cursorText, limitOf, linksOf } from './paging.ts'
import type { RequestPorts } from './request-ports.ts'
import { missingHeaders } from './regions-missing.ts'
import { askedChannel } from './rest-channel.ts'
import { WorldAsking } from './world-asking.ts'

/** `GET /channels/{c}/presence`. */
export function readPresence(call: Call, ports: RequestPorts): void {
  const channel = askedChannel(call.params[0]!, ['subscribe', 'presence'], call.caller)
  if (!channel.ok) {
    call.refuse(channel.error.info)
    return
  }
  const { query } = call.request
  const limit = limitOf(query)
  const after = limit.ok ? cursorOf(query) : limit
  if (!limit.ok || !after.ok) {
    const refused = limit.ok ? after : limit
    if (!refused.ok) call.refuse(refused.error.info)
    return
  }
  const request: MembersRequest = {
    clientId: query.get('clientId') || undefined,
    connectionId: query.get('connectionId') || undefined,
    after: after.value,
    limit: limit.value
  }
  const asking = new WorldAsking(ports.questions, call)
  readMembers(channel.key, request, asking.members, ({ members, next }) => {
    countRead(members, ports, call)
    const cursor = next === undefined ? undefined : cursorText(next)
    const links = linksOf(call.request, { limit: String(limit.value) }, cursor)
    call.answer(200, membersAs(members, call.format), {
      ...links, ...missingHeaders(asking.missing)
    })
  })
}

/** For statistics. */
export function countRead(
  members: readonly PresenceMember[], { meters }: RequestPorts, { caller }: Call
): void {
  const { outboundRest } = meters.of(caller.credentials.appId)
  outboundRest.presence.add(members.length, publishSize(members))
}

/** Members as they go out. */
export function membersAs(members: readonly PresenceMember[], format: Format): unknown[] {
  return members.map((member) => wireItem(shownMember(member), format))
}
