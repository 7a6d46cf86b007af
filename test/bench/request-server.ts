/**
 * A region of one node with one worker for `make bench-requests`, in a process of its own. It says
 * how much CPU time it took, gives its app more keys when it is told how many, and stops with its
 * parent.
 */

import { startDevRegion } from '../../src/commands/dev.ts'

export interface RequestServerReady {
  readonly url: string
  readonly key: string
}

/** So many keys, or how much CPU time was used. */
export type RequestServerAsk = number | 'cpu'

export interface RequestServerAnswer {
  readonly cpuSeconds: number
  readonly tookMs: number
  readonly residentBytes: number
}

const region = await startDevRegion({
  nodes: 1, port: 0, host: '127.0.0.1', workers: 1, logLevel: 'error'
})
const [appId] = region.key.split('.') as [string]

async function grow(keyCount: number): Promise<void> {
  await region.changeApp(appId, (app) => {
    const [first] = app.keys
    const others = Array.from({ length: keyCount - 1 }, (_, at) => ({ ...first!, id: `k${at}` }))
    return { ...app, keys: [first!, ...others] }
  })
}

process.on('message', (ask: RequestServerAsk) => {
  const startMs = performance.now()
  const done = ask === 'cpu' ? Promise.resolve() : grow(ask)
  void done.then(() => {
    const { user, system } = process.cpuUsage()
    process.send?.({
      cpuSeconds: (user + system) / 1e6, tookMs: performance.now() - startMs,
      residentBytes: process.memoryUsage.rss()
    } satisfies RequestServerAnswer)
  })
})
process.on('disconnect', () => process.exit(0))
process.send?.({ url: region.urls[0]!, key: region.key } satisfies RequestServerReady)
