/**
 * Loaded into every thread of a node under test: makes its first worker thread die, or make no
 * turn any more, when the process is told to. Nothing from outside can do that to one thread.
 */

import { isMainThread, workerData } from 'node:worker_threads'
import { ILLNESSES } from './illnesses.ts'

const channel = new BroadcastChannel('ringcast.test.ill-threads')
channel.unref()
if (isMainThread) {
  for (const [illness, signal] of Object.entries(ILLNESSES)) {
    process.on(signal, () => channel.postMessage(illness))
  }
} else if ((workerData as { worker?: number } | undefined)?.worker === 0) {
  channel.onmessage = ({ data: illness }) => {
    if (illness === 'hangs') for (;;);
    setImmediate(() => {
      throw new Error('told to die')
    })
  }
}
