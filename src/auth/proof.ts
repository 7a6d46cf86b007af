/**
 * How things are proven here: HMAC-SHA-256 with a secret, compared in time that does not depend on
 * what is compared. Neither secrets nor expected proofs leave this file's callers.
 */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** The proof of a text by who has the secret; 32 bytes. */
export function macOf(secret: string | Uint8Array, text: string): Uint8Array {
  return createHmac('sha256', secret).update(text).digest()
}

/** Whether two texts are the same. Digests are compared, for those have one length. */
export function isSameText(given: string, known: string): boolean {
  return timingSafeEqual(digestOf(given), digestOf(known))
}

/** Whether two proofs are the same; one of another length is none. */
export function isSameProof(given: Uint8Array, known: Uint8Array): boolean {
  return given.byteLength === known.byteLength && timingSafeEqual(given, known)
}

/** SHA-256; equal digests mean equal texts. */
export function digestOf(text: string): Uint8Array {
  return createHash('sha256').update(text).digest()
}

/** The bytes of a base64url text that is written as it should be, unpadded; else undefined. */
export function bytesOfBase64Url(text: string): Buffer | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : undefined
}
