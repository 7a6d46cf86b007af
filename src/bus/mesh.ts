/**
 * The mesh as the shell sees it: bytes to a subject, at most once, in order per sender and subject,
 * silent loss possible. `nats.ts` and `hub.ts` are its two ways.
 */

export interface Mesh {
  /** False while nothing can be sent: what is published then is dropped, and links say it again. */
  readonly isUp: boolean
  publish(subject: string, bytes: Uint8Array): void
  /** Each subject may be subscribed to once. */
  subscribe(subject: string, onBytes: (bytes: Uint8Array) => void): void
  close(): Promise<void>
}
