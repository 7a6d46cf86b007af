import { setTimeout as delay } from 'node:timers/promises'

/** Resolves when somebody listens there: a worker that died has an heir by then. */
export async function listens(url: string): Promise<void> {
  for (;;) {
    try {
      await fetch(new URL('/time', url.replace(/^ws/, 'http')))
      return
    } catch {
      await delay(20)
    }
  }
}
