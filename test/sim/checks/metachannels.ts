/**
 * Events of the app (protocol 7.9): what is told on metachannels has happened. A connection is
 * named; a channel is one that clients use, and never a metachannel; and no event tells a secret.
 */

import { KEY } from '../app.ts'
import type { SimSocket } from '../sockets.ts'
import { Does, type Wire, type WireItem } from '../wire.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'

const ID_LENGTH = 10

/** The metachannels that the simulator listens to. */
export const METACHANNELS = ['[meta]connection.lifecycle', '[meta]channel.lifecycle', '[meta]log']

export class Metachannels implements Check {
  toldCount = 0

  onServerSays(_: SimSocket, { action, channel = '', messages = [] }: Wire): void {
    if (action !== Does.MESSAGE || !METACHANNELS.includes(channel)) return
    for (const message of messages) this.#onEvent(channel, message)
  }

  #onEvent(channel: string, { name = '', data = '' }: WireItem): void {
    this.toldCount++
    const told = JSON.parse(data) as { connectionId?: string; channelId?: string }
    const { connectionId, channelId } = told
    const wrong = (why: string): Violation =>
      new Violation('meta', `${channel} tells ${name} ${data}: ${why}`)
    if (name.startsWith('connection.') && name !== 'connection.refused') {
      // Its socket may have gone before it was told.
      if (connectionId?.length !== ID_LENGTH) throw wrong('that is no connection')
    }
    if (name.startsWith('channel.') && !/^[^[]+$/.test(channelId ?? '')) {
      throw wrong('no client uses such a channel')
    }
    if (data.includes(KEY)) throw wrong('it is a secret')
  }
}
