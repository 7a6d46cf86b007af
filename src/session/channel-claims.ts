/**
 * What a token says of the messages that its owner publishes on a channel (ably-protocol 11.5):
 * a claim about who that is, which receivers may rely on, and how many they may be in a second.
 * Of several claims about a channel the narrowest counts.
 */

import { reaches } from '../auth/capability.ts'
import type { ChannelClaim, Credentials } from '../auth/key.ts'
import type { ChannelName } from '../wire/params.ts'
import { limits } from '../base/limits.ts'
import { TokenBucket } from '../base/rate.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import type { Message } from '../wire/protocol-message.ts'

function claimOn<T>(
  claims: readonly ChannelClaim<T>[] | undefined, name: ChannelName
): T | undefined {
  return claims?.find(({ pattern }) => reaches(pattern, name))?.value
}

/** The messages with the claim of their publisher; what a client claims itself is taken away. */
export function stamped(
  messages: readonly Message[], { token }: Credentials, name: ChannelName
): readonly Message[] {
  const userClaim = claimOn(token?.userClaims, name)
  const isPlain = userClaim === undefined &&
    messages.every(({ extras }) => extras?.['userClaim'] === undefined)
  if (isPlain) return messages
  return messages.map((message) => {
    const { userClaim: _, ...extras } = message.extras ?? {}
    if (userClaim !== undefined) return { ...message, extras: { ...extras, userClaim } }
    return { ...message, extras: Object.keys(extras).length === 0 ? undefined : extras }
  })
}

/** The rates of one session's channels, for those of them that have one. */
export class ChannelRates {
  /** The one used last is last. */
  readonly #buckets = new Map<string, TokenBucket>()

  /** Why no publish may be let in on this channel now. */
  refusal({ token }: Credentials, name: ChannelName, nowMs: number): ErrorInfo | undefined {
    const rate = claimOn(token?.publishRates, name)
    if (rate === undefined) return undefined
    const bucket = this.#buckets.get(name.base) ?? new TokenBucket(rate, nowMs)
    this.#buckets.delete(name.base)
    this.#buckets.set(name.base, bucket)
    if (this.#buckets.size > limits.attachmentsPerSessionMax) this.#forgetOldest()
    if (bucket.take(nowMs)) return undefined
    return errors.rateLimited('The token permits fewer publishes a second on this channel').info
  }

  #forgetOldest(): void {
    for (const oldest of this.#buckets.keys()) {
      this.#buckets.delete(oldest)
      return
    }
  }
}
