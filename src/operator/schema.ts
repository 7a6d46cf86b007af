/*
The small vocabulary in which our resources are described, once: a field is its type, its bounds,
its default and a sentence for people. From the same description come the CRD that the API server
enforces (`crd.ts`) and the check that the operator repeats (`spec.ts`), so the two cannot
disagree. A rule that spans several fields is written twice side by side, in CEL for the server
and as a predicate for us; the tests hold each pair against the same good and bad objects.
*/

import { exhaustive } from '../base/assert.ts'

/** A rule about one value and what it holds. */
export interface Rule {
  /** Common Expression Language, with `self` the value (and `oldSelf` in a transition rule). */
  cel: string
  /** What a person is told when it does not hold. */
  message: string
  /** The same rule; absent for transition rules, which only the server can judge. */
  holds?: (self: never) => boolean
}

interface Described {
  description: string
  default?: unknown
  rules?: Rule[]
}

export interface TextSchema extends Described {
  type: 'text'
  pattern?: string
  choices?: readonly string[]
  minLength?: number
  maxLength?: number
  format?: 'date-time'
}

export interface NumberSchema extends Described {
  type: 'integer'
  minimum?: number
  maximum?: number
  choices?: readonly number[]
  format?: 'int64'
}

export interface FlagSchema extends Described { type: 'flag' }

/** A whole number or a text: `"50%"`, `"100m"`, `auto`. */
export interface NumberOrTextSchema extends Described {
  type: 'number-or-text'
  pattern?: string
  maxLength?: number
}

export interface ListSchema extends Described {
  type: 'list'
  items: Schema
  minItems?: number
  maxItems?: number
  /** Fields that tell items apart; without it the list is replaced as a whole. */
  keys?: string[]
}

export interface MapSchema extends Described {
  type: 'map'
  values: Schema
  minProperties?: number
  maxProperties?: number
}

export interface RecordSchema extends Described {
  type: 'record'
  fields: Record<string, Schema>
  required?: string[]
}

export type Schema =
  | TextSchema | NumberSchema | FlagSchema | NumberOrTextSchema
  | ListSchema | MapSchema | RecordSchema

type Rest<S extends Schema, Taken extends string> = Omit<S, 'type' | 'description' | Taken>

export function text (description: string, rest: Rest<TextSchema, never> = {}): TextSchema {
  return { type: 'text', description, ...rest }
}

export function integer (description: string, rest: Rest<NumberSchema, never> = {}): NumberSchema {
  return { type: 'integer', description, ...rest }
}

export function flag (description: string, rest: Rest<FlagSchema, never> = {}): FlagSchema {
  return { type: 'flag', description, ...rest }
}

export function numberOrText (
  description: string, rest: Rest<NumberOrTextSchema, never> = {}
): NumberOrTextSchema {
  return { type: 'number-or-text', description, ...rest }
}

export function list (
  description: string, items: Schema, rest: Rest<ListSchema, 'items'> = {}
): ListSchema {
  return { type: 'list', description, items, ...rest }
}

export function map (
  description: string, values: Schema, rest: Rest<MapSchema, 'values'> = {}
): MapSchema {
  return { type: 'map', description, values, ...rest }
}

export function record (
  description: string, fields: Record<string, Schema>, rest: Rest<RecordSchema, 'fields'> = {}
): RecordSchema {
  return { type: 'record', description, fields, ...rest }
}

/** The structural OpenAPI schema of a CRD. */
export function toOpenApi (schema: Schema): Record<string, unknown> {
  return prune({
    description: schema.description,
    ...openApiBody(schema),
    // The server judges a default by the rules before it fills in what is inside it.
    default: schema.default === undefined ? undefined : withDefaults(schema, schema.default),
    'x-kubernetes-validations': schema.rules?.map(rule => ({
      rule: rule.cel, message: rule.message
    }))
  })
}

function openApiBody (schema: Schema): Record<string, unknown> {
  switch (schema.type) {
    case 'text': {
      const { minLength, maxLength, pattern, format, choices } = schema
      return { type: 'string', format, enum: choices, minLength, maxLength, pattern }
    }
    case 'integer': {
      const { minimum, maximum, format, choices } = schema
      return { type: 'integer', format, enum: choices, minimum, maximum }
    }
    case 'flag':
      return { type: 'boolean' }
    case 'number-or-text':
      return {
        'x-kubernetes-int-or-string': true,
        anyOf: [{ type: 'integer' }, { type: 'string' }],
        pattern: schema.pattern,
        maxLength: schema.maxLength
      }
    case 'list':
      return {
        type: 'array',
        minItems: schema.minItems,
        maxItems: schema.maxItems,
        'x-kubernetes-list-type': schema.keys === undefined ? 'atomic' : 'map',
        'x-kubernetes-list-map-keys': schema.keys,
        items: toOpenApi(schema.items)
      }
    case 'map':
      return {
        type: 'object',
        minProperties: schema.minProperties,
        maxProperties: schema.maxProperties,
        additionalProperties: toOpenApi(schema.values)
      }
    case 'record':
      return {
        type: 'object',
        required: schema.required,
        properties: Object.fromEntries(
          Object.entries(schema.fields).map(([name, field]) => [name, toOpenApi(field)])
        )
      }
    default:
      return exhaustive(schema, 'schema')
  }
}

/** The value with every absent field that has a default filled in. Never changes its argument. */
export function withDefaults (schema: Schema, value: unknown): unknown {
  const given = value === undefined || value === null ? schema.default : value
  if (given === undefined) return undefined
  if (schema.type === 'record' && isRecord(given)) {
    const filled: Record<string, unknown> = { ...given }
    for (const [name, field] of Object.entries(schema.fields)) {
      const inner = withDefaults(field, given[name])
      if (inner !== undefined) filled[name] = inner
    }
    return filled
  }
  if (schema.type === 'list' && Array.isArray(given)) {
    return given.map(item => withDefaults(schema.items, item))
  }
  if (schema.type === 'map' && isRecord(given)) {
    return Object.fromEntries(
      Object.entries(given).map(([key, item]) => [key, withDefaults(schema.values, item)])
    )
  }
  return structuredClone(given)
}

export function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function prune (object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))
}
