/** What the handlers of requests need around them: one object for all. */

import type { ConnectionKeys } from '../auth/connection-key.ts'
import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import type { MeterSource } from '../base/meter.ts'
import type { Random } from '../base/random.ts'
import type { Tally } from '../base/tally.ts'
import type { RegionEndpoint } from '../region/terms.ts'
import type { ChannelDoor } from '../session/door.ts'
import type { AtOnce } from './at-once.ts'
import type { ClientEvents } from './client-events.ts'
import type { Gatekeeper } from './gatekeeper.ts'
import type { Holders } from './holders.ts'
import type { NonceDesk } from './nonces.ts'
import type { Outbox } from './outbox.ts'
import type { Questions } from './questions.ts'
import type { RevocationDesk } from './revocations.ts'

export interface RequestPorts {
  readonly channels: ChannelDoor
  /** What becomes of requests, for those who want to know. */
  readonly events: ClientEvents
  readonly questions: Questions
  readonly outbox: Outbox
  readonly deadlines: Deadlines
  /** For the ids of what is published without any. */
  readonly random: Random
  readonly gate: Gatekeeper
  readonly nonces: NonceDesk
  /** The homes of connections that others speak for. */
  readonly holders: Holders
  /** Enumerations under way, by app. */
  readonly enumerations: AtOnce
  readonly revocations: RevocationDesk
  readonly connectionKeys: ConnectionKeys
  readonly tally: Tally
  readonly meters: MeterSource
  /** Where clients reach the regions, our own first; undefined where it is in no world. */
  endpoints(): readonly RegionEndpoint[] | undefined
  now(): Now
}
