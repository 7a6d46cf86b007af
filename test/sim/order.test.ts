import t from 'tap'
import { limits } from '../../src/base/limits.ts'
import { channelKey } from './app.ts'
import { Order } from './checks/order.ts'
import type { Committed } from './committed.ts'
import type { Taken } from './ledger.ts'
import type { SimSocket } from './sockets.ts'
import { Does } from './wire.ts'

const socketOf = (id: string): SimSocket => ({ id, connectionId: 'c' }) as SimSocket
const early = { message: /is in app\/ch0 after .*, which was said later/ }

/** A client that says 0, 1 and 2 on a socket, by ids of its own or its connection's. */
class Said {
  readonly order = new Order()
  readonly #idSpace: 'client' | 'connection'

  constructor(idSpace: 'client' | 'connection' = 'client') {
    this.#idSpace = idSpace
    this.say('s1')
  }

  say(socketId: string): void {
    for (const msgSerial of [0, 1, 2]) {
      const id = this.#idSpace === 'client' ? `own-${msgSerial}` : undefined
      const said = { channel: 'ch0', msgSerial, messages: [{ id, data: `${msgSerial}` }] }
      this.order.onClientSays(socketOf(socketId), { action: Does.MESSAGE, ...said })
    }
  }

  /** These are in the log then. */
  take(atMs: number, ...serials: readonly number[]): void {
    const idSpace = this.#idSpace
    const committed = serials.map((no) => {
      const id = idSpace === 'client' ? `own-${no}` : `c:${no}`
      return { channel: channelKey('ch0'), idSpace, id, atMs } as Committed
    })
    this.order.onAppended({ committed, lineage: 'l', isStray: false } as unknown as Taken)
  }
}

t.test('what was said on one socket is in the log in that order', async (t) => {
  for (const idSpace of ['client', 'connection'] as const) {
    const said = new Said(idSpace)
    said.take(0, 0, 2)
    t.throws(() => said.take(0, 1), early)
  }
})

t.test('where the last id of its own has had its time, all is taken anew, in order', async (t) => {
  const anewMs = 1_000 + limits.idKeptMs
  const said = new Said()
  said.take(1_000, 0, 2)
  said.say('s2')
  t.doesNotThrow(() => said.take(anewMs, 0, 1))
  t.throws(() => said.take(anewMs, 0), early)

  const soon = new Said()
  soon.take(1_000, 0)
  soon.take(1_001, 2)
  t.throws(() => soon.take(anewMs, 0), early, 'the last is known still')

  const derived = new Said('connection')
  derived.take(1_000, 0, 2)
  t.throws(() => derived.take(anewMs, 0), early)
})
