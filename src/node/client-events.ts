/**
 * What becomes of connections and requests, as events of their apps (protocol 7.9). No event holds
 * a secret: no key, no token, no query of a request, no data of a message.
 */

import type { AppDirectory } from '../auth/app.ts'
import { keyNameShown, type Shown } from '../auth/connect.ts'
import type { Credentials } from '../auth/key.ts'
import { type MeterSource, REFUSED_STATUSES } from '../base/meter.ts'
import type { Parked } from '../session/parking.ts'
import type { Account } from '../session/session-ports.ts'
import type { ErrorInfo } from '../wire/errors.ts'
import type { MetaEvents, MetaName } from './meta-events.ts'
import type { Socket } from './outbox.ts'

/** What became of a connection. */
export type ConnectionFate = 'opened' | 'update' | 'closed' | 'failed' | 'refused'

/** Whom an event is about. */
export interface Client {
  readonly credentials: Pick<Credentials, 'appId' | 'keyName'> & Partial<Credentials>
  readonly connectionId?: string
  /** It showed a token that proved nothing. */
  readonly isByToken?: boolean
  readonly account?: Partial<Account>
}

/** A request that was answered. */
export interface AnsweredRequest {
  readonly method: string
  /** Without its query. */
  readonly path: string
  /** As its client named it. */
  readonly host?: string
  readonly statusCode: number
  readonly durationMs: number
  readonly error: ErrorInfo | undefined
}

const CONNECTION_METAS: readonly MetaName[] = ['connection.lifecycle', 'clientEvents:connections']

export class ClientEvents {
  readonly #events: MetaEvents
  readonly #siteCode: string
  readonly #meters: MeterSource

  constructor(events: MetaEvents, siteCode: string, meters: MeterSource) {
    this.#events = events
    this.#siteCode = siteCode
    this.#meters = meters
  }

  /** A connection has come, changed or gone; `error` says why where something went wrong. */
  onConnection(client: Client, fate: ConnectionFate, error?: ErrorInfo): void {
    const { appId } = client.credentials
    for (const meta of CONNECTION_METAS) {
      this.#events.tell(appId, meta, () => ({
        name: `connection.${fate}`,
        data: { ...this.#facts(client), error }
      }))
    }
    if (error !== undefined) this.onError(client, error)
  }

  /** Somebody was not let in who showed this, or nothing. */
  onRefused(
    shown: Shown,
    directory: AppDirectory | undefined,
    error: ErrorInfo,
    transport?: Socket['transport']
  ): void {
    const keyName = keyNameShown(shown) ?? ''
    const [appId = ''] = keyName.split('.')
    if (directory?.app(appId) === undefined) return
    this.#meters.of(appId).connections.refused++
    const isKnown = directory.key(keyName) !== undefined
    const credentials = { appId, keyName: isKnown ? keyName : '' }
    const { key, accessToken } = shown
    const isByToken = key === undefined && accessToken !== undefined
    this.onConnection({ credentials, isByToken, account: { transport } }, 'refused', error)
  }

  /** A connection that was lost did not come back. */
  onLetGo({ connectionId, credentials, account }: Parked): void {
    if (credentials === undefined) return
    this.onConnection({ connectionId, credentials, account }, 'closed')
  }

  /** Something ended a connection, or its attachment to a channel. */
  onError(client: Client, error: ErrorInfo, channel?: string): void {
    if (channel !== undefined) this.#meters.of(client.credentials.appId).channels.refused++
    this.#events.tell(client.credentials.appId, 'log', () => ({
      name: 'error',
      data: { ...error, channel, ...this.#facts(client) }
    }))
  }

  onRequest(client: Client, { statusCode, durationMs, ...request }: AnsweredRequest): void {
    this.#meters.of(client.credentials.appId).otherRequests.add(statusCode)
    const outcome = statusCode < 400 ? 'succeeded'
      : REFUSED_STATUSES.has(statusCode) ? 'refused' : 'failed'
    this.#events.tell(client.credentials.appId, 'clientEvents:apiRequests', () => ({
      name: `request.${outcome}`,
      data: { ...this.#facts(client), ...request, statusCode, duration: durationMs }
    }))
  }

  /** Somebody asked for a token of this app, or asked without proving who it is. */
  onUnproven(appId: string, statusCode: number, isForToken: boolean): void {
    const { tokenRequests, otherRequests } = this.#meters.of(appId)
    const outcomes = isForToken ? tokenRequests : otherRequests
    outcomes.add(statusCode)
  }

  #facts({ credentials, connectionId, isByToken = false, account }: Client): object {
    const { keyName, clientId, token } = credentials
    const type = token === undefined && !isByToken ? 'key' : 'token'
    const credential = { type, keyName }
    return { connectionId, clientId, credential, site: this.#siteCode, ...account }
  }
}
