/**
 * Loaded into a Node process before anything else: names that `PUBLIC_NAMES` lists are found at
 * `PUBLIC_ADDRESS`, whoever else has something to say of them, and the authority of
 * `PUBLIC_AUTHORITY` is trusted. Nothing leaves the machine for them (`public-hosts.ts`).
 */

import dns from 'node:dns'
import { readFileSync } from 'node:fs'
import tls from 'node:tls'

type Lookup = (hostname: string, ...rest: unknown[]) => void

const { PUBLIC_ADDRESS: address, PUBLIC_NAMES: list, PUBLIC_AUTHORITY: authority } = process.env
if (address !== undefined && list !== undefined && authority !== undefined) {
  const names = new Set(list.split(','))
  const aware = (lookup: Lookup): Lookup => (hostname, ...rest) => {
    lookup.call(dns, names.has(hostname) ? address : hostname, ...rest)
  }
  let current = aware(dns.lookup as unknown as Lookup)
  Object.defineProperty(dns, 'lookup', {
    configurable: true,
    get: () => current,
    set: (replaced: Lookup) => {
      current = aware(replaced)
    }
  })
  const known = tls.getCACertificates('default')
  tls.setDefaultCACertificates([...known, readFileSync(authority, 'utf8')])
}
