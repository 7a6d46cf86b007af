/**
 * What answers say that are put together from several regions, where some could not be asked
 * (docs/decisions/0024-regions.md): their names, in a header of our own.
 */

import { headerText } from './request.ts'

export const REGIONS_MISSING = 'x-ringcast-regions-missing'

/** Nothing where nothing is missing. */
export function missingHeaders(regions: readonly string[]): Record<string, string> {
  return regions.length === 0 ? {} : { [REGIONS_MISSING]: headerText(regions.join(', ')) }
}
