/**
 * A real Kubernetes API for tests: etcd and kube-apiserver on the loopback, in a temporary
 * folder, with RBAC on. There are no controllers and no kubelet: what a test writes stays as it
 * is until the test (or the code it tests) changes it. Deleting an owner deletes nothing else,
 * a namespace never finishes deleting, and a pod never runs.
 */

import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseAllDocuments } from 'yaml'
import { createAuthority, createKeyPair, kubeconfigOf } from './pki.ts'
import type { Certificate } from './pki.ts'
import { freePorts, startServer, waitUntilReady } from './server-process.ts'
import type { ServerProcess } from './server-process.ts'
import { toolPath } from './tools.ts'

const startTimeoutMs = 60_000
const crdTimeoutMs = 20_000
/** A free port can be lost between finding it and listening on it. */
const startAttemptsMax = 3
const crdsPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

/** The binaries this needs, for `missingTools`. */
export const apiServerTools = ['etcd', 'kube-apiserver', 'openssl']

export type ApiServerOptions = {
  /** Files, or folders of files, of CustomResourceDefinitions to create before returning. */
  crds?: string[]
}

export type ApiServer = {
  /** A kubeconfig of an administrator (group system:masters), self-contained. */
  readonly kubeconfigPath: string
  readonly url: string
  /** The processes, for tests that stop (SIGSTOP) or kill the API. */
  readonly apiServer: ServerProcess
  readonly etcd: ServerProcess
  /** Sends one request as administrator. */
  readonly call: ApiCall
  /** Stops both processes and removes their files. */
  stop (): Promise<void>
}

/** `body` is sent as JSON; rejects only if there is no answer. */
export type ApiCall = (method: string, path: string, body?: unknown) => Promise<ApiAnswer>

export type ApiAnswer = { status: number, body: any }

/**
 * Starts etcd and kube-apiserver and waits until the API is ready and every CRD established.
 * Rejects, with the end of the failing server's log, when that takes over a minute. Skip the
 * test with `missingTools(...apiServerTools)` on machines that have no binaries.
 */
export async function startApiServer (options: ApiServerOptions = {}): Promise<ApiServer> {
  for (let attempt = 1; ; attempt += 1) {
    const folder = mkdtempSync(join(tmpdir(), 'ringcast-api-'))
    const servers: ServerProcess[] = []
    const stop = async () => {
      for (const server of servers.toReversed()) await server.stop()
      rmSync(folder, { recursive: true, force: true })
    }
    try {
      const started = await startIn(folder, servers)
      await createCrds(started.call, options.crds ?? [])
      return { ...started, stop }
    } catch (error) {
      await stop()
      const isPortLost = error instanceof Error && /address already in use/.test(error.message)
      if (!isPortLost || attempt === startAttemptsMax) throw error
    }
  }
}

