/** What a planted fault is, and how a method of the core is replaced for the time of a run. */

import type { Region } from './region.ts'
import type { Mix } from './weather.ts'

/** One way to break the core. */
export interface Planted {
  readonly name: string
  /** The rule that it breaks. */
  readonly rule: string
  /** The checks that may find it. */
  readonly foundBy: readonly string[]
  /** The weather in which it shows. */
  readonly mix?: Partial<Mix>
  /** Breaks the region, or the core until what it returns is called. */
  plant(region: Region): (() => void) | void
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
