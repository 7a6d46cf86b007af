/** A worker thread that says it is well until it is told to do otherwise. */

import { parentPort } from 'node:worker_threads'

const STATUS_MS = 5
let isMeshUp = true

const say = (message: object): void => parentPort!.postMessage(message)
const report = (): void => say({ kind: 'status', status: { isMeshUp } })

say({ kind: 'listening', port: 1 })
report()
setInterval(report, STATUS_MS)

parentPort!.on('message', (message: { kind: string; withinMs?: number }) => {
  switch (message.kind) {
    case 'loseMesh':
      isMeshUp = false
      return
    case 'fail':
      throw new Error('told to')
    case 'hang':
      for (;;);
    default:
      // What everybody is told: a test sees that it came.
      say({ kind: 'note', level: 'info', text: `told ${message.kind}` })
  }
})
