/**
 * What a node is in its ring, by the view it holds and by what it sees of itself: the states and
 * ways of `Standing` (node/member-ports.ts).
 */

import { isTombstoned, type Member, type View } from '../ring/view.ts'
import type { Standing } from './member-ports.ts'

/** What a standing follows from. */
export interface StandingFacts {
  readonly self: string
  /** The view that is held, and this node as it lists it. */
  readonly view: View | undefined
  readonly listed: Member | undefined
  readonly former: Standing
  readonly isDraining: boolean
  readonly isMeshUp: boolean
  readonly isPodSeen: boolean
}

/** A standing and why, in words for people. */
export interface Judgement {
  readonly standing: Standing
  readonly reason: string
}

/** Nothing comes after these: the shell ends the process, or begins a new life. */
export function isFinal(standing: Standing): boolean {
  return standing === 'left' || standing === 'removed'
}

/** Where this node stands now. */
export function judgeStanding(facts: StandingFacts): Judgement {
  const { self, view, listed, former, isDraining } = facts
  if (view !== undefined && listed !== undefined) {
    const standing = isDraining ? 'leaving' : listed.state
    return { standing, reason: `listed as ${listed.state} in view ${view.version}` }
  }
  if (isDraining || former === 'leaving') {
    return { standing: 'left', reason: 'not in the view any more' }
  }
  if (former === 'joining' || former === 'serving') {
    return { standing: 'removed', reason: `view ${view?.version} does not list this node` }
  }
  if (view !== undefined && isTombstoned(self, view)) {
    return { standing: 'removed', reason: 'this incarnation was removed' }
  }
  const missing = view === undefined ? 'the ring'
    : !facts.isMeshUp ? 'the mesh'
      : !facts.isPodSeen ? 'its own pod in the API' : undefined
  if (missing === undefined) return { standing: 'candidate', reason: 'heard and seen' }
  return { standing: 'waiting', reason: `waiting for ${missing}` }
}
