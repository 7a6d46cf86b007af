/**
 * The network of the local cluster, all of it inside network namespaces:
 *
 *   hub namespace (control plane, DNS, gateway)     one namespace per node
 *   bridge "lan" 10.77.0.1/24 ── veth "node-N" ──── eth0 10.77.0.(10+N)/24
 *                                                   pods 10.244.N.0/24
 *
 * The hub reaches every pod by a route over its node, and Services over the first node that is
 * not cut off. Cutting a node takes its end of the veth down in the hub: what runs on the node
 * goes on running, and hears and reaches nobody.
 */

import { existsSync } from 'node:fs'
import { run } from './shell.ts'

export const serviceRange = '10.96.0.0/16'
export const apiServiceAddress = '10.96.0.1'
export const podRange = '10.244.0.0/16'
export const hubAddress = '10.77.0.1'
const hubBridge = 'lan'

/** Address of node `ordinal` (from 1) on the network of machines. */
export function nodeAddress (ordinal: number): string {
  return `10.77.0.${10 + ordinal}`
}

/** Addresses of the pods of node `ordinal` (from 1). */
export function nodePodRange (ordinal: number): string {
  return `10.244.${ordinal}.0/24`
}

/** Creates the hub's namespace with its bridge. */
export async function createHub (hub: string): Promise<void> {
  await createNamespace(hub)
  await ip(hub, 'link', 'add', hubBridge, 'type', 'bridge')
  await ip(hub, 'address', 'add', `${hubAddress}/24`, 'dev', hubBridge)
  await ip(hub, 'link', 'set', hubBridge, 'up')
  // The API server picks the address it announces from the default route.
  await ip(hub, 'route', 'add', 'default', 'dev', hubBridge)
}

/** Creates the namespace of node `ordinal` of `count` and joins it to the hub. */
export async function createNodeNetwork (
  hub: string, netns: string, ordinal: number, count: number
): Promise<void> {
  await createNamespace(netns)
  const port = portOf(ordinal)
  await ip(hub, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns)
  await ip(hub, 'link', 'set', port, 'master', hubBridge, 'up')
  await ip(netns, 'address', 'add', `${nodeAddress(ordinal)}/24`, 'dev', 'eth0')
  await ip(netns, 'link', 'set', 'eth0', 'up')
  await ip(netns, 'route', 'add', 'default', 'via', hubAddress)
  await ip(hub, 'route', 'add', nodePodRange(ordinal), 'via', nodeAddress(ordinal))
  for (let other = 1; other <= count; other += 1) {
    if (other === ordinal) continue
    await ip(netns, 'route', 'add', nodePodRange(other), 'via', nodeAddress(other))
  }
}

/** Has the hub reach Services over node `ordinal`, whose kube-proxy translates them. */
export async function routeServicesOver (hub: string, ordinal: number): Promise<void> {
  await ip(hub, 'route', 'replace', serviceRange, 'via', nodeAddress(ordinal))
}

/** Takes the link of node `ordinal` down or up again. */
export async function setNodeLink (
  hub: string, ordinal: number, state: 'up' | 'down'
): Promise<void> {
  await ip(hub, 'link', 'set', portOf(ordinal), state)
}

/** Rules of iptables, on a pod's node, that let nothing come from the pod or to it. */
export function silenceOf (address: string): string[][] {
  return [
    ['PREROUTING', '--table', 'raw', '--source', address, '--jump', 'DROP'],
    // After every translation, so that what is meant for a Service is caught too.
    ['POSTROUTING', '--table', 'mangle', '--destination', address, '--jump', 'DROP']
  ]
}

/** Removes a namespace, and with it every link and rule in it. */
export async function deleteNamespace (netns: string): Promise<void> {
  if (existsSync(`/run/netns/${netns}`)) await run('ip', ['netns', 'delete', netns])
}

async function createNamespace (netns: string): Promise<void> {
  await run('ip', ['netns', 'add', netns])
  await ip(netns, 'link', 'set', 'lo', 'up')
  for (const setting of ['net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0']) {
    await run('nsenter', [`--net=/run/netns/${netns}`, 'sysctl', '--quiet', '--write', setting])
  }
}

function portOf (ordinal: number): string {
  return `node-${ordinal}`
}

async function ip (netns: string, ...args: string[]): Promise<void> {
  await run('ip', ['-netns', netns, ...args])
}
