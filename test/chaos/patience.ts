/** Waiting for what must come, with a bound. */

const LOOK_MS = 25
/** Within this, whatever was hit must be whole again. */
export const PATIENCE_MS = 60_000

/** Waits until `look` finds something; else throws, with `story` of how it stands. */
export async function until<T>(
  what: string, look: () => Promise<T | undefined | false> | T | undefined | false,
  story: () => string = () => '', boundMs = PATIENCE_MS
): Promise<T> {
  const endMs = performance.now() + boundMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (performance.now() > endMs) {
      throw new Error(`not within ${boundMs / 1_000} s: ${what} ${story()}`)
    }
    await pause(LOOK_MS)
  }
}

/** Resolves after `ms`. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
