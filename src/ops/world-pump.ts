/**
 * The shell of what a node knows of other regions (region/world.ts): one per process, whatever
 * lives the node has. It listens where all regions speak, and where its own globalmaster does.
 */

import type { Clock } from '../base/clock.ts'
import type { Mesh } from '../bus/mesh.ts'
import { rosterSubject, worldSubject } from '../bus/subjects.ts'
import { decodeWorldMessage, encodeWorldMessage } from '../region/world-codec.ts'
import type { Adopted } from '../region/announced.ts'
import type { RegionIdentity, RegionMessage, WorldMessage } from '../region/world-message.ts'
import type { WorldSettings, WorldTerms } from '../region/terms.ts'
import {
  KnownWorld, type OtherRegions, type WorldInput, type WorldOutput
} from '../region/world.ts'

export interface WorldPumpPorts {
  readonly clock: Clock
  readonly mesh: Mesh
  /** Who the other regions are, after every change. */
  onWorld(world: OtherRegions): void
  /** What follows for our workers, after every change. */
  onTerms(terms: WorldTerms): void
  note(level: 'info' | 'warn', text: string, fields: object): void
}

export class WorldPump {
  readonly #ports: WorldPumpPorts
  readonly #outputs: WorldOutput[] = []
  readonly #known: KnownWorld
  #timer: NodeJS.Timeout | undefined
  #isTooLarge = false
  #isStopped = false

  constructor(own: RegionIdentity, ports: WorldPumpPorts) {
    this.#ports = ports
    this.#known = new KnownWorld(own, this.#outputs)
    this.#hear(worldSubject, ['region', 'still', 'ask'])
    this.#hear(rosterSubject(own.prefix), ['roster'])
  }

  /** What the node believes of its own region. */
  onAdopt(adopted: Adopted): void {
    this.#input({ kind: 'adopted', adopted })
  }

  /** What people say of the region's part in the world. */
  onSettings(settings: WorldSettings): void {
    this.#input({ kind: 'settings', settings })
  }

  onMesh(isUp: boolean): void {
    if (isUp) this.#input({ kind: 'meshUp' })
  }

  describe(): string[] {
    return this.#known.describe()
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  /** Nobody but our own globalmaster says rosters, and it says them to us alone. */
  #hear(subject: string, kinds: readonly WorldMessage['kind'][]): void {
    this.#ports.mesh.subscribe(subject, (bytes) => {
      const message = decodeWorldMessage(bytes)
      if (message !== undefined && kinds.includes(message.kind)) {
        this.#input({ kind: 'heard', message })
      }
    })
  }

  #input(input: WorldInput): void {
    if (this.#isStopped) return
    const { clock } = this.#ports
    this.#known.turn(input, clock.now().monoMs)
    for (const output of this.#outputs.splice(0)) this.#perform(output)
    clearTimeout(this.#timer)
    const waitMs = this.#known.nextDeadlineMs() - clock.now().monoMs
    if (waitMs === Infinity) return
    const onTime = (): void => this.#input({ kind: 'deadline' })
    this.#timer = setTimeout(onTime, Math.max(0, Math.ceil(waitMs)))
  }

  #perform(output: WorldOutput): void {
    switch (output.kind) {
      case 'say':
        this.#say(output.message)
        return
      case 'world':
        this.#ports.onWorld({ regions: output.regions, absent: output.absent })
        return
      case 'terms':
        this.#ports.onTerms(output.terms)
        return
      case 'note':
        this.#ports.note(output.level, output.text, output.fields)
        return
    }
  }

  #say(message: RegionMessage): void {
    const bytes = encodeWorldMessage(message)
    if (bytes !== undefined) this.#ports.mesh.publish(worldSubject, bytes)
    else if (!this.#isTooLarge) {
      this.#isTooLarge = true
      this.#ports.note('warn', 'the region is too large to be announced to others', {})
    }
  }
}
