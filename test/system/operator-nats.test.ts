/*
The configuration that the operator writes for nats-server, read by a real one.
*/

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { connect } from 'nats'
import { natsSecretOf } from '../../src/operator/desired.ts'
import { natsConfiguration, natsManifests } from '../../src/operator/nats-manifests.ts'
import { parseRegion } from '../../src/operator/spec.ts'
import { freePorts, startServer, waitUntilReady } from '../support/server-process.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { missingTools, toolPath } from '../support/tools.ts'
import { defaults } from './operator-rig.ts'

interface Variable {
  name: string
  value?: string
  valueFrom?: { secretKeyRef?: { key: string } }
}

interface Server {
  clientPort: number
  monitorPort: number
  process: ServerProcess
}

const skip = missingTools('nats-server')

for (const servers of [1, 3] as const) {
  t.test(`${servers} managed NATS`, { skip, timeout: 60_000 }, async t => {
    const folder = mkdtempSync(join(tmpdir(), 'ringcast-managed-nats-'))
    const secret = natsSecretOf({}, () => `k0-${'x_9'.repeat(9)}`)
    const started: Server[] = []
    t.teardown(async () => {
      for (const { process } of started.toReversed()) await process.stop()
      rmSync(folder, { recursive: true })
    })
    await startAll(folder, servers, secret, started)

    await t.test('JetStream works for the nodes, with a copy on each server', async t => {
      const connection = await connect({
        servers: `127.0.0.1:${started[0]?.clientPort}`,
        user: secret.user ?? '',
        pass: secret.password ?? ''
      })
      t.teardown(() => connection.close())
      const manager = await connection.jetstreamManager()
      await manager.streams.add({ name: 'log', subjects: ['log'], num_replicas: servers })
      const ack = await connection.jetstream().publish('log', 'entry')
      t.equal(ack.seq, 1)
      t.equal(ack.domain, 'eu')
    })

    await t.test('nobody comes in without the password', async t => {
      await t.rejects(connect({
        servers: `127.0.0.1:${started[0]?.clientPort}`, user: 'ringcast', pass: 'guess',
        maxReconnectAttempts: 0
      }), /Authorization/i)
    })
  })
}

async function startAll (
  folder: string, servers: 1 | 3, secret: Record<string, string>, started: Server[]
): Promise<void> {
  const ports = await freePorts(servers * 3)
  const portsOf = (at: number) => ports.slice(at * 3, at * 3 + 3) as [number, number, number]
  const routePorts = Array.from({ length: servers }, (_, at) => portsOf(at)[1])
  for (let at = 0; at < servers; at++) {
    started.push(startOne(join(folder, `${at}`), servers, secret, at, portsOf(at), routePorts))
  }
  for (const { process, monitorPort } of started) {
    await waitUntilReady(process, async () => {
      // What the readiness probe asks.
      const answer = await fetch(`http://127.0.0.1:${monitorPort}/healthz`)
      return answer.status === 200
    }, 30_000)
  }
}

function startOne (
  folder: string, servers: 1 | 3, secret: Record<string, string>, at: number,
  [clientPort, routePort, monitorPort]: [number, number, number], routePorts: number[]
): Server {
  const parsed = parseRegion({
    apiVersion: '',
    kind: '',
    metadata: { name: 'eu' },
    spec: { redundancy: servers, nats: { managed: { servers, storage: { size: '1Gi' } } } }
  })
  if (!parsed.isValid || parsed.spec.nats.type !== 'Managed') throw new Error('a bad spec')
  const { spec } = parsed
  const context = {
    name: 'eu', namespace: 'ns', spec, managed: parsed.spec.nats.managed, defaults,
    configurationDigest: ''
  }
  mkdirSync(folder)
  const file = join(folder, 'nats.conf')
  writeFileSync(file, natsConfiguration(context)
    .replace('port: 4222', `host: 127.0.0.1\nport: ${clientPort}`)
    .replace('http_port: 8222', `http: "127.0.0.1:${monitorPort}"`)
    .replace('port: 6222', `host: 127.0.0.1\n  port: ${routePort}`)
    .replace('"/data"', JSON.stringify(join(folder, 'data'))))
  const set = natsManifests(context).find(({ kind }) => kind === 'StatefulSet') as {
    spec?: any
  }
  const variables: Variable[] = set.spec.template.spec.containers[0].env
  return {
    clientPort,
    monitorPort,
    process: startServer({
      name: `eu-nats-${at}`,
      command: toolPath('nats-server') ?? '',
      args: ['--config', file],
      logFile: join(folder, 'nats.log'),
      env: environmentOf(variables, `eu-nats-${at}`, secret, routePorts)
    })
  }
}

/** What the kubelet makes of the variables of a container; hosts become local ports. */
function environmentOf (
  variables: Variable[], podName: string, secret: Record<string, string>, routePorts: number[]
): Record<string, string> {
  const environment: Record<string, string> = {}
  for (const { name, value, valueFrom } of variables) {
    const key = valueFrom?.secretKeyRef?.key
    environment[name] = key === undefined ? value ?? podName : secret[key] ?? ''
    environment[name] = environment[name]
      .replace(/\$\((\w+)\)/g, (_, other: string) => environment[other] ?? '')
      .replace(/eu-nats-(\d)\.eu-nats\.ns\.svc:6222/,
        (_, at: string) => `127.0.0.1:${routePorts[Number(at)]}`)
  }
  return environment
}
