/** A worker's questions to the masters of channels, in its own region and in others. */

import type { Now } from '../base/clock.ts'
import type { Deadlines } from '../base/deadlines.ts'
import type { Random } from '../base/random.ts'
import type { PeerMessage } from '../peer/message.ts'
import type { Place } from '../peer/place.ts'
import type { Mastership } from './mastership.ts'
import { Questions } from './questions.ts'
import type { Relays } from './relays.ts'

interface AskingPorts {
  readonly deadlines: Deadlines
  readonly random: Random
  now(): Now
}

export function questionsOf(
  { generation, siteCode }: { readonly generation: number; readonly siteCode: string },
  { deadlines, random, now }: AskingPorts,
  mastership: Mastership,
  relays: () => Pick<Relays, 'names' | 'absent' | 'masterIn' | 'placesIn' | 'isListedIn'>,
  send: (to: Place, message: PeerMessage) => void
): Questions {
  return new Questions({
    generation,
    region: siteCode,
    deadlines,
    random: random.fork('questions'),
    nowMs: () => now().monoMs,
    masterPlace: (channel, region) => region === undefined ? mastership.masterPlace(channel)
      : relays().masterIn(region, channel),
    places: (region) => region === undefined ? mastership.places() : relays().placesIn(region),
    isListed: (place, region) => region === undefined ? mastership.isListed(place)
      : relays().isListedIn(region, place),
    regions: () => relays().names,
    absent: () => relays().absent,
    send
  })
}
