/**
 * Requests about many channels at once (protocol 14.6). What goes wrong on one channel is told in
 * its place and is nothing to the others; what has no outcome in time has 50003 there.
 */

import { limits } from '../base/limits.ts'
import { type ErrorInfo, errors } from '../wire/errors.ts'
import { isMap } from '../wire/fields.ts'
import { checkMessages, type Message } from '../wire/protocol-message.ts'
import { isForcedNack } from '../session/admission.ts'
import { answerFlat, COUNTED_VERSION_MIN, counts } from './batch-results.ts'
import type { Call } from './call.ts'
import { InTurns } from './in-turns.ts'
import { readAllMembers } from './members-reading.ts'
import type { Parsed } from './paging.ts'
import { missingHeaders } from './regions-missing.ts'
import type { RequestPorts } from './request-ports.ts'
import { askedChannel } from './rest-channel.ts'
import { countRead, membersAs } from './rest-presence.ts'
import { countRefused, type Published, publishOn } from './rest-publish.ts'
import { WorldAsking } from './world-asking.ts'

/** What became of one channel of a batch. */
type Result = { readonly channel: string; readonly error?: ErrorInfo }

interface Spec {
  readonly channels: readonly string[]
  readonly messages: readonly Message[]
}

interface Target {
  readonly channel: string
  readonly messages: readonly Message[]
}

/** `POST /messages`: one spec or a list of them, each of messages for one or more channels. */
export function publishBatch(call: Call, ports: RequestPorts): void {
  if (isForcedNack(Object.fromEntries(call.request.query))) {
    call.refuse(errors.forcedNack().info)
    return
  }
  const size = call.request.body?.byteLength ?? 0
  if (size > limits.batchBodyBytesMax) {
    call.refuse(errors.messageTooLarge(size, limits.batchBodyBytesMax).info)
    return
  }
  const body = call.body()
  const read = body.ok ? specsOf(body.value) : body
  if (!read.ok) {
    call.refuse(read.error.info)
    return
  }
  const specs = read.value
  const isList = body.ok && Array.isArray(body.value)
  const targets = specs.flatMap(({ channels, messages }): Target[] =>
    channels.map((channel) => ({ channel, messages })))
  const run = ({ channel, messages }: Target, onResult: (result: Published) => void): void => {
    const asked = askedChannel(channel, ['publish'], call.caller)
    if (asked.ok) {
      publishOn(asked, messages, call.caller, ports, onResult)
      return
    }
    const error = asked.error.info
    countRefused(messages.length, error, call.caller, ports)
    onResult({ channel, error })
  }
  gather(targets, run, ports, (results) => {
    if (call.version < COUNTED_VERSION_MIN) {
      answerFlat(call, 201, results.map(withoutSerials))
      return
    }
    let from = 0
    const counted = specs.map(({ channels: { length } }) =>
      counts(results.slice(from, from += length)))
    call.answer(201, isList ? counted : counted[0])
  })
}

/** `GET /presence`: who is present on each of the channels, in any region of the world. */
export function readPresenceBatch(call: Call, ports: RequestPorts): void {
  const { query } = call.request
  const text = query.get('channels') ?? ''
  const channels = text.split(query.get('separator') || ',').map((channel) => ({ channel }))
  if (text === '' || channels.length > limits.batchChannelsMax) {
    call.refuse(errors.invalidParam('channels', `1 to ${limits.batchChannelsMax} names`).info)
    return
  }
  const taking = { bytes: 0, bytesMax: limits.batchAnswerBytesMax }
  const asking = new WorldAsking(ports.questions, call)
  const run = ({ channel }: { channel: string }, onResult: (result: Result) => void): void => {
    const asked = askedChannel(channel, ['subscribe', 'presence'], call.caller)
    if (!asked.ok) {
      onResult({ channel, error: asked.error.info })
      return
    }
    readAllMembers(asked.key, {}, taking, asking.members, (members) => {
      if (members !== undefined) countRead(members, ports, call)
      const result = members === undefined ? { error: errors.answerTooLarge(taking.bytesMax).info }
        : { presence: membersAs(members, call.format) }
      onResult({ channel, ...result })
    })
  }
  gather(channels, run, ports, (results) => {
    const headers = missingHeaders(asking.missing)
    if (call.version < COUNTED_VERSION_MIN) answerFlat(call, 200, results, headers)
    else call.answer(200, counts(results), headers)
  })
}

/** Gives every channel its result, in order. */
function gather<Item extends { readonly channel: string }, R extends Result>(
  items: readonly Item[],
  run: (item: Item, onResult: (result: R) => void) => void,
  { deadlines, now }: RequestPorts,
  onAll: (results: readonly Result[]) => void
): void {
  const turns = new InTurns<Item, R>(items, run, (results) => {
    deadlines.cancel(deadline)
    onAll(results.map((result, at) =>
      result ?? { channel: items[at]!.channel, error: errors.timeout().info }))
  })
  const deadline = deadlines.at(now().monoMs + limits.batchAnswerMs, () => turns.stop())
  turns.begin()
}

function withoutSerials(result: Result & { readonly serials?: unknown }): Result {
  const { serials: _, ...rest } = result
  return rest
}

/** Reads the specs of a batch; 40001 for a wrong form, or for too many channels. */
function specsOf(value: unknown): Parsed<Spec[]> {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  const specs: Spec[] = []
  let targetCount = 0
  for (const each of list) {
    const spec = specOf(each)
    if (!spec.ok) return spec
    targetCount += spec.value.channels.length
    if (targetCount > limits.batchTargetsMax) {
      return refused(`a batch has at most ${limits.batchTargetsMax} channels in all its specs`)
    }
    specs.push(spec.value)
  }
  return specs.length === 0 ? refused('a batch has at least one spec') : { ok: true, value: specs }
}

function specOf(value: unknown): Parsed<Spec> {
  if (!isMap(value)) return refused('a spec is a map of channels and messages')
  const { channels: named, messages } = value
  const channels: readonly unknown[] = Array.isArray(named) ? named : [named]
  if (!channels.every((channel) => typeof channel === 'string')) {
    return refused('the channels of a spec are a name or a list of names')
  }
  const { length } = channels
  if (length === 0 || length > limits.batchChannelsMax) {
    return refused(`a spec has 1 to ${limits.batchChannelsMax} channels`)
  }
  const read = checkMessages(messages)
  return read.ok ? { ok: true, value: { channels, messages: read.messages } } : read
}

function refused(detail: string): Parsed<never> {
  return { ok: false, error: errors.invalidBody(detail) }
}
