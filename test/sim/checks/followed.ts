/**
 * Which view a written one follows: the last that was written, and only that, as long as the object
 * is not lost. Where it was, or was restored, its writer goes by what it holds: that may be far
 * behind what others do, who take no older view and write theirs again above both (rules 4 and 7).
 */

import type { View } from '../../../src/ring/view.ts'
import type { Region } from '../region.ts'

/** The view that `view` of `writer` follows; undefined where nobody can tell. */
export function followedBy(
  view: View, writer: string, last: View | undefined, { kube, nodes }: Region
): View | undefined {
  if (!kube.isRestored) return last
  const held = nodes.get(writer)?.life?.adopted?.view
  // A write that comes late: it has moved on.
  return held !== undefined && held.version < view.version ? held : undefined
}
