/** The channels of one worker, and what they say to other places. */

import { partitionOf } from '../../../src/base/hash.ts'
import { Deadlines } from '../../../src/base/deadlines.ts'
import { Random } from '../../../src/base/random.ts'
import { Tally } from '../../../src/base/tally.ts'
import { Channels } from '../../../src/node/channels.ts'
import { Outbox } from '../../../src/node/outbox.ts'
import type { PeerMessage } from '../../../src/peer/message.ts'
import type { Place } from '../../../src/peer/place.ts'
import { masterOf, type View } from '../../../src/ring/view.ts'
import { membersOf, viewOf } from '../ring/regions.ts'
import { SimulatedLog } from './simulated-log.ts'
import { oneMeter } from '../../support/meters.ts'

const places = [0, 1, 2].map((no): Place => ({ incarnation: `n${no}#1`, worker: 0 }))
export const [, peer, other] = places as [Place, Place, Place]

/** The channels of worker 0 of n0 in a region of three; its log answers in `settle`. */
export class Rig {
  readonly deadlines = new Deadlines()
  readonly outbox = new Outbox()
  readonly log = new SimulatedLog()
  readonly channels: Channels
  readonly dropped: Place[] = []
  readonly released: number[] = []
  sent: { to: string; message: PeerMessage }[] = []
  view: View
  nowMs = 1_000

  constructor(workers = 1) {
    this.view = viewOf(membersOf(3).map((member) => ({ ...member, workers })), 16)
    const options = { self: places[0]!, generation: 1, workers, siteCode: 'here' }
    this.channels = new Channels(options, {
      outbox: this.outbox, deadlines: this.deadlines, random: new Random('channels'),
      allocate: (bytes) => new Uint8Array(bytes), tally: new Tally(),
      meters: oneMeter(),
      now: () => ({ monoMs: this.nowMs, wallMs: this.nowMs }),
      send: (to, message) => void this.sent.push({ to: to.incarnation.slice(0, 2), message }),
      dropLink: (to) => void this.dropped.push(to), onClaimMessage: () => undefined,
      onCometMessage: () => undefined, onPlaceLost: () => undefined, onSpent: () => undefined,
      onRevocationMessage: () => undefined, onWorld: () => undefined
    })
    this.tell(this.view)
  }

  /** `generation` is that of n1, and of the sibling worker. */
  tell(view: View, gone: string[] = [], generation = 1): void {
    this.view = view
    const lives = new Map(view.members.map(({ incarnation }): [string, number[]] =>
      [incarnation, [incarnation === 'n1#1' ? generation : 1, generation]]))
    this.channels.onView(view, lives, new Set(gone))
  }

  /** Ends turns until the log has nothing to say any more. */
  settle(): this {
    for (;;) {
      this.channels.runLoop()
      this.channels.flush(this.nowMs)
      const requests = this.outbox.takeLogRequests()
      if (requests.length === 0) return this
      for (const request of requests) {
        if (request.kind === 'release') this.released.push(request.partition)
        const answer = this.log.perform(request, 'fine')
        if (answer !== undefined) this.outbox.onLogAnswer(answer)
      }
    }
  }

  later(forMs: number): this {
    const endMs = this.nowMs + forMs
    while (this.deadlines.nextMs() <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.deadlines.nextMs())
      this.deadlines.fire(this.nowMs)
      this.settle()
    }
    this.nowMs = endMs
    return this
  }

  /** What was said since it was last asked, as `to kind`. */
  said(): string[] {
    // Whether anybody listens to what becomes of channels is another matter.
    const others: readonly string[] = ['rollCalled', 'listenersAsked']
    const sent = this.sent.splice(0).filter(({ message }) => !others.includes(message.kind))
    return sent.map(({ to, message }) => `${to} ${message.kind}`)
  }

  /** A channel that `node` masters, at home on worker `home`. */
  channelOf(node: string, home?: number): string {
    for (let no = 0; ; no++) {
      const partition = partitionOf(`app/c${no}`, 16)
      if (home !== undefined && partition % 2 !== home) continue
      if (masterOf(partition, this.view)!.node === node) return `app/c${no}`
    }
  }

  hear(from: Place, message: PeerMessage): this {
    this.channels.onPeerMessage(from, message)
    return this.settle()
  }

  join(from: Place, channel: string, joinNo = 1): this {
    return this.hear(from, {
      kind: 'join', channel, joinNo, clientId: `of ${from.incarnation}`, viewVersion: 1,
      from: undefined, wantsDeliveries: true
    })
  }
}
