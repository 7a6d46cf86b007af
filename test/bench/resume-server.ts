/**
 * A region of three nodes for `make bench-resume`, in a process of its own; its last node ends when
 * it is told to. It says how much CPU time it took, and stops with its parent.
 */

import { startDevRegion } from '../../src/commands/dev.ts'

export interface RegionReady {
  readonly ports: readonly number[]
  readonly key: string
}

const region = await startDevRegion({
  nodes: 3, port: 0, host: '127.0.0.1', workers: 1, logLevel: 'error'
})
process.on('message', (request: 'end' | 'cpu') => {
  const { user, system } = process.cpuUsage()
  if (request === 'cpu') process.send?.((user + system) / 1e6)
  else void region.nodes.at(-1)!.stop()
})
process.on('disconnect', () => process.exit(0))
const ports = region.urls.map((url) => Number(new URL(url).port))
process.send?.({ ports, key: region.key } satisfies RegionReady)
