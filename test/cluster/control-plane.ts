/**
 * The control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler and CoreDNS,
 * as services of the hub machine. CoreDNS runs beside the API server rather than in a pod, so
 * that names resolve from the first pod on, whichever node is cut off or crashed.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createAuthority, createKeyPair, kubeconfigOf } from '../support/pki.ts'
import type { Certificate } from '../support/pki.ts'
import type { Service } from './machine.ts'
import { apiServiceAddress, hubAddress, podRange, serviceRange } from './network.ts'

export const clusterDomain = 'cluster.local'
const apiPort = 6443
const etcdUrl = 'http://127.0.0.1:2379'
export const hubApiUrl = `https://127.0.0.1:${apiPort}`
export const nodeApiUrl = `https://${hubAddress}:${apiPort}`
export const hubApiTarget = { host: '127.0.0.1', port: apiPort }

export type ControlPlane = {
  services: Service[]
  authorityFile: string
  admin: Certificate
  /** Writes a kubeconfig for a user of the cluster and returns its path. */
  writeKubeconfig(name: string, subject: string, url: string): string
}

/** Finds a binary by name; throws when there is none. */
export type ToolFinder = (name: string) => string

/** Makes the certificates and configurations in `folder` and describes the services. */
export function createControlPlane (folder: string, tool: ToolFinder): ControlPlane {
  const pki = join(folder, 'pki')
  const authority = createAuthority(pki)
  const admin = authority.issue({ name: 'admin', subject: '/O=system:masters/CN=admin' })
  const accounts = createKeyPair(pki, 'accounts')
  const serving = authority.issue({
    name: 'serving',
    subject: '/CN=kube-apiserver',
    names: [
      'IP:127.0.0.1', `IP:${apiServiceAddress}`, `IP:${hubAddress}`, 'DNS:localhost',
      'DNS:kubernetes', 'DNS:kubernetes.default', 'DNS:kubernetes.default.svc',
      `DNS:kubernetes.default.svc.${clusterDomain}`
    ]
  })
  const writeKubeconfig = (name: string, subject: string, url: string) => {
    const user = authority.issue({ name, subject })
    const file = join(pki, `${name}.kubeconfig`)
    writeFileSync(file, kubeconfigOf(url, authority.certFile, user), { mode: 0o600 })
    return file
  }
  const files = {
    authority: authority.certFile,
    accountsKey: accounts.keyFile,
    accountsPublic: accounts.publicFile,
    manager: writeKubeconfig('manager', '/CN=system:kube-controller-manager', hubApiUrl),
    scheduler: writeKubeconfig('scheduler', '/CN=system:kube-scheduler', hubApiUrl),
    dns: writeKubeconfig('dns', '/O=system:masters/CN=dns', hubApiUrl)
  }
  return {
    services: [
      etcd(folder, tool),
      apiServer(pki, files, serving, admin, tool),
      controllerManager(files, tool),
      { name: 'kube-scheduler', command: [
        tool('kube-scheduler'), `--kubeconfig=${files.scheduler}`, '--leader-elect=false'
      ] },
      dns(folder, files.dns, tool)
    ],
    authorityFile: authority.certFile,
    admin,
    writeKubeconfig
  }
}

type Files = { authority: string, accountsKey: string, accountsPublic: string, manager: string }

function etcd (folder: string, tool: ToolFinder): Service {
  return {
    name: 'etcd',
    command: [
      tool('etcd'),
      '--name=hub',
      `--data-dir=${join(folder, 'etcd')}`,
      `--listen-client-urls=${etcdUrl}`,
      `--advertise-client-urls=${etcdUrl}`,
      // The cluster is gone with its machine: a lost disk write costs nothing.
      '--unsafe-no-fsync'
    ]
  }
}

function apiServer (
  pki: string, files: Files, serving: Certificate, admin: Certificate, tool: ToolFinder
): Service {
  return {
    name: 'kube-apiserver',
    command: [
      tool('kube-apiserver'),
      `--etcd-servers=${etcdUrl}`,
      `--advertise-address=${hubAddress}`,
      `--secure-port=${apiPort}`,
      `--client-ca-file=${files.authority}`,
      `--tls-cert-file=${serving.certFile}`,
      `--tls-private-key-file=${serving.keyFile}`,
      `--cert-dir=${pki}`,
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      `--kubelet-client-certificate=${admin.certFile}`,
      `--kubelet-client-key=${admin.keyFile}`,
      // Names of nodes are in no DNS: exec and logs must use addresses.
      '--kubelet-preferred-address-types=InternalIP',
      `--service-account-key-file=${files.accountsPublic}`,
      `--service-account-signing-key-file=${files.accountsKey}`,
      `--service-account-issuer=https://kubernetes.default.svc.${clusterDomain}`,
      `--service-cluster-ip-range=${serviceRange}`,
      // Without these seconds of patience, pods of a lost node are replaced within its test.
      '--default-not-ready-toleration-seconds=10',
      '--default-unreachable-toleration-seconds=10',
      '--allow-privileged=true'
    ]
  }
}

function controllerManager (files: Files, tool: ToolFinder): Service {
  return {
    name: 'kube-controller-manager',
    command: [
      tool('kube-controller-manager'),
      `--kubeconfig=${files.manager}`,
      '--leader-elect=false',
      '--use-service-account-credentials=true',
      `--service-account-private-key-file=${files.accountsKey}`,
      `--root-ca-file=${files.authority}`,
      `--cluster-cidr=${podRange}`,
      // A lost node is noticed in seconds, because a test waits for it.
      '--node-monitor-grace-period=8s',
      '--node-monitor-period=1s'
    ]
  }
}

function dns (folder: string, kubeconfig: string, tool: ToolFinder): Service {
  const configuration = join(folder, 'Corefile')
  mkdirSync(folder, { recursive: true })
  writeFileSync(configuration, `.:53 {
    bind ${hubAddress}
    errors
    kubernetes ${clusterDomain} in-addr.arpa {
        kubeconfig ${kubeconfig}
        pods insecure
        ttl 1
    }
}
`)
  return { name: 'coredns', command: [tool('coredns'), '-conf', configuration] }
}
