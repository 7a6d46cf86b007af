/**
 * A client without a connection: everything it wants it asks for by requests, of any worker, and
 * as SDKs do it asks again where no answer comes, or one above 500. Some of what it asks is
 * nonsense, and must be answered as that.
 */

import type { Random } from '../../src/base/random.ts'
import type { RawRequest } from '../../src/node/request.ts'
import type { ReadingStart } from './checks/history.ts'
import type { Answer } from './exchanges.ts'
import { type Outcome, publishBatch } from './batch-client.ts'
import { Behalf, Guests } from './behalf.ts'
import { EPOCH_MS } from './clock.ts'
import { type HistoryItem, type HistoryRead, readHistory } from './history-client.ts'
import type { Ask } from './pages.ts'
import type { Region } from './region.ts'
import { KEY } from './app.ts'
import { basic, NONSENSE } from './rest-nonsense.ts'
import { readStats } from './stats-reader.ts'
import { nameOf } from './submissions.ts'
import { Surveyor, type SurveyWitness } from './surveyor.ts'
import { TokenSeeker } from './token-seeker.ts'
import { Violation } from './world.ts'

const ASK_MS = 400
const RETRY_MS = 500
/** One publish in so many is on behalf of a connection. */
const BEHALF_EVERY = 4
const KEY_REFUSED = 40006

/** A publish of its own, until it is answered. */
interface Said {
  readonly channel: string
  readonly texts: readonly string[]
  /** False: what becomes of it, where no answer comes, nobody will know. */
  readonly hasIds: boolean
  readonly behalf?: Behalf | undefined
  tryCount: number
}

/** Who is told what was answered to whom. */
export interface RestWitness {
  /** The publish is acknowledged under these serials, where they were told. */
  onPublished(
    channel: string, texts: readonly string[], serials: readonly string[] | undefined,
    behalf?: Behalf
  ): void
  /** A request for a token with this nonce, by its digest, was answered below 500. */
  onTokenAnswer(nonce: string, answer: Answer): void
  /** It was refused, and nothing of it can be on its way. */
  onRefused(channel: string, texts: readonly string[]): void
  readonly history: {
    start(channel: string, until: string | undefined): ReadingStart
    onRead(start: ReadingStart, read: HistoryRead): void
    onMessage(text: string, serial: string, told: HistoryItem | undefined): void
  }
  readonly survey: SurveyWitness
}

export class RestClient {
  readonly name: string
  readonly #region: Region
  readonly #random: Random
  readonly #channels: readonly string[]
  readonly #witness: RestWitness
  readonly #open = new Set<Said>()
  readonly #tokens: TokenSeeker
  /** By itself, so that a seed is otherwise what it was. */
  readonly #behalfs: Random
  readonly #guests: Guests
  readonly #surveyor: Surveyor
  #count = 0
  #isOn = true

