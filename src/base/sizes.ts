/**
 * How whatever grows tells how much of it there is: the name of the limit that bounds it, as in
 * docs/bounds.md, and the amount, in the limit's unit. A part that grows yields one of these for
 * each thing that it keeps; whoever judges looks the limit up.
 */

import type { archiveLimits } from './archive-limits.ts'
import type { limits } from './limits.ts'

type Limits = typeof limits & typeof archiveLimits

/** The limits that are one number. */
export type LimitName = {
  [K in keyof Limits]: Limits[K] extends number ? K : never
}[keyof Limits]

export type Size<Name extends string = LimitName> = readonly [limit: Name, amount: number]
