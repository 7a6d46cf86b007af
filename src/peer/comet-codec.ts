/** Comet messages as the fields that meshes carry (see peer/codec.ts). */

import { exhaustive } from '../base/assert.ts'
import type { CometMessage, CometWish } from './comet-message.ts'
import type { Fields } from './fields.ts'

const WISHES = [
  'recv',
  'send',
  'close',
  'disconnect'
] as const satisfies readonly CometWish[]

/** The message's fields behind its code. */
export function cometMessageFields(m: CometMessage): Fields {
  switch (m.kind) {
    case 'cometAsked':
      return [m.askId, m.connectionId, m.claim, WISHES.indexOf(m.wish), m.frames, m.hasMore]
    case 'cometAnswered':
      return [m.askId, m.statusCode, m.body ?? null]
    case 'cometLeft':
      return [m.askId, m.connectionId, m.claim, m.hasMissed]
    default:
      return exhaustive(m, 'comet message')
  }
}

/** The inverse of `cometMessageFields`, for a message of this kind. */
export function cometMessageFrom(kind: CometMessage['kind'], fields: Fields): CometMessage {
  const [askId, ...f] = fields as [number, ...never[]]
  switch (kind) {
    case 'cometAsked':
      return { kind, askId, connectionId: f[0]!, claim: f[1]!,
        wish: WISHES[f[2]!]!, frames: f[3]!, hasMore: f[4]! }
    case 'cometAnswered':
      return { kind, askId, statusCode: f[0]!, body: f[1] ?? undefined }
    case 'cometLeft':
      return { kind, askId, connectionId: f[0]!, claim: f[1]!, hasMissed: f[2]! }
    default:
      return exhaustive(kind, 'comet message')
  }
}
