/*
What a pass over an object is given to see and act with, and what it says when it is done.
*/

import type { KubeObject } from '../kube/resource.ts'
import { onRegion } from './conditions.ts'
import type { Judgement } from './conditions.ts'
import type { OperatorDefaults } from './desired.ts'
import type { Inventory } from './inventory.ts'
import type { Pod } from './plan.ts'
import type { LeaseAges } from './unjudged.ts'
import type { Writer } from './writer.ts'

/** The answer of a node to "may you restart now?". */
export type RestartAnswer = { isAllowed: true } | { isAllowed: false, reason: string }

/** What a node says of its clients, and whether its region sends them away. */
export interface ClientsAnswer { connections: number, drain: 'none' | 'draining' | 'alone' }

export interface PassContext {
  inventory: Inventory
  writer: Writer
  defaults: OperatorDefaults
  /** Asks a node over its private port. Never throws: no answer is a no. */
  askRestart: (pod: Pod) => Promise<RestartAnswer>
  /** Asks a node likewise. Never throws; undefined: no answer. */
  askClients: (pod: Pod) => Promise<ClientsAnswer | undefined>
  /** Records an event. */
  tell: (
    about: KubeObject, type: 'Normal' | 'Warning', reason: string, action: string, note: string
  ) => void
  leases: LeaseAges
  /** How long nobody judges peers before that is said. */
  peersUnjudgedAfterMs: number
  /** Has a region looked at again, now: what it hands to its nodes is not what it should be. */
  wakeRegion: (namespace: string, name: string) => void
  /** A new secret: 32 random characters without `.`, `:` or white space, a letter first. */
  random: () => string
  /** Now, as the API writes it, in whole seconds. */
  now: () => string
}

/** When to look again, if nothing happens before. */
export interface Outlook { afterMs?: number }

/** A pass over a region ends early with what a person must mend. */
export interface Refusal { judgement: Judgement<'ConfigApplied'>, afterMs?: number }

export function refusal (
  reason: Parameters<typeof onRegion<'ConfigApplied'>>[2], message: string
): Refusal {
  return { judgement: onRegion('ConfigApplied', false, reason, message) }
}
