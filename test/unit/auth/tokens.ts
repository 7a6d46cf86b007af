/** Keys, and what is made of them, for tests of tokens. */

import { createHmac } from 'node:crypto'
import { AppDirectory, parseApps } from '../../../src/auth/app.ts'

export const SECRET = 'sec-ret_1'
export const NOW_MS = 1_750_000_000_000

const document = {
  apps: [{
    appId: 'AbC123',
    keys: [
      { id: 'k1', secret: SECRET },
      { id: 'k2', secret: 'sec-ret_2', capability: { 'a:*': ['subscribe', 'publish'] } },
      { id: 'kr', secret: 'sec-ret_3', revocableTokens: true }
    ]
  }, { appId: 'Other1', keys: [{ id: 'k1', secret: SECRET }] }]
}

/** The apps of the tests; `change` may take keys away. */
export function directoryOf(change?: (apps: typeof document.apps) => unknown): AppDirectory {
  const { apps } = structuredClone(document)
  change?.(apps)
  const parsed = parseApps({ apps })
  if (!parsed.ok) throw new Error(parsed.problems.join('; '))
  return new AppDirectory(parsed.apps)
}

const base64Url = (value: unknown): string =>
  Buffer.from(JSON.stringify(value)).toString('base64url')

/** A JWT as a server of the application makes it. */
export function jwt(
  claims: object = {}, header: object = {}, secret = SECRET, signature?: string
): string {
  const head = base64Url({ typ: 'JWT', alg: 'HS256', kid: 'AbC123.k1', ...header })
  const iat = NOW_MS / 1000
  const signed = `${head}.${base64Url({ iat, exp: iat + 3600, ...claims })}`
  const mac = signature ?? createHmac('sha256', secret).update(signed).digest('base64url')
  return `${signed}.${mac}`
}

/** A token request as an SDK signs it. */
export function signed(request: Record<string, unknown>, secret = SECRET): object {
  const all: Record<string, unknown> = {
    keyName: 'AbC123.k1', timestamp: NOW_MS, nonce: '0123456789abcdef', ...request
  }
  const text = ['keyName', 'ttl', 'capability', 'clientId', 'timestamp', 'nonce']
    .map((name) => `${all[name] ?? ''}\n`).join('')
  return { ...all, mac: createHmac('sha256', secret).update(text).digest('base64') }
}
