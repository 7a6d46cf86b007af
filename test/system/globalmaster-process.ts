/* A real `ringcast globalmaster`: a process, and what it says in the status of its region. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KubeClient } from '../../src/kube/client.ts'
import { regionNames } from '../../src/operator/names.ts'
import type { PeerStatus } from '../../src/operator/spec.ts'
import type { ApiServer } from '../support/api-server.ts'
import { freePorts, startServer, waitUntilReady } from '../support/server-process.ts'
import type { ServerProcess } from '../support/server-process.ts'
import type { Teardowns } from './node-rig.ts'
import { regionResource, until } from './operator-rig.ts'
import type { StatusObject } from './operator-rig.ts'

const UNTIL_MS = 90_000
const main = join(import.meta.dirname, '../../src/main.ts')

/** A region's object. */
export interface Place { namespace: string, name: string }

/** Starts one beside a region; resolves when it is ready. It ends with `t`. */
export async function startGlobalmaster (
  t: Teardowns, server: ApiServer, { namespace, name }: Place, url: string
): Promise<ServerProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'ringcast-globalmaster-'))
  const [port = 0] = await freePorts(1)
  const process_ = startServer({
    name: 'globalmaster',
    command: process.execPath,
    args: [main, 'globalmaster'],
    logFile: join(folder, 'log'),
    env: {
      PATH: process.env.PATH,
      KUBECONFIG: server.kubeconfigPath,
      RINGCAST_REGION: name,
      RINGCAST_NAMESPACE: namespace,
      RINGCAST_POD_NAME: `${name}-globalmaster-${port}`,
      RINGCAST_POD_UID: `uid-${port}`,
      RINGCAST_GLOBALMASTER: regionNames(name).globalmaster,
      RINGCAST_NATS_URL: url,
      RINGCAST_PRIVATE_PORT: String(port)
    }
  })
  t.teardown(async () => {
    await process_.stop()
    rmSync(folder, { recursive: true })
  })
  const ready = async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok
  await waitUntilReady(process_, ready, UNTIL_MS)
  return process_
}

export async function regionAt (client: KubeClient, place: Place): Promise<StatusObject> {
  return await until('the region', async () =>
    await client.get<StatusObject>(regionResource, { ...place }))
}

/** What a region says of another one. */
export function peerIn ({ status }: StatusObject, region: string): PeerStatus | undefined {
  const peers: readonly PeerStatus[] = status?.peers ?? []
  return peers.find(peer => peer.region === region)
}

export function conditionOfPeer (region: StatusObject, peer: Place, type: string) {
  return peerIn(region, peer.name)?.conditions?.find(condition => condition.type === type)
}

export async function untilPeer (
  client: KubeClient, place: Place, peer: Place, type: string, status: string, reason: string,
  message = /./
): Promise<StatusObject> {
  let said = 'nothing'
  const what = `${place.name} says of ${peer.name} ${type} ${status} ${reason}`
  return await until(what, async () => {
    const region = await regionAt(client, place)
    const condition = conditionOfPeer(region, peer, type)
    if (condition !== undefined) said = JSON.stringify(condition)
    const isIt = condition?.status === status && condition.reason === reason &&
      message.test(condition.message)
    return isIt && region
  }, UNTIL_MS).catch((error: Error) => {
    throw new Error(`${error.message}, but ${said}`, { cause: error })
  })
}
