/*
How far a region has come that is to send its clients to others, by what its nodes say.
*/

import { onRegion } from './conditions.ts'
import type { Judgement } from './conditions.ts'
import type { ClientsAnswer, PassContext } from './pass.ts'
import type { Pod } from './plan.ts'
import type { WorldSpec } from './spec.ts'

/** Nodes asked at a time. */
const askedAtOnce = 32

/** What nodes have answered, and how many were asked. */
export interface DrainSeen { answers: ClientsAnswer[], askedCount: number }

/**
 * Asks every node that runs, for one that is not ready may have clients all the same; nobody is
 * asked while nobody is to be sent away.
 */
export async function askAll (
  { askClients }: Pick<PassContext, 'askClients'>, pods: Pod[], world: WorldSpec | undefined
): Promise<DrainSeen | undefined> {
  if (world?.isDraining !== true) return undefined
  const asked = pods.filter(({ status }) => status?.phase === 'Running')
  const answers: ClientsAnswer[] = []
  for (let at = 0; at < asked.length; at += askedAtOnce) {
    const some = await Promise.all(asked.slice(at, at + askedAtOnce).map(askClients))
    answers.push(...some.filter(answer => answer !== undefined))
  }
  return { answers, askedCount: asked.length }
}

/** The condition `Draining` of a region in a world; `seen` is there while it is to drain. */
export function drainingOf (seen: DrainSeen | undefined): Judgement {
  if (seen === undefined) {
    return onRegion('Draining', false, 'NotAsked', 'the region keeps its clients')
  }
  const { answers, askedCount } = seen
  const draining = answers.filter(({ drain }) => drain === 'draining')
  const left = answers.reduce((sum, { connections }) => sum + connections, 0)
  if (draining.length > 0) {
    const isOver = left === 0 && draining.length === askedCount
    return isOver
      ? onRegion('Draining', true, 'Drained', 'no client is left')
      : onRegion('Draining', true, 'ClientsLeave',
        `${left} clients are left; ${draining.length} of ${askedCount} nodes send theirs away`)
  }
  if (answers.some(({ drain }) => drain === 'alone')) {
    return onRegion('Draining', false, 'NoOtherRegion', 'no other region is heard that serves ' +
      `and is not to drain as well; it goes on serving ${left} clients`)
  }
  return onRegion('Draining', undefined, 'NotHeardYet',
    `${answers.length} of ${askedCount} nodes answer, and none has heard of it yet`)
}
