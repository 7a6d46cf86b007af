/**
 * How a client publishes on many channels by one request, in each of the forms that there are
 * (protocol 14.6), and what it is told of each channel.
 */

import type { Random } from '../../src/base/random.ts'
import type { Answer } from './exchanges.ts'
import { type Ask, mayAskAgain } from './pages.ts'
import { Violation } from './world.ts'

/** Texts that are said on each of some channels. */
export interface Spec {
  readonly channels: readonly string[]
  readonly texts: readonly string[]
  /** The texts as messages. */
  readonly messages: readonly object[]
}

/** What became of a publish: taken, refused, or nobody knows. */
export type Outcome =
  | {
    readonly kind: 'taken'
    readonly messageId: string
    /** Undefined: they were not told. */
    readonly serials: readonly string[] | undefined
  }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unknown' }

interface Result {
  readonly channel: string
  readonly messageId?: string
  readonly serials?: readonly string[]
  readonly error?: { readonly code: number; readonly statusCode: number }
}

const UNKNOWN: Outcome = { kind: 'unknown' }
const PARTLY = 40020

/** Publishes; `onOutcome` is called once for each channel of each spec. */
export function publishBatch(
  specs: readonly Spec[],
  random: Random,
  ask: Ask,
  onOutcome: (specNo: number, channel: string, outcome: Outcome) => void
): void {
  const isFlat = random.below(4) === 0
  const isPlain = specs.length === 1 && random.below(2) === 0
  const wire = specs.map(({ channels, messages }) => ({
    channels: channels.length === 1 && random.below(2) === 0 ? channels[0] : channels,
    messages: messages.length === 1 && random.below(2) === 0 ? messages[0] : messages
  }))
  const body = new TextEncoder().encode(JSON.stringify(isPlain ? wire[0] : wire))
  const headers = { 'content-type': 'application/json', 'x-ably-version': isFlat ? '2' : '6' }
  ask({ method: 'POST', target: '/messages', headers, body }, (answer) => {
    const results = mayAskAgain(answer) ? undefined : resultsOf(answer!, specs, isFlat, isPlain)
    let at = 0
    for (const [no, { channels }] of specs.entries()) {
      for (const channel of channels) {
        const result = results?.[at++]
        if (results !== undefined && result?.channel !== channel) throw wrong(answer)
        onOutcome(no, channel, result === undefined ? UNKNOWN : outcomeOf(result))
      }
    }
  })
}

/** The results in order of the channels, if the answer has its form and counts right. */
function resultsOf(
  answer: Answer, specs: readonly Spec[], isFlat: boolean, isPlain: boolean
): Result[] {
  const { status, value } = answer
  if (isFlat) {
    const isPartly = status === 400 && value.error.code === PARTLY
    if (status !== 201 && !isPartly) throw wrong(answer)
    const results = (isPartly ? value.batchResponse : value) as Result[]
    if (results.some(({ error }) => error !== undefined) !== isPartly) throw wrong(answer)
    return results
  }
  if (status !== 201 || Array.isArray(value) === isPlain) throw wrong(answer)
  const counted = isPlain ? [value] : value
  if (counted.length !== specs.length) throw wrong(answer)
  return counted.flatMap(({ successCount, failureCount, results }: {
    successCount: number; failureCount: number; results: Result[]
  }) => {
    const failed = results.filter(({ error }) => error !== undefined).length
    const isRight = failed === failureCount && results.length - failed === successCount
    if (!isRight) throw wrong(answer)
    return results
  })
}

function outcomeOf({ messageId, serials, error }: Result): Outcome {
  if (error === undefined) return { kind: 'taken', messageId: messageId ?? '', serials }
  return error.statusCode >= 500 ? UNKNOWN : { kind: 'refused' }
}

function wrong(answer: Answer | undefined): Violation {
  return new Violation('requests',
    `a batch is answered ${answer?.status} ${JSON.stringify(answer?.value)}`)
}
