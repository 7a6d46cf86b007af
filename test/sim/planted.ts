/**
 * Planted faults: ways to break the core, each against one promise, so that it can be shown that
 * the simulator finds what it is there to find. Nothing of this is in the production paths: the
 * ports are given other answers, or a method of the core is replaced for the time of a run.
 */

import { ofTheArchive } from './planted-archive.ts'
import { ofBounds } from './planted-bounds.ts'
import { ofChannels } from './planted-channels.ts'
import { ofHandovers } from './planted-handovers.ts'
import { ofTheLog } from './planted-log.ts'
import { ofMembers } from './planted-members.ts'
import { ofPresence } from './planted-presence.ts'
import { ofRegions } from './planted-regions.ts'
import { ofRequests } from './planted-requests.ts'
import { ofRevocations } from './planted-revocations.ts'
import { ofSessions } from './planted-sessions.ts'
import { ofStats } from './planted-stats.ts'
import { ofTheView } from './planted-view.ts'
import { ofTheWriter } from './planted-writer.ts'
import type { Planted } from './planting.ts'

/** All of them. */
export const plantedFaults: readonly Planted[] = [
  ...ofTheLog, ...ofTheWriter, ...ofTheArchive, ...ofHandovers, ...ofTheView, ...ofMembers,
  ...ofChannels, ...ofSessions, ...ofPresence, ...ofRequests, ...ofRevocations, ...ofBounds,
  ...ofStats, ...ofRegions
]
