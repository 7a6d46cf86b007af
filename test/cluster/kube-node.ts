/**
 * A Kubernetes node: containerd, kubelet and kube-proxy, as services of a machine of its own.
 */

import {
  existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { clusterDomain, nodeApiUrl } from './control-plane.ts'
import type { ControlPlane, ToolFinder } from './control-plane.ts'
import { pauseImage } from './images.ts'
import type { Service } from './machine.ts'
import { hubAddress, nodeAddress, nodePodRange, podRange } from './network.ts'

/** Inside the machine: its /run is its own. */
const containerdSocket = '/run/containerd/containerd.sock'
const cgroupMount = '/sys/fs/cgroup'

export type NodeDescription = {
  /** Name of the Kubernetes node. */
  name: string
  /** From 1: decides its addresses and its zone. */
  ordinal: number
  folder: string
  /** Name of its cgroup below the root: kubelets on one machine must not share one. */
  cgroup: string
}

/** Writes the configurations of a node into its folder and describes its services. */
export function createNodeServices (
  node: NodeDescription, plane: ControlPlane, tool: ToolFinder
): Service[] {
  const { name, ordinal, folder } = node
  mkdirSync(join(folder, 'cni'), { recursive: true })
  writeFileSync(join(folder, 'cni', 'pods.conflist'), networkOf(ordinal))
  writeFileSync(join(folder, 'resolv.conf'), '')
  writeFileSync(join(folder, 'containerd.toml'), containerdOf(folder))
  writeFileSync(join(folder, 'kubelet.json'), kubeletOf(node, plane.authorityFile))
  const kubelet = plane.writeKubeconfig(
    `kubelet-${name}`, `/O=system:nodes/CN=system:node:${name}`, nodeApiUrl
  )
  const proxy = plane.writeKubeconfig(`proxy-${name}`, '/CN=system:kube-proxy', nodeApiUrl)
  return [
    {
      name: 'containerd',
      command: [tool('containerd'), '--config', join(folder, 'containerd.toml')]
    },
    {
      name: 'kubelet',
      after: containerdSocket,
      command: [
        tool('kubelet'),
        `--config=${join(folder, 'kubelet.json')}`,
        `--kubeconfig=${kubelet}`,
        `--hostname-override=${name}`,
        `--node-ip=${nodeAddress(ordinal)}`,
        `--node-labels=topology.kubernetes.io/zone=zone-${ordinal}`,
        `--root-dir=${join(folder, 'kubelet')}`,
        `--cert-dir=${join(folder, 'kubelet', 'pki')}`
      ]
    },
    {
      name: 'kube-proxy',
      command: [
        tool('kube-proxy'),
        `--kubeconfig=${proxy}`,
        `--hostname-override=${name}`,
        '--proxy-mode=iptables',
        `--cluster-cidr=${podRange}`,
        // The limit on tracked connections belongs to the host's kernel, not to this machine.
        '--conntrack-max-per-core=0',
        '--iptables-min-sync-period=100ms'
      ]
    }
  ]
}

/** Where the kubelet of the node whose files are in `folder` keeps what its pods write. */
export function podLogsOf (folder: string): string {
  return join(folder, 'pod-logs')
}

/** Runs `ctr` in the node's containerd, in the namespace of the kubelet's containers. */
export function ctrCommand (args: string[]): string[] {
  return ['ctr', '--address', containerdSocket, '--namespace', 'k8s.io', ...args]
}

function networkOf (ordinal: number): string {
  return JSON.stringify({
    cniVersion: '0.4.0',
    name: 'pods',
    plugins: [
      {
        // Not a bridge: between two pods of one bridge no packet is routed, so the answer of a
        // Service's pod on the same node would come from an address nobody asked.
        type: 'ptp',
        ipMasq: false,
        ipam: {
          type: 'host-local',
          dataDir: '/run/cni',
          ranges: [[{ subnet: nodePodRange(ordinal) }]],
          routes: [{ dst: '0.0.0.0/0' }]
        }
      },
      { type: 'portmap', capabilities: { portMappings: true } }
    ]
  }, null, 2)
}

function containerdOf (folder: string): string {
  const root = (part: string) => JSON.stringify(join(folder, part))
  return `version = 2
root = ${root('containerd')}
state = "/run/containerd"

[grpc]
address = "${containerdSocket}"

[plugins."io.containerd.internal.v1.opt"]
path = ${root('opt')}

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${pauseImage}"
# A process in a container may not lower its own score, and runc would fail trying.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = ${root('cni')}
`
}

function kubeletOf ({ folder, cgroup }: NodeDescription, authorityFile: string): string {
  return JSON.stringify({
    kind: 'KubeletConfiguration',
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: authorityFile }
    },
    authorization: { mode: 'Webhook' },
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${cgroup}`,
    failCgroupV1: false,
    failSwapOn: false,
    clusterDNS: [hubAddress],
    clusterDomain,
    resolvConf: join(folder, 'resolv.conf'),
    podLogsDir: podLogsOf(folder),
    volumePluginDir: join(folder, 'volume-plugins'),
    nodeStatusUpdateFrequency: '2s',
    // The disk is the host's and may be nearly full; images cannot be fetched again.
    evictionHard: {
      'memory.available': '50Mi', 'nodefs.available': '1%', 'imagefs.available': '1%'
    },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99
  }, null, 2)
}

/** Creates the node's cgroup in every hierarchy, so that its kubelet finds its root. */
export function createCgroup (cgroup: string): void {
  for (const hierarchy of cgroupHierarchies()) {
    const folder = join(hierarchy, cgroup)
    mkdirSync(folder, { recursive: true })
    // In version 1 a new cpuset is empty, and no process can enter it.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      if (!isVersion2() && existsSync(join(folder, file))) {
        writeFileSync(join(folder, file), readFileSync(join(hierarchy, file)))
      }
    }
  }
}

/** Removes the cgroup and all below it. Its processes must be gone. */
export function removeCgroup (cgroup: string): void {
  for (const hierarchy of cgroupHierarchies()) {
    const folder = join(hierarchy, cgroup)
    if (existsSync(folder)) removeCgroupFolder(folder)
  }
}

function removeCgroupFolder (folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroupFolder(join(folder, entry.name))
  }
  rmdirSync(folder)
}

function isVersion2 (): boolean {
  return existsSync(join(cgroupMount, 'cgroup.controllers'))
}

function cgroupHierarchies (): string[] {
  if (isVersion2()) return [cgroupMount]
  return readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
    .filter(line => line.includes(' - cgroup '))
    .map(line => line.split(' ')[4] ?? '')
    .filter(mount => mount !== '')
}
