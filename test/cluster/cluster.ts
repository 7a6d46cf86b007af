/**
 * A real Kubernetes cluster on this machine, for tests and demonstrations: one hub machine with
 * the control plane, and one machine per node with containerd, kubelet and kube-proxy, each a set
 * of Linux namespaces. Started in about twenty seconds, gone in one, whatever became of it.
 *
 * Everything about a cluster is in one folder, so any process can take hold of it again
 * (`Cluster.attach`): a test, `make cluster-down`.
 */

import { spawn } from 'node:child_process'
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { apiCaller } from '../support/api-server.ts'
import type { ApiCall } from '../support/api-server.ts'
import { kubeconfigOf } from '../support/pki.ts'
import { pinnedToolPath } from '../support/tools.ts'
import { createControlPlane, hubApiTarget, hubApiUrl } from './control-plane.ts'
import { killDetached, startDetached } from './detached.ts'
import { openForward } from './gateway.ts'
import type { Aim, Forward, Target } from './gateway.ts'
import { buildImages } from './images.ts'
import {
  createCgroup, createNodeServices, ctrCommand, podLogsOf, removeCgroup
} from './kube-node.ts'
import { Machine } from './machine.ts'
import {
  createHub, createNodeNetwork, deleteNamespace, routeServicesOver, setNodeLink, silenceOf
} from './network.ts'
import { clusterObstacles } from './prerequisites.ts'
import { storageClass } from './provisioner.ts'
import { run, waitUntil } from './shell.ts'
import type { RunOptions } from './shell.ts'

const bootTimeoutMs = 90_000
const nodesMax = 9
const gatewayScript = join(import.meta.dirname, 'gateway.ts')
const provisionerScript = join(import.meta.dirname, 'provisioner.ts')

export type ClusterOptions = {
  /** Count of Kubernetes nodes; 1 by default. */
  nodes?: number
  /** Clusters of different names live side by side. Short: it is part of interface names. */
  name?: string
  /** Receives a line per step. */
  report?: (line: string) => void
}

export class Cluster {
  readonly name: string
  /** Holds everything about the cluster: configurations, logs, volumes, process ids. */
  readonly folder: string
  /** A kubeconfig of an administrator that works on the host. */
  readonly kubeconfigPath: string
  readonly #hub: Machine

  private constructor (name: string) {
    this.name = name
    this.folder = folderOf(name)
    this.kubeconfigPath = join(this.folder, 'kubeconfig')
    this.#hub = new Machine('hub', join(this.folder, 'hub'), `${name}-hub`)
  }

