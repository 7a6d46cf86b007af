/**
 * The streams behind a ring's logs, and behind its archive of persisted messages: made once, for a
 * generation that stands in the view as being made by this node; afterwards only looked at, and
 * only their number of copies is ever changed (rule 1). A stream that is missing is never made
 * again under its old name: what it held would be forgotten in silence.
 *
 * Every answer is a problem in words, or undefined for none.
 */

import { headers, type NatsConnection } from 'nats'
import type { LogPlan } from '../node/member-ports.ts'
import { type ApiAnswer, askApi, encodedJson, wordsOf } from './jetstream-api.ts'
import {
  archiveStreamName, archiveSubjects, probeSubject, streamName, streamSubjects
} from './log-names.ts'
import { Requests } from './requests.ts'

/** Reads in pages of one request need it. */
const SERVER_VERSION_MIN = [2, 11]
/** An account that cannot hold this much per stream and copy is too small to begin with. */
const STREAM_BYTES_MIN = 64 * 1024 * 1024
const PROBE_MS = 5_000
/**
 * Servers that hold a copy answer the leader every other second. One that does not may be gone,
 * disk and all, and NATS takes its copy for current for ten seconds.
 */
export const COPY_SILENT_MS = 3_000
const NS_PER_MS = 1_000_000
const NO_SUITABLE_PEERS = 10005
const NOT_CLUSTERED = 10074
const NOT_FOUND = 10059

interface StreamConfig {
  readonly name: string
  readonly num_replicas: number
  readonly [field: string]: unknown
}

interface Copy {
  readonly name: string
  readonly current?: boolean
  readonly offline?: boolean
  /** In ns: so long ago the leader heard of it. */
  readonly active?: number
}

interface StreamInfo {
  readonly config: StreamConfig
  /** Absent where there is a single server. */
  readonly cluster?: { readonly leader?: string; readonly replicas?: readonly Copy[] }
}

interface Limits {
  readonly max_storage?: number
  readonly max_streams?: number
}

interface Usage {
  readonly streams?: number
  readonly limits?: Limits
}

interface AccountInfo extends Usage {
  readonly tiers?: Readonly<Record<string, Usage>>
}

export class JetStreamStreams {
  readonly #requests: Requests
  readonly #prefix: string

  constructor(connection: NatsConnection, prefix: string) {
    this.#requests = new Requests(connection)
    this.#prefix = prefix
  }

