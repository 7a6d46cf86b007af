/**
 * What was said on a channel (protocol 14.3, 14.5, 7.7, 8.6): messages and presence events that
 * its master still holds, by pages.
 */

import { standingOf } from '../channel/encoding.ts'
import type { Standing } from '../peer/message.ts'
import { errors } from '../wire/errors.ts'
import { publishSize } from '../wire/message.ts'
import { wireItem } from '../wire/payload.ts'
import type { Message, PresenceMessage } from '../wire/protocol-message.ts'
import { parseChannelSerial } from '../wire/serial.ts'
import type { Call } from './call.ts'
import { isCursor, isOfWorld } from './history-cursor.ts'
import { findMessage, HistoryReading, type HistoryRequest } from './history-reading.ts'
import { countOf, limitOf, linksOf, type Parsed } from './paging.ts'
import type { Request } from './request.ts'
import { missingHeaders } from './regions-missing.ts'
import type { RequestPorts } from './request-ports.ts'
import { askedChannel } from './rest-channel.ts'
import { WorldHistory } from './world-history.ts'

const VERSIONED_MIN = 4

/** `GET /channels/{c}/messages`, or `/history`. */
export function readMessages(call: Call, ports: RequestPorts): void {
  read(call, ports, 'messages')
}

/** `GET /channels/{c}/presence/history`. */
export function readPresenceHistory(call: Call, ports: RequestPorts): void {
  read(call, ports, 'presence')
}

/** `GET /channels/{c}/messages/{serial}`: 40400 for one that is not there. */
export function readMessage(call: Call, { questions, meters }: RequestPorts): void {
  const [wireName, serial] = call.params as [string, string]
  const channel = askedChannel(wireName, ['history'], call.caller)
  if (!channel.ok) {
    call.refuse(channel.error.info)
    return
  }
  findMessage(channel.key, serial, questions, call, (message, missing) => {
    if (message === undefined) {
      call.refuse(errors.notFound('a message of this serial').info, missingHeaders(missing))
      return
    }
    const { outboundRest } = meters.of(call.caller.credentials.appId)
    outboundRest.messages.add(1, publishSize([message]))
    call.answer(200, itemFor(message, call))
  })
}

function read(call: Call, { questions, meters }: RequestPorts, of: HistoryRequest['of']): void {
  const channel = askedChannel(call.params[0]!, ['history'], call.caller)
  if (!channel.ok) {
    call.refuse(channel.error.info)
    return
  }
  const asked = historyRequestOf(call.request, of)
  if (!asked.ok) {
    call.refuse(asked.error.info)
    return
  }
  const request = asked.value
  const isAlone = questions.regions.length + questions.absent.length === 0 &&
    !isOfWorld(request.cursor)
  const Reading = isAlone ? HistoryReading : WorldHistory
  new Reading(channel.key, request, questions, call, (page, missing: readonly string[] = []) => {
    const headers = missingHeaders(missing)
    if (page === undefined) {
      call.refuse(errors.attachPointUnknown().info, headers)
      return
    }
    const { outboundRest } = meters.of(call.caller.credentials.appId)
    outboundRest[of].add(page.items.length, publishSize(page.items))
    const items = page.items.map((item) => itemFor(item, call))
    const links = linksOf(call.request, resolved(request), page.next)
    call.answer(200, items, { ...links, ...headers })
  }).begin()
}

/** What a caller of this version reads: up to 3 a `version` was a text (protocol 1). */
function itemFor(item: Message | PresenceMessage, { format, version }: Call): object {
  const told = wireItem(item, format)
  return version < VERSIONED_MIN ? { ...told, version: undefined } : told
}

/** What stands in links even where the client said nothing of it. */
function resolved({ limit, isBackwards }: HistoryRequest): Record<string, string> {
  return { limit: String(limit), direction: isBackwards ? 'backwards' : 'forwards' }
}

function historyRequestOf(
  { query }: Request, of: HistoryRequest['of']
): Parsed<HistoryRequest> {
  const limit = limitOf(query)
  if (!limit.ok) return limit
  const start = countOf(query, 'start')
  if (!start.ok) return start
  const end = countOf(query, 'end')
  if (!end.ok) return end
  const direction = query.get('direction') || 'backwards'
  if (direction !== 'backwards' && direction !== 'forwards') {
    return { ok: false, error: errors.invalidParam('direction', 'backwards or forwards') }
  }
  const [startMs, endMs] = [start.value, end.value]
  if (startMs !== undefined && endMs !== undefined && startMs > endMs) {
    return { ok: false, error: errors.invalidParam('start', 'it is after the end') }
  }
  const cursor = query.get('cursor') || undefined
  if (cursor !== undefined && !isCursor(cursor)) {
    return { ok: false, error: errors.staleCursor() }
  }
  const until = untilOf(query)
  if (!until.ok) return until
  const isBackwards = direction === 'backwards'
  const bounds = { startMs, endMs, until: until.value }
  return { ok: true, value: { of, isBackwards, ...bounds, cursor, limit: limit.value } }
}

/** The point at which a client attached, up to which it wants to read. */
function untilOf(query: Request['query']): Parsed<Standing | undefined> {
  for (const name of ['from_serial', 'fromSerial']) {
    const text = query.get(name)
    if (text === undefined || text === '') continue
    const serial = parseChannelSerial(text)
    if (serial === undefined) {
      return { ok: false, error: errors.invalidParam(name, 'not a channelSerial') }
    }
    return { ok: true, value: standingOf(serial) }
  }
  return { ok: true, value: undefined }
}
