/**
 * What a person reads: a line per thing that was measured, whether the aims were met (they are
 * printed only: a busy machine misses them), and every promise that was broken.
 */

import type { Cause, Measured } from './scene.ts'
import type { Counts, Flaw } from './ledger.ts'

/** From the end of a master to the first new acknowledgement of its channel. */
const ACK_AIM_MS: Readonly<Partial<Record<Cause, number>>> = { 'api fact': 2_000, silence: 5_000 }
/** The longest way to a subscriber or of an answer, where nothing moved or a move was planned. */
const PAUSE_AIM_MS = 100
const FLAWS_SHOWN_MAX = 12

export function printMeasured(measured: Measured): void {
  const { window, cause, bereft, moved, remark } = measured
  const tookS = ((window.endMs - window.startMs) / 1_000).toFixed(1)
  const why = remark === '' ? '' : ` (${remark})`
  const drops = `${window.dropCount} connections lost`
  console.log(`  ${window.name}: ${tookS} s, ${moved.size} channels moved, ${drops}${why}`)
  if (bereft.length > 0 && ACK_AIM_MS[cause] !== undefined) {
    const times = bereft.map((channel) => window.firstAckMs.get(channel) ?? Infinity)
    const what = `first acknowledgement on ${bereft.length} bereft channels`
    console.log(`    ${what}: ${spread(times)}${aim(Math.max(...times), ACK_AIM_MS[cause])}`)
  }
  const longest = [...window.longestMs]
  const of = (areMoved: boolean): number[] =>
    longest.filter(([channel]) => moved.has(channel) === areMoved).map(([, ms]) => ms)
  const [there, here] = [of(true), of(false)]
  if (cause === 'plan' && measured.crossingMs.length > 0) {
    const { crossingMs, movingMs, moveViewCount } = measured
    console.log(`    longest delivery across ${crossingMs.length} planned moves: ` +
      `${spread(crossingMs)}${aim(Math.max(...crossingMs), PAUSE_AIM_MS)}; ` +
      `seen in ${moveViewCount} views within ${(movingMs / 1_000).toFixed(1)} s`)
  }
  if (there.length > 0) {
    const bound = cause === 'plan' ? PAUSE_AIM_MS : undefined
    console.log(`    longest delivery on moved channels: ${spread(there)}` +
      aim(Math.max(...there), bound))
  }
  if (cause === 'plan' && moved.size > 0 && window.longestCleanAckMs.size > 0) {
    const acks = [...window.longestCleanAckMs].filter(([channel]) => moved.has(channel))
    const times = acks.map(([, ms]) => ms)
    console.log(`    longest acknowledgement on moved channels: ${spread(times)}` +
      aim(Math.max(...times), PAUSE_AIM_MS))
  }
  if (here.length > 0) {
    console.log(`    longest delivery on channels that stayed: ${spread(here)}` +
      aim(Math.max(...here), cause === 'none' ? undefined : PAUSE_AIM_MS))
  }
  if (cause === 'none') {
    console.log(`    longest acknowledgement: ${spread([...window.longestAckMs.values()])}`)
  }
  if (window.ownLagMs > PAUSE_AIM_MS / 2) {
    console.log(`    the clients' own process stood still for ${round(window.ownLagMs)} ms`)
  }
}

export function printVerdict(counts: Counts, flaws: readonly Flaw[]): void {
  const { sent, acknowledged, refused, delivered, remembered } = counts
  console.log(`  ${sent} published, ${acknowledged} acknowledged, ${refused} refused, ` +
    `${delivered} delivered, ${remembered} in history, ` +
    `${counts.resumedAttaches} attaches resumed`)
  const kinds = Map.groupBy(flaws, ({ kind }) => kind)
  for (const [kind, those] of kinds) {
    console.log(`  ${kind}: ${those.length}`)
    for (const { text } of those.slice(0, FLAWS_SHOWN_MAX)) console.log(`    ${text}`)
    if (those.length > FLAWS_SHOWN_MAX) console.log('    …')
  }
  if (flaws.length === 0) {
    console.log('  0 lost, 0 repeated, 0 reordered, 0 refused though committed, ' +
      '0 announcements of lost continuity')
  }
}

/** The first, the middle and the last of several times. */
function spread(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  const [first = NaN, middle = NaN, last = NaN] =
    [0, Math.floor(sorted.length / 2), sorted.length - 1].map((at) => sorted[at])
  return `${round(first)} / ${round(middle)} / ${round(last)} ms`
}

function aim(ms: number, boundMs: number | undefined): string {
  if (boundMs === undefined) return ''
  return ` (aim ${ms <= boundMs ? 'met' : 'missed'}: ≤ ${boundMs} ms)`
}

function round(ms: number): number {
  return Math.round(ms)
}
