/**
 * A client whose process dies, and another one that goes on with its recovery key (protocol 4.3):
 * it knows where each channel stands, which ones are to be left, and how far the msgSerials have
 * come, and nothing of what has no answer, nor of who is present.
 */

import type { SimClient } from './clients.ts'

export function recover(client: SimClient): void {
  if (client.state !== 'connected') return
  const { members, submissions } = client
  members.onRecovering(submissions.pending)
  submissions.clear()
  client.isRecovering = true
  client.hasRecovered = true
  client.dropSocket()
}
