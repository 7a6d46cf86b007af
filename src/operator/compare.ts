/*
Whether a live object already is what we want. The server adds defaults and others add fields of
their own, so what we want must be *in* the live object, not equal to it; what we once applied and
no longer want shows in the digest that travels as an annotation.
*/

import { amountOf } from './quantity.ts'
import { isRecord } from './schema.ts'

/** Fields that tell the items of a list apart, as in the API's own merge rules. */
const itemKeys = ['name', 'mountPath', 'port', 'topologyKey', 'uid'] as const

/** Maps whose values are quantities. */
const quantityMaps = new Set(['requests', 'limits'])

/**
 * True when every field of `desired` is in `live` with the same meaning.
 *
 * Lists of named items may hold more live than desired (a sidecar, an injected variable); other
 * lists must match as a whole.
 */
export function isContained (desired: unknown, live: unknown): boolean {
  if (live === undefined || live === null) return isEmpty(desired)
  if (Array.isArray(desired)) return Array.isArray(live) && isListContained(desired, live)
  if (isRecord(desired)) {
    return isRecord(live) && Object.entries(desired).every(
      ([name, value]) => isFieldContained(name, value, live[name])
    )
  }
  return desired === live
}

/** What the server leaves out when it writes an object down. */
function isEmpty (value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0
  return isRecord(value) ? Object.keys(value).length === 0 : value === undefined || value === ''
}

function isFieldContained (name: string, desired: unknown, live: unknown): boolean {
  if (quantityMaps.has(name) && isRecord(desired) && isRecord(live)) {
    return Object.entries(desired).every(([key, value]) => isSameAmount(value, live[key]))
  }
  if (name === 'storage' || name === 'sizeLimit') {
    return isRecord(desired) ? isContained(desired, live) : isSameAmount(desired, live)
  }
  return isContained(desired, live)
}

function isSameAmount (a: unknown, b: unknown): boolean {
  if (a === b) return true
  const [left, right] = [amountOf(a), amountOf(b)]
  return left !== undefined && left === right
}

function isListContained (desired: unknown[], live: unknown[]): boolean {
  const key = keyOfItems(desired)
  if (key === undefined) {
    return desired.length === live.length &&
      desired.every((item, at) => isContained(item, live[at]))
  }
  return desired.every(item => live.some(candidate =>
    isRecord(item) && isRecord(candidate) && item[key] === candidate[key] &&
    isContained(item, candidate)))
}

/** The first field that every item has, with a value of its own. */
function keyOfItems (items: unknown[]): string | undefined {
  if (items.length === 0) return undefined
  return itemKeys.find(key => {
    const values = items.map(item => isRecord(item) ? item[key] : undefined)
    return values.every(value => value !== undefined) && new Set(values).size === items.length
  })
}
