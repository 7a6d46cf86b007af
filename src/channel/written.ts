/**
 * How far a channel's log has what was born in other regions, and of each since where without a
 * gap. That is what is said to who wants to know that another region has it (copying.ts); and by
 * how far it has come, whoever takes the channel over goes on.
 */

import type { Origin, Publication, Standing } from '../peer/message.ts'
import type { Stretch } from '../peer/relay-message.ts'

export class Written {
  /** By region: the last one that is written. */
  readonly #last = new Map<string, Origin>()
  /** By region: all that was born after this is written, as far as the last one. */
  readonly #after = new Map<string, { readonly lineage: string; readonly seq: number }>()
  /** By region: what was said of it last. */
  readonly #said = new Map<string, Stretch>()

  get origins(): readonly Origin[] {
    return [...this.#last.values()]
  }

  /** It is in the log, or was found there. */
  onWritten(origin: Origin): void {
    this.#last.set(origin.region, origin)
  }

  /** From here on, or from here on again, all of it is taken. */
  begin({ region, lineage, seq }: Origin): void {
    if (this.#after.get(region)?.lineage !== lineage) this.#after.set(region, { lineage, seq })
  }

  /** Of what is written, and still can be read. */
  note({ origin, isBreak, owner }: Pick<Publication, 'origin' | 'isBreak' | 'owner'>): void {
    if (origin === undefined) return
    const { region, lineage, seq } = origin
    if (isBreak === true) this.#after.set(region, { lineage, seq })
    // What is decided here of members names a place that is written, or was lost before.
    else if (owner === undefined) this.begin({ ...origin, seq: seq - 1 })
  }

  /** What is there of a region without a gap, if it is anything. */
  stretchOf(region: string): Stretch | undefined {
    const [last, after] = [this.#last.get(region), this.#after.get(region)]
    if (last === undefined || last.lineage !== after?.lineage) return undefined
    return { lineage: last.lineage, after: after.seq, seq: last.seq }
  }

  /** The same where it was not said yet. */
  newsOf(region: string): Stretch | undefined {
    const stretch = this.stretchOf(region)
    const said = this.#said.get(region)
    const isSaid = said?.seq === stretch?.seq && said?.after === stretch?.after &&
      said?.lineage === stretch?.lineage
    if (stretch === undefined || isSaid) return undefined
    this.#said.set(region, stretch)
    return stretch
  }
}

/** What comes after it in their log begins with them. */
export function placeBefore(
  [first]: readonly Publication[]
): Pick<Standing, 'seq' | 'entry'> | undefined {
  return first && { seq: first.seq - 1, entry: first.entry - 1 }
}
