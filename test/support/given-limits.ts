/**
 * Loaded first in every thread of a node that has bounds of its own: what takes minutes with the
 * usual ones takes seconds then.
 */

import { limits } from '../../src/base/limits.ts'

Object.assign(limits, JSON.parse(process.env.GIVEN_LIMITS ?? '{}'))
