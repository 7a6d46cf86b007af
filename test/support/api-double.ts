/**
 * An API server for tests of what a real one cannot be told to do: lose a connection, fall
 * silent, refuse, be slow, forget its history. It stores objects, numbers their versions, lists
 * in pages, and feeds watches; the rest is scripted. Server-side apply is a mere merge here, and
 * nothing is validated: tests of those belong to the real server.
 */
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export type StoredObject = {
  apiVersion: string
  kind: string
  metadata: { name: string, namespace?: string, uid: string, resourceVersion: string,
    labels?: Record<string, string>, [field: string]: unknown }
  [field: string]: unknown
}

/** One request as it came; `objectName` is absent for collections. */
export type Seen = {
  method: string
  path: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
  body: any
  collection: string
  namespace?: string
  objectName?: string
  subresource?: string
  /** `get`, `list`, `watch`, `create`, `replace`, `patch`, `delete`. */
  verb: string
}

type Passed = void | 'continue'
type Reaction = (response: ServerResponse, seen: Seen) => Passed | Promise<Passed>
type Scripted = { verb: string, react: Reaction }
type Watcher = { response: ServerResponse, seen: Seen }
type Change = { version: number, type: string, collection: string, object: StoredObject }

const pathPattern =
  /^\/(?:api|apis\/([^/]+))\/([^/]+)(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?(?:\/(.+))?$/

export class ApiDouble {
  readonly url: string
  readonly seen: Seen[] = []
  /** TCP connections accepted so far. */
  connectionCount = 0
  /** When set, requests with another bearer token are refused. */
  token: string | undefined
  /** A half-open network: watches get nothing more, and their ends are not told. */
  isMute = false
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #objects = new Map<string, Map<string, StoredObject>>()
  readonly #script: Scripted[] = []
  readonly #watchers = new Set<Watcher>()
  #history: Change[] = []
  #version = 100
  #forgottenVersion = 0
  #uidCount = 0

  private constructor(server: Server) {
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('connection', socket => {
      this.connectionCount += 1
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    server.on('request', (request, response) => { void this.#serve(request, response) })
  }

  static async start(): Promise<ApiDouble> {
    const server = createServer({ keepAliveTimeout: 60_000 })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return new ApiDouble(server)
  }

  async stop(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  /** Makes or changes an object of a collection (`pods`), telling the watches. */
  put(collection: string, object: any): StoredObject {
    const objects = this.#collection(collection)
    const key = keyOf(object.metadata)
    const known = objects.get(key)
    const metadata = {
      uid: known?.metadata.uid ?? `uid-${++this.#uidCount}`,
      ...object.metadata,
      resourceVersion: String(++this.#version)
    }
    const stored: StoredObject = { apiVersion: 'v1', kind: 'Pod', ...object, metadata }
    objects.set(key, stored)
    this.#tell(known === undefined ? 'ADDED' : 'MODIFIED', collection, stored)
    return stored
  }

  delete(collection: string, name: string, namespace?: string): StoredObject | undefined {
    const objects = this.#collection(collection)
    const known = objects.get(keyOf({ name, namespace }))
    if (known === undefined) return undefined
    objects.delete(keyOf(known.metadata))
    const metadata = { ...known.metadata, resourceVersion: String(++this.#version) }
    this.#tell('DELETED', collection, { ...known, metadata })
    return known
  }

  find(collection: string, name: string, namespace?: string): StoredObject | undefined {
    return this.#collection(collection).get(keyOf({ name, namespace }))
  }

  get version(): string { return String(this.#version) }

  /** Other collections changed: the version moves on, and watches learn it by a bookmark. */
  bookmark(): void {
    this.#version += 10
    const line = { type: 'BOOKMARK', object: {
      apiVersion: 'v1', kind: 'Pod', metadata: { resourceVersion: this.version }
    } }
    if (!this.isMute) for (const watcher of this.#watchers) writeLine(watcher.response, line)
  }

  /** Forgets the history: a watch or page from an earlier version gets 410. */
  compact(): void {
    this.#version += 1
    this.#forgottenVersion = this.#version
    this.#history = []
  }

  /** The next request of this verb is answered by `react`; 'continue' lets it pass after all. */
  next(verb: string, react: Reaction): void {
    this.#script.push({ verb, react })
  }

  watchCount(): number { return this.#watchers.size }

  count(verb: string): number { return this.seen.filter(seen => seen.verb === verb).length }

  /** The last request of a verb. */
  last(verb: string): Seen {
    const seen = this.seen.findLast(candidate => candidate.verb === verb)
    if (seen === undefined) throw new Error(`no ${verb} was seen`)
    return seen
  }

  /** Ends the watches as a server does when their time is over. */
  endWatches(): void {
    for (const { response } of this.#watchers) response.end()
    this.#watchers.clear()
  }

  /** Cuts the connections of the watches. */
  cutWatches(): void {
    for (const { response } of this.#watchers) response.destroy()
    this.#watchers.clear()
  }

  /** Writes raw text into the watches. */
  writeToWatches(text: string): void {
    for (const { response } of this.#watchers) response.write(text)
  }

  /** An ERROR line, then the end, as the real server does. */
  failWatches(code: number, reason: string): void {
    for (const { response } of this.#watchers) {
      writeLine(response, { type: 'ERROR', object: statusOf(code, reason, reason) })
    }
    this.endWatches()
  }

  #collection(name: string): Map<string, StoredObject> {
    const objects = this.#objects.get(name) ?? new Map<string, StoredObject>()
    this.#objects.set(name, objects)
    return objects
  }

  #tell(type: string, collection: string, object: StoredObject): void {
    const change = { version: this.#version, type, collection, object }
    this.#history.push(change)
    if (this.isMute) return
    for (const watcher of this.#watchers) this.#feed(watcher, change)
  }

  #feed({ response, seen }: Watcher, { type, collection, object }: Change): void {
    if (seen.collection === collection && isSelected(seen, object)) {
      writeLine(response, { type, object })
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk)
    } catch {
      // The caller is gone before the end of its request.
      response.destroy()
      return
    }
    const seen = seenOf(request, Buffer.concat(chunks).toString('utf8'))
    this.seen.push(seen)
    const at = this.#script.findIndex(({ verb }) => verb === seen.verb)
    const [scripted] = at < 0 ? [] : this.#script.splice(at, 1)
    if (scripted !== undefined && await scripted.react(response, seen) !== 'continue') return
    if (this.token !== undefined && seen.headers.authorization !== `Bearer ${this.token}`) {
      return refuse(response, 401, 'Unauthorized')
    }
    this.#answer(response, seen)
  }

  #answer(response: ServerResponse, seen: Seen): void {
    const { collection, namespace, objectName = '', body, verb } = seen
    const known = this.find(collection, objectName, namespace)
    if (verb === 'list') return this.#list(response, seen)
    if (verb === 'watch') return this.#watch(response, seen)
    if (verb === 'create' && seen.subresource === undefined) {
      if (this.find(collection, body.metadata.name, namespace) !== undefined) {
        return refuse(response, 409, 'AlreadyExists')
      }
      return answer(response, 201, this.put(collection, body))
    }
    const isApply = seen.headers['content-type'] === 'application/apply-patch+yaml'
    if (known === undefined && !isApply) return refuse(response, 404, 'NotFound')
    if (verb === 'get') return answer(response, 200, known)
    if (verb === 'delete') {
      this.delete(collection, objectName, namespace)
      return answer(response, 200, { kind: 'Status', status: 'Success' })
    }
    const asked = body.metadata?.resourceVersion
    if (asked !== undefined && asked !== known?.metadata.resourceVersion) {
      return refuse(response, 409, 'Conflict')
    }
    answer(response, 200, this.put(collection, verb === 'patch' ? merged(known ?? {}, body) : body))
  }

  #list(response: ServerResponse, seen: Seen): void {
    const limit = Number(seen.query.get('limit') ?? 500)
    const [version = this.version, start = '0'] = seen.query.get('continue')?.split(':') ?? []
    if (Number(version) < this.#forgottenVersion) return refuse(response, 410, 'Expired')
    const all = [...this.#collection(seen.collection).values()]
      .filter(object => isSelected(seen, object))
    const end = Number(start) + limit
    const metadata = {
      resourceVersion: version, continue: end < all.length ? `${version}:${end}` : ''
    }
    // As in the real server's lists of built-in objects, the items do not say what they are.
    const items = all.slice(Number(start), end).map(({ apiVersion, kind, ...rest }) => rest)
    answer(response, 200, { kind: 'List', apiVersion: 'v1', metadata, items })
  }

  #watch(response: ServerResponse, seen: Seen): void {
    const from = Number(seen.query.get('resourceVersion') ?? 0)
    if (from < this.#forgottenVersion) return refuse(response, 410, 'Expired')
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()
    const watcher = { response, seen }
    this.#watchers.add(watcher)
    response.on('close', () => this.#watchers.delete(watcher))
    for (const change of this.#history) if (change.version > from) this.#feed(watcher, change)
  }
}

/** Answers with an object. */
export function answer(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {}
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

/** Answers with a Status, as the real server refuses. */
export function refuse(
  response: ServerResponse,
  code: number,
  reason: string,
  headers: Record<string, string> = {}
): void {
  answer(response, code, statusOf(code, reason, `${reason}: said the double`), headers)
}

function statusOf(code: number, reason: string, message: string) {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message }
}

function writeLine(response: ServerResponse, line: unknown): void {
  response.write(`${JSON.stringify(line)}\n`)
}

function keyOf({ name, namespace }: { name: string, namespace?: string }): string {
  return `${namespace ?? ''}/${name}`
}

function seenOf(request: IncomingMessage, text: string): Seen {
  const url = new URL(request.url ?? '/', 'http://double')
  const [, , , namespace, collection = '', objectName, subresource] =
    pathPattern.exec(url.pathname) ?? []
  const verbs: Record<string, string> = {
    POST: 'create', PUT: 'replace', PATCH: 'patch', DELETE: 'delete'
  }
  const read = url.searchParams.get('watch') === 'true'
    ? 'watch'
    : objectName === undefined ? 'list' : 'get'
  const method = request.method ?? ''
  return {
    method,
    path: url.pathname,
    query: url.searchParams,
    headers: request.headers,
    body: text === '' ? undefined : JSON.parse(text),
    collection,
    namespace,
    objectName,
    subresource,
    verb: verbs[method] ?? read
  }
}

function isSelected(seen: Seen, { metadata }: StoredObject): boolean {
  if (seen.namespace !== undefined && metadata.namespace !== seen.namespace) return false
  const field = seen.query.get('fieldSelector')
  if (field !== null && field !== `metadata.name=${metadata.name}`) return false
  const labels = seen.query.get('labelSelector')?.split(',') ?? []
  return labels.every(pair => {
    const [name = '', value] = pair.split('=')
    const label = metadata.labels?.[name]
    return value === undefined ? label !== undefined : label === value
  })
}

/** A merge patch (RFC 7386). */
function merged(target: any, patch: any): any {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const result = typeof target === 'object' && target !== null ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name]
    else result[name] = merged(result[name], value)
  }
  return result
}
