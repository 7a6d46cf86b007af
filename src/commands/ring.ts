/**
 * `ringcast ring`: the ring of a region, for people.
 */

import { kubeConfig, processEnvironment } from '../ops/config.ts'
import { masterOf, type View } from '../ring/view.ts'
import { kubeClient } from './kube-access.ts'
import { KubeRingStore } from './kube-ports.ts'

export interface RingOptions {
  readonly region: string
  readonly namespace?: string
  readonly kubeconfig?: string
}

/** Prints the ring; throws an Error that says what is missing. */
export async function ringCommand(options: RingOptions): Promise<void> {
  const { region, kubeconfig } = options
  const environment = kubeconfig === undefined ? processEnvironment() : { KUBECONFIG: kubeconfig }
  const client = await kubeClient(kubeConfig(environment), 'ringcast-cli')
  const namespace = options.namespace ?? client.namespace ?? 'default'
  const scope = { namespace, region, ring: region, appsSecret: '', node: 'cli' }
  const reading = await new KubeRingStore(client, scope).read()
  client.close()
  if (reading.outcome === 'absent') throw new Error(`no RealtimeRing ${namespace}/${region}`)
  if (reading.outcome !== 'found') throw new Error(reading.reason)
  const { view } = reading.stored
  process.stdout.write(view === undefined ? 'The ring has no view yet.\n' : table(view))
}

function table(view: View): string {
  const masters = new Map<string, number>()
  for (let partition = 0; partition < view.partitionCount; partition++) {
    const owner = masterOf(partition, view)?.incarnation ?? ''
    masters.set(owner, (masters.get(owner) ?? 0) + 1)
  }
  const rows = view.members.map(({ node, state, zone, workers, incarnation }) => {
    const share = String(masters.get(incarnation) ?? 0)
    const cells = [node, state, zone || '-', String(workers), share]
    return cells.map((cell) => cell.padEnd(14)).join('')
  })
  const head = ['NODE', 'STATE', 'ZONE', 'WORKERS', 'PARTITIONS'].map((cell) => cell.padEnd(14))
  const orphans = masters.get('')
  const note = orphans === undefined ? '' : `${orphans} partitions have no master\n`
  return `view ${view.version}\n${head.join('')}\n${rows.join('\n')}\n${note}`
}
