/**
 * The application-level probe of a peer's private port (rule 8): a stopped process still accepts
 * TCP connections, so only an answer counts.
 */

import type { ProbeOutcome } from '../node/member-ports.ts'

const PROBE_MS = 1_000

/** What `GET /probe` answers. */
export interface ProbeAnswer {
  readonly incarnation: string
  readonly isMeshUp: boolean
}

/** Asks the process at `host:port` whether it is `incarnation`, and whether it has its mesh. */
export async function probe(
  host: string,
  port: number,
  incarnation: string
): Promise<ProbeOutcome> {
  try {
    const authority = host.includes(':') ? `[${host}]` : host
    const response = await fetch(`http://${authority}:${port}/probe`, {
      signal: AbortSignal.timeout(PROBE_MS)
    })
    const answer = (await response.json()) as ProbeAnswer
    if (answer.incarnation !== incarnation) return 'otherIncarnation'
    return answer.isMeshUp ? 'alive' : 'noMesh'
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: string }
    return code === 'ECONNREFUSED' ? 'refused' : 'silent'
  }
}
