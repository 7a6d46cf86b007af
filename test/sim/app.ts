/** The app of simulated clients, with namespaces that keep, batch and restrict. */

import { AppDirectory } from '../../src/auth/app.ts'
import { parseCapability } from '../../src/auth/capability.ts'

export const APP = 'app'
export const KEY = `${APP}.key:secret`
/** The tokens of this one can be revoked. */
export const REVOCABLE_KEY = `${APP}.rev:another`

const rules = {
  persisted: false, persistLast: false, identified: false, tlsOnly: false, pushEnabled: false,
  mutableMessages: false, exposeTimeserial: false
}
const namespaces = [
  { ...rules, id: 'safe', tlsOnly: true },
  { ...rules, id: 'kept', persisted: true, persistLast: true },
  { ...rules, id: 'known', identified: true },
  { ...rules, id: 'everywhere', acknowledge: 'global' as const },
  {
    ...rules, id: 'keptEverywhere', persisted: true, persistLast: true,
    acknowledge: 'global' as const
  },
  { ...rules, id: 'together', batching: { intervalMs: 300, policy: 'simple' as const } }
]

/** That app alone. */
export function theApp(): AppDirectory {
  const capability = capabilityOf({ '[*]*': ['*'] })
  const key = { id: 'key', secret: 'secret', capability, revocableTokens: false }
  const revocable = { ...key, id: 'rev', secret: 'another', revocableTokens: true }
  return new AppDirectory([{ appId: APP, keys: [key, revocable], namespaces, limits: {} }], 1)
}

/** A channel as the server names it. */
export function channelKey(name: string): string {
  return `${APP}/${name.startsWith('[meta]') ? name : name.slice(name.indexOf(']') + 1)}`
}

function capabilityOf(source: object) {
  const parsed = parseCapability(source)
  if (!parsed.ok) throw new Error(parsed.error.info.message)
  return parsed.capability
}
