/**
 * A comet connection as its client holds it (protocol 16): it asks again and again for what there
 * is, by requests that reach any worker, and sends one request at a time. To its client, and to
 * those who watch, it is a socket; it is gone as soon as a request fails.
 */

import type { CometRequest } from '../../src/node/comet-ports.ts'
import type { Random } from '../../src/base/random.ts'
import { Exchange, type ExchangeEvents } from './comet-exchange.ts'
import { DeltaReader } from './delta-reader.ts'
import {
  type CometServer,
  noteToken,
  type SimSocket,
  type SocketClient,
  type SocketOptions,
  type SocketWitness
} from './sockets.ts'
import { Does, type Wire, type WireFormat } from './wire.ts'
import { Violation, type World } from './world.ts'

const CREDENTIALS = new Set(['key', 'access_token', 'clientId'])
/** What a request may be refused with: the transport is over, and its client resumes. */
const EXPECTED = new Set([80003, 80016, 80017, 80022, 50004, 50005, 40141, 40142])

export class CometLine implements SimSocket {
  readonly id: string
  readonly format: WireFormat = 'json'
  readonly isComet = true
  readonly echo: boolean
  readonly server: CometServer
  readonly client: SocketClient
  connectionId = ''
  openedAtMs = 0
  resumesId: string | undefined
  readonly tokens: string[] = []
  isCut = false
  isStalled = false
  readonly #world: World
  readonly #told = new DeltaReader()
  readonly #read = new DeltaReader()
  readonly #witness: SocketWitness
  readonly #random: Random
  readonly #reach: () => CometServer | undefined
  readonly #exchanges = new Set<Exchange>()
  #query: ReadonlyMap<string, string> = new Map()
  #key = ''
  /** What is kept for it is judged where it is kept. */
  readonly isOverfull = false
  #isOpen = true
  #isSending = false
  #pending: Wire[] = []
  #text = ''

