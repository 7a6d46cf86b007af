/**
 * The numbers of the protocol: what a frame asks for or tells (action), and what its `flags` bits
 * mean (ably-protocol 3.2, 3.3). They are promises to every client ever shipped: entries are added
 * here, never renumbered, and an unknown number is ignored by whoever reads it.
 */

/** Protocol message actions by name. */
export const Action = {
  HEARTBEAT: 0,
  ACK: 1,
  NACK: 2,
  CONNECT: 3,
  CONNECTED: 4,
  DISCONNECT: 5,
  DISCONNECTED: 6,
  CLOSE: 7,
  CLOSED: 8,
  ERROR: 9,
  ATTACH: 10,
  ATTACHED: 11,
  DETACH: 12,
  DETACHED: 13,
  PRESENCE: 14,
  MESSAGE: 15,
  SYNC: 16,
  AUTH: 17,
  ACTIVATE: 18,
  OBJECT: 19,
  OBJECT_SYNC: 20,
  ANNOTATION: 21
} as const

/** The name of an action, for logs; a number nobody knows is shown as itself. */
export function actionName(action: number): string {
  const found = Object.entries(Action).find(([, number]) => number === action)
  return found === undefined ? String(action) : found[0]
}

/** What a message item says about its message (ably-protocol 6.1). */
export const MessageAction = {
  CREATE: 0,
  UPDATE: 1,
  DELETE: 2,
  META: 3,
  SUMMARY: 4,
  APPEND: 5
} as const

/** What a presence item says about its member (ably-protocol 8.1). */
export const PresenceAction = {
  ABSENT: 0,
  PRESENT: 1,
  ENTER: 2,
  LEAVE: 3,
  UPDATE: 4
} as const

/** Bits of `flags`. Those from PRESENCE upwards are channel modes. */
export const Flag = {
  HAS_PRESENCE: 1 << 0,
  HAS_BACKLOG: 1 << 1,
  RESUMED: 1 << 2,
  TRANSIENT: 1 << 4,
  ATTACH_RESUME: 1 << 5,
  HAS_OBJECTS: 1 << 7,
  PRESENCE: 1 << 16,
  PUBLISH: 1 << 17,
  SUBSCRIBE: 1 << 18,
  PRESENCE_SUBSCRIBE: 1 << 19,
  ANNOTATION_PUBLISH: 1 << 21,
  ANNOTATION_SUBSCRIBE: 1 << 22,
  OBJECT_SUBSCRIBE: 1 << 24,
  OBJECT_PUBLISH: 1 << 25
} as const

/** The modes under the lower-case names that channel params use, in the order of their bits. */
const MODES: ReadonlyMap<string, number> = new Map([
  ['presence', Flag.PRESENCE],
  ['publish', Flag.PUBLISH],
  ['subscribe', Flag.SUBSCRIBE],
  ['presence_subscribe', Flag.PRESENCE_SUBSCRIBE],
  ['annotation_publish', Flag.ANNOTATION_PUBLISH],
  ['annotation_subscribe', Flag.ANNOTATION_SUBSCRIBE],
  ['object_subscribe', Flag.OBJECT_SUBSCRIBE],
  ['object_publish', Flag.OBJECT_PUBLISH]
])

/** Every bit of `flags` that is a mode. */
export const MODE_BITS: number = [...MODES.values()].reduce((bits, bit) => bits | bit, 0)

/** The modes of an ATTACH that names none (ably-protocol 7.2); the rest are for the asking. */
export const DEFAULT_MODE_BITS: number =
  Flag.PUBLISH | Flag.SUBSCRIBE | Flag.PRESENCE | Flag.PRESENCE_SUBSCRIBE | Flag.ANNOTATION_PUBLISH

/** The lower-case names of the modes in `flags`, in the order of their bits. */
export function modeNames(flags: number): string[] {
  return [...MODES].filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name)
}

/** The bits of the named modes, in either case; undefined when a name is no mode's. */
export function modesFromNames(names: readonly string[]): number | undefined {
  let bits = 0
  for (const name of names) {
    const bit = MODES.get(name.trim().toLowerCase())
    if (bit === undefined) return undefined
    bits |= bit
  }
  return bits
}
