/**
 * A partition whose master is still listed changes hands only as the view before has announced it,
 * and no view announces more than it may (rule 12). After calm nothing is left to be handed over.
 */

import { limits } from '../../../src/base/limits.ts'
import { masterOf, memberOf, type View } from '../../../src/ring/view.ts'
import type { Region } from '../region.ts'
import { Violation } from '../world.ts'
import type { Check } from './check.ts'
import { followedBy } from './followed.ts'

export class Handovers implements Check {
  readonly #region: Region
  #view: View | undefined

  constructor(region: Region) {
    this.#region = region
    const { kube } = region
    const former = kube.onRingWritten
    kube.onRingWritten = (view, writer) => {
      former(view, writer)
      this.#onWritten(view, writer)
    }
  }

  missing(): string[] {
    const { handovers = [] } = this.#view ?? {}
    return handovers.map(({ to, partitions }) => `${partitions.length} are still to move to ${to}`)
  }

  #onWritten(view: View, writer: string): void {
    const before = followedBy(view, writer, this.#view, this.#region)
    this.#view = view
    const { handovers = [] } = view
    const count = handovers.reduce((sum, { partitions }) => sum + partitions.length, 0)
    if (count > limits.handoversPerView) {
      throw new Violation('handovers', `view ${view.version} announces ${count} handovers`)
    }
    for (let partition = 0; before !== undefined && partition < view.partitionCount; partition++) {
      const master = masterOf(partition, before)
      const heir = masterOf(partition, view)
      if (master === undefined || master.incarnation === heir?.incarnation) continue
      const isListed = memberOf(master.incarnation, view) !== undefined
      const isAnnounced = before.handovers?.some(({ to, partitions }) =>
        to === heir?.incarnation && partitions.includes(partition)) === true
      if (isListed && !isAnnounced) {
        throw new Violation('handovers', `partition ${partition} moved to ${heir?.incarnation} ` +
          `with view ${view.version}, unannounced`)
      }
    }
  }
}
