/**
 * The log: JSON lines by pino, on standard output. Whoever logs passes facts as fields and never a
 * key, a token or a client's data.
 */

import { type Logger, pino } from 'pino'

export type { Logger }

/** A logger whose lines carry `fields`; `level` is one of pino's, or `silent`. */
export function makeLogger(level: string, fields: Readonly<Record<string, unknown>>): Logger {
  return pino({
    level,
    base: { ...fields },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) }
  })
}