  /**
   * Builds the images and boots a cluster, in parallel; resolves once every node is Ready and
   * holds the images. Rejects, with the ends of all logs, and leaves nothing behind, when that
   * fails; rejects when a cluster of this name runs already.
   */
  static async start (options: ClusterOptions = {}): Promise<Cluster> {
    const { nodes = 1, name = 'ringcast', report = () => {} } = options
    const obstacles = clusterObstacles()
    if (obstacles !== false) throw new Error(obstacles)
    if (!Number.isInteger(nodes) || nodes < 1 || nodes > nodesMax) {
      throw new Error(`a cluster has 1 to ${nodesMax} nodes, not ${nodes}`)
    }
    const cluster = new Cluster(name)
    if (cluster.#hub.isRunning()) throw new Error(`cluster ${name} runs already: stop it first`)
    // What a crash of the host or of the harness may have left.
    await cluster.stop()
    const [images, booted] = await Promise.allSettled([buildImages(report), cluster.#boot(nodes)])
    try {
      if (booted.status === 'rejected') throw booted.reason
      report(`${nodes} node(s) ready`)
      if (images.status === 'rejected') throw images.reason
      await cluster.importImage(images.value)
      report('images imported')
      return cluster
    } catch (error) {
      const tails = booted.status === 'rejected' ? `\n${cluster.logTails()}` : ''
      await cluster.stop()
      throw new Error(`${error instanceof Error ? error.message : error}${tails}`)
    } finally {
      if (images.status === 'fulfilled') rmSync(dirname(images.value), { recursive: true })
    }
  }

  /** The running cluster of this name, if there is one. */
  static attach (name = 'ringcast'): Cluster | undefined {
    const cluster = new Cluster(name)
    return cluster.#hub.isRunning() ? cluster : undefined
  }

  /** Removes what there is of the cluster of this name, running or not. */
  static async remove (name = 'ringcast'): Promise<void> {
    await new Cluster(name).stop()
  }

  /** Names of the Kubernetes nodes, in order. */
  get nodeNames (): string[] {
    if (!existsSync(this.folder)) return []
    return readdirSync(this.folder).filter(name => /^node-\d$/.test(name)).sort()
  }

  /** Runs kubectl as administrator and resolves to its output. */
  kubectl (args: string[], options: RunOptions = {}): Promise<string> {
    return run(toolOf('kubectl'), args, { ...options, env: this.#env })
  }

  /** Runs helm as administrator and resolves to its output. */
  helm (args: string[], options: RunOptions = {}): Promise<string> {
    return run(toolOf('helm'), args, { ...options, env: this.#env })
  }

  /** Applies manifests, given as YAML or JSON text. */
  async apply (manifests: string): Promise<void> {
    await this.kubectl(['apply', '--server-side', '--filename', '-'], { input: manifests })
  }

  /**
   * Starts a command in the hub's network, from which every pod and every Service address is
   * reached; files are those of the host. Names of Services do not resolve there.
   */
  inNetns ([command = '', ...args]: string[], options: SpawnOptions = {}): ChildProcess {
    const netns = `--net=/run/netns/${this.#hub.netns}`
    return spawn('nsenter', [netns, '--', command, ...args], options)
  }

  /**
   * Opens a port of the host's loopback that leads to an address inside: a pod or a Service. It
   * lives in this process; close it before the process is to end. `where` is 127.0.0.1 and a
   * free port unless it is given.
   */
  forward (aim: Aim, where?: Target): Promise<Forward> {
    return openForward(this.#gatewaySocket, aim, where)
  }

  /** As `forward`, in a process that lives until `stop`; resolves to its port. */
  async keepForward (name: string, target: Target): Promise<number> {
    const file = join(this.folder, 'forwards', name)
    startDetached(`${file}.pid`, `${file}.log`, [
      process.execPath, gatewayScript, 'forward', this.#gatewaySocket,
      target.host, String(target.port), `${file}.port`
    ])
    await waitUntil(`forward ${name} listening`, () => existsSync(`${file}.port`), bootTimeoutMs)
    return Number(readFileSync(`${file}.port`, 'utf8'))
  }

  /** Address of a Service, for `forward`. */
  async serviceTarget (namespace: string, service: string, port: number): Promise<Target> {
    const host = await this.kubectl([
      'get', 'service', service, '--namespace', namespace, '--output=jsonpath={.spec.clusterIP}'
    ])
    return { host, port }
  }

  /** Kills the process of a container with -9; `id` is the runtime's. */
  async killContainer (nodeName: string, id: string): Promise<void> {
    const machine = this.#nodeMachine(nodeName)
    await machine.run(ctrCommand(['tasks', 'kill', '--signal', 'SIGKILL', id]))
  }

  /** Cuts one pod off the network, both ways, its own node included; it goes on running. */
  async cutPod (nodeName: string, address: string): Promise<void> {
    for (const rule of silenceOf(address)) {
      await this.#nodeMachine(nodeName).run(['iptables', '--wait', '--insert', ...rule])
    }
  }

  /** Joins a pod that was cut off to the network again. */
  async healPod (nodeName: string, address: string): Promise<void> {
    for (const rule of silenceOf(address)) {
      await this.#nodeMachine(nodeName).run(['iptables', '--wait', '--delete', ...rule])
    }
  }

  /** Where a node's kubelet keeps what its pods write, as `namespace_name_uid/container/n.log`. */
  podLogs (nodeName: string): string {
    return podLogsOf(this.#nodeMachine(nodeName).folder)
  }

  /** Cuts a node off the network: its pods go on running and reach nobody. */
  async cutNode (name: string): Promise<void> {
    writeFileSync(this.#cutMark(name), '')
    await setNodeLink(this.#hub.netns, ordinalOf(name), 'down')
    await this.#routeServices()
  }

  /** Joins a node that was cut off to the network again. */
  async healNode (name: string): Promise<void> {
    rmSync(this.#cutMark(name), { force: true })
    await setNodeLink(this.#hub.netns, ordinalOf(name), 'up')
    await this.#routeServices()
  }

  /** Pulls a node's plug: all of its processes end at once. */
  async crashNode (name: string): Promise<void> {
    await this.#nodeMachine(name).crash()
    await this.#routeServices()
  }

  /** Switches a crashed node on again. */
  async bootNode (name: string): Promise<void> {
    this.#nodeMachine(name).start()
    await this.#routeServices()
  }

  /**
   * Sends a signal to a part of the control plane (`kube-apiserver`, `etcd`, `coredns`, …):
   * SIGSTOP makes it hang, SIGCONT lets it go on, SIGKILL restarts it.
   */
  signalControlPlane (part: string, signal: NodeJS.Signals): Promise<void> {
    return this.#hub.signal(part, signal)
  }

  /** Imports an OCI archive of images into every node. */
  async importImage (archive: string): Promise<void> {
    await Promise.all(this.nodeNames.map(name => {
      return this.#nodeMachine(name).run(ctrCommand(['images', 'import', archive]))
    }))
  }

  /** The ends of the logs of every part. */
  logTails (): string {
    return [this.#hub, ...this.nodeNames.map(name => this.#nodeMachine(name))]
      .map(machine => machine.logTails()).join('\n')
  }

  /** Ends every process and removes every trace of the cluster. */
  async stop (): Promise<void> {
    const forwards = join(this.folder, 'forwards')
    const pidFiles = existsSync(forwards)
      ? readdirSync(forwards).filter(file => file.endsWith('.pid'))
      : []
    for (const file of pidFiles) await killDetached(join(forwards, file))
    for (const name of this.nodeNames) await this.#nodeMachine(name).crash()
    await this.#hub.crash()
    for (let ordinal = 1; ordinal <= nodesMax; ordinal += 1) {
      const own = this.#ownName(`node-${ordinal}`)
      removeCgroup(own)
      await deleteNamespace(own)
    }
    await deleteNamespace(this.#hub.netns)
    rmSync(this.folder, { recursive: true, force: true })
  }

  async #boot (nodes: number): Promise<void> {
    mkdirSync(join(this.folder, 'forwards'), { recursive: true })
    mkdirSync(join(this.folder, 'volumes'))
    const plane = createControlPlane(this.#hub.folder, toolOf)
    const provisioner = plane.writeKubeconfig(
      'provisioner', '/O=system:masters/CN=provisioner', hubApiUrl
    )
    this.#hub.prepare([
      ...plane.services,
      {
        name: 'gateway',
        command: [process.execPath, gatewayScript, 'inside', this.#gatewaySocket]
      },
      {
        name: 'provisioner',
        command: [process.execPath, provisionerScript, provisioner, join(this.folder, 'volumes')]
      }
    ])
    await createHub(this.#hub.netns)
    this.#hub.start()
    for (let ordinal = 1; ordinal <= nodes; ordinal += 1) {
      const name = `node-${ordinal}`
      const machine = this.#nodeMachine(name)
      const cgroup = this.#ownName(name)
      await createNodeNetwork(this.#hub.netns, machine.netns, ordinal, nodes)
      createCgroup(cgroup)
      const description = { name, ordinal, folder: machine.folder, cgroup }
      machine.prepare(createNodeServices(description, plane, toolOf))
      machine.start()
    }
    await this.#routeServices()
    const port = await this.keepForward('api', hubApiTarget)
    const url = `https://127.0.0.1:${port}`
    writeFileSync(
      this.kubeconfigPath, kubeconfigOf(url, plane.authorityFile, plane.admin), { mode: 0o600 }
    )
    await this.#becomeReady(apiCaller(url, plane.authorityFile, plane.admin), nodes)
  }

  async #becomeReady (call: ApiCall, nodes: number): Promise<void> {
    await waitUntil('API server ready', async () => {
      // While it starts, the forward accepts and then drops what it cannot pass on.
      const answer = await call('GET', '/readyz').catch(() => ({ status: 0 }))
      return answer.status === 200
    }, bootTimeoutMs)
    const stored = await call('POST', '/apis/storage.k8s.io/v1/storageclasses', storageClass)
    if (stored.status !== 201) throw new Error(`storage class refused: ${stored.body.message}`)
    await waitUntil('every node Ready', async () => {
      const { body } = await call('GET', '/api/v1/nodes')
      return body.items.filter(isNodeReady).length === nodes
    }, bootTimeoutMs)
    // Without it the first pod would be refused.
    await waitUntil('default service account made', async () => {
      const path = '/api/v1/namespaces/default/serviceaccounts/default'
      return (await call('GET', path)).status === 200
    }, bootTimeoutMs)
  }

  async #routeServices (): Promise<void> {
    const reachable = this.nodeNames.find(name => {
      return this.#nodeMachine(name).isRunning() && !existsSync(this.#cutMark(name))
    })
    if (reachable !== undefined) {
      await routeServicesOver(this.#hub.netns, ordinalOf(reachable))
    }
  }

  #nodeMachine (name: string): Machine {
    return new Machine(name, join(this.folder, name), this.#ownName(name))
  }

  /** Name of a node's namespace and cgroup, which are the host's and not the cluster's alone. */
  #ownName (node: string): string {
    return `${this.name}-${node}`
  }

  #cutMark (name: string): string {
    return join(this.folder, name, 'cut')
  }

  get #gatewaySocket (): string {
    return join(this.folder, 'gateway.sock')
  }

  get #env (): NodeJS.ProcessEnv {
    return { ...process.env, KUBECONFIG: this.kubeconfigPath }
  }
}

/** Where a cluster keeps itself: among the user's state, never in the checkout. */
function folderOf (name: string): string {
  const state = process.env.XDG_STATE_HOME || join(process.env.HOME || homedir(), '.local', 'state')
  return join(state, 'ringcast', 'clusters', name)
}

function toolOf (name: string): string {
  const path = pinnedToolPath(name)
  if (path === undefined) throw new Error(`${name} not found: run \`make tools\``)
  return path
}

function ordinalOf (nodeName: string): number {
  return Number(nodeName.slice('node-'.length))
}

type NodeObject = { status?: { conditions?: { type: string, status: string }[] } }

function isNodeReady ({ status }: NodeObject): boolean {
  return status?.conditions?.some(each => each.type === 'Ready' && each.status === 'True') === true
}
