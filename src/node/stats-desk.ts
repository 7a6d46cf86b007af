/**
 * What was counted of an app in this region, for workers of other regions that put it together with
 * what theirs has counted. Any worker can say it; it is asked of the one that keeps the app's
 * minutes. A question that is asked again while it is read for is the same one.
 */

import type { Now } from '../base/clock.ts'
import { limits } from '../base/limits.ts'
import type { PeerMessage } from '../peer/message.ts'
import { type Place, placeKey } from '../peer/place.ts'
import { type Ask, type StatsQuestion, statsWeight } from '../peer/question-message.ts'
import type { StatsOutbox } from '../stats/port.ts'
import { readStats, type StatsPage } from '../stats/reading.ts'
import { Shelf } from '../stats/shelf.ts'
import { META_PREFIX } from '../wire/params.ts'

export interface StatsDeskPorts {
  readonly outbox: StatsOutbox
  now(): Now
  send(to: Place, message: PeerMessage): void
}

export class StatsDesk {
  readonly #ports: StatsDeskPorts
  /** Questions that are read for. */
  readonly #open = new Set<string>()

  constructor(ports: StatsDeskPorts) {
    this.#ports = ports
  }

  onAsk(from: Place, { channel, askNo }: Ask, question: StatsQuestion): void {
    const key = `${placeKey(from)} ${askNo}`
    if (this.#open.has(key) || this.#open.size >= limits.statsReadingsMax) return
    this.#open.add(key)
    const { outbox, now } = this.#ports
    const [appId = ''] = channel.split('/')
    readStats(new Shelf(appId, outbox), question, now().wallMs, (page) => {
      this.#open.delete(key)
      const answer = { kind: 'stats' as const, ...withinBytes(page) }
      this.#ports.send(from, { kind: 'answered', channel, askNo, answer })
    })
  }
}

/** As much of a page as one message takes. */
function withinBytes(
  page: StatsPage | undefined
): Omit<StatsPage, 'intervals'> & { readonly intervals: StatsPage['intervals'] | undefined } {
  if (page === undefined) return { intervals: undefined, hasMore: false, lastMinuteMs: undefined }
  const { intervals, lastMinuteMs } = page
  let bytes = 0
  let count = 0
  for (const interval of intervals) {
    bytes += statsWeight([interval])
    if (count > 0 && bytes > limits.backlogPageBytesMax) break
    count++
  }
  if (count === intervals.length) return page
  return { intervals: intervals.slice(0, count), hasMore: true, lastMinuteMs }
}

/** Where an app's statistics are told; its master keeps them. */
export function statsChannel(appId: string): string {
  return `${appId}/${META_PREFIX}stats:minute`
}
