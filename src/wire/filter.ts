/**
 * The filter of a derived channel: a JMESPath expression over a message's `name` and `headers`
 * (ably-protocol 7.8). A message is let through when the expression is true of it, in the sense of
 * JMESPath: anything but false, null and what is empty. One that it cannot be asked of (a number
 * is wanted where there is none) is not let through.
 *
 * Expressions come from clients and are evaluated for every message, so that their cost has a
 * bound: they are short, and made only of parts whose result is no larger than what they are given
 * and which look at each part of the message once. So there is no way back to the root from within
 * a list, nothing that builds lists or maps, and no function that makes text longer, but for one
 * `to_string`. What is left compares, selects and counts, which is what filters are for.
 */

import { compile, TreeInterpreter } from '@jmespath-community/jmespath'
import { limits } from '../base/limits.ts'
import { isMap } from './fields.ts'
import type { Message } from './protocol-message.ts'

/** Whether a message is let through. */
export type Filter = (message: Pick<Message, 'name' | 'extras'>) => boolean

export type ParsedFilter =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly problem: string }

type Expression = ReturnType<typeof compile>

const PARTS: ReadonlySet<string> = new Set([
  'Identity', 'Current', 'Literal', 'Field', 'Subexpression', 'Index', 'IndexExpression', 'Slice',
  'Projection', 'ValueProjection', 'FilterProjection', 'Flatten', 'Pipe', 'Comparator',
  'OrExpression', 'AndExpression', 'NotExpression', 'Ternary', 'Arithmetic', 'Unary', 'Function'
])

const FUNCTIONS: ReadonlySet<string> = new Set([
  'abs', 'avg', 'ceil', 'contains', 'ends_with', 'floor', 'keys', 'length', 'lower', 'max', 'min',
  'not_null', 'reverse', 'sort', 'starts_with', 'sum', 'to_array', 'to_number', 'to_string',
  'type', 'upper', 'values'
])

/** The expression in a channel's qualifier, in either alphabet of base64, if it is one of ours. */
export function parseFilter(base64: string): ParsedFilter {
  if (base64.length > limits.filterLengthMax * 4) return { ok: false, problem: 'it is too long' }
  const text = textOfBase64(base64)
  if (text === undefined) return { ok: false, problem: 'it is not base64 of UTF-8' }
  if (text.length > limits.filterLengthMax) return { ok: false, problem: 'it is too long' }
  const parsed = expressionOf(text)
  return typeof parsed === 'string' ? { ok: false, problem: parsed } : { ok: true, text }
}

/** The filter of an expression that `parseFilter` has let in; of any other one, nothing passes. */
export function filterOf(text: string): Filter {
  const expression = expressionOf(text)
  if (typeof expression === 'string') return () => false
  return ({ name = null, extras }) => {
    const headers = isMap(extras?.['headers']) ? extras['headers'] : null
    try {
      return isTrue(TreeInterpreter.search(expression, { name, headers } as never))
    } catch {
      return false // It was asked something that its types do not allow.
    }
  }
}

/** The expression, or why it is none. */
function expressionOf(text: string): Expression | string {
  let expression: Expression
  try {
    expression = compile(text, { enable_legacy_literals: true })
  } catch {
    return 'it is no JMESPath expression' // The parser's own words quote what the client wrote.
  }
  return problemOf(expression) ?? expression
}

function problemOf(expression: Expression): string | undefined {
  const left: unknown[] = [expression]
  let partCount = 0
  let textCount = 0
  while (left.length > 0) {
    const part = left.pop()
    if (Array.isArray(part)) {
      left.push(...part)
      continue
    }
    if (!isMap(part) || typeof part['type'] !== 'string') continue
    const { type, name } = part
    if (++partCount > limits.filterPartsMax) return 'it has too many parts'
    if (!PARTS.has(type)) return `filters cannot have a ${type}`
    if (type === 'Function' && !FUNCTIONS.has(String(name))) return `there is no function ${name}`
    if (type === 'Function' && name === 'to_string' && ++textCount > 1) {
      return 'it has more than one to_string'
    }
    // What a literal holds is data, and no part of the expression.
    if (type !== 'Literal') left.push(...Object.values(part))
  }
  return undefined
}

/** As JMESPath takes it: false, null, and empty texts, lists and maps are not true. */
function isTrue(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === '') return false
  if (Array.isArray(value)) return value.length > 0
  return !isMap(value) || Object.keys(value).length > 0
}

function textOfBase64(base64: string): string | undefined {
  const alphabet = /[-_]/.test(base64) ? 'base64url' : 'base64'
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(
      Uint8Array.fromBase64(base64, { alphabet }))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined
    throw error
  }
}
