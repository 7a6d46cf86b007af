/**
 * Who is on the region while it is fuzzed: hostile clients, which send what `FrameMaker` makes and
 * come and go as they like, and bystanders, to whom nothing may happen.
 */

import { inspect } from 'node:util'
import { decode, Decoder, ExtensionCodec } from '@msgpack/msgpack'
import type { FrameSequence, Socket } from '../../src/node/outbox.ts'
import { payloadOf } from '../../src/wire/frame.ts'
import { FrameMaker, type FuzzFormat, type FuzzFrame, type Heard } from './frames.ts'
import type { Odd } from './odd.ts'
import { isMap, Owed, type Told } from './owed.ts'
import { type FuzzNode, type FuzzRegion, KEYS } from './region.ts'

/** Longer than any answer takes (limits.publishOutcomeMs, attachAnswerMs). */
const ANSWER_MS = 12_000
const STORY_MAX = 60
/** A byte that is not taken counts for so many, or it would take long until there is no room. */
const STALLED_SCALE = 1_000

const extensionCodec = new ExtensionCodec()
extensionCodec.register({ type: 0, encode: () => null, decode: () => undefined })
const decoder = new Decoder({ extensionCodec })

/** What a frame says to somebody who knows the formats; undefined: nothing. */
function meaningOf({ data, isBinary }: FuzzFrame): unknown {
  const bytes = typeof data === 'string' ? Buffer.from(data) : Buffer.from(data)
  try {
    return isBinary ? decoder.decode(bytes) : JSON.parse(bytes.toString('utf8'))
  } catch {
    // No format: that is what fuzzing is for.
    return undefined
  }
}

/** A socket in the hand of a client; what it is told is decoded without the server's help. */
export class FuzzSocket implements Socket {
  readonly node: FuzzNode
  readonly #region: FuzzRegion
  readonly #onTold: (told: Told) => void
  isOpen = true
  /** The server has closed it. */
  isClosed = false
  isStalled = false
  queuedBytes = 0

  constructor(
    region: FuzzRegion,
    node: FuzzNode,
    query: ReadonlyMap<string, string>,
    onTold: (told: Told) => void
  ) {
    this.#region = region
    this.node = node
    this.#onTold = onTold
    region.input(node, { kind: 'socketOpened', opening: { socket: this, query, isTls: false } })
  }

  write(batch: FrameSequence): void {
    if (this.isStalled) {
      this.queuedBytes += batch.bytes().byteLength * STALLED_SCALE
      return
    }
    for (const frame of batch.frames()) {
      const payload = payloadOf(frame)
      const told = frame.isBinary ? decode(payload) : JSON.parse(Buffer.from(payload).toString())
      if (!isMap(told)) throw new Error('told something that is no message')
      this.#onTold(told)
    }
  }

  ping(): void {
    if (!this.isStalled) this.#region.input(this.node, { kind: 'socketHeard', socket: this })
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.#end()
  }

  send({ data, isBinary }: FuzzFrame): void {
    if (!this.isOpen) return
    this.#region.input(this.node, { kind: 'socketFrame', socket: this, data, isBinary })
  }

  /** The client's end goes. */
  drop(): void {
    this.#end()
  }

  #end(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.#region.input(this.node, { kind: 'socketClosed', socket: this })
  }
}

/** A client that keeps to nothing. */
export class Hostile {
  readonly #region: FuzzRegion
  readonly #odd: Odd
  readonly #heard: Heard
  #socket: FuzzSocket | undefined
  #maker: FrameMaker
  #owed = new Owed()
  /** What was said and told last, for the report of what went wrong. */
  #story: (readonly [who: string, what: unknown])[] = []

  constructor(region: FuzzRegion, odd: Odd, heard: Heard) {
    this.#region = region
    this.#odd = odd
    this.#heard = heard
    this.#maker = new FrameMaker(odd, heard, 'json')
  }

  get isOpen(): boolean {
    return this.#socket?.isOpen === true
  }

