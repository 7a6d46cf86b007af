/**
 * What goes into a globalmaster and what comes out of it, and its bounds.
 */

import { limits } from '../base/limits.ts'
import type { GlobalmasterHello, RelayWordsOfNode } from './globalmaster-message.ts'
import type { AnnouncedRing } from './far-ring.ts'
import type { PeerJudgement } from './peer-report.ts'

export const globalmasterLimits = {
  /** How often it speaks. */
  helloMs: 5_000,
  /** And at most this often, however much changes. */
  helloChangeMs: 1_000,
  /** The roster is said again this often; nodes that start have none. */
  rosterMs: 10_000,
  /** The first roster and report of a new leader wait for so long. */
  firstWordMs: 12_000,
  /** Nodes announce themselves every ten seconds. */
  nodesSilentAfterMs: 30_000,
  /** Nodes tell this often how their relays are; that counts for so long. */
  relayWordsMs: 10_000, relayWordsKeptMs: 35_000,
  /** Relays that are behind for less are no lag. */
  relayLagMs: 1_000,
  /** Nodes that are listened to; those of a ring, and of its former lives for a moment. */
  tellingNodesMax: 2_000,
  /** What is revoked is compared this often at least, so it is no chance that nothing comes. */
  inboxSilentAfterMs: 3 * limits.revocationSyncMs + 10_000,
  /** What is reported of regions is said again this often, with times that no condition needs. */
  reportMs: 300_000,
  /** Reports are at least so far apart. */
  reportChangeMs: 2_000,
  /** A ring that was silent for so long is out of the world, unless its object is there. */
  forgottenAfterMs: limits.regionForgottenMs,
  /** A ring whose object is gone is not believed for so long: its pods are on their way out. */
  leavingMs: 60_000,
  /** One that is listed no more is out of the world after so long a silence. */
  retiredAfterMs: limits.regionSilenceMs,
  /** Rings that are known at once; of more, those that are in the world are kept. */
  farRingsMax: limits.worldRegionsMax - 1
} as const

/** A region that is known without being heard. */
export interface ExpectedPeer {
  readonly region: string
  /** Its object, if that is in our cluster and names our world: namespace/name; and its ring. */
  readonly object?: string
  readonly ringUid?: string
  readonly madeAtMs?: number
}

/** What our own cluster knows. */
export interface WorldConfig {
  readonly world: string
  readonly region: string
  readonly ringUid: string
  readonly madeAtMs: number
  readonly unreachableAfterMs: number
  readonly peers: readonly ExpectedPeer[]
  readonly apps: ReadonlyMap<string, string>
  /** These are what was there last. */
  readonly areAppsUnknown?: boolean
}

/** What a former globalmaster has said of a region. */
export interface FormerPeer {
  readonly region: string
  readonly ringUid: string | undefined
  readonly isInWorld: boolean
  /** Its object, if it had one in our cluster. */
  readonly object: string | undefined
  /** How long ago it was heard; undefined for never, or nobody knows. */
  readonly heardAgoMs?: number | undefined
}

/** What is said of a region. */
export interface PeerReport {
  readonly region: string
  readonly object: string | undefined
  readonly ringUid: string | undefined
  readonly endpoint: string
  /** It is to send its clients to others. */
  readonly isDraining: boolean
  readonly isInWorld: boolean
  /** How long ago it was heard; undefined for never. */
  readonly heardAgoMs: number | undefined
  readonly roundTripMs: number | undefined
  readonly lagMs: number | undefined
  readonly judgements: readonly PeerJudgement[]
}

export type GlobalmasterInput =
  | { readonly kind: 'config'; readonly config: WorldConfig }
  /** Nodes of some region say that it is there. */
  | { readonly kind: 'announced'; readonly ring: AnnouncedRing }
  | { readonly kind: 'hello'; readonly hello: GlobalmasterHello }
  /** One of our nodes tells how its relays are. */
  | { readonly kind: 'relays'; readonly words: RelayWordsOfNode }
  /** A roster was told to our nodes, by us or by another one. */
  | { readonly kind: 'roster'; readonly madeAtMs: number }
  | {
      readonly kind: 'elected'
      readonly term: number
      readonly former: readonly FormerPeer[]
    }
  /** The region is about to be gone, or in no world any more. */
  | { readonly kind: 'leaving' }
  | { readonly kind: 'deadline' }

export type GlobalmasterOutput =
  | { readonly kind: 'hello'; readonly hello: GlobalmasterHello }
  /** For our nodes; the nearest first, our own before all. */
  | {
      readonly kind: 'roster'
      readonly madeAtMs: number
      readonly uids: readonly string[]
      /** In the same order. */
      readonly names: readonly string[]
    }
  /** All other regions, by name. */
  | { readonly kind: 'report'; readonly peers: readonly PeerReport[] }

export interface GlobalmasterOutbox {
  push(output: GlobalmasterOutput): void
}
