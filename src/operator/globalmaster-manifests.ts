/*
The globalmaster of a region that is part of a world (`ringcast globalmaster`): what it runs as,
what it may do, and the one ConfigMap in which it is told what only the operator sees: the other
regions of the cluster, and what is to be the same in all of them.

It reads no Secret and no other namespace.
*/

import { accessOf } from './access.ts'
import type { Manifest } from './manifest.ts'
import {
  annotations, group, leaseResource, objectLabels, regionNames, selectorLabels
} from './names.ts'
import {
  credentialsMount, credentialsVolume, imageOfNodes, natsEnvironment, privatePort, probes
} from './node-manifests.ts'
import type { NodeContext } from './node-manifests.ts'
import { dedicatedSecurity, podSecurity, schedulingFields } from './pod.ts'
import type { WorldSpec } from './spec.ts'
import { worldJsonOf } from './world.ts'
import type { WorldFacts } from './world.ts'

/** Entry of the ConfigMap. */
export const worldEntry = 'world.json'

export interface GlobalmasterContext extends NodeContext {
  world: WorldSpec
  facts: WorldFacts
}

/** Everything of the globalmaster. */
export function globalmasterManifests (context: GlobalmasterContext): Manifest[] {
  const { name, namespace, spec, world, facts } = context
  const metadata = {
    name: regionNames(name).globalmaster, namespace, labels: objectLabels(name, 'globalmaster')
  }
  return [
    ...globalmasterAccess(name, namespace),
    globalmasterConfigMap(name, namespace, worldJsonOf(spec.region, world, facts)),
    // Made here, so that the globalmaster needs no right to make Leases. Its fields are its own.
    { apiVersion: `${leaseResource.group}/v1`, kind: 'Lease', metadata },
    deployment(context, metadata)
  ]
}

/** The one with this text of `world.json`. */
export function globalmasterConfigMap (
  region: string, namespace: string, worldJson: string
): Manifest {
  const name = regionNames(region).globalmaster
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace, labels: objectLabels(region, 'globalmaster') },
    data: { [worldEntry]: worldJson }
  }
}

function globalmasterAccess (name: string, namespace: string): Manifest[] {
  const own = regionNames(name).globalmaster
  const metadata = { name: own, namespace, labels: objectLabels(name, 'globalmaster') }
  return accessOf(metadata, [
    {
      apiGroups: [''],
      resources: ['configmaps'],
      resourceNames: [own],
      verbs: ['get', 'list', 'watch']
    },
    {
      apiGroups: [leaseResource.group],
      resources: ['leases'],
      resourceNames: [own],
      verbs: ['get', 'update']
    },
    { apiGroups: [group], resources: ['realtimeregions'], resourceNames: [name], verbs: ['get'] },
    {
      apiGroups: [group],
      resources: ['realtimeregions/status'],
      resourceNames: [name],
      verbs: ['get', 'patch']
    }
  ])
}

function deployment (
  context: GlobalmasterContext, metadata: Manifest['metadata']
): Manifest {
  const { name, world } = context
  const selector = selectorLabels(name, 'globalmaster')
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      replicas: world.globalmaster.replicas,
      selector: { matchLabels: selector },
      template: {
        metadata: {
          labels: objectLabels(name, 'globalmaster'),
          annotations: { [annotations.configuration]: context.credentialsDigest }
        },
        spec: podSpec(context, selector)
      }
    }
  }
}

function podSpec (context: GlobalmasterContext, selector: Record<string, string>): object {
  const { name, spec, world } = context
  return {
    serviceAccountName: regionNames(name).globalmaster,
    automountServiceAccountToken: true,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 30,
    securityContext: podSecurity(),
    ...schedulingFields(undefined, selector),
    ...(spec.imagePullSecrets === undefined ? {} : { imagePullSecrets: spec.imagePullSecrets }),
    containers: [{
      name: 'globalmaster',
      image: imageOfNodes(context),
      imagePullPolicy: spec.imagePullPolicy,
      args: ['globalmaster'],
      env: environment(context),
      ports: [{ name: 'private', containerPort: privatePort, protocol: 'TCP' }],
      resources: world.globalmaster.resources,
      securityContext: dedicatedSecurity(),
      volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }, ...credentialsMount(context)],
      ...probes()
    }],
    volumes: [{ name: 'tmp', emptyDir: {} }, ...credentialsVolume(context)]
  }
}

/** Of NATS it uses the mesh alone: neither the log nor the keys of connections. */
const notForIt = new Set(['RINGCAST_LOG_BYTES', 'RINGCAST_NATS_FORMER_SECRET'])

function environment (context: GlobalmasterContext): object[] {
  const { name, spec } = context
  const field = (fieldPath: string) =>
    ({ valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } })
  const nats = natsEnvironment(context) as Array<{ name: string }>
  return [
    { name: 'RINGCAST_REGION', value: name },
    { name: 'RINGCAST_NAMESPACE', ...field('metadata.namespace') },
    { name: 'RINGCAST_POD_NAME', ...field('metadata.name') },
    { name: 'RINGCAST_POD_UID', ...field('metadata.uid') },
    { name: 'RINGCAST_GLOBALMASTER', value: regionNames(name).globalmaster },
    { name: 'RINGCAST_PRIVATE_PORT', value: String(privatePort) },
    { name: 'RINGCAST_LOG_LEVEL', value: spec.logLevel },
    ...nats.filter(variable => !notForIt.has(variable.name)),
    ...(spec.extraEnv ?? [])
  ]
}
