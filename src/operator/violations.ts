/*
What is wrong with a value, judged by its schema: paths and sentences, never the values themselves,
since a spec may hold what should not stand in a condition or a log.
*/

import { exhaustive } from '../base/assert.ts'
import type { ListSchema, MapSchema, RecordSchema, Rule, Schema, TextSchema } from './schema.ts'
import { isRecord } from './schema.ts'

export interface Violation {
  /** Such as `spec.nats.managed.servers`. */
  path: string
  /** What must hold there. */
  message: string
}

/**
 * Everything wrong with a defaulted value. Rules that span fields are only judged where the
 * fields themselves are sound, so their predicates may rely on the types.
 */
export function violationsOf (schema: Schema, value: unknown, path: string): Violation[] {
  const own = shapeViolations(schema, value, path)
  if (own.length > 0) return own
  return (schema.rules ?? [])
    .filter(rule => !holdsFor(rule, value))
    .map(rule => ({ path, message: rule.message }))
}

function holdsFor (rule: Rule, value: unknown): boolean {
  const holds = rule.holds as ((self: unknown) => boolean) | undefined
  return holds === undefined || holds(value)
}

function shapeViolations (schema: Schema, value: unknown, path: string): Violation[] {
  switch (schema.type) {
    case 'text':
      return textViolations(schema, value, path)
    case 'integer':
      if (!Number.isSafeInteger(value)) return [{ path, message: 'must be a whole number' }]
      return boundViolations(schema, value as number, path)
    case 'flag':
      return typeof value === 'boolean' ? [] : [{ path, message: 'must be true or false' }]
    case 'number-or-text':
      if (typeof value === 'string') return textViolations({ ...schema, type: 'text' }, value, path)
      return Number.isSafeInteger(value)
        ? []
        : [{ path, message: 'must be a whole number or a text' }]
    case 'list':
      return listViolations(schema, value, path)
    case 'map':
      return mapViolations(schema, value, path)
    case 'record':
      return recordViolations(schema, value, path)
    default:
      return exhaustive(schema, 'schema')
  }
}

function textViolations (schema: TextSchema, value: unknown, path: string): Violation[] {
  if (typeof value !== 'string') return [{ path, message: 'must be a text' }]
  const { choices, minLength = 0, maxLength = Infinity, pattern } = schema
  // The API server counts characters, not UTF-16 units.
  const length = [...value].length
  if (choices !== undefined && !choices.includes(value)) {
    return [{ path, message: `must be one of ${choices.join(', ')}` }]
  }
  if (length < minLength) return [{ path, message: `must have at least ${minLength} characters` }]
  if (length > maxLength) return [{ path, message: `must have at most ${maxLength} characters` }]
  if (pattern !== undefined && !new RegExp(pattern, 'u').test(value)) {
    return [{ path, message: `must match ${pattern}` }]
  }
  return []
}

function boundViolations (
  schema: { minimum?: number, maximum?: number, choices?: readonly number[] },
  value: number, path: string
): Violation[] {
  const { minimum = -Infinity, maximum = Infinity, choices } = schema
  if (choices !== undefined && !choices.includes(value)) {
    return [{ path, message: `must be one of ${choices.join(', ')}` }]
  }
  if (value < minimum) return [{ path, message: `must be at least ${minimum}` }]
  if (value > maximum) return [{ path, message: `must be at most ${maximum}` }]
  return []
}

function listViolations (schema: ListSchema, value: unknown, path: string): Violation[] {
  if (!Array.isArray(value)) return [{ path, message: 'must be a list' }]
  const found = countViolations(value.length, schema.minItems, schema.maxItems, path)
  const seen = new Set<string>()
  value.forEach((item, at) => {
    const itemPath = `${path}[${at}]`
    found.push(...violationsOf(schema.items, item, itemPath))
    if (schema.keys === undefined || !isRecord(item)) return
    const key = JSON.stringify(schema.keys.map(name => item[name]))
    if (seen.has(key)) {
      found.push({ path: itemPath, message: `repeats the ${schema.keys.join(', ')} of another` })
    }
    seen.add(key)
  })
  return found
}

function mapViolations (schema: MapSchema, value: unknown, path: string): Violation[] {
  if (!isRecord(value)) return [{ path, message: 'must be a map' }]
  const entries = Object.entries(value)
  return [
    ...countViolations(entries.length, schema.minProperties, schema.maxProperties, path),
    ...entries.flatMap(([key, item]) => violationsOf(schema.values, item, `${path}.${key}`))
  ]
}

function countViolations (
  count: number, least = 0, most = Infinity, path: string
): Violation[] {
  if (count < least) return [{ path, message: `must have at least ${least} entries` }]
  if (count > most) return [{ path, message: `must have at most ${most} entries` }]
  return []
}

function recordViolations (schema: RecordSchema, value: unknown, path: string): Violation[] {
  if (!isRecord(value)) return [{ path, message: 'must be an object' }]
  const found: Violation[] = []
  for (const name of schema.required ?? []) {
    if (value[name] === undefined) found.push({ path: `${path}.${name}`, message: 'is required' })
  }
  for (const [name, field] of Object.entries(schema.fields)) {
    const inner = value[name]
    if (inner !== undefined) found.push(...violationsOf(field, inner, `${path}.${name}`))
  }
  return found
}