  /** `reach`: the worker that the next request reaches, if any. */
  constructor(
    world: World,
    witness: SocketWitness,
    server: CometServer,
    client: SocketClient,
    { id, echo, random }: Omit<SocketOptions, 'format'>,
    reach: () => CometServer | undefined
  ) {
    this.#world = world
    this.#witness = witness
    this.server = server
    this.client = client
    this.id = id
    this.echo = echo
    this.#random = random
    this.#reach = reach
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  open(query: ReadonlyMap<string, string>): void {
    this.#query = query
    noteToken(query.get('access_token'), this.tokens)
    this.resumesId = (query.get('resume') ?? query.get('recover'))?.split('!')[0]
    this.openedAtMs = this.#world.nowMs
    const stream = String(this.#random.below(2) === 0)
    this.#receive('connect', this.server, new Map([...query, ['stream', stream]]))
    this.client.onSocketOpen(this)
  }

  send(message: Wire): void {
    const token = message.auth?.accessToken
    noteToken(token, this.tokens)
    if (token !== undefined) this.#query = new Map([...this.#query, ['access_token', token]])
    if (message.action === Does.CLOSE && this.#random.below(2) === 0) this.#ask('close')
    else this.#pending.push(message)
    this.#sendNext()
  }

  sendData(data: string | Uint8Array): void {
    this.#ask('send', Buffer.from(data))
  }

  drop(): void {
    if (!this.#isOpen) return
    this.#end()
    if (this.#key !== '' && this.#random.below(3) === 0) this.#ask('disconnect')
  }

  resume(): void {
    this.isStalled = false
    for (const exchange of [...this.#exchanges]) exchange.resume()
  }

  mend(): void {
    if (!this.isCut) return
    this.isCut = false
    this.#world.after(1, () => {
      for (const exchange of [...this.#exchanges]) exchange.break()
    })
  }

  /** Its client is told: the transport is over. */
  #fail(): void {
    if (!this.#isOpen) return
    this.#end()
    this.client.onSocketGone(this)
  }

  #end(): void {
    this.#isOpen = false
    this.#witness.onSocketGone(this)
    for (const exchange of this.#exchanges) exchange.abort()
    // Where nothing arrives the server hears of it when the way is whole again.
    if (!this.isCut) this.#exchanges.clear()
  }

  #recv(): void {
    if (!this.#isOpen || this.#key === '') return
    const stream = String(this.#random.below(2) === 0)
    const query = new Map([...this.#credentials(), ['stream', stream]])
    const exchange = this.#receive('recv', this.#reach(), query)
    if (this.client.isRough === true) this.#beRough(exchange)
  }

  /** Asks twice at once, hangs up and goes on as if nothing was, shows what is not its own. */
  #beRough(exchange: Exchange | undefined): void {
    const dice = this.#random.below(12)
    if (dice < 2) this.#world.after(this.#random.jitter(300), () => this.#recv())
    if (dice === 0 || dice > 2) return
    this.#world.after(this.#random.jitter(200), () => exchange?.abort())
    if (dice > 1) return
    this.#key = `${this.#key}x`
  }

  #receive(
    wish: 'connect' | 'recv',
    server: CometServer | undefined,
    query: ReadonlyMap<string, string>
  ): Exchange | undefined {
    this.#text = ''
    return this.#begin(server, { wish, query }, {
      onLeaves: (text) => this.#onLeaves(text),
      onChunk: (text) => this.#onText(text),
      onEnd: (statusCode, text) => {
        if (statusCode === undefined) {
          this.#fail()
          return
        }
        this.#onText(text)
        if (statusCode >= 400) this.#onRefused(text)
        else this.#recv()
      }
    })
  }

  #sendNext(): void {
    if (this.#isSending || this.#pending.length === 0 || !this.#isOpen) return
    this.#isSending = true
    const messages = this.#pending
    this.#pending = []
    const onHeard = (): void => {
      for (const message of messages) this.#witness.onClientSays(this, message)
    }
    this.#ask('send', Buffer.from(JSON.stringify(messages)), onHeard, () => {
      this.#isSending = false
      this.#sendNext()
    })
  }

  #ask(
    wish: 'send' | 'close' | 'disconnect',
    body?: Uint8Array,
    onHeard?: () => void,
    onDone?: () => void
  ): void {
    const query = new Map(this.#credentials())
    if (wish === 'close') this.#witness.onClientSays(this, { action: Does.CLOSE })
    onHeard?.()
    this.#begin(this.#reach(), { wish, query, body }, {
      onLeaves: () => undefined,
      onChunk: () => undefined,
      onEnd: (statusCode, text) => {
        if (statusCode === undefined) this.#fail()
        else if (statusCode >= 400) this.#onRefused(text)
        else onDone?.()
      }
    })
  }

  #begin(
    server: CometServer | undefined,
    asked: Pick<CometRequest, 'wish' | 'query'> & { readonly body?: Uint8Array | undefined },
    events: ExchangeEvents
  ): Exchange | undefined {
    if (server === undefined) {
      this.#world.after(1, () => this.#fail())
      return undefined
    }
    const exchange: Exchange = new Exchange({
      world: this.#world, random: this.#random,
      isCut: () => this.isCut, isStalled: () => this.isStalled
    }, server, {
      ...events,
      onEnd: (statusCode, text) => {
        this.#exchanges.delete(exchange)
        if (this.#isOpen) events.onEnd(statusCode, text)
      }
    })
    this.#exchanges.add(exchange)
    exchange.begin({ connectionKey: this.#key, body: undefined, isTls: false, ...asked })
    return exchange
  }

  #credentials(): [string, string][] {
    return [...this.#query].filter(([name]) => CREDENTIALS.has(name))
  }

  /** What leaves for this client counts as said to it. */
  #onLeaves(text: string): void {
    if (!this.#isOpen) return
    for (const message of messagesOf(text)) {
      if (message.action === Does.HEARTBEAT) continue
      this.#witness.onServerSays(this, this.#told.read(message))
    }
  }

  #onText(text: string): void {
    const lines = `${this.#text}${text}`.split('\n')
    this.#text = lines.pop()!
    for (const line of lines) {
      for (const message of messagesOf(`${line}\n`)) {
        if (!this.#isOpen) return
        const key = message.connectionDetails?.connectionKey
        if (message.action === Does.CONNECTED && key !== undefined) this.#key = key
        this.client.onSocketMessage(this, this.#read.read(message))
        // Nothing comes after it, and its client asks for nothing more.
        if (message.action === Does.CLOSED) this.#fail()
      }
    }
  }

  #onRefused(text: string): void {
    const { code } = (JSON.parse(text) as { error?: { code: number } }).error ?? {}
    const isExpected = code === undefined || EXPECTED.has(code) || this.client.isRough === true
    if (!isExpected) throw new Violation('protocol', `${this.client.name} is refused: ${text}`)
    this.#fail()
  }
}

/**
 * How long a client waits for ATTACHED. Comet's requests give up before: nothing is on its way any
 * more when their client asks again.
 */
export function attachPatienceMs(isComet: boolean | undefined): number {
  return isComet === true ? 40_000 : 10_000
}

/** The frames of what is a run of lines; an error alone is none. */
function messagesOf(text: string): Wire[] {
  const messages: Wire[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('[')) messages.push(...(JSON.parse(line) as Wire[]))
  }
  return messages
}
