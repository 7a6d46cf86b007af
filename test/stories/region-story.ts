/**
 * Stories of whole regions: nodes from the production core in virtual time, a few clients, and a
 * transcript of what each of them saw. A verb of the story, then the reactions, in order.
 */

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
import { partitionOf } from '../../src/base/hash.ts'
import { masterOf } from '../../src/ring/view.ts'

export class RegionStory {
  readonly region: Region
  readonly #lines: string[] = []

  constructor(seed: string, options: Partial<RegionOptions> = {}) {
    this.region = new Region({ ...defaultRegion, ...options, seed })
    const { checks } = this.region
    checks.push(
      new Acks(this.region), new Continuity(this.region), new Masters(),
      new Agreement(this.region), new Liveness(this.region)
    )
    this.region.start()
    this.wait(3_000)
  }

  /** Lets time pass; the real clocks are not there meanwhile. */
  wait(forMs: number): void {
    withoutRealTime(() => this.region.world.run(forMs))
  }

  /** What was told since the last call. */
  transcript(): string {
    return `\n${this.#lines.splice(0).join('\n')}\n`
  }

  /** A client that tells what it sees; it is connected and attached to `ch` when this returns. */
  client(name: string, options: Partial<ClientOptions> = {}): SimClient {
    const client = new SimClient(this.region, {
      name, format: 'json', echo: false, hasOwnIds: false, ...options
    })
    client.events = {
      onEvent: (_, text) => this.#lines.push(`  ${name} ${text}`)
    }
    client.connect()
    client.attach('ch')
    this.wait(500)
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

  /** The pod that masters a channel by the ring's own view. */
  masterOf(channel: string): string {
    const view = this.region.kube.view!
    const master = masterOf(partitionOf(`app/${channel}`, view.partitionCount), view)
    return master!.node
  }

  /** A pod that does not master `channel`, nor is one of `others`. */
  anotherThan(...others: string[]): string {
    return [...this.region.nodes.keys()].find((name) => !others.includes(name))!
  }

  /** What is not as it should be when all is calm. */
  missing(): string[] {
    return this.region.checks.flatMap((check) => check.missing?.() ?? [])
  }
}
