/*
What the nodes of a region may do: watch their peers, keep their ring, and read the one Secret that
the operator compiles for them; in a world, the ConfigMap that says what part they have in it.
*/

import type { Manifest } from './manifest.ts'
import { group, objectLabels, regionNames } from './names.ts'

/** ServiceAccount, Role and RoleBinding of the nodes. */
export function nodeAccess (name: string, namespace: string, isInWorld: boolean): Manifest[] {
  const names = regionNames(name)
  const metadata = { name: names.account, namespace, labels: objectLabels(name, 'node') }
  return accessOf(metadata, [
    { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] },
    {
      apiGroups: [group],
      resources: ['realtimerings'],
      verbs: ['get', 'list', 'watch', 'create']
    },
    {
      apiGroups: [group],
      resources: ['realtimerings/status'],
      resourceNames: [names.node],
      verbs: ['get', 'update', 'patch']
    },
    {
      apiGroups: [''],
      resources: ['secrets'],
      resourceNames: [names.apps],
      verbs: ['get', 'list', 'watch']
    },
    ...(isInWorld
      ? [{
          apiGroups: [''],
          resources: ['configmaps'],
          resourceNames: [names.world],
          verbs: ['get', 'list', 'watch']
        }]
      : [])
  ])
}

/** A ServiceAccount, and a Role and RoleBinding of its name that let it do this. */
export function accessOf (
  metadata: { name: string, namespace: string, labels: Record<string, string> },
  rules: readonly object[]
): Manifest[] {
  const { name, namespace } = metadata
  const rbac = 'rbac.authorization.k8s.io'
  return [{
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata,
    // Pods ask for their token themselves; nothing else should get one by accident.
    automountServiceAccountToken: false
  }, {
    apiVersion: `${rbac}/v1`,
    kind: 'Role',
    metadata,
    rules
  }, {
    apiVersion: `${rbac}/v1`,
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: rbac, kind: 'Role', name },
    subjects: [{ kind: 'ServiceAccount', name, namespace }]
  }]
}
