/**
 * A client that keeps to nothing: it says what the protocol forbids, what it does not know, and
 * what is not built yet, comes back with keys that are over, and goes without a word. Nothing is
 * promised to it; others must not notice.
 */

import type { Random } from '../../src/base/random.ts'
import { tokenOf } from './client-credentials.ts'
import { KEY } from './app.ts'
import type { Region } from './region.ts'
import type { SimSocket, SocketClient } from './sockets.ts'
import { Does, Mode, type Wire, type WireFormat } from './wire.ts'

const REDIAL_MS = 1_500
const SAY_MS = 150
const LARGE = 'x'.repeat(70_000)

/** Frames as they would never be written by an SDK; those with a msgSerial are given theirs. */
const FRAMES: readonly Readonly<Record<string, unknown>>[] = [
  { action: 0, id: 'beat' },
  { action: 0 },
  { action: 99 },
  { action: 99, msgSerial: 0 },
  { action: 21, msgSerial: 0, channel: 'ch0' },
  { action: 19, msgSerial: 0, channel: 'ch0' },
  { action: Does.ATTACH },
  { action: Does.ATTACH, channel: '[?rewind=1]ch0' },
  { action: Does.ATTACH, channel: '[?rewind=never]ch0' },
  { action: Does.ATTACH, channel: '[meta]ch0' },
  { action: Does.ATTACH, channel: 'ch0', params: { delta: 'vcdiff' } },
  { action: Does.ATTACH, channel: 'ch0', params: { occupancy: 'metrics' } },
  { action: Does.ATTACH, channel: 'ch0', params: { modes: 'subscribe', echo: 'false' } },
  { action: Does.ATTACH, channel: 'ch1', channelSerial: 'from somewhere else' },
  { action: Does.ATTACH, channel: 'ch1', flags: Mode.SUBSCRIBE },
  { action: Does.ATTACH, channel: 'ch1' },
  { action: Does.ATTACH, channel: 'safe:c' },
  { action: Does.ATTACH, channel: 'known:c' },
  { action: Does.DETACH, channel: 'never' },
  { action: Does.DETACH, channel: 'ch1' },
  { action: Does.SYNC, channel: 'ch0' },
  { action: Does.MESSAGE, channel: 'ch0', messages: [{ data: 'without a number' }] },
  { action: Does.MESSAGE, msgSerial: 0, channel: '', messages: [{ data: 'a' }] },
  { action: Does.MESSAGE, msgSerial: 0, channel: '[meta]x', messages: [{ data: 'a' }] },
  {
    action: Does.MESSAGE, msgSerial: 0, channel: 'ch1',
    messages: [{ data: 'a', extras: { userClaim: 'made up' } }]
  },
  { action: Does.MESSAGE, msgSerial: 0, channel: 'ch0', messages: [] },
  { action: Does.MESSAGE, msgSerial: 0, channel: 'ch0', messages: 'none' },
  { action: Does.MESSAGE, msgSerial: 0, channel: 'ch0', messages: [{ data: LARGE }] },
  { action: Does.MESSAGE, msgSerial: 0, channel: 'ch1', messages: [{ clientId: '*', data: 'a' }] },
  { action: Does.MESSAGE, msgSerial: 0, channel: 'ch1', messages: [{ action: 1, data: 'a' }] },
  { action: Does.MESSAGE, msgSerial: 0, channel: 'ch0', messages: [{ id: 'a:0' }, { id: 'b' }] },
  {
    action: Does.MESSAGE, msgSerial: 0, channel: 'ch0',
    messages: Array.from({ length: 1_001 }, () => ({ data: 'a' }))
  },
  { action: Does.PRESENCE, msgSerial: 0, channel: 'never', presence: [{ action: 2 }] },
  { action: Does.PRESENCE, msgSerial: 0, channel: 'ch1', presence: [{ action: 2 }] },
  { action: Does.PRESENCE, msgSerial: 0, channel: 'ch1', presence: [] },
  { action: Does.PRESENCE, msgSerial: 0, channel: 'ch1', presence: [{ action: 1, clientId: 'a' }] },
  { action: Does.PRESENCE, msgSerial: 0, channel: 'ch1', presence: [{ action: 2, clientId: '*' }] },
  {
    action: Does.PRESENCE, msgSerial: 0, channel: 'ch1',
    presence: [{ action: 2, clientId: 'a', data: LARGE }]
  },
  {
    action: Does.PRESENCE, msgSerial: 0, channel: 'ch1',
    presence: Array.from({ length: 1_001 }, () => ({ action: 2, clientId: 'a' }))
  },
  { action: 17, auth: { accessToken: 'a' } },
  { action: 5 },
  { action: Does.CLOSE }
]