  /** Makes what is not there yet; fine once each has a leader and all its copies are current. */
  async make(plan: LogPlan): Promise<string | undefined> {
    const unfit = this.#serverProblem() ?? (await this.#accountProblem(plan))
    if (unfit !== undefined) return unfit
    const problem = await this.#firstOf(plan, async (config) => {
      const { name } = config
      // The server takes a second request for the same stream as done, so this can be repeated.
      const answer = await this.#ask(`STREAM.CREATE.${name}`, config)
      return changeProblem(`stream ${name} cannot be made`, answer, plan)
    })
    return problem ?? await this.#checkAll(plan, true) ?? await this.#rightsProblem(plan)
  }

  /** Fine if each is there as it should be, with a leader. */
  async check(plan: LogPlan): Promise<string | undefined> {
    return this.#serverProblem() ?? await this.#checkAll(plan, false) ??
      await this.#rightsProblem(plan)
  }

  /**
   * Makes the number of copies what the plan says; fine once all of them are current. One that was
   * lost less than `COPY_SILENT_MS` ago may count as such.
   */
  async setCopies(plan: LogPlan): Promise<string | undefined> {
    const problem = await this.#firstOf(plan, async ({ name }) => {
      const found = await this.#ask<StreamInfo>(`STREAM.INFO.${name}`)
      if (found.kind !== 'answered') return lookProblem(name, found)
      const { config } = found.value
      if (config.num_replicas === plan.redundancy) return undefined
      const changed = { ...config, num_replicas: plan.redundancy }
      const answer = await this.#ask(`STREAM.UPDATE.${name}`, changed)
      return changeProblem(`the copies of ${name} cannot be changed`, answer, plan)
    })
    return problem ?? this.#checkAll(plan, true)
  }

  #ask<T>(method: string, request?: object): Promise<ApiAnswer<T>> {
    return askApi<T>(this.#requests, method, request)
  }

  #checkAll(plan: LogPlan, areCopiesAwaited: boolean): Promise<string | undefined> {
    return this.#firstOf(plan, async (config) => {
      const { name } = config
      const answer = await this.#ask<StreamInfo>(`STREAM.INFO.${name}`)
      if (answer.kind !== 'answered') return lookProblem(name, answer)
      const info = answer.value
      const difference = differenceOf(info.config, config)
      if (difference !== undefined) return `stream ${name} is not as it was made: ${difference}`
      const unready = unreadyProblem(info, plan, areCopiesAwaited)
      return unready === undefined ? undefined : `stream ${name} ${unready}`
    })
  }

  /**
   * Whether we may do all that a log does, tried on a subject that stays empty: the append
   * expects what is not there, so it is a conflict.
   */
  async #rightsProblem(plan: LogPlan): Promise<string | undefined> {
    const name = streamName(this.#prefix, plan, 0)
    const subject = probeSubject(this.#prefix, plan, 0)
    const expectation = headers()
    expectation.set('Nats-Expected-Last-Subject-Sequence', '1')
    const append = await this.#requests.ask({
      subject, bytes: new Uint8Array(), headers: expectation, timeoutMs: PROBE_MS
    })
    if ('failure' in append) return `the log cannot be written: ${append.failure.reason}`
    const read = await this.#requests.ask({
      subject: `$JS.API.DIRECT.GET.${name}`, bytes: encodedJson({ last_by_subj: subject }),
      timeoutMs: PROBE_MS
    })
    if ('failure' in read) return `the log cannot be read: ${read.failure.reason}`
    const last = await this.#ask(`STREAM.MSG.GET.${name}`, { last_by_subj: subject })
    if (last.kind === 'none') return `the log cannot be read: ${last.reason}`
    const trim = await this.#ask(`STREAM.PURGE.${name}`, { filter: subject })
    return trim.kind === 'answered' ? undefined : `the log cannot be trimmed: ${wordsOf(trim)}`
  }

  /** Looks at all streams of the plan at once; the first that has a problem tells it. */
  async #firstOf(
    plan: LogPlan, look: (config: StreamConfig) => Promise<string | undefined>
  ): Promise<string | undefined> {
    const configs = Array.from({ length: plan.streamCount }, (_, index) => {
      return [this.#logConfigOf(plan, index), this.#archiveConfigOf(plan, index)]
    })
    const problems = await Promise.all(configs.flat().map(look))
    return problems.find((problem) => problem !== undefined)
  }

  #logConfigOf(plan: LogPlan, index: number): StreamConfig {
    const subjects = streamSubjects(this.#prefix, plan, index)
    const description = 'Ringcast: logs of partitions'
    const name = streamName(this.#prefix, plan, index)
    return { ...this.#configOf(name, subjects, plan), description, allow_msg_ttl: false }
  }

  /** Records of the archive say themselves how long they are kept. */
  #archiveConfigOf(plan: LogPlan, index: number): StreamConfig {
    const subjects = archiveSubjects(this.#prefix, plan, index)
    const description = 'Ringcast: persisted messages'
    const name = archiveStreamName(this.#prefix, plan, index)
    return { ...this.#configOf(name, subjects, plan), description, allow_msg_ttl: true }
  }

  #configOf(name: string, subjects: string, plan: LogPlan): StreamConfig {
    return {
      name,
      subjects: [subjects],
      retention: 'limits',
      storage: 'file',
      discard: 'new',
      num_replicas: plan.redundancy,
      max_age: 0,
      max_msgs: -1,
      max_bytes: -1,
      max_msgs_per_subject: -1,
      max_msg_size: -1,
      max_consumers: -1,
      allow_direct: true,
      sealed: false,
      deny_delete: false,
      deny_purge: false,
      allow_rollup_hdrs: false
    }
  }

  #serverProblem(): string | undefined {
    const version = this.#requests.serverVersion
    if (version === undefined) return 'not connected to NATS'
    const [major = 0, minor = 0] = version.split('.').map(Number)
    const [majorMin = 0, minorMin = 0] = SERVER_VERSION_MIN
    const isOld = major < majorMin || (major === majorMin && minor < minorMin)
    if (!isOld) return undefined
    return `nats-server ${version} is older than ${SERVER_VERSION_MIN.join('.')}`
  }

  /** Why the account is too small; one without limits, or with enough, is not. */
  async #accountProblem(plan: LogPlan): Promise<string | undefined> {
    const answer = await this.#ask<AccountInfo>('INFO')
    if (answer.kind !== 'answered') return `JetStream cannot be asked: ${wordsOf(answer)}`
    const tier = answer.value.tiers?.[`R${plan.redundancy}`]
    const { limits = {}, streams = 0 } = tier ?? answer.value
    const { max_storage: bytesMax = -1, max_streams: streamsMax = -1 } = limits
    const bytesNeeded = plan.streamCount * STREAM_BYTES_MIN * (tier === undefined
      ? plan.redundancy : 1)
    if (bytesMax > 0 && bytesMax < bytesNeeded) {
      return `the NATS account may store ${bytesMax} bytes; the log needs ${bytesNeeded} or more`
    }
    // What this ring's own streams take of it is not told apart: those are only made once.
    const streamsNeeded = 2 * plan.streamCount
    if (streamsMax > 0 && streamsNeeded > streamsMax) {
      return `the NATS account may have ${streamsMax} streams, ${streams} are there; ` +
        `log and archive need ${streamsNeeded}`
    }
    return undefined
  }
}

/** In words, what differs from the configuration that the stream was made with. */
function differenceOf(found: StreamConfig, made: StreamConfig): string | undefined {
  for (const [field, value] of Object.entries(made)) {
    // The number of copies is compared by itself; a description harms nobody.
    if (field === 'num_replicas' || field === 'description') continue
    // Some servers leave out what is at its default.
    const isDefault = value === 0 || value === -1 || value === false
    const other = found[field] ?? (isDefault ? value : undefined)
    if (JSON.stringify(other) !== JSON.stringify(value)) {
      return `${field} is ${JSON.stringify(other)} instead of ${JSON.stringify(value)}`
    }
  }
  for (const field of ['mirror', 'sources', 'subject_transform', 'republish']) {
    if (found[field] !== undefined && found[field] !== null) return `it has ${field}`
  }
  return undefined
}

function unreadyProblem(
  { config, cluster }: StreamInfo, plan: LogPlan, areCopiesAwaited: boolean
): string | undefined {
  const isAlone = cluster === undefined
  if (!isAlone && (cluster.leader ?? '') === '') return 'has no leader'
  if (!areCopiesAwaited) return undefined
  const others = cluster?.replicas ?? []
  if (config.num_replicas !== plan.redundancy || others.length + 1 !== plan.redundancy) {
    return `has ${others.length + 1} of ${plan.redundancy} copies`
  }
  const behind = others.filter(({ current, offline, active = 0 }) =>
    current !== true || offline === true || active > COPY_SILENT_MS * NS_PER_MS)
  if (behind.length === 0) return undefined
  return `waits for its copies on ${behind.map(({ name }) => name).join(', ')}`
}

function lookProblem(name: string, answer: ApiAnswer<unknown>): string {
  if (answer.kind === 'error' && answer.code === NOT_FOUND) {
    return `stream ${name} is missing, though the ring's log was made`
  }
  return `stream ${name} cannot be looked at: ${wordsOf(answer)}`
}

function changeProblem(
  what: string, answer: ApiAnswer<unknown>, { redundancy }: LogPlan
): string | undefined {
  if (answer.kind === 'answered') return undefined
  const isTooMany = answer.kind === 'error' &&
    (answer.code === NO_SUITABLE_PEERS || answer.code === NOT_CLUSTERED)
  const why = isTooMany ? `redundancy ${redundancy} needs as many NATS servers: ` : ''
  return `${what}: ${why}${wordsOf(answer)}`
}
