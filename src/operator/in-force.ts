/*
What of a region is in force already, and cannot be changed any more.
*/

import type { KubeObject } from '../kube/resource.ts'
import type { Inventory } from './inventory.ts'
import { ringResource } from './names.ts'
import type { RealtimeRegion } from './spec.ts'

/** Its identifier and partition count, as far as they are used (`parseRegion`). */
export function inForceOf (
  inventory: Inventory, region: RealtimeRegion
): { region?: string, partitionCount?: number } {
  const { name = '', namespace = '' } = region.metadata
  const ring = inventory.get<KubeObject & { spec?: { partitionCount?: number } }>(
    ringResource, { namespace, name }
  )
  const partitionCount = ring?.spec?.partitionCount
  const identifier = region.status?.region
  return {
    ...(identifier === undefined ? {} : { region: identifier }),
    ...(partitionCount === undefined ? {} : { partitionCount })
  }
}
