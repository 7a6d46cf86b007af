/** What the local cluster asks of a machine: Linux, root, Debian packages, built tools. */

import { existsSync } from 'node:fs'
import { missingTools, pinnedToolPath } from '../support/tools.ts'
import { run } from './shell.ts'

/** A sign of each package: a command of the PATH, or a file. */
const packages: Record<string, string> = {
  buildah: 'buildah',
  conntrack: 'conntrack',
  containerd: 'containerd',
  'containernetworking-plugins': '/usr/lib/cni/ptp',
  iproute2: 'ip',
  iptables: 'iptables',
  mmdebstrap: 'mmdebstrap',
  openssl: 'openssl',
  procps: 'sysctl',
  runc: 'runc',
  'util-linux': 'nsenter'
}

export const clusterTools = [
  'coredns', 'etcd', 'helm', 'kube-apiserver', 'kube-controller-manager', 'kube-proxy',
  'kube-scheduler', 'kubectl', 'kubelet', 'nats-server'
]

/** Debian packages that this machine lacks. */
export function missingPackages (): string[] {
  return Object.entries(packages)
    .filter(([, sign]) => sign.startsWith('/')
      ? !existsSync(sign)
      : pinnedToolPath(sign) === undefined)
    .map(([name]) => name)
}

/**
 * Why the local cluster cannot run here, one reason per line, each with what to do about it;
 * false when it can. Fits tap's `skip` option.
 */
export function clusterObstacles (): string | false {
  const reasons: string[] = []
  if (process.platform !== 'linux') reasons.push('the local cluster needs Linux')
  else if (process.getuid?.() !== 0) reasons.push('the local cluster needs root: use sudo')
  const missing = missingPackages()
  if (missing.length > 0) {
    reasons.push(`packages are missing: apt-get install --yes --no-install-recommends ${
      missing.join(' ')} (or INSTALL=1 make cluster)`)
  }
  const tools = missingTools(...clusterTools)
  if (tools !== false) reasons.push(tools)
  return reasons.length === 0 ? false : reasons.join('\n')
}

/** Installs the Debian packages that are missing. */
export async function installPackages (): Promise<void> {
  const missing = missingPackages()
  if (missing.length === 0) return
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await run('apt-get', ['update'], { env })
  await run('apt-get', ['install', '--yes', '--no-install-recommends', ...missing], { env })
}
