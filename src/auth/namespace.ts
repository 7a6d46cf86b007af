/** What the rules of a namespace say of those who want into its channels (ably-protocol 7.11). */

import { errors, type ProtocolError } from '../wire/errors.ts'
import type { NamespaceConfig } from './app.ts'
import { namedClient } from './connect.ts'
import type { Credentials } from './key.ts'

/** Why a client is kept from the channels of a namespace, if it is. Errors: 40311, 40161. */
export function namespaceRefusal(
  rules: NamespaceConfig | undefined, credentials: Credentials, isTls: boolean
): ProtocolError | undefined {
  if (rules === undefined) return undefined
  if (rules.tlsOnly && !isTls) return errors.tlsRequired('This namespace requires TLS')
  const isKnown = !rules.identified || namedClient(credentials) !== undefined
  return isKnown ? undefined : errors.identityRequired()
}
