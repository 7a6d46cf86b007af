/*
Conditions as every Kubernetes tool expects them.
*/

import { integer, list, record, text } from './schema.ts'
import type { ListSchema } from './schema.ts'

export function conditionsSchema (): ListSchema {
  return list('What is true of this object, one entry per type.', record('One condition.', {
    type: text('What it is about.', { maxLength: 316 }),
    status: text('Whether it holds.', { choices: ['True', 'False', 'Unknown'] }),
    reason: text('Why, as one word from a closed set.',
      { minLength: 1, maxLength: 1024, pattern: '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$' }),
    message: text('Why, for people.', { maxLength: 32768 }),
    lastTransitionTime: text('When the status last changed.', { format: 'date-time' }),
    observedGeneration: integer('Generation of the spec it was judged for.', { format: 'int64' })
  }, { required: ['type', 'status', 'reason', 'message', 'lastTransitionTime'] }), {
    keys: ['type'], maxItems: 32
  })
}
