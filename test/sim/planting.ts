/** How faults are planted: what one is, and the weathers in which most of them show. */

import type { limits } from '../../src/base/limits.ts'
import type { CableMix } from './cable-weather.ts'
import type { Mix } from './mix.ts'
import type { Region } from './region.ts'
import type { Rewrite } from './rewriting.ts'

/** One way to break the core. */
export interface Planted {
  readonly name: string
  /** The rule that it breaks. */
  readonly rule: string
  /** The checks that may find it. */
  readonly foundBy: readonly string[]
  /** The weather in which it shows. */
  readonly mix?: Partial<Mix>
  /** It shows between regions only: what their cables are like. */
  readonly cables?: Partial<CableMix>
  /** How many there are then; each seed draws its own number otherwise. */
  readonly regionCount?: number
  /** Bounds that are a part of this weather. */
  readonly limits?: Partial<Record<keyof typeof limits, number>>
  /** What happens besides, with the fault and without it. */
  weather?(region: Region): void
  /** Breaks the region, or the core until what it returns is called. */
  plant?(region: Region): (() => void) | void
  /** Breaks the core in what is private. */
  readonly rewrites?: readonly Rewrite[]
}

type Methods<T> = {
  [K in keyof T]: T[K] extends (...args: never[]) => unknown ? K : never
}[keyof T]

/** Replaces a method of a class; returns what puts it back. */
export function replace<T extends object, K extends Methods<T> & keyof T>(
  owner: { readonly prototype: T },
  name: K,
  make: (former: T[K]) => T[K]
): () => void {
  const { prototype } = owner
  const former = prototype[name]
  prototype[name] = make(former)
  return () => {
    prototype[name] = former
  }
}

/** The same for a getter. */
export function replaceGetter<T extends object, K extends keyof T & string>(
  owner: { readonly prototype: T },
  name: K,
  get: (this: T, former: () => T[K]) => T[K]
): () => void {
  const { prototype } = owner
  const former = Object.getOwnPropertyDescriptor(prototype, name)!
  Object.defineProperty(prototype, name, {
    configurable: true,
    get(this: T) {
      return get.call(this, () => former.get!.call(this) as T[K])
    }
  })
  return () => {
    Object.defineProperty(prototype, name, former)
  }
}

/** Undoes several. */
export function all(...undo: (() => void)[]): () => void {
  return () => undo.forEach((each) => each())
}

export const busy: Partial<Mix> = { crashes: 5, workerDeaths: 5, clientDrops: 10, publishRate: 4 }
export const troubled: Partial<Mix> = { logTrouble: 0.08, ...busy }
/** Nothing that would keep a master from hearing how full the log is. */
export const still: Partial<Mix> = {
  partitions: 0, oneWayCuts: 0, meshDowns: 0, pauses: 0, logTrouble: 0, logAways: 0, logFulls: 0
}
/** Mesh, log and ring object do as they should; only nodes and clients may be in trouble. */
export const fair: Partial<Mix> = {
  ...still, loss: 0, repeat: 0, spikes: 0, logLag: 0, ringTrouble: 0, apiAways: 0, strains: 0
}
export const split: Partial<Mix> = {
  partitions: 12, pauses: 6, apiAways: 6, drains: 4, clientDrops: 30, nodeCount: 3
}