  connect(): void {
    const odd = this.#odd
    const format: FuzzFormat = odd.one(['json', 'msgpack'])
    this.#maker = new FrameMaker(odd, this.#heard, format)
    const owed = new Owed()
    this.#owed = owed
    this.#story = []
    const node = odd.one(this.#region.nodes)
    this.#socket = new FuzzSocket(this.#region, node, this.#query(format), (told) => {
      this.#tell('told', told)
      this.#note(told)
      owed.onTold(told)
    })
    this.#socket.isStalled = odd.once(20)
  }

  /** Sends one frame; returns it, for the report of what went wrong. */
  send(): FuzzFrame {
    const frame = this.#maker.next()
    const socket = this.#socket
    if (socket?.isOpen === true) {
      const meaning = meaningOf(frame)
      this.#tell('said', meaning)
      this.#owed.onSent(meaning, this.#region.nowMs)
      socket.send(frame)
    }
    return frame
  }

  drop(): void {
    this.#socket?.drop()
  }

  /** What must not be, if there is something. */
  flaw(): string | undefined {
    const { isClosed, isOpen, isStalled } = this.#socket ?? {}
    if (isStalled === true) return undefined
    if (isClosed === true) this.#owed.onClosed()
    if (this.#owed.flaw !== undefined) return this.#owed.flaw
    const overdue = isOpen === true ? this.#owed.overdue(this.#region.nowMs - ANSWER_MS) : undefined
    return overdue && `no answer to ${overdue}`
  }

  /** The end of its story. */
  get story(): string {
    return this.#story.slice(-STORY_MAX).map(([who, what]) =>
      `${who} ${inspect(what, { depth: 6, breakLength: 200 }).slice(0, 1_000)}`).join('\n')
  }

  #tell(who: string, what: unknown): void {
    this.#story.push([who, what])
    if (this.#story.length > 2 * STORY_MAX) this.#story.splice(0, STORY_MAX)
  }

  #query(format: FuzzFormat): Map<string, string> {
    const odd = this.#odd
    const query = new Map([['key', odd.one(KEYS)], ['format', format], ['v', '6']])
    if (odd.once(3)) query.set('clientId', odd.one(['ann', 'ben', 'x'.repeat(2_000), '*', '💩']))
    if (odd.once(4)) query.set('heartbeats', odd.one(['true', 'false', odd.text()]))
    if (odd.once(4)) query.set('echo', odd.one(['true', 'false', odd.text()]))
    if (odd.once(4)) query.set('remainPresentFor', odd.one(['0', '1', '999999999999999', '500']))
    const { connectionKeys } = this.#heard
    if (connectionKeys.length > 0 && odd.once(2)) {
      const key = odd.one(connectionKeys)
      const forged = odd.once(3) ? odd.damagedText(key) : key
      query.set(odd.one(['resume', 'recover']), forged)
    }
    if (odd.once(6)) {
      const name = odd.one(['key', 'v', 'format', 'accessToken', 'access_token', 'resume', 'agent'])
      query.set(name, odd.once(2) ? odd.text() : odd.damagedText(query.get(name) ?? ''))
    }
    return query
  }

  #note(told: Told): void {
    this.#heard.note('channelSerials', told.channelSerial)
    this.#heard.note('connectionKeys', told.connectionKey)
    this.#heard.note('ids', told.id)
    const [result] = Array.isArray(told.res) ? told.res : []
    if (isMap(result) && Array.isArray(result.serials)) this.#heard.note('ids', result.serials[0])
  }
}

/** Publishes and listens as one should, on a channel of its own. */
export class Bystander {
  readonly #region: FuzzRegion
  readonly #channel: string
  readonly #publisher: FuzzSocket
  readonly #listeners: FuzzSocket[] = []
  #sentCount = 0
  #ackedCount = 0
  readonly #heardCounts = [0, 0]
  #flaw: string | undefined

  constructor(region: FuzzRegion, channel: string) {
    this.#region = region
    this.#channel = channel
    const query = (): Map<string, string> =>
      new Map([['key', KEYS[0]], ['v', '6'], ['format', 'json'], ['clientId', 'bystander']])
    for (const [no, node] of region.nodes.entries()) {
      const listener = new FuzzSocket(region, node, query(), (told) => this.#onHeard(no, told))
      listener.send(json({ action: 10, channel }))
      this.#listeners.push(listener)
    }
    this.#publisher = new FuzzSocket(region, region.nodes[0]!, query(), (told) => {
      if (told.action === 1) this.#ackedCount += told.count as number
      else if (told.action !== 4 && told.action !== 0) this.#flaw ??= `told ${told.action}`
    })
  }

  publish(): void {
    const msgSerial = this.#sentCount++
    const messages = [{ data: String(msgSerial) }]
    this.#publisher.send(json({ action: 15, channel: this.#channel, msgSerial, messages }))
  }

  /** Once everything is still: what it did not get, or got wrong. */
  flaw(): string | undefined {
    const counts = [this.#ackedCount, ...this.#heardCounts]
    const isBehind = counts.some((count) => count !== this.#sentCount)
    if (!isBehind) return this.#flaw
    return this.#flaw ?? `${this.#sentCount} sent, acknowledged and heard: ${counts.join(', ')}`
  }

  leave(): void {
    for (const socket of [this.#publisher, ...this.#listeners]) socket.send(json({ action: 7 }))
    this.#region.settle()
  }

  #onHeard(no: number, { action, messages, flags }: Told): void {
    if (action === 15) {
      for (const { data } of messages as { data: string }[]) {
        const next = this.#heardCounts[no]!++
        if (data !== String(next)) this.#flaw ??= `heard ${data} where ${next} is next`
      }
    } else if (action === 11) {
      if (this.#sentCount > 0 && flags !== undefined) this.#flaw ??= 'attached anew'
    } else if (action !== 4 && action !== 0 && action !== 16) {
      this.#flaw ??= `a listener was told ${action}`
    }
  }
}

function json(value: object): FuzzFrame {
  return { data: Buffer.from(JSON.stringify(value)), isBinary: false }
}
