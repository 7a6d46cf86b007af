/**
 * Two ends of a link and a network between them that loses, repeats and reorders frames, and lets
 * either end begin a new life. Everything that happens comes from one seed. What each end was told
 * is kept apart by stream, since a stream is what the link makes promises about.
 */

import { Deadlines } from '../../../src/base/deadlines.ts'
import { Random } from '../../../src/base/random.ts'
import { PeerCodec } from '../../../src/peer/codec.ts'
import { type LinkFrame, Links } from '../../../src/peer/link.ts'
import type { PeerMessage } from '../../../src/peer/message.ts'
import type { Place } from '../../../src/peer/place.ts'

/** What a link must show of the world: the network's faults, each as a share of frames. */
export interface Weather {
  readonly loss: number
  readonly repeat: number
  /** The longest a frame is under way; more than one step lets frames overtake each other. */
  readonly delayMs: number
}

export const calm: Weather = { loss: 0, repeat: 0, delayMs: 1 }

/** A message that says who sent it in which life, and its number among those of that life. */
export function saying(generation: number, no: number): PeerMessage {
  return { kind: 'part', channel: 'app/c', clientId: `${generation}.${no}` }
}

/** One end, with all that it heard in its present life. */
export class End {
  readonly place: Place
  readonly deadlines = new Deadlines()
  readonly #pair: LossyPair
  links: Links
  generation = 1
  saidCount = 0
  heard: string[] = []
  resetCount = 0
  /** What this end's owner does about a reset. */
  onReset: () => void = () => undefined
  peerRestartCount = 0
  /** What was told of the link to the other end. */
  isMute = false

  constructor(pair: LossyPair, incarnation: string) {
    this.#pair = pair
    this.place = { incarnation, worker: 0 }
    this.links = this.#born()
  }

  /** Says the next message to `to`, in a batch of its own unless `isLast` is false. */
  say(to: End, bytes = 100): string {
    const message = saying(this.generation, this.saidCount++)
    this.links.send(to.place, message, bytes, this.#pair.nowMs)
    return `${this.generation}.${this.saidCount - 1}`
  }

  flush(): void {
    this.links.flush(this.#pair.nowMs)
  }

  /** A new life: nothing is remembered. */
  restart(): void {
    this.generation++
    this.saidCount = 0
    this.heard = []
    this.links = this.#born()
  }

  #born(): Links {
    const { generation } = this
    return new Links(
      { self: this.place, generation, viewVersion: () => 1 },
      {
        sendFrame: (to, frame) => this.#pair.carry(this, generation, to, frame),
        onLinkReset: () => {
          this.resetCount++
          this.onReset()
        },
        onMute: (_, isMute) => void (this.isMute = isMute),
        onPeerRestarted: () => void this.peerRestartCount++,
        onPeerMessage: (_, message) => {
          if (message.kind === 'part') this.heard.push(message.clientId)
        },
        isStranger: () => false,
        isForeign: () => this.#pair.isForeign,
        onStrangerSilent: () => undefined
      },
      this.deadlines,
      new Random(`${this.place.incarnation}/${generation}`)
    )
  }
}

interface Flying {
  readonly atMs: number
  readonly order: number
  readonly to: End
  readonly bytes: Uint8Array
}

/** The two ends `a` and `b`, their network and their clock. */
export class LossyPair {
  readonly random: Random
  readonly a: End
  readonly b: End
  readonly #codec = new PeerCodec()
  weather: Weather = calm
  nowMs = 0
  /** Frames given to the network, by kind. */
  readonly carried = { batch: 0, confirm: 0, ask: 0, unknownStream: 0 }
  /** Each end is of another region. */
  isForeign = false
  /** Loses the frames that it says true of, whatever the weather. */
  loses: (frame: LinkFrame) => boolean = () => false
  #order = 0
  #flying: Flying[] = []

  constructor(seed: string) {
    this.random = new Random(seed)
    this.a = new End(this, 'a')
    this.b = new End(this, 'b')
  }

  get carriedCount(): number {
    const { batch, confirm, ask, unknownStream } = this.carried
    return batch + confirm + ask + unknownStream
  }

  carry(from: End, generation: number, to: Place, frame: LinkFrame): void {
    if (from.generation !== generation) return // The dead say nothing, though deadlines fire.
    this.carried[frame.kind]++
    const { loss, repeat, delayMs } = this.weather
    if (this.loses(frame) || this.random.unit() < loss) return
    const bytes = this.#codec.encodeFrame(frame)
    const copies = this.random.unit() < repeat ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      const atMs = this.nowMs + 1 + this.random.below(delayMs)
      const end = to.incarnation === 'a' ? this.a : this.b
      this.#flying.push({ atMs, order: this.#order++, to: end, bytes })
    }
    this.#flying.sort((x, y) => x.atMs - y.atMs || x.order - y.order)
  }

  /** Lets `forMs` pass, jumping from event to event. */
  run(forMs: number): void {
    const endMs = this.nowMs + forMs
    for (;;) {
      const arrivalMs = this.#flying[0]?.atMs ?? Infinity
      const nextMs = Math.min(arrivalMs, this.a.deadlines.nextMs(), this.b.deadlines.nextMs())
      if (nextMs > endMs) break
      this.nowMs = Math.max(this.nowMs, nextMs)
      if (arrivalMs <= this.nowMs) {
        const { to, bytes } = this.#flying.shift()!
        to.links.onFrame(this.#codec.decodeFrame(bytes)!, this.nowMs)
      }
      for (const end of [this.a, this.b]) end.deadlines.fire(this.nowMs)
    }
    this.nowMs = endMs
  }
}
