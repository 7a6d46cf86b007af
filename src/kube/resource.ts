/*
What the Kubernetes API is made of, as seen by this room: objects, the resources that hold them,
and the paths at which they are found. Objects stay plain JSON from the wire to the caller: a
typed model would turn timestamps into dates and drop fields it does not know, and then a
replace() would silently delete what a newer server or another writer has put there.
*/

export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
  blockOwnerDeletion?: boolean
}

export interface ObjectMeta {
  name?: string
  generateName?: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  ownerReferences?: OwnerReference[]
  finalizers?: string[]
  managedFields?: unknown[]
}

/** Any object of the API. Narrow it with an interface of your own: `interface Pod extends …`. */
export interface KubeObject {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
}

/** One page, or all pages, of a list; `resourceVersion` is where a watch may go on from. */
export interface KubeList<T extends KubeObject> {
  items: T[]
  resourceVersion: string
  /** Token of the next page; absent on the last one. */
  continue?: string
}

/** A kind and where it lives. The core group is the empty string. */
export interface Resource {
  group: string
  version: string
  plural: string
  kind: string
  namespaced: boolean
}

/** The name of one object; `namespace` is absent for cluster-wide resources. */
export interface ObjectName {
  name: string
  namespace?: string
}

/** `apiVersion` as it stands in objects of this resource: `v1`, `apps/v1`, … */
export function apiVersionOf (resource: Resource): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`
}

/**
 * URL path of a collection, of one object in it, or of a subresource of that object.
 * A namespaced resource without a namespace names the collection over all namespaces.
 */
export function resourcePath (
  resource: Resource, namespace?: string, name?: string, subresource?: string
): string {
  const root = resource.group === '' ? '/api' : `/apis/${resource.group}`
  const scope = resource.namespaced && namespace !== undefined
    ? `/namespaces/${encodeURIComponent(namespace)}`
    : ''
  if (resource.namespaced && name !== undefined && namespace === undefined) {
    throw new Error(`a ${resource.kind} is found by namespace and name; ${name} came without one`)
  }
  const object = name === undefined ? '' : `/${encodeURIComponent(name)}`
  const part = subresource === undefined ? '' : `/${subresource}`
  return `${root}/${resource.version}${scope}/${resource.plural}${object}${part}`
}

/** `namespace/name`, or the name alone: the key a work queue carries. */
export function keyOf (object: { metadata: ObjectMeta }): string {
  const { namespace, name } = object.metadata
  return namespace === undefined ? `${name}` : `${namespace}/${name}`
}

/** The opposite of `keyOf`. */
export function nameOfKey (key: string): ObjectName {
  const slash = key.indexOf('/')
  return slash < 0
    ? { name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}
