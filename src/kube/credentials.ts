/*
Who we are to which API server, and how the proof is kept fresh.

In a pod the proof is three small files, read here directly: the token is a projected one that
the kubelet replaces about every hour, so it is read again once a minute and whenever the server
refuses it. Outside, a kubeconfig can ask for anything (client certificates, exec plugins, OIDC);
that knowledge is borrowed from @kubernetes/client-node. Importing it costs about 80 MB of
resident memory, which a hundred nodes in pods must not pay, hence the import at the point of use.
*/
import { readFile } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { KubeError } from './kube-error.ts'
import { systemTimers, type Timers } from './timers.ts'

/** What one request carries to be let in. */
export interface Authorization {
  headers: Record<string, string>
  /** PEM client certificate and key, for mutual TLS. */
  cert?: string
  key?: string
}

/** Who we are to which API server. */
export interface Credentials {
  /** Base URL of the API server. */
  server: string
  /** PEM of the authority that signed the server's certificate; the system's when absent. */
  ca?: string
  /** The name the server's certificate carries, where it is not the host of the URL. */
  serverName?: string
  skipTlsVerify?: boolean
  /** The namespace we live in, or that the kubeconfig's context names. */
  namespace?: string
  /** Throws `KubeError` with reason `Credentials`. */
  authorization (): Promise<Authorization>
  /** Forgets what is cached: the server has refused it. */
  refresh (): void
}

const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount'

/** The kubelet replaces a projected token at 80 % of its life, ten minutes at the least. */
const tokenReadEveryMs = 60_000

export interface InClusterOptions {
  /** Values of KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT. */
  host: string
  port: string
  /** Holds `ca.crt`, `token` and `namespace`; the kubelet's place by default. */
  directory?: string
  timers?: Timers
}

/**
 * Credentials of the pod's service account.
 * Throws `KubeError` with reason `Credentials` naming the file that cannot be read.
 */
export async function inClusterCredentials (options: InClusterOptions): Promise<Credentials> {
  const { host, port, timers = systemTimers } = options
  const directory = options.directory ?? serviceAccountDirectory
  const authority = isIPv6(host) ? `[${host}]` : host
  const ca = await readText(join(directory, 'ca.crt'))
  const namespace = (await readText(join(directory, 'namespace'))).trim()
  return {
    ...tokenFileCredentials(`https://${authority}:${port}`, join(directory, 'token'), timers),
    ca,
    namespace
  }
}

/** Credentials that are one bearer token in a file which somebody else keeps fresh. */
export function tokenFileCredentials (
  server: string, tokenPath: string, timers: Timers = systemTimers
): Credentials {
  let cached: { token: string, readAtMs: number } | undefined
  return {
    server,
    async authorization () {
      if (cached === undefined || timers.monotonicMs() - cached.readAtMs >= tokenReadEveryMs) {
        const token = (await readText(tokenPath)).trim()
        cached = { token, readAtMs: timers.monotonicMs() }
      }
      return { headers: { authorization: `Bearer ${cached.token}` } }
    },
    refresh () { cached = undefined }
  }
}

export interface KubeconfigOptions {
  path: string
  /** Default: the file's `current-context`. */
  context?: string
}

/**
 * Credentials from one kubeconfig file, read again at `refresh()`.
 * Each call keeps a configuration of its own, so that two files whose users have the same name
 * never share a cached token. Throws `KubeError` with reason `Credentials`.
 */
export async function kubeconfigCredentials (options: KubeconfigOptions): Promise<Credentials> {
  let loaded = await loadKubeconfig(options)
  let isStale = false
  const { cluster, namespace } = loaded
  const first = await loaded.authorize()
  return {
    server: cluster.server,
    ca: first.ca,
    serverName: cluster.tlsServerName,
    skipTlsVerify: cluster.skipTLSVerify,
    namespace,
    async authorization () {
      if (isStale) {
        loaded = await loadKubeconfig(options)
        isStale = false
      }
      const { headers, cert, key } = await loaded.authorize()
      return { headers, cert, key }
    },
    refresh () { isStale = true }
  }
}

async function loadKubeconfig ({ path, context }: KubeconfigOptions) {
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js')
  const config = new KubeConfig()
  try {
    config.loadFromFile(path)
  } catch (error) {
    throw refused(`the kubeconfig ${path} cannot be read: ${messageOf(error)}`, error)
  }
  if (context !== undefined) config.setCurrentContext(context)
  const name = config.getCurrentContext()
  const current = config.getContextObject(name)
  const cluster = current === null ? null : config.getCluster(current.cluster)
  if (current === null || cluster === null) {
    const which = name === undefined ? 'no current context' : `no usable context "${name}"`
    throw refused(`the kubeconfig ${path} has ${which}`)
  }
  if (!/^https?:\/\//.test(cluster.server)) {
    throw refused(`the kubeconfig ${path} names no http(s) server for "${current.cluster}"`)
  }
  if (cluster.proxyUrl !== undefined) {
    throw refused(`the kubeconfig ${path} asks for a proxy (proxy-url), which is not supported`)
  }
  // client-node refuses plain http unless verification is off; there is no TLS to verify then.
  if (cluster.server.startsWith('http:')) Object.assign(cluster, { skipTLSVerify: true })
  return { cluster, namespace: current.namespace, authorize: () => authorize(config, path) }
}

interface HttpsOptions {
  headers?: Record<string, string>
  auth?: string
  ca?: string | Buffer
  cert?: string | Buffer
  key?: string | Buffer
}

async function authorize (
  config: { applyToHTTPSOptions (options: object): Promise<void> }, path: string
): Promise<Authorization & { ca?: string }> {
  const options: HttpsOptions = {}
  try {
    await config.applyToHTTPSOptions(options)
  } catch (error) {
    throw refused(`the credentials in ${path} cannot be had: ${messageOf(error)}`, error)
  }
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    headers[name.toLowerCase()] = value
  }
  if (options.auth !== undefined) {
    headers.authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`
  }
  return {
    headers,
    ca: options.ca?.toString(),
    cert: options.cert?.toString(),
    key: options.key?.toString()
  }
}

async function readText (path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw refused(`the service account file ${path} cannot be read: ${messageOf(error)}`, error)
  }
}

function refused (message: string, cause?: unknown): KubeError {
  return new KubeError({ status: 0, reason: 'Credentials', message, cause })
}

/** The first line: the YAML parser goes on with a drawing of the place. */
function messageOf (error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n')[0] ?? ''
}
