/**
 * Assertions stay on in production: a broken invariant means that we are wrong, and a worker that
 * is wrong ends (a small death that its peers are told of) rather than go on with bad state.
 */

/** Thrown when an invariant of ours does not hold; never for a client's or the world's fault. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Throws AssertionError with `what` unless `fact` is true. */
export function assert(fact: boolean, what: string): asserts fact {
  if (!fact) throw new AssertionError(what)
}

/** Returns `value`, which must be there; `what` names it in the error when it is not. */
export function present<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new AssertionError(`missing: ${what}`)
  return value
}

/** Closes a switch over a union: the compiler refuses a member that was forgotten. */
export function exhaustive(value: never, what: string): never {
  throw new AssertionError(`${what}: unexpected ${JSON.stringify(value)}`)
}
