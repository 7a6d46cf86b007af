/**
 * How full the streams of a log are, and the account that they are in. A stream has no limit of
 * its own: how many bytes the log and the archive may take together is configured, or left to
 * the account. An account without a limit ends with the disk, so what is configured is looked at
 * as a limit of it: else an archive could take what the log needs.
 */

import type { NatsConnection } from 'nats'
import { type Filled, fullerOf, type LogFill } from '../log/room.ts'
import type { LogPlan } from '../node/member-ports.ts'
import { askApi, wordsOf } from './jetstream-api.ts'
import { archiveStreamName, streamName } from './log-names.ts'
import { Requests } from './requests.ts'

interface StreamState {
  readonly state?: { readonly bytes?: number }
}

interface Usage {
  readonly storage?: number
  readonly limits?: { readonly max_storage?: number }
}

interface AccountInfo extends Usage {
  readonly tiers?: Readonly<Record<string, Usage>>
}

const UNBOUNDED: Filled = { bytes: 0, bytesMax: Infinity }

export class JetStreamScale {
  readonly #requests: Requests
  readonly #prefix: string
  readonly #bytesMax: number

  /**
   * `bytesMax`: what one copy of the log and of the archive may take; Infinity leaves it to the
   * account.
   */
  constructor(connection: NatsConnection, prefix: string, bytesMax: number) {
    this.#requests = new Requests(connection)
    this.#prefix = prefix
    this.#bytesMax = bytesMax
  }

  /** How full it is, or a problem in words; undefined as long as the ring has no log. */
  async fill(plan: LogPlan | undefined): Promise<LogFill | string | undefined> {
    if (plan === undefined) return undefined
    const bytesMax = this.#bytesMax / plan.streamCount
    const streams: Filled[] = []
    for (let index = 0; index < plan.streamCount; index++) {
      const name = streamName(this.#prefix, plan, index)
      const answer = await askApi<StreamState>(this.#requests, `STREAM.INFO.${name}`)
      if (answer.kind !== 'answered') return `${name}: ${wordsOf(answer)}`
      streams.push({ bytes: answer.value.state?.bytes ?? 0, bytesMax })
    }
    const archive = await this.#archive(plan)
    if (typeof archive === 'string') return archive
    // Whoever may not ask for the account has been told by others how much the log may take.
    const answer = await askApi<AccountInfo>(this.#requests, 'INFO')
    const account = answer.kind === 'answered' ? accountOf(answer.value, plan) : UNBOUNDED
    const logBytes = streams.reduce((sum, { bytes }) => sum + bytes, 0)
    const own = { bytes: logBytes + archive.bytes, bytesMax: this.#bytesMax }
    return { streams, account: fullerOf(account, own), archive }
  }

  /** What the archive takes; only what it leaves of the account bounds it. */
  async #archive(plan: LogPlan): Promise<Filled | string> {
    let bytes = 0
    for (let index = 0; index < plan.streamCount; index++) {
      const name = archiveStreamName(this.#prefix, plan, index)
      const answer = await askApi<StreamState>(this.#requests, `STREAM.INFO.${name}`)
      if (answer.kind !== 'answered') return `${name}: ${wordsOf(answer)}`
      bytes += answer.value.state?.bytes ?? 0
    }
    return { bytes, bytesMax: Infinity }
  }
}

/** An account counts every copy; one with a tier for this many copies counts the tier's once. */
function accountOf(info: AccountInfo, { redundancy }: LogPlan): Filled {
  const tier = info.tiers?.[`R${redundancy}`]
  const copies = tier === undefined ? redundancy : 1
  const { storage = 0, limits = {} } = tier ?? info
  const { max_storage: storageMax = -1 } = limits
  return {
    bytes: storage / copies, bytesMax: storageMax > 0 ? storageMax / copies : Infinity
  }
}

