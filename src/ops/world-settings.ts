/**
 * What the operator tells nodes of their region's part in the world: the text `settings.json`,
 * checked. What it does not say is as usual: nodes may be of a later release than the operator.
 */

import { z } from 'zod'
import { usualSettings, type WorldSettings } from '../region/terms.ts'

const schema = z.object({
  isToDrain: z.boolean().default(usualSettings.isToDrain),
  drainedPerSecond: z.number().positive().default(usualSettings.drainedPerSecond),
  lostRegionGraceMs: z.number().min(0).default(usualSettings.lostRegionGraceMs)
})

/** Throws an Error that says what is wrong with the text. */
export function readWorldSettings(text: string): WorldSettings {
  return schema.parse(JSON.parse(text))
}
