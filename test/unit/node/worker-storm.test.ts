/**
 * Short seeded lives of a region's workers under faults, each held against what clients were
 * promised: first a storm, in which only safety is judged, then calm, in which everything must
 * become whole.
 */

import t from 'tap'
import { decodeMessages } from '../../../src/channel/encoding.ts'
import type { WorldClient } from './world-client.ts'
import { type WorldNode, WorkerWorld } from './worker-world.ts'

type Log = 'own' | 'shared'

class Storm {
  readonly world: WorkerWorld
  readonly channels: string[]
  readonly subscribers: WorldClient[] = []
  readonly publishers: WorldClient[] = []
  readonly #log: Log
  #no = 0

  constructor(seed: string, log: Log) {
    this.world = new WorkerWorld(seed, { log, workers: 1 + Number(seed.length % 2) })
    this.#log = log
    this.channels = [0, 1, 2].map((at) => this.world.channelOf(this.world.nodes[at]!))
    this.world.run(20)
    for (const node of this.world.nodes) {
      for (const no of node.workers.keys()) {
        this.subscribers.push(this.world.client(node, { format: 'msgpack' }, no))
        this.publishers.push(this.world.client(node, {}, no))
      }
    }
    for (const client of this.subscribers) for (const name of this.channels) client.attach(name)
    this.world.run(100)
  }

  get living(): WorldNode[] {
    return this.world.nodes.filter(({ isAlive }) => isAlive)
  }

  /** Publishes on every channel from everybody, or sometimes from some. */
  publish(share: number): void {
    for (const publisher of this.publishers) {
      for (const channel of this.channels) {
        if (this.world.random.unit() >= share) continue
        const id = `m${this.#no++}`
        publisher.publish(channel, id, id)
      }
    }
  }

  /** Who has no socket connects to somebody who lives. */
  reconnect(): void {
    for (const client of [...this.subscribers, ...this.publishers]) {
      if (client.isOpen) continue
      const node = this.living[this.world.random.below(this.living.length)]!
      client.connect(node.workers[this.world.random.below(node.workers.length)]!)
    }
  }

  /** One of the things that happen to a region. */
  mischief(): void {
    const { world } = this
    const { random } = world
    const living = this.living
    const victim = living[random.below(living.length)]!
    const draw = random.unit()
    if (draw < 0.2 && living.length > 2) {
      this.#dropClientsOf(victim)
      world.kill(victim)
      world.run(random.below(300))
      world.remove(victim)
    } else if (draw < 0.4) {
      if (living.length < 5) world.start(`late${this.#no++}`)
    } else if (draw < 0.6) {
      const no = random.below(victim.workers.length)
      this.#dropClientsOf(victim, no)
      world.restartWorker(victim, no, random.unit() < 0.5)
    } else if (draw < 0.75) {
      const worker = victim.workers[0]!
      worker.isFrozen = true
      world.run(random.below(2_000))
      world.thaw(worker)
    } else {
      world.weather = {
        loss: random.unit() * 0.3, repeat: random.unit() * 0.2, delayMs: 1 + random.below(20)
      }
    }
  }

  calm(): void {
    const { world } = this
    world.weather = { loss: 0, repeat: 0, delayMs: 1 }
    world.appendFate = () => 'fine'
    world.tellView()
    for (let round = 0; round < 10; round++) {
      this.reconnect()
      world.run(3_000)
    }
  }

  #dropClientsOf(node: WorldNode, workerNo?: number): void {
    for (const client of [...this.subscribers, ...this.publishers]) {
      if (client.worker?.node !== node) continue
      if (workerNo === undefined || client.worker.place.worker === workerNo) client.drop()
    }
  }

  /** What was promised and not kept. */
  flaw(): string | undefined {
    for (const client of [...this.subscribers, ...this.publishers]) {
      if (client.flaws.length > 0) return client.flaws[0]
      if (client.pendingCount > 0) return `${client.pendingCount} publishes have no answer`
      if (client.nackCodes.length > 0) return `refused with ${client.nackCodes.join()}`
    }
    for (const channel of this.channels) {
      for (const [no, subscriber] of this.subscribers.entries()) {
        const flaw = this.#storyFlaw(subscriber, channel)
        if (flaw !== undefined) return `subscriber ${no}, ${channel}: ${flaw}`
      }
    }
    return undefined
  }

  #storyFlaw(subscriber: WorldClient, channel: string): string | undefined {
    const heard = subscriber.messages(channel)
    if (this.#log === 'own') return undefined
    const story = subscriber.story(channel)
    if (story.includes('lost')) return 'a loss was told, and there was none'
    const { sharedLog } = this.world
    const truth = sharedLog.publications(this.world.partitionOf(channel), `app/${channel}`)
      .flatMap(({ payload }) => decodeMessages(payload).map(({ data }) => String(data)))
    if (new Set(truth).size !== truth.length) return 'the log has something twice'
    if (heard.join() !== truth.join()) {
      const at = truth.findIndex((word, index) => heard[index] !== word)
      return `${heard.length} of ${truth.length} heard, ${heard[at]} instead of ${truth[at]}`
    }
    return undefined
  }
}

function flawOf(seed: string, log: Log): string | undefined {
  const storm = new Storm(seed, log)
  const { random } = storm.world
  if (log === 'shared' && random.unit() < 0.5) {
    storm.world.appendFate = () => {
      const draw = random.unit()
      if (draw < 0.05) return 'unknown, happened'
      if (draw < 0.1) return 'unknown, did not'
      return draw < 0.15 ? 'refused' : draw < 0.2 ? 'busy' : 'fine'
    }
  }
  for (let step = 0; step < 25; step++) {
    storm.publish(0.3)
    storm.world.run(random.below(40))
    if (random.unit() < 0.3) storm.mischief()
    if (random.unit() < 0.3) storm.reconnect()
  }
  storm.calm()
  const flaw = storm.flaw()
  if (flaw !== undefined) return flaw
  const before = storm.subscribers.map((client) => client.messages(storm.channels[0]!).length)
  storm.publishers[0]!.publish(storm.channels[0]!, 'last')
  storm.world.run(1_000)
  for (const [no, client] of storm.subscribers.entries()) {
    const heard = client.messages(storm.channels[0]!).slice(before[no])
    if (heard.join() !== 'last') return `subscriber ${no} hears ${heard.join()} in calm weather`
  }
  return storm.flaw()
}

for (const log of ['own', 'shared'] as const) {
  t.test(`[26] in any weather clients are told the truth, with ${log} logs`, async (t) => {
    let failureCount = 0
    for (let seed = 0; seed < 12 && failureCount < 5; seed++) {
      const flaw = flawOf(`storm/${log}/${seed}`, log)
      if (flaw === undefined) continue
      failureCount++
      t.fail(`storm/${log}/${seed}: ${flaw}`)
    }
    t.equal(failureCount, 0)
  })
}
