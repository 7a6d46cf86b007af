/**
 * The answers of a channel's master to those who only ask (peer/question-message.ts). Of a channel
 * that is not there, there is nothing to tell.
 */

import { exhaustive } from '../base/assert.ts'
import { limits } from '../base/limits.ts'
import type { Occupancy } from '../peer/census-message.ts'
import type { PresenceMember } from '../peer/message.ts'
import type {
  Answer, MasterQuestion, PresenceAnswer, PresenceQuestion, StatusAnswer
} from '../peer/question-message.ts'
import { regionOf } from '../peer/relay-message.ts'
import { emptyHistory, historyPage } from './history.ts'
import type { ChannelMaster } from './master.ts'
import { EMPTY } from './occupancy.ts'
import { memberKey } from './presence.ts'
import type { MasterPresence } from './presence-master.ts'
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
        const nobody = question.isOfWorld === true ? { elsewhere: {} } : {}
        onAnswer({ kind: 'status', occupancy: { ...EMPTY, presenceMembers: 0 }, ...nobody })
      } else if (question.isOfWorld === true) {
        const tell = (occupancy: Occupancy): void =>
          onAnswer({ kind: 'status', occupancy, elsewhere: elsewhere(channel.presence) })
        channel.census.ask(tell, true)
      } else {
        // A node of a former release, which asks nobody else.
        channel.census.ask((occupancy) => onAnswer({ kind: 'status', occupancy }))
      }
      return
    default:
      exhaustive(question, 'question')
  }
}

/** Of other regions those are counted whom we know of, for where one of them says nothing. */
function elsewhere(
  presence: Pick<MasterPresence, 'memberCount' | 'bornCount' | 'shown'>
): NonNullable<StatusAnswer['elsewhere']> {
  if (presence.memberCount === presence.bornCount) return {}
  const counts: Record<string, number> = {}
  for (const { owner } of presence.shown()) {
    const region = regionOf(owner)
    if (region !== undefined) counts[region] = (counts[region] ?? 0) + 1
  }
  return counts
}

/** Members that are asked for, in order of their keys: pages fit together whoever comes or goes. */
function presencePage(
  { clientId, connectionId, after, countMax, isOfWorld }: PresenceQuestion,
  present: readonly PresenceMember[]
): PresenceAnswer {
  const asked: { key: string; member: PresenceMember }[] = []
  for (const member of present) {
    if (clientId !== undefined && member.clientId !== clientId) continue
    if (connectionId !== undefined && member.connectionId !== connectionId) continue
    if (isOfWorld === true && regionOf(member.owner) !== undefined) continue
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
