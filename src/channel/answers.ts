/**
 * The answers of a channel's master to those who only ask (peer/question-message.ts). Of a channel
 * that is not there, there is nothing to tell.
 */

import { exhaustive } from '../base/assert.ts'
import { limits } from '../base/limits.ts'
import type { PresenceMember } from '../peer/message.ts'
import type {
  Answer, MasterQuestion, PresenceAnswer, PresenceQuestion
} from '../peer/question-message.ts'
import { emptyHistory, historyPage } from './history.ts'
import type { ChannelMaster } from './master.ts'
import { EMPTY } from './occupancy.ts'
import { memberKey } from './presence.ts'
import { itemBytes } from './presence-pages.ts'

/** Has `channel` answer, if it is there; `onAnswer` may be called later, or never. */
export function answerTo(
  question: MasterQuestion,
  channel: ChannelMaster | undefined,
  lineage: string,
  onAnswer: (answer: Answer) => void
): void {
  switch (question.kind) {
    case 'history':
      onAnswer(channel === undefined ? emptyHistory(question, lineage)
        : historyPage(channel.here(), question))
      return
    case 'presence':
      onAnswer(presencePage(question, channel?.presence.shown() ?? []))
      return
    case 'status':
      if (channel === undefined) {
        onAnswer({ kind: 'status', occupancy: { ...EMPTY, presenceMembers: 0 } })
      } else {
        channel.census.ask((occupancy) => onAnswer({ kind: 'status', occupancy }))
      }
      return
    default:
      exhaustive(question, 'question')
  }
}

/** Members that are asked for, in order of their keys: pages fit together whoever comes or goes. */
function presencePage(
  { clientId, connectionId, after, countMax }: PresenceQuestion,
  present: readonly PresenceMember[]
): PresenceAnswer {
  const asked: { key: string; member: PresenceMember }[] = []
  for (const member of present) {
    if (clientId !== undefined && member.clientId !== clientId) continue
    if (connectionId !== undefined && member.connectionId !== connectionId) continue
    const key = memberKey(member.connectionId, member.clientId)
    if (after === undefined || key > after) asked.push({ key, member })
  }
  asked.sort((a, b) => (a.key < b.key ? -1 : 1))
  const members: PresenceMember[] = []
  let bytes = 0
  for (const { member } of asked) {
    bytes += itemBytes(member)
    const isFull = members.length >= countMax || bytes > limits.backlogPageBytesMax
    if (isFull && members.length > 0) return { kind: 'presence', members, isWhole: false }
    members.push(member)
  }
  return { kind: 'presence', members, isWhole: true }
}
