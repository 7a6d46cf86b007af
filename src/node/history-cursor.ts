/**
 * Where a reading of history goes on, as the text that stands in links. In a region that is alone
 * it is the serial of the last item that was told, with the record of the archive that it was read
 * in, if it was: so that the next page need not be searched for. In a world it has one such place
 * for each region that was read, or its name alone, as long as nothing of it was told:
 *
 *   serial!record              eu=serial!record,us=serial,ap
 *
 * A region goes on from its own place, so that nothing of it is left out or told again, whatever is
 * published meanwhile. One without a place goes on forwards from the beginning, backwards from
 * where the others are; and so does one, either way, that was not read before.
 */

import { limits } from '../base/limits.ts'
import { parseMessageSerial, type SerialParts } from '../wire/serial.ts'

/** The place of an item that was told. */
export interface Cursor extends SerialParts {
  readonly serial: string
  readonly index: number
  /** The record of the archive that it was read in. */
  readonly mark: number | undefined
}

/** By region. */
export type Cursors = ReadonlyMap<string, Cursor | undefined>

const MARK = '!'
const MARK_RADIX = 36
const REGION = '='
const NEXT = ','

/** True for a cursor that a reading can go on from. */
export function isCursor(text: string): boolean {
  return isOfWorld(text) ? worldFrom(text) !== undefined : cursorFrom(text) !== undefined
}

/** True for one that names regions. */
export function isOfWorld(text: string | undefined): boolean {
  return text?.includes(REGION) === true
}

/** The place in the region that reads, `region`; undefined where it has none yet. */
export function cursorOf(text: string): Cursor | undefined {
  return cursorFrom(text)
}

/** The places in all regions; one without names is of `region`. */
export function cursorsOf(text: string | undefined, region: string): Cursors {
  if (text === undefined) return new Map()
  if (isOfWorld(text)) return worldFrom(text) ?? new Map()
  return new Map([[region, cursorFrom(text)]])
}

export function cursorText(serial: string, mark: number | undefined): string {
  return mark ? `${serial}${MARK}${mark.toString(MARK_RADIX)}` : serial
}

export function cursorsText(cursors: Cursors): string {
  return [...cursors].map(([region, cursor]) => {
    const name = encodeURIComponent(region)
    return cursor === undefined ? name : `${name}${REGION}${cursorText(cursor.serial, cursor.mark)}`
  }).join(NEXT)
}

/** Where a region goes on; undefined: from the beginning. */
export function startIn(
  region: string, cursors: Cursors, isBackwards: boolean
): Cursor | undefined {
  const own = cursors.get(region)
  if (own !== undefined || (cursors.has(region) && !isBackwards)) return own
  const furthest = lastOf(cursors, isBackwards)
  return furthest && { ...furthest, mark: undefined }
}

/** The place up to which all regions were read. */
function lastOf(cursors: Cursors, isBackwards: boolean): Cursor | undefined {
  let last: Cursor | undefined
  for (const cursor of cursors.values()) {
    if (cursor === undefined) continue
    const isFurther = last === undefined || cursor.serial < last.serial === isBackwards
    if (isFurther) last = cursor
  }
  return last
}

function cursorFrom(text: string): Cursor | undefined {
  const at = text.lastIndexOf(MARK)
  const serial = at === -1 ? text : text.slice(0, at)
  const place = parseMessageSerial(serial)
  const mark = at === -1 ? undefined : Number.parseInt(text.slice(at + 1), MARK_RADIX)
  if (place === undefined || Number.isNaN(mark)) return undefined
  return { ...place, serial, mark }
}

function worldFrom(text: string): Cursors | undefined {
  const parts = text.split(NEXT)
  if (parts.length > limits.worldRegionsMax + 1) return undefined
  const cursors = new Map<string, Cursor | undefined>()
  for (const part of parts) {
    const [name = '', place, ...more] = part.split(REGION)
    const cursor = place === undefined ? undefined : cursorFrom(place)
    const region = regionFrom(name)
    const isOdd = more.length > 0 || (place !== undefined && cursor === undefined)
    if (isOdd || region === undefined || cursors.has(region)) return undefined
    cursors.set(region, cursor)
  }
  return cursors
}

function regionFrom(name: string): string | undefined {
  try {
    return decodeURIComponent(name) || undefined
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}
