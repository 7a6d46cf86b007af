/**
 * Looks into one shelf of the archive for a reading: at single records, by the word of who decides
 * about appends; at pages of any copy, so perhaps of one that lags; and for a place, by halving.
 */

import {
  type ArchiveAsk, type Archived, type ArchiveOutbox, decodeArchived, type Shelf
} from '../log/archive.ts'
import type { LogRecord } from '../log/port.ts'

/** A record, and its number in the shelf. */
export interface Found {
  readonly seq: number
  readonly archived: Archived
}

export class ShelfReader {
  readonly #shelf: Shelf
  readonly #archive: ArchiveOutbox
  readonly #onFailed: () => void
  #isOver = false

  /** `onFailed` is called once, where something could not be read; nothing is called after it. */
  constructor(shelf: Shelf, archive: ArchiveOutbox, onFailed: () => void) {
    this.#shelf = shelf
    this.#archive = archive
    this.#onFailed = onFailed
  }

  /** Nobody waits for anything any more. */
  stop(): void {
    this.#isOver = true
  }

  /** What was read cannot be used. */
  fail(): void {
    this.#isOver = true
    this.#onFailed()
  }

  last(run: (record: Found | undefined) => void): void {
    this.#record({ kind: 'last', shelf: this.#shelf }, run)
  }

  /** The first from this number on. */
  next(from: number, run: (record: Found | undefined) => void): void {
    this.#record({ kind: 'next', shelf: this.#shelf, from }, run)
  }

  page(from: number, countMax: number, run: (records: readonly Found[]) => void): void {
    const request = { kind: 'page' as const, shelf: this.#shelf, from, countMax }
    this.#archive.askArchive(request, (answer) => {
      if (this.#isOver || answer.kind !== 'page') return
      const { outcome } = answer
      const found = outcome.kind === 'page' ? outcome.records.map(foundIn) : [undefined]
      if (found.includes(undefined)) this.fail()
      else run(found as Found[])
    })
  }

  /** The last record of which `isSo`: it holds for all up to some place, and for none behind. */
  search(
    last: Found, isSo: (record: Found) => boolean, onFound: (found: Found | undefined) => void
  ): void {
    if (isSo(last)) {
      onFound(last)
      return
    }
    const halve = (low: Found, high: number): void => {
      if (high - low.seq <= 1) {
        onFound(low)
        return
      }
      const middle = (low.seq + high) >> 1
      this.next(middle, (found) => {
        if (found === undefined || found.seq >= high) halve(low, middle)
        else if (isSo(found)) halve(found, high)
        else halve(low, middle)
      })
    }
    this.next(1, (first) => {
      if (first === undefined || !isSo(first)) onFound(undefined)
      else halve(first, last.seq)
    })
  }

  #record(
    request: ArchiveAsk & { kind: 'last' | 'next' }, run: (record: Found | undefined) => void
  ): void {
    this.#archive.askArchive(request, (answer) => {
      if (this.#isOver || answer.kind !== 'record') return
      const { outcome } = answer
      if (outcome.kind === 'record' && outcome.record === undefined) {
        run(undefined)
        return
      }
      const found = outcome.kind === 'record' ? foundIn(outcome.record!) : undefined
      if (found === undefined) this.fail()
      else run(found)
    })
  }
}

function foundIn({ seq, bytes }: LogRecord): Found | undefined {
  const archived = decodeArchived(bytes)
  return archived && { seq, archived }
}
