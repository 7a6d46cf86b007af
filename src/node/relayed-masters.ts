/** The masters of a worker, as its relays need them (relays.ts). */

import type { ChannelMaster } from '../channel/master.ts'
import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import type { Random } from '../base/random.ts'
import type { PeerMessage } from '../peer/message.ts'
import type { Place } from '../peer/place.ts'
import type { Questions } from './questions.ts'
import type { PartitionsPorts } from './partitions.ts'
import { type RelayedMasters, Relays, type RelaysPorts } from './relays.ts'

/** What relays need of a worker, besides its channels. */
export interface WorkerPorts {
  readonly deadlines: Deadlines
  readonly random: Random
  now(): Now
  /** There are other regions now than before. */
  onWorld(): void
}

/** What hears of places of other regions as of those of the own one. */
interface Hearing extends Pick<RelaysPorts, 'onPlaceEnded' | 'onPeerRestarted' | 'onLinkReset'> {
  readonly questions: Pick<Questions, 'onView'>
}

/** A worker's relays. */
export function relaysOf(
  { self, siteCode }: { readonly self: Place; readonly siteCode: string },
  { deadlines, random, now, onWorld }: WorkerPorts,
  channels: Hearing,
  send: (to: Place, message: PeerMessage) => void,
  masterOf: (channel: string) => ChannelMaster | undefined
): Relays {
  return new Relays({
    self,
    region: siteCode,
    deadlines,
    random: random.fork('relays'),
    masters: relayedMasters(masterOf, now),
    now,
    send,
    onWorld: () => {
      channels.questions.onView()
      onWorld()
    },
    onPlaceEnded: (place) => channels.onPlaceEnded(place),
    onPeerRestarted: (place) => channels.onPeerRestarted(place),
    onLinkReset: (place) => channels.onLinkReset(place)
  })
}

/** What masters want of the relays of their worker, and of other regions. */
export function toRelays(relays: () => Relays): Pick<
  PartitionsPorts,
  'onUsed' | 'others' | 'otherRegions' | 'toRegions' | 'askToHold' | 'sayWritten' | 'wakeRelay' |
  'countAbroad'
> {
  return {
    onUsed: (...used) => relays().onUsed(...used),
    others: (region) => relays().others(region),
    otherRegions: () => relays().worldNames,
    toRegions: (...asked) => relays().askAll(...asked),
    askToHold: (hold, turn) => relays().askOne(hold, turn),
    sayWritten: (...said) => relays().sayWritten(...said),
    wakeRelay: (channel, region) => relays().wake({ channel, region }),
    countAbroad: (channel, isWanted) => relays().count(channel, isWanted)
  }
}

/** `masterOf` finds the master of a channel, if it serves here. */
function relayedMasters(
  masterOf: (channel: string) => ChannelMaster | undefined, now: () => Now
): RelayedMasters {
  return {
    standingOf: (channel, region) => masterOf(channel)?.relaying.standingOf(region),
    begins: (channel, region) => masterOf(channel)?.relaying.comeback?.begins(region),
    giveUp: (channel, region) => masterOf(channel)?.relaying.giveUp(region) === true,
    hasRoom: (channel) => masterOf(channel)?.relaying.hasRoom === true,
    take: (channel, region, relayed) => {
      const master = masterOf(channel)
      const isTaken = master?.relaying.take(region, relayed) === true
      master?.moving.onProgress()
      return isTaken
    },
    writtenOf: (channel, region) => masterOf(channel)?.relaying.written.stretchOf(region),
    onCount: (channel, region, count) => masterOf(channel)?.census.onAbroad(region, count),
    onTold: (told) => masterOf(told.channel)?.moving.onTold(told),
    takeNobody: (channel, region) => {
      const master = masterOf(channel)
      const isTaken = master?.relaying.takeNobody(region) !== false
      master?.moving.onProgress()
      return isTaken
    },
    onRelay: (channel, region, isThere) => masterOf(channel)?.relaying.onRelay(region, isThere),
    wait: (channel) => {
      const master = masterOf(channel)
      return master?.relaying.wait((place, join) => master.onJoin(place, join, now())) ??
        (() => undefined)
    }
  }
}
