/**
 * JSON, to and from values. What comes from outside may be anything: what is not JSON is a value
 * that says so, never a throw.
 */

/** A value that was read, or why it could not be. */
export type Decoded =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problem: string }

/** The JSON text of a value; fields that are undefined are left out. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value)
}

/** Reads JSON from text or from its UTF-8 bytes. The engine's message is not passed on: it
 *  quotes what it read, and what a client sent is not for logs. */
export function readJson(source: string | Uint8Array): Decoded {
  const text = typeof source === 'string' ? source : utf8Text(source)
  try {
    return { ok: true, value: JSON.parse(text) }
  } catch (error) {
    if (error instanceof SyntaxError) return { ok: false, problem: 'not valid JSON' }
    throw error
  }
}

function utf8Text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
}
