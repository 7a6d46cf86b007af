/*
What a list-watch knows: the objects by uid, and what has changed with each line or list.

The key is the uid, since a name can be given again: an object deleted and made anew while nobody
was watching is two objects, and the first one's end must be told before the second one's birth.
*/
import { type KubeObject, type ObjectName, keyOf } from './resource.ts'

/** Objects are shared with the cache: they must not be modified. */
export type ChangeEvent<T extends KubeObject> =
  | { type: 'ADDED', object: T }
  | { type: 'MODIFIED', object: T, previous: T }
  | { type: 'DELETED', object: T }

export class ObjectCache<T extends KubeObject> {
  readonly #byUid = new Map<string, T>()
  readonly #uidByKey = new Map<string, string>()

  get size (): number { return this.#byUid.size }

  getByUid (uid: string): T | undefined { return this.#byUid.get(uid) }

  get ({ namespace, name }: ObjectName): T | undefined {
    const uid = this.#uidByKey.get(keyOf({ metadata: { namespace, name } }))
    return uid === undefined ? undefined : this.#byUid.get(uid)
  }

  objects (): T[] { return [...this.#byUid.values()] }

  /** Takes the state of one object; returns what that changes, in the order to be told. */
  put (object: T): Array<ChangeEvent<T>> {
    delete object.metadata.managedFields
    const uid = uidOf(object)
    const key = keyOf(object)
    const known = this.#byUid.get(uid)
    if (known !== undefined) {
      this.#byUid.set(uid, object)
      const isSame = known.metadata.resourceVersion === object.metadata.resourceVersion
      return isSame ? [] : [{ type: 'MODIFIED', object, previous: known }]
    }
    const namesake = this.get(object.metadata as ObjectName)
    const ended = namesake === undefined ? [] : this.delete(namesake)
    this.#byUid.set(uid, object)
    this.#uidByKey.set(key, uid)
    return [...ended, { type: 'ADDED', object }]
  }

  /** Forgets one object; nothing is told of one that was not known. */
  delete (object: T): Array<ChangeEvent<T>> {
    delete object.metadata.managedFields
    const uid = uidOf(object)
    if (!this.#byUid.delete(uid)) return []
    const key = keyOf(object)
    if (this.#uidByKey.get(key) === uid) this.#uidByKey.delete(key)
    return [{ type: 'DELETED', object }]
  }

  /** Takes a complete list: what is not in it is gone, with its last known state. */
  replaceAll (objects: readonly T[]): Array<ChangeEvent<T>> {
    const listed = new Set(objects.map(uidOf))
    const gone = this.objects().filter(object => !listed.has(uidOf(object)))
    return [
      ...gone.flatMap(object => this.delete(object)),
      ...objects.flatMap(object => this.put(object))
    ]
  }
}

/** The server gives every stored object a uid; the few virtual resources have only a name. */
function uidOf (object: KubeObject): string {
  return object.metadata.uid ?? keyOf(object)
}
