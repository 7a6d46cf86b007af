/** Whether anybody looks after a channel that nobody uses. */

import type { Region } from '../region.ts'

/**
 * True if who has written the log of its partition last lives. Who died while nobody used any
 * channel there has no heir before somebody does, who lets leave then whose grace is over.
 */
export function isMastered({ ledger, running }: Region, channel: string): boolean {
  const [incarnation] = ledger.writerOf(channel).split('/')
  return running.some(({ life }) => life?.incarnation === incarnation)
}
