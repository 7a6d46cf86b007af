/**
 * Makes volumes for the local cluster: a folder of this machine for every claim of its storage
 * class, once the scheduler has chosen the node. A service of the hub.
 *
 *   node provisioner.ts <kubeconfig> <folder>
 */

import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node'
import type { V1PersistentVolume, V1PersistentVolumeClaim } from '@kubernetes/client-node'

const pollMs = 300
const provisionerName = 'ringcast.dev/folders'
const selectedNode = 'volume.kubernetes.io/selected-node'
const className = 'folders'

/** The storage class that this serves, and that claims get which name none. */
export const storageClass = {
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: {
    name: className,
    annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' }
  },
  provisioner: provisionerName,
  volumeBindingMode: 'WaitForFirstConsumer',
  reclaimPolicy: 'Delete'
}

/** The volume of a claim whose node is chosen. */
export function volumeOf (claim: V1PersistentVolumeClaim, folder: string): V1PersistentVolume {
  const { name, namespace, uid, annotations } = claim.metadata ?? {}
  const volume = `pvc-${uid}`
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name: volume,
      annotations: { 'pv.kubernetes.io/provisioned-by': provisionerName }
    },
    spec: {
      accessModes: claim.spec?.accessModes ?? ['ReadWriteOnce'],
      capacity: claim.spec?.resources?.requests,
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace, uid },
      local: { path: join(folder, volume) },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [{
            matchExpressions: [{
              key: 'kubernetes.io/hostname',
              operator: 'In',
              values: [annotations?.[selectedNode] ?? '']
            }]
          }]
        }
      },
      persistentVolumeReclaimPolicy: 'Delete',
      storageClassName: className
    }
  }
}

/** One look at the world: a volume for each claim that waits, none for those that are gone. */
async function provision (api: CoreV1Api, folder: string): Promise<void> {
  const [claims, volumes] = await Promise.all([
    api.listPersistentVolumeClaimForAllNamespaces(), api.listPersistentVolume()
  ])
  const existing = new Set(volumes.items.map(volume => volume.metadata?.name))
  for (const claim of claims.items) {
    const { uid, annotations } = claim.metadata ?? {}
    const isOurs = claim.spec?.storageClassName === className
    const isPlaced = annotations?.[selectedNode] !== undefined
    if (!isOurs || !isPlaced || existing.has(`pvc-${uid}`)) continue
    const path = join(folder, `pvc-${uid}`)
    mkdirSync(path, { recursive: true })
    // Whatever user the pod runs as: the mode given to mkdir is narrowed by the umask.
    chmodSync(path, 0o777)
    await api.createPersistentVolume({ body: volumeOf(claim, folder) })
  }
  for (const { metadata, status, spec } of volumes.items) {
    if (status?.phase !== 'Released' || spec?.storageClassName !== className) continue
    rmSync(spec.local?.path ?? '', { recursive: true, force: true })
    await api.deletePersistentVolume({ name: metadata?.name ?? '' })
  }
}

async function main ([kubeconfig = '', folder = '']: string[]): Promise<void> {
  const config = new KubeConfig()
  config.loadFromFile(kubeconfig)
  const api = config.makeApiClient(CoreV1Api)
  for (;;) {
    try {
      await provision(api, folder)
    } catch (error) {
      // The API server starts, restarts, is stopped by a test: the next look will do.
      console.error(error instanceof Error ? error.message.split('\n')[0] : error)
    }
    await delay(pollMs)
  }
}

if (import.meta.main) await main(process.argv.slice(2))
