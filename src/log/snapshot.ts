/**
 * Snapshots: the state after some entry, as entries of the log itself, fenced like every other
 * (rule 6). Chunks may have other entries between them, since a snapshot shares its appends with
 * the traffic; only the closing entry, whose count and digest fit, makes it whole.
 */

import { digest32 } from '../base/hash.ts'
import { limits } from '../base/limits.ts'
import type { SnapshotChunkEntry, SnapshotEndEntry } from './entry.ts'

/** A snapshot that is whole. */
export interface Snapshot {
  /** Its state includes every entry up to this number. */
  readonly asOf: number
  readonly state: Uint8Array
  /** The engine's sequence of the record that holds its first chunk. */
  readonly firstSeq: number
  readonly end: SnapshotEndEntry
}

/** What a log carries on from epochs whose entries are trimmed away. */
export type EpochEnds = SnapshotEndEntry['epochEnds']

/** The entries that make up a snapshot of `state`, in order. */
export function snapshotEntries(
  id: string,
  asOf: number,
  state: Uint8Array,
  lineage: string,
  epochEnds: EpochEnds
): (SnapshotChunkEntry | SnapshotEndEntry)[] {
  const size = limits.snapshotChunkBytesMax
  const chunkCount = Math.ceil(state.byteLength / size)
  const chunks = Array.from({ length: chunkCount }, (_, chunkNo): SnapshotChunkEntry => {
    const bytes = state.subarray(chunkNo * size, (chunkNo + 1) * size)
    return { kind: 'snapshot', id, asOf, chunkNo, bytes }
  })
  const digest = digest32(state)
  return [...chunks, { kind: 'snapshotEnd', id, chunkCount, digest, lineage, epochEnds }]
}

interface Begun {
  readonly id: string
  readonly asOf: number
  readonly firstSeq: number
  readonly chunks: Uint8Array[]
}

/** Puts snapshots together while a log is read; `newest` is the last whole one. */
export class SnapshotAssembly {
  newest: Snapshot | undefined
  #begun: Begun | undefined

  /** `seq`: the engine's sequence of the record that the entry stands in. */
  onEntry(entry: SnapshotChunkEntry | SnapshotEndEntry, seq: number): void {
    if (entry.kind === 'snapshot') this.#onChunk(entry, seq)
    else this.#onEnd(entry)
  }

  #onChunk({ id, asOf, chunkNo, bytes }: SnapshotChunkEntry, seq: number): void {
    if (chunkNo === 0) this.#begun = { id, asOf, firstSeq: seq, chunks: [] }
    const begun = this.#begun
    if (begun?.id !== id || begun.chunks.length !== chunkNo) this.#begun = undefined
    else begun.chunks.push(bytes)
  }

  #onEnd(end: SnapshotEndEntry): void {
    const begun = this.#begun
    this.#begun = undefined
    if (begun?.id !== end.id || begun.chunks.length !== end.chunkCount) return
    const state = joined(begun.chunks)
    if (digest32(state) !== end.digest) return
    this.newest = { asOf: begun.asOf, state, firstSeq: begun.firstSeq, end }
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const size = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0)
  const bytes = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return bytes
}
