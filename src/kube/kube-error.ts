/*
The one error of this room: the API server said no, or could not be asked.
*/

export interface KubeErrorOptions {
  /** HTTP status; 0 when no answer came. */
  status: number
  /** The server's `Status.reason` (`Conflict`, `NotFound`, …), or one of `Unreachable`,
   * `Timeout`, `Aborted`, `BadAnswer`, `Credentials` when the failure is on this side. */
  reason: string
  message: string
  retryAfterMs?: number
  cause?: unknown
}

export class KubeError extends Error {
  readonly status: number
  readonly reason: string
  readonly retryAfterMs: number | undefined

  constructor (options: KubeErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'KubeError'
    this.status = options.status
    this.reason = options.reason
    this.retryAfterMs = options.retryAfterMs
  }
}

/** A write lost a race: the object changed since it was read, or fields belong to another. */
export function isConflict (error: unknown): boolean {
  return error instanceof KubeError && error.status === 409 && error.reason !== 'AlreadyExists'
}

export function isAlreadyExists (error: unknown): boolean {
  return error instanceof KubeError && error.reason === 'AlreadyExists'
}

export function isNotFound (error: unknown): boolean {
  return error instanceof KubeError && error.status === 404
}

/** The resourceVersion asked for is no longer in the server's history: list again. */
export function isGone (error: unknown): boolean {
  return error instanceof KubeError && error.status === 410
}

/** The server refuses the object itself; the same request will never succeed. */
export function isInvalid (error: unknown): boolean {
  return error instanceof KubeError && (error.status === 422 || error.status === 400)
}

export function isUnauthorized (error: unknown): boolean {
  return error instanceof KubeError && error.status === 401
}

/** Our role does not allow it. */
export function isForbidden (error: unknown): boolean {
  return error instanceof KubeError && error.status === 403
}

/** No answer came at all: server away, connection cut, or time out. */
export function isUnreachable (error: unknown): boolean {
  return error instanceof KubeError && error.status === 0 &&
    (error.reason === 'Unreachable' || error.reason === 'Timeout')
}
