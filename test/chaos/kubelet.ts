/**
 * The kubelets and the StatefulSet controller of a region, played: every pod's container is a real
 * `ringcast node` process on an address of its own. Like theirs, its words are late: that a
 * container ended is told one to two seconds afterwards; that one stands still or is cut off is
 * never told; of what happened on a machine that is down nothing is told until it is up again.
 */

import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { KubeClient } from '../../src/kube/client.ts'
import type { KubeObject } from '../../src/kube/resource.ts'
import { podResource } from '../../src/operator/names.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import type { NodeState } from '../system/node-rig.ts'

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const ILL_THREADS = join(import.meta.dirname, 'ill-threads.ts')
const LOOK_MS = 50
const REPORT_MS_MIN = 1_000
const REPORT_MS_MAX = 2_000
const READINESS_MS = 1_000

export interface PodManifest extends KubeObject {
  spec: { nodeName: string; containers: { env: EnvironmentEntry[] }[] }
}

export interface EnvironmentEntry {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } }
}

export interface KubeletOptions {
  readonly namespace: string
  readonly folder: string
  /** What the nodes may do in the API. */
  readonly kubeconfigPath: string
  readonly publicPort: number
  readonly privatePort: number
  nameOf(index: number): string
  hostOf(index: number): string
  manifestOf(name: string): PodManifest
}

interface Pod {
  readonly index: number
  readonly name: string
  readonly host: string
  object: PodManifest
  container: ServerProcess
  startCount: number
  startedAt: string
  lastState: object
  isReady: boolean
  /** The machine under it. */
  isUp: boolean
  isDeleted: boolean
  toldEndAtMs: number
}

export class Kubelet {
  readonly #client: KubeClient
  readonly #options: KubeletOptions
  readonly #pods: Pod[] = []
  readonly #tending: Promise<void>[] = []
  #isOver = false
  #failure: Error | undefined
  readonly #logFiles: string[] = []

  constructor(options: KubeletOptions, client: KubeClient) {
    this.#options = options
    this.#client = client
  }

  /** Where the containers, past ones too, write. */
  get logFiles(): readonly string[] {
    return this.#logFiles
  }

