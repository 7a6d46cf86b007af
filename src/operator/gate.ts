/*
Asks a node over its private port: whether it may restart now, for it alone knows whether it is in
the middle of handing over, or whether a log would lose its majority; and how many clients it has.
*/

import type { ClientsAnswer, RestartAnswer } from './pass.ts'
import type { Pod } from './plan.ts'
import { privatePort } from './node-manifests.ts'

const answerTimeoutMs = 3_000

interface ContainerPorts { ports?: Array<{ name?: string, containerPort: number }> }

/** The node's answer. No answer is a no: a pod that serves is not taken down on a guess. */
export async function askRestart (pod: Pod): Promise<RestartAnswer> {
  const { name } = pod.metadata
  const url = privateUrlOf(pod)
  if (url === undefined) return { isAllowed: false, reason: `${name} has no address` }
  try {
    const response = await fetch(
      `${url}/admin/can-restart`, { signal: AbortSignal.timeout(answerTimeoutMs) }
    )
    const answer = await response.json() as { ok?: boolean, reason?: string }
    return response.status === 200 && answer.ok === true
      ? { isAllowed: true }
      : { isAllowed: false, reason: answer.reason ?? `${name} answered ${response.status}` }
  } catch (error) {
    const cause = error instanceof Error ? (error.cause ?? error) : error
    const detail = cause instanceof Error ? cause.message : String(cause)
    return { isAllowed: false, reason: `${name} did not answer: ${detail}` }
  }
}

/** How many clients the node has; undefined where it does not say. */
export async function askClients (pod: Pod): Promise<ClientsAnswer | undefined> {
  const url = privateUrlOf(pod)
  if (url === undefined) return undefined
  try {
    const signal = AbortSignal.timeout(answerTimeoutMs)
    const response = await fetch(`${url}/admin/clients`, { signal })
    const { connections, drain } = await response.json() as Partial<ClientsAnswer>
    return typeof connections === 'number' && drain !== undefined
      ? { connections, drain }
      : undefined
  } catch {
    return undefined // It is asked again soon, and the condition says how many have answered.
  }
}

function privateUrlOf (pod: Pod): string | undefined {
  const host = pod.status?.podIP
  if (host === undefined) return undefined
  return `http://${host.includes(':') ? `[${host}]` : host}:${privatePortOf(pod)}`
}

function privatePortOf (pod: Pod): number {
  const containers = (pod.spec?.containers ?? []) as ContainerPorts[]
  const port = containers.flatMap(({ ports }) => ports ?? []).find(
    ({ name }) => name === 'private'
  )
  return port?.containerPort ?? privatePort
}
