/**
 * Memory for frames. With several workers a frame must be readable by all of them, so frames are
 * cut from slabs of shared memory: one big allocation per slab instead of one small shared one per
 * frame, which the engine handles slowly. A slab lives as long as any frame of it is referred to,
 * so what is kept for long has memory of its own.
 */

import type { Allocate } from '../channel/encoding.ts'

const SLAB_BYTES = 128 * 1024

/**
 * Cuts frames from shared slabs; a kept one, or one of half a slab or more, gets memory of its own.
 */
export function sharedSlabs(): Allocate {
  let slab = new SharedArrayBuffer(SLAB_BYTES)
  let used = 0
  return (bytes, isKept = false) => {
    if (isKept || bytes >= SLAB_BYTES / 2) return new Uint8Array(new SharedArrayBuffer(bytes))
    if (used + bytes > SLAB_BYTES) {
      slab = new SharedArrayBuffer(SLAB_BYTES)
      used = 0
    }
    const frame = new Uint8Array(slab, used, bytes)
    used += bytes
    return frame
  }
}

/** Memory of this thread alone. */
export function privateMemory(): Allocate {
  return (bytes) => Buffer.allocUnsafe(bytes)
}
