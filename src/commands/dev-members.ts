/**
 * Members that are present from the start in the channels of an app of dev mode (protocol 23.1):
 * tests of SDKs look for them. They are members like any, entered by one connection that is the
 * process's own, so they are told, synced and read by request as all others are; they stay for as
 * long as their app does.
 */

import { Action, Flag, PresenceAction } from '../wire/actions.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import { isMap } from '../wire/fields.ts'
import type { PresenceMessage, ProtocolMessage } from '../wire/protocol-message.ts'

const RETRY_MS = 1_000
const ENTER_MS = 10_000

/** A channel with who is present in it. */
export interface StagedChannel {
  readonly name: string
  readonly presence: PresenceMessage[]
}

/** Reads the `channels` of what was asked. */
export function stagedChannelsOf(value: unknown): StagedChannel[] | ErrorInfo {
  const staged: StagedChannel[] = []
  for (const channel of Array.isArray(value) ? value as unknown[] : []) {
    if (!isMap(channel) || typeof channel['name'] !== 'string') {
      return errors.badRequest('The app cannot be made: a channel has a name').info
    }
    const { name, presence } = channel
    const members = Array.isArray(presence) ? presence as unknown[] : []
    if (!members.every(isMap)) {
      return errors.badRequest('The app cannot be made: a member is a map').info
    }
    staged.push({ name, presence: members.map(entered) })
  }
  return staged
}

function entered({ clientId, data, encoding, extras }: Record<string, unknown>): PresenceMessage {
  return { action: PresenceAction.ENTER, clientId, data, encoding, extras } as PresenceMessage
}

export class StagedMembers {
  readonly #url: string
  readonly #channels: readonly StagedChannel[]
  readonly #onEntered: (error: ErrorInfo | undefined) => void
  #socket: WebSocket | undefined
  #retry: NodeJS.Timeout | undefined
  #isOver = false
  #msgSerial = 0
  /** Channels whose members have not been acknowledged on this connection. */
  #missing = 0

  /** Connects to `url` with `key`; `onEntered` is told once that all are present, or why not. */
  constructor(
    url: string,
    key: string,
    channels: readonly StagedChannel[],
    onEntered: (error: ErrorInfo | undefined) => void
  ) {
    const query = new URLSearchParams({ key, format: 'json', v: '6', heartbeats: 'false' })
    this.#url = `${url.replace(/^http/, 'ws')}/?${query}`
    this.#channels = channels
    const timer = setTimeout(() => {
      this.#onEntered(errors.timeout().info)
      this.leave()
    }, ENTER_MS)
    let isTold = false
    this.#onEntered = (error) => {
      clearTimeout(timer)
      if (!isTold) onEntered(error)
      isTold = true
    }
    this.#connect()
  }

  /** They leave. */
  leave(): void {
    this.#isOver = true
    clearTimeout(this.#retry)
    if (this.#socket?.readyState === WebSocket.OPEN) this.#send({ action: Action.CLOSE })
    this.#socket?.close()
    this.#onEntered(errors.connectionClosed().info)
  }

  #connect(): void {
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => {
      this.#onMessage(JSON.parse(String(data)) as ProtocolMessage)
    })
    // A connection that is lost is made again: members of the one before leave by themselves.
    socket.addEventListener('close', () => {
      if (this.#isOver) return
      this.#retry = setTimeout(() => this.#connect(), RETRY_MS)
      this.#retry.unref()
    })
  }

  #onMessage({ action, channel, count = 1, error }: ProtocolMessage): void {
    switch (action) {
      case Action.CONNECTED:
        this.#msgSerial = 0
        this.#missing = this.#channels.length
        for (const { name } of this.#channels) {
          this.#send({ action: Action.ATTACH, channel: name, flags: Flag.PRESENCE })
        }
        return
      case Action.ATTACHED:
        this.#enter(channel)
        return
      case Action.ACK:
        this.#missing -= count
        if (this.#missing === 0) this.#onEntered(undefined)
        return
      case Action.NACK:
      case Action.DETACHED:
      case Action.ERROR:
        this.#onEntered(error ?? errors.internal().info)
        this.leave()
    }
  }

  #enter(channel: string | undefined): void {
    const staged = this.#channels.find(({ name }) => name === channel)
    if (staged === undefined) return
    const { presence } = staged
    this.#send({ action: Action.PRESENCE, channel, msgSerial: this.#msgSerial++, presence })
  }

  #send(message: ProtocolMessage): void {
    this.#socket?.send(JSON.stringify(message))
  }
}
