/**
 * The ports of a node: what its shell provides, and what of it the simulator replaces. The worker's
 * side of them is `WorkerInput` and `Outbox`; these are the shapes that shells implement.
 */

import type { AppDirectory } from '../auth/app.ts'
import type { Clock, Now } from '../base/clock.ts'
import type { ArchiveAnswer, RecordOutcome, Shelf } from '../log/archive.ts'
import type { AppendOutcome, LogAnswer, ReadOutcome } from '../log/port.ts'
import type { LogRoom } from '../log/room.ts'
import type { LinkFrame } from '../peer/link.ts'
import type { Place } from '../peer/place.ts'
import type { WorldTerms } from '../region/terms.ts'
import type { Foreign, ForeignRegion, OtherRegions } from '../region/world.ts'
import type { View } from '../ring/view.ts'
import type { PutOutcome, StatsAnswer, StatsRecord } from '../stats/port.ts'
import type { CometRequest, CometResponder } from './comet-ports.ts'
import type { Socket } from './outbox.ts'
import type { Strain } from './overload.ts'
import type { RawRequest, Responder } from './request.ts'

export type { Clock, Foreign, ForeignRegion, Now, OtherRegions, Place, Socket }

/**
 * Sends to a place: at most once, in order per sender, silent loss possible; nothing else is
 * promised (rule 13).
 */
export interface Bus {
  send(to: Place, frame: LinkFrame): void
}

/** A partition's log (rule 1). Promises never reject: whatever fails is an outcome. */
export interface Log {
  read(partition: number, from: number): Promise<ReadOutcome>
  append(partition: number, expectedSeq: number, bytes: Uint8Array): Promise<AppendOutcome>
  trim(partition: number, below: number): Promise<void>
  /** This worker masters the partition no longer. */
  release(partition: number): void
}

/** Where statistics are kept (stats/port.ts). Promises never reject: what fails is an outcome. */
export interface StatsStore {
  put(
    key: string, expectedSeq: number, bytes: Uint8Array, ttlMs: number
  ): Promise<PutOutcome>
  /** Undefined: it could not be read. */
  list(path: string, from: number): Promise<StatsRecords | undefined>
  names(path: string): Promise<readonly string[] | undefined>
  /** True: it is gone. */
  remove(key: string): Promise<boolean>
}

export interface StatsRecords {
  readonly records: readonly StatsRecord[]
  readonly isEnd: boolean
}

/** What is kept of persisted channels (log/archive.ts). Promises never reject. */
export interface Archive {
  last(shelf: Shelf): Promise<RecordOutcome>
  next(shelf: Shelf, from: number): Promise<RecordOutcome>
  page(shelf: Shelf, from: number, countMax: number): Promise<ReadOutcome>
  append(
    shelf: Shelf, expectedSeq: number, bytes: Uint8Array, keptMs: number
  ): Promise<AppendOutcome>
  /** Lets go records with a seq below this; done or not, it is over then. */
  trim(shelf: Shelf, below: number): Promise<void>
}

/** How a socket introduces itself: the query of its URL, decoded. */
export interface SocketOpening {
  readonly socket: Socket
  readonly query: ReadonlyMap<string, string>
  readonly isTls: boolean
}

/** Everything that can happen to a worker: the one way in. */
export type WorkerInput =
  | { readonly kind: 'socketOpened'; readonly opening: SocketOpening }
  | {
      readonly kind: 'socketFrame'
      readonly socket: Socket
      readonly data: Uint8Array | string
      readonly isBinary: boolean
    }
  | { readonly kind: 'socketHeard'; readonly socket: Socket }
  | { readonly kind: 'socketClosed'; readonly socket: Socket }
  /** It was not written what it was given: its client takes too slowly. */
  | { readonly kind: 'socketFull'; readonly socket: Socket }
  | { readonly kind: 'request'; readonly request: RawRequest; readonly responder: Responder }
  | {
      readonly kind: 'comet'
      readonly request: CometRequest
      readonly responder: CometResponder
    }
  /** The client hung up; or what it was answered did not reach it. */
  | { readonly kind: 'cometGone'; readonly responder: CometResponder }
  | { readonly kind: 'peerFrame'; readonly frame: LinkFrame }
  | { readonly kind: 'log'; readonly answer: LogAnswer }
  | { readonly kind: 'archive'; readonly answer: ArchiveAnswer }
  | {
      readonly kind: 'view'
      readonly view: View
      /** Current generation of each worker, by incarnation, as far as known. */
      readonly generations: ReadonlyMap<string, readonly number[]>
      /** Listed incarnations known to be gone: the next owners act in their place (rule 10). */
      readonly gone: ReadonlySet<string>
    }
  /** All that is known of the other regions of the world. */
  | {
      readonly kind: 'world'
      readonly foreign: readonly Foreign[]
      /** The names of those that are not heard any more, and belong to it still. */
      readonly absent: readonly string[]
    }
  /** What follows from the world that the region is in. */
  | { readonly kind: 'terms'; readonly terms: WorldTerms }
  | { readonly kind: 'apps'; readonly directory: AppDirectory }
  | { readonly kind: 'logRoom'; readonly room: LogRoom }
  | { readonly kind: 'stats'; readonly answer: StatsAnswer }
  /** The worker is about to end: what it has counted is to be written. */
  | { readonly kind: 'flush' }
  /** How much the worker has to do; told again and again. */
  | { readonly kind: 'strain'; readonly strain: Strain }
  | { readonly kind: 'drain'; readonly withinMs: number }
  | { readonly kind: 'deadline' }
