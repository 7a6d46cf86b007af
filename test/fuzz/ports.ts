/**
 * Fuzzing through real sockets: a dev region of two nodes, hostile lives on its public ports, and
 * a publisher and subscribers of the published SDK beside them, who must not notice.
 */

import { connect, type Socket } from 'node:net'
import * as Ably from 'ably'
import { Random } from '../../src/base/random.ts'
import { type DevRegion, startDevRegion } from '../../src/commands/dev.ts'
import { ablyClient, until } from '../support/ably-clients.ts'
import { FrameMaker, Heard } from './frames.ts'
import { Odd } from './odd.ts'
import {
  brokenHandshake, handshake, mangled, oddRequest, queryOf, wholeFrame
} from './raw-lives.ts'

const AT_ONCE = 12
const FRAMES_PER_LIFE = 40
/** However a life goes, it is over after this. */
/** Workers have said once more how many connections they have. */
const TOLD_MS = 4_000
const LIFE_MS = 5_000
const BYSTANDER_MS = 20
/** So often a bystander is heard before the storm ends, however fast that goes. */
const BYSTANDER_LEAST = 20

export interface PortFigures {
  frameCount: number
  lifeCount: number
  /** Lives that the server ended. */
  endedCount: number
  bystanderMessages: number
  heapBytes: number
}

/** Sends about `frameCount` frames; throws with what was found. */
export async function fuzzPorts(seed: string, frameCount: number): Promise<PortFigures> {
  const region = await startDevRegion({
    nodes: 2, port: 0, host: '127.0.0.1', workers: 1, logLevel: 'silent'
  })
  const ends: (() => unknown)[] = [() => region.stop()]
  try {
    return await new Ports(region, seed, { teardown: (run) => void ends.unshift(run) })
      .run(frameCount)
  } finally {
    for (const end of ends) await end()
  }
}

class Ports {
  readonly #region: DevRegion
  readonly #odd: Odd
  readonly #heard = new Heard()
  readonly #closing: { teardown(run: () => unknown): void }
  readonly #figures: PortFigures = {
    frameCount: 0, lifeCount: 0, endedCount: 0, bystanderMessages: 0, heapBytes: 0
  }

  constructor(region: DevRegion, seed: string, closing: { teardown(run: () => unknown): void }) {
    this.#region = region
    this.#odd = new Odd(new Random(`${seed}/ports`))
    this.#closing = closing
  }

  async run(frameCount: number): Promise<PortFigures> {
    const bystanders = await this.#bystanders()
    const figures = this.#figures
    const lives = async (): Promise<void> => {
      while (figures.frameCount < frameCount || bystanders.sentCount() < BYSTANDER_LEAST) {
        await this.#life()
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lives))
    figures.bystanderMessages = await bystanders.end()
    const [left, restarts, heapBytes] = await this.#left()
    if (left !== 0) throw new Error(`${left} connections are left`)
    if (restarts > 0) throw new Error(`${restarts} workers ended`)
    figures.heapBytes = heapBytes
    return figures
  }

  /** One TCP connection, until it has said all or the server ends it. */
  async #life(): Promise<void> {
    const odd = this.#odd
    const port = Number(new URL(odd.one(this.#region.urls)).port)
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    this.#figures.lifeCount++
    let isEnded = false
    const ended = new Promise<void>((resolve) => {
      socket.on('error', () => undefined)
      socket.on('close', () => {
        isEnded = true
        resolve()
      })
    })
    const bound = setTimeout(() => socket.destroy(), LIFE_MS)
    const format = odd.one(['json', 'msgpack'] as const)
    const query = queryOf(odd, this.#region.key, format)
    if (odd.once(4)) {
      this.#figures.frameCount++
      const maker = new FrameMaker(odd, this.#heard, format)
      socket.write(odd.once(2) ? brokenHandshake(odd, query)
        : oddRequest(odd, this.#region.key, maker.next()))
      await Promise.race([ended, soon(odd.below(30))])
    } else {
      socket.write(handshake(query))
      const maker = new FrameMaker(odd, this.#heard, format)
      for (let no = 0; no < FRAMES_PER_LIFE && !isEnded; no++) await this.#say(socket, maker)
      await Promise.race([ended, soon(odd.below(20))])
    }
    if (isEnded) this.#figures.endedCount++
    socket.destroy()
    clearTimeout(bound)
    await ended
  }

  async #say(socket: Socket, maker: FrameMaker): Promise<void> {
    this.#figures.frameCount++
    const frame = maker.next()
    if (this.#odd.once(12)) for (const piece of mangled(this.#odd, frame)) socket.write(piece)
    else socket.write(wholeFrame(frame))
    if (this.#odd.once(4)) await soon(0)
    // The reader is slow in a way: what it is told is thrown away.
    if (this.#odd.once(50)) socket.pause()
    else socket.resume()
  }

  async #bystanders(): Promise<{ sentCount(): number; end(): Promise<number> }> {
    const [first, second] = this.#region.urls
    const publisher = ablyClient(this.#closing, first!, this.#region.key)
    const heard: string[] = []
    const subscriber = ablyClient(this.#closing, second!, this.#region.key)
    const states: string[] = []
    for (const { connection } of [publisher, subscriber]) {
      connection.on((change) => states.push(change.current))
    }
    const channel = subscriber.channels.get('fuzz bystander')
    await channel.subscribe((message: Ably.Message) => void heard.push(message.data as string))
    let sentCount = 0
    const sent: Promise<unknown>[] = []
    const beat = setInterval(() => {
      sent.push(publisher.channels.get('fuzz bystander').publish('beat', String(sentCount++)))
    }, BYSTANDER_MS)
    return {
      sentCount: () => sentCount,
      end: async () => {
        clearInterval(beat)
        await Promise.all(sent)
        await until('all is heard', () => heard.length >= sentCount)
        const wrong = heard.findIndex((data, at) => data !== String(at))
        if (wrong >= 0) throw new Error(`a bystander heard ${heard[wrong]} as number ${wrong}`)
        if (states.some((state) => !['connecting', 'connected'].includes(state))) {
          throw new Error(`bystanders were ${states.join(', ')}`)
        }
        publisher.close()
        subscriber.close()
        return sentCount
      }
    }
  }

  /** What the nodes say of themselves: connections, workers that ended, bytes of their heaps. */
  async #left(): Promise<[connections: number, restarts: number, heapBytes: number]> {
    const { nodes } = this.#region
    const countOf = (): number => nodes.reduce((sum, node) => sum + node.facts().connections, 0)
    let seenAtMs = performance.now()
    // A comet client that asks no more is taken for gone after 15 s; and workers say only now and
    // then how many they have.
    await until('all are gone', () => {
      if (countOf() > 0) seenAtMs = performance.now()
      return performance.now() - seenAtMs > TOLD_MS
    }, 45_000)
    let restarts = 0
    for (const { privatePort } of nodes) {
      const text = await (await fetch(`http://127.0.0.1:${privatePort}/metrics`)).text()
      restarts += Number(/^ringcast_worker_restarts_total (\d+)/m.exec(text)?.[1])
    }
    return [countOf(), restarts, process.memoryUsage().heapUsed]
  }
}

function soon(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
