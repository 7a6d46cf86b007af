/**
 * How a worker's relays stand to each other region: whether anything of it comes to our inboxes,
 * and how many relays are not up to date, be it that they are not answered, that they catch up, or
 * that the log here takes nothing. Announcements say nothing of that: they go another way.
 */

/** To one region. */
export interface RelayStanding {
  readonly region: string
  /** How long ago one of its workers said anything to this one, in ms; undefined for never. */
  readonly heardAgoMs?: number | undefined
  /** Channels that have a relay to it. */
  readonly channels: number
  /** Of these, those that are not up to date, and for how long the longest of them, in ms. */
  readonly behind: number
  readonly behindMs: number
  /** That one waits for room in the log here. */
  readonly isFull: boolean
}

interface Behind {
  readonly region: string
  readonly channel: string
  readonly sinceMs: number
}

export class RelayGauge {
  /** By region. */
  readonly #heardAtMs = new Map<string, number>()
  /** By relay; who is behind for longest comes first. */
  readonly #behind = new Map<object, Behind>()

  onHeard(region: string, nowMs: number): void {
    this.#heardAtMs.set(region, nowMs)
  }

  onBehind(relay: object, behind: Behind): void {
    this.#behind.set(relay, behind)
  }

  onAbreast(relay: object): void {
    this.#behind.delete(relay)
  }

  /** Nothing is to be said of a region any more. */
  forget(region: string): void {
    this.#heardAtMs.delete(region)
  }

  /** Of these regions, each of which has a relay for every one of so many channels. */
  standings(
    regions: readonly string[], channels: number, hasRoom: (channel: string) => boolean,
    nowMs: number
  ): RelayStanding[] {
    const counts = new Map<string, number>()
    const longest = new Map<string, Behind>()
    for (const behind of this.#behind.values()) {
      const { region } = behind
      counts.set(region, (counts.get(region) ?? 0) + 1)
      if (!longest.has(region)) longest.set(region, behind)
    }
    return regions.map((region) => {
      const heardAtMs = this.#heardAtMs.get(region)
      const first = longest.get(region)
      return {
        region,
        heardAgoMs: heardAtMs === undefined ? undefined : nowMs - heardAtMs,
        channels,
        behind: counts.get(region) ?? 0,
        behindMs: first === undefined ? 0 : nowMs - first.sinceMs,
        isFull: first !== undefined && !hasRoom(first.channel)
      }
    })
  }
}
