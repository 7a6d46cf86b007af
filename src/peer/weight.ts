/** About how many bytes messages take on a link: for bounds, not for billing. */

import { cometWeight, isCometMessage } from './comet-message.ts'
import type { PeerMessage, PresenceMember, Publication } from './message.ts'
import { type Answer, statsWeight } from './question-message.ts'

/** Of `message`. */
export function weightOf(message: PeerMessage): number {
  if (isCometMessage(message)) return cometWeight(message)
  switch (message.kind) {
    case 'publish':
    case 'submit':
      return 160 + message.op.payload.byteLength
    case 'deliver':
    case 'relayDeliver':
    case 'relayJoined':
    case 'relayTold':
      return publicationsWeight(message.publications)
    case 'joined':
      return publicationsWeight(message.backlog)
    case 'backfilled': {
      const { publications, older = [] } = message
      return older.reduce((sum, part) => sum + publicationsWeight(part.publications),
        publicationsWeight(publications))
    }
    case 'answered':
      return answerWeight(message.answer)
    case 'enumerated':
      return 160 + 100 * message.channels.length
    case 'broadcast':
      return 100 + 100 * message.items.length
    case 'members':
    case 'declare':
    case 'declared':
    case 'relayMembers':
      return membersWeight(message.members)
    default:
      return 160
  }
}

/** About how many bytes the members take. */
export function membersWeight(members: readonly PresenceMember[]): number {
  let bytes = 160
  for (const { data } of members) bytes += 200 + (data?.length ?? 0)
  return bytes
}

function answerWeight(answer: Answer): number {
  if (answer.kind === 'history') return publicationsWeight(answer.publications ?? [])
  if (answer.kind === 'presence') return membersWeight(answer.members)
  return answer.kind === 'stats' ? statsWeight(answer.intervals ?? []) : 160
}

function publicationsWeight(publications: readonly Publication[]): number {
  let bytes = 100
  for (const publication of publications) bytes += 160 + publication.payload.byteLength
  return bytes
}