/** Starts both servers in a folder, adding each to `servers` as soon as it is a process. */
async function startIn (
  folder: string,
  servers: ServerProcess[]
): Promise<Omit<ApiServer, 'stop'>> {
  const [clientPort = 0, peerPort = 0, apiPort = 0] = await freePorts(3)
  const etcd = startEtcd(folder, clientPort, peerPort)
  servers.push(etcd)
  const pki = join(folder, 'pki')
  const authority = createAuthority(pki)
  const admin = authority.issue({ name: 'admin', subject: '/O=system:masters/CN=admin' })
  const serving = authority.issue({
    name: 'serving',
    subject: '/CN=kube-apiserver',
    names: ['IP:127.0.0.1', 'DNS:localhost']
  })
  const accounts = createKeyPair(pki, 'accounts')
  const url = `https://127.0.0.1:${apiPort}`
  const apiServer = startServer({
    name: 'kube-apiserver',
    command: commandOf('kube-apiserver'),
    args: [
      `--etcd-servers=http://127.0.0.1:${clientPort}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--secure-port=${apiPort}`,
      `--client-ca-file=${authority.certFile}`,
      `--tls-cert-file=${serving.certFile}`,
      `--tls-private-key-file=${serving.keyFile}`,
      `--cert-dir=${pki}`,
      '--authorization-mode=Node,RBAC',
      `--service-account-key-file=${accounts.publicFile}`,
      `--service-account-signing-key-file=${accounts.keyFile}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      '--service-cluster-ip-range=10.96.0.0/16',
      // Nothing here makes the default service accounts that this plugin waits for.
      '--disable-admission-plugins=ServiceAccount',
      '--allow-privileged=true'
    ],
    logFile: join(folder, 'kube-apiserver.log')
  })
  servers.push(apiServer)
  const call = apiCaller(url, authority.certFile, admin)
  await waitUntilReady(etcd, async () => {
    const health = await fetch(`http://127.0.0.1:${clientPort}/health`)
    return health.ok
  }, startTimeoutMs)
  await waitUntilReady(apiServer, async () => {
    const ready = await call('GET', '/readyz')
    return ready.status === 200
  }, startTimeoutMs)
  const kubeconfigPath = join(folder, 'kubeconfig')
  writeFileSync(kubeconfigPath, kubeconfigOf(url, authority.certFile, admin), { mode: 0o600 })
  return { kubeconfigPath, url, apiServer, etcd, call }
}

function startEtcd (folder: string, clientPort: number, peerPort: number): ServerProcess {
  return startServer({
    name: 'etcd',
    command: commandOf('etcd'),
    args: [
      '--name=test',
      `--data-dir=${join(folder, 'etcd')}`,
      `--listen-client-urls=http://127.0.0.1:${clientPort}`,
      `--advertise-client-urls=http://127.0.0.1:${clientPort}`,
      `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
      `--initial-cluster=test=http://127.0.0.1:${peerPort}`,
      // A test's data does not outlive the test: a lost disk write costs nothing.
      '--unsafe-no-fsync'
    ],
    logFile: join(folder, 'etcd.log')
  })
}

function commandOf (name: string): string {
  const path = toolPath(name)
  if (path === undefined) throw new Error(`${name} not found: run \`make tools-apiserver\``)
  return path
}

/** Creates the definitions, then waits until the API serves every one of them. */
async function createCrds (call: ApiCall, paths: string[]): Promise<void> {
  const names: string[] = []
  for (const file of paths.flatMap(yamlFilesOf)) {
    for (const document of parseAllDocuments(readFileSync(file, 'utf8'))) {
      const crd: any = document.toJS()
      if (crd?.kind !== 'CustomResourceDefinition') continue
      const { status, body } = await call('POST', crdsPath, crd)
      if (status !== 201) throw new Error(`${file}: ${status} ${body?.message}`)
      names.push(crd.metadata.name)
    }
  }
  const startedMs = performance.now()
  for (const name of names) {
    while (!await isEstablished(call, name)) {
      if (performance.now() - startedMs > crdTimeoutMs) throw new Error(`${name} not established`)
      await delay(20)
    }
  }
}

async function isEstablished (call: ApiCall, name: string): Promise<boolean> {
  const { body } = await call('GET', `${crdsPath}/${name}`)
  const conditions: { type: string, status: string }[] = body.status?.conditions ?? []
  return conditions.some(({ type, status }) => type === 'Established' && status === 'True')
}

function yamlFilesOf (path: string): string[] {
  if (statSync(path).isFile()) return [path]
  return readdirSync(path).filter(name => /\.ya?ml$/.test(name)).map(name => join(path, name))
}

/**
 * A function that sends requests to an API server with one user's certificate; its answers are
 * plain values, and it rejects only when there is no answer.
 */
export function apiCaller (url: string, authorityFile: string, user: Certificate): ApiCall {
  const ca = readFileSync(authorityFile)
  const cert = readFileSync(user.certFile)
  const key = readFileSync(user.keyFile)
  return (method, path, body) => new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const sent = request(url + path, { method, headers, ca, cert, key, agent: false }, answer => {
      const chunks: Buffer[] = []
      answer.on('data', chunk => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        const isJson = answer.headers['content-type']?.includes('json') === true
        resolve({ status: answer.statusCode ?? 0, body: isJson ? JSON.parse(text) : text })
      })
    })
    sent.on('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}
