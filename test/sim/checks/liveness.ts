/**
 * Once the weather has cleared, every client is connected, attached wherever it wants to be, and
 * has an answer to everything it published.
 */

import type { Region } from '../region.ts'
import type { Check } from './check.ts'

export class Liveness implements Check {
  readonly #region: Region

  constructor(region: Region) {
    this.#region = region
  }

  missing(): string[] {
    const missing: string[] = []
    for (const client of this.#region.clients) {
      const { name, state, channels, submissions, members } = client
      if (state === 'closed' || state === 'closing') continue
      if (state !== 'connected') missing.push(`${name} is ${state}`)
      for (const held of channels.values()) {
        if (held.state !== 'attached') missing.push(`${name} is ${held.state} on ${held.name}`)
      }
      if (members.isRestless) missing.push(`${name} is about to say again what was refused`)
      if (submissions.pending.length > 0) {
        missing.push(`${name} waits for answers to ${client.pendingTexts.slice(0, 5).join(' ')}`)
      }
    }
    return missing
  }
}
