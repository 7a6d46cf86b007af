/**
 * What the main thread of a node and its worker threads say to each other, by postMessage.
 */

import type { MessagePort } from 'node:worker_threads'
import type { AppConfig } from '../auth/app.ts'
import type { LogRoom } from '../log/room.ts'
import type { ErrorInfo } from '../wire/errors.ts'
import type { OtherRegions } from '../node/ports.ts'
import type { WorkerCounts } from '../node/worker.ts'
import type { RelayStanding } from '../region/relay-gauge.ts'
import type { WorldTerms } from '../region/terms.ts'
import type { View } from '../ring/view.ts'

/** How a worker thread reaches other nodes. */
export type MeshSettings =
  | {
      readonly kind: 'nats'
      readonly servers: readonly string[]
      readonly user?: string
      readonly password?: string
      readonly token?: string
      /** The text of a credentials file. */
      readonly credentials?: string
    }
  /** Dev mode; `log`, `archive` and `stats` lead to the process's own (store/embedded.ts). */
  | {
      readonly kind: 'hub'
      readonly port: MessagePort
      readonly log: MessagePort
      readonly stats: MessagePort
      readonly archive: MessagePort
    }

/** What a worker thread is started with. */
export interface WorkerStart {
  readonly worker: number
  readonly generation: number
  readonly workers: number
  readonly incarnation: string
  readonly node: string
  readonly siteCode: string
  /** See bus/subjects.ts. */
  readonly prefix: string
  readonly mesh: MeshSettings
  readonly host: string
  readonly port: number
  /** Serves the sandbox API. */
  readonly isDev: boolean
  /** Signs connection keys. */
  readonly secret: Uint8Array
  /** Connection keys that these have signed are good too. */
  readonly formerSecrets: readonly Uint8Array[]
}

export type ToWorker =
  | { readonly kind: 'sibling'; readonly worker: number; readonly port: MessagePort }
  | {
      readonly kind: 'view'
      readonly view: View
      readonly generations: ReadonlyMap<string, readonly number[]>
      readonly gone: ReadonlySet<string>
    }
  | ({ readonly kind: 'world' } & OtherRegions)
  /** What follows from the world that the region is in. */
  | { readonly kind: 'terms'; readonly terms: WorldTerms }
  /** Answered with `appsKnown`. */
  | { readonly kind: 'apps'; readonly apps: readonly AppConfig[]; readonly ticket: number }
  | { readonly kind: 'logRoom'; readonly room: LogRoom }
  | { readonly kind: 'drain'; readonly withinMs: number }
  | { readonly kind: 'provisioned'; readonly ticket: number; readonly answer: ProvisionAnswer }
  | { readonly kind: 'describe'; readonly ticket: number }
  /** It is about to be ended; answered with `flushed`, if what it counted can be written. */
  | { readonly kind: 'flush' }
  | { readonly kind: 'stop' }

/** What the sandbox API asks of the main thread, where apps are kept. */
export type ProvisionRequest =
  | { readonly kind: 'createApp'; readonly body: unknown }
  | { readonly kind: 'deleteApp'; readonly appId: string }
  /** `key` is the whole text of a key of the app, `appId.keyId:secret`. */
  | { readonly kind: 'addStats'; readonly key: string; readonly body: unknown }

export type ProvisionAnswer =
  | { readonly kind: 'created'; readonly app: object }
  | { readonly kind: 'refused'; readonly error: ErrorInfo }
  | { readonly kind: 'deleted'; readonly existed: boolean }
  | { readonly kind: 'added' }

/** What shows that a worker lives, said every second. */
export interface WorkerStatus {
  readonly turnCount: number
  readonly isMeshUp: boolean
  /** Clients are being asked to leave and newcomers are refused: their count only falls. */
  readonly isDraining: boolean
  readonly counts: WorkerCounts
  /** How its relays stand to each other region. */
  readonly relays: readonly RelayStanding[]
  /** Totals since the thread started. */
  readonly tally: Readonly<Record<string, number>>
  readonly heapBytes: number
  /** Whether new connections are sent elsewhere, and how late the event loop was last. */
  readonly strain: { readonly isStrained: boolean; readonly lagMs: number }
}

export type FromWorker =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'status'; readonly status: WorkerStatus }
  | { readonly kind: 'provision'; readonly ticket: number; readonly request: ProvisionRequest }
  | { readonly kind: 'appsKnown'; readonly ticket: number }
  | { readonly kind: 'described'; readonly ticket: number; readonly lines: readonly string[] }
  | { readonly kind: 'heardView'; readonly version: number; readonly from: string | undefined }
  /** It has what the view of this version gave it, and has read ahead. */
  | { readonly kind: 'settled'; readonly viewVersion: number }
  | { readonly kind: 'flushed' }
  | { readonly kind: 'note'; readonly level: 'info' | 'warn'; readonly text: string }
