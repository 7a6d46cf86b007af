/**
 * A real nats-server for tests: on the loopback, on a port of its own choosing, with its files in
 * a temporary folder that goes with it.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startServer, waitUntilReady } from './server-process.ts'
import type { ServerProcess } from './server-process.ts'
import { toolPath } from './tools.ts'

const startTimeoutMs = 20_000

export type NatsServerOptions = {
  /** Whether JetStream is on, with file storage in the server's temporary folder. */
  jetstream?: boolean
  /** Of JetStream, where several regions are joined. */
  domain?: string
  /** More configuration, in the language of nats-server's own files. */
  config?: string
  /** A port to listen on, to start a stopped server again where its clients look for it. */
  port?: number
  /** Folder of a former server's streams, to start again with what they hold. */
  storeFolder?: string
}

export type NatsServer = {
  /** `nats://127.0.0.1:PORT` */
  readonly url: string
  readonly port: number
  readonly process: ServerProcess
  /** Stops the server and removes its temporary folder. */
  stop (): Promise<void>
}

/**
 * Starts a nats-server and waits until it accepts clients. Rejects with the end of its log when
 * it does not. Skip the test with `missingTools('nats-server')` on machines that have none.
 */
export async function startNatsServer (options: NatsServerOptions = {}): Promise<NatsServer> {
  const command = toolPath('nats-server')
  if (command === undefined) throw new Error('nats-server not found: run `make tools-nats`')
  const folder = mkdtempSync(join(tmpdir(), 'ringcast-nats-'))
  const configFile = join(folder, 'nats.conf')
  writeFileSync(configFile, configOf(folder, options))
  const server = startServer({
    name: 'nats-server',
    command,
    args: ['--config', configFile],
    logFile: join(folder, 'nats.log')
  })
  const remove = () => rmSync(folder, { recursive: true, force: true })
  // The server writes this file once it listens, so there is no port to guess and none to lose.
  const portsFile = join(folder, `nats-server_${server.pid}.ports`)
  let url = ''
  try {
    await waitUntilReady(server, () => {
      const ports: { nats?: string[] } = JSON.parse(readFileSync(portsFile, 'utf8'))
      url = ports.nats?.[0] ?? ''
      return url !== ''
    }, startTimeoutMs)
  } catch (error) {
    await server.kill()
    remove()
    throw error
  }
  return {
    url,
    port: Number(new URL(url).port),
    process: server,
    async stop () {
      await server.stop()
      remove()
    }
  }
}

function configOf (folder: string, options: NatsServerOptions) {
  const { jetstream, domain, config, port, storeFolder } = options
  const lines = [
    'host: 127.0.0.1',
    `port: ${port ?? -1}`,
    `ports_file_dir: ${JSON.stringify(folder)}`
  ]
  if (jetstream === true) {
    const store = JSON.stringify(storeFolder ?? join(folder, 'jetstream'))
    const ofDomain = domain === undefined ? '' : `, domain: ${domain}`
    lines.push(`jetstream { store_dir: ${store}${ofDomain} }`)
  }
  if (config !== undefined) lines.push(config)
  return lines.join('\n') + '\n'
}
