/**
 * What a client shows when it connects: the key, or tokens. Those are JWTs, made here apart from
 * the server's own code. They live shorter than a run, so that they are renewed in place, or end
 * with their socket; and what they permit changes from one to the next in something that no check
 * depends on.
 */

import { createHmac } from 'node:crypto'
import type { Random } from '../../src/base/random.ts'
import { EPOCH_MS } from './clock.ts'
import { KEY, REVOCABLE_KEY } from './app.ts'
import { GROUP_COUNT } from './revoker.ts'
import type { SimSocket } from './sockets.ts'
import { Does, REVOKED, type Wire, type WireFormat } from './wire.ts'
import type { World } from './world.ts'

const LIFE_MIN_S = 36
const LIFE_MAX_S = 90
/** Shorter than any of them lives, whatever the clocks of a region's nodes say. */
const HELD_MS = 25_000
/** One in so many is not renewed when the server asks: its client comes back without it. */
const IGNORED_EVERY = 4

const RIGHTS = ['publish', 'subscribe', 'presence', 'channel-metadata']

export interface CredentialsOptions {
  readonly format: WireFormat
  readonly echo: boolean
  readonly clientId?: string
  /** It shows tokens, which end, instead of the key. */
  readonly hasTokens?: boolean
  /** It speaks comet: requests instead of a socket. */
  readonly isComet?: boolean
}

export class ClientCredentials {
  readonly #world: World
  readonly #random: Random
  readonly #options: CredentialsOptions
  readonly #key: string
  /** Tokens live so much longer, for the clocks of whole regions may be wrong. */
  readonly #spareS: number
  #held: { readonly token: string; readonly untilMs: number } | undefined

  constructor(world: World, random: Random, options: CredentialsOptions, skewMs = 0) {
    this.#spareS = Math.ceil(skewMs / 1_000)
    this.#world = world
    this.#random = random.fork('credentials')
    this.#options = options
    this.#key = random.fork('key').below(3) > 0 ? REVOCABLE_KEY : KEY
  }

  /** The query of a connect that asks to go on with the connection of this key, if there is one. */
  query(connectionKey: string | undefined, isRecovery: boolean): Map<string, string> {
    const { format, echo, clientId, hasTokens } = this.#options
    const query = new Map([
      hasTokens === true ? ['access_token', this.#shown()] : ['key', KEY], ['format', format],
      ['heartbeats', 'false'], ['v', '6'], ['echo', String(echo)]
    ])
    if (clientId !== undefined) query.set('clientId', clientId)
    if (connectionKey !== undefined) query.set(isRecovery ? 'recover' : 'resume', connectionKey)
    return query
  }

  /** Whether it is told that its token is revoked; then it shows another one next time. */
  isRevoked({ error }: Wire): boolean {
    if (error?.code !== REVOKED) return false
    this.#held = undefined
    return true
  }

  /** As SDKs do, it shows what it has, as long as that lasts and nobody says otherwise. */
  #shown(): string {
    const { nowMs } = this.#world
    if (this.#held === undefined || this.#held.untilMs < nowMs) {
      this.#held = { token: this.#token(), untilMs: nowMs + HELD_MS }
    }
    return this.#held.token
  }

  /** The server wants another token, and is sent one, or not. */
  renew(socket: SimSocket): void {
    if (this.#random.below(IGNORED_EVERY) === 0) return
    this.#held = undefined
    socket.send({ action: Does.AUTH, auth: { accessToken: this.#shown() } })
  }

  /** Another token; who has no name may be anybody. */
  #token(): string {
    const isMore = this.#random.below(2) === 0
    const operations = isMore ? [...RIGHTS, 'annotation-publish'] : RIGHTS
    const no = this.#random.below(GROUP_COUNT)
    const lifeS = LIFE_MIN_S + this.#random.below(LIFE_MAX_S - LIFE_MIN_S)
    return tokenOf(this.#world, this.#key, lifeS + this.#spareS, {
      'x-ably-clientId': this.#options.clientId ?? '*',
      'x-ably-capability': JSON.stringify({ '[*]*': operations, [`room:${no}`]: ['history'] }),
      'x-ably-revocation-key': `batch ${this.#random.below(GROUP_COUNT)}`,
      'ably.channel.*': 'of the simulator',
      'ably.limits.publish.perAttachment.maxRate.*': 10_000
    })
  }
}

/** A JWT of a key of the region. */
export function tokenOf(world: World, key: string, lifeS: number, claims: object): string {
  const [kid, secret] = key.split(':') as [string, string]
  const iat = Math.floor((EPOCH_MS + world.nowMs) / 1_000)
  const signed = [{ alg: 'HS256', typ: 'JWT', kid }, { iat, exp: iat + lifeS, ...claims }]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}
