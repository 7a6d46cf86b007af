/**
 * Bare messages between two regions, beside everything else that goes there: what the way takes by
 * itself, gateways, leaf links and this machine's own pace included.
 */

import { connect, type NatsConnection } from 'nats'
import { Latencies } from './latencies.ts'
import { nowMicros } from './stamp.ts'

const SUBJECT = 'bench.link'
const EVERY_MS = 5
const FIRST_MS = 20_000

export class LinkProbe {
  readonly #from: NatsConnection
  readonly #to: NatsConnection
  readonly #timer: NodeJS.Timeout
  #latencies = new Latencies()
  #count = 0

  private constructor(from: NatsConnection, to: NatsConnection) {
    this.#from = from
    this.#to = to
    to.subscribe(SUBJECT, {
      callback: (_error, { data }) => {
        this.#count++
        this.#latencies.add(nowMicros() - Number(Buffer.from(data).toString()))
      }
    })
    this.#timer = setInterval(() => from.publish(SUBJECT, String(nowMicros())), EVERY_MS)
  }

  /** Resolves once something has come from the NATS at one URL to that at the other. */
  static async start(fromUrl: string, toUrl: string): Promise<LinkProbe> {
    const [from, to] = await Promise.all([fromUrl, toUrl].map((servers) => connect({ servers })))
    const probe = new LinkProbe(from!, to!)
    const boundMs = performance.now() + FIRST_MS
    while (probe.#count === 0) {
      if (performance.now() > boundMs) throw new Error('nothing comes from one region to the other')
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
    }
    return probe
  }

  /** What was seen since the last time. */
  take(): Latencies {
    const taken = this.#latencies
    this.#latencies = new Latencies()
    return taken
  }

  async end(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all([this.#from.close(), this.#to.close()])
  }
}
