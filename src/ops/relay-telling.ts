/**
 * A node tells its globalmaster how its relays stand to each other region: that hears announcements
 * alone, and these go another way than what channels say.
 */

import type { Mesh } from '../bus/mesh.ts'
import { relayWordsSubject } from '../bus/subjects.ts'
import { encodeRelayWords } from '../region/globalmaster-codec.ts'
import { GLOBALMASTER_FORMAT_VERSION, type RelayWord } from '../region/globalmaster-message.ts'
import { globalmasterLimits } from '../region/globalmaster-ports.ts'
import type { RelayStanding } from '../region/relay-gauge.ts'
import type { ForeignRegion } from '../region/world.ts'

export interface TellingNode {
  readonly incarnation: string
  /** Whether it is the first of its view: in calm the others speak to that one alone. */
  readonly isFirst: boolean
  /** The regions that are heard. */
  readonly regions: readonly Pick<ForeignRegion, 'region' | 'uid'>[]
  /** What each worker said last. */
  readonly workers: readonly (readonly RelayStanding[])[]
}

/** Tells it every few seconds; returns what ends it. */
export function tellRelays(mesh: Mesh, prefix: string, node: () => TellingNode): () => void {
  const timer = setInterval(() => {
    const { incarnation, isFirst, ...rest } = node()
    const relays = relayWordsOf(rest)
    if (incarnation === '' || relays.length === 0) return
    mesh.publish(relayWordsSubject(prefix), encodeRelayWords({
      kind: 'relays', formatVersion: GLOBALMASTER_FORMAT_VERSION, incarnation, isFirst, relays
    }))
  }, globalmasterLimits.relayWordsMs)
  return () => clearInterval(timer)
}

/** All workers of a node together; nothing of a region that none of them knows yet. */
export function relayWordsOf(
  { regions, workers }: Pick<TellingNode, 'regions' | 'workers'>
): RelayWord[] {
  return regions.flatMap(({ region: name, uid }) => {
    const standings = workers.flatMap((all) => all.filter(({ region }) => region === name))
    if (standings.length === 0) return []
    const heardAgoMs = Math.min(...standings.map((each) => each.heardAgoMs ?? Infinity))
    const longest = standings.reduce((one, other) => other.behindMs > one.behindMs ? other : one)
    return [{
      uid,
      heardAgoMs: heardAgoMs === Infinity ? undefined : heardAgoMs,
      channels: standings.reduce((sum, { channels }) => sum + channels, 0),
      behind: standings.reduce((sum, { behind }) => sum + behind, 0),
      behindMs: longest.behindMs,
      isFull: longest.isFull
    }]
  })
}
