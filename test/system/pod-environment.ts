/** What a pod's container is told by its manifest. */

import type { KubeObject } from '../../src/kube/resource.ts'

export interface Pod extends KubeObject {
  spec: { containers: { env: EnvironmentEntry[] }[] }
}

interface EnvironmentEntry {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } }
}

/** The environment of a pod's only container, its references resolved. */
export function environmentOf(pod: Pod, host: string): Record<string, string> {
  const fields: Record<string, string | undefined> = {
    'metadata.namespace': pod.metadata.namespace,
    'metadata.name': pod.metadata.name,
    'metadata.uid': pod.metadata.uid,
    'status.podIP': host
  }
  const environment: Record<string, string> = {}
  for (const { name, value, valueFrom } of pod.spec.containers[0]!.env) {
    const resolved = value ?? fields[valueFrom!.fieldRef.fieldPath]
    if (resolved === undefined) throw new Error(`${name} cannot be resolved`)
    environment[name] = resolved
  }
  return environment
}
