/*
What envtest lacks, as far as the operator needs it: a StatefulSet controller and kubelets that
make pods ready, driven by watches on a real API server. Pods whose image contains `bad` never
become ready; others do at once. No process runs in them. Deployments are ready without pods.
*/

import { createHash } from 'node:crypto'
import type { Test } from 'tap'
import type { KubeClient } from '../../src/kube/client.ts'
import { ListWatch } from '../../src/kube/list-watch.ts'
import type { KubeObject } from '../../src/kube/resource.ts'
import { WorkQueue } from '../../src/kube/work-queue.ts'
import {
  deploymentResource, podResource, statefulSetResource
} from '../../src/operator/names.ts'
import type { Pod } from '../../src/operator/plan.ts'
import { type ApiServer, startApiServer } from '../support/api-server.ts'
import { clientOf } from './operator-rig.ts'

interface StatefulSetObject extends KubeObject {
  spec: {
    replicas: number
    selector: { matchLabels: Record<string, string> }
    template: { metadata: { labels: Record<string, string> }, spec: Record<string, unknown> }
  }
}

interface DeploymentObject extends KubeObject {
  spec: { replicas: number }
}

export class StandInCluster {
  /** Most pods of one StatefulSet that were ever missing or unready after all had been ready. */
  unavailableMax = 0
  readonly #client: KubeClient
  readonly #sets: ListWatch<StatefulSetObject>
  readonly #pods: ListWatch<Pod>
  readonly #deployments: ListWatch<DeploymentObject>
  readonly #queue: WorkQueue
  readonly #onceReady = new Set<string>()

