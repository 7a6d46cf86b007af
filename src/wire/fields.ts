/**
 * Reading the fields of something that came from outside. One Reader reads one frame: it remembers
 * the first problem and goes on, so that the code which reads is a plain list of fields and not a
 * ladder of ifs. Null and absent are the same thing here (ably-protocol 3.4), and unknown fields
 * are never looked at.
 */

import type { ProtocolError } from './errors.ts'
import { errors } from './errors.ts'

/** A map with text keys, of which nothing else is known. */
export type Fields = Readonly<Record<string, unknown>>

/** How deep structures from outside may be nested; more is refused, for stacks are finite. */
export const DEPTH_MAX = 64

/** Whether `value` is a map, as opposed to a list, bytes, a scalar or nothing. */
export function isMap(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) &&
    !(value instanceof Uint8Array)
}

/**
 * Whether JSON can carry `value` as it is: no bytes, no infinities, nested at most `depthMax` deep,
 * and no key that would be taken for a prototype by somebody who copies it.
 */
export function isJson(value: unknown, depthMax = DEPTH_MAX): boolean {
  return isPlain(value, depthMax, false)
}

/** The same, but bytes are allowed, as in what LiveObjects carry. */
export function isJsonOrBytes(value: unknown): boolean {
  return isPlain(value, DEPTH_MAX, true)
}

function isPlain(value: unknown, depthLeft: number, withBytes: boolean): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return typeof value !== 'bigint'
  if (value instanceof Uint8Array) return withBytes
  if (depthLeft === 0) return false
  if (Array.isArray(value)) {
    for (const item of value) if (!isPlain(item, depthLeft - 1, withBytes)) return false
    return true
  }
  for (const [key, item] of Object.entries(value)) {
    if (key === '__proto__' || !isPlain(item, depthLeft - 1, withBytes)) return false
  }
  return true
}

/** An empty list is what some languages make of an empty map. */
function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}

/** Reads fields and keeps the first problem met. */
export class Reader {
  problem: ProtocolError | undefined

  /** Remembers `problem` unless there is an earlier one. */
  refuse(problem: ProtocolError): undefined {
    this.problem ??= problem
    return undefined
  }

  /** A string with its lone surrogates replaced, since UTF-8 cannot carry those. */
  text(fields: Fields, key: string, problem?: () => ProtocolError): string | undefined {
    const value = fields[key]
    if (typeof value === 'string') return value.toWellFormed()
    if (value === undefined || value === null) return undefined
    return this.refuse(problem?.() ?? errors.invalidBody(`${key} must be a string`))
  }

  /** An integer, from 0 to 2^53 − 1. */
  count(fields: Fields, key: string): number | undefined {
    const value = fields[key]
    if (value === undefined || value === null) return undefined
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
    return this.refuse(errors.invalidBody(`${key} must be a non-negative integer`))
  }

  /** A map that JSON can carry. */
  map(fields: Fields, key: string, problem?: (detail: string) => ProtocolError)
    : Record<string, unknown> | undefined {
    const value = fields[key]
    if (value === undefined || value === null || isEmptyList(value)) return undefined
    const make = problem ?? errors.invalidBody
    if (!isMap(value)) return this.refuse(make(`${key} must be a map`))
    if (!isJson(value)) return this.refuse(make(`${key} is not JSON, or nested too deeply`))
    return value
  }

  /** A map of texts; numbers and booleans are taken for their text, for SDKs let them pass. */
  texts(fields: Fields, key: string): Record<string, string> | undefined {
    const value = fields[key]
    if (value === undefined || value === null || isEmptyList(value)) return undefined
    if (!isMap(value)) return this.refuse(errors.invalidBody(`${key} must be a map`))
    const texts: Record<string, string> = {}
    for (const [name, text] of Object.entries(value)) {
      if (text === undefined || text === null || name === '__proto__') continue
      if (typeof text === 'object') return this.refuse(errors.invalidParam(name, 'not a text'))
      texts[name] = String(text).toWellFormed()
    }
    return texts
  }

  /** A list of maps, each read by `read`. */
  list<T>(fields: Fields, key: string, read: (item: Fields, reader: Reader) => T)
    : T[] | undefined {
    const value = fields[key]
    if (value === undefined || value === null) return undefined
    if (!Array.isArray(value)) return this.refuse(errors.invalidBody(`${key} must be an array`))
    const items: T[] = []
    for (const item of value) {
      if (!isMap(item)) return this.refuse(errors.invalidBody(`${key} must hold maps`))
      items.push(read(item, this))
      if (this.problem !== undefined) return undefined
    }
    return items
  }
}
