/**
 * The measured Ringcast: a region of one node as `ringcast dev` runs it, worker threads and all.
 * Arguments: how many workers (0: as many as cores).
 */

import { startDevRegion } from '../../src/commands/dev.ts'
import { serveBench } from './server-control.ts'

const workers = Number(process.argv[2] ?? '1')
const region = await startDevRegion({
  nodes: 1,
  port: 0,
  host: '127.0.0.1',
  workers,
  logLevel: 'warn'
})
serveBench({ port: Number(new URL(region.urls[0]!).port), key: region.key })
