/*
Every condition the operator reports: its type, the reasons it may give, and whether a reason
passes by itself. One table, so that documents, alerts and code speak the same words.
*/

import { present } from '../base/assert.ts'
import type { Condition } from './spec.ts'

/** `settled`: as it should be. `transient`: goes on by itself. `terminal`: waits for a person. */
type Persistence = 'settled' | 'transient' | 'terminal'

const regionCatalogue = {
  Ready: {
    AsSpecified: 'settled',
    Progressing: 'transient',
    Degraded: 'transient',
    ConfigurationRefused: 'terminal',
    Paused: 'terminal'
  },
  Available: { NodesServe: 'settled', NoNodeServes: 'transient' },
  Progressing: {
    Idle: 'settled',
    Starting: 'transient',
    Scaling: 'transient',
    RollingOut: 'transient',
    Waiting: 'transient'
  },
  Degraded: {
    AllNodesServe: 'settled',
    NodesMissing: 'transient',
    NatsNotReady: 'transient',
    RelayNotReady: 'transient',
    GlobalmasterNotReady: 'transient'
  },
  ConfigApplied: {
    Applied: 'settled',
    SpecInvalid: 'terminal',
    NameClash: 'terminal',
    NatsSecretMissing: 'terminal',
    AppsTooLarge: 'terminal',
    WorldSecretUnusable: 'terminal',
    WorldNameTaken: 'terminal',
    Refused: 'terminal'
  },
  /** Of regions in a world. */
  Draining: {
    NotAsked: 'settled',
    NotHeardYet: 'transient',
    ClientsLeave: 'transient',
    Drained: 'settled',
    NoOtherRegion: 'terminal'
  },
  Paused: { PausedByAnnotation: 'terminal', NotPaused: 'settled' }
} as const satisfies Record<string, Record<string, Persistence>>

const appCatalogue = {
  Ready: {
    Served: 'settled',
    RegionMissing: 'transient',
    SpecInvalid: 'terminal',
    KeysUnusable: 'terminal',
    AppIdTaken: 'terminal',
    NameClash: 'terminal',
    NotPublished: 'transient',
    Paused: 'terminal'
  },
  Paused: { PausedByAnnotation: 'terminal', NotPaused: 'settled' }
} as const satisfies Record<string, Record<string, Persistence>>

/** Of the regions in `status.peers`; the globalmaster reports them, while there is one. */
const peerCatalogue = {
  Synced: {
    InTouch: 'settled',
    Unreachable: 'transient',
    NotParticipating: 'terminal',
    NodesNotHeard: 'transient',
    NotInItsWorld: 'transient',
    RelaysNotHeard: 'terminal',
    RelaysBehind: 'transient',
    NotHeardYet: 'transient',
    GlobalmasterSilent: 'transient',
    NotJudged: 'transient'
  },
  Unreachable: {
    Heard: 'settled', NotHeardYet: 'transient', Silent: 'transient', HearsUsNot: 'transient',
    NotJudged: 'transient'
  },
  Drift: {
    AppsAgree: 'settled',
    AppsDiffer: 'terminal',
    AppsUnknown: 'transient',
    NotHeardYet: 'transient',
    GlobalmasterSilent: 'transient',
    NotJudged: 'transient'
  },
  NotParticipating: {
    Participates: 'settled',
    NotHeardYet: 'transient',
    NotInAWorld: 'terminal',
    OtherWorld: 'terminal',
    NameTaken: 'terminal',
    NotJudged: 'transient'
  }
} as const satisfies Record<string, Record<string, Persistence>>

export const conditionCatalogue = {
  region: regionCatalogue, app: appCatalogue, peer: peerCatalogue
}

type Catalogue = typeof conditionCatalogue
export type RegionConditionType = keyof Catalogue['region']
export type AppConditionType = keyof Catalogue['app']

/** What is judged about one condition in a pass. */
export interface Judgement<Type extends string = string> {
  type: Type
  status: 'True' | 'False' | 'Unknown'
  reason: string
  message: string
}

type ReasonOf<Table, Type extends keyof Table> = keyof Table[Type] & string

/** A judgement on a region, with a reason of the catalogue; `isTrue` undefined: nobody knows. */
export function onRegion<Type extends RegionConditionType> (
  type: Type, isTrue: boolean | undefined, reason: ReasonOf<Catalogue['region'], Type>,
  message: string
): Judgement<Type> {
  const status = isTrue === undefined ? 'Unknown' : isTrue ? 'True' : 'False'
  return { type, status, reason, message }
}

/** A judgement on an app, with a reason of the catalogue. */
export function onApp<Type extends AppConditionType> (
  type: Type, isTrue: boolean, reason: ReasonOf<Catalogue['app'], Type>, message: string
): Judgement<Type> {
  return { type, status: isTrue ? 'True' : 'False', reason, message }
}

/** Longest message that is kept; some tools print conditions on one line. */
const messageLengthMax = 1024

/**
 * The conditions of a status: what was judged, with the time of the last change of status kept
 * from before. Conditions not judged in this pass stay as they are, since a pass that was cut
 * short says nothing about them.
 */
export function mergeConditions (
  previous: Condition[] | undefined, judgements: Judgement[], generation: number, now: string
): Condition[] {
  const before = new Map((previous ?? []).map(condition => [condition.type, condition]))
  for (const { type, status, reason, message } of judgements) {
    const former = before.get(type)
    before.set(type, {
      type,
      status,
      reason,
      message: message.slice(0, messageLengthMax),
      lastTransitionTime: former?.status === status ? former.lastTransitionTime : now,
      observedGeneration: generation
    })
  }
  return [...before.values()].sort((a, b) => (a.type < b.type ? -1 : 1))
}

/** True when the reason waits for a person, and trying again changes nothing. */
export function isTerminal (
  table: Record<string, Record<string, Persistence>>, { type, reason }: Judgement
): boolean {
  return present(table[type], `condition ${type}`)[reason] === 'terminal'
}
