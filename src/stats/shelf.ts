/**
 * What the store has of one app, read for one purpose: the tallies that are there, and sheets, each
 * once. Whoever asks is called back with undefined where something could not be read.
 */

import type { Entries } from './entries.ts'
import type { StatsOutbox, StatsRecord } from './port.ts'
import {
  decodeSheet, decodeTally, emptySheet, minuteOf, type Sheet, sheetsPath, talliesPath
} from './record.ts'
import type { Unit } from './interval.ts'

export interface Tally {
  readonly key: string
  readonly seq: number
  readonly minuteMs: number
  readonly entries: Entries
}

/** A sheet with its last writing; 0: it is not there. */
export interface Held {
  readonly seq: number
  readonly sheet: Sheet
}

type Done<T> = (value: T | undefined) => void

const NOTHING: Held = { seq: 0, sheet: emptySheet }

export class Shelf {
  readonly appId: string
  readonly #store: StatsOutbox
  readonly #held = new Map<string, Held>()

  constructor(appId: string, store: StatsOutbox) {
    this.appId = appId
    this.#store = store
  }

  /** All tallies that are there. */
  tallies(onDone: Done<readonly Tally[]>): void {
    const found = new Map<string, Tally>()
    this.#list(talliesPath(this.appId), 0, (records) => {
      // One that is written anew while it is being read comes again, later.
      for (const { key, seq, bytes } of records) {
        found.set(key, { key, seq, minuteMs: minuteOf(key), entries: decodeTally(bytes).entries })
      }
    }, (isWhole) => onDone(isWhole ? [...found.values()] : undefined))
  }

  /** One tally as it is now; `lastSeq` 0: it is gone. */
  tally(key: string, onDone: Done<Tally>): void {
    this.#list(key, 0, (records) => {
      const last = records.at(-1)
      const tally = last && { key, seq: last.seq, minuteMs: minuteOf(key),
        entries: decodeTally(last.bytes).entries }
      onDone(tally)
    }, (isWhole) => {
      if (!isWhole) onDone(undefined)
    })
  }

  /** The ids of the wider intervals of which there are sheets. */
  spans(unit: Unit, onDone: Done<readonly string[]>): void {
    const path = sheetsPath(this.appId, unit)
    this.#store.askStats({ kind: 'names', path }, (answer) => {
      const names = answer.kind === 'names' ? answer.names : undefined
      onDone(names?.map((name) => name.slice(path.length)))
    })
  }

  /** Has these sheets read, where they were not before; then `sheet` tells of them. */
  load(keys: readonly string[], onDone: (isDone: boolean) => void): void {
    const missing = keys.filter((key) => !this.#held.has(key))
    let openCount = missing.length
    let isFailed = false
    if (openCount === 0) onDone(true)
    for (const key of missing) {
      this.#list(key, 0, (records) => {
        const last = records.at(-1)
        this.#held.set(key, last === undefined ? NOTHING
          : { seq: last.seq, sheet: decodeSheet(last.bytes) })
      }, (isWhole) => {
        isFailed ||= !isWhole
        if (--openCount === 0) onDone(!isFailed)
      })
    }
  }

  /** A sheet that was loaded. */
  sheet(key: string): Held {
    return this.#held.get(key) ?? NOTHING
  }

  #list(
    path: string,
    from: number,
    onRecords: (records: readonly StatsRecord[]) => void,
    onEnd: (isWhole: boolean) => void
  ): void {
    this.#store.askStats({ kind: 'list', path, from }, (answer) => {
      if (answer.kind !== 'list' || answer.page === undefined) {
        onEnd(false)
        return
      }
      const { records, isEnd } = answer.page
      onRecords(records)
      const last = records.at(-1)
      if (isEnd || last === undefined) onEnd(true)
      else this.#list(path, last.seq + 1, onRecords, onEnd)
    })
  }
}
