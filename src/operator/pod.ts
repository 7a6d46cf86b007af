/*
What every pod we make has in common: no rights, no writable root, spread over zones and hosts.
*/

import type { Scheduling } from './spec.ts'

/** Passes the `restricted` pod security standard. 1000 is the unprivileged user of our images. */
export function podSecurity (): object {
  return {
    runAsNonRoot: true,
    runAsUser: 1000,
    runAsGroup: 1000,
    fsGroup: 1000,
    fsGroupChangePolicy: 'OnRootMismatch',
    seccompProfile: { type: 'RuntimeDefault' }
  }
}

/** Security of a container that is alone in its pod. */
export function dedicatedSecurity (): object {
  return {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] }
  }
}

const spreadByDefault = [
  { topologyKey: 'topology.kubernetes.io/zone', maxSkew: 1, whenUnsatisfiable: 'ScheduleAnyway' },
  { topologyKey: 'kubernetes.io/hostname', maxSkew: 1, whenUnsatisfiable: 'ScheduleAnyway' }
]

/** Fields of a pod spec that say where it may run. */
export function schedulingFields (
  scheduling: Scheduling | undefined, selector: Record<string, string>
): object {
  const { topologySpread = spreadByDefault, ...rest } = scheduling ?? {}
  const spread = topologySpread.map(constraint => ({
    ...constraint, labelSelector: { matchLabels: selector }
  }))
  return { ...rest, ...(spread.length === 0 ? {} : { topologySpreadConstraints: spread }) }
}
