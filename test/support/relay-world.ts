/**
 * Regions joined by relays as the operator makes them: the nats-servers of their manifests on the
 * loopback, each with the configuration and environment that its pod would have. Only hosts and
 * ports are others; a Service is the first of its servers, and reached in its own cluster alone.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { desiredManifests, natsSecretOf, relaySecretOf } from '../../src/operator/desired.ts'
import type { Inventory } from '../../src/operator/inventory.ts'
import type { Manifest } from '../../src/operator/manifest.ts'
import { parseRegion } from '../../src/operator/spec.ts'
import type { RealtimeRegion, RegionSpec } from '../../src/operator/spec.ts'
import { worldPeersOf } from '../../src/operator/world.ts'
import { createAuthority } from './pki.ts'
import { freePorts, startServer, waitUntilReady } from './server-process.ts'
import type { ServerProcess } from './server-process.ts'
import { toolPath } from './tools.ts'

const START_MS = 60_000

export interface WorldRegion {
  readonly name: string
  /** Regions that it is told of: their objects, where these are in its cluster, else by `peers`. */
  readonly knows: readonly string[]
  /** Where it is; one for all when absent. Where there are several, every relay advertises. */
  readonly cluster?: string
  /** Of the world; that of all others when absent. */
  readonly password?: string
  /** Of its relay; one when absent. */
  readonly relayServers?: number
}

const NATS_PORTS = ['client', 'monitor'] as const
const RELAY_PORTS = ['client', 'monitor', 'leaf', 'gateway', 'route'] as const
type Ports = Readonly<Record<typeof RELAY_PORTS[number], number>>

export interface RelayWorld {
  /** How the nodes of a region reach its NATS. */
  nats (region: string): { servers: string[], user: string, password: string }
  /** Ends the relay of a region, as a crash would. */
  killRelay (region: string): Promise<void>
  startRelay (region: string): Promise<void>
  /** What the relay of a region tells of itself on its monitoring port. */
  monitor (region: string, path: string): Promise<any>
  /** The log of the relay of a region. */
  relayLog (region: string): string
  stop (): Promise<void>
}

/** Starts everything; resolves when every server accepts connections. */
export async function startRelayWorld (regions: readonly WorldRegion[]): Promise<RelayWorld> {
  const countOf = ({ relayServers = 1 }: WorldRegion) =>
    NATS_PORTS.length + relayServers * RELAY_PORTS.length
  const count = regions.reduce((sum, region) => sum + countOf(region), 0)
  const world = new Servers(regions, await freePorts(count))
  try {
    await Promise.all(regions.map(({ name }) => world.startRelay(name)))
    await Promise.all(regions.map(({ name }) => world.startNats(name)))
  } catch (error) {
    await world.stop()
    throw error
  }
  return world
}

