/** Who is present on a channel (protocol 8.6), by pages, as its master knows it. */

import { limits } from '../base/limits.ts'
import { memberKey } from '../channel/presence.ts'
import { itemBytes } from '../channel/presence-pages.ts'
import { shownMember } from '../channel/sync-pages.ts'
import type { PresenceMember } from '../peer/message.ts'
import { publishSize } from '../wire/message.ts'
import { wireItem } from '../wire/payload.ts'
import type { Format } from '../wire/protocol-message.ts'
import type { Call } from './call.ts'
import { cursorOf, cursorText, limitOf, linksOf } from './paging.ts'
import type { Asker, Questions } from './questions.ts'
import type { RequestPorts } from './request-ports.ts'
import { askedChannel } from './rest-channel.ts'

/** Which members are asked for. */
export interface MembersRequest {
  readonly clientId?: string | undefined
  readonly connectionId?: string | undefined
  /** Only members whose keys are greater. */
  readonly after?: string | undefined
  readonly limit: number
}

export interface MembersPage {
  readonly members: readonly PresenceMember[]
  /** The key of the last one, if there are more behind it. */
  readonly next: string | undefined
}

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
  readMembers(channel.key, request, ports.questions, call, ({ members, next }) => {
    countRead(members, ports, call)
    const cursor = next === undefined ? undefined : cursorText(next)
    const links = linksOf(call.request, { limit: String(limit.value) }, cursor)
    call.answer(200, membersAs(members, call.format), links)
  })
}

/** Asks the master for members until a page is full, or there are no more. */
export function readMembers(
  channel: string,
  { clientId, connectionId, after, limit }: MembersRequest,
  questions: Questions,
  asker: Asker,
  onPage: (page: MembersPage) => void
): void {
  const members: PresenceMember[] = []
  const ask = (from: string | undefined): void => {
    const countMax = limit + 1 - members.length
    const question = { kind: 'presence' as const, clientId, connectionId, after: from, countMax }
    questions.ask(asker, channel, question, (answer) => {
      members.push(...answer.members)
      const last = answer.members.at(-1)
      if (members.length <= limit && !answer.isWhole && last !== undefined) {
        ask(keyOf(last))
        return
      }
      const page = members.slice(0, limit)
      onPage({ members: page, next: members.length > limit ? keyOf(page.at(-1)!) : undefined })
    })
  }
  ask(after)
}

/** How many bytes of members one request has taken in, and may. */
export interface Taking {
  bytes: number
  readonly bytesMax: number
}

/** Asks the master for all members; `onAll` is told undefined where that would be too much. */
export function readAllMembers(
  channel: string,
  taking: Taking,
  questions: Questions,
  asker: Asker,
  onAll: (members: readonly PresenceMember[] | undefined) => void
): void {
  const members: PresenceMember[] = []
  let bytes = 0
  const ask = (after: string | undefined): void => {
    const request = { after, limit: limits.pageItemsMax }
    readMembers(channel, request, questions, asker, (page) => {
      members.push(...page.members)
      const pageBytes = page.members.reduce((sum, member) => sum + itemBytes(member), 0)
      bytes += pageBytes
      taking.bytes += pageBytes
      if (taking.bytes > taking.bytesMax) {
        taking.bytes -= bytes
        onAll(undefined)
      } else if (page.next === undefined) {
        onAll(members)
      } else {
        ask(page.next)
      }
    })
  }
  ask(undefined)
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

function keyOf({ connectionId, clientId }: PresenceMember): string {
  return memberKey(connectionId, clientId)
}
