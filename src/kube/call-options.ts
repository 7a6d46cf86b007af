/*
What a call of the client may carry beside the object.
*/

export interface CallOptions {
  signal?: AbortSignal
  timeoutMs?: number
}

export interface ListOptions extends CallOptions {
  /** Absent: every namespace. */
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  /** Objects per page; default 500. */
  limit?: number
}

export interface WriteOptions extends CallOptions {
  subresource?: string
  dryRun?: boolean
  fieldValidation?: 'Strict' | 'Warn' | 'Ignore'
  fieldManager?: string
}

export interface ApplyOptions extends WriteOptions {
  fieldManager: string
  /** Take fields over from other managers instead of failing with a conflict. */
  force?: boolean
}

export interface RemoveOptions extends CallOptions {
  propagation?: 'Orphan' | 'Background' | 'Foreground'
  gracePeriodSeconds?: number
  preconditions?: { uid?: string, resourceVersion?: string }
  dryRun?: boolean
}

export interface WatchOptions extends ListOptions {
  resourceVersion?: string
  timeoutSeconds?: number
  allowBookmarks?: boolean
}
