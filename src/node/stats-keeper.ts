/** A worker's keeper of statistics (stats/keeper.ts): of which apps, and where it tells them. */

import { Keeper, type KeeperPorts } from '../stats/keeper.ts'
import type { Channels } from './channels.ts'
import type { Gatekeeper } from './gatekeeper.ts'
import { statsChannel } from './stats-desk.ts'

export function statsKeeperOf(
  channels: Channels, gate: Gatekeeper, ports: Omit<KeeperPorts, 'apps' | 'tell'>
): Keeper {
  return new Keeper({
    ...ports,
    apps: () => {
      const apps = gate.directory?.apps.map(({ appId }) => appId) ?? []
      return apps.filter((appId) => channels.isMine(statsChannel(appId)))
    },
    tell: (appId, data) => channels.groups.tell(statsChannel(appId), { name: 'update', data })
  })
}
