/**
 * What one in four seeds of regions has besides: channels that are persisted, and that are held so
 * shortly that cables are cut for longer; and an archive that is in trouble now and then.
 */

import { archiveLimits } from '../../src/base/archive-limits.ts'
import { limits } from '../../src/base/limits.ts'
import { Random } from '../../src/base/random.ts'
import type { CableMix } from './cable-weather.ts'
import type { Mix } from './mix.ts'

const KEEPING_ONE_IN = 4
const CUTS_LEAST = 3
/** Of a persisted channel messages are gone from the log soon after it is cut. */
const BEHIND_MS = 10_000

export interface Keeping {
  /** What is held of channels is let go after this, and above so many bytes. */
  readonly limits: Partial<Record<keyof typeof limits, number>>
  /** Cables are cut for so long at least. */
  readonly cutsMs: number
  /** A region that is made anew has lost what it kept, too. */
  readonly losesArchives: boolean
}

/** Whether the seed has them. */
export function isKeptIn(seed: string): boolean {
  return new Random(`${seed}/annals`).below(KEEPING_ONE_IN) === 0
}

/** What a seed that has them draws. */
export function drawKeeping(seed: string): Keeping {
  const random = new Random(`${seed}/keeping`)
  const tailMs = 3_000 + random.below(7_000)
  const tailBytesMax = 1_500 + random.below(4_000)
  const isByTime = random.below(3) > 0
  const tail = isByTime ? { tailMs, quietMs: Math.floor(tailMs / 4), quietToldAtOnce: 1 } : {}
  const bytes = !isByTime || random.below(3) === 0 ? { tailBytesMax } : {}
  const pages = random.below(3) === 0 ? { backlogPageBytesMax: 300 + random.below(2_000) } : {}
  return {
    limits: { ...tail, ...bytes, ...pages }, cutsMs: random.below(3) > 0 ? tailMs : 0,
    losesArchives: random.below(2) === 0
  }
}

/** Its bounds hold from now on. */
export function holdShortly(keeping: Keeping): void {
  Object.assign(limits, keeping.limits)
  // The simulated archive tells so many records at a time.
  Object.assign(archiveLimits, { archiveBackCount: 8 })
}

/** Cables that are cut in every case, for longer than messages are held. */
export function cablesOf(drawn: CableMix, { cutsMs, losesArchives }: Keeping): CableMix {
  return { ...drawn, cuts: Math.max(drawn.cuts, CUTS_LEAST), cutsMs, losesArchives }
}

/** The storm lasts until some cable is mended. */
export function stormOf(stormMs: number, { cutsMs }: Keeping): number {
  return stormMs + cutsMs + BEHIND_MS
}

/** The archive's trouble, milder than where there is one region. */
export function archiveTroubleOf(drawn: Mix): Partial<Mix> {
  const { archiveTrouble, archiveLag, archiveAways, archiveFulls } = drawn
  return {
    isKeeping: true, archiveTrouble: archiveTrouble / 3, archiveLag: archiveLag / 2,
    archiveAways: archiveAways / 2, archiveFulls: archiveFulls / 2
  }
}
