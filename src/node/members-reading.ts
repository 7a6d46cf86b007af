/** Members of a channel, as its master or those of all regions know them, page by page. */

import { limits } from '../base/limits.ts'
import type { AskMembers } from '../channel/legacies.ts'
import { memberKey } from '../channel/presence.ts'
import { itemBytes } from '../channel/presence-pages.ts'
import type { PresenceMember } from '../peer/message.ts'
import type { PresenceAnswer, PresenceQuestion } from '../peer/question-message.ts'
import type { Questions } from './questions.ts'

/** Who is asked: our region's master alone, or those of all regions (world-asking.ts). */
export type MembersSource = (
  channel: string, question: PresenceQuestion, onAnswer: (answer: PresenceAnswer) => void
) => void

/** Which members are asked for. */
export interface MembersRequest {
  readonly clientId?: string | undefined
  readonly connectionId?: string | undefined
  /** Only members whose keys are greater. */
  readonly after?: string | undefined
  readonly limit: number
  /** True: all that was acknowledged to anybody before, whatever that takes. */
  readonly isExact?: boolean | undefined
}

export interface MembersPage {
  readonly members: readonly PresenceMember[]
  /** The key of the last one, if there are more behind it. */
  readonly next: string | undefined
}

/** Asks for members until a page is full, or there are no more. */
export function readMembers(
  channel: string,
  { clientId, connectionId, after, limit, isExact = false }: MembersRequest,
  source: MembersSource,
  onPage: (page: MembersPage) => void
): void {
  const members: PresenceMember[] = []
  const ask = (from: string | undefined): void => {
    const countMax = limit + 1 - members.length
    const whose = { clientId, connectionId, after: from, countMax, isExact }
    const question = { kind: 'presence' as const, ...whose }
    source(channel, question, (answer) => {
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

/** Asks for all members, or for all of those; `onAll` is told undefined where it is too much. */
export function readAllMembers(
  channel: string,
  those: Pick<MembersRequest, 'connectionId' | 'isExact'>,
  taking: Taking,
  source: MembersSource,
  onAll: (members: readonly PresenceMember[] | undefined) => void
): void {
  const members: PresenceMember[] = []
  let bytes = 0
  const ask = (after: string | undefined): void => {
    const request = { ...those, after, limit: limits.pageItemsMax }
    readMembers(channel, request, source, (page) => {
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

/** How groups ask for the members of one connection (channel/legacies.ts). */
export function askMembersBy(questions: () => Questions): AskMembers {
  return (channel, connectionId, asker, onAll) => {
    const taking = { bytes: 0, bytesMax: limits.presenceBytesMax }
    const source: MembersSource = (...asked) => questions().ask(asker, ...asked)
    readAllMembers(channel, { connectionId, isExact: true }, taking, source, onAll)
  }
}

function keyOf({ connectionId, clientId }: PresenceMember): string {
  return memberKey(connectionId, clientId)
}
