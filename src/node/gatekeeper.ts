/**
 * Who is let in: a worker's one knowledge of apps and keys, and what it says of those who show
 * something. Whoever was let in is looked at again when the apps change.
 */

import { type AppDirectory, type NamespaceConfig, namespaceOf } from '../auth/app.ts'
import { authenticate, changedKeys, type KeyChange, type Shown } from '../auth/connect.ts'
import type { ConnectionKeys } from '../auth/connection-key.ts'
import { type Authenticated, type Credentials, withKey } from '../auth/key.ts'
import type { Now } from '../base/clock.ts'
import type { Life } from '../peer/claim-message.ts'
import { type ErrorInfo, errors, type ProtocolError } from '../wire/errors.ts'

/** Which connection a key is for. */
export interface Connection {
  readonly connectionId: string
  readonly claim: number
  readonly lineage: string | undefined
  /** Its client has recovered it from another process. */
  readonly isRecovered: boolean
}

export interface GatekeeperPorts {
  /** This worker. */
  readonly self: Life
  readonly connectionKeys: ConnectionKeys
  now(): Now
  viewVersion(): number
  /** What was proven, unless it is revoked. */
  judge(proven: Authenticated): Authenticated
}

/**
 * What becomes of somebody whose key has changed, or whose token was revoked: other rights, an end
 * for good, or one of the socket, after which another token goes on; or it is asked for one first.
 */
export type Reviewed =
  | { readonly credentials: Credentials }
  | { readonly error: ProtocolError }
  | { readonly end: ErrorInfo | undefined }

/** Looks at somebody who was let in before the keys changed; undefined: all is as it was. */
export type Review = (credentials: Credentials) => Reviewed | undefined

export class Gatekeeper {
  readonly #ports: GatekeeperPorts
  #directory: AppDirectory | undefined

  constructor(ports: GatekeeperPorts) {
    this.#ports = ports
  }

  /** Undefined until any apps are known. */
  get directory(): AppDirectory | undefined {
    return this.#directory
  }

  /** New apps and keys. Returns how to review those who were let in; undefined: nothing changed. */
  onApps(directory: AppDirectory): Review | undefined {
    const former = this.#directory
    this.#directory = directory
    const changes = former === undefined ? undefined : changedKeys(former, directory)
    if (changes === undefined || changes.size === 0) return undefined
    return (credentials) => {
      const change = changes.get(credentials.keyName)
      return change === undefined ? undefined : reviewed(credentials, change, directory)
    }
  }

  /** Proves what somebody shows; before any app is known everybody is sent elsewhere. */
  prove(shown: Shown): Authenticated {
    const { wallMs } = this.#ports.now()
    if (this.#directory === undefined) return { ok: false, error: errors.unavailable() }
    return this.judge(authenticate(shown, this.#directory, wallMs))
  }

  /** What was proven elsewhere, unless it is revoked. Errors: 40141, 50005. */
  judge(proven: Authenticated): Authenticated {
    return this.#ports.judge(proven)
  }

  /** The key by which a connection of this worker is continued. */
  keyOf(connection: Connection, credentials: Credentials): string {
    const { appId, keyName, clientId } = credentials
    const { self: home, connectionKeys } = this.#ports
    const viewVersion = this.#ports.viewVersion()
    return connectionKeys.issue({
      ...connection, appId, keyName, clientId, home, viewVersion
    })
  }

  /** The rules of a channel, if its namespace has any. */
  namespaceOf(appId: string, base: string): NamespaceConfig | undefined {
    const app = this.#directory?.app(appId)
    return app === undefined ? undefined : namespaceOf(app, base)
  }
}

/** Who had a token may get another one, of a key that is there. */
function reviewed(credentials: Credentials, change: KeyChange, directory: AppDirectory): Reviewed {
  const { keyName, token } = credentials
  if (change === 'rights') {
    return { credentials: withKey(credentials, directory.key(keyName)!.key) }
  }
  if (token !== undefined) return { error: errors.tokenUnrecognised() }
  return { error: change === 'removed' ? errors.unknownKey() : errors.keySecretWrong() }
}
