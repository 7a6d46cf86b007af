/**
 * A load process: many raw sockets that publish at a pace, or count and time what comes. It stops
 * with its parent.
 */

import { Latencies } from './latencies.ts'
import type { LoadAnswer, LoadRequest, OpenRequest, PublishPlan, Seen } from './load-messages.ts'
import { RawSocket, readBuffer } from './raw-socket.ts'
import { nowMicros, readStamp, stampOf } from './stamp.ts'

/** One socket in so many has its latencies taken: reading all would bound the bench. */
const SAMPLE_EVERY = 16
const PACE_MS = 1
const REASONS_MAX = 3
const ERROR_MARK = '"error":{'

interface Station {
  readonly socket: RawSocket
  readonly isSampled: boolean
  /** What was published by it. */
  sentCount: number
}

class Load {
  readonly #buffer = readBuffer()
  readonly #stations: Station[] = []
  readonly #lost: string[] = []
  #lostCount = 0
  #messages = 0
  #bytes = 0
  #lastAtMicros = 0
  #latencies = new Latencies()
  #sample = ''
  #wantsSample = true

  async open({ port, sockets, concurrency }: OpenRequest): Promise<void> {
    const waiting = [...sockets.entries()].reverse()
    const next = async (): Promise<void> => {
      for (let plan = waiting.pop(); plan !== undefined; plan = waiting.pop()) {
        await this.#openOne(port, plan[0], plan[1])
      }
    }
    await Promise.all(Array.from({ length: concurrency }, next))
  }

  watch(): void {
    this.#messages = 0
    this.#bytes = 0
    this.#lastAtMicros = 0
    this.#latencies = new Latencies()
    this.#wantsSample = true
  }

  seen(): Seen {
    return {
      messages: this.#messages,
      bytes: this.#bytes,
      lastAtMicros: this.#lastAtMicros,
      latencyCounts: this.#latencies.counts,
      sample: this.#sample,
      lost: this.#lost,
      lostCount: this.#lostCount
    }
  }

  /** Resolves once everything is handed to the sockets. */
  publish({ perSecond, count, templates }: PublishPlan): Promise<number> {
    const startedAtMicros = nowMicros()
    let sent = 0
    return new Promise((resolve) => {
      const pace = setInterval(() => {
        const due = Math.min(count, ((nowMicros() - startedAtMicros) / 1e6) * perSecond)
        for (; sent < due; sent++) {
          const at = sent % this.#stations.length
          const { before, after } = templates[at % templates.length]!
          const station = this.#stations[at]!
          const numbered = before.replace('#', String(station.sentCount++))
          station.socket.send(numbered + stampOf(nowMicros()) + after)
        }
        if (sent < count) return
        clearInterval(pace)
        resolve(startedAtMicros)
      }, PACE_MS)
    })
  }

  close(): void {
    for (const { socket } of this.#stations.splice(0)) socket.close()
  }

  #openOne(port: number, index: number, plan: OpenRequest['sockets'][number]): Promise<void> {
    const { path, hello, readyAfter } = plan
    const isSampled = index % SAMPLE_EVERY === 0
    return new Promise((resolve, reject) => {
      let early = 0
      const socket: RawSocket = new RawSocket({
        port,
        path,
        buffer: this.#buffer,
        onOpen: () => {
          if (hello !== undefined) socket.send(hello)
          if (readyAfter === 0) resolve()
        },
        onMessage: (bytes, start, end) => {
          if (early >= readyAfter) {
            this.#onMessage(isSampled, bytes, start, end)
            return
          }
          const text = bytes.toString('latin1', start, end)
          if (text.includes(ERROR_MARK)) reject(new Error(`a socket was told: ${text}`))
          else if (++early === readyAfter) resolve()
        },
        onClosed: (reason) => {
          this.#lostCount++
          if (this.#lost.length < REASONS_MAX) this.#lost.push(reason)
          reject(new Error(`a socket could not be opened: ${reason}`))
        }
      })
      this.#stations.push({ socket, isSampled, sentCount: 0 })
    })
  }

  #onMessage(isSampled: boolean, bytes: Buffer, start: number, end: number): void {
    this.#messages++
    this.#bytes += end - start
    // Reading the clock for each would cost more than all the rest.
    if (!isSampled) return
    const micros = nowMicros()
    this.#lastAtMicros = micros
    const sentAt = readStamp(bytes, start, end)
    if (sentAt < 0) return
    this.#latencies.add(micros - sentAt)
    if (!this.#wantsSample) return
    this.#wantsSample = false
    this.#sample = bytes.toString('latin1', start, end)
  }
}

const load = new Load()

async function perform(request: LoadRequest): Promise<LoadAnswer> {
  let startedAtMicros = nowMicros()
  switch (request.kind) {
    case 'open':
      await load.open(request)
      break
    case 'watch':
      load.watch()
      break
    case 'seen':
      return { kind: 'seen', seen: load.seen() }
    case 'publish':
      startedAtMicros = await load.publish(request.plan)
      break
    case 'close':
      load.close()
      break
  }
  return { kind: 'done', startedAtMicros }
}

process.on('message', (request: LoadRequest) => {
  perform(request).then(
    (answer) => process.send?.(answer),
    (error: Error) => process.send?.({ kind: 'failed', reason: error.message } satisfies LoadAnswer)
  )
})
process.on('disconnect', () => process.exit(0))
