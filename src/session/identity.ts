/**
 * Who a session's client is, and what follows from it: the credentials that it proved last, how
 * long they last, and what a channel's namespace makes of them. A client that sends another token
 * (AUTH, ably-protocol 4.7) stays who it is; only what it may do, and for how long, is new.
 */

import type { NamespaceConfig } from '../auth/app.ts'
import { isSuccessor, namedClient } from '../auth/connect.ts'
import type { Authenticated, Credentials } from '../auth/key.ts'
import { namespaceRefusal } from '../auth/namespace.ts'
import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import { type ErrorInfo, errors, type ProtocolError } from '../wire/errors.ts'
import type { ChannelName } from '../wire/params.ts'
import { ChannelRates } from './channel-claims.ts'
import { Tenure, type TenureOwner } from './tenure.ts'

/** Who the client was when it connected. */
export interface IdentityOptions {
  readonly connectionId: string
  readonly connectionKey: string
  /** How often the connection was taken over so far (rule 20). */
  readonly claim: number
  /** Of the connection's register, if it was ever claimed. */
  readonly lineage: string | undefined
  /** True: its client has recovered the connection from another process. */
  readonly isRecovered: boolean
  readonly credentials: Credentials
  /** True: nobody on the way can read what the socket carries. */
  readonly isTls: boolean
}

export interface IdentityPorts {
  readonly deadlines: Deadlines
  now(): Now
  /** Proves a token that the client sends; it is to be this client's, if one is named. */
  authenticate(accessToken: string, clientId: string | undefined): Authenticated
  /** The key of the connection's claim, for whom its client is now. */
  connectionKeyOf(connection: IdentityOptions, credentials: Credentials): string
  /** The rules of a channel of the app, if its namespace has any. */
  namespaceOf(appId: string, base: string): NamespaceConfig | undefined
}

export class Identity {
  readonly #options: IdentityOptions
  readonly #owner: TenureOwner
  readonly #ports: IdentityPorts
  #tenure: Tenure | undefined
  #rates: ChannelRates | undefined
  credentials: Credentials
  #connectionKey: string

  constructor(options: IdentityOptions, owner: TenureOwner, ports: IdentityPorts) {
    this.#options = options
    this.#owner = owner
    this.#ports = ports
    this.credentials = options.credentials
    this.#connectionKey = options.connectionKey
  }

  get connectionKey(): string {
    return this.#connectionKey
  }

  /** The client is told who it is: from now on its credentials may end. */
  begin(): void {
    if (this.credentials.token !== undefined) this.#tenure ??= new Tenure(this.#owner, this.#ports)
    this.#tenure?.begin(this.credentials)
  }

  stop(): void {
    this.#tenure?.stop()
  }

  /** Goes on with a token that the client sent; or says why not. */
  renew(accessToken: string | undefined): ProtocolError | undefined {
    if (accessToken === undefined) return errors.tokenNotAccepted('The AUTH has no access token')
    const proven = this.#ports.authenticate(accessToken, namedClient(this.credentials))
    if (!proven.ok) return proven.error
    const { credentials } = proven
    if (!isSuccessor(this.credentials, credentials)) return errors.incompatibleCredentials()
    this.credentials = credentials
    this.#connectionKey = this.#ports.connectionKeyOf(this.#options, credentials)
    return undefined
  }

  /** Why the rules of its namespace keep the client from a channel, if they do (7.11). */
  refusalOn({ base }: ChannelName): ErrorInfo | undefined {
    const rules = this.#ports.namespaceOf(this.credentials.appId, base)
    return namespaceRefusal(rules, this.credentials, this.#options.isTls)?.info
  }

  /** Why the client's token keeps it from publishing on a channel now. */
  rateRefusalOn(name: ChannelName): ErrorInfo | undefined {
    if (this.credentials.token?.publishRates === undefined) return undefined
    this.#rates ??= new ChannelRates()
    return this.#rates.refusal(this.credentials, name, this.#ports.now().monoMs)
  }
}
