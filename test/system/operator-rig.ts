/*
An operator on a real API server, with eyes: what it wrote, what it logged, and a wait for states.
*/

import { setTimeout as delay } from 'node:timers/promises'
import { KubeClient } from '../../src/kube/client.ts'
import { kubeconfigCredentials } from '../../src/kube/credentials.ts'
import type { KubeObject, Resource } from '../../src/kube/resource.ts'
import { OperatorController } from '../../src/operator/controller.ts'
import type { OperatorOptions } from '../../src/operator/controller.ts'
import {
  appResource, globalmasterManager, regionResource, secretResource
} from '../../src/operator/names.ts'
import type { ClientsAnswer, RestartAnswer } from '../../src/operator/pass.ts'
import type { Condition, WorldStatus } from '../../src/operator/spec.ts'
import type { ApiServer } from '../support/api-server.ts'

/** What a region says of its world. */
export const world = { name: 'acme', secretName: 'acme-world' }

export const defaults = { nodeImage: 'ringcast:1.0.0', natsImage: 'nats:2' }

const readVerbs = new Set(['get', 'list', 'watch', 'discover'])

export interface Rig {
  controller: OperatorController
  /** Writes but for events and Leases, as `verb resource`. */
  writes: string[]
  lines: string[]
  /** Passes ended, by outcome. */
  passes: { done: number, failed: number }
  lost: string[]
  /** What nodes answer; change it at will. */
  gate: { answer: RestartAnswer, askedCount: number }
  /** What each node says of its clients. */
  clients: { answer: ClientsAnswer | undefined }
}

export async function clientOf (
  server: Pick<ApiServer, 'kubeconfigPath'>, url?: string, onWrite?: (what: string) => void
): Promise<KubeClient> {
  const credentials = await kubeconfigCredentials({ path: server.kubeconfigPath })
  return new KubeClient({
    credentials: url === undefined ? credentials : { ...credentials, server: url },
    userAgent: 'ringcast-test',
    onRequest: ({ verb, resource }) => {
      const isAside = resource === 'events' || resource === 'leases'
      if (!readVerbs.has(verb) && !isAside) onWrite?.(`${verb} ${resource}`)
    }
  })
}

/** Makes an operator; the caller starts and stops it. */
export async function makeRig (
  server: ApiServer, options: Partial<OperatorOptions> & { url?: string } = {}
): Promise<Rig> {
  const writes: string[] = []
  const lines: string[] = []
  const passes = { done: 0, failed: 0 }
  const lost: string[] = []
  const gate: Rig['gate'] = { answer: { isAllowed: true }, askedCount: 0 }
  const clients: Rig['clients'] = { answer: undefined }
  const { url, ...rest } = options
  const write = (_fields: object, message: string) => { lines.push(message) }
  const controller = new OperatorController({
    client: await clientOf(server, url, what => { writes.push(what) }),
    defaults,
    log: { info: write, warn: write, error: write },
    identity: 'operator-a',
    onLost: reason => { lost.push(reason) },
    askRestart: async () => {
      gate.askedCount++
      return gate.answer
    },
    askClients: async () => clients.answer,
    metrics: { onPass: (_kind, outcome) => { passes[outcome]++ } },
    ...rest
  })
  return { controller, writes, lines, passes, lost, gate, clients }
}

/** Waits until `look` returns something, asking again until then. */
export async function until<T> (
  what: string, look: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 20_000
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadlineMs) throw new Error(`never came: ${what}`)
    await delay(20)
  }
}

export interface StatusObject extends KubeObject {
  spec?: Record<string, any>
  data?: Record<string, string>
  status?: { conditions?: Condition[], observedGeneration?: number } & Record<string, any>
}

export function conditionOf (
  object: StatusObject | undefined, type: string
): Condition | undefined {
  return object?.status?.conditions?.find(condition => condition.type === type)
}

/** Waits until a condition has this status and reason for the present generation. */
export async function untilCondition (
  client: KubeClient, resource: Resource, namespace: string, name: string,
  type: string, status: string, reason?: string
): Promise<StatusObject> {
  return await until(`${resource.kind} ${name} ${type}=${status} ${reason ?? ''}`, async () => {
    const object = await client.get<StatusObject>(resource, { namespace, name })
    const condition = conditionOf(object, type)
    return condition?.status === status && (reason === undefined || condition.reason === reason) &&
      condition.observedGeneration === object?.metadata.generation && object
  })
}

export async function createNamespace (server: ApiServer, name: string): Promise<void> {
  await server.call('POST', '/api/v1/namespaces', {
    apiVersion: 'v1', kind: 'Namespace', metadata: { name }
  })
  // Pods need it, and no controller makes it here.
  await server.call('POST', `/api/v1/namespaces/${name}/serviceaccounts`, {
    apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' }
  })
}

export function regionObject (namespace: string, name: string, spec: object = {}): StatusObject {
  return {
    apiVersion: 'ringcast.dev/v1alpha1', kind: 'RealtimeRegion', metadata: { namespace, name }, spec
  }
}

export function appObject (namespace: string, name: string, spec: object): StatusObject {
  return {
    apiVersion: 'ringcast.dev/v1alpha1', kind: 'RealtimeApp', metadata: { namespace, name }, spec
  }
}

/** The Secret of the world, as a person puts it. */
export async function putWorldSecret (
  client: KubeClient, namespace: string, entries: Record<string, string>
): Promise<void> {
  const data = Object.fromEntries(Object.entries(entries).map(
    ([key, value]) => [key, Buffer.from(value).toString('base64')]))
  await client.apply(secretResource, {
    apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: world.secretName }, data
  } as KubeObject, { fieldManager: 'a-person', force: true })
}

/** Writes what a globalmaster would. */
export async function reportPeers (
  client: KubeClient, namespace: string, name: string, said: WorldStatus
): Promise<void> {
  await client.apply(regionResource, {
    apiVersion: 'ringcast.dev/v1alpha1',
    kind: 'RealtimeRegion',
    metadata: { namespace, name },
    status: said
  } as KubeObject, { fieldManager: globalmasterManager, force: true, subresource: 'status' })
}

/** What a manager owns of an object, as a text. */
export function ownedFields (region: StatusObject, manager: string): string {
  const owners = (region.metadata.managedFields ?? []) as Array<{ manager: string }>
  return JSON.stringify(owners.filter(owner => owner.manager === manager))
}

export { appResource, regionResource }