  /** Makes a pod and starts its container. */
  async create(index: number): Promise<void> {
    const name = this.#options.nameOf(index)
    const host = this.#options.hostOf(index)
    const startCount = (this.#pods[index]?.startCount ?? 0) + 1
    const object = await this.#client.create<PodManifest>(
      podResource, this.#options.manifestOf(name)
    )
    const container = this.#start(object, name, host, startCount)
    const pod: Pod = {
      index, name, host, object, container, startCount, startedAt: nowText(), lastState: {},
      isReady: false, isUp: true, isDeleted: false,
      toldEndAtMs: -Infinity
    }
    this.#pods[index] = pod
    await this.#report(pod, { running: { startedAt: pod.startedAt } })
    this.#tending.push(this.#tend(pod).catch((error: Error) => {
      this.#failure ??= error
    }))
  }

  /** What the node says of itself; undefined while it says nothing. */
  async state(index: number): Promise<NodeState | undefined> {
    if (this.#failure !== undefined) throw this.#failure
    const { host } = this.#pods[index]!
    const ask = async (path: string): Promise<Record<string, unknown>> => {
      const signal = AbortSignal.timeout(1_000)
      const answer = await fetch(`http://${host}:${this.#options.privatePort}${path}`, { signal })
      return await answer.json() as Record<string, unknown>
    }
    try {
      const [probe, readiness] = await Promise.all([ask('/probe'), ask('/readyz')])
      return { ...probe, unreadyBecause: readiness.reason } as unknown as NodeState
    } catch {
      // It is down, stopped or starting.
      return undefined
    }
  }

  signal(index: number, signal: NodeJS.Signals): void {
    signalTo(this.#pods[index]!.container, signal)
  }

  /** When the API was last told that the pod's container had ended. */
  toldEndAtMs(index: number): number {
    return this.#pods[index]!.toldEndAtMs
  }

  /** The machine under the pod fails, and the container with it. */
  failMachine(index: number): void {
    this.#pods[index]!.isUp = false
    this.signal(index, 'SIGKILL')
  }

  repairMachine(index: number): void {
    this.#pods[index]!.isUp = true
  }

  /** Deletes the pod as `kubectl delete pod` does; another of its name follows. */
  async remove(index: number): Promise<void> {
    const pod = this.#pods[index]!
    const target = { namespace: this.#options.namespace, name: pod.name }
    await this.#client.remove(podResource, target, {})
    pod.isDeleted = true
    this.signal(index, 'SIGTERM')
  }

  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#pods.map((pod) => pod.container.kill()))
    await Promise.all(this.#tending)
  }

  /** Looks after one pod until it is gone. */
  async #tend(pod: Pod): Promise<void> {
    let lookedAtMs = 0
    while (!this.#isOver) {
      await delay(LOOK_MS)
      if (pod.container.ending() !== undefined) {
        if (await this.#afterEnd(pod) === 'gone') return
      } else if (pod.isUp && performance.now() > lookedAtMs + READINESS_MS) {
        lookedAtMs = performance.now()
        await this.#lookIfReady(pod)
      }
    }
  }

  /** Tells of the end, late, and starts what is to follow. */
  async #afterEnd(pod: Pod): Promise<'gone' | 'restarted'> {
    const finishedAt = nowText()
    await delay(REPORT_MS_MIN + Math.random() * (REPORT_MS_MAX - REPORT_MS_MIN))
    while (!pod.isUp && !this.#isOver) await delay(LOOK_MS)
    if (this.#isOver) return 'gone'
    const code = /with code (\d+)/.exec(pod.container.ending() ?? '')?.[1]
    const exitCode = code === undefined ? 137 : Number(code)
    const terminated = { exitCode, startedAt: pod.startedAt, finishedAt }
    pod.isReady = false
    await this.#report(pod, { terminated })
    pod.toldEndAtMs = performance.now()
    if (pod.isDeleted) {
      const target = { namespace: this.#options.namespace, name: pod.name }
      await this.#client.remove(podResource, target, { gracePeriodSeconds: 0 })
      await this.create(pod.index)
      return 'gone'
    }
    pod.lastState = { terminated }
    pod.startedAt = nowText()
    pod.container = this.#start(pod.object, pod.name, pod.host, ++pod.startCount)
    await this.#report(pod, { running: { startedAt: pod.startedAt } })
    return 'restarted'
  }

  async #lookIfReady(pod: Pod): Promise<void> {
    const state = await this.state(pod.index)
    const isReady = state !== undefined && state.unreadyBecause === undefined
    if (isReady === pod.isReady || pod.container.ending() !== undefined || this.#isOver) return
    pod.isReady = isReady
    await this.#report(pod, { running: { startedAt: pod.startedAt } })
  }

  async #report(pod: Pod, state: object): Promise<void> {
    const { namespace } = this.#options
    const { name, host, isReady, lastState } = pod
    await this.#client.mergePatch(podResource, { namespace, name }, {
      status: {
        phase: 'Running',
        podIP: host,
        podIPs: [{ ip: host }],
        conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False' }],
        containerStatuses: [{
          name: 'node', image: 'ringcast', imageID: '', restartCount: pod.startCount - 1,
          ready: isReady, state, lastState
        }]
      }
    }, { subresource: 'status' })
  }

  #start(object: PodManifest, name: string, host: string, startCount: number): ServerProcess {
    const { folder, kubeconfigPath, publicPort, privatePort } = this.#options
    const logFile = join(folder, `${name}-${startCount}.log`)
    this.#logFiles.push(logFile)
    const env = {
      ...environmentOf(object, host),
      PATH: process.env.PATH,
      KUBECONFIG: kubeconfigPath,
      RINGCAST_HOST: host,
      RINGCAST_PORT: String(publicPort),
      RINGCAST_PRIVATE_PORT: String(privatePort)
    }
    const args = ['--import', ILL_THREADS, MAIN, 'node']
    return startServer({ name, command: process.execPath, args, logFile, env })
  }
}

/** Throws an Error for a process that has ended: its id may be somebody else's by now. */
export function signalTo(server: ServerProcess | undefined, signal: NodeJS.Signals): void {
  const ending = server === undefined ? 'is not there' : server.ending()
  if (server === undefined || ending !== undefined) {
    throw new Error(`${signal} for a process that ${ending}`)
  }
  process.kill(server.pid, signal)
}

/** The time as the kubelet writes it. */
function nowText(): string {
  return new Date().toISOString()
}

/** The environment of a pod's only container, its references resolved. */
function environmentOf({ metadata, spec }: PodManifest, host: string): Record<string, string> {
  const fields: Record<string, string | undefined> = {
    'metadata.namespace': metadata.namespace,
    'metadata.name': metadata.name,
    'metadata.uid': metadata.uid,
    'status.podIP': host
  }
  const environment: Record<string, string> = {}
  for (const { name, value, valueFrom } of spec.containers[0]!.env) {
    const resolved = value ?? fields[valueFrom!.fieldRef.fieldPath]
    if (resolved === undefined) throw new Error(`${name} cannot be resolved`)
    environment[name] = resolved
  }
  return environment
}