/** What tokens say that it sends in place of its key, for good or ill. */
const CLAIMS: readonly object[] = [
  {},
  { 'x-ably-capability': '{"ch0":["subscribe"],"ch1":["publish","presence"]}' },
  { 'x-ably-capability': '{"ch1":["subscribe"]}', 'ably.channel.ch1': 'rough' },
  { 'x-ably-clientId': '*', 'ably.limits.publish.perAttachment.maxRate.ch1': 0.5 },
  { 'x-ably-clientId': 'rough' },
  { 'x-ably-clientId': 5 }
]

const KEYS = [KEY, 'app.key:wrong', 'nobody.key:secret', '']

export class RoughClient implements SocketClient {
  readonly name: string
  readonly isRough = true
  readonly #region: Region
  readonly #random: Random
  #socket: SimSocket | undefined
  #connectionKey: string | undefined
  #msgSerial = 0
  #isOver = false

  constructor(region: Region, name: string) {
    this.name = name
    this.#region = region
    this.#random = region.world.fork(`rough ${name}`)
  }

  connect(): void {
    const format: WireFormat = this.#random.below(2) === 0 ? 'json' : 'msgpack'
    const isComet = this.#random.fork('comet').below(2) === 0
    this.#socket = this.#region.dial(this, format, true, undefined, isComet)
    if (this.#socket === undefined) {
      this.#redial()
      return
    }
    const isRight = this.#random.below(3) > 0
    const query = new Map([
      ['key', isRight ? KEY : KEYS[this.#random.below(KEYS.length)]!], ['format', format],
      ['heartbeats', 'true'], ['v', isRight ? '6' : String(this.#random.below(8))]
    ])
    const mayResume = this.#random.below(2) === 0
    if (mayResume && this.#connectionKey !== undefined) query.set('resume', this.#connectionKey)
    if (this.#random.below(8) === 0) query.set('resume', 'no key of ours')
    this.#msgSerial = 0
    this.#socket.open(query)
    this.#sayLater(this.#socket)
  }

  /** It goes for good. */
  leave(): void {
    this.#isOver = true
    this.#socket?.send({ action: Does.CLOSE })
    this.#socket?.drop()
  }

  onSocketOpen(): void {}

  onSocketMessage(_: SimSocket, message: Wire | undefined): void {
    const key = message?.connectionDetails?.connectionKey
    if (key !== undefined) this.#connectionKey = key
  }

  onSocketGone(socket: SimSocket): void {
    if (socket !== this.#socket) return
    this.#socket = undefined
    this.#redial()
  }

  #redial(): void {
    this.#region.world.after(this.#random.jitter(REDIAL_MS), () => {
      if (!this.#isOver && this.#socket === undefined) this.connect()
    })
  }

  #sayLater(socket: SimSocket): void {
    this.#region.world.after(this.#random.jitter(SAY_MS), () => {
      if (this.#isOver || socket !== this.#socket) return
      this.#say(socket)
      this.#sayLater(socket)
    })
  }

  #say(socket: SimSocket): void {
    const dice = this.#random.below(FRAMES.length + 4)
    const frame = FRAMES[dice]
    if (dice > FRAMES.length + 1) {
      const claims = CLAIMS[this.#random.below(CLAIMS.length)]!
      const accessToken = tokenOf(this.#region.world, KEY, 3, claims)
      socket.send({ action: Does.AUTH, auth: { accessToken } })
    } else if (frame === undefined) {
      socket.sendData(dice === FRAMES.length ? '{' : Uint8Array.of(0xc1))
    } else {
      const msgSerial = 'msgSerial' in frame ? this.#msgSerial++ : undefined
      socket.send({ ...frame, msgSerial } as unknown as Wire)
    }
  }
}
