/** A region in a process of its own, whose threads do what its parent says (steering.ts). */

import { BroadcastChannel } from 'node:worker_threads'
import { limits } from '../../../src/base/limits.ts'
import { startDevRegion } from '../../../src/commands/dev.ts'
import { FIRST_LIMITS, type Steer, STEERING } from './steering.ts'

const region = await startDevRegion({
  nodes: 3, port: 0, host: '127.0.0.1', workers: 1, logLevel: 'silent'
})
const threads = new BroadcastChannel(STEERING)

process.on('message', (steer: Steer) => {
  Object.assign(limits, steer.limits)
  // Those that begin later are told by this.
  const known = JSON.parse(process.env[FIRST_LIMITS] ?? '{}') as object
  process.env[FIRST_LIMITS] = JSON.stringify({ ...known, ...steer.limits })
  threads.postMessage(steer)
})
process.on('disconnect', () => process.exit())
process.send!({ urls: region.urls, key: region.key })
