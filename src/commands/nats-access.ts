/**
 * How the environment says that the NATS of a region is reached.
 */

import { readFile } from 'node:fs/promises'
import type { NatsConfig } from '../ops/config.ts'

/** How NATS is reached, by every thread. Throws an Error that names a file that is not there. */
export async function natsOptions(config: NatsConfig) {
  return {
    servers: config.RINGCAST_NATS_URL.split(','),
    user: config.RINGCAST_NATS_USER,
    password: config.RINGCAST_NATS_PASSWORD,
    token: config.RINGCAST_NATS_TOKEN,
    credentials: await credentialsFrom(config.RINGCAST_NATS_CREDS_FILE)
  }
}

/** The text of a NATS credentials file. */
async function credentialsFrom(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new Error(`RINGCAST_NATS_CREDS_FILE: ${(error as Error).message}`)
  }
}
