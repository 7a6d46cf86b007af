/**
 * Which channels there are, and how they are used (protocol 14.4), in any region of the world. A
 * channel is active while somebody is attached or present: those are listed. Who asks for one is
 * told of it in any case, for it is there for whoever uses it; its metrics are zeros where nobody
 * does.
 */

import { allowsEverywhere } from '../auth/capability.ts'
import type { Occupancy } from '../peer/census-message.ts'
import { errors } from '../wire/errors.ts'
import type { Call } from './call.ts'
import { Enumeration, type NamesPage } from './enumeration.ts'
import { InTurns } from './in-turns.ts'
import { cursorOf, cursorText, limitOf, linksOf } from './paging.ts'
import { missingHeaders } from './regions-missing.ts'
import type { RequestPorts } from './request-ports.ts'
import { askedChannel } from './rest-channel.ts'
import { WorldAsking } from './world-asking.ts'

/** Versions below tell the details of channels unless they are asked for names. */
const NAMES_VERSION_MIN = 3

/** `GET /channels/{c}`. */
export function readChannel(call: Call, { questions }: RequestPorts): void {
  const channel = askedChannel(call.params[0]!, ['channel-metadata'], call.caller)
  if (!channel.ok) {
    call.refuse(channel.error.info)
    return
  }
  const asking = new WorldAsking(questions, call)
  asking.status(channel.key, (occupancy) =>
    call.answer(200, detailsOf(channel.name.base, occupancy), missingHeaders(asking.missing)))
}

/** `GET /channels`. Whoever asks is told of all, so the capability must be on `*`. */
export function listChannels(call: Call, { questions, enumerations }: RequestPorts): void {
  const { credentials: { appId, capability } } = call.caller
  const { query } = call.request
  const by = query.get('by') || (call.version < NAMES_VERSION_MIN ? 'value' : 'id')
  const limit = limitOf(query)
  const after = cursorOf(query)
  const problem = !allowsEverywhere(capability, 'channel-metadata')
    ? errors.capabilityDenied('channel-metadata', '*')
    : !limit.ok ? limit.error
    : !after.ok ? after.error
    : by !== 'id' && by !== 'value' ? errors.invalidParam('by', 'id or value') : undefined
  if (problem !== undefined || !limit.ok || !after.ok) {
    if (problem !== undefined) call.refuse(problem.info)
    return
  }
  if (!enumerations.begin(appId)) {
    call.refuse(errors.enumerating().info)
    return
  }
  call.whenOver(() => enumerations.end(appId))
  const request = {
    appId, prefix: query.get('prefix') ?? '', after: after.value ?? '', limit: limit.value
  }
  const asking = new WorldAsking(questions, call)
  new Enumeration(request, questions, asking, call, ({ names, usedIn, next }: NamesPage) => {
    const cursor = next === undefined ? undefined : cursorText(next)
    const links = linksOf(call.request, { limit: String(limit.value), by }, cursor)
    const answer = (told: readonly unknown[]): void =>
      call.answer(200, told, { ...links, ...missingHeaders(asking.missing) })
    if (by === 'id') {
      answer(names)
      return
    }
    new InTurns<string, object>(
      names,
      (name, onResult) => asking.status(`${appId}/${name}`,
        (occupancy) => onResult(detailsOf(name, occupancy)),
        (region) => usedIn.get(name)!.has(region)),
      answer
    ).begin()
  }).begin()
}

function detailsOf(name: string, metrics: Occupancy): object {
  const isActive = metrics.connections > 0 || metrics.presenceMembers > 0
  return { channelId: name, name, status: { isActive, occupancy: { metrics } } }
}