  constructor (client: KubeClient) {
    this.#client = client
    this.#queue = new WorkQueue({
      handle: async key => await this.#reconcile(key),
      onError: () => {},
      workerCount: 4,
      backoff: { baseMs: 5, maxMs: 50 },
      bucket: { perSecond: 1000, burst: 1000 }
    })
    const add = (namespace = '', name = '') => this.#queue.add(`${namespace}/${name}`)
    const onProblem = () => {}
    this.#sets = new ListWatch<StatefulSetObject>({
      client,
      resource: statefulSetResource,
      onProblem,
      onChange: ({ object: { metadata } }) => add(metadata.namespace, metadata.name)
    })
    this.#pods = new ListWatch<Pod>({
      client,
      resource: podResource,
      onProblem,
      onChange: ({ object: { metadata } }) =>
        add(metadata.namespace, metadata.ownerReferences?.[0]?.name)
    })
    this.#deployments = new ListWatch<DeploymentObject>({
      client,
      resource: deploymentResource,
      onProblem,
      onChange: ({ type, object: { metadata } }) => {
        if (type === 'ADDED') this.#queue.add(`${metadata.namespace}/${metadata.name}/deployment`)
      }
    })
  }

  async start (): Promise<void> {
    this.#sets.start()
    this.#pods.start()
    this.#deployments.start()
    const watches = [this.#sets, this.#pods, this.#deployments]
    await Promise.all(watches.map(({ synced }) => synced))
    this.#queue.start()
  }

  async stop (): Promise<void> {
    this.#sets.stop()
    this.#pods.stop()
    this.#deployments.stop()
    await this.#queue.stop()
  }

  async #reconcile (key: string): Promise<void> {
    const [namespace = '', name = '', isDeployment] = key.split('/')
    if (isDeployment !== undefined) return await this.#startDeployment(namespace, name)
    const set = this.#sets.get({ namespace, name })
    if (set === undefined) return
    const revision = `${name}-${createHash('sha256')
      .update(JSON.stringify(set.spec.template)).digest('hex').slice(0, 10)}`
    const pods = this.#pods.list().filter(({ metadata }) =>
      metadata.namespace === namespace && metadata.ownerReferences?.[0]?.name === name)
    const existing = new Set(pods.map(({ metadata }) => metadata.name))
    for (let ordinal = 0; ordinal < set.spec.replicas; ordinal++) {
      const podName = `${name}-${ordinal}`
      if (!existing.has(podName)) await this.#createPod(set, podName, revision)
    }
    for (const pod of pods) {
      const ordinal = Number(pod.metadata.name?.slice(name.length + 1))
      if (ordinal >= set.spec.replicas) {
        await this.#client.remove(podResource, { namespace, name: `${pod.metadata.name}` })
      } else if (pod.status?.phase !== 'Running') {
        await this.#startPod(pod)
      }
    }
    const readyReplicas = pods.filter(isPodReady).length
    this.#countUnavailable(key, set.spec.replicas, readyReplicas)
    await this.#client.mergePatch(statefulSetResource, { namespace, name }, {
      status: {
        observedGeneration: set.metadata.generation,
        updateRevision: revision,
        replicas: pods.length,
        readyReplicas
      }
    }, { subresource: 'status' })
  }

  async #startDeployment (namespace: string, name: string): Promise<void> {
    const { replicas = 1 } = this.#deployments.get({ namespace, name })?.spec ?? {}
    await this.#client.mergePatch(deploymentResource, { namespace, name }, {
      status: { replicas, readyReplicas: replicas }
    }, { subresource: 'status' })
  }

  #countUnavailable (key: string, replicas: number, ready: number): void {
    if (ready >= replicas) this.#onceReady.add(key)
    if (this.#onceReady.has(key)) {
      this.unavailableMax = Math.max(this.unavailableMax, replicas - ready)
    }
  }

  async #createPod (set: StatefulSetObject, name: string, revision: string): Promise<void> {
    const { template } = set.spec
    const { namespace = '', uid = '' } = set.metadata
    await this.#client.create(podResource, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        ...template.metadata,
        name,
        namespace,
        labels: { ...template.metadata.labels, 'controller-revision-hash': revision },
        ownerReferences: [{
          apiVersion: 'apps/v1', kind: 'StatefulSet', name: `${set.metadata.name}`, uid,
          controller: true
        }]
      },
      // Without a service account the API server has nothing to mount and asks for none.
      spec: {
        ...withoutVolumes(template.spec), serviceAccountName: 'default',
        automountServiceAccountToken: false
      }
    } as KubeObject)
  }

  async #startPod (pod: Pod): Promise<void> {
    const { name = '', namespace = '' } = pod.metadata
    const isBad = pod.spec?.containers?.some(({ image }) => image?.includes('bad') === true)
    await this.#client.mergePatch(podResource, { namespace, name }, {
      status: {
        phase: 'Running',
        podIP: '10.0.0.1',
        conditions: [{ type: 'Ready', status: isBad === true ? 'False' : 'True' }]
      }
    }, { subresource: 'status' })
  }
}

function isPodReady (pod: Pod): boolean {
  return pod.status?.conditions?.some(
    ({ type, status }) => type === 'Ready' && status === 'True'
  ) === true
}

/** Claims of volumes are made by the real controller; these pods never run. */
function withoutVolumes (spec: Record<string, unknown>): Record<string, unknown> {
  const containers = spec.containers as Array<Record<string, unknown>>
  return {
    ...spec,
    volumes: [],
    containers: containers.map(container => ({ ...container, volumeMounts: [] }))
  }
}

/** A real API server and a cluster that stands in on it, with an administrator's client. */
export interface StandIn {
  readonly server: ApiServer
  readonly client: KubeClient
  readonly cluster: StandInCluster
}

/** All of it ends with `t`. */
export async function startStandIn (t: Test): Promise<StandIn> {
  const server = await startApiServer({ crds: ['crds'] })
  t.teardown(() => server.stop())
  const client = await clientOf(server)
  t.teardown(() => client.close())
  const cluster = new StandInCluster(client)
  await cluster.start()
  t.teardown(() => cluster.stop())
  return { server, client, cluster }
}
