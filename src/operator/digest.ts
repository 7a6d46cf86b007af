/*
Whether two JSON values are the same, said in few letters.
*/

import { createHash } from 'node:crypto'

/** A short digest of any JSON value, the same whatever the order of its fields. */
export function digestOf (value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('hex').slice(0, 16)
}

/** Any JSON value as a text that does not depend on the order of its fields. */
export function canonical (value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner)
}
