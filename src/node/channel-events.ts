/** What becomes of channels, as events of their apps (protocol 7.9). */

import { META_PREFIX } from '../wire/params.ts'
import type { MetaEvents } from './meta-events.ts'

/**
 * A channel has become active in this region, or is so no more; metachannels are not told of. They
 * stay in their region, so that both are told there, whatever goes on in others
 * (docs/decisions/0024-regions.md).
 */
export function tellActivity(
  events: MetaEvents, channel: string, isActive: boolean, region: string
): void {
  const at = channel.indexOf('/')
  const [appId, name] = [channel.slice(0, at), channel.slice(at + 1)]
  if (name.startsWith(META_PREFIX)) return
  const data = { channelId: name, name, status: { isActive } }
  const tell = (event: string, more: object = {}): void => {
    events.tell(appId, 'channel.lifecycle', () => ({ name: event, data: { ...data, ...more } }))
  }
  tell(isActive ? 'channel.opened' : 'channel.closed')
  tell(isActive ? 'channel.region.active' : 'channel.region.inactive', { region })
}
