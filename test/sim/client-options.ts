/** What a simulated client is, what it asks for, and what it holds. */

import type { CredentialsOptions } from './client-credentials.ts'
import type { Scheduled } from './world.ts'

/** Without a clientId it has none of its own, and speaks for whom it wants. */
export interface ClientOptions extends CredentialsOptions {
  readonly name: string
  /** It gives its publishes ids, so that a repeat is known again on another connection. */
  readonly hasOwnIds: boolean
  /** The pod it always dials; undefined: any. */
  readonly node?: string | undefined
  /** The flags of the modes it asks for; undefined: all. */
  readonly modes?: number
  /** What its messages say besides what they are. */
  readonly chatter?: string
  /** What it asks of its attachments besides. */
  readonly params?: Readonly<Record<string, string>>
}

/** A channel as its client holds it. */
export interface Held {
  readonly name: string
  state: 'attaching' | 'attached' | 'suspended' | 'detaching'
  channelSerial: string | undefined
  timer: Scheduled | undefined
  changeCount: number
}

/** What it asks for when it has changed its mind so often: one word more, known or not. */
export function changed(
  params: ClientOptions['params'], changeCount: number
): ClientOptions['params'] {
  const word = changeCount % 2 === 0 ? 'appendMode' : 'mystery'
  return changeCount === 0 ? params : { ...params, [word]: `${changeCount}` }
}
