/**
 * Hashing that never changes: which partition a channel belongs to is a promise between releases.
 * FNV-1a over UTF-16 code units, finished with the avalanche step of MurmurHash3 (fmix32), since
 * bare FNV spreads short, similar names badly over a power of two.
 */

/** A 32-bit hash of `text`, an unsigned integer. */
export function hash32(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193)
    if (unit > 0xff) hash = Math.imul(hash ^ (unit >>> 8), 0x01000193)
  }
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** A 32-bit digest of `bytes`, an unsigned integer: tells torn from whole, not friend from foe. */
export function digest32(bytes: Uint8Array, seed = 0x811c9dc5): number {
  let hash = seed
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

/** The partition, in [0, partitionCount), that a channel's key belongs to. */
export function partitionOf(channelKey: string, partitionCount: number): number {
  return hash32(channelKey) % partitionCount
}