class Servers implements RelayWorld {
  readonly #folder = mkdtempSync(join(tmpdir(), 'ringcast-relays-'))
  readonly #regions = new Map<string, {
    manifests: Manifest[], world: Record<string, string>, cluster: string | undefined
  }>()
  /** By pod. */
  readonly #ports = new Map<string, Ports>()
  readonly #running = new Map<string, ServerProcess>()

  constructor (regions: readonly WorldRegion[], ports: number[]) {
    const authority = createAuthority(join(this.#folder, 'ca'))
    const { certFile, keyFile } = authority.issue({
      name: 'relay', subject: '/CN=relay', names: ['IP:127.0.0.1', 'DNS:localhost']
    })
    const files = { 'tls.crt': certFile, 'tls.key': keyFile, 'ca.crt': authority.certFile }
    const take = (names: readonly string[]): Ports =>
      Object.fromEntries(names.map(name => [name, ports.pop()])) as unknown as Ports
    for (const region of regions) {
      const { name, password = 'k0123456789abcdef', relayServers = 1, cluster } = region
      this.#ports.set(`${name}-nats-0`, take(NATS_PORTS))
      for (let no = 0; no < relayServers; no++) {
        this.#ports.set(`${name}-relay-${no}`, take(RELAY_PORTS))
      }
      const manifests = manifestsOf(region, regions)
      this.#regions.set(name, { manifests, world: { ...files, password }, cluster })
    }
  }

  nats (region: string): { servers: string[], user: string, password: string } {
    const { client } = this.#ports.get(`${region}-nats-0`)!
    return {
      servers: [`127.0.0.1:${client}`], user: 'ringcast', password: `k-${region}`
    }
  }

  async startNats (region: string): Promise<void> {
    const { client } = this.#ports.get(`${region}-nats-0`)!
    await this.#start(region, 'nats', 0, [
      ['port: 4222', `listen: "127.0.0.1:${client}"`],
      ['"/data"', JSON.stringify(join(this.#folder, region))]
    ])
  }

  async startRelay (region: string): Promise<void> {
    const { world } = this.#regions.get(region)!
    const pods = [...this.#ports.keys()].filter(pod => pod.startsWith(`${region}-relay-`))
    await Promise.all(pods.map(async (pod, no) => {
      const { client, leaf, gateway, route } = this.#ports.get(pod)!
      await this.#start(region, 'relay', no, [
        ['127.0.0.1:4222', `127.0.0.1:${client}`],
        ['port: 7422', `listen: "127.0.0.1:${leaf}"`],
        ['port: 7222', `listen: "127.0.0.1:${gateway}"`],
        ['port: 6222', `listen: "127.0.0.1:${route}"`],
        ...['tls.crt', 'tls.key', 'ca.crt'].map((file): [string, string] =>
          [`/etc/nats-tls/${file}`, world[file]!])
      ])
    }))
  }

  async killRelay (region: string): Promise<void> {
    const servers = [...this.#running].filter(([pod]) => pod.startsWith(`${region}-relay-`))
    await Promise.all(servers.map(([, server]) => server.kill()))
  }

  async monitor (region: string, path: string): Promise<any> {
    const { monitor } = this.#ports.get(`${region}-relay-0`)!
    const response = await fetch(`http://127.0.0.1:${monitor}${path}`)
    return await response.json()
  }

  relayLog (region: string): string {
    return readFileSync(join(this.#folder, `${region}-relay-0.log`), 'utf8')
  }

  async stop (): Promise<void> {
    await Promise.all([...this.#running.values()].map(server => server.kill()))
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #start (
    region: string, of: 'nats' | 'relay', no: number, replacements: Array<[string, string]>
  ): Promise<void> {
    const { manifests, world } = this.#regions.get(region)!
    const name = `${region}-${of}`
    const pod = `${name}-${no}`
    const { monitor } = this.#ports.get(pod)!
    const find = (kind: string, called: string): any => manifests.find(
      manifest => manifest.kind === kind && manifest.metadata.name === called)
    let text: string = find('ConfigMap', name).data['nats.conf']
    const [ofRelay, ofNats] = ['http: "0.0.0.0:8222"', 'http_port: 8222']
    const all = [...replacements, [of === 'relay' ? ofRelay : ofNats,
      `http: "127.0.0.1:${monitor}"`] as const]
    for (const [from, to] of all) text = text.replaceAll(from, to)
    const configFile = join(this.#folder, `${pod}.conf`)
    writeFileSync(configFile, this.#onLoopback(text, region))
    const [container] = find('StatefulSet', name).spec.template.spec.containers
    const secretOf = (secret: string, key: string): string => secret === 'acme-world'
      ? world[key]!
      : Buffer.from(find('Secret', secret).data[key], 'base64').toString()
    const server = startServer({
      name: pod,
      command: toolPath('nats-server') ?? '',
      args: ['--config', configFile],
      env: { ...process.env, ...this.#environment(region, pod, container.env, secretOf) },
      logFile: join(this.#folder, `${pod}.log`)
    })
    this.#running.set(pod, server)
    const url = `http://127.0.0.1:${monitor}/healthz`
    await waitUntilReady(server, async () => (await fetch(url)).ok, START_MS)
  }

  /** Variables as the kubelet makes them. */
  #environment (
    region: string, pod: string, variables: any[],
    secretOf: (name: string, key: string) => string
  ): Record<string, string> {
    const made: Record<string, string> = {}
    for (const { name, value, valueFrom } of variables) {
      const { secretKeyRef } = valueFrom ?? {}
      made[name] = secretKeyRef !== undefined
        ? secretOf(secretKeyRef.name, secretKeyRef.key)
        : value === undefined
          ? pod
          : this.#onLoopback(value, region).replaceAll(/\$\((\w+)\)/g, (_, of) => made[of] ?? '')
    }
    return made
  }

  /** Names that a region knows, as ports of this machine: those of its cluster, and public ones. */
  #onLoopback (text: string, by: string): string {
    const first = (region: string): Ports | undefined => this.#ports.get(`${region}-relay-0`)
    const isNear = (region: string): boolean =>
      this.#regions.get(region)?.cluster === this.#regions.get(by)?.cluster
    return text
      .replaceAll(/([a-z]+)-relay-gateway\.chat\.svc:7222/g,
        (name, region) => isNear(region) ? `127.0.0.1:${first(region)?.gateway}` : name)
      .replaceAll(/relay\.([a-z]+)\.example\.com:30722/g,
        (_, region) => `127.0.0.1:${first(region)?.gateway}`)
      .replaceAll(/([a-z]+-relay-\d)\.[a-z]+-relay\.chat\.svc:6222/g,
        (_, pod) => `127.0.0.1:${this.#ports.get(pod)?.route}`)
      .replaceAll(/([a-z]+)-relay\.chat\.svc:7422/g,
        (_, region) => `127.0.0.1:${first(region)?.leaf}`)
  }
}

/** Where relays of other clusters reach that of a region. */
const publicAddressOf = (region: string): string => `relay.${region}.example.com:30722`

/** What a person writes for the region. */
function objectOf (
  { name, knows, relayServers = 1, cluster }: WorldRegion, all: readonly WorldRegion[]
): RealtimeRegion {
  const far = all.filter(other => other.cluster !== cluster)
  const peers = far.filter(other => knows.includes(other.name))
    .map(other => ({ region: other.name, address: publicAddressOf(other.name) }))
  return {
    apiVersion: 'ringcast.dev/v1alpha1',
    kind: 'RealtimeRegion',
    metadata: { name, namespace: 'chat', uid: name },
    spec: {
      redundancy: 1,
      nats: { managed: { servers: 1, storage: { type: 'Ephemeral', size: '1Gi' } } },
      world: {
        name: 'acme',
        secretName: 'acme-world',
        ...(peers.length === 0 ? {} : { peers }),
        relay: {
          servers: relayServers, ...(far.length === 0 ? {} : { advertise: publicAddressOf(name) })
        }
      }
    }
  }
}

function specOf (region: RealtimeRegion): RegionSpec {
  const parsed = parseRegion(region)
  if (!parsed.isValid) throw new Error(JSON.stringify(parsed.violations))
  return parsed.spec
}

function manifestsOf (region: WorldRegion, all: readonly WorldRegion[]): Manifest[] {
  const { name, knows, cluster } = region
  const object = objectOf(region, all)
  const spec = specOf(object)
  const mates = all.filter(other => other.cluster === cluster && knows.includes(other.name))
    .map(mate => objectOf(mate, all))
  const inventory = { list: () => mates, get: () => undefined } as unknown as Inventory
  return desiredManifests(object, spec, {
    replicas: 1,
    appsJson: '',
    natsSecret: natsSecretOf({}, () => `k-${name}`),
    externalNats: { credentials: 'none', digest: '' },
    relaySecret: relaySecretOf({}, () => `k-relay-${name}`),
    world: {
      peers: worldPeersOf(inventory, object, spec, spec.world!),
      generation: 1,
      apps: {},
      hasTls: true,
      secretDigest: ''
    }
  }, { nodeImage: '', natsImage: '' })
}
