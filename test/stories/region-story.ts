/**
 * Stories of whole regions: nodes from the production core in virtual time, a few clients, and a
 * transcript. A line at the margin is what is done to the region; the lines under it are what
 * came of it, in order:
 *
 *     alice hears bob.1 on ch           what a client sees, or is told of its own publishes
 *     the ring is n0, n1 (leaving)      somebody has written a view, which has other members
 *     n1 writes the next view too late  the ring object is no longer what n1 takes it to be
 *     n2 masters ch                     an epoch of n2 is in the log of the channel's partition
 *     n1 is fenced from ch              the log refuses an append of n1: another was faster
 *
 * Who does what follows from the seed, so a story asks for the names of those who play in it.
 */

import { partitionOf } from '../../src/base/hash.ts'
import { masterOf, ownersOf, type View } from '../../src/ring/view.ts'
import { Acks } from '../sim/checks/acks.ts'
import { Agreement } from '../sim/checks/agreement.ts'
import { Continuity } from '../sim/checks/continuity.ts'
import { Liveness } from '../sim/checks/liveness.ts'
import { Masters } from '../sim/checks/masters.ts'
import type { ClientOptions } from '../sim/client-options.ts'
import { SimClient } from '../sim/clients.ts'
import type { SimNode } from '../sim/node.ts'
import { withoutRealTime } from '../sim/poison.ts'
import { defaultRegion, Region, type RegionOptions } from '../sim/region.ts'

/** The channel of all stories. */
const CHANNEL = 'ch'

export class RegionStory {
  readonly region: Region
  /** What became of each write of the ring, as its writer hears it. */
  readonly writings: { readonly writer: string; readonly outcome: string }[] = []
  readonly #partition: number
  readonly #lines: string[] = []
  #members = ''

  constructor(seed: string, options: Partial<RegionOptions> = {}) {
    this.region = new Region({ ...defaultRegion, ...options, seed })
    this.#partition = partitionOf(`app/${CHANNEL}`, this.region.options.partitionCount)
    const { checks } = this.region
    checks.push(
      new Acks(this.region), new Continuity(this.region), new Masters(),
      new Agreement(this.region), new Liveness(this.region)
    )
    this.#tellOfRing()
    this.#tellOfLog()
    this.region.start()
    this.wait(3_000)
    this.#lines.length = 0
    this.writings.length = 0
  }

  /** Lets time pass; the real clocks are not there meanwhile. */
  wait(forMs: number): void {
    withoutRealTime(() => this.region.world.run(forMs))
  }

  /** All that was told. */
  transcript(): string {
    return `\n${this.#lines.join('\n')}\n`
  }

  /**
   * A client that tells what it sees: it is connected to `node` and attached to `ch` when this
   * returns. Wherever it loses its socket later, it dials whom it reaches, as clients do.
   */
  client(name: string, node: string): SimClient {
    const options: { -readonly [K in keyof ClientOptions]: ClientOptions[K] } = {
      name, format: 'json', echo: false, hasOwnIds: false, node
    }
    const client = new SimClient(this.region, options)
    client.events = {
      onEvent: (_, text) => this.#say(`${name} ${text}`)
    }
    const { submissions } = client
    const onAnswer = submissions.onAnswer.bind(submissions)
    submissions.onAnswer = (message) => {
      const answered = onAnswer(message)
      const texts = answered.flatMap(({ texts }) => texts).join(', ')
      const isRefused = message.error !== undefined
      this.#say(`${name} is told that ${texts} is ${isRefused ? 'refused' : 'published'}`)
      return answered
    }
    client.connect()
    client.attach(CHANNEL)
    this.wait(500)
    options.node = undefined
    return client
  }

  /** Something happens, and `forMs` pass. */
  tell(what: string, run: () => void, forMs = 1_000): void {
    this.#lines.push(what)
    run()
    this.wait(forMs)
  }

  node(name: string): SimNode {
    return this.region.nodes.get(name)!
  }

  /** The pod that masters the channel by the ring's own view. */
  master(): string {
    return masterOf(this.#partition, this.#view)!.node
  }

  /** The pods that own the channel by the ring's own view: its master, and who follows it. */
  owners(): string[] {
    return ownersOf(this.#partition, this.#view).map(({ node }) => node)
  }

  /** The members in the order in which they propose. */
  members(): string[] {
    return this.#view.members.map(({ node }) => node)
  }

  /** A pod that is none of `others`. */
  anotherThan(...others: string[]): string {
    return [...this.region.nodes.keys()].find((name) => !others.includes(name))!
  }

  /** What this pod writes to the ring next is on its way for so long. */
  slowDownWrite(writer: string, byMs: number): void {
    const { kube, world } = this.region
    const write = kube.writeRing.bind(kube)
    kube.writeRing = (who, ...rest) => {
      if (who !== writer) return write(who, ...rest)
      this.#say(`${who} sends the next view, which is on its way for long`)
      world.after(byMs, () => write(who, ...rest))
      kube.writeRing = write
    }
  }

  /** Its process stands still in the very moment in which its claim of the channel goes out. */
  freezeAtClaim(name: string): void {
    const { log, world } = this.region
    const ask = log.ask.bind(log)
    const node = this.node(name)
    log.ask = (asker, request, onAnswer) => {
      const isIts = asker.machine === name && request.kind === 'append' &&
        request.partition === this.#partition
      if (!isIts) return ask(asker, request, onAnswer)
      log.ask = ask
      this.#say(`${name} claims ch, and stands still`)
      node.freeze()
      // Its bytes leave the machine when it goes on.
      world.every(1, () => {
        if (node.isFrozen) return true
        ask(asker, request, onAnswer)
        return false
      })
    }
  }

  /** What is not as it should be when all is calm. */
  missing(): string[] {
    return this.region.checks.flatMap((check) => check.missing?.() ?? [])
  }

  get #view(): View {
    return this.region.kube.view!
  }

  #tellOfRing(): void {
    const { kube } = this.region
    const former = kube.onRingWritten
    kube.onRingWritten = (view, writer) => {
      former(view, writer)
      const members = view.members.map(({ node, state }) =>
        (state === 'serving' ? node : `${node} (${state})`)).join(', ')
      if (members !== this.#members) this.#say(`the ring is ${members}`)
      this.#members = members
    }
    const write = kube.writeRing.bind(kube)
    kube.writeRing = (writer, expected, view, onWriting) => {
      write(writer, expected, view, (writing) => {
        const { outcome } = writing
        this.writings.push({ writer, outcome })
        if (outcome === 'conflict') this.#say(`${writer} writes the next view too late`)
        onWriting(writing)
      })
    }
  }

  #tellOfLog(): void {
    this.region.checks.push({
      onAppended: ({ epoch }, { partition, writer }) => {
        if (partition !== this.#partition || epoch === undefined) return
        this.#say(`${podOf(writer)} masters ${CHANNEL}`)
      },
      onLogAnswer: (life, { partition }, answer) => {
        if (partition !== this.#partition || answer.kind !== 'append') return
        if (answer.outcome.kind !== 'conflict') return
        this.#say(`${podOf(life)} is fenced from ${CHANNEL}`)
      }
    })
  }

  #say(text: string): void {
    this.#lines.push(`  ${text}`)
  }
}

/** The pod of a worker's life, which is named `n1-2.1/0/1`. */
function podOf(life: string): string {
  return life.slice(0, life.indexOf('-'))
}
