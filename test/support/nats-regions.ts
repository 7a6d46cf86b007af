/**
 * The NATS of several regions, joined as regions are: each has a server with JetStream in a domain
 * of its own, and a relay server without. A leaf link between the two carries the account of the
 * mesh and nothing else; gateways join the relays, and nobody else. So no JetStream ever knows of
 * another one.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { type NatsServer, startNatsServer } from './nats-server.ts'
import { RelayGate, Way } from './relay-gate.ts'
import { freePorts } from './server-process.ts'

const PORT_TRIES_MAX = 5

interface RegionServers {
  readonly server: NatsServer
  readonly relay: NatsServer
}

export class NatsRegions {
  readonly #names: readonly string[]
  readonly #folder = mkdtempSync(join(tmpdir(), 'ringcast-nats-regions-'))
  /** Other worlds on this machine have regions of the same names, and another one. */
  readonly #password = basename(this.#folder)
  /** `from>to`: what the relay of one says to that of the other, and is answered. */
  readonly #ways = new Map<string, Way>()
  readonly #gates = new Map<string, RelayGate>()
  readonly #servers = new Map<string, RegionServers>()

  private constructor(names: readonly string[]) {
    this.#names = names
  }

  /** Resolves when all servers run; `roundTripMs` is that between two regions. */
  static async start(
    names: readonly string[], roundTripMs: (one: string, other: string) => number
  ): Promise<NatsRegions> {
    for (let attempt = 1; ; attempt++) {
      const regions = new NatsRegions(names)
      try {
        await regions.#start(await freePorts(2 * names.length), roundTripMs)
        return regions
      } catch (error) {
        await regions.stop()
        // Somebody took one of the ports that were free a moment ago.
        if (attempt === PORT_TRIES_MAX) throw error
      }
    }
  }

  /** The server that the nodes of a region use. */
  serverOf(name: string): NatsServer {
    return this.#servers.get(name)!.server
  }

  /** Nothing gets from one region to the other, or, with `isOneWay`, not that way. */
  cut(from: string, to: string, isOneWay = false): void {
    this.#ways.get(wayOf(from, to))!.cut()
    if (!isOneWay) this.#ways.get(wayOf(to, from))!.cut()
  }

  /** What is said between the two is lost, and nobody is told. */
  swallow(one: string, other: string): void {
    this.#ways.get(wayOf(one, other))!.isSwallowing = true
    this.#ways.get(wayOf(other, one))!.isSwallowing = true
  }

  /** The ways that lead nowhere now, in words. */
  get broken(): readonly string[] {
    return [...this.#ways].flatMap(([name, { broken }]) => broken === undefined ? []
      : [`the way ${name} ${broken}`])
  }

  /** All ways lead somewhere again. */
  heal(): void {
    for (const way of this.#ways.values()) way.mend()
  }

  /** Calls `onPass` with everything that passes between regions, and the socket it goes to. */
  watch(onPass: (bytes: Buffer, to: object) => void): void {
    for (const way of this.#ways.values()) way.onPass = onPass
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#servers.values()].flatMap(({ server, relay }) =>
      [server.stop(), relay.stop()]))
    await Promise.all([...this.#gates.values()].map((gate) => gate.close()))
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #start(
    ports: readonly number[], roundTripMs: (one: string, other: string) => number
  ): Promise<void> {
    for (const [at, to] of this.#names.entries()) {
      const ways = new Map<string, Way>()
      for (const from of this.#names.filter((name) => name !== to)) {
        const way = new Way(roundTripMs(from, to) / 2)
        this.#ways.set(wayOf(from, to), way)
        ways.set(relayOf(from), way)
      }
      this.#gates.set(to, await RelayGate.before(ports[2 * at]!, ways))
    }
    for (const [at, name] of this.#names.entries()) {
      const [gatewayPort = 0, leafPort = 0] = ports.slice(2 * at)
      const config = this.#relayConfig(name, gatewayPort, leafPort)
      const relay = await startNatsServer({ config })
      const server = await startNatsServer({
        jetstream: true, domain: name, storeFolder: join(this.#folder, name),
        config: this.#serverConfig(name, leafPort)
      })
      this.#servers.set(name, { server, relay })
    }
  }

  #relayConfig(name: string, gatewayPort: number, leafPort: number): string {
    const addressOf = (other: string): string => `127.0.0.1:${this.#gates.get(other)!.port}`
    const others = this.#names.filter((other) => other !== name).map((other) =>
      `{ name: ${relayOf(other)}, url: "nats://relay:${this.#password}@${addressOf(other)}" }`)
    return [
      `server_name: ${relayOf(name)}`,
      // A link that is dead without a word is noticed in seconds.
      'ping_interval: "1s"',
      'ping_max: 2',
      accounts(this.#password, ''),
      `leafnodes { listen: "127.0.0.1:${leafPort}" }`,
      'gateway {',
      // Whoever leafs to it must not have the same name.
      `  name: ${relayOf(name)}`,
      `  listen: "127.0.0.1:${gatewayPort}"`,
      `  advertise: "${addressOf(name)}"`,
      `  authorization { user: relay, password: "${this.#password}", timeout: 20 }`,
      `  gateways: [${others.join(', ')}]`,
      '}'
    ].join('\n')
  }

  #serverConfig(name: string, leafPort: number): string {
    const url = `nats://mesh:${this.#password}@127.0.0.1:${leafPort}`
    return [
      `server_name: ${name}`,
      accounts(this.#password, 'jetstream: enabled,'),
      `leafnodes { reconnect: "1s", remotes: [{ url: "${url}", account: MESH }] }`
    ].join('\n')
  }
}

/** Who says nothing of itself speaks for the mesh. */
function accounts(password: string, jetstream: string): string {
  return [
    'accounts {',
    `  MESH { ${jetstream} users: [{ user: mesh, password: "${password}" }] }`,
    '  SYS { users: [{ user: sys, password: sys }] }',
    '}',
    'system_account: SYS',
    'no_auth_user: mesh'
  ].join('\n')
}

function relayOf(name: string): string {
  return `${name}-relay`
}

function wayOf(from: string, to: string): string {
  return `${from}>${to}`
}
