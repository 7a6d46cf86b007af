/** The last words of a life that ends in good order, as `ops/flushing.ts` has workers say them. */

import { limits } from '../../src/base/limits.ts'
import type { WorkerThread } from './worker.ts'
import type { World } from './world.ts'

/** Has what was counted written; `onEnd` is called once, with those that could not in time. */
export function flushAll(
  world: World,
  threads: readonly (WorkerThread | undefined)[],
  onEnd: (unfinished: ReadonlySet<WorkerThread>) => void
): void {
  const open = new Set(threads.filter((thread) => thread?.isListening === true) as WorkerThread[])
  let isOver = false
  const end = (): void => {
    if (isOver) return
    isOver = true
    world.cancel(bound)
    onEnd(open)
  }
  const bound = world.after(limits.statsLastMs, end)
  for (const thread of open) {
    thread.tellFlush(() => {
      open.delete(thread)
      if (open.size === 0) end()
    })
  }
  if (open.size === 0) end()
}
