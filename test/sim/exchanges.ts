/**
 * HTTP between a client and a worker: one request, one answer, each on its way for a moment. The
 * answer may be lost on its way; whoever waits too long, or asked a worker that has died, hears
 * nothing and is told so.
 */

import { decode } from '@msgpack/msgpack'
import type { RawRequest, Response } from '../../src/node/request.ts'
import type { Random } from '../../src/base/random.ts'
import type { WorkerThread } from './worker.ts'
import type { World } from './world.ts'

const WAY_MS = 2
/** What clients wait for an answer. */
const ANSWER_MS = 10_000
/** One answer in so many is lost on its way. */
const LOST_EVERY = 50

/** An answer as a client reads it. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly value: any
}

/** Sends a request to `thread`; `onAnswer` is called once, with undefined if none came. */
export function exchange(
  world: World,
  random: Random,
  thread: WorkerThread,
  request: RawRequest,
  onAnswer: (answer: Answer | undefined) => void
): void {
  let isOver = false
  const over = (answer: Answer | undefined): void => {
    if (isOver) return
    isOver = true
    world.cancel(timeout)
    onAnswer(answer)
  }
  const timeout = world.after(ANSWER_MS, () => over(undefined))
  const isLost = random.below(LOST_EVERY) === 0
  const respond = (response: Response): void => {
    if (response.body !== undefined) world.mixBytes(response.body)
    world.after(random.jitter(WAY_MS, 0.8), () => over(isLost ? undefined : answerOf(response)))
  }
  world.after(random.jitter(WAY_MS, 0.8), () => {
    if (thread.isListening) thread.onRequest(request, { respond })
    else over(undefined)
  })
}

function answerOf({ statusCode: status, headers, body }: Response): Answer {
  if (body === undefined) return { status, headers, value: undefined }
  const isPacked = headers['content-type'] === 'application/x-msgpack'
  const value = isPacked ? decode(body) : JSON.parse(new TextDecoder().decode(body))
  return { status, headers, value }
}
