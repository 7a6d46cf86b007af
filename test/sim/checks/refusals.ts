/**
 * Who asks for the master of a partition is sent away only by a node that, by the view it holds,
 * is not the one (rule 9): that the two hold different views is no reason. While the view cannot
 * be written a node that is not heard may believe, as others do, that somebody else acts for it
 * (rule 10).
 */

import { partitionOf } from '../../../src/base/hash.ts'
import type { LinkFrame } from '../../../src/peer/link.ts'
import type { Place } from '../../../src/peer/place.ts'
import { homeWorkerOf, masterOf, type View } from '../../../src/ring/view.ts'
import type { Region } from '../region.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'

/** Once the view can be written everybody learns of it, those too that stood still. */
const LEARNT_MS = 15_000

export class Refusals implements Check {
  readonly #region: Region
  readonly #views = new Map<number, View>()
  #awayAtMs = -Infinity

  constructor(region: Region) {
    this.#region = region
    const { kube } = region
    const former = kube.onRingWritten
    kube.onRingWritten = (view, writer) => {
      former(view, writer)
      this.#views.set(view.version, view)
    }
  }

  onTick(): void {
    const { kube, world } = this.#region
    this.#awayAtMs = Math.max(this.#awayAtMs, kube.isTroubled ? world.nowMs : kube.failedAtMs)
  }

  onPeerSays(from: Place, frame: LinkFrame): void {
    const { kube, world } = this.#region
    const isLearnt = world.nowMs - this.#awayAtMs > LEARNT_MS
    if (frame.kind !== 'batch' || kube.isTroubled || !isLearnt) return
    for (const message of frame.messages) {
      if (message.kind !== 'notMaster') continue
      const { channel, viewVersion } = message
      const view = this.#views.get(viewVersion)
      if (view === undefined) continue
      const partition = partitionOf(channel, view.partitionCount)
      const master = masterOf(partition, view)
      if (master?.incarnation !== from.incarnation) continue
      if (homeWorkerOf(partition, master) !== from.worker) continue
      throw new Violation('refusals', `${from.incarnation}/${from.worker} refuses a Join of ` +
        `${channel}, though it masters partition ${partition} in view ${viewVersion}`)
    }
  }
}
