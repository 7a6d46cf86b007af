/**
 * What the operator tells a globalmaster of the world: the text `world.json`, checked.
 */

import { z } from 'zod'
import type { WorldConfig } from '../region/globalmaster-ports.ts'

const ringSchema = z.object({ uid: z.string().min(1), madeAtMs: z.number() })

const schema = z.object({
  world: z.string().min(1),
  region: z.string().min(1),
  /** Absent until the ring is made. */
  ring: ringSchema.optional(),
  /** Of the RealtimeRegion. */
  generation: z.number(),
  unreachableAfterMs: z.number().positive(),
  peers: z.array(z.object({
    region: z.string().min(1), object: z.string().optional(), ring: ringSchema.optional()
  })),
  apps: z.record(z.string(), z.string()),
  areAppsUnknown: z.boolean().optional()
})

export interface WorldFile {
  /** Undefined until the ring is made. */
  readonly config: WorldConfig | undefined
  readonly generation: number
}

/** Throws an Error that says what is wrong with the text. */
export function readWorldFile(text: string): WorldFile {
  const { ring, generation, peers, apps, areAppsUnknown, world, region, unreachableAfterMs } =
    schema.parse(JSON.parse(text))
  const config: WorldConfig | undefined = ring && {
    world,
    region,
    ringUid: ring.uid,
    madeAtMs: ring.madeAtMs,
    unreachableAfterMs,
    peers: peers.map((peer) => ({
      region: peer.region,
      ...(peer.object !== undefined && { object: peer.object }),
      ...(peer.ring && { ringUid: peer.ring.uid, madeAtMs: peer.ring.madeAtMs })
    })),
    apps: new Map(Object.entries(apps)),
    ...areAppsUnknown && { areAppsUnknown }
  }
  return { config, generation }
}
