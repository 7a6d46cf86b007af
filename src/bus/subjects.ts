/**
 * NATS subjects. Every one begins with region and ring uid, so that neither another region on the
 * same servers nor zombies of a former ring are ever heard (rule 23). Subscriptions are one per
 * worker and four per node: they grow with nodes, never with channels. What regions say of
 * themselves is the one thing that all regions hear.
 */

import { MAIN_THREAD, type Place } from '../peer/place.ts'

/** The prefix of one region's ring; dots and spaces in names are NATS syntax and replaced. */
export function subjectPrefix(region: string, ringUid: string): string {
  return `ringcast.${token(region)}.${token(ringUid)}`
}

/** The inbox of a place. */
export function inboxSubject(prefix: string, place: Place): string {
  const part = place.worker === MAIN_THREAD ? 'main' : String(place.worker)
  return `${prefix}.in.${token(place.incarnation)}.${part}`
}

/** What every node of the ring hears: hellos and changes of the view. */
export function everybodySubject(prefix: string): string {
  return `${prefix}.all`
}

/** Where every region says that it is there, and the nodes of all others listen. */
export const worldSubject = 'ringcast.world'

/** Where the globalmaster of a region tells its nodes which regions are in the world. */
export function rosterSubject(prefix: string): string {
  return `${prefix}.world`
}

/** Where the nodes of a region tell its globalmaster how their relays are. */
export function relayWordsSubject(prefix: string): string {
  return `${prefix}.relays`
}

/** Where the globalmasters of all regions hear each other. */
export const globalmasterSubject = 'ringcast.globalmasters'

function token(text: string): string {
  return text.replaceAll(/[.\s*>]/g, '_')
}
