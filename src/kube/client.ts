/*
A small typed client of the Kubernetes API: any resource, eight verbs, plain objects.

It keeps no state but its connections and the credentials. It does not retry, with two
exceptions that cannot do a thing twice: a request refused as unauthorized is sent again with
credentials read anew, and a read that fell on a kept connection the server had just closed is
sent again on a new one.
*/
import type {
  ApplyOptions, CallOptions, ListOptions, RemoveOptions, WatchOptions, WriteOptions
} from './call-options.ts'
import { type Authorization, type Credentials } from './credentials.ts'
import { KubeError, isNotFound } from './kube-error.ts'
import {
  type KubeList, type KubeObject, type ObjectName, type Resource, apiVersionOf, resourcePath
} from './resource.ts'
import { errorOf, parsed, warningsOf } from './status.ts'
import { systemTimers, type Timers } from './timers.ts'
import { type Answer, type Exchange, Transport } from './transport.ts'
import { type WatchStream, watchStreamOf } from './watch-stream.ts'

export type {
  ApplyOptions, CallOptions, ListOptions, RemoveOptions, WatchOptions, WriteOptions
} from './call-options.ts'
export type { WatchEvent, WatchStream } from './watch-stream.ts'

export type Verb =
  'get' | 'list' | 'watch' | 'create' | 'apply' | 'replace' | 'patch' | 'delete' | 'discover'

/** What the metrics hook is told of every request, watches included (at their answer). */
export interface RequestReport {
  verb: Verb
  /** Plural of the resource, with its subresource: `pods`, `realtimerings/status`. */
  resource: string
  /** HTTP status; 0 when no answer came. */
  code: number
  durationMs: number
}

export interface KubeClientOptions {
  credentials: Credentials
  /** Such as `ringcast-operator/0.1.0`. */
  userAgent: string
  /** Bound on every call but the body of a watch. Default 30 s. */
  timeoutMs?: number
  onRequest?: (report: RequestReport) => void
  /** Told of every `Warning` header (deprecations, dropped fields). */
  onWarning?: (warning: string) => void
  timers?: Timers
}

type Query = Record<string, string | number | boolean | undefined>

interface Call extends CallOptions {
  verb: Verb
  /** For the metrics hook. */
  what: string
  method: Exchange['method']
  path: string
  query?: Query
  body?: object
  contentType?: string
}

const defaultTimeoutMs = 30_000
const defaultPageLimit = 500

/** Every method throws `KubeError`, and nothing else, when the world is at fault. */
export class KubeClient {
  /** Base URL of the API server. */
  readonly server: string
  /** The namespace the credentials name, if they do. */
  readonly namespace: string | undefined
  readonly #options: KubeClientOptions
  readonly #timers: Timers
  readonly #transport: Transport

  constructor (options: KubeClientOptions) {
    this.server = options.credentials.server
    this.namespace = options.credentials.namespace
    this.#options = options
    this.#timers = options.timers ?? systemTimers
    this.#transport = new Transport(options.credentials, this.#timers)
  }

  /** The object, or undefined where there is none. */
  async get<T extends KubeObject> (
    resource: Resource, target: ObjectName, options: CallOptions & { subresource?: string } = {}
  ): Promise<T | undefined> {
    try {
      return await this.#object<T>({
        ...options, ...this.#at(resource, target, options.subresource), verb: 'get', method: 'GET'
      })
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  /**
   * All pages, as of one resourceVersion. A 410 in the middle (the pages outlived the server's
   * history) is thrown: whoever lists must begin again.
   */
  async list<T extends KubeObject> (
    resource: Resource, options: ListOptions = {}
  ): Promise<KubeList<T>> {
    const items: T[] = []
    let page = await this.listPage<T>(resource, options)
    items.push(...page.items)
    while (page.continue !== undefined) {
      page = await this.listPage<T>(resource, { ...options, continue: page.continue })
      items.push(...page.items)
    }
    return { items, resourceVersion: page.resourceVersion }
  }