  constructor(region: Region, name: string, channels: readonly string[], witness: RestWitness) {
    this.name = name
    this.#region = region
    this.#random = region.world.fork(`rest ${name}`)
    this.#channels = channels
    this.#witness = witness
    this.#behalfs = this.#random.fork('behalf')
    this.#tokens = new TokenSeeker(region, this.#random.fork('tokens'), witness)
    this.#surveyor = new Surveyor(region, this.#random.fork('survey'), channels, witness.survey,
      (request, onAnswer) => this.#ask(request, onAnswer))
    this.#liveOn()
    this.#guests = new Guests(region, this.#behalfs.fork('guests'), (behalf) => {
      if (this.#isOn) this.publish(channels[0]!, 1, false, behalf)
    })
  }

  /** What it said or asked, and has no answer to yet. */
  get pending(): string[] {
    return [...this.#surveyor.open, ...[...this.#open].flatMap(({ texts }) => texts)]
  }

  /** Asks for all that there is, until all of it could be judged. */
  survey(): void {
    this.#surveyor.survey()
  }

  /** It asks nothing more of itself. */
  stop(): void {
    this.#isOn = false
    this.#guests.stop()
  }

  publish(channel: string, count: number, hasIds: boolean, behalf?: Behalf): void {
    const said = { channel, texts: this.#newTexts(count), hasIds, behalf, tryCount: 0 }
    this.#open.add(said)
    this.#say(said)
  }

  /** Publishes on several channels at once; what has no answer is said again for itself. */
  publishBatch(): void {
    const random = this.#random
    const hasIds = random.below(4) > 0
    const specs = Array.from({ length: 1 + random.below(2) }, () => {
      const first = random.below(this.#channels.length)
      const channels = this.#channels.slice(first, first + 1 + random.below(3))
      const texts = this.#newTexts(1 + random.below(2))
      return { channels, texts, messages: itemsOf(texts, hasIds) }
    })
    const all = specs.map(({ channels, texts }) => new Map(channels.map((channel) => {
      const said: Said = { channel, texts, hasIds, tryCount: 1 }
      this.#open.add(said)
      return [channel, said]
    })))
    publishBatch(specs, random, (request, onAnswer) => this.#ask(request, onAnswer),
      (no, channel, outcome) => this.#onOutcome(all[no]!.get(channel)!, outcome))
  }

  #newTexts(count: number): string[] {
    const no = ++this.#count
    return Array.from({ length: count }, (_, at) => `${this.name}.${no}.${at}`)
  }

  #liveOn(): void {
    this.#region.world.after(this.#random.jitter(ASK_MS, 0.9), () => {
      if (!this.#isOn) return
      this.#act()
      this.#liveOn()
    })
  }

  #act(): void {
    const dice = this.#random.below(15)
    const channel = this.#channels[this.#random.below(this.#channels.length)]!
    if (dice < 4) this.publish(channel, dice === 0 ? 3 : 1, dice < 3, this.#someBehalf())
    else if (dice < 6) this.#readSomething(channel)
    else if (dice < 8) this.#tokens.seek()
    else if (dice < 10) this.#askNonsense()
    else if (dice < 12) this.publishBatch()
    else this.#surveyor.look(channel)
  }

  #someBehalf(): Behalf | undefined {
    const random = this.#behalfs
    if (random.below(BEHALF_EVERY) > 0) return undefined
    return Behalf.ofSome(this.#region.clients, random, this.#region.world)
  }

  #readSomething(channel: string): void {
    if (this.#random.below(4) > 0) this.#read(channel)
    else readStats(this.#random, (request, onAnswer) => this.#ask(request, onAnswer))
  }

  #read(channel: string): void {
    const { history } = this.#witness
    const places = this.#region.clients.map(({ channels }) => channels.get(channel)?.channelSerial)
    const until = this.#random.below(4) > 0 ? undefined : places[this.#random.below(places.length)]
    const start = history.start(channel, until)
    const ask: Ask = (request, onAnswer) => this.#ask(request, onAnswer)
    const wallMs = EPOCH_MS + Math.floor(this.#region.world.nowMs)
    readHistory(channel, this.#random, ask, until, wallMs, (read) => {
      if (read !== undefined) history.onRead(start, read)
    })
  }

  #say(said: Said): void {
    said.tryCount++
    const { channel, texts, hasIds, behalf } = said
    const items = itemsOf(texts, hasIds, behalf?.connectionKey)
    const isClosed = behalf?.isClosed
    const body = new TextEncoder().encode(JSON.stringify(items))
    const target = `/channels/${channel}/messages`
    const headers = { 'content-type': 'application/json' }
    this.#ask({ method: 'POST', target, headers, body }, (answer) => {
      if (answer === undefined || answer.status >= 500) {
        this.#onOutcome(said, { kind: 'unknown' })
      } else if (answer.status === 201) {
        const { messageId, serials } = answer.value
        if (isClosed === true) throw new Violation('behalf', `${texts} is said for what is closed`)
        this.#onOutcome(said, { kind: 'taken', messageId, serials })
      } else {
        if (answer.value.error.code === KEY_REFUSED) behalf?.onRefused()
        this.#onOutcome(said, { kind: 'refused' })
      }
    })
  }

  #onOutcome(said: Said, outcome: Outcome): void {
    const { channel, texts, hasIds, behalf, tryCount } = said
    if (outcome.kind === 'unknown' && hasIds) {
      this.#region.world.after(this.#random.jitter(RETRY_MS), () => this.#say(said))
      return
    }
    this.#open.delete(said)
    if (outcome.kind === 'refused' && tryCount === 1) this.#witness.onRefused(channel, texts)
    if (outcome.kind !== 'taken') return
    const { messageId, serials } = outcome
    if (hasIds && `${messageId}:0` !== idOf(texts[0]!)) {
      throw new Violation('requests', `${texts} are published as ${messageId}`)
    }
    this.#witness.onPublished(channel, texts, serials, behalf)
    if (serials !== undefined) this.#find(channel, texts.at(-1)!, serials.at(-1)!)
  }

  #find(channel: string, text: string, serial: string): void {
    if (this.#random.below(3) > 0) return
    this.#ask({ target: `/channels/${channel}/messages/${serial}` }, (answer) => {
      if (answer === undefined || answer.status >= 500) return
      const told = answer.status === 200 ? answer.value : undefined
      this.#witness.history.onMessage(text, serial, told)
    })
  }

  #askNonsense(): void {
    const { status, code, ...request } = NONSENSE[this.#random.below(NONSENSE.length)]!
    this.#ask(request, (answer) => {
      // Who is cut off from the log counts channels for long, and is asked too often meanwhile.
      if (answer === undefined || answer.status >= 500 || answer.status === 429) return
      if (answer.status === status && answer.value?.error?.code === code) return
      throw new Violation('requests', `${request.method} ${request.target} ` +
        `is answered ${answer.status} ${JSON.stringify(answer.value)}`)
    })
  }

  #ask(request: Partial<RawRequest>, onAnswer: (answer: Answer | undefined) => void): void {
    const headers = { authorization: basic(KEY), ...request.headers }
    const whole = { method: 'GET', target: '/', body: undefined, isTls: false }
    this.#region.ask({ ...whole, ...request, headers }, onAnswer)
  }
}

/** `<name>.<no>.<index>` is said under the id `<name>.<no>:<index>`. */
function idOf(text: string): string {
  const at = text.lastIndexOf('.')
  return `${text.slice(0, at)}:${text.slice(at + 1)}`
}

function itemsOf(texts: readonly string[], hasIds: boolean, connectionKey?: string): object[] {
  return texts.map((data) => {
    const item = { name: nameOf(data), data, connectionKey }
    return hasIds ? { ...item, id: idOf(data) } : item
  })
}
