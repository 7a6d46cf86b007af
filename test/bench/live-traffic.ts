/**
 * Traffic beside which something else is measured: one message every so often, from one node to
 * another, and how long each takes.
 */

import { WebSocket } from 'ws'
import { Latencies } from './latencies.ts'

const LIVE_EVERY_MS = 10

/** Somebody who publishes at one node, every so often, and listens at the other. */
export class LiveTraffic {
  readonly #publisher: WebSocket
  readonly #listener: WebSocket
  readonly #pace: NodeJS.Timeout
  readonly #sentAtMs: number[] = []
  #heardCount = 0
  #toldCount = 0
  #latencies = new Latencies()
  #worstMs = 0

  private constructor(publisher: WebSocket, listener: WebSocket) {
    this.#publisher = publisher
    this.#listener = listener
    listener.on('message', (data: Buffer) => this.#onMessage(data))
    this.#pace = setInterval(() => this.#publish(), LIVE_EVERY_MS)
  }

  static async start(from: number, to: number, key: string): Promise<LiveTraffic> {
    const socket = async (port: number): Promise<WebSocket> => {
      const query = new URLSearchParams({ key, v: '6', format: 'json' })
      const opening = new WebSocket(`ws://127.0.0.1:${port}/?${query}`)
      await new Promise((resolve) => opening.once('message', resolve))
      return opening
    }
    const [publisher, listener] = [await socket(from), await socket(to)]
    const isAttached = new Promise((resolve) => listener.once('message', resolve))
    listener.send(JSON.stringify({ action: 10, channel: 'live' }))
    await isAttached
    return new LiveTraffic(publisher, listener)
  }

  tell(what: string): void {
    const count = this.#heardCount - this.#toldCount
    this.#toldCount = this.#heardCount
    const [p50, p99] = [0.5, 0.99].map((share) => this.#latencies.quantileMs(share).toFixed(1))
    console.log(`${what}: ${count} messages, p50 ${p50} ms, p99 ${p99} ms, ` +
      `worst ${this.#worstMs.toFixed(1)} ms; ` +
      `${this.#sentAtMs.length - this.#heardCount} on the way`)
    this.#latencies = new Latencies()
    this.#worstMs = 0
  }

  end(): void {
    clearInterval(this.#pace)
    this.#publisher.terminate()
    this.#listener.terminate()
  }

  #publish(): void {
    const msgSerial = this.#sentAtMs.push(performance.now()) - 1
    const messages = [{ data: String(msgSerial) }]
    this.#publisher.send(JSON.stringify({ action: 15, channel: 'live', msgSerial, messages }))
  }

  #onMessage(data: Buffer): void {
    const { action, messages } = JSON.parse(data.toString()) as {
      action: number; messages?: { data: string }[]
    }
    if (action !== 15) return
    const latencyMs = performance.now() - this.#sentAtMs[Number(messages![0]!.data)]!
    this.#heardCount++
    this.#latencies.add(latencyMs * 1_000)
    this.#worstMs = Math.max(this.#worstMs, latencyMs)
  }
}