  /** One page of at most `limit` objects. */
  async listPage<T extends KubeObject> (
    resource: Resource, options: ListOptions & { continue?: string } = {}
  ): Promise<KubeList<T>> {
    interface RawList {
      metadata?: { resourceVersion?: string, continue?: string }
      items?: Array<Partial<T>> | null
    }
    const list = await this.#object<RawList>({
      ...options,
      verb: 'list',
      what: resource.plural,
      method: 'GET',
      path: resourcePath(resource, options.namespace),
      query: { ...selection(options), continue: options.continue }
    })
    // The items of a list of built-in objects do not repeat what they are.
    const type = { apiVersion: apiVersionOf(resource), kind: resource.kind }
    const next = list.metadata?.continue
    return {
      items: (list.items ?? []).map(item => ({ ...type, ...item }) as T),
      resourceVersion: list.metadata?.resourceVersion ?? '',
      continue: next === '' ? undefined : next
    }
  }

  /** With `subresource`, posts to that part of the object, such as `eviction` of a pod. */
  async create<T extends KubeObject> (
    resource: Resource, object: T, options: WriteOptions = {}
  ): Promise<T> {
    const { name, namespace } = object.metadata
    const path = options.subresource === undefined
      ? resourcePath(resource, namespace)
      : resourcePath(resource, namespace, name, options.subresource)
    return await this.#object<T>({
      ...options,
      verb: 'create',
      what: whatOf(resource, options.subresource),
      method: 'POST',
      path,
      query: writeQuery(options),
      body: object
    })
  }

  /**
   * Server-side apply: makes the fields given ours and leaves the rest alone. The object needs
   * its apiVersion, kind and name, and must not carry managedFields.
   */
  async apply<T extends KubeObject> (
    resource: Resource, object: T, options: ApplyOptions
  ): Promise<T> {
    return await this.#object<T>({
      ...options,
      ...this.#at(resource, nameOf(resource, object), options.subresource),
      verb: 'apply',
      method: 'PATCH',
      query: { ...writeQuery(options), force: options.force === true ? true : undefined },
      body: object,
      contentType: 'application/apply-patch+yaml'
    })
  }

  /**
   * Puts the whole object. With `metadata.resourceVersion` this is compare-and-swap: a conflict
   * (`isConflict`) says that somebody wrote in between.
   */
  async replace<T extends KubeObject> (
    resource: Resource, object: T, options: WriteOptions = {}
  ): Promise<T> {
    return await this.#object<T>({
      ...options,
      ...this.#at(resource, nameOf(resource, object), options.subresource),
      verb: 'replace',
      method: 'PUT',
      query: writeQuery(options),
      body: object
    })
  }

  /** JSON merge patch (RFC 7386): null removes, arrays are replaced whole. */
  async mergePatch<T extends KubeObject> (
    resource: Resource, target: ObjectName, patch: object, options: WriteOptions = {}
  ): Promise<T> {
    return await this.#object<T>({
      ...options,
      ...this.#at(resource, target, options.subresource),
      verb: 'patch',
      method: 'PATCH',
      query: writeQuery(options),
      body: patch,
      contentType: 'application/merge-patch+json'
    })
  }

  /** Resolves with false when it was not there; deletion may still be under way afterwards. */
  async remove (
    resource: Resource, target: ObjectName, options: RemoveOptions = {}
  ): Promise<boolean> {
    const { propagation, gracePeriodSeconds, preconditions, dryRun } = options
    try {
      await this.#object({
        ...options,
        ...this.#at(resource, target),
        verb: 'delete',
        method: 'DELETE',
        body: {
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          propagationPolicy: propagation,
          gracePeriodSeconds,
          preconditions,
          dryRun: dryRun === true ? ['All'] : undefined
        }
      })
      return true
    } catch (error) {
      if (isNotFound(error)) return false
      throw error
    }
  }

  /** Opens a watch; the time bound covers the opening alone, `signal` the whole of it. */
  async watch (resource: Resource, options: WatchOptions): Promise<WatchStream> {
    const call: Call = {
      ...options,
      verb: 'watch',
      what: resource.plural,
      method: 'GET',
      path: resourcePath(resource, options.namespace),
      query: {
        labelSelector: options.labelSelector,
        fieldSelector: options.fieldSelector,
        watch: true,
        resourceVersion: options.resourceVersion,
        timeoutSeconds: options.timeoutSeconds,
        allowWatchBookmarks: options.allowBookmarks === true ? true : undefined
      }
    }
    return await this.#authorized(call, async (exchange, authorization) => {
      const answer = await this.#transport.open(exchange, authorization)
      if ('text' in answer) throw errorOf(answer, answer.text)
      return { answer, result: watchStreamOf(answer) }
    })
  }

  /** Whether the server knows this resource: for objects of optional extensions. */
  async has (resource: Resource, options: CallOptions = {}): Promise<boolean> {
    const group = resource.group === '' ? '/api' : `/apis/${resource.group}`
    try {
      const found = await this.#object<{ resources?: Array<{ name: string }> }>({
        ...options,
        verb: 'discover',
        what: resource.plural,
        method: 'GET',
        path: `${group}/${resource.version}`
      })
      return (found.resources ?? []).some(({ name }) => name === resource.plural)
    } catch (error) {
      if (isNotFound(error)) return false
      throw error
    }
  }

  /** Drops the idle connections. Calls under way end by themselves. */
  close (): void {
    this.#transport.close()
  }

  #at (resource: Resource, target: ObjectName, subresource?: string) {
    return {
      what: whatOf(resource, subresource),
      path: resourcePath(resource, target.namespace, target.name, subresource)
    }
  }

  async #object<R> (call: Call): Promise<R> {
    return await this.#authorized(call, async (exchange, authorization) => {
      const answer = await this.#transport.call(exchange, authorization)
      if (answer.status >= 300 || answer.status < 200) throw errorOf(answer, answer.text)
      return { answer, result: parsed(answer.text) as R }
    })
  }

  /** Sends, once more if the server did not know us: a 401 has done nothing. */
  async #authorized<R> (call: Call, send: Send<R>): Promise<R> {
    const { credentials } = this.#options
    const exchange = this.#exchangeOf(call)
    const authorization = await credentials.authorization()
    try {
      return await this.#reported(call, () => send(exchange, authorization))
    } catch (error) {
      if (!(error instanceof KubeError) || error.status !== 401) throw error
      credentials.refresh()
      const fresh = await credentials.authorization()
      if (isSame(fresh, authorization)) throw error
      return await this.#reported(call, () => send(exchange, fresh))
    }
  }

  async #reported<R> (
    call: Call, send: () => Promise<{ answer: Answer, result: R }>
  ): Promise<R> {
    const sentAtMs = this.#timers.monotonicMs()
    let code = 0
    try {
      const { answer, result } = await send()
      code = answer.status
      for (const warning of warningsOf(answer)) this.#options.onWarning?.(warning)
      return result
    } catch (error) {
      if (error instanceof KubeError) code = error.status
      throw error
    } finally {
      const durationMs = this.#timers.monotonicMs() - sentAtMs
      this.#options.onRequest?.({ verb: call.verb, resource: call.what, code, durationMs })
    }
  }

  #exchangeOf (call: Call): Exchange {
    const query = new URLSearchParams()
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) query.set(name, String(value))
    }
    const headers: Record<string, string> = { 'user-agent': this.#options.userAgent }
    if (call.body !== undefined) headers['content-type'] = call.contentType ?? 'application/json'
    return {
      method: call.method,
      path: query.size === 0 ? call.path : `${call.path}?${query}`,
      headers,
      body: call.body === undefined ? undefined : JSON.stringify(call.body),
      timeoutMs: call.timeoutMs ?? this.#options.timeoutMs ?? defaultTimeoutMs,
      signal: call.signal
    }
  }
}

type Send<R> = (
  exchange: Exchange, authorization: Authorization
) => Promise<{ answer: Answer, result: R }>

function selection (options: ListOptions): Query {
  const { labelSelector, fieldSelector, limit = defaultPageLimit } = options
  return { labelSelector, fieldSelector, limit }
}

function writeQuery (options: WriteOptions): Query {
  const { fieldManager, fieldValidation, dryRun } = options
  return { fieldManager, fieldValidation, dryRun: dryRun === true ? 'All' : undefined }
}

function whatOf (resource: Resource, subresource?: string): string {
  return subresource === undefined ? resource.plural : `${resource.plural}/${subresource}`
}

function nameOf (resource: Resource, object: KubeObject): ObjectName {
  const { name, namespace } = object.metadata
  if (name === undefined) throw new Error(`a ${resource.kind} without a name cannot be written`)
  return { name, namespace }
}

function isSame (a: Authorization, b: Authorization): boolean {
  return a.headers.authorization === b.headers.authorization && a.cert === b.cert
}
